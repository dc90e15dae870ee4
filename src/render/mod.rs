//! Pure text making: a validated design becomes Terraform files, as hcl-rs structures and never as text.
//! Same input, same bytes. No IO, no clock, no async.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::api::design::{Finding, SecretSource};
use crate::catalog::Catalog;
use crate::validator::ValidatedDesign;

pub mod schema;

/// What tags and names need beside the design.
#[derive(Debug, Clone)]
pub struct RenderContext {
    /// name of the session (freeform tag galley-session)
    pub session: String,
    /// uid of the design (freeform tag galley-design); a placeholder for previews of unsaved designs
    pub design_uid: String,
}

/// The result.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// main.tf, variables.tf, network.tf, one per tier, outputs.tf, terraform.tfvars.example
    pub files: BTreeMap<String, String>,
    /// values of the variables that the files declare and that are not secret
    pub variables: BTreeMap<String, String>,
    /// secret variables that the files declare
    pub secrets: Vec<SecretNeed>,
    /// every managed resource, for the structural diff
    pub resources: Vec<RenderedResource>,
    /// resource and data source types used
    pub types: BTreeSet<String>,
    /// address → component id (derived network belongs to its VCN component)
    pub components: BTreeMap<String, String>,
}

/// A secret variable a design needs.
#[derive(Debug, Clone, PartialEq)]
pub struct SecretNeed {
    /// name of the Terraform variable
    pub name: String,
    /// where the value comes from
    pub source: SecretSource,
    /// what a generated value must look like
    pub rule: PasswordRule,
}

/// What a generated password must look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordRule {
    /// characters
    pub length: usize,
    /// characters it may use beside letters and digits; at least one is used when not empty
    pub symbols: String,
}

/// One managed resource as rendered.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderedResource {
    /// Terraform address
    pub address: String,
    /// resource type
    pub resource_type: String,
    /// arguments: literals as JSON; anything that is only known later (references, functions) is `Value::Null` under
    /// its key and its dotted path is in `unknown`
    pub arguments: Value,
    /// dotted paths of arguments that are not literals
    pub unknown: BTreeSet<String>,
}

/// Renders a design. Errors are findings with file and line (schema check) or path (derivation).
pub fn render(_design: &ValidatedDesign, _catalog: &Catalog, _context: &RenderContext) -> Result<Rendered, Vec<Finding>> {
    todo!()
}
