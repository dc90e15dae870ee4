//! The whole catalogue against the simulated cloud with real Terraform: every service type is rendered, applied, planned
//! again without a change, edited at every config key, and destroyed. Two designs hold them all, so that this stays cheap.

use serde_json::json;

use super::*;
use crate::designs::{CATALOG, Draft, password, several_vcns};
use crate::render::Rendered;

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
