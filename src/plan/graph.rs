//! The dependency graph of a plan, from the references in its configuration. Data sources and locals are looked through,
//! so that every arrow goes from one managed resource to another. Pure.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;

/// Local value → what it refers to, from the files; files that do not parse add nothing.
pub fn locals(files: &BTreeMap<String, String>) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for (_, text) in files.iter().filter(|(name, _)| name.ends_with(".tf")) {
        let Ok(body) = hcl::parse(text) else { continue };
        for block in body.blocks().filter(|block| block.identifier() == "locals") {
            for attribute in block.body().attributes() {
                let text = hcl::format::to_string(attribute.expr()).unwrap_or_default();
                found.insert(format!("local.{}", attribute.key()), references_in(&text));
            }
        }
    }
    found
}

/// Everything in an expression that looks like a reference. Too much is harmless: only names that exist are followed.
fn references_in(text: &str) -> BTreeSet<String> {
    // A constant pattern; were it wrong, the first test would fail, and no reference is a safe answer.
    let Ok(pattern) = Regex::new(r"\b(?:data\.)?[A-Za-z_][A-Za-z0-9_-]*\.[A-Za-z_][A-Za-z0-9_-]*") else { return BTreeSet::new() };
    pattern.find_iter(text).map(|found| found.as_str().to_owned()).collect()
}

/// Managed address → managed addresses it depends on directly (through data sources and locals). `addresses` are those
/// of the plan, instance keys included.
pub fn depends_on(
    configuration: &Value,
    addresses: &BTreeSet<&str>,
    locals: &BTreeMap<String, BTreeSet<String>>,
) -> BTreeMap<String, Vec<String>> {
    let mut nodes: BTreeMap<String, BTreeSet<String>> = locals.clone();
    let mut managed = BTreeSet::new();
    for resource in super::items(&configuration["root_module"]["resources"]) {
        let Some(address) = resource["address"].as_str() else { continue };
        if resource["mode"].as_str() == Some("managed") {
            managed.insert(address.to_owned());
        }
        let mut references = BTreeSet::new();
        collect(resource, &mut references);
        nodes.insert(address.to_owned(), references.iter().filter_map(|text| node_of(text)).collect());
    }
    let instances = |config: &str| -> Vec<String> {
        let found = addresses.iter().filter(|address| without_key(address) == config).map(|address| address.to_string());
        let found: Vec<String> = found.collect();
        if found.is_empty() { vec![config.to_owned()] } else { found }
    };
    let mut arrows = BTreeMap::new();
    for config in &managed {
        let needs = reach(config, &nodes, &managed);
        let needs: Vec<String> = needs.iter().flat_map(|need| instances(need)).collect();
        for address in instances(config) {
            arrows.insert(address, needs.clone());
        }
    }
    arrows
}

/// Managed nodes reached from `start` over nodes that are not managed.
fn reach(start: &str, nodes: &BTreeMap<String, BTreeSet<String>>, managed: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::from([start.to_owned()]);
    let mut open: Vec<String> = nodes.get(start).into_iter().flatten().cloned().collect();
    while let Some(node) = open.pop() {
        if !seen.insert(node.clone()) {
            continue;
        }
        if managed.contains(&node) {
            found.insert(node);
        } else {
            open.extend(nodes.get(&node).into_iter().flatten().cloned());
        }
    }
    found
}

/// Every text under a `references` or `depends_on` member, at any depth.
fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                if key == "references" || key == "depends_on" {
                    found.extend(super::items(member).filter_map(Value::as_str).map(str::to_owned));
                } else {
                    collect(member, found);
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, found)),
        _ => {}
    }
}

/// `oci_core_vcn.main[0].id` → `oci_core_vcn.main`; `data.x.y.z` → `data.x.y`; `var.…` and the like → None.
fn node_of(reference: &str) -> Option<String> {
    let plain = without_key(reference);
    let mut steps = plain.split('.');
    let first = steps.next()?;
    match first {
        "var" | "each" | "count" | "self" | "path" | "terraform" | "module" => None,
        "data" => Some(format!("data.{}.{}", steps.next()?, steps.next()?.split('[').next()?)),
        _ => Some(format!("{first}.{}", steps.next()?.split('[').next()?)),
    }
}

/// Cuts at the first instance key.
fn without_key(address: &str) -> &str {
    address.split('[').next().unwrap_or(address)
}
