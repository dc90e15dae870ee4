//! Compares rendered blocks, and the mappings of service files, with the provider schema: unknown or missing arguments,
//! wrong types, values outside an enum, too many or too few blocks. Pure; findings carry file and line.
//!
//! Everything known of the provider comes from [`Schema`], what the API wants beyond the published schema included.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::hcl_text;
use super::schema::{Attribute, Block, Schema, Type};
use super::tree::{Arg, LIFECYCLE, Mode, PROVIDER, Reference, Resource, Tree, is_meta};
use crate::api::design::{Finding, Severity};
use crate::catalog::Catalog;
use crate::catalog::mapping::{BlockMapping, Expr, Ordered};

/// The block of a resource or data source type.
pub(super) fn block_of(schema: &Schema, mode: Mode, block_type: &str) -> Option<Arc<Block>> {
    match mode {
        Mode::Managed => schema.resource(block_type),
        Mode::Data => schema.data_source(block_type),
    }
}

/// Checks rendered blocks against the schema. `files` give the lines.
pub fn check(resources: &[Resource], schema: &Schema, files: &BTreeMap<String, String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let addresses: BTreeSet<String> = resources.iter().map(Resource::address).collect();
    for resource in resources {
        let mut problems = Vec::new();
        references(&resource.tree, "", &addresses, &mut problems);
        match block_of(schema, resource.mode, &resource.resource_type) {
            None => problems.push((String::new(), format!("the provider has no type {}", resource.resource_type))),
            Some(block) => {
                tree(&resource.tree, &block, "", &mut problems);
                required_by_api(resource, schema, &mut problems);
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
    for (name, arg) in tree.arguments.iter().filter(|(name, _)| name != PROVIDER) {
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

fn required_by_api(resource: &Resource, schema: &Schema, problems: &mut Vec<(String, String)>) {
    for rule in schema.required_by_api(&resource.resource_type).filter(|_| resource.mode == Mode::Managed) {
        let (name, condition) = rule.split_once(" when ").map_or((rule, None), |(name, condition)| (name, Some(condition)));
        if condition.is_some_and(|condition| !may_hold(condition, &resource.tree)) {
            continue;
        }
        let given = resource.tree.arguments.iter().any(|(n, _)| n == name) || resource.tree.blocks.iter().any(|(n, _)| n == name);
        if !given {
            problems.push((String::new(), format!("`{name}` is missing: the OCI API requires it")));
        }
    }
}

/// Whether a condition such as `shape=*.Flex` holds, or may hold because the value is not known yet.
fn may_hold(condition: &str, tree: &Tree) -> bool {
    let Some((sibling, end)) = condition.split_once("=*") else { return true };
    let value = tree.arguments.iter().find(|(name, _)| name == sibling).and_then(|(_, arg)| arg.as_literal()?.as_str());
    value.is_none_or(|value| value.ends_with(end))
}

fn tree(tree_: &Tree, schema: &Block, path: &str, problems: &mut Vec<(String, String)>) {
    let dotted = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for (name, arg) in tree_.arguments.iter().filter(|(name, _)| !is_meta(name)) {
        match schema.attributes.get(name) {
            Some(attribute) if attribute.required || attribute.optional => {
                if let Some(problem) = argument(arg, attribute) {
                    problems.push((dotted(name), format!("`{}` {problem}", dotted(name))));
                }
            }
            Some(_) => problems.push((dotted(name), format!("`{}` is read-only", dotted(name)))),
            None if schema.blocks.contains_key(name) => {
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
    let conditions = schema.attributes.iter().filter_map(|(name, a)| Some((name, a.required_when.as_ref()?)));
    for (name, condition) in conditions.chain(schema.blocks.iter().filter_map(|(name, b)| Some((name, b.required_when.as_ref()?)))) {
        let given = tree_.arguments.iter().any(|(n, _)| n == name) || tree_.blocks.iter().any(|(n, _)| n == name);
        if let (false, Some((sibling, value))) = (given, fulfilled(condition, tree_)) {
            problems.push((path.to_owned(), format!("`{}` is missing: the API requires it when `{sibling}` is `{value}`", dotted(name))));
        }
    }
    for (name, inner) in tree_.blocks.iter().filter(|(name, _)| name != LIFECYCLE) {
        match schema.blocks.get(name) {
            Some(nested) => tree(inner, &nested.block, &dotted(name), problems),
            None => problems.push((dotted(name), format!("there is no block `{}`", dotted(name)))),
        }
    }
    for (name, nested) in &schema.blocks {
        let count = tree_.blocks.iter().filter(|(n, _)| n == name).count() as u64;
        if count < nested.min_items {
            problems.push((path.to_owned(), format!("block `{}` is missing", dotted(name))));
        }
        if nested.max_items > 0 && count > nested.max_items {
            problems.push((dotted(name), format!("block `{}` stands {count} times", dotted(name))));
        }
    }
}

/// The sibling and its value that fulfil a condition such as `type=iscsi | emulated`, when they stand in this block.
fn fulfilled<'t>(condition: &'t str, tree: &'t Tree) -> Option<(&'t str, &'t str)> {
    let (sibling, values) = condition.split_once('=')?;
    let (_, arg) = tree.arguments.iter().find(|(name, _)| name == sibling)?;
    let value = arg.as_literal()?.as_str()?;
    values.split('|').any(|wanted| wanted.trim() == value).then_some((sibling, value))
}

/// What is wrong with an argument's value, as far as it is known now.
fn argument(arg: &Arg, schema: &Attribute) -> Option<String> {
    value_problem(arg, &schema.ty, &schema.enum_values)
}

fn value_problem(arg: &Arg, ty: &Type, choices: &[String]) -> Option<String> {
    let wrong_type = || Some(format!("must be of type {ty}"));
    match arg {
        Arg::Literal(value) if !fits(value, ty) => wrong_type(),
        Arg::Literal(value) => {
            let texts = value.as_array().into_iter().flatten().chain([value]).filter_map(Value::as_str);
            let outside = texts.into_iter().find(|text| !choices.is_empty() && !choices.iter().any(|choice| choice == text))?;
            Some(format!("cannot be `{outside}`; one of {}", choices.join(", ")))
        }
        Arg::Reference(_) | Arg::Expression(..) => None,
        Arg::List(items) => match ty {
            Type::List(inner) | Type::Set(inner) => items.iter().find_map(|item| value_problem(item, inner, choices)),
            Type::String | Type::Number | Type::Bool | Type::Dynamic | Type::Map(_) | Type::Object(_) => wrong_type(),
        },
        Arg::Map(_) if matches!(ty, Type::Map(_)) => None,
        Arg::Map(_) => wrong_type(),
    }
}

/// Strict on purpose: Terraform would convert `true` to `"true"`, and the structural diff would see a change each time.
fn fits(value: &Value, ty: &Type) -> bool {
    match ty {
        Type::String => value.is_string(),
        Type::Number => value.is_number(),
        Type::Bool => value.is_boolean(),
        Type::List(inner) | Type::Set(inner) => value.as_array().is_some_and(|items| items.iter().all(|item| fits(item, inner))),
        Type::Map(inner) => value.as_object().is_some_and(|members| members.values().all(|member| fits(member, inner))),
        Type::Dynamic | Type::Object(_) => true,
    }
}

/// Compares every mapping of the catalogue with the schema, without rendering: an argument that the provider does not
/// have is an error of the service file, with its line.
pub fn check_catalog(catalog: &Catalog, schema: &Schema) -> Vec<crate::catalog::Error> {
    let mut errors = Vec::new();
    for service in catalog.services() {
        let Some((file, text)) = catalog.source(&service.service_type) else { continue };
        let mut fail = |path: &[&str], message: String| errors.push(crate::catalog::Error::check(file, text, path, &message));
        for resource in &service.resources {
            let path = ["resources", resource.key.as_str()];
            match schema.resource(&resource.resource_type) {
                Some(block) => mapping(&path, &resource.arguments, &resource.blocks, &block, &mut fail),
                None => fail(&path, format!("the provider has no resource type {}", resource.resource_type)),
            }
        }
        for data in &service.data {
            let path = ["data", data.key.as_str()];
            match schema.data_source(&data.data_type) {
                Some(block) => mapping(&path, &data.arguments, &data.blocks, &block, &mut fail),
                None => fail(&path, format!("the provider has no data source type {}", data.data_type)),
            }
        }
    }
    errors
}

fn mapping(path: &[&str], arguments: &Ordered<Expr>, blocks: &[BlockMapping], schema: &Block, fail: &mut dyn FnMut(&[&str], String)) {
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
        match schema.blocks.get(&block.name) {
            Some(nested) => mapping(&inner, &block.arguments, &block.blocks, &nested.block, fail),
            None => fail(&inner, format!("the provider takes no block `{}` here", block.name)),
        }
    }
}
