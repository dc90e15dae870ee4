//! The Terraform files of a design as somebody else takes them: out of Galley's hands, against a real tenancy. Values that
//! only the simulated cloud understands are taken out of `variables.tf`, every variable that must be given stands in
//! `terraform.tfvars.example`, `schema.yaml` makes a form of them in OCI Resource Manager, and a README says how. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hcl::expr::Expression;
use hcl::structure::{Block, Body};
use serde::Serialize;

use super::Subject;
use super::text::clean;
use crate::catalog::Catalog;
use crate::render::hcl_text;

/// Says what a person must supply; both languages, because archives are handed on.
const README: &str = include_str!("terraform_readme.md");
/// What stands where a person has to write.
const REPLACE: &str = "replace-me";
/// Where the generated variables are declared.
const VARIABLES: &str = "variables.tf";

/// The files with what makes them stand alone. A file of the design is never replaced but for `variables.tf` and the
/// example, which Galley wrote itself.
pub fn stack(subject: &Subject<'_>, files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut all = files.clone();
    if let Some(text) = files.get(VARIABLES).and_then(|text| without_placeholders(text, subject.catalog)) {
        all.insert(VARIABLES.to_owned(), text);
    }
    let variables = declared(&all);
    all.insert("terraform.tfvars.example".to_owned(), example(subject, &variables));
    // YAML that cannot be written would be a form less, and no reason to keep the files back
    if let Ok(schema) = schema(subject, &variables, &outputs(&all)) {
        all.insert("schema.yaml".to_owned(), schema);
    }
    all.insert("README.md".to_owned(), README.to_owned());
    all
}

/// `variables.tf` without the defaults that only serve the simulated cloud; None when there are none.
fn without_placeholders(text: &str, catalog: &Catalog) -> Option<String> {
    let placeholder = |name: &str, value: &Expression| {
        let mut all = catalog.services().flat_map(|service| &service.variables);
        all.any(|v| v.placeholder && v.name == name && v.default.as_deref() == literal(value).as_deref())
    };
    let mut blocks: Vec<Block> = hcl::parse(text).ok()?.into_blocks().collect();
    let mut found = false;
    for block in &mut blocks {
        let name = label(block);
        block.body.0.retain(|part| {
            let empty = part.as_attribute().is_some_and(|a| a.key.as_str() == "default" && placeholder(&name, &a.expr));
            found |= empty;
            !empty
        });
    }
    found.then(|| hcl_text::text(&blocks).ok()).flatten()
}

/// A variable as the files declare it.
#[derive(Debug, Clone, PartialEq)]
struct Variable {
    name: String,
    description: String,
    sensitive: bool,
    /// its default as written; None: it must be given
    default: Option<String>,
    /// a text, or something that takes other signs
    text: bool,
}

fn label(block: &Block) -> String {
    block.labels.first().map(|label| label.as_str().to_owned()).unwrap_or_default()
}

/// A text that is written out.
fn literal(value: &Expression) -> Option<String> {
    match value {
        Expression::String(text) => Some(text.clone()),
        _ => None,
    }
}

fn attribute<'a>(body: &'a Body, name: &str) -> Option<&'a Expression> {
    body.attributes().find(|attribute| attribute.key.as_str() == name).map(|attribute| &attribute.expr)
}

/// The blocks of one kind in all files, in the order of the files.
fn blocks(files: &BTreeMap<String, String>, kind: &str) -> Vec<Block> {
    let bodies = files.iter().filter(|(name, _)| name.ends_with(".tf")).filter_map(|(_, text)| hcl::parse(text).ok());
    bodies.flat_map(Body::into_blocks).filter(|block| block.identifier() == kind).collect()
}

/// Every variable: where things go first, then what must be given, then what may be, secrets last.
fn declared(files: &BTreeMap<String, String>) -> Vec<Variable> {
    let read = |block: Block| Variable {
        name: label(&block),
        description: attribute(&block.body, "description").and_then(literal).map(|text| clean(&text)).unwrap_or_default(),
        sensitive: matches!(attribute(&block.body, "sensitive"), Some(Expression::Bool(true))),
        default: attribute(&block.body, "default").and_then(|value| hcl::format::to_string(value).ok()),
        text: attribute(&block.body, "type").is_none_or(|kind| matches!(kind, Expression::Variable(v) if v.as_str() == "string")),
    };
    let mut all: Vec<Variable> = blocks(files, "variable").into_iter().map(read).collect();
    let place = |name: &str| ["compartment_ocid", "region", "tenancy_ocid"].iter().position(|known| *known == name).unwrap_or(3);
    all.sort_by_key(|v| (v.sensitive, place(&v.name), v.default.is_some()));
    all
}

/// Values to copy. Secrets have no line: an example value would be used, and a file would keep a real one.
fn example(subject: &Subject<'_>, variables: &[Variable]) -> String {
    let mut text = format!("# Copy to terraform.tfvars and fill in what says {REPLACE}.\n");
    let shown = |name: &str| match name {
        "compartment_ocid" => format!("ocid1.compartment.oc1..{REPLACE}"),
        "tenancy_ocid" => format!("ocid1.tenancy.oc1..{REPLACE}"),
        "region" => subject.region().to_owned(),
        _ => REPLACE.to_owned(),
    };
    // writing to a String does not fail
    for variable in variables.iter().filter(|variable| !variable.sensitive) {
        let Variable { name, description, default, text: is_text, .. } = variable;
        let _ = write!(text, "\n{}", comment(description));
        let value = hcl::format::to_string(&Expression::from(shown(name))).unwrap_or_default();
        let _ = match default {
            Some(default) if !default.contains('\n') => writeln!(text, "# {name} = {default}"),
            Some(_) => writeln!(text, "# {name} has a default"),
            None if *is_text => writeln!(text, "{name} = {value}"),
            None => writeln!(text, "# {name} = (no text: see its type)"),
        };
    }
    let secrets: Vec<&Variable> = variables.iter().filter(|variable| variable.sensitive).collect();
    if !secrets.is_empty() {
        text.push_str("\n# Secrets stand in no file. Set them in the environment of terraform plan and apply:\n");
        for Variable { name, description, .. } in secrets {
            let _ = writeln!(text, "#   TF_VAR_{name}{}", if description.is_empty() { String::new() } else { format!("   {description}") });
        }
    }
    text
}

fn comment(description: &str) -> String {
    if description.is_empty() { String::new() } else { format!("# {description}\n") }
}

/// Names of the outputs that are shown, with what they are.
fn outputs(files: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let open = |block: &Block| !matches!(attribute(&block.body, "sensitive"), Some(Expression::Bool(true)));
    let said = |block: &Block| attribute(&block.body, "description").and_then(literal).map(|text| clean(&text)).unwrap_or_default();
    blocks(files, "output").iter().filter(|block| open(block)).map(|block| (label(block), said(block))).collect()
}

/// What Resource Manager shows of a stack (its "schema document", version 1.1.0): titles, fields that fit, passwords that
/// are not seen, outputs in the tab "Application information".
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Schema {
    title: String,
    description: String,
    schema_version: &'static str,
    version: &'static str,
    locale: &'static str,
    variable_groups: Vec<Group>,
    variables: BTreeMap<String, Field>,
    outputs: BTreeMap<String, Shown>,
}

#[derive(Serialize)]
struct Group {
    title: &'static str,
    variables: Vec<String>,
}

#[derive(Serialize)]
struct Field {
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmation: Option<bool>,
}

#[derive(Serialize)]
struct Shown {
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
}

/// `order_db_admin_password` as a title: the console shows it above its field.
fn titled(name: &str) -> String {
    match name {
        "compartment_ocid" => return "Compartment".to_owned(),
        "tenancy_ocid" => return "Tenancy OCID".to_owned(),
        _ => {}
    }
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn field(variable: &Variable) -> Option<Field> {
    let kind = match variable.name.as_str() {
        "compartment_ocid" => "oci:identity:compartment:id",
        "region" => "oci:identity:region:name",
        _ if variable.sensitive => "password",
        // the console offers files and pasting for keys, and a plain field for texts; another type keeps its own default
        name if name.ends_with("ssh_public_key") => "oci:core:ssh:publickey",
        _ if variable.text => "string",
        _ => return None,
    };
    Some(Field {
        kind,
        title: titled(&variable.name),
        description: variable.description.clone(),
        required: variable.default.is_none(),
        confirmation: (kind == "password").then_some(true),
    })
}

fn schema(subject: &Subject<'_>, variables: &[Variable], outputs: &[(String, String)]) -> Result<String, serde_saphyr::SerializeError> {
    let fields: Vec<(&Variable, Field)> = variables.iter().filter_map(|variable| Some((variable, field(variable)?))).collect();
    let group = |title: &'static str, wanted: &dyn Fn(&Variable) -> bool| Group {
        title,
        variables: fields.iter().filter(|(variable, _)| wanted(variable)).map(|(variable, _)| format!("${{{}}}", variable.name)).collect(),
    };
    let place = |variable: &Variable| matches!(variable.name.as_str(), "compartment_ocid" | "region" | "tenancy_ocid");
    let groups = [
        group("Where", &place),
        group("Settings", &|variable| !variable.sensitive && !place(variable)),
        group("Secrets", &|variable| variable.sensitive),
    ];
    let title = clean(subject.title);
    let schema = Schema {
        title: if title.is_empty() { "Design".to_owned() } else { title },
        description: format!("{} components in {}, designed with Galley.", subject.spec.components.len(), clean(subject.region())),
        schema_version: "1.1.0",
        version: "1",
        locale: "en",
        variable_groups: groups.into_iter().filter(|group| !group.variables.is_empty()).collect(),
        outputs: outputs
            .iter()
            .map(|(name, description)| {
                let kind = if name.ends_with("_id") { "ocid" } else { "string" };
                let title = if description.is_empty() { titled(name) } else { format!("{}: {description}", titled(name)) };
                (name.clone(), Shown { kind, title })
            })
            .collect(),
        variables: fields.into_iter().map(|(variable, field)| (variable.name.clone(), field)).collect(),
    };
    let text = serde_saphyr::to_string(&schema)?;
    Ok(format!("# What OCI Resource Manager shows of this stack.\n{text}"))
}
