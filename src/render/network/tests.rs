//! Partial networks as a table, and VCNs of every size.

use serde_json::{Value, json};

use super::*;
use crate::api::design::Severity;
use crate::render::tests::{judge, spec};

fn derived(components: Value, connections: Value) -> (Network, Vec<Finding>) {
    let verdict = judge(&spec(&json!({"components": components, "connections": connections})));
    let design = verdict.design.unwrap_or_else(|| panic!("{:#?}", verdict.findings));
    (derive(&design, &Catalog::embedded().unwrap(), Language::En), verdict.findings)
}

fn part(id: &str, service_type: &str, config: Value) -> Value {
    json!({"id": id, "service_type": service_type, "config": config})
}

fn labels(network: &Network) -> Vec<&str> {
    network.derived.iter().map(|c| c.label.as_str()).collect()
}

#[test]
fn partial_networks_are_completed_and_nothing_brought_is_overridden() {
    let vm = || part("vm", "compute", json!({}));
    let vcn = || part("net", "vcn", json!({}));
    let private = || part("p", "subnet", json!({"prohibit_public_ip": true}));
    // components, connections, labels of what is added, why
    type Row = (Vec<Value>, Vec<Value>, Vec<&'static str>, &'static str);
    let rows: Vec<Row> = vec![
        (vec![vcn()], vec![], vec![], "a VCN alone needs nothing"),
        (vec![vcn(), part("b", "objectstorage", json!({}))], vec![], vec![], "a bucket needs no network"),
        (vec![vcn(), part("d", "adb", json!({"endpoint_type": "public"}))], vec![], vec![], "a public database needs no network"),
        (
            vec![vm()],
            vec![],
            vec!["network", "network_private_app", "network_private_routes", "network_nat", "network_sgw", "network_empty_list"],
            "no VCN at all: one is made",
        ),
        (
            vec![vcn(), vm(), private()],
            vec![],
            vec!["net_private_routes", "net_nat", "net_sgw", "net_empty_list"],
            "the brought private subnet is used",
        ),
        (
            vec![vcn(), vm(), private(), part("nat", "nat_gateway", json!({})), part("rt", "route_table", json!({}))],
            vec![],
            vec!["net_sgw", "net_empty_list"],
            "only the service gateway was missing: no private workload without a way to OCI services",
        ),
        (
            vec![
                vcn(),
                vm(),
                private(),
                part("nat", "nat_gateway", json!({})),
                part("sgw", "service_gateway", json!({})),
                part("rt", "route_table", json!({})),
                part("sl", "security_list", json!({})),
            ],
            vec![],
            vec![],
            "everything is there already: nothing is added",
        ),
        (
            vec![vcn(), part("vm", "compute", json!({"assign_public_ip": true}))],
            vec![],
            vec!["net_public", "net_public_routes", "net_igw", "net_empty_list"],
            "a public workload gets a public subnet",
        ),
        (
            vec![vcn(), part("d", "adb", json!({})), part("db", "subnet", json!({"prohibit_public_ip": true})), vm()],
            vec![],
            vec!["net_private_app", "net_private_routes", "net_nat", "net_sgw", "net_empty_list"],
            "a subnet for databases is left to databases",
        ),
    ];
    for (components, connections, expected, reason) in rows {
        let (network, findings) = derived(json!(components), json!(connections));
        let (mut got, mut want) = (labels(&network), expected);
        got.sort_unstable();
        want.sort_unstable();
        assert_eq!(got, want, "{reason}");
        assert_eq!(findings.iter().any(|f| f.rule == "network.completed"), !want.is_empty(), "{reason}: it is reported");
    }
}

#[test]
fn a_brought_private_table_gets_nat_and_service_gateway_and_the_report_says_so() {
    let components = json!([
        part("net", "vcn", json!({})),
        part("p", "subnet", json!({"prohibit_public_ip": true})),
        part("table", "route_table", json!({"destination": "0.0.0.0/0"})),
        part("nat", "nat_gateway", json!({})),
        part("sgw", "service_gateway", json!({})),
    ]);
    let link = json!([{"source_id": "table", "target_id": "p", "connection_type": "attached_to"}]);
    let (network, findings) = derived(components, link);
    let gateways: Vec<&str> = network.routes["table"].iter().map(|r| r.label.as_str()).collect();
    assert_eq!(gateways, ["nat", "sgw"]);
    assert_eq!(network.routes["table"][1].destination, Peer::Services);
    let note = findings.iter().find(|f| f.rule == "network.routes-completed").unwrap();
    assert_eq!((note.severity, note.path.as_str()), (Severity::Info, "components[table]"));
}

#[test]
fn tables_are_matched_by_connection_first_then_by_name_also_in_japanese() {
    let components = json!([
        part("net", "vcn", json!({})),
        part("pub", "subnet", json!({"cidr_block": "10.0.0.0/24"})),
        part("app", "subnet", json!({"cidr_block": "10.0.1.0/24", "prohibit_public_ip": true})),
        {"id": "rt1", "service_type": "route_table", "display_name": "非公開ルート表", "config": {}},
        {"id": "rt2", "service_type": "route_table", "display_name": "公開ルート表", "config": {}},
    ]);
    let (network, _) = derived(components, json!([]));
    assert_eq!(network.subnets["pub"].route_table, "rt2");
    assert_eq!(network.subnets["app"].route_table, "rt1");
}

#[test]
fn of_several_private_tables_and_lists_the_one_that_speaks_of_the_tier_is_taken() {
    let named = |id: &str, kind: &str, name: &str| json!({"id": id, "service_type": kind, "display_name": name, "config": {}});
    let components = json!([
        part("net", "vcn", json!({})),
        part("app", "subnet", json!({"prohibit_public_ip": true})),
        part("db", "subnet", json!({"prohibit_public_ip": true})),
        named("rt1", "route_table", "RT for databases (DB)"),
        named("rt2", "route_table", "App RT"),
        named("sl1", "security_list", "Private list DB"),
        named("sl2", "security_list", "Private list"),
    ]);
    let (network, _) = derived(components, json!([]));
    let of = |subnet: &str| (network.subnets[subnet].route_table.as_str(), network.subnets[subnet].security_lists.join(","));
    assert_eq!(of("app"), ("rt2", "sl2".to_owned()));
    assert_eq!(of("db"), ("rt1", "sl1".to_owned()));
}

#[test]
fn one_table_cannot_serve_public_and_private_subnets() {
    let components = json!([
        part("net", "vcn", json!({})),
        part("pub", "subnet", json!({})),
        part("app", "subnet", json!({"prohibit_public_ip": true})),
        part("rt", "route_table", json!({})),
    ]);
    let links = json!([
        {"source_id": "rt", "target_id": "pub", "connection_type": "attached_to"},
        {"source_id": "app", "target_id": "rt", "connection_type": "attached_to"},
    ]);
    let verdict = judge(&spec(&json!({"components": components, "connections": links})));
    assert!(verdict.design.is_none());
    assert_eq!(verdict.findings[0].rule, "network.route-table-kind");
}

#[test]
fn vcns_of_every_size_hold_their_subnets() {
    for prefix in 16..=28 {
        let (network, _) = derived(
            json!([
                part("net", "vcn", json!({"cidr_block": format!("192.168.0.0/{prefix}")})),
                part("web", "compute", json!({"assign_public_ip": true})),
                part("app", "compute", json!({})),
                part("db", "adb", json!({})),
            ]),
            json!([]),
        );
        let vcn = network.vcns["net"];
        let subnets: Vec<Ipv4Net> = network.subnets.values().map(|s| s.cidr).collect();
        assert_eq!(subnets.len(), 3, "/{prefix}");
        for (index, subnet) in subnets.iter().enumerate() {
            assert!(vcn.contains(subnet) && subnet.prefix_len() == (prefix + 2).clamp(24, 30), "/{prefix}: {subnet}");
            assert!(subnets.iter().skip(index + 1).all(|other| !subnet.contains(other) && !other.contains(subnet)));
        }
    }
}

#[test]
fn a_vcn_without_room_is_an_error_before_anything_is_planned() {
    let components = json!([
        part("net", "vcn", json!({"cidr_block": "10.0.0.0/28"})),
        part("all", "subnet", json!({"cidr_block": "10.0.0.0/28"})),
        part("vm", "compute", json!({})),
    ]);
    let verdict = judge(&spec(&json!({"components": components, "connections": []})));
    assert!(verdict.findings.iter().any(|f| f.rule == "network.no-room" && f.path == "components[vm]"), "{:#?}", verdict.findings);
}

#[test]
fn more_components_than_addresses_are_an_error() {
    let vms = |many: usize| (0..many).map(|n| part(&format!("vm{n}"), "compute", json!({})));
    let small = part("net", "vcn", json!({"cidr_block": "10.0.0.0/28"}));
    let mut brought = vec![small.clone(), part("p", "subnet", json!({"cidr_block": "10.0.0.0/30", "prohibit_public_ip": true}))];
    brought.extend(vms(3));
    let verdict = judge(&spec(&json!({"components": brought, "connections": []})));
    assert_eq!(verdict.findings[0].rule, "network.crowded", "a brought subnet keeps its size");
    let made: Vec<Value> = std::iter::once(small).chain(vms(14)).collect();
    let verdict = judge(&spec(&json!({"components": made, "connections": []})));
    assert_eq!(verdict.findings[0].rule, "network.no-room", "14 addresses do not fit into 16 less three");
}

#[test]
fn made_subnets_are_as_large_as_what_stands_in_them_and_share_a_small_vcn() {
    let link = |source: &str, target: &str, kind: &str| json!({"source_id": source, "target_id": target, "connection_type": kind});
    let small = json!([
        part("net", "vcn", json!({"cidr_block": "10.1.2.0/28"})),
        part("vm", "compute", json!({})),
        part("lb", "loadbalancer", json!({})),
        part("db", "adb", json!({})),
    ]);
    let (network, _) = derived(small, json!([link("lb", "vm", "http"), link("vm", "db", "private_endpoint")]));
    let sizes: Vec<(&str, String)> = network.subnets.iter().map(|(label, s)| (label.as_str(), s.cidr.to_string())).collect();
    assert_eq!(
        sizes,
        [
            ("net_private_app", "10.1.2.8/30".to_owned()),
            ("net_private_db", "10.1.2.12/30".to_owned()),
            ("net_public", "10.1.2.0/29".to_owned()),
        ],
        "a load balancer takes three addresses, the others one"
    );
    let large = json!([part("net", "vcn", json!({})), part("k", "oke", json!({"node_count": 300}))]);
    let (network, _) = derived(large, json!([]));
    assert_eq!(network.subnets["net_private_app"].cidr.to_string(), "10.0.2.0/23", "300 nodes do not fit into a /24");
    let unsaid = ["a", "b", "c"].map(|id| part(id, "subnet", json!({"prohibit_public_ip": true})));
    let (network, _) =
        derived(json!([[part("net", "vcn", json!({"cidr_block": "192.168.0.0/20"}))].as_slice(), &unsaid].concat()), json!([]));
    let given: Vec<String> = network.subnets.values().map(|s| s.cidr.to_string()).collect();
    assert_eq!(given, ["192.168.3.0/24", "192.168.4.0/24", "192.168.5.0/24"], "in the order of the design, beside those of the tiers");
}

#[test]
fn a_cluster_stands_in_as_many_subnets_as_it_has_places_and_names_are_understood() {
    let deployed = |target: &str| json!({"source_id": "k", "target_id": target, "connection_type": "deployed_in"});
    let subnet = |id: &str, private: bool| part(id, "subnet", json!({"prohibit_public_ip": private}));
    let cluster = |config: Value| part("k", "oke", config);
    let native = || json!({"cni_type": "OCI_VCN_IP_NATIVE"});
    let places = |network: &Network| {
        let spot = |name: &str| network.place("k", Some(name)).map(|p| p.subnet.clone()).unwrap_or_default();
        [network.placements["k"].subnet.clone(), spot("endpoint"), spot("balancers"), spot("pods")]
    };
    type Row = (Vec<Value>, Vec<Value>, [&'static str; 4], &'static str);
    let rows: Vec<Row> = vec![
        (
            vec![subnet("open", false), subnet("closed", true), cluster(json!({}))],
            vec![deployed("open"), deployed("closed")],
            ["closed", "open", "open", ""],
            "nodes in the private one of the two, what faces people in the public one",
        ),
        (
            vec![subnet("k8s_api", false), subnet("svc_lb", false), subnet("worker_nodes", true), subnet("pods", true), cluster(native())],
            vec![],
            ["worker_nodes", "k8s_api", "svc_lb", "pods"],
            "by name, when nothing is said",
        ),
        (
            vec![subnet("pods", true), subnet("svc_lb", false), subnet("k8s_api", false), subnet("worker_nodes", true), cluster(native())],
            vec![deployed("pods"), deployed("svc_lb"), deployed("k8s_api"), deployed("worker_nodes")],
            ["worker_nodes", "k8s_api", "svc_lb", "pods"],
            "by name, when all are named, in any order",
        ),
        (
            vec![subnet("one", true), subnet("two", true), cluster(json!({"endpoint_type": "private"}))],
            vec![deployed("one"), deployed("two")],
            ["one", "two", "two", ""],
            "a second private one is for the other places",
        ),
        (
            vec![subnet("one", true), cluster(json!({"endpoint_type": "private"}))],
            vec![deployed("one")],
            ["one", "one", "one", ""],
            "one subnet is for all",
        ),
    ];
    for (components, connections, expected, reason) in rows {
        let all: Vec<Value> = std::iter::once(part("net", "vcn", json!({}))).chain(components).collect();
        let (network, _) = derived(json!(all), json!(connections));
        assert_eq!(places(&network), expected, "{reason}");
    }
    let two = json!([part("net", "vcn", json!({})), subnet("a", true), subnet("b", true), part("k", "compute", json!({}))]);
    let verdict = judge(&spec(&json!({"components": two, "connections": [deployed("a"), deployed("b")]})));
    assert_eq!(verdict.findings[0].rule, "structure.deployed-twice", "an instance has one place");
}

#[test]
fn a_subnet_that_leads_to_a_gateway_gets_a_table_that_does() {
    let routes = |source: &str, target: &str| json!({"source_id": source, "target_id": target, "connection_type": "routes_to"});
    let base = |private: bool| {
        vec![
            part("net", "vcn", json!({})),
            part("s", "subnet", json!({"prohibit_public_ip": private})),
            part("t", "subnet", json!({"prohibit_public_ip": true})),
            part("igw", "internet_gateway", json!({})),
            part("nat", "nat_gateway", json!({})),
            part("sgw", "service_gateway", json!({})),
        ]
    };
    let rows = [
        (true, vec![routes("s", "nat"), routes("s", "sgw")], vec!["nat", "sgw"], "both, as every private subnet"),
        (true, vec![routes("s", "nat")], vec!["nat", "sgw"], "services are added: nobody works without them"),
        (true, vec![routes("s", "sgw")], vec!["sgw"], "services alone: no internet"),
        (false, vec![routes("s", "igw")], vec!["igw"], "public"),
    ];
    for (private, connections, expected, reason) in rows {
        let (network, _) = derived(json!(base(private)), json!(connections));
        let led =
            |subnet: &str| -> Vec<&str> { network.routes[&network.subnets[subnet].route_table].iter().map(|r| r.label.as_str()).collect() };
        assert_eq!(led("s"), expected, "{reason}");
        assert_eq!(led("t"), ["nat", "sgw"], "{reason}: the subnet beside it is left alone");
    }
    for (private, wrong) in [(true, "igw"), (false, "nat")] {
        let verdict = judge(&spec(&json!({"components": base(private), "connections": [routes("s", wrong)]})));
        assert_eq!(verdict.findings[0].rule, "network.subnet-gateway", "{wrong}");
    }
}

#[test]
fn who_reads_a_stream_is_let_out_to_it_and_a_function_is_called_at_its_endpoint() {
    let link = |source: &str, target: &str, kind: &str| json!({"source_id": source, "target_id": target, "connection_type": kind});
    let components = json!([
        part("vm", "compute", json!({})),
        part("fn", "functions", json!({})),
        part("stream", "streaming", json!({})),
        part("bastion", "bastion", json!({"client_cidrs": ["192.0.2.0/24"]})),
        part("k", "oke", json!({"endpoint_type": "private"})),
    ]);
    let connections = json!([
        link("stream", "vm", "event"),
        link("vm", "fn", "https"),
        link("stream", "fn", "event"),
        link("bastion", "k", "private_endpoint")
    ]);
    let (network, _) = derived(components, connections);
    let rule = |label: &str| network.rules.iter().find(|rule| rule.label == label);
    let out = rule("vm_to_stream_443").expect("a consumer fetches");
    assert_eq!((out.nsg.as_str(), out.flow, &out.peer), ("vm_nsg", Flow::Egress, &Peer::Services));
    assert_eq!(rule("vm_to_fn_443"), None, "the way to OCI services is open already, and is not opened twice");
    let of_function: Vec<&str> =
        network.rules.iter().filter(|r| r.nsg == "fn_nsg" && r.flow == Flow::Ingress).map(|r| r.label.as_str()).collect();
    assert_eq!(of_function, [] as [&str; 0], "nobody reaches a function in its subnet");
    assert_eq!(rule("fn_to_stream_443"), None, "Connector Hub hands a function its messages");
    let api = rule("k_from_bastion_6443").expect("kubectl through the bastion");
    assert_eq!((api.nsg.as_str(), api.flow), ("k_endpoint_nsg", Flow::Ingress));
    assert!(matches!(&api.peer, Peer::Host(host) if host.label == "bastion"), "one address, not a subnet: {:?}", api.peer);
}

#[test]
fn two_vcns_are_completed_apart() {
    let (network, _) = derived(
        json!([
            part("a", "vcn", json!({"cidr_block": "10.0.0.0/16"})),
            part("b", "vcn", json!({"cidr_block": "10.1.0.0/20"})),
            part("va", "compute", json!({})),
            part("vb", "compute", json!({})),
        ]),
        json!([
            {"source_id": "va", "target_id": "a", "connection_type": "deployed_in"},
            {"source_id": "vb", "target_id": "b", "connection_type": "deployed_in"},
            {"source_id": "va", "target_id": "vb", "connection_type": "http"},
        ]),
    );
    assert_eq!(network.placements["va"].subnet, "a_private_app");
    assert_eq!(network.placements["vb"].subnet, "b_private_app");
    assert_eq!(network.owner["b_nat"], "b");
    assert_eq!(network.subnets["b_private_app"].route_table, "b_private_routes");
    assert!(network.findings.iter().any(|f| f.rule == "network.other-vcn"));
}

#[test]
fn nothing_is_open_to_the_internet_unless_the_design_says_so() {
    let (network, _) = derived(json!([part("net", "vcn", json!({})), part("vm", "compute", json!({"assign_public_ip": true}))]), json!([]));
    assert!(network.placements["vm"].public);
    assert!(network.rules.iter().all(|rule| rule.flow == Flow::Egress), "{:#?}", network.rules);
}

fn link(source: &str, target: &str, kind: &str) -> Value {
    json!({"source_id": source, "target_id": target, "connection_type": kind})
}

/// `destination → gateway` of a table.
fn ways(network: &Network, table: &str) -> Vec<String> {
    let to = |peer: &Peer| if let Peer::Cidr(cidr) = peer { cidr.clone() } else { "services".to_owned() };
    network.routes[table].iter().map(|r| format!("{} → {}", to(&r.destination), r.label)).collect()
}

/// Two VCNs, each with a private workload, and a dynamic routing gateway that both are attached to.
fn hub(far: &str, extra: Vec<Value>, links: Vec<Value>) -> (Vec<Value>, Vec<Value>) {
    let parts = vec![
        part("a", "vcn", json!({"cidr_block": "10.0.0.0/16"})),
        part("b", "vcn", json!({"cidr_block": far})),
        part("va", "compute", json!({})),
        part("vb", "compute", json!({})),
        part("hub", "drg", json!({})),
        part("at_a", "drg_attachment", json!({"remote_cidrs": ["192.168.7.0/24"]})),
        part("at_b", "drg_attachment", json!({})),
    ];
    let joined = vec![
        link("va", "a", "deployed_in"),
        link("vb", "b", "deployed_in"),
        link("at_a", "a", "deployed_in"),
        link("at_b", "b", "deployed_in"),
        link("at_a", "hub", "attached_to"),
        link("at_b", "hub", "attached_to"),
        link("va", "vb", "ssh"),
    ];
    (parts.into_iter().chain(extra).collect(), joined.into_iter().chain(links).collect())
}

#[test]
fn vcns_at_one_gateway_reach_each_other_and_what_lies_behind() {
    let far_region = part("far", "remote_peering", json!({"remote_cidrs": ["172.30.0.0/16"]}));
    let (parts, links) = hub("10.1.0.0/20", vec![far_region], vec![link("far", "hub", "attached_to")]);
    let (network, _) = derived(json!(parts), json!(links));
    let private = ["0.0.0.0/0 → a_nat", "services → a_sgw", "10.1.0.0/20 → at_a", "192.168.7.0/24 → at_a", "172.30.0.0/16 → at_a"];
    assert_eq!(ways(&network, "a_private_routes"), private);
    assert_eq!(ways(&network, "b_private_routes")[2..], ["10.0.0.0/16 → at_b", "172.30.0.0/16 → at_b"]);
    let rule = network.rules.iter().find(|r| r.label == "vb_from_va_22").unwrap();
    assert_eq!(rule.peer, Peer::Cidr("10.0.1.0/24".into()), "a group of another VCN cannot be named: its subnet's addresses are");
    assert!(!network.findings.iter().any(|f| f.rule == "network.other-vcn"));
}

#[test]
fn what_cannot_be_joined_is_an_error_at_the_joint() {
    let twice =
        (vec![part("at_c", "drg_attachment", json!({}))], vec![link("at_c", "a", "deployed_in"), link("at_c", "hub", "attached_to")]);
    let inside = (vec![part("far", "remote_peering", json!({"remote_cidrs": ["10.0.5.0/24"]}))], vec![link("far", "hub", "attached_to")]);
    let rows = [
        (hub("10.0.128.0/17", vec![], vec![]), "network.peering-overlap", "components[at_b]", "common addresses"),
        (hub("10.1.0.0/16", twice.0, twice.1), "network.attached-twice", "components[at_a]", "one VCN twice at one gateway"),
        (hub("10.1.0.0/16", inside.0, inside.1), "network.remote-overlap", "components[at_a]", "addresses of the VCN itself"),
    ];
    for ((parts, links), rule, path, reason) in rows {
        let verdict = judge(&spec(&json!({"components": parts, "connections": links})));
        assert!(verdict.findings.iter().any(|f| f.rule == rule && f.path == path), "{reason}: {:#?}", verdict.findings);
        assert!(verdict.design.is_none(), "{reason}");
    }
}

#[test]
fn gateways_of_a_peering_that_the_person_brought_get_their_routes() {
    let parts = json!([
        part("a", "vcn", json!({})),
        part("b", "vcn", json!({"cidr_block": "10.1.0.0/16"})),
        part("va", "compute", json!({})),
        part("vb", "compute", json!({"assign_public_ip": true})),
        part("near", "local_peering", json!({"remote_cidrs": ["172.16.0.0/16"]})),
        part("other", "local_peering", json!({})),
    ]);
    let links = json!([
        link("va", "a", "deployed_in"),
        link("vb", "b", "deployed_in"),
        link("near", "a", "deployed_in"),
        link("other", "b", "deployed_in"),
        link("near", "other", "peers_with"),
    ]);
    let (network, _) = derived(parts, links);
    assert_eq!(ways(&network, "a_private_routes")[2..], ["10.1.0.0/16 → near", "172.16.0.0/16 → near"]);
    assert_eq!(ways(&network, "b_public_routes"), ["0.0.0.0/0 → b_igw", "10.0.0.0/16 → other"], "public tables lead there too");
    assert!(network.peerings.iter().all(|end| end.brought), "nothing is made beside what was brought");
}

#[test]
fn a_brought_table_is_completed_with_the_routes_of_every_joint_and_the_report_names_them() {
    let (parts, links) = hub("10.1.0.0/16", vec![part("table", "route_table", json!({}))], vec![link("table", "a", "deployed_in")]);
    let (network, findings) = derived(json!(parts), json!(links));
    assert_eq!(network.subnets["a_private_app"].route_table, "table");
    let note = findings.iter().find(|f| f.rule == "network.routes-completed").unwrap();
    for route in ["0.0.0.0/0 → a_nat", "OCI services → a_sgw", "10.1.0.0/16 → at_a", "192.168.7.0/24 → at_a"] {
        assert!(note.message.contains(route), "{route} in {}", note.message);
    }
    assert_eq!((note.severity, note.path.as_str()), (Severity::Info, "components[table]"));
}

#[test]
fn a_brought_security_list_stays_as_it_is_and_what_it_lacks_is_added_and_said() {
    let parts = json!([
        part("net", "vcn", json!({})),
        part("db", "subnet", json!({"prohibit_public_ip": true})),
        part("list", "security_list", json!({"ingress_port": 1521, "ingress_source": "10.0.0.0/16"})),
        part("adb", "adb", json!({})),
        part("vm", "compute", json!({})),
    ]);
    let (network, findings) = derived(parts, json!([link("vm", "adb", "private_endpoint"), link("list", "db", "attached_to")]));
    assert_eq!(network.subnets["db"].security_lists, ["list"]);
    let note = findings.iter().find(|f| f.rule == "network.rules-completed" && f.path == "components[list]").unwrap();
    assert_eq!(note.severity, Severity::Info);
    assert!(note.message.ends_with("adb_nsg: 1522, adb_nsg: 443"), "1521 is there already: {}", note.message);
}

#[test]
fn a_group_of_ones_own_joins_the_derived_one_in_its_own_vcn_only() {
    let vm = || vec![part("a", "vcn", json!({})), part("vm", "compute", json!({})), part("mine", "nsg", json!({}))];
    let (network, _) = derived(json!(vm()), json!([link("mine", "vm", "attached_to")]));
    assert_eq!(network.vcn_of["mine"], "a");
    assert_eq!(network.placements["vm"].nsg.as_deref(), Some("vm_nsg"));
    assert_eq!(network.placements["vm"].further_nsgs, ["mine"]);
    let parts: Vec<Value> = vm().into_iter().chain([part("b", "vcn", json!({"cidr_block": "10.1.0.0/16"}))]).collect();
    let links = [link("mine", "vm", "attached_to"), link("vm", "a", "deployed_in"), link("mine", "b", "deployed_in")];
    let verdict = judge(&spec(&json!({"components": parts, "connections": links})));
    assert!(
        verdict.findings.iter().any(|f| f.rule == "network.group-elsewhere" && f.path == "components[mine]"),
        "{:#?}",
        verdict.findings
    );
}

#[test]
fn what_stands_in_no_vcn_makes_none() {
    let (network, _) = derived(json!([part("hub", "drg", json!({})), part("bucket", "objectstorage", json!({}))]), json!([]));
    assert!(network.vcns.is_empty() && network.derived.is_empty());
}

#[test]
fn a_reserved_address_puts_its_component_into_a_public_subnet() {
    let parts = json!([part("net", "vcn", json!({})), part("vm", "compute", json!({})), part("ip", "reserved_ip", json!({}))]);
    let (network, _) = derived(parts, json!([link("ip", "vm", "attached_to")]));
    assert!(network.placements["vm"].public);
}
