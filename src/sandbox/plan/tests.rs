//! Planned values as the provider computes them.

use serde_json::{Value as Json, json};

use super::super::conform::conform;
use super::*;
use crate::render::schema::Schema;

fn fitted(resource_type: &str, json: Json) -> Value {
    conform(&Schema::builtin().resource(resource_type).unwrap(), &Value::from_json(&json))
}

fn planned(resource_type: &str, prior: Json, config: Json) -> Planned {
    let block = Schema::builtin().resource(resource_type).unwrap();
    let prior = if prior.is_null() { Value::Null } else { fitted(resource_type, prior) };
    let config = fitted(resource_type, config);
    plan(&block, &prior, &config, &config)
}

#[test]
fn a_create_leaves_computed_values_unknown_also_in_blocks_and_fills_no_default() {
    let vm = json!({"shape": "VM.Standard.E4.Flex", "shape_config": [{"ocpus": 1}]});
    let plan = planned("oci_core_instance", Json::Null, vm);
    assert!(plan.value.get("id").is_unknown() && plan.value.at("shape_config.0.memory_in_gbs").is_unknown());
    assert_eq!(plan.value.at("shape_config.0.ocpus"), &Value::from_json(&json!(1)));
    assert_eq!(plan.value.get("agent_config"), &Value::List(vec![]), "computed blocks stay empty in strict mode");
    let gateway = planned("oci_core_internet_gateway", Json::Null, json!({"vcn_id": "v"}));
    assert!(gateway.value.get("enabled").is_null(), "a default on an attribute that is not computed is not filled");
}

#[test]
fn only_changed_force_new_attributes_are_reported() {
    let prior = json!({"vcn_id": "v", "dns_label": "pub", "display_name": "a", "cidr_block": "10.0.1.0/24"});
    let rename = planned(
        "oci_core_subnet",
        prior.clone(),
        json!({"vcn_id": "v", "dns_label": "pub", "display_name": "b", "cidr_block": "10.0.1.0/24"}),
    );
    assert_eq!(rename.replace, Vec::<Vec<Step>>::new());
    let label =
        planned("oci_core_subnet", prior, json!({"vcn_id": "v", "dns_label": "pub2", "display_name": "a", "cidr_block": "10.0.1.0/24"}));
    assert_eq!(label.replace, [vec![Step::Name("dns_label".into())]]);
}

#[test]
fn a_nested_force_new_attribute_is_reported_with_its_index() {
    let plan = planned(
        "oci_core_instance",
        json!({"create_vnic_details": [{"subnet_id": "a", "assign_public_ip": "true"}]}),
        json!({"create_vnic_details": [{"subnet_id": "b", "assign_public_ip": "true"}]}),
    );
    assert_eq!(plan.replace, [vec![Step::Name("create_vnic_details".into()), Step::Index(0), Step::Name("subnet_id".into())]]);
}

#[test]
fn a_timeouts_edit_alone_is_no_change() {
    let prior = json!({"vcn_id": "v", "display_name": "a"});
    let plan = planned("oci_core_subnet", prior.clone(), json!({"vcn_id": "v", "display_name": "a", "timeouts": {"create": "1h"}}));
    assert!(plan.only_timeouts && plan.value == fitted("oci_core_subnet", prior.clone()));
    let both = planned("oci_core_subnet", prior, json!({"vcn_id": "v", "display_name": "b", "timeouts": {"create": "1h"}}));
    assert!(!both.only_timeouts && both.value.at("timeouts.create").as_str() == Some("1h"));
}

#[test]
fn an_unchanged_element_of_a_set_keeps_its_computed_values_and_a_new_one_does_not() {
    let old = json!({"network_entity_id": "i", "destination": "0.0.0.0/0", "destination_type": "CIDR_BLOCK", "description": "", "cidr_block": "", "route_type": ""});
    let new = json!({"network_entity_id": "n", "destination": "10.0.0.0/8", "destination_type": "CIDR_BLOCK"});
    let plan =
        planned("oci_core_route_table", json!({"vcn_id": "v", "route_rules": [old]}), json!({"vcn_id": "v", "route_rules": [old, new]}));
    assert_eq!(plan.value.at("route_rules.0.description").as_str(), Some(""));
    assert!(plan.value.at("route_rules.1.description").is_unknown());
    assert!(plan.replace.is_empty());
}

#[test]
fn letter_case_of_the_providers_own_enumerations_and_json_spacing_are_no_change() {
    let plan = planned(
        "oci_core_instance",
        json!({"source_details": [{"source_type": "image", "source_id": "a"}]}),
        json!({"source_details": [{"source_type": "IMAGE", "source_id": "a"}]}),
    );
    assert_eq!(plan.value.at("source_details.0.source_type").as_str(), Some("image"));
    assert!(plan.replace.is_empty());
    let rule = planned("oci_events_rule", json!({"condition": "{\"a\":1}"}), json!({"condition": "{ \"a\": 1 }"}));
    assert_eq!(rule.value.get("condition").as_str(), Some("{\"a\":1}"));
}

#[test]
fn planning_twice_gives_the_same_plan() {
    let config = json!({"vcn_id": "v", "route_rules": [{"network_entity_id": "n", "destination": "10.0.0.0/8"}]});
    assert_eq!(planned("oci_core_route_table", Json::Null, config.clone()), planned("oci_core_route_table", Json::Null, config));
}
