//! Designs of strangers, as documents spell them: what is accepted renders, and nothing of it leaves its string.

use std::collections::BTreeMap;

use galley::api::design::{Connection, DesignSpec};
use galley::validator::allowed_connections;
use galley::validator::rules::Rules;
use serde_json::{Value, json};

use super::{CATALOG, RULES, Target, judged, texts};

pub const TARGET: Target = Target { name: "architecture", check, seeds, memory: (256 << 20, 2_000) };

fn check(input: &[u8]) {
    let Ok(spec) = serde_json::from_slice::<DesignSpec>(input) else { return };
    let Some((design, rendered)) = judged(&spec, &CATALOG, &RULES) else { return };
    if let Err(findings) = rendered {
        // A name that a person's own file declares as well is known only when both are there.
        let of_files = !design.files.is_empty() && findings.iter().all(|finding| finding.rule.starts_with("files."));
        assert!(of_files, "an accepted design does not render: {findings:#?}");
    }
}

/// The example designs; the good and bad examples of every rule; every service with its own examples and one of each it can
/// be connected with.
fn seeds() -> Vec<Value> {
    let mut seeds: Vec<Value> =
        texts("tests/designs", "json").iter().map(|(_, text)| camel_case(&serde_json::from_slice(text).unwrap())).collect();
    let rules = Rules::load(galley::validator::rules::EMBEDDED.iter().copied(), &CATALOG, None).unwrap();
    for (_, _, rule) in rules.definitions() {
        seeds.extend([&rule.good, &rule.bad].map(|example| serde_json::to_value(example.spec().unwrap()).unwrap()));
    }
    for service in CATALOG.services() {
        let mut components = vec![component("one", &service.service_type)];
        let mut connections = Vec::new();
        for (number, other) in CATALOG.services().enumerate() {
            for (source, target) in [(service, other), (other, service)] {
                let Some(via) =
                    allowed_connections(&CATALOG, &source.service_type, &target.service_type).into_iter().find(|via| via != "depends_on")
                else {
                    continue;
                };
                let id = format!("o{number}");
                let (source_id, target_id) = if source.service_type == service.service_type {
                    ("one".to_owned(), id.clone())
                } else {
                    (id.clone(), "one".to_owned())
                };
                components.push(component(&id, &other.service_type));
                connections.push(Connection { source_id, target_id, connection_type: via, description: None });
                break;
            }
        }
        seeds.push(json!({"sessionRef": "s-1", "components": components, "connections": connections}));
    }
    seeds
}

fn component(id: &str, service_type: &str) -> Value {
    let keys = CATALOG.service(service_type).unwrap().config.iter();
    let example = keys.filter_map(|(key, of)| Some((key, of.examples.first().or(of.choices.first()).or(of.default.as_ref())?)));
    json!({"id": id, "serviceType": service_type, "config": example.collect::<BTreeMap<_, _>>()})
}

/// A design as tools take it, in the spelling of documents.
fn camel_case(design: &Value) -> Value {
    let list = |key: &str| design[key].as_array().cloned().unwrap_or_default();
    let components = list("components");
    let components = components
        .iter()
        .map(|c| json!({"id": c["id"], "serviceType": c["service_type"], "displayName": c["display_name"], "config": c["config"]}));
    let connections = list("connections");
    let connections =
        connections.iter().map(|c| json!({"sourceId": c["source_id"], "targetId": c["target_id"], "connectionType": c["connection_type"]}));
    json!({"sessionRef": "s-1", "components": components.collect::<Vec<_>>(), "connections": connections.collect::<Vec<_>>()})
}
