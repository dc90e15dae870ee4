//! What the database services add: connection strings, endpoints, private addresses.

use serde_json::json;

use super::super::value::Value;
use super::fill::{Context, put_json};
use super::identity::random;
use super::network::Addresses;

pub(super) fn fill(context: &Context<'_>, value: &mut Value) {
    match context.resource_type {
        "oci_database_autonomous_database" => autonomous(context, value),
        "oci_database_db_system" => system(context, value),
        "oci_mysql_mysql_db_system" => mysql(context, value),
        "oci_psql_db_system" => {
            let path = "network_details.0.primary_db_endpoint_private_ip";
            let subnet = value.at("network_details.0.subnet_id").as_str().unwrap_or_default().to_owned();
            value.settle(path, Addresses::of(context.state, &subnet).next_value());
            value.settle("admin_username", value.at("credentials.0.username").clone());
        }
        "oci_redis_redis_cluster" => cache(context, value),
        "oci_opensearch_opensearch_cluster" => {
            let subnet = value.get("subnet_id").as_str().unwrap_or_default().to_owned();
            let mut addresses = Addresses::of(context.state, &subnet);
            value.settle("opensearch_private_ip", addresses.next_value());
            value.settle("opendashboard_private_ip", addresses.next_value());
            for name in ["opensearch_fqdn", "opendashboard_fqdn"] {
                value.settle(name, Value::text(format!("{}.opensearch.{}.oci.oraclecloud.com", random(20), context.region.id)));
            }
        }
        _ => {}
    }
}

fn autonomous(context: &Context<'_>, value: &mut Value) {
    let region = &context.region.id;
    let name = value.get("db_name").as_str().unwrap_or("db").to_ascii_lowercase();
    let subnet = value.get("subnet_id").as_str().map(str::to_owned);
    let prefix = random(15).to_ascii_uppercase();
    let host = match &subnet {
        Some(subnet) => {
            let label = value.get("private_endpoint_label").as_str().map_or_else(|| name.clone(), str::to_owned);
            let host = format!("{label}.adb.{region}.oraclecloud.com");
            value.settle("private_endpoint", Value::text(&host));
            value.settle("private_endpoint_ip", Addresses::of(context.state, subnet).next_value());
            host
        }
        None => format!("adb.{region}.oraclecloud.com"),
    };
    let service = |level: &str| format!("{host}:1522/{}_{name}_{level}.adb.oraclecloud.com", prefix.to_ascii_lowercase());
    let strings = json!([{
        "all_connection_strings": {"HIGH": service("high"), "MEDIUM": service("medium"), "LOW": service("low")},
        "high": service("high"), "medium": service("medium"), "low": service("low"), "dedicated": "", "profiles": [],
    }]);
    put_json(context, value, "connection_strings", &strings);
    let site = format!("https://{prefix}-{}.adb.{region}.oraclecloudapps.com", name.to_ascii_uppercase());
    let urls = json!([{
        "apex_url": format!("{site}/ords/apex"), "ords_url": format!("{site}/ords/"), "sql_dev_web_url": format!("{site}/ords/sql-developer"),
        "database_transforms_url": format!("{site}/odi/"), "graph_studio_url": format!("{site}/graphstudio/"),
        "machine_learning_notebook_url": format!("{site}/oml/"), "machine_learning_user_management_url": format!("{site}/omlusers/"),
        "mongo_db_url": "", "spatial_studio_url": format!("{site}/spatialstudio/"),
    }]);
    put_json(context, value, "connection_urls", &urls);
    value.settle("service_console_url", Value::text(format!("{site}/console")));
    value.settle("display_name", value.get("db_name").clone());
    // Since July 2023 mutual TLS is off unless asked for (API reference of CreateAutonomousDatabase).
    value.settle("is_mtls_connection_required", Value::Bool(false));
    let free = value.get("is_free_tier").as_bool().unwrap_or(false);
    value.settle("compute_count", Value::Number(if free { 1 } else { 2 }.into()));
}

fn system(context: &Context<'_>, value: &mut Value) {
    let subnet = value.get("subnet_id").as_str().unwrap_or_default().to_owned();
    let domain = context.other(value.get("subnet_id")).map_or(Value::Null, |subnet| subnet.get("subnet_domain_name").clone());
    value.settle("domain", domain);
    value.settle("private_ip", Addresses::of(context.state, &subnet).next_value());
    value.settle("listener_port", Value::Number(1521.into()));
}

fn mysql(context: &Context<'_>, value: &mut Value) {
    let subnet = value.get("subnet_id").as_str().unwrap_or_default().to_owned();
    let address = match value.get("ip_address").as_str() {
        Some(asked) => Value::text(asked),
        None => Addresses::of(context.state, &subnet).next_value(),
    };
    let hostname = value.get("hostname_label").as_str().map(str::to_owned);
    let domain = context.other(value.get("subnet_id")).and_then(|subnet| subnet.get("subnet_domain_name").as_str().map(str::to_owned));
    let host = hostname.zip(domain).map(|(host, domain)| format!("{host}.{domain}"));
    put_json(
        context,
        value,
        "endpoints",
        &json!([{
            "hostname": host, "ip_address": address.as_str(), "port": 3306, "port_x": 33060,
            "modes": ["READ", "WRITE"], "status": "ACTIVE", "resource_type": "DBSYSTEM", "resource_id": context.id,
        }]),
    );
    value.settle("ip_address", address);
}

fn cache(context: &Context<'_>, value: &mut Value) {
    let subnet = value.get("subnet_id").as_str().unwrap_or_default().to_owned();
    let mut addresses = Addresses::of(context.state, &subnet);
    for side in ["primary", "replicas"] {
        value.settle(&format!("{side}_endpoint_ip_address"), addresses.next_value());
        let host = format!("{}-{}.redis.{}.oci.oraclecloud.com", random(20), if side == "primary" { "p" } else { "r" }, context.region.id);
        value.settle(&format!("{side}_fqdn"), Value::text(host));
    }
}
