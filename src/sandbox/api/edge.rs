//! What load balancers, API gateway, storage, vault and the small services add; and compartments that children inherit.

use super::super::value::Value;
use super::fill::Context;
use super::identity::random;
use super::network::{Addresses, balancer};

pub(super) fn fill(context: &Context<'_>, value: &mut Value) {
    match context.resource_type {
        "oci_load_balancer_load_balancer" | "oci_load_balancer" => {
            value.settle("is_private", Value::Bool(false));
            let subnet = value.get("subnet_ids").texts().next().unwrap_or_default().to_owned();
            balancer(context, value, &subnet);
        }
        "oci_network_load_balancer_network_load_balancer" => {
            value.settle("is_private", Value::Bool(false));
            let subnet = value.get("subnet_id").as_str().unwrap_or_default().to_owned();
            balancer(context, value, &subnet);
        }
        "oci_load_balancer_backend" => {
            let port = value.get("port").as_f64().unwrap_or(0.0);
            let name = format!("{}:{port}", value.get("ip_address").as_str().unwrap_or_default());
            value.settle("name", Value::text(name));
            value.settle("weight", Value::Number(1.into()));
        }
        "oci_network_load_balancer_backend" => network_backend(context, value),
        "oci_apigateway_gateway" => {
            value.settle("hostname", Value::text(format!("{}.apigateway.{}.oci.customer-oci.com", random(26), context.region.id)));
        }
        "oci_apigateway_deployment" => {
            let gateway = context.other(value.get("gateway_id")).unwrap_or(Value::Null);
            let host = gateway.get("hostname").as_str().unwrap_or_default().to_owned();
            let prefix = value.get("path_prefix").as_str().unwrap_or_default().to_owned();
            value.settle("endpoint", Value::text(format!("https://{host}{prefix}")));
        }
        "oci_file_storage_mount_target" => {
            let subnet = value.get("subnet_id").as_str().unwrap_or_default().to_owned();
            value.settle("ip_address", Addresses::of(context.state, &subnet).next_value());
        }
        "oci_kms_key" => {
            let vault = vault_of(context, value.get("management_endpoint"));
            value.settle("vault_id", vault);
        }
        "oci_streaming_stream" => {
            let pool = context.other(value.get("stream_pool_id")).unwrap_or(Value::Null);
            value.settle("compartment_id", pool.get("compartment_id").clone());
        }
        "oci_bastion_bastion" => {
            let subnet = value.get("target_subnet_id").as_str().unwrap_or_default().to_owned();
            value.settle("private_endpoint_ip_address", Addresses::of(context.state, &subnet).next_value());
            value.settle("target_vcn_id", context.other(value.get("target_subnet_id")).map_or(Value::Null, |s| s.get("vcn_id").clone()));
        }
        "oci_ons_subscription" => {
            // A mail subscription waits for its confirmation; the others are active at once.
            let active = value.get("protocol").as_str() != Some("EMAIL");
            value.settle("state", Value::text(if active { "ACTIVE" } else { "PENDING" }));
        }
        _ => {}
    }
    inherit(context, value);
}

fn network_backend(context: &Context<'_>, value: &mut Value) {
    let target = value.get("target_id").as_str().or(value.get("ip_address").as_str()).unwrap_or_default().to_owned();
    let port = value.get("port").as_f64().unwrap_or(0.0);
    value.settle("name", Value::text(format!("{target}:{port}")));
    let address = context.other(value.get("target_id")).map_or(Value::Null, |instance| instance.get("private_ip").clone());
    value.settle("ip_address", address);
    value.settle("weight", Value::Number(1.into()));
}

fn vault_of(context: &Context<'_>, endpoint: &Value) -> Value {
    let vaults = context.state.resources().filter(|resource| resource.resource_type == "oci_kms_vault");
    let mut same = vaults.filter(|vault| endpoint.as_str().is_some() && vault.text("management_endpoint") == endpoint.as_str());
    same.next().map_or(Value::Null, |vault| Value::text(&vault.id))
}

/// Parents whose compartment a child without one takes.
const PARENTS: [&str; 14] = [
    "vcn_id",
    "network_security_group_id",
    "instance_id",
    "cluster_id",
    "load_balancer_id",
    "network_load_balancer_id",
    "gateway_id",
    "application_id",
    "db_system_id",
    "vault_id",
    "log_group_id",
    "file_system_id",
    "project_id",
    "bastion_id",
];

fn inherit(context: &Context<'_>, value: &mut Value) {
    if !value.get("compartment_id").is_unknown() {
        return;
    }
    let parent = PARENTS.iter().find_map(|name| context.other(value.get(name)));
    value.settle("compartment_id", parent.map_or(Value::Null, |parent| parent.get("compartment_id").clone()));
}
