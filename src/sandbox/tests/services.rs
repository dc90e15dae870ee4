//! The whole catalogue against the simulated cloud with real Terraform: every service type is rendered, applied, planned
//! again without a change, edited at every config key, and destroyed. Two designs hold them all, so that this stays cheap.

use serde_json::json;

use super::*;
use crate::api::design::DesignSpec;
use crate::catalog::service::{ConfigKey, Service, ValueType};
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

    /// In a region with three availability domains, because some keys count them.
    fn spec(&self) -> DesignSpec {
        let document = json!({"components": self.components, "connections": self.connections});
        DesignSpec { region: Some("us-ashburn-1".to_owned()), ..spec(&document) }
    }

    fn rendered(&self) -> Option<Rendered> {
        render(&judge(&self.spec()).design?, &CATALOG, &context()).ok()
    }

    /// The design with other values: of every key of every workload one that the judge takes beside the others.
    fn edited(&self) -> Draft {
        let mut edits = Vec::new();
        for (at, component) in self.components.iter().enumerate() {
            let service = CATALOG.service(component["service_type"].as_str().unwrap()).unwrap();
            let stays = stays(service);
            let keys = service.config.iter().filter(|(key, _)| service.network.is_none() && !stays.contains(*key));
            edits.extend(keys.filter_map(|(key, schema)| Some((at, key, other_value(schema)?))));
        }
        let mut draft = self.clone();
        let edit = |draft: &mut Draft, (at, key, value): &(usize, &str, Json)| draft.components[*at]["config"][*key] = value.clone();
        draft.take(&edits, &edit, &|draft| judge(&draft.spec()).design.is_some());
        draft
    }

    /// Adds every connection that the catalogue allows between two of the types, unless the judge refuses it beside the
    /// others or it makes a circle. How many were added.
    fn connect_everything(&mut self) -> usize {
        let mut possible = Vec::new();
        for service in CATALOG.services() {
            for (name, targets) in service.connections.iter().filter(|(name, _)| *name != crate::catalog::DEPENDS_ON) {
                for target in targets.iter().filter(|target| **target != service.service_type) {
                    possible.push(json!({"source_id": service.service_type, "target_id": target, "connection_type": name}));
                }
            }
        }
        let before = self.connections.len();
        self.take(&possible, &|draft, connection| draft.connections.push(connection.clone()), &|draft| draft.rendered().is_some());
        self.connections.len() - before
    }

    /// Makes the edits that are accepted beside those before them. Many at once: a half that is refused is halved again.
    fn take<T>(&mut self, edits: &[T], edit: &dyn Fn(&mut Draft, &T), accepted: &dyn Fn(&Draft) -> bool) {
        let mut with = self.clone();
        edits.iter().for_each(|one| edit(&mut with, one));
        if accepted(&with) {
            *self = with;
        } else if edits.len() > 1 {
            let (first, second) = edits.split_at(edits.len() / 2);
            self.take(first, edit, accepted);
            self.take(second, edit, accepted);
        }
    }
}

/// Keys that decide whether it stands in a subnet at all: OCI keeps the subnet of a database whose configuration drops it.
fn stays(service: &Service) -> BTreeSet<&str> {
    let when = service.placement.as_ref().map(|placement| &placement.when.config).into_iter().flatten().map(|(key, _)| key);
    let under = |key: &str| service.config.get(key).into_iter().flat_map(|schema| &schema.default_when);
    when.flat_map(|key| under(key).flat_map(|default| default.when.config.keys()).chain([key])).map(String::as_str).collect()
}

/// A value that is not the default.
fn other_value(schema: &ConfigKey) -> Option<Json> {
    let number = || schema.default.as_ref().and_then(Json::as_f64).or(schema.minimum).map(|n| json!(n as i64 + 1));
    match schema.value_type {
        ValueType::Boolean => Some(json!(schema.default != Some(json!(true)))),
        _ if !schema.choices.is_empty() => schema.choices.iter().rev().find(|choice| schema.default.as_ref() != Some(choice)).cloned(),
        ValueType::Integer | ValueType::Number => number(),
        ValueType::String | ValueType::Strings | ValueType::Integers => schema.examples.first().cloned(),
    }
}

/// A value that every password rule of the catalogue takes.
fn password(length: usize, symbols: &str) -> String {
    let symbol = symbols.chars().next().map(String::from).unwrap_or_default();
    let start = format!("Ab1{symbol}Xy2{symbol}");
    start.chars().chain("kQ7mZ4".chars().cycle()).take(length.max(12)).collect()
}

/// The life of a rendered design, in which every answer of the provider is checked by Terraform itself.
fn lives(rendered: &Rendered, edited: Option<&Rendered>) {
    let world = World::new();
    write(&world, rendered);
    let count = rendered.resources.len();
    let applied = world.apply();
    assert!(applied.contains(&format!("{count} added, 0 changed, 0 destroyed")), "{applied}");
    assert_eq!(world.cloud().list().unwrap().len(), count);
    world.expect_no_changes();
    if let Some(edited) = edited {
        write(&world, edited);
        world.apply();
        world.expect_no_changes();
    }
    let outputs: Json = serde_json::from_slice(&world.run(&["output", "-json"]).stdout).unwrap();
    let said = |output: &Json| !output["value"].is_null() && output["value"] != "";
    let silent: Vec<&String> = outputs.as_object().unwrap().iter().filter(|(_, output)| !said(output)).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "outputs without a value: {silent:?}");
    world.expect(0, &["destroy", "-auto-approve"]);
    assert_eq!(world.cloud().list().unwrap(), []);
}

pub(super) fn write(world: &World, rendered: &Rendered) {
    for (name, text) in &rendered.files {
        world.write(name, text);
    }
    let mut variables = json!(rendered.variables);
    for secret in &rendered.secrets {
        variables[&secret.name] = json!(password(secret.rule.length, &secret.rule.symbols));
    }
    world.write("terraform.tfvars.json", &variables.to_string());
}

/// Three VCNs: two at a gateway that also leads on premises and to another region, the third peered in both ways there are.
fn several_vcns() -> Draft {
    let part = |id: &str, kind: &str, config: Json| json!({"id": id, "service_type": kind, "config": config});
    let link = |source: &str, target: &str, kind: &str| json!({"source_id": source, "target_id": target, "connection_type": kind});
    let mut draft = Draft::default();
    for (net, cidr) in [("one", "10.0.0.0/16"), ("two", "10.1.0.0/24"), ("three", "10.2.0.0/28")] {
        let vm = format!("vm_{net}");
        draft.components.extend([part(net, "vcn", json!({"cidr_block": cidr})), part(&vm, "compute", json!({}))]);
        draft.connections.push(link(&vm, net, "deployed_in"));
    }
    draft.components.extend([
        part("hub", "drg", json!({})),
        part("at_one", "drg_attachment", json!({"remote_cidrs": ["192.168.0.0/16"]})),
        part("at_two", "drg_attachment", json!({})),
        part("far", "remote_peering", json!({"peer_id": "ocid1.remotepeeringconnection.oc1.iad.aaaa", "remote_cidrs": ["172.30.0.0/16"]})),
        part("end_two", "local_peering", json!({})),
        part("end_three", "local_peering", json!({})),
        part("mine", "nsg", json!({"ingress_ports": [8080, 8443], "allow_all_egress": true})),
        part("nlb", "network_loadbalancer", json!({"is_private": true})),
    ]);
    draft.connections.extend([
        link("at_one", "one", "deployed_in"),
        link("at_two", "two", "deployed_in"),
        link("at_one", "hub", "attached_to"),
        link("at_two", "hub", "attached_to"),
        link("far", "hub", "attached_to"),
        link("end_two", "two", "deployed_in"),
        link("end_three", "three", "deployed_in"),
        link("end_two", "end_three", "peers_with"),
        link("one", "three", "vcn_peering"),
        link("mine", "vm_one", "attached_to"),
        link("nlb", "one", "deployed_in"),
        link("nlb", "vm_one", "https"),
        link("nlb", "vm_two", "http"),
        link("vm_one", "vm_two", "ssh"),
    ]);
    draft
}

#[test]
fn several_vcns_with_every_kind_of_joint_are_applied_unchanged_and_destroyed() {
    let rendered = several_vcns().rendered().expect("joints of every kind are a design");
    assert!(rendered.files["network.tf"].contains("network_entity_id = oci_core_drg_attachment.at_one.drg_id"));
    lives(&rendered, None);
}

#[test]
fn a_reserved_address_is_the_one_that_what_it_is_attached_to_has() {
    let part = |id: &str, kind: &str| json!({"id": id, "service_type": kind, "config": {}});
    let link = |source: &str, target: &str| json!({"source_id": source, "target_id": target, "connection_type": "attached_to"});
    let draft = Draft {
        components: vec![
            part("net", "vcn"),
            part("vm", "compute"),
            part("lb", "loadbalancer"),
            part("nat", "nat_gateway"),
            part("ip_vm", "reserved_ip"),
            part("ip_lb", "reserved_ip"),
            part("ip_nat", "reserved_ip"),
        ],
        connections: vec![
            link("ip_vm", "vm"),
            link("ip_lb", "lb"),
            link("ip_nat", "nat"),
            json!({"source_id": "lb", "target_id": "vm", "connection_type": "http"}),
        ],
    };
    let rendered = draft.rendered().unwrap();
    let world = World::new();
    rendered.files.iter().for_each(|(name, text)| world.write(name, text));
    world.write("terraform.tfvars.json", &json!(rendered.variables).to_string());
    world.apply();
    world.expect_no_changes();
    let addresses = world.resources("oci_core_public_ip");
    let of = |name: &str| addresses.iter().find(|ip| ip.text("display_name") == Some(name)).unwrap();
    assert_eq!(world.resources("oci_core_nat_gateway")[0].text("nat_ip"), of("ip_nat").text("ip_address"));
    let balancer = world.resources("oci_load_balancer_load_balancer").remove(0);
    assert_eq!(balancer.attributes["ip_address_details"][0]["ip_address"], json!(of("ip_lb").text("ip_address")));
    assert!(of("ip_vm").text("private_ip_id").is_some_and(|id| id.starts_with("ocid1.privateip.")));
    assert_eq!(of("ip_vm").text("state"), Some("ASSIGNED"));
    let vm = world.resources("oci_core_instance").remove(0);
    assert_eq!(vm.attributes["create_vnic_details"][0]["assign_public_ip"], "false", "one address, one public address");
}

#[test]
fn every_type_of_the_catalogue_is_applied_unchanged_edited_at_every_key_and_destroyed() {
    let draft = Draft::of_every_type();
    let rendered = draft.rendered().expect("one of each is a design");
    let made: BTreeSet<&String> = rendered.components.values().collect();
    for kind in CATALOG.service_types() {
        assert!(made.iter().any(|id| *id == kind), "{kind} makes nothing");
    }
    let edited = draft.edited().rendered().expect("each edit was taken beside the others");
    lives(&rendered, Some(&edited));
}

#[test]
fn every_connection_of_the_catalogue_is_applied_unchanged_and_destroyed() {
    let mut draft = Draft::of_every_type();
    let added = draft.connect_everything();
    let possible: usize = CATALOG.services().map(|s| s.connections.iter().map(|(_, targets)| targets.len()).sum::<usize>()).sum();
    let orders = CATALOG.service_types().len().pow(2);
    assert!(added * 2 > possible - orders, "{added} of {possible} less {orders} orders");
    lives(&draft.rendered().expect("as checked while it grew"), None);
}
