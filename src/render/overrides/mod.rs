//! Override files (`spec.files`): Terraform that a person adds to the rendered one. An allowlist on the parsed tree,
//! template strings included; nothing of a refused file reaches Terraform. Pure.
//!
//! Allowed: `resource` and `data` of provider oracle/oci, `variable`, `locals`, `output`, and the pure functions of
//! [`functions::PURE`](crate::catalog::functions::PURE). Everything else is refused, because a plan runs on the server with its credentials: a
//! provisioner runs commands, `file()` reads the server's disk, `external` starts programs, a module comes from the network.

mod heredoc;
mod read;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use hcl::expr::Expression;
use hcl::structure::{Block, Body};

use super::RenderedResource;
use super::schema::Schema;
use super::tree::Mode;
use crate::api::design::{Finding, Severity};
use crate::catalog::{expression, nesting};
use crate::validator::finding::{Both, Findings, both, quoted};

/// Files that Galley writes itself; further ones are named after tiers.
const GENERATED: &[&str] = &[
    "main",
    "variables",
    "outputs",
    "network",
    "compute",
    "containers",
    "database",
    "storage",
    "edge",
    "functions",
    "iam",
    "integration",
    "observability",
    "oke",
    "security",
];

/// Arguments by which the provider would read a file of the server (schema of provider 8.28.0): the type, empty for every
/// type, and the name.
const LOCAL_FILES: &[(&str, &str)] = &[
    ("oci_objectstorage_object", "source"),
    ("oci_generic_artifacts_content_artifact_by_path", "source"),
    ("oci_functions_invoke_function", "input_body_source_path"),
    ("oci_management_dashboard_management_dashboards_import", "import_details_file"),
    ("oci_dns_action_create_zone_from_zone_file", "create_zone_from_zone_file_details"),
    ("", "model_artifact"),
    ("", "job_artifact"),
    ("", "model_custom_metadatum_artifact"),
    ("", "model_defined_metadatum_artifact"),
    ("", "model_group_artifact"),
    ("", "activation_file"),
    ("", "multi_rack_configuration_file"),
    ("", "import_custom_content_file"),
    ("", "register_lookup_file"),
    ("", "append_lookup_file"),
    ("", "update_lookup_file"),
];

/// A refusal: rule and text.
type Refusal = (&'static str, Both);

/// Checks every file; each refusal is one error at `files[<name>]`.
pub fn check(files: &BTreeMap<String, String>, findings: &mut Findings) {
    let mut declared: BTreeMap<String, &str> = BTreeMap::new();
    for (name, text) in files {
        let path = format!("files[{}]", quoted(name));
        let stem = name.strip_suffix(".tf").unwrap_or(name);
        if GENERATED.contains(&stem) {
            let message = both(format!("{name} は Galley が書くファイルです"), format!("{name} is a file that Galley writes"));
            findings.error("files.name", path.clone(), message).advise(both("別の名前にしてください", "choose another name")).add();
        }
        let (tree, body) = match parse(text) {
            Ok(parsed) => parsed,
            Err((rule, message)) => {
                findings.error(rule, path, message).add();
                continue;
            }
        };
        for (rule, message) in judge(&body).into_iter().chain(read::refused(&tree)) {
            let advice = both(
                "使えるのは oracle/oci の resource と data、variable、locals、output です",
                "allowed are resource and data of oracle/oci, variable, locals and output",
            );
            findings.error(rule, path.clone(), message).advise(advice).add();
        }
        for address in addresses(&body) {
            if let Some(other) = declared.insert(address.clone(), name) {
                let message = both(format!("{address} は {other} にもあります"), format!("{address} is declared in {other} too"));
                findings.error("files.twice", path.clone(), message).add();
            }
        }
    }
}

/// Variables that the files declare. Files that cannot be read declare none; their refusal stands.
pub fn variables(files: &BTreeMap<String, String>) -> Vec<String> {
    let bodies = files.values().filter_map(|text| parse(text).ok());
    bodies.flat_map(|(_, body)| addresses(&body)).filter_map(|address| address.strip_prefix("var.").map(str::to_owned)).collect()
}

/// The tree as it was parsed, and what hcl-rs makes of it.
fn parse(text: &str) -> Result<(hcl_edit::structure::Body, Body), Refusal> {
    if nesting::nests_too_deeply(text) {
        return Err(("files.syntax", both("括弧か式の入れ子が深すぎます", "brackets or expressions are nested too deeply")));
    }
    let tree: hcl_edit::structure::Body = text.parse().map_err(|error: hcl_edit::parser::Error| {
        let shown = expression::in_one_line(&error);
        ("files.syntax", both(format!("HCL として読めません: {shown}"), format!("it cannot be read as HCL: {shown}")))
    })?;
    if let Some(why) = heredoc::doubtful(text, &tree) {
        return Err(("files.syntax", why));
    }
    let body = tree.clone().into();
    Ok((tree, body))
}

/// Everything that is refused in a file.
fn judge(body: &Body) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if let Some(attribute) = body.attributes().next() {
        let name = quoted(attribute.key());
        refusals.push(("files.block", both(format!("ブロックの外に {name} があります"), format!("{name} stands outside any block"))));
    }
    for block in body.blocks() {
        top(block, &mut refusals);
    }
    refusals
}

fn top(block: &Block, refusals: &mut Vec<Refusal>) {
    let labels: Vec<&str> = block.labels().iter().map(|label| label.as_str()).collect();
    // No type of the provider has an argument of these names, and of a local value it is only the name.
    for attribute in block.body().attributes().filter(|_| block.identifier() != "locals") {
        match attribute.key() {
            "ephemeral" => refusals.push(("files.block", both("ephemeral は使えません", "ephemeral cannot be used"))),
            "provider" => refusals.push(("files.argument", both("provider は選べません", "the provider cannot be chosen"))),
            _ => {}
        }
    }
    match (block.identifier(), labels.as_slice()) {
        ("resource", [kind, _]) => provider_type(Mode::Managed, kind, block, refusals),
        ("data", [kind, _]) => provider_type(Mode::Data, kind, block, refusals),
        ("variable", [_]) | ("output", [_]) | ("locals", []) => inside(block.body(), refusals),
        (keyword, _) => {
            let shown = quoted(keyword);
            refusals.push(("files.block", both(format!("ブロック {shown} は使えません"), format!("block {shown} cannot be used"))));
        }
    }
}

fn provider_type(mode: Mode, kind: &str, block: &Block, refusals: &mut Vec<Refusal>) {
    let known = Schema::builtin().knows(mode == Mode::Data, kind);
    if !known {
        let shown = quoted(kind);
        let message = both(
            format!("{shown} は oracle/oci プロバイダの種別ではないか、Galley が知らない種別です"),
            format!("{shown} is not a type of provider oracle/oci, or one that Galley does not know"),
        );
        refusals.push(("files.type", message));
    }
    for attribute in block.body().attributes() {
        let name = attribute.key();
        if LOCAL_FILES.contains(&(kind, name)) || LOCAL_FILES.contains(&("", name)) {
            let shown = quoted(name);
            let message =
                both(format!("{shown} はサーバーのファイルを読むので使えません"), format!("{shown} would read a file of the server"));
            refusals.push(("files.argument", message));
        }
    }
    inside(block.body(), refusals);
}

/// Nested blocks. What stands in expressions is [`read`]'s business.
fn inside(body: &Body, refusals: &mut Vec<Refusal>) {
    for block in body.blocks() {
        let labels: Vec<&str> = block.labels().iter().map(|label| label.as_str()).collect();
        let names = std::iter::once(block.identifier()).chain(labels.iter().copied());
        for name in names.filter(|name| matches!(*name, "provisioner" | "connection")) {
            refusals.push(("files.block", both(format!("{name} は使えません"), format!("{name} cannot be used"))));
        }
        // A destruction is approved by a person, and then nothing may stand in its way.
        let keeps = |attribute: &hcl::Attribute| attribute.key() == "prevent_destroy" && attribute.expr() != &Expression::Bool(false);
        if block.identifier() == "lifecycle" && block.body().attributes().any(keeps) {
            let message = both(
                "prevent_destroy は使えません。破棄は承認されたときだけ行われます",
                "prevent_destroy cannot be used: Galley destroys only what was approved",
            );
            refusals.push(("files.argument", message));
        }
        inside(block.body(), refusals);
    }
}

/// What a file declares: `var.x`, `local.x`, `output.x`, `type.label`, `data.type.label`.
fn addresses(body: &Body) -> Vec<String> {
    let mut found = Vec::new();
    for block in body.blocks() {
        let labels: Vec<&str> = block.labels().iter().map(|label| label.as_str()).collect();
        match (block.identifier(), labels.as_slice()) {
            ("resource", [kind, label]) => found.push(format!("{kind}.{label}")),
            ("data", [kind, label]) => found.push(format!("data.{kind}.{label}")),
            ("variable", [name]) => found.push(format!("var.{name}")),
            ("output", [name]) => found.push(format!("output.{name}")),
            ("locals", []) => found.extend(block.body().attributes().map(|a| format!("local.{}", a.key()))),
            _ => {}
        }
    }
    found
}

/// What the override files add to a rendered design.
#[derive(Debug, Default)]
pub struct Added {
    /// managed resources, for the structural diff
    pub resources: Vec<RenderedResource>,
    /// resource and data source types
    pub types: BTreeSet<String>,
}

/// Reads the files beside the generated ones: a name that both declare is an error, before Terraform says so.
pub fn added(files: &BTreeMap<String, String>, generated: &BTreeMap<String, String>) -> Result<Added, Vec<Finding>> {
    if files.is_empty() {
        // Reading what was just written takes a quarter of a judgement, and most designs bring no files.
        return Ok(Added::default());
    }
    let own: BTreeSet<String> = generated.values().filter_map(|text| hcl::parse(text).ok()).flat_map(|body| addresses(&body)).collect();
    let mut added = Added::default();
    let mut problems = Vec::new();
    for (name, text) in files {
        if generated.contains_key(name) {
            problems.push(problem(name, format!("{name} is a file that Galley writes")));
        }
        let Ok((_, body)) = parse(text) else { continue };
        for address in addresses(&body).into_iter().filter(|address| own.contains(address)) {
            problems.push(problem(name, format!("{address} is declared by the design itself")));
        }
        for block in body.blocks() {
            let labels: Vec<&str> = block.labels().iter().map(|label| label.as_str()).collect();
            if let ("resource" | "data", [kind, label]) = (block.identifier(), labels.as_slice()) {
                added.types.insert((*kind).to_owned());
                // With count or for_each the addresses have keys that only Terraform knows.
                let counted = block.body().attributes().any(|a| matches!(a.key(), "count" | "for_each"));
                if block.identifier() == "resource" && !counted {
                    added.resources.push(resource(kind, label, block.body()));
                }
            }
        }
    }
    if problems.is_empty() { Ok(added) } else { Err(problems) }
}

/// Top-level arguments only; nested blocks are left to the plan.
fn resource(kind: &str, label: &str, body: &Body) -> RenderedResource {
    let mut arguments = serde_json::Map::new();
    let mut unknown = BTreeSet::new();
    for attribute in body.attributes().filter(|a| !matches!(a.key(), "depends_on")) {
        let value = match attribute.expr() {
            Expression::String(text) => Some(text.as_str().into()),
            Expression::Bool(value) => Some((*value).into()),
            Expression::Number(number) => serde_json::to_value(number).ok(),
            _ => None,
        };
        if value.is_none() {
            unknown.insert(attribute.key().to_owned());
        }
        arguments.insert(attribute.key().to_owned(), value.unwrap_or_default());
    }
    RenderedResource { address: format!("{kind}.{label}"), resource_type: kind.to_owned(), arguments: arguments.into(), unknown }
}

fn problem(file: &str, message: String) -> Finding {
    Finding {
        rule: "files.collision".to_owned(),
        severity: Severity::Error,
        path: format!("files[{}]", quoted(file)),
        message,
        recommendation: Some("choose another name".to_owned()),
        allowed: Vec::new(),
    }
}
