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
    plan(resource_type, &block, &prior, &config, &config)
}

#[test]
fn a_create_leaves_open_what_the_service_fills_and_fills_in_defaults() {
    let vm = json!({"shape": "VM.Standard.E4.Flex", "shape_config": [{"ocpus": 1}], "create_vnic_details": [{"subnet_id": "s"}]});
    let plan = planned("oci_core_instance", Json::Null, vm);
    assert!(plan.value.get("id").is_unknown() && plan.value.at("shape_config.0.memory_in_gbs").is_unknown());
    assert_eq!(plan.value.at("shape_config.0.ocpus"), &Value::from_json(&json!(1)));
    assert!(plan.value.get("agent_config").is_unknown(), "a block that the service fills");
    assert!(plan.value.at("create_vnic_details.0.ipv6address_ipv6subnet_cidr_pair_details").is_unknown(), "also inside another");
    assert!(plan.legacy, "Terraform lets only a legacy provider say so");
    let gateway = planned("oci_core_internet_gateway", Json::Null, json!({"vcn_id": "v"}));
    assert_eq!(gateway.value.get("enabled"), &Value::Bool(true));
    let rule = planned("oci_core_route_table", Json::Null, json!({"vcn_id": "v"}));
    assert_eq!(
        (rule.value.get("route_rules"), rule.legacy),
        (&Value::List(vec![]), false),
        "a block that is only the person's stays empty"
    );
}

#[test]
fn a_collection_with_something_unknown_in_it_is_unknown() {
    let block = Schema::builtin().resource("oci_monitoring_alarm").unwrap();
    let mut config = fitted("oci_monitoring_alarm", json!({"destinations": ["a", "b"], "freeform_tags": {"a": "b"}}));
    config.set("destinations", Value::List(vec![Value::text("a"), Value::unknown()]));
    let plan = super::plan("oci_monitoring_alarm", &block, &Value::Null, &config, &config);
    assert!(plan.value.get("destinations").is_unknown() && plan.legacy);
    assert_eq!(plan.value.at("freeform_tags.a").as_str(), Some("b"));
}

#[test]
fn nothing_and_zero_are_the_same() {
    let source = |key: Json| json!({"source_details": [{"source_type": "image", "source_id": "a", "kms_key_id": key}]});
    let plan = planned("oci_core_instance", source(json!("")), source(Json::Null));
    assert_eq!(plan.value.at("source_details.0.kms_key_id").as_str(), Some(""), "what was zero stays zero");
    assert!(plan.replace.is_empty() && plan.legacy, "and replaces nothing");
    let checker = |retries: Json| json!({"health_checker": [{"protocol": "TCP", "retries": retries}]});
    let plan = planned("oci_load_balancer_backend_set", checker(json!(5)), checker(Json::Null));
    assert_eq!(plan.value.at("health_checker.0.retries"), &Value::from_json(&json!(3)), "the default, when nobody says more");
    let place = json!({"node_config_details": [{"size": 1, "placement_configs": [{"availability_domain": "a", "subnet_id": "s"}]}]});
    let pool = planned("oci_containerengine_node_pool", Json::Null, place);
    let group = pool.value.at("node_config_details.0.placement_configs.0.host_group_id");
    assert_eq!(group.as_str(), Some(""), "in a set a text that nobody gives is empty");
}

#[test]
fn only_nothing_that_became_zero_is_excused() {
    let value = |json: Json| Value::from_json(&json);
    let rows = [
        ("as planned", json!({"a": [{"b": "x"}]}), false),
        ("nothing became zero", json!({"a": [{"b": ""}]}), false),
        ("another value", json!({"a": [{"b": "y"}]}), false),
    ];
    for (reason, made, expected) in rows {
        assert_eq!(only_zeros(&value(json!({"a": [{"b": "x"}]})), &value(made)), expected, "{reason}");
    }
    let planned = value(json!({"a": [{"b": null, "c": "x"}]}));
    assert!(only_zeros(&planned, &value(json!({"a": [{"b": "", "c": "x"}]}))));
    assert!(!only_zeros(&planned, &value(json!({"a": [{"b": "", "c": "y"}]}))), "another difference beside it Terraform shall see");
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
    assert!(plan.legacy && plan.value == fitted("oci_core_subnet", prior.clone()));
    let both = planned("oci_core_subnet", prior, json!({"vcn_id": "v", "display_name": "b", "timeouts": {"create": "1h"}}));
    assert!(both.value.at("timeouts.create").as_str() == Some("1h"));
}

#[test]
fn an_element_that_stays_in_a_set_keeps_what_it_has_and_what_is_empty_is_open_again() {
    let old = json!({"network_entity_id": "i", "destination": "0.0.0.0/0", "destination_type": "CIDR_BLOCK", "description": "x", "cidr_block": "", "route_type": "STATIC"});
    let new = json!({"network_entity_id": "n", "destination": "10.0.0.0/8", "destination_type": "CIDR_BLOCK"});
    let plan =
        planned("oci_core_route_table", json!({"vcn_id": "v", "route_rules": [old]}), json!({"vcn_id": "v", "route_rules": [old, new]}));
    assert_eq!(plan.value.at("route_rules.0.description").as_str(), Some("x"));
    assert!(plan.value.at("route_rules.0.cidr_block").is_unknown(), "the SDK writes the whole set");
    let same = json!({"vcn_id": "v", "display_name": "a", "route_rules": [old]});
    let renamed = json!({"vcn_id": "v", "display_name": "b", "route_rules": [old]});
    assert_eq!(planned("oci_core_route_table", same, renamed).value.at("route_rules.0.cidr_block").as_str(), Some(""));
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

#[test]
fn what_the_providers_own_code_adds_to_its_schema() {
    let vm = |key: &str, label: &str| json!({"metadata": {"ssh_authorized_keys": key, "note": label}});
    let metadata = vec![vec![Step::Name("metadata".into())]];
    assert_eq!(planned("oci_core_instance", vm("a", "x"), vm("b", "x")).replace, metadata, "a key is read at the first start");
    assert_eq!(planned("oci_core_instance", vm("a", "x"), vm("a", "y")).replace, Vec::<Vec<Step>>::new(), "a note is not");
    let cluster = |subnet: &str| json!({"endpoint_config": [{"subnet_id": subnet}]});
    let moved = planned("oci_containerengine_cluster", cluster("a"), cluster("b")).replace;
    assert_eq!(moved, [vec![Step::Name("endpoint_config".into()), Step::Index(0), Step::Name("subnet_id".into())]]);
    assert_eq!(planned("oci_containerengine_cluster", cluster(""), cluster("b")).replace, Vec::<Vec<Step>>::new());
    let function = |image: &str| json!({"image": image, "image_digest": "sha256:1"});
    let other = planned("oci_functions_function", function("a"), function("b"));
    assert!(other.value.get("image_digest").is_unknown() && other.legacy, "another image has another digest");
    let secret = |content: &str| json!({"secret_content": [{"content_type": "BASE64", "content": content}], "current_version_number": "1"});
    assert!(planned("oci_vault_secret", secret("a"), secret("b")).value.get("current_version_number").is_unknown());
}
