//! Pure text making: a validated design becomes Terraform files, as hcl-rs structures and never as text.
//! Same input, same bytes. No IO, no clock, no async.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::api::design::{Finding, SecretSource, Severity};
use crate::api::session::Language;
use crate::catalog::Catalog;
use crate::validator::ValidatedDesign;
use crate::validator::finding::in_bounds;

pub mod export;
pub mod files;
pub mod graph;
pub mod hcl_text;
pub mod looked_up;
pub mod mapping;
pub mod network;
pub mod overrides;
pub mod schema;
pub mod schema_check;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod platform_tests;
#[cfg(test)]
pub(crate) mod catalog_tests;
#[cfg(test)]
mod docs_tests;
pub mod tree;

use schema::Schema;
use tree::{Mode, Resource};

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
    /// what is looked up when a resource is made and ignored afterwards
    pub looked_up: Vec<looked_up::LookedUp>,
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
    /// fewest capitals, small letters, digits and symbols, each
    pub of_each: usize,
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
pub fn render(design: &ValidatedDesign, catalog: &Catalog, context: &RenderContext) -> Result<Rendered, Vec<Finding>> {
    attempt(design, catalog, context).map_err(|findings| findings.into_iter().map(in_bounds).collect())
}

fn attempt(design: &ValidatedDesign, catalog: &Catalog, context: &RenderContext) -> Result<Rendered, Vec<Finding>> {
    let schema = Schema::builtin();
    let network = network::derive(design, catalog, Language::En);
    let errors: Vec<Finding> = network.findings.iter().filter(|f| f.severity == Severity::Error).cloned().collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut content = files::content(design, catalog, &network);
    files::tag(&mut content.resources, context, schema);
    let circles = graph::circles(&content.resources);
    if !circles.is_empty() {
        return Err(circles);
    }
    let files = files::write(design, &content).map_err(|error| vec![internal("hcl", &error.to_string())])?;
    let problems = schema_check::check(&content.resources, schema, &files);
    if !problems.is_empty() {
        return Err(problems);
    }
    let added = overrides::added(&design.files, &files)?;
    let mut files = files;
    files.extend(design.files.clone());
    let managed = || content.resources.iter().filter(|r| r.mode == Mode::Managed);
    let mut variables = design.variables.clone();
    variables.insert("region".to_owned(), design.region.clone());
    variables.insert("compartment_ocid".to_owned(), design.compartment_id.clone());
    Ok(Rendered {
        variables,
        secrets: content.secrets.iter().map(|secret| secret.need.clone()).collect(),
        resources: managed().map(rendered).chain(added.resources).collect(),
        types: content.resources.iter().map(|r| r.resource_type.clone()).chain(added.types).collect(),
        components: managed().map(|r| (r.address(), r.component.clone())).collect(),
        looked_up: looked_up::of(design, catalog, &content.resources),
        files,
    })
}

fn rendered(resource: &Resource) -> RenderedResource {
    let mut unknown = BTreeSet::new();
    let arguments = resource.tree.json("", &mut unknown);
    RenderedResource { address: resource.address(), resource_type: resource.resource_type.clone(), arguments, unknown }
}

/// A fault of Galley, not of the design: said as a finding, because the design cannot be planned either way.
fn internal(what: &str, message: &str) -> Finding {
    Finding {
        rule: format!("render.{what}"),
        severity: Severity::Error,
        path: String::new(),
        message: message.to_owned(),
        recommendation: None,
        allowed: Vec::new(),
    }
}
