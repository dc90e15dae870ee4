//! What compute, container instances and the container engine add: addresses of VNICs, sizes of flexible shapes, endpoints,
//! nodes.

use serde_json::json;

use super::super::value::Value;
use super::fill::{Context, put_json};
use super::identity::{digest, ocid};
use super::network::{Addresses, is_private, public_address};

pub(super) fn fill(context: &Context<'_>, value: &mut Value) {
    match context.resource_type {
        "oci_core_instance" => instance(context, value),
        "oci_core_vnic_attachment" => {
            let subnet = value.at("create_vnic_details.0.subnet_id").clone();
            vnic(context, value, subnet.as_str().unwrap_or_default());
            value.settle("subnet_id", subnet);
        }
        "oci_core_instance_pool" => value.settle("actual_size", value.get("size").clone()),
        "oci_container_instances_container_instance" => container_instance(context, value),
        "oci_containerengine_cluster" => cluster(context, value),
        "oci_containerengine_node_pool" => node_pool(context, value),
        _ => {}
    }
}

fn instance(context: &Context<'_>, value: &mut Value) {
    // A deprecated top-level subnet_id still works; both follow the VNIC.
    let subnet = [value.at("create_vnic_details.0.subnet_id"), value.get("subnet_id")].into_iter().find(|v| v.as_str().is_some()).cloned();
    let subnet = subnet.unwrap_or(Value::Null);
    vnic(context, value, subnet.as_str().unwrap_or_default());
    value.settle("subnet_id", subnet);
    let image = value.at("source_details.0.source_id").clone();
    value.settle("image", image);
    let per_ocpu = match value.get("shape").as_str().unwrap_or_default() {
        // Default memory of the Ampere A1 shape is 6 GB per OCPU, of the others 16 (OCI compute shapes).
        shape if shape.contains(".A1.") => 6.0,
        _ => 16.0,
    };
    value.settle("shape_config.0.ocpus", Value::Number(1.into()));
    let ocpus = value.at("shape_config.0.ocpus").as_f64().unwrap_or(1.0);
    let number = |float: f64| serde_json::Number::from_f64(float).map_or(Value::Null, Value::Number);
    value.settle("shape_config.0.memory_in_gbs", number(ocpus * per_ocpu));
    value.settle("shape_config.0.vcpus", number(ocpus * 2.0));
}

/// Private address from the subnet; public one when the subnet allows it and it is not refused.
fn vnic(context: &Context<'_>, value: &mut Value, subnet: &str) {
    let asked = value.at("create_vnic_details.0.private_ip").as_str().map(str::to_owned);
    let address = match asked {
        Some(asked) => Value::String(asked),
        None => Addresses::of(context.state, subnet).next_value(),
    };
    value.settle("create_vnic_details.0.private_ip", address.clone());
    value.settle("private_ip", address);
    let display_name = value.get("display_name").clone();
    if !display_name.is_unknown() {
        value.settle("create_vnic_details.0.display_name", display_name);
    }
    let wanted = value.at("create_vnic_details.0.assign_public_ip").as_bool().unwrap_or(true);
    let allowed = !is_private(context.state, subnet).unwrap_or(true);
    value.settle("public_ip", Value::text(if wanted && allowed { public_address() } else { String::new() }));
}

fn container_instance(context: &Context<'_>, value: &mut Value) {
    let count = |name: &str| Value::Number(value.get(name).elements().len().into());
    let (containers, volumes) = (count("containers"), count("volumes"));
    value.settle("container_count", containers);
    value.settle("volume_count", volumes);
    let compartment = value.get("compartment_id").clone();
    let domain = value.get("availability_domain").clone();
    for index in 0..value.get("containers").elements().len() {
        value.settle(&format!("containers.{index}.compartment_id"), compartment.clone());
        value.settle(&format!("containers.{index}.availability_domain"), domain.clone());
    }
    for index in 0..value.get("vnics").elements().len() {
        let subnet = value.at(&format!("vnics.{index}.subnet_id")).as_str().unwrap_or_default().to_owned();
        let address = Addresses::of(context.state, &subnet).next_value();
        value.settle(&format!("vnics.{index}.private_ip"), address);
        let public = !is_private(context.state, &subnet).unwrap_or(true);
        value.settle(&format!("vnics.{index}.is_public_ip_assigned"), Value::Bool(public));
    }
}

fn cluster(context: &Context<'_>, value: &mut Value) {
    let subnet = value.at("endpoint_config.0.subnet_id").as_str().unwrap_or_default().to_owned();
    let public = value.at("endpoint_config.0.is_public_ip_enabled").as_bool().unwrap_or(false);
    let private_endpoint = Addresses::of(context.state, &subnet).next().map(|ip| format!("{ip}:6443"));
    let public_endpoint = public.then(|| format!("{}:6443", public_address()));
    let kubernetes = public_endpoint.clone().or_else(|| private_endpoint.clone());
    put_json(
        context,
        value,
        "endpoints",
        &json!([{"kubernetes": kubernetes, "private_endpoint": private_endpoint, "public_endpoint": public_endpoint}]),
    );
    put_json(context, value, "metadata", &json!([{"time_created": context.time()}]));
}

fn node_pool(context: &Context<'_>, value: &mut Value) {
    let size = value.at("node_config_details.0.size").as_f64().unwrap_or(0.0).clamp(0.0, 1_000.0) as usize;
    let placements: Vec<(String, String)> = value
        .at("node_config_details.0.placement_configs")
        .elements()
        .iter()
        .map(|place| ["availability_domain", "subnet_id"].map(|name| place.get(name).as_str().unwrap_or_default().to_owned()))
        .map(|[domain, subnet]| (domain, subnet))
        .collect();
    let mut nodes = Vec::new();
    let mut pools: Vec<Addresses> = placements.iter().map(|(_, subnet)| Addresses::of(context.state, subnet)).collect();
    for index in 0..size {
        let Some(place) = index.checked_rem(placements.len()) else { break };
        let (domain, subnet) = &placements[place];
        nodes.push(json!({
            "id": ocid("instance", context.region),
            "name": format!("oke-{}-{index}", digest(context.id, 11)),
            "node_pool_id": context.id,
            "availability_domain": domain,
            "fault_domain": format!("FAULT-DOMAIN-{}", index % 3 + 1),
            "subnet_id": subnet,
            "private_ip": pools[place].next(),
            "kubernetes_version": value.get("kubernetes_version").as_str(),
            "state": "ACTIVE",
        }));
    }
    put_json(context, value, "nodes", &json!(nodes));
}
