//! The 19-component platform against the `expect` block of its own file, read from the rendered Terraform; the rules of
//! a cluster; what edits of an image do.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::tests::{argument, assert_formatted, count, document, judge, rendered, spec};
use super::*;

fn platform() -> (Value, Rendered) {
    let document = document("iot-platform-19.json");
    let out = rendered(&spec(&document));
    (document, out)
}

/// An argument of a rendered block as it stands in the text, such as `oci_core_subnet.app.id`.
fn written(out: &Rendered, address: &str, path: &[&str]) -> String {
    let (kind, label) = address.split_once('.').unwrap();
    for text in out.files.iter().filter(|(name, _)| name.ends_with(".tf")).map(|(_, text)| text) {
        let body: hcl::Body = hcl::parse(text).unwrap();
        let found =
            body.blocks().find(|b| b.identifier() == "resource" && b.labels()[0].as_str() == kind && b.labels()[1].as_str() == label);
        let Some(block) = found else { continue };
        let mut at = block.body().clone();
        for name in &path[..path.len() - 1] {
            at = at.blocks().find(|b| b.identifier() == *name).unwrap_or_else(|| panic!("{address} has no {name}")).body().clone();
        }
        let attribute = at.attributes().find(|a| a.key() == path[path.len() - 1]);
        return hcl::format::to_string(attribute.unwrap_or_else(|| panic!("{address} has no {path:?}")).expr())
            .unwrap()
            .replace(['\n', ' '], "");
    }
    panic!("no {address}")
}

#[test]
fn the_platform_has_what_its_file_expects() {
    let (document, out) = platform();
    let expect = &document["expect"];
    assert_formatted(&out);
    for (resource_type, expected) in expect["terraform_resource_counts"].as_object().unwrap() {
        assert_eq!(json!(count(&out, resource_type)), *expected, "{resource_type}");
    }
    let subnet = |label: &str| format!("oci_core_subnet.{label}.id");
    let places = [
        ("api_gateway", "oci_apigateway_gateway.api_gateway", vec!["subnet_id"]),
        ("public_lb", "oci_load_balancer_load_balancer.public_lb", vec!["subnet_ids"]),
        ("app_cluster.endpoint", "oci_containerengine_cluster.app_cluster", vec!["endpoint_config", "subnet_id"]),
        ("app_cluster.nodes", "oci_containerengine_node_pool.app_cluster", vec!["node_config_details", "placement_configs", "subnet_id"]),
        ("data_transform", "oci_functions_application.data_transform", vec!["subnet_ids"]),
        ("transaction_db", "oci_database_autonomous_database.transaction_db", vec!["subnet_id"]),
    ];
    assert_eq!(places.len(), expect["placement"].as_object().unwrap().len());
    for (name, address, path) in places {
        let wanted = subnet(expect["placement"][name].as_str().unwrap());
        assert_eq!(written(&out, address, &path).trim_matches(['[', ']', ',']), wanted, "{name}");
    }
    let routes = |table: &str| -> Vec<String> {
        let text = &out.files["network.tf"];
        let body: hcl::Body = hcl::parse(text).unwrap();
        let table = body.blocks().find(|b| b.labels().iter().any(|l| l.as_str() == table)).unwrap().body().clone();
        let rules = table.blocks().filter(|b| b.identifier() == "route_rules");
        rules
            .map(|b| hcl::format::to_string(b.body().attributes().find(|a| a.key() == "network_entity_id").unwrap().expr()).unwrap())
            .map(|text| text.split('.').nth(1).unwrap().to_owned())
            .collect()
    };
    assert_eq!(json!(routes("public_route_table")), json!([expect["routes"]["public_route_table"]]));
    assert_eq!(json!(routes("private_route_table")), expect["routes"]["private_route_table"]);
    for (name, parts) in expect["subnet_tables"].as_object().unwrap() {
        let address = format!("oci_core_subnet.{name}");
        assert_eq!(written(&out, &address, &["route_table_id"]), format!("oci_core_route_table.{}.id", parts[0].as_str().unwrap()));
        let lists = written(&out, &address, &["security_list_ids"]);
        assert_eq!(lists.trim_matches(['[', ']', ',']), format!("oci_core_security_list.{}.id", parts[1].as_str().unwrap()));
    }
    for (component, resource_type) in [("iot_session_store", "oci_nosql_table"), ("data_lake", "oci_objectstorage_bucket")] {
        let name = argument(&out, &format!("{resource_type}.{component}"), "name").as_str().unwrap();
        assert!(regex::Regex::new(expect["names"][component].as_str().unwrap()).unwrap().is_match(name), "{name}");
    }
    let ddl = argument(&out, "oci_nosql_table.iot_session_store", "ddl_statement").as_str().unwrap();
    let name = argument(&out, "oci_nosql_table.iot_session_store", "name").as_str().unwrap();
    assert!(ddl.contains(&format!(" {name} (")), "{ddl}");
}

#[test]
fn the_platform_is_flagged_where_its_file_says() {
    let verdict = judge(&spec(&document("iot-platform-19.json")));
    let has = |rule: &str, path: &str| verdict.findings.iter().any(|f| f.rule == rule && f.path == path);
    for id in ["iot_session_store", "data_lake", "iot_event_stream"] {
        assert!(has("naming.changed", &format!("components[{id}].displayName")), "{id}: {:#?}", verdict.findings);
    }
    for list in ["public_security_list", "private_security_list"] {
        assert!(has("network.oke-security-list", &format!("components[{list}]")), "{list}");
    }
    assert!(has("network.database-port", "components[transaction_db]"));
    assert!(has("structure.variable-missing", "variables[function_image]"));
}

#[test]
fn traffic_of_the_platform_has_backends_routes_and_rules() {
    let (_, out) = platform();
    assert_eq!(count(&out, "oci_load_balancer_backend"), 3, "one for each node");
    let backend = "oci_load_balancer_backend.public_lb_http_app_cluster_2";
    assert_eq!(written(&out, backend, &["ip_address"]), "data.oci_containerengine_node_pool.app_cluster.nodes[1].private_ip");
    assert_eq!(argument(&out, backend, "port"), &json!(30080));
    let url = written(&out, "oci_apigateway_deployment.api_gateway", &["specification", "routes", "backend", "url"]);
    assert!(url.contains("\"https\"") && url.contains("30443") && url.contains("\"$${request.path[path]}\""), "{url}");
    assert_eq!(count(&out, "oci_sch_service_connector"), 1);
    let rules: BTreeSet<&str> =
        out.resources.iter().filter_map(|r| r.address.strip_prefix("oci_core_network_security_group_security_rule.")).collect();
    for rule in [
        "app_cluster_from_public_lb_30080",
        "public_lb_to_app_cluster_30080",
        "transaction_db_from_app_cluster_1522",
        "api_gateway_https_443",
    ] {
        assert!(rules.contains(rule), "{rule} in {rules:#?}");
    }
}

/// One rule as (group, direction, peer, protocol, ports).
fn rules(out: &Rendered, id: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for resource in out.resources.iter().filter(|r| r.resource_type == "oci_core_network_security_group_security_rule") {
        let group = written(out, &resource.address, &["network_security_group_id"]);
        let ingress = resource.arguments["direction"] == json!("INGRESS");
        let end = if ingress { "source" } else { "destination" };
        let short = |text: String| {
            let text =
                text.trim_matches('"').replace("oci_core_network_security_group.", "").replace(".id", "").replace(&format!("{id}_"), "");
            if text.contains("oci_core_services") { "services".to_owned() } else { text.replace("_nsg", "").replace("nsg", "nodes") }
        };
        if !group.contains(&format!(".{id}_")) {
            continue;
        }
        let peer = short(written(out, &resource.address, &[end]));
        let options = ["tcp_options", "udp_options"].iter().find_map(|name| resource.arguments.get(*name));
        let range = options.map_or(String::new(), |o| {
            let range = &o[0]["destination_port_range"][0];
            if range["min"] == range["max"] { format!(" {}", range["min"]) } else { format!(" {}-{}", range["min"], range["max"]) }
        });
        let icmp = resource.arguments.get("icmp_options").map_or("", |_| " 3/4");
        let protocol = match resource.arguments["protocol"].as_str().unwrap() {
            "6" => "tcp",
            "17" => "udp",
            "1" => "icmp",
            other => other,
        };
        let way = if ingress { "in" } else { "out" };
        found.insert(format!("{} {way} {peer} {protocol}{range}{icmp}", short(group)));
    }
    found
}

#[test]
fn a_cluster_has_the_whole_rule_set_for_both_pod_networks() {
    let cluster = |cni: &str| {
        rendered(&spec(&json!({"components": [
            {"id": "vcn", "service_type": "vcn", "config": {}},
            {"id": "k", "service_type": "oke", "config": {"cni_type": cni, "api_source_cidr": "203.0.113.0/24"}},
        ], "connections": []})))
    };
    let flannel = [
        "endpoint in nodes tcp 6443",
        "endpoint in nodes tcp 12250",
        "endpoint in 203.0.113.0/24 tcp 6443",
        "endpoint in nodes icmp 3/4",
        "endpoint out nodes icmp 3/4",
        "endpoint in endpoint tcp 6443",
        "endpoint out endpoint tcp 6443",
        "endpoint out services tcp",
        "endpoint out nodes tcp 10250",
        "endpoint out nodes tcp 12250",
        "nodes in nodes all",
        "nodes out nodes all",
        "nodes in endpoint all",
        "nodes out endpoint tcp 6443",
        "nodes out endpoint tcp 12250",
        "nodes out endpoint tcp 10250",
        "nodes out services tcp",
        "nodes in 0.0.0.0/0 icmp 3/4",
        "nodes out 0.0.0.0/0 icmp 3/4",
        "nodes in balancers tcp 30000-32767",
        "nodes in balancers udp 30000-32767",
        "nodes in balancers tcp 10256",
        "nodes out 0.0.0.0/0 all",
        "balancers in 0.0.0.0/0 tcp 80",
        "balancers in 0.0.0.0/0 tcp 443",
        "balancers out nodes tcp 30000-32767",
        "balancers out nodes udp 30000-32767",
        "balancers out nodes tcp 10256",
        "balancers out nodes icmp 3/4",
    ];
    let native = [
        "endpoint in pods tcp 6443",
        "endpoint in pods tcp 12250",
        "endpoint out pods all",
        "nodes in pods all",
        "nodes out pods all",
        "pods in nodes all",
        "pods out nodes all",
        "pods in endpoint all",
        "pods in pods all",
        "pods out pods all",
        "pods in balancers all",
        "pods out endpoint tcp 6443",
        "pods out services tcp",
        "pods out 0.0.0.0/0 all",
        "balancers out pods all",
    ];
    let wanted = |lists: &[&[&str]]| -> BTreeSet<String> { lists.iter().flat_map(|l| l.iter()).map(|text| (*text).to_owned()).collect() };
    assert_eq!(rules(&cluster("FLANNEL_OVERLAY"), "k"), wanted(&[&flannel]));
    let out = cluster("OCI_VCN_IP_NATIVE");
    assert_eq!(rules(&out, "k"), wanted(&[&flannel, &native]));
    assert!(written(&out, "oci_containerengine_node_pool.k", &["depends_on"]).contains("security_rule.k_nodes_from_api"));
    let pods = ["node_config_details", "node_pool_pod_network_option_details", "pod_subnet_ids"];
    assert!(written(&out, "oci_containerengine_node_pool.k", &pods).contains("oci_core_subnet.vcn_private_app.id"));
}

#[test]
fn the_public_flag_of_a_cluster_follows_the_subnet_of_its_endpoint() {
    for (endpoint, subnet, flag) in [("public", "vcn_public", true), ("private", "vcn_private_app", false)] {
        let out = rendered(&spec(&json!({"components": [
            {"id": "vcn", "service_type": "vcn", "config": {}},
            {"id": "k", "service_type": "oke", "config": {"endpoint_type": endpoint}},
        ], "connections": []})));
        let config = &argument(&out, "oci_containerengine_cluster.k", "endpoint_config")[0];
        assert_eq!(config["is_public_ip_enabled"], json!(flag), "{endpoint}");
        assert!(written(&out, "oci_containerengine_cluster.k", &["endpoint_config", "subnet_id"]).contains(subnet));
    }
}
