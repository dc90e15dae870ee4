//! Compares rendered blocks, and the mappings of service files, with the provider schema: unknown or missing arguments,
//! wrong types, values outside an enum, too many or too few blocks. Pure; findings carry file and line.
//!
//! [`SchemaIndex`] is all this needs to know of a schema. [`CoreIndex`] reads the types that the shipped services use
//! (provider 8.28.0, the format of `terraform providers schema -json` plus enums).

mod core;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

pub use self::core::CoreIndex;
use super::hcl_text;
use super::tree::{Arg, DEPENDS_ON, LIFECYCLE, Mode, Reference, Resource, TERRAFORM_DATA, Tree};
use crate::api::design::{Finding, Severity};
use crate::catalog::mapping::{BlockMapping, Expr, Ordered};
use crate::catalog::{Catalog, locate};

/// What the check asks of a provider schema.
pub trait SchemaIndex {
    /// The block of a resource or data source type.
    fn block(&self, mode: Mode, resource_type: &str) -> Option<&SchemaBlock>;
    /// Whether the provider has the type, even when its block is not known here.
    fn knows(&self, mode: Mode, resource_type: &str) -> bool {
        self.block(mode, resource_type).is_some()
    }
}

/// A block of the schema.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct SchemaBlock {
    /// arguments and exported attributes
    #[serde(default)]
    pub attributes: BTreeMap<String, AttributeSchema>,
    /// nested blocks
    #[serde(default)]
    pub block_types: BTreeMap<String, NestedSchema>,
}

/// An attribute.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct AttributeSchema {
    /// cty type: `"string"` or `["list", "string"]`
    #[serde(rename = "type", default)]
    pub value_type: Value,
    /// must be given
    #[serde(default)]
    pub required: bool,
    /// may be given
    #[serde(default)]
    pub optional: bool,
    /// closed set of values; empty = open
    #[serde(rename = "enum", default)]
    pub choices: Vec<String>,
}

/// A nested block.
#[derive(Debug, Clone, Deserialize)]
pub struct NestedSchema {
    /// its content
    pub block: SchemaBlock,
    /// how many there must be
    #[serde(default)]
    pub min_items: usize,
    /// how many there may be
    pub max_items: Option<usize>,
}

/// What the API requires although the schema calls it optional (OCI API reference; provider 8.28.0): attribute or block.
const REQUIRED_BY_API: &[(&str, &[&str])] = &[
    ("oci_core_vcn", &["cidr_blocks"]),
    ("oci_core_subnet", &["cidr_block", "route_table_id", "security_list_ids"]),
    ("oci_core_instance", &["shape", "shape_config", "source_details", "create_vnic_details"]),
    ("oci_database_autonomous_database", &["admin_password"]),
    ("oci_containerengine_cluster", &["endpoint_config", "options", "cluster_pod_network_options"]),
    ("oci_containerengine_node_pool", &["node_config_details", "node_source_details", "node_shape_config", "kubernetes_version"]),
    ("oci_functions_function", &["image"]),
    ("oci_streaming_stream", &["compartment_id"]),
    ("oci_nosql_table", &["table_limits"]),
    ("oci_load_balancer_load_balancer", &["shape_details"]),
];

/// Checks rendered blocks against the schema. `files` give the lines.
pub fn check(resources: &[Resource], index: &dyn SchemaIndex, files: &BTreeMap<String, String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let addresses: BTreeSet<String> = resources.iter().map(Resource::address).collect();
    for resource in resources {
        let mut problems = Vec::new();
        references(&resource.tree, "", &addresses, &mut problems);
        match index.block(resource.mode, &resource.resource_type) {
            None if resource.resource_type == TERRAFORM_DATA => {}
            None => problems.push((String::new(), format!("the provider has no type {}", resource.resource_type))),
            Some(block) => {
                tree(&resource.tree, block, "", &mut problems);
                required_by_api(resource, &mut problems);
            }
        }
        for (path, problem) in problems {
            let text = files.get(&resource.file).map(String::as_str).unwrap_or_default();
            let line = hcl_text::line(text, resource.mode, &resource.resource_type, &resource.label, &path);
            findings.push(Finding {
                rule: "render.schema".to_owned(),
                severity: Severity::Error,
                path: format!("{}:{line}", resource.file),
                message: format!("{}: {problem}", resource.address()),
                recommendation: Some(format!("look at component `{}` and its service file", resource.component)),
                allowed: Vec::new(),
            });
        }
    }
    findings
}

/// A reference to a block that the design does not have: Terraform would refuse the whole configuration.
fn references(tree: &Tree, path: &str, addresses: &BTreeSet<String>, problems: &mut Vec<(String, String)>) {
    let dotted = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for (name, arg) in &tree.arguments {
        let mut found = Vec::new();
        super::graph::references(arg, &mut found);
        for address in found.into_iter().filter_map(Reference::address).filter(|address| !addresses.contains(address)) {
            problems.push((dotted(name), format!("`{}` refers to {address}, which the design does not have", dotted(name))));
        }
    }
    for (name, inner) in tree.blocks.iter().filter(|(name, _)| name != LIFECYCLE) {
        references(inner, &dotted(name), addresses, problems);
    }
}

fn required_by_api(resource: &Resource, problems: &mut Vec<(String, String)>) {
    let needed = REQUIRED_BY_API.iter().filter(|(resource_type, _)| *resource_type == resource.resource_type);
    for name in needed.flat_map(|(_, names)| names.iter()) {
        let given = resource.tree.arguments.iter().any(|(n, _)| n == name) || resource.tree.blocks.iter().any(|(n, _)| n == name);
        if !given {
            problems.push((String::new(), format!("`{name}` is missing: the OCI API requires it")));
        }
    }
}

fn tree(tree_: &Tree, schema: &SchemaBlock, path: &str, problems: &mut Vec<(String, String)>) {
    let dotted = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for (name, arg) in tree_.arguments.iter().filter(|(name, _)| name != DEPENDS_ON) {
        match schema.attributes.get(name) {
            Some(attribute) if attribute.required || attribute.optional => {
                if let Some(problem) = argument(arg, attribute) {
                    problems.push((dotted(name), format!("`{}` {problem}", dotted(name))));
                }
            }
            Some(_) => problems.push((dotted(name), format!("`{}` is read-only", dotted(name)))),
            None if schema.block_types.contains_key(name) => {
                problems.push((dotted(name), format!("`{}` is a block, not an argument", dotted(name))));
            }
            None => problems.push((dotted(name), format!("there is no argument `{}`", dotted(name)))),
        }
    }
    for (name, attribute) in &schema.attributes {
        if attribute.required && !tree_.arguments.iter().any(|(n, _)| n == name) {
            problems.push((path.to_owned(), format!("argument `{}` is missing", dotted(name))));
        }
    }
    for (name, inner) in tree_.blocks.iter().filter(|(name, _)| name != LIFECYCLE) {
        match schema.block_types.get(name) {
            Some(nested) => tree(inner, &nested.block, &dotted(name), problems),
            None => problems.push((dotted(name), format!("there is no block `{}`", dotted(name)))),
        }
    }
    for (name, nested) in &schema.block_types {
        let count = tree_.blocks.iter().filter(|(n, _)| n == name).count();
        if count < nested.min_items {
            problems.push((path.to_owned(), format!("block `{}` is missing", dotted(name))));
        }
        if nested.max_items.is_some_and(|most| count > most) {
            problems.push((dotted(name), format!("block `{}` stands {count} times", dotted(name))));
        }
    }
}

/// What is wrong with an argument's value, as far as it is known now.
fn argument(arg: &Arg, schema: &AttributeSchema) -> Option<String> {
    match arg {
        Arg::Literal(value) => {
            if !fits(value, &schema.value_type) {
                return Some(format!("must be of type {}", type_name(&schema.value_type)));
            }
            let outside =
                value.as_str().filter(|text| !schema.choices.is_empty() && !schema.choices.iter().any(|choice| choice == text))?;
            Some(format!("cannot be `{outside}`; one of {}", schema.choices.join(", ")))
        }
        Arg::Reference(_) | Arg::Expression(..) => None,
        Arg::List(items) => match collection(&schema.value_type) {
            Some(("list" | "set", inner)) => {
                items.iter().find_map(|item| argument(item, &AttributeSchema { value_type: inner.clone(), ..AttributeSchema::default() }))
            }
            Some(_) | None => Some(format!("must be of type {}", type_name(&schema.value_type))),
        },
        Arg::Map(_) => {
            let is_map = collection(&schema.value_type).is_some_and(|(kind, _)| kind == "map");
            (!is_map).then(|| format!("must be of type {}", type_name(&schema.value_type)))
        }
    }
}

fn collection(value_type: &Value) -> Option<(&str, &Value)> {
    let parts = value_type.as_array()?;
    Some((parts.first()?.as_str()?, parts.get(1)?))
}

/// Strict on purpose: Terraform would convert `true` to `"true"`, and the structural diff would see a change each time.
fn fits(value: &Value, value_type: &Value) -> bool {
    match (value_type.as_str(), collection(value_type)) {
        (Some("string"), _) => value.is_string(),
        (Some("number"), _) => value.is_number(),
        (Some("bool"), _) => value.is_boolean(),
        (Some(_), _) => true,
        (None, Some(("list" | "set", inner))) => value.as_array().is_some_and(|items| items.iter().all(|item| fits(item, inner))),
        (None, Some(("map", inner))) => value.as_object().is_some_and(|members| members.values().all(|member| fits(member, inner))),
        (None, _) => true,
    }
}

fn type_name(value_type: &Value) -> String {
    match collection(value_type) {
        Some((kind, inner)) => format!("{kind} of {}", type_name(inner)),
        None => value_type.as_str().unwrap_or("any").to_owned(),
    }
}

/// Compares every mapping of the catalogue with the schema, without rendering: an argument that the provider does not
/// have is an error of the service file, with its line.
pub fn check_catalog(catalog: &Catalog, index: &dyn SchemaIndex) -> Vec<crate::catalog::Error> {
    let mut errors = Vec::new();
    for service in catalog.services() {
        let Some((file, text)) = catalog.source(&service.service_type) else { continue };
        let mut fail = |path: &[&str], message: String| {
            errors.push(crate::catalog::Error::Check { file: file.to_owned(), line: locate(text, path), message });
        };
        for resource in &service.resources {
            let path = ["resources", resource.key.as_str()];
            match index.block(Mode::Managed, &resource.resource_type) {
                Some(block) => mapping(&path, &resource.arguments, &resource.blocks, block, &mut fail),
                None => fail(&path, format!("the provider has no resource type {}", resource.resource_type)),
            }
        }
        for data in &service.data {
            let path = ["data", data.key.as_str()];
            match index.block(Mode::Data, &data.data_type) {
                Some(block) => mapping(&path, &data.arguments, &data.blocks, block, &mut fail),
                None => fail(&path, format!("the provider has no data source type {}", data.data_type)),
            }
        }
    }
    errors
}

fn mapping(path: &[&str], arguments: &Ordered<Expr>, blocks: &[BlockMapping], schema: &SchemaBlock, fail: &mut dyn FnMut(&[&str], String)) {
    for (name, _) in arguments.iter() {
        let writable = schema.attributes.get(name).is_some_and(|a| a.required || a.optional);
        if !writable {
            fail(&[path, &[name]].concat(), format!("the provider takes no argument `{name}` here"));
        }
    }
    for name in schema.attributes.iter().filter(|(_, a)| a.required).map(|(name, _)| name) {
        if arguments.get(name).is_none() {
            fail(path, format!("the provider requires argument `{name}` here"));
        }
    }
    for block in blocks {
        let inner = [path, &[block.name.as_str()]].concat();
        match schema.block_types.get(&block.name) {
            Some(nested) => mapping(&inner, &block.arguments, &block.blocks, &nested.block, fail),
            None => fail(&inner, format!("the provider takes no block `{}` here", block.name)),
        }
    }
}
