//! The pure judge: (spec, catalogue, rules) → findings, and a [`ValidatedDesign`] when none is an error.
//! No IO, no clock, no async; never names services.
//!
//! What the catalogue's own schema says is judged first, in code: structure, configuration, connections, addresses. What
//! OCI says beyond that is data: [`rules`].

mod advice;
mod config;
mod connections;
mod contradictions;
mod cidr;
pub mod finding;
mod implied;
mod instead;
pub mod labels;
pub mod reading;
mod requires;
pub mod rules;
mod structure;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::design::{Connection, DesignSpec, Finding, SecretSource, Severity, Target};
use crate::api::session::Language;
use crate::catalog::Catalog;
use crate::render::network;
pub use connections::allowed_connections;
use finding::{Findings, both};
use rules::{Case, Rules};

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
    /// secret variables that the spec names, with where their values come from
    pub secrets: BTreeMap<String, SecretSource>,
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

impl ValidatedDesign {
    /// Puts together what has been checked apart.
    fn new(spec: &DesignSpec, defaults: &Defaults, components: Vec<ValidatedComponent>, connections: Vec<Connection>) -> Self {
        ValidatedDesign {
            session: spec.session_ref.clone(),
            target: spec.target,
            region: spec.region.clone().unwrap_or_else(|| defaults.region.clone()),
            compartment_id: spec.compartment_id.clone().unwrap_or_else(|| defaults.compartment_id.clone()),
            components,
            connections,
            variables: spec.variables.clone(),
            files: spec.files.clone(),
            secrets: spec.secret_variables.iter().map(|secret| (secret.name.clone(), secret.source)).collect(),
        }
    }
}

/// Judges a spec: structure, configuration, connections, addresses, contradictions; then completes the network once, so
/// that what would be added (or has no room) is said before anything is rendered; then the rules, on the design as it
/// would be built. Rules are not asked about a design whose parts cannot be relied on.
pub fn validate(spec: &DesignSpec, catalog: &Catalog, rules: &Rules, defaults: &Defaults) -> Verdict {
    let mut findings = Findings::new(defaults.language);
    let (read, readings) = reading::read(spec, catalog);
    let spec = &*read;
    structure::check(spec, catalog, defaults, &mut findings);
    let mut components = config::components(spec, catalog, &mut findings);
    let mut connections = connections::check(spec, catalog, &mut findings);
    reading::tell(readings, &mut findings);
    implied::attachments(catalog, &mut components, &mut connections, &mut findings);
    requires::check(catalog, &components, &connections, &mut findings);
    cidr::check(spec, catalog, &components, &connections, &mut findings);
    contradictions::check(spec, catalog, &components, &connections, &mut findings);
    advice::check(spec, catalog, &components, &connections, &mut findings);
    let design = ValidatedDesign::new(spec, defaults, components, connections);
    if findings.items.iter().all(|finding| !breaks_the_parts(finding)) {
        let network = network::derive(&design, catalog, defaults.language);
        let case = Case { spec, design: &design, network: &network, catalog, work_compartment: &defaults.compartment_id };
        let judged = rules.judge(case, defaults.language);
        if !findings.has_errors() {
            findings.items.extend(network.findings);
        }
        findings.items.extend(judged.findings);
    }
    for problem in rules.problems() {
        let text = both(format!("{problem}。前のものが有効です"), format!("{problem}; what was in force before stays in force"));
        findings.warning("rules.overlay", "", text).add();
    }
    let valid = !findings.has_errors();
    let mut findings = findings.items;
    findings.sort_by_key(|finding| finding.severity);
    Verdict { design: valid.then_some(design), findings }
}

/// Ids, types, values or connections are not what they must be: what is left is not the design the person means.
fn breaks_the_parts(finding: &Finding) -> bool {
    let families = ["structure.", "config.", "network.cidr", "network.vcn-size"];
    finding.severity == Severity::Error && families.iter().any(|family| finding.rule.starts_with(family))
}

/// How many findings of a severity.
pub fn count(findings: &[Finding], severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity == severity).count()
}
