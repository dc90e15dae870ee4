//! The pure judge: (spec, catalogue) → findings, and a [`ValidatedDesign`] when none is an error.
//! No IO, no clock, no async; never names services.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::design::{Connection, DesignSpec, Finding, Target};
use crate::api::session::Language;
use crate::catalog::Catalog;

/// Everything about a design that may be relied on: ids unique, types known, every config key typed and defaulted,
/// connections resolved and allowed. Made only by [`validate`]; nothing after it reads the raw spec.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidatedDesign {
    /// name of the session
    pub session: String,
    /// where it is built
    pub target: Target,
    /// region identifier; from the spec or the server's default
    pub region: String,
    /// compartment OCID; from the spec or the server's work compartment
    pub compartment_id: String,
    /// components in the order of the spec
    pub components: Vec<ValidatedComponent>,
    /// connections in the order of the spec
    pub connections: Vec<Connection>,
    /// variables that are not secret
    pub variables: BTreeMap<String, String>,
    /// override files, checked
    pub files: BTreeMap<String, String>,
}

/// One component past the gate.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidatedComponent {
    /// id chosen by the caller
    pub id: String,
    /// Terraform label made from the id: ASCII, unique, stable
    pub label: String,
    /// service type of the catalogue
    pub service_type: String,
    /// display name (any language); the id when none was given
    pub display_name: String,
    /// every config key of the service, typed; defaults filled in; absent = no value and no default
    pub config: BTreeMap<String, Value>,
}

/// What the judge needs beside the spec.
#[derive(Debug, Clone)]
pub struct Defaults {
    /// region when the spec names none
    pub region: String,
    /// compartment when the spec names none
    pub compartment_id: String,
    /// language of messages
    pub language: Language,
}

/// What the judge says.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// every finding, errors first
    pub findings: Vec<Finding>,
    /// the design, unless a finding is an error
    pub design: Option<ValidatedDesign>,
}

/// Judges a spec.
pub fn validate(_spec: &DesignSpec, _catalog: &Catalog, _defaults: &Defaults) -> Verdict {
    todo!()
}
