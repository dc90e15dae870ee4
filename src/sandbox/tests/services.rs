//! The whole catalogue against the simulated cloud with real Terraform: every service type is rendered, applied, planned
//! again without a change, and destroyed. Two designs hold them all, so that this stays cheap.

use serde_json::json;

use super::*;
use crate::render::tests::{CATALOG, context, judge, spec, whole};
use crate::render::{Rendered, render};

/// Components and connections of a design under construction.
#[derive(Clone, Default)]
struct Draft {
    components: Vec<Json>,
    connections: Vec<Json>,
}

impl Draft {
    /// Every type once, with what it requires; its id is its type.
    fn of_every_type() -> Draft {
        let mut draft = Draft::default();
        for kind in CATALOG.service_types() {
            let (components, connections) = whole(kind, kind, json!({}));
            draft.components.extend(components);
            draft.connections.extend(connections);
        }
        draft
    }

    fn rendered(&self) -> Option<Rendered> {
        let design = judge(&spec(&json!({"components": self.components, "connections": self.connections}))).design?;
        render(&design, &CATALOG, &context()).ok()
    }

    /// Adds every connection that the catalogue allows between two of the types, unless the judge refuses it beside the
    /// others or it makes a circle. How many were added.
    fn connect_everything(&mut self) -> usize {
        let mut added = 0;
        for service in CATALOG.services() {
            for (name, targets) in service.connections.iter().filter(|(name, _)| *name != crate::catalog::DEPENDS_ON) {
                for target in targets.iter().filter(|target| **target != service.service_type) {
                    let mut with = self.clone();
                    with.connections.push(json!({"source_id": service.service_type, "target_id": target, "connection_type": name}));
                    if with.rendered().is_some() {
                        *self = with;
                        added += 1;
                    }
                }
            }
        }
        added
    }
}

/// A value that every password rule of the catalogue takes.
fn password(length: usize, symbols: &str) -> String {
    let symbol = symbols.chars().next().map(String::from).unwrap_or_default();
    let start = format!("Ab1{symbol}Xy2{symbol}");
    start.chars().chain("kQ7mZ4".chars().cycle()).take(length.max(12)).collect()
}

/// The life of a rendered design, in which every answer of the provider is checked by Terraform itself.
fn lives(rendered: &Rendered) {
    let world = World::new();
    for (name, text) in &rendered.files {
        world.write(name, text);
    }
    let mut variables = json!(rendered.variables);
    for secret in &rendered.secrets {
        variables[&secret.name] = json!(password(secret.rule.length, &secret.rule.symbols));
    }
    world.write("terraform.tfvars.json", &variables.to_string());
    let count = rendered.resources.len();
    let applied = world.apply();
    assert!(applied.contains(&format!("{count} added, 0 changed, 0 destroyed")), "{applied}");
    assert_eq!(world.cloud().list().unwrap().len(), count);
    world.expect_no_changes();
    world.expect(0, &["destroy", "-auto-approve"]);
    assert_eq!(world.cloud().list().unwrap(), []);
}

#[test]
fn every_type_of_the_catalogue_is_applied_unchanged_and_destroyed() {
    let draft = Draft::of_every_type();
    let rendered = draft.rendered().expect("one of each is a design");
    let made: BTreeSet<&String> = rendered.components.values().collect();
    for kind in CATALOG.service_types() {
        assert!(made.iter().any(|id| *id == kind), "{kind} makes nothing");
    }
    lives(&rendered);
}

#[test]
fn every_connection_of_the_catalogue_is_applied_unchanged_and_destroyed() {
    let mut draft = Draft::of_every_type();
    let added = draft.connect_everything();
    let possible: usize = CATALOG.services().map(|s| s.connections.iter().map(|(_, targets)| targets.len()).sum::<usize>()).sum();
    let orders = CATALOG.service_types().len().pow(2);
    assert!(added * 2 > possible - orders, "{added} of {possible} less {orders} orders");
    lives(&draft.rendered().expect("as checked while it grew"));
}
