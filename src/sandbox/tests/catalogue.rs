//! The whole catalogue against real Terraform: one design with every service type, connected in every allowed way, is
//! applied, edited at every config key, and destroyed; a second plan finds nothing to do.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::World;
use crate::api::design::DesignSpec;
use crate::catalog::mapping::Direction;
use crate::catalog::service::{Service, ValueType};
use crate::render::Rendered;
use crate::render::tests::{CATALOG, judge, rendered, spec};

/// Connections that say where something stands or in which order it is made.
const ORDER: [&str; 3] = ["deployed_in", "depends_on", "vcn_peering"];

fn link(source: &str, target: &str, kind: &str) -> Value {
    json!({"source_id": source, "target_id": target, "connection_type": kind})
}

/// Every type once, named after itself; what is required of a neighbour is its config.
fn everything() -> Value {
    let mut config: std::collections::BTreeMap<&str, serde_json::Map<String, Value>> =
        CATALOG.services().map(|service| (service.service_type.as_str(), needed(service))).collect();
    let mut pairs: BTreeSet<(String, String)> = BTreeSet::new();
    let mut connections = Vec::new();
    let mut join = |source: &str, target: &str, kind: &str| {
        if source != target && pairs.insert((source.to_owned(), target.to_owned())) {
            connections.push(link(source, target, kind));
        }
    };
    for service in CATALOG.services() {
        for required in &service.requires {
            let over = required.over();
            for target in over.with.iter().filter(|_| required.least > 0) {
                for (key, value) in &required.config {
                    let first = value.as_array().map_or_else(|| value.clone(), |any| any[0].clone());
                    config.get_mut(target.as_str()).unwrap().insert(key.clone(), first);
                }
                match over.direction {
                    Direction::Out => join(&service.service_type, target, &over.types[0]),
                    Direction::In => join(target, &service.service_type, &over.types[0]),
                }
            }
        }
    }
    let components: Vec<Value> =
        config.into_iter().map(|(name, config)| json!({"id": name, "service_type": name, "config": config})).collect();
    let mut document = json!({"components": components, "connections": connections});
    for service in CATALOG.services().filter(|service| service.network.is_none()) {
        for (kind, targets) in service.connections.iter().filter(|(kind, _)| !ORDER.contains(kind)) {
            for target in targets.iter().filter(|target| pairs.insert((service.service_type.clone(), (*target).clone()))) {
                let mut tried = document.clone();
                tried["connections"].as_array_mut().unwrap().push(link(&service.service_type, target, kind));
                if judge(&spec(&tried)).design.is_some() {
                    document = tried;
                }
            }
        }
    }
    document
}

/// Examples of required keys.
fn needed(service: &Service) -> serde_json::Map<String, Value> {
    let required = service.config.iter().filter(|(_, schema)| schema.required);
    required.map(|(key, schema)| (key.to_owned(), schema.examples.first().or(schema.choices.first()).unwrap().clone())).collect()
}

/// In a region with three availability domains.
fn placed(document: &Value) -> DesignSpec {
    DesignSpec { region: Some("us-ashburn-1".to_owned()), ..spec(document) }
}

fn write(world: &World, out: &Rendered) {
    for (name, text) in out.files.iter().filter(|(name, _)| name.ends_with(".tf")) {
        world.write(name, text);
    }
    let mut values: serde_json::Map<String, Value> = out.variables.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
    values.extend(out.secrets.iter().map(|secret| (secret.name.clone(), "Galley-Sandbox_01#Pw".into())));
    world.write("terraform.tfvars.json", &Value::Object(values).to_string());
}

/// The design with other values: of every key of every workload one that the judge takes beside the others.
fn changed(document: &Value) -> Value {
    let mut document = document.clone();
    for at in 0..document["components"].as_array().unwrap().len() {
        let service = CATALOG.service(document["components"][at]["service_type"].as_str().unwrap()).unwrap();
        // Whether it stands in a subnet at all stays: OCI keeps the subnet of a database whose configuration drops it.
        let when = service.placement.as_ref().map(|placement| &placement.when.config).into_iter().flatten().map(|(key, _)| key);
        let stays: BTreeSet<&String> = when
            .flat_map(|key| {
                let under = service.config.get(key).into_iter().flat_map(|schema| &schema.default_when);
                under.flat_map(|default| default.when.config.keys()).chain([key])
            })
            .collect();
        for (key, schema) in service.config.iter().filter(|(key, _)| service.network.is_none() && !stays.contains(&key.to_string())) {
            let number = || schema.default.as_ref().and_then(Value::as_f64).or(schema.minimum).map(|n| json!(n as i64 + 1));
            let other = match schema.value_type {
                ValueType::Boolean => Some(json!(schema.default != Some(json!(true)))),
                _ if !schema.choices.is_empty() => {
                    schema.choices.iter().rev().find(|choice| schema.default.as_ref() != Some(choice)).cloned()
                }
                ValueType::Integer | ValueType::Number => number(),
                ValueType::String | ValueType::Strings | ValueType::Integers => schema.examples.first().cloned(),
            };
            let Some(other) = other else { continue };
            let mut tried = document.clone();
            tried["components"][at]["config"][key] = other;
            if judge(&spec(&tried)).design.is_some() {
                document = tried;
            }
        }
    }
    document
}

#[test]
fn every_service_type_is_applied_edited_everywhere_and_destroyed_and_no_second_plan_finds_a_change() {
    let out = rendered(&placed(&everything()));
    let made: BTreeSet<&str> = out.components.values().map(String::as_str).collect();
    for name in CATALOG.service_types() {
        assert!(made.contains(name), "{name} makes nothing");
    }
    let world = World::new();
    write(&world, &out);
    let applied = world.apply();
    assert!(applied.contains(&format!("{} added, 0 changed, 0 destroyed", out.resources.len())), "{applied}");
    world.expect_no_changes();
    write(&world, &rendered(&placed(&changed(&everything()))));
    world.apply();
    world.expect_no_changes();
    let outputs: Value = serde_json::from_slice(&world.run(&["output", "-json"]).stdout).unwrap();
    let empty: Vec<&String> =
        outputs.as_object().unwrap().iter().filter(|(_, o)| o["value"].is_null() || o["value"] == "").map(|(name, _)| name).collect();
    assert!(empty.is_empty(), "outputs that say nothing: {empty:?}");
    world.expect(0, &["destroy", "-auto-approve"]);
    assert_eq!(world.cloud().list().unwrap(), []);
}
