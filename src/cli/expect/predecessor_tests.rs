//! The class of designs that Galley's predecessor took: each config key of its catalogue, the ones it ignored included, and
//! each problem its users had with a design, by its number in the field reports. Every row is accepted and shows in what is
//! rendered, or is refused with what to write instead.

use serde_json::{Value, json};

use super::World;
use super::arguments::values_at;
use crate::api::design::{Finding, Severity};
use crate::render::tests::{CATALOG, RULES, rendered, spec};
use crate::validator::{Defaults, Verdict, validate};

fn judged(design: &Value) -> Verdict {
    let (region, compartment_id) = ("ap-osaka-1".to_owned(), "ocid1.compartment.oc1..aaaa".to_owned());
    validate(&spec(design), &CATALOG, &RULES, &Defaults { region, compartment_id, language: crate::api::session::Language::En })
}

fn world(design: &Value) -> World {
    World::rendered(&rendered(&spec(design)).files).unwrap()
}

fn part(id: &str, kind: &str, config: Value) -> Value {
    json!({"id": id, "service_type": kind, "display_name": id, "config": config})
}

fn link(source: &str, name: &str, target: &str) -> Value {
    json!({"source_id": source, "target_id": target, "connection_type": name})
}

fn design(components: Vec<Value>, connections: Vec<Value>) -> Value {
    json!({"components": components, "connections": connections})
}

/// What every row stands in: a VCN with one subnet of each kind, and something to connect.
fn around(kind: &str, config: Value) -> Value {
    let mut components = vec![
        part("net", "vcn", json!({})),
        part("pub", "subnet", json!({"cidr_block": "10.0.0.0/24"})),
        part("priv", "subnet", json!({"cidr_block": "10.0.1.0/24", "prohibit_public_ip": true})),
        part("back", "compute", json!({})),
    ];
    let mut connections = vec![link("back", "deployed_in", "priv")];
    match kind {
        "vcn" | "subnet" => components.retain(|c| c["service_type"] != "subnet" && (kind != "vcn" || c["service_type"] != "vcn")),
        "route_table" | "security_list" => connections.push(link("priv", "attached_to", "x")),
        "loadbalancer" | "apigateway" => connections.push(link("x", "http", "back")),
        _ => {}
    }
    if matches!(kind, "vcn" | "subnet") {
        connections.clear();
    }
    components.push(part("x", kind, config));
    design(components, connections)
}

/// (type, config, argument of its resources, value there)
type Taken = (&'static str, Value, &'static str, Value);

#[test]
fn every_config_key_of_the_predecessor_shows_in_what_is_rendered_also_the_ones_it_ignored() {
    let rows: Vec<Taken> = vec![
        ("vcn", json!({"cidr_block": "10.7.0.0/16"}), "cidr_blocks", json!(["10.7.0.0/16"])),
        ("subnet", json!({"cidr_block": "10.0.77.0/24"}), "cidr_block", json!("10.0.77.0/24")),
        ("subnet", json!({"prohibit_public_ip": true}), "prohibit_public_ip_on_vnic", json!(true)),
        ("subnet", json!({"prohibit_public_ip": "False"}), "prohibit_public_ip_on_vnic", json!(false)),
        ("route_table", json!({"destination": "192.0.2.0/24"}), "route_rules.destination", json!("192.0.2.0/24")),
        ("security_list", json!({"ingress_source": "10.0.0.0/16"}), "ingress_security_rules.source", json!("10.0.0.0/16")),
        ("security_list", json!({"ingress_port": "8080"}), "ingress_security_rules.tcp_options.min", json!(8080)),
        ("compute", json!({"shape": "VM.Standard.A1.Flex"}), "shape", json!("VM.Standard.A1.Flex")),
        ("compute", json!({"shape": "VM.Standard3.Flex"}), "shape", json!("VM.Standard3.Flex")),
        ("compute", json!({"shape": "vm.standard.e4.flex", "ocpus": "2"}), "shape_config.ocpus", json!(2)),
        ("compute", json!({"memory_in_gbs": "32"}), "shape_config.memory_in_gbs", json!(32)),
        ("oke", json!({"shape": "VM.Standard.A1.Flex"}), "node_shape", json!("VM.Standard.A1.Flex")),
        ("oke", json!({"node_shape": "VM.Standard3.Flex"}), "node_shape", json!("VM.Standard3.Flex")),
        ("oke", json!({"node_ocpus": "2"}), "node_shape_config.ocpus", json!(2)),
        ("oke", json!({"node_memory": 32}), "node_shape_config.memory_in_gbs", json!(32)),
        ("oke", json!({"node_count": "5"}), "node_config_details.size", json!(5)),
        ("oke", json!({"kubernetes_version": "v1.31.1"}), "kubernetes_version", json!("v1.31.1")),
        ("adb", json!({"workload_type": "ATP"}), "db_workload", json!("OLTP")),
        ("adb", json!({"workload_type": "adw"}), "db_workload", json!("LH")),
        ("adb", json!({"cpu_core_count": 2}), "compute_count", json!(8)),
        ("adb", json!({"storage_in_tbs": "3"}), "data_storage_size_in_tbs", json!(3)),
        ("adb", json!({"endpoint_type": "PUBLIC"}), "subnet_id", Value::Null),
        ("adb", json!({"db_name": "salesdb"}), "db_name", json!("salesdb")),
        ("adb", json!({"is_free_tier": "true"}), "is_free_tier", json!(true)),
        ("apigateway", json!({"endpoint_type": "private"}), "endpoint_type", json!("PRIVATE")),
        ("functions", json!({"memory_in_mbs": "1024"}), "memory_in_mbs", json!("1024")),
        ("functions", json!({"timeout_in_seconds": 60}), "timeout_in_seconds", json!(60)),
        ("objectstorage", json!({"storage_tier": "archive"}), "storage_tier", json!("Archive")),
        ("objectstorage", json!({"versioning": "ENABLED"}), "versioning", json!("Enabled")),
        ("loadbalancer", json!({"shape": "400Mbps"}), "shape_details.maximum_bandwidth_in_mbps", json!(400)),
        ("loadbalancer", json!({"is_private": "TRUE"}), "is_private", json!(true)),
        ("loadbalancer", json!({"min_bandwidth": "20"}), "shape_details.minimum_bandwidth_in_mbps", json!(20)),
        ("loadbalancer", json!({"max_bandwidth": 200}), "shape_details.maximum_bandwidth_in_mbps", json!(200)),
        ("streaming", json!({"partitions": "2"}), "partitions", json!(2)),
        ("streaming", json!({"retention_in_hours": 48}), "retention_in_hours", json!(48)),
        ("nosql", json!({"table_limits": "maxReadUnits=7,maxWriteUnits=8,maxStorageInGBs=9"}), "max_read_units", json!(7)),
        ("nosql", json!({"table_limits": "maxReadUnits=7,maxWriteUnits=8,maxStorageInGBs=9"}), "max_storage_in_gbs", json!(9)),
    ];
    for (kind, config, argument, expected) in rows {
        let seen = world(&around(kind, config.clone()));
        let found: Vec<&Value> = seen.labelled("x").flat_map(|part| values_at(&part.attributes, argument)).collect();
        let fits = if expected.is_null() { found.is_empty() } else { found.iter().any(|value| **value == expected) };
        assert!(fits, "{kind} {config}: {argument} is {found:?}, not {expected}");
    }
    for (image_os, version) in [("Oracle Linux 8", "8"), ("Oracle Linux 9", "9"), ("Ubuntu 22.04", "22.04")] {
        let seen = world(&around("compute", json!({"image_os": image_os})));
        let source = seen.at("oci_core_instance.x").unwrap().text("source_details.source_id").unwrap();
        // Instances of one image share what looks it up.
        let label = source.split('.').nth(2).unwrap();
        let image = seen.data.iter().find(|part| part.address == format!("oci_core_images.{label}")).unwrap();
        assert_eq!(image.attributes["operating_system_version"], json!(version), "{image_os} was always version 8");
    }
}

#[test]
fn what_the_predecessor_took_as_text_for_terraform_is_refused_with_what_to_write_instead() {
    let rows = [
        ("route_table", json!({"sgw_route_block": "route_rules { }"}), "sgw_route_block", "added by itself"),
        ("security_list", json!({"additional_ingress_rules": "ingress_security_rules { }"}), "additional_ingress_rules", "type nsg"),
        ("security_list", json!({"ingress_port": 0}), "ingress_port", ""),
        ("compute", json!({"name": "web"}), "name", "display_name"),
        ("compute", json!({"display_name": "web"}), "display_name", "beside config"),
        ("compute", json!({"subnet_id": "priv"}), "subnet_id", "deployed_in"),
        ("adb", json!({"admin_password": "Secret12345#"}), "admin_password", "Galley makes passwords"),
        ("compute", json!({"image_id": "ocid1.image"}), "image_id", "image_os"),
        ("compute", json!({"compartment_id": "ocid1.compartment"}), "compartment_id", "whole design"),
        ("compute", json!({"shape": "VM.Standard.E4.Flex; rm"}), "shape", ""),
    ];
    for (kind, config, key, advice) in rows {
        let findings = judged(&around(kind, config)).findings;
        let path = format!("components[x].config.{key}");
        let finding = findings.iter().find(|f| f.severity == Severity::Error && f.path == path);
        let finding = finding.unwrap_or_else(|| panic!("{kind}.{key} is taken: {findings:#?}"));
        assert!(finding.recommendation.as_deref().unwrap_or_default().contains(advice), "{kind}.{key}: {finding:?}");
    }
}

/// What a design must show: its world, and its findings.
type Holds = fn(&World, &[Finding]) -> bool;

fn has(findings: &[Finding], rule: &str) -> bool {
    findings.iter().any(|finding| finding.rule == rule)
}

fn at<'w>(world: &'w World, address: &str) -> &'w Value {
    &world.at(address).unwrap_or_else(|| panic!("no {address}")).attributes
}

/// Whether the table of a subnet leads to a gateway of this kind.
fn leads(world: &World, subnet: &str, kind: &str) -> bool {
    let tables = world.at(&format!("oci_core_subnet.{subnet}")).unwrap().refers("route_table_id", "oci_core_route_table");
    tables.iter().any(|table| !world.at(table).unwrap().refers("route_rules.network_entity_id", kind).is_empty())
}

#[test]
fn no_problem_that_users_had_with_a_design_comes_back() {
    let network = || {
        vec![
            part("net", "vcn", json!({})),
            part("pub", "subnet", json!({"cidr_block": "10.0.0.0/24"})),
            part("priv", "subnet", json!({"cidr_block": "10.0.1.0/24", "prohibit_public_ip": "true"})),
        ]
    };
    let with = |more: Vec<Value>, links: Vec<Value>| design(network().into_iter().chain(more).collect(), links);
    let table = |id: &str, name: &str| json!({"id": id, "service_type": "route_table", "display_name": name});
    let cluster = || with(vec![part("k", "oke", json!({}))], vec![link("k", "deployed_in", "priv")]);
    let rows: Vec<(&str, Value, Holds)> = vec![
        (
            "15, 24: parts that are missing are made, those that are there are real",
            with(vec![part("vm", "compute", json!({}))], vec![]),
            |w, _| w.of_kind("oci_core_subnet").count() == 2 && w.of_kind("oci_core_nat_gateway").count() == 1,
        ),
        ("17, 25, 70: nothing is asked that the design knows", cluster(), |w, _| {
            w.variables.iter().all(|name| !name.contains("subnet") && !name.contains("image") && !name.contains("vcn"))
        }),
        ("23: brackets", design(vec![json!({"id": "adb1", "service_type": "adb", "display_name": "DB (ATP)"})], vec![]), |w, _| {
            w.parts.iter().all(|part| part.label().chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
        }),
        ("26: the free tier reaches Terraform", design(vec![part("d", "adb", json!({"is_free_tier": true}))], vec![]), |w, _| {
            at(w, "oci_database_autonomous_database.d")["is_free_tier"] == json!(true)
        }),
        ("37, 40, 57: nodes apart from the endpoint, balancers named, a node pool", cluster(), |w, _| {
            let cluster = w.at("oci_containerengine_cluster.k").unwrap();
            let pool = w.at("oci_containerengine_node_pool.k").unwrap();
            cluster.refers("endpoint_config.subnet_id", "oci_core_subnet") == ["oci_core_subnet.pub".to_owned()].into()
                && cluster.refers("options.service_lb_subnet_ids", "oci_core_subnet") == ["oci_core_subnet.pub".to_owned()].into()
                && pool.text("node_config_details.placement_configs.subnet_id").unwrap().contains("oci_core_subnet.priv")
        }),
        ("39: services are looked up in the region", cluster(), |w, _| {
            w.data.iter().any(|part| part.kind == "oci_core_services")
                && !w.parts.iter().any(|p| p.attributes.to_string().contains("all-nrt"))
        }),
        (
            "41, 54: a private table, also one that is called so in Japanese, leads to NAT and services and never to the internet",
            with(vec![table("rt", "非公開ルート表"), table("rt2", "公開ルート表")], vec![]),
            |w, _| {
                leads(w, "priv", "oci_core_nat_gateway")
                    && leads(w, "priv", "oci_core_service_gateway")
                    && !leads(w, "priv", "oci_core_internet_gateway")
                    && leads(w, "pub", "oci_core_internet_gateway")
            },
        ),
        (
            "52: the connection places, not the name",
            with(vec![part("private_vm", "compute", json!({}))], vec![link("private_vm", "deployed_in", "pub")]),
            |w, _| {
                w.at("oci_core_instance.private_vm").unwrap().text("create_vnic_details.subnet_id").unwrap().contains("oci_core_subnet.pub")
            },
        ),
        (
            "53: names that a service restricts",
            design(
                vec![
                    json!({"id": "t", "service_type": "nosql", "display_name": "セッション Store"}),
                    json!({"id": "b", "service_type": "objectstorage", "display_name": "Data Lake"}),
                ],
                vec![],
            ),
            |w, f| {
                let legal = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
                legal(at(w, "oci_nosql_table.t")["name"].as_str().unwrap(), "_")
                    && legal(at(w, "oci_objectstorage_bucket.b")["name"].as_str().unwrap(), "-_")
                    && has(f, "naming.changed")
            },
        ),
        ("56: the API's own case", with(vec![part("g", "apigateway", json!({"endpoint_type": "public"}))], vec![]), |w, _| {
            at(w, "oci_apigateway_gateway.g")["endpoint_type"] == json!("PUBLIC")
        }),
        (
            "58, 65: a private endpoint is a subnet and a group and nothing the API refuses",
            with(vec![part("d", "adb", json!({}))], vec![]),
            |w, _| {
                let d = at(w, "oci_database_autonomous_database.d");
                !d["subnet_id"].is_null()
                    && !d["nsg_ids"].is_null()
                    && d["is_access_control_enabled"].is_null()
                    && d["whitelisted_ips"].is_null()
            },
        ),
        ("64: node images are OKE's", cluster(), |w, _| {
            w.data.iter().any(|part| part.kind == "oci_containerengine_node_pool_option")
                && !w.data.iter().any(|part| part.kind == "oci_core_images")
        }),
        (
            "67: a small VCN",
            design(
                vec![
                    part("net", "vcn", json!({"cidr_block": "192.168.9.0/27"})),
                    part("vm", "compute", json!({})),
                    part("d", "adb", json!({})),
                ],
                vec![],
            ),
            |w, _| w.of_kind("oci_core_subnet").all(|s| s.attributes["cidr_block"].as_str().unwrap().starts_with("192.168.9.")),
        ),
        (
            "68, 74: a cluster behind lists of one port still has its rules",
            with(
                vec![
                    part("k", "oke", json!({})),
                    part("sl", "security_list", json!({"ingress_port": 443})),
                    part("sl2", "security_list", json!({"ingress_port": 8080})),
                ],
                vec![link("k", "deployed_in", "priv"), link("pub", "attached_to", "sl"), link("priv", "attached_to", "sl2")],
            ),
            |w, f| super::oke::check(w).is_ok() && has(f, "network.oke-security-list"),
        ),
        (
            "71, 90: outputs of everything, each once, also with two VCNs",
            design(vec![part("a", "vcn", json!({})), part("b", "vcn", json!({"cidr_block": "10.1.0.0/16"}))], vec![]),
            |w, _| ["a_id", "b_id"].iter().all(|name| w.outputs.contains(*name)),
        ),
        (
            "86: text stays text",
            design(
                vec![json!({"id": "v", "service_type": "vcn", "display_name": "x\"\n}\nresource \"a\" \"b\" {${file(\"/etc/passwd\")}"})],
                vec![],
            ),
            |w, _| w.parts.len() == 1,
        ),
        (
            "89: names in other alphabets, and names equal but for case, stay apart",
            design(
                vec![
                    json!({"id": "c", "service_type": "objectstorage", "display_name": "データ"}),
                    json!({"id": "d", "service_type": "objectstorage", "display_name": "サーバ"}),
                    json!({"id": "a", "service_type": "objectstorage", "display_name": "Logs"}),
                    json!({"id": "b", "service_type": "objectstorage", "display_name": "logs"}),
                ],
                vec![],
            ),
            |w, _| {
                let names: std::collections::BTreeSet<&str> =
                    w.of_kind("oci_objectstorage_bucket").filter_map(|b| b.attributes["name"].as_str()).collect();
                names.len() == 4
            },
        ),
    ];
    for (what, design, holds) in rows {
        let verdict = judged(&design);
        assert!(verdict.design.is_some(), "{what}: {:#?}", verdict.findings);
        assert!(holds(&world(&design), &verdict.findings), "{what}\n{:#?}", verdict.findings);
    }
}

#[test]
fn what_users_were_not_told_of_a_design_is_an_error_or_a_warning_now() {
    let vm = || part("vm", "compute", json!({}));
    let rows: Vec<(&str, Value, &str, Severity)> = vec![
        ("38: port 0", design(vec![part("s", "security_list", json!({"ingress_port": 0}))], vec![]), "config.range", Severity::Error),
        (
            "50: many VCNs",
            design((0..6).map(|n| part(&format!("v{n}"), "vcn", json!({"cidr_block": format!("10.{n}.0.0/16")}))).collect(), vec![]),
            "limits.vcns",
            Severity::Info,
        ),
        (
            "59: a public balancer in a private subnet",
            design(
                vec![part("s", "subnet", json!({"prohibit_public_ip": true})), part("lb", "loadbalancer", json!({})), vm()],
                vec![link("lb", "deployed_in", "s"), link("lb", "http", "vm")],
            ),
            "contradiction.public-in-private",
            Severity::Error,
        ),
        (
            "60: stream partitions",
            design(vec![part("s", "streaming", json!({}))], vec![]),
            "limits.streaming-partitions",
            Severity::Warning,
        ),
        (
            "67: a subnet outside its VCN",
            design(vec![part("v", "vcn", json!({})), part("s", "subnet", json!({"cidr_block": "192.168.0.0/24"}))], vec![]),
            "network.subnet-outside",
            Severity::Error,
        ),
        ("94: an unknown type", design(vec![part("x", "quantum", json!({}))], vec![]), "structure.unknown-type", Severity::Error),
        (
            "94: an end that is not there",
            design(vec![vm()], vec![link("vm", "http", "nobody")]),
            "structure.dangling-connection",
            Severity::Error,
        ),
        ("94: an id twice", design(vec![vm(), vm()], vec![]), "structure.duplicate-id", Severity::Error),
        (
            "20: a connection type of nobody's",
            design(vec![vm(), part("m", "mysql", json!({}))], vec![link("vm", "uses", "m")]),
            "structure.connection-type",
            Severity::Error,
        ),
    ];
    for (what, design, rule, severity) in rows {
        let region = what.starts_with("60");
        let findings = judged(&design).findings;
        let found = findings.iter().find(|f| f.rule == rule);
        // Limits of a tenancy matter where there is one.
        if region && found.is_none() {
            let mut real = spec(&design);
            real.target = crate::api::design::Target::Oci;
            let defaults = Defaults {
                region: "ap-osaka-1".into(),
                compartment_id: "ocid1.compartment.oc1..aaaa".into(),
                language: crate::api::session::Language::En,
            };
            let findings = validate(&real, &CATALOG, &RULES, &defaults).findings;
            assert!(findings.iter().any(|f| f.rule == rule && f.severity == severity), "{what}: {findings:#?}");
            continue;
        }
        assert_eq!(found.map(|f| f.severity), Some(severity), "{what}: {findings:#?}");
    }
}
