//! Data sources answer what rendered designs ask.

use serde_json::{Value as Json, json};

use super::*;

fn ask(name: &str, config: Json, region: &str) -> Value {
    let block = Schema::builtin().data_source(name).unwrap();
    let config = conform(&block, &Value::from_json(&config));
    let region = Region::named(region);
    read(&Question { name, block: &block, config: &config, region: &region, state: &State::default() }).unwrap()
}

#[test]
fn the_services_of_a_region_are_filtered_by_regular_expression() {
    let filter = json!([{"name": "name", "values": ["All .* Services In Oracle Services Network"], "regex": true}]);
    let answer = ask("oci_core_services", json!({"filter": filter}), "ap-osaka-1");
    assert_eq!(answer.get("services").elements().len(), 1);
    assert_eq!(answer.at("services.0.cidr_block").as_str(), Some("all-kix-services-in-oracle-services-network"));
    let plain = json!([{"name": "name", "values": ["OCI KIX Object Storage"]}]);
    assert_eq!(ask("oci_core_services", json!({"filter": plain}), "ap-osaka-1").get("services").elements().len(), 1);
    let broken = json!([{"name": "name", "values": ["("], "regex": true}]);
    assert_eq!(ask("oci_core_services", json!({"filter": broken}), "ap-osaka-1").get("services").elements().len(), 0);
    assert_eq!(ask("oci_core_services", json!({}), "ap-osaka-1").get("id").as_str(), Some("CoreServicesDataSource-0"));
}

#[test]
fn images_honour_system_version_and_shape() {
    let images = |os: &str, version: &str, shape: &str| {
        let config = json!({"compartment_id": "c", "operating_system": os, "operating_system_version": version, "shape": shape});
        ask("oci_core_images", config, "ap-tokyo-1")
    };
    let linux = images("Oracle Linux", "9", "VM.Standard.E4.Flex");
    let arm = images("Oracle Linux", "9", "VM.Standard.A1.Flex");
    assert_eq!(linux, images("Oracle Linux", "9", "VM.Standard.E4.Flex"), "the same question has the same answer");
    assert_ne!(linux.at("images.0.id"), arm.at("images.0.id"));
    assert!(arm.at("images.0.display_name").as_str().unwrap().contains("aarch64"));
    assert_ne!(linux.at("images.0.id"), images("Oracle Linux", "8", "VM.Standard.E4.Flex").at("images.0.id"));
    assert_eq!(images("Oracle Linux", "5", "VM.Standard.E4.Flex").get("images").elements().len(), 0);
    assert_ne!(linux.get("id"), arm.get("id"));
}

#[test]
fn node_images_match_version_and_architecture_and_are_not_among_the_platform_images() {
    let options = ask("oci_containerengine_node_pool_option", json!({"node_pool_option_id": "all", "compartment_id": "c"}), "ap-osaka-1");
    let names: Vec<&str> = options.get("sources").elements().iter().filter_map(|source| source.get("source_name").as_str()).collect();
    assert!(names.contains(&"Oracle-Linux-8.10-2025.05.19-0-OKE-1.33.1-912"), "{names:?}");
    assert!(names.iter().any(|name| name.contains("aarch64")) && names.iter().any(|name| name.contains("GPU")));
    let platform = ask("oci_core_images", json!({"compartment_id": "c"}), "ap-osaka-1");
    let none = platform.get("images").elements().iter().all(|image| !image.get("display_name").as_str().unwrap().contains("OKE"));
    assert!(none);
}

#[test]
fn availability_domains_follow_the_region() {
    let count = |region| {
        ask("oci_identity_availability_domains", json!({"compartment_id": "t"}), region).get("availability_domains").elements().len()
    };
    assert_eq!((count("ap-osaka-1"), count("us-ashburn-1")), (1, 3));
}

#[test]
fn every_data_source_answers_with_a_value_that_fits_its_schema() {
    for name in Schema::builtin().data_sources() {
        let block = Schema::builtin().data_source(name).unwrap();
        let config = conform(&block, &Value::object());
        let region = Region::named("ap-osaka-1");
        let answer = read(&Question { name, block: &block, config: &config, region: &region, state: &State::default() });
        // Those that ask for one resource by its id find none in an empty cloud.
        if let Ok(value) = answer {
            assert_eq!(conform(&block, &value), value, "{name}");
        }
    }
}
