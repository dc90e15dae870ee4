//! The committed provider schema, read and asked.

use serde_json::json;

use super::*;

#[test]
fn the_embedded_files_hold_the_core_set_and_every_type_parses() {
    let schema = Schema::builtin();
    assert_eq!((schema.resource_types().count(), schema.data_sources().count()), (163, 168));
    for name in schema.resource_types() {
        let block = schema.resource(name).unwrap();
        assert!(block.attributes.contains_key("id"), "{name} has no id");
        assert!(schema.facts(name).is_some(), "{name} has no facts");
    }
    for name in schema.data_sources() {
        assert!(!schema.data_source(name).unwrap().attributes.is_empty(), "{name} is empty");
    }
    assert!(schema.provider().attributes.contains_key("region"));
}

#[test]
fn every_path_of_the_extras_leads_to_something_in_the_schema() {
    let schema = Schema::builtin();
    let mut lost = Vec::new();
    for (name, raw) in &schema.extras {
        let extras: serde_json::Value = serde_json::from_str(raw.get()).unwrap();
        let block = schema.resource(name).unwrap();
        for path in extras["attributes"].as_object().unwrap().keys() {
            if block.find(path).is_none() {
                lost.push(format!("{name}.{path}"));
            }
        }
    }
    // Attributes of computed lists of objects are described by the provider's structs but are no paths of the format.
    assert!(lost.len() < 20, "{lost:?}");
}

#[test]
fn what_the_api_requires_beyond_the_schema_is_optional_there() {
    let schema = Schema::builtin();
    assert!(schema.required.len() > 10, "the file is read");
    for (name, needed) in &schema.required {
        let block = schema.resource(name).unwrap_or_else(|| panic!("{name} is no type of the core set"));
        for path in needed {
            match block.find(path.split(" when ").next().unwrap()) {
                Some(Node::Attribute(attribute)) => assert!(attribute.optional && !attribute.required, "{name}.{path}"),
                Some(Node::Block(nested)) => assert_eq!(nested.min_items, 0, "{name}.{path}"),
                None => panic!("{name} has no {path}"),
            }
        }
    }
}

#[test]
fn what_the_published_format_leaves_out_is_joined_in() {
    let schema = Schema::builtin();
    let subnet = schema.resource("oci_core_subnet").unwrap();
    assert!(subnet.attributes["dns_label"].force_new);
    assert!(!subnet.attributes["display_name"].force_new);
    let instance = schema.resource("oci_core_instance").unwrap();
    let Some(Node::Attribute(source)) = instance.find("source_details.0.source_type") else { panic!("not found") };
    assert_eq!(source.enum_values, ["bootVolume", "image"]);
    assert_eq!(source.enum_source, Some(EnumSource::ProviderValidate));
    let gateway = schema.resource("oci_core_internet_gateway").unwrap();
    assert_eq!(gateway.attributes["enabled"].default, Some(json!(true)));
    let stream = schema.resource("oci_streaming_stream").unwrap();
    assert_eq!(stream.attributes["compartment_id"].conflicts_with, ["stream_pool_id"]);
    let database = schema.resource("oci_database_autonomous_database").unwrap();
    assert!(database.attributes["admin_password"].sensitive);
    let facts = schema.facts("oci_core_vcn").unwrap();
    assert!(facts.importable);
    assert_eq!(facts.timeouts["create"], "20m0s");
}

#[test]
fn a_type_is_parsed_once_and_an_unknown_one_is_none() {
    let schema = Schema::builtin();
    let first = schema.resource("oci_core_vcn").unwrap();
    assert!(Arc::ptr_eq(&first, &schema.resource("oci_core_vcn").unwrap()));
    assert!(schema.resource("oci_core_vcns").is_none(), "a data source is no resource type");
    assert!(schema.data_source("oci_core_vcns").is_some());
    assert!(schema.resource("aws_instance").is_none());
}

#[test]
fn types_print_as_a_person_writes_them() {
    let rows = [
        (json!("string"), "string"),
        (json!(["list", "number"]), "list(number)"),
        (json!(["map", ["set", "bool"]]), "map(set(bool))"),
        (json!(["object", {"a": "string", "b": ["list", "string"]}]), "object({a = string, b = list(string)})"),
    ];
    for (json, text) in rows {
        assert_eq!(Type::parse(&json).to_string(), text);
    }
}

#[test]
fn configurable_names_leave_out_what_only_the_provider_sets() {
    let vcn = Schema::builtin().resource("oci_core_vcn").unwrap();
    let names = vcn.configurable();
    assert!(names.contains(&"cidr_blocks") && names.contains(&"byoipv6cidr_details"));
    assert!(!names.contains(&"state") && !names.contains(&"timeouts"));
}
