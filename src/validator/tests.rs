//! The judge as a table: a design and one wrong thing → exactly that finding, at that path.

use serde_json::{Value, json};

use super::*;
use crate::api::session::Language;
use crate::render::tests::{RULES, judge, spec};
use crate::validator::finding::MAX_PATH;

fn components(extra: Value) -> Value {
    let mut all = vec![
        json!({"id": "vcn", "service_type": "vcn", "config": {"cidr_block": "10.0.0.0/16"}}),
        json!({"id": "vm", "service_type": "compute", "config": {}}),
    ];
    all.extend(extra.as_array().cloned().unwrap_or_default());
    json!(all)
}

fn findings(components: &Value, connections: Value) -> Vec<Finding> {
    judge(&spec(&json!({"components": components, "connections": connections}))).findings
}

fn found<'a>(findings: &'a [Finding], rule: &str, path: &str) -> &'a Finding {
    let one = findings.iter().find(|f| f.rule == rule && f.path == path);
    one.unwrap_or_else(|| panic!("no {rule} at {path} in {findings:#?}"))
}

#[test]
fn every_wrong_component_is_one_finding_with_path_and_what_is_allowed() {
    let rows = [
        (
            json!({"id": "x", "service_type": "computer", "config": {}}),
            "structure.unknown-type",
            "components[x].serviceType",
            "did you mean compute?",
        ),
        (json!({"id": "x", "service_type": "VPN", "config": {}}), "structure.unknown-type", "components[x].serviceType", "remote_cidrs"),
        (json!({"id": "x", "service_type": "database", "config": {}}), "structure.unknown-type", "components[x].serviceType", "mysql"),
        (
            json!({"id": "x", "service_type": "compute", "config": {"subnet_id": "app"}}),
            "config.unknown-key",
            "components[x].config.subnet_id",
            "deployed_in",
        ),
        (
            json!({"id": "x", "service_type": "compute", "config": {"shap": "a"}}),
            "config.unknown-key",
            "components[x].config.shap",
            "did you mean shape?",
        ),
        (
            json!({"id": "x", "service_type": "compute", "config": {"shape": "VM.Standard.E4.Flax"}}),
            "config.choice",
            "components[x].config.shape",
            "did you mean VM.Standard.E4.Flex?",
        ),
        (json!({"id": "x", "service_type": "compute", "config": {"ocpus": "one"}}), "config.type", "components[x].config.ocpus", ""),
        (json!({"id": "x", "service_type": "compute", "config": {"ocpus": 0}}), "config.range", "components[x].config.ocpus", ""),
        (
            json!({"id": "x", "service_type": "compute", "config": {"memory_in_gbs": 65}}),
            "contradiction.memory",
            "components[x].config.memory_in_gbs",
            "",
        ),
        (
            json!({"id": "x", "service_type": "compute", "config": {"memory": 8, "memory_in_gbs": 16}}),
            "config.given-twice",
            "components[x].config.memory_in_gbs",
            "keep memory_in_gbs alone",
        ),
        (
            json!({"id": "x", "service_type": "compute", "config": {"ssh_public_key": "$(rm -rf)"}}),
            "config.pattern",
            "components[x].config.ssh_public_key",
            "Public key",
        ),
        (
            json!({"id": "x", "service_type": "policy", "config": {"statements": [format!("Allow {}", "x".repeat(1003))]}}),
            "config.length",
            "components[x].config.statements",
            "",
        ),
        (
            json!({"id": "x", "service_type": "compute", "config": {"public_ports": [0]}}),
            "config.range",
            "components[x].config.public_ports",
            "",
        ),
        (
            json!({"id": "x", "service_type": "adb", "config": {"db_name": "1x"}}),
            "config.pattern",
            "components[x].config.db_name",
            "Database name",
        ),
        (
            json!({"id": "x", "service_type": "adb", "config": {"is_free_tier": true, "endpoint_type": "private"}}),
            "contradiction.free-tier-endpoint",
            "components[x].config.endpoint_type",
            "public",
        ),
        (
            json!({"id": "x", "service_type": "adb", "config": {"is_free_tier": true, "cpu_core_count": 4}}),
            "contradiction.free-tier-size",
            "components[x].config.cpu_core_count",
            "is_free_tier",
        ),
        (
            json!({"id": "x", "service_type": "security_list", "config": {}}),
            "security.open-ssh",
            "components[x].config.ingress_source",
            "narrow",
        ),
        (
            json!({"id": "x", "service_type": "security_list", "config": {"ingress_port": 0}}),
            "config.range",
            "components[x].config.ingress_port",
            "",
        ),
        (json!({"id": "VM", "service_type": "compute", "config": {}}), "structure.id-collision", "components[2].id", "more than case"),
        (json!({"id": "vm", "service_type": "compute", "config": {}}), "structure.duplicate-id", "components[2].id", "another id"),
        (json!({"id": "a/b", "service_type": "compute", "config": {}}), "structure.id", "components[2].id", ""),
        (
            json!({"id": "x", "service_type": "compute", "display_name": "a\u{7}b", "config": {}}),
            "structure.control-character",
            "components[x].displayName",
            "",
        ),
        (
            json!({"id": "x", "service_type": "subnet", "config": {"cidr_block": "10.1.0.0/24"}}),
            "network.subnet-outside",
            "components[x].config.cidr_block",
            "inside 10.0.0.0/16",
        ),
        (
            json!({"id": "x", "service_type": "subnet", "config": {"cidr_block": "10.0.1.5/24"}}),
            "network.cidr",
            "components[x].config.cidr_block",
            "10.0.1.0/24",
        ),
        (
            json!({"id": "x", "service_type": "subnet", "config": {"cidr_block": "ten"}}),
            "network.cidr",
            "components[x].config.cidr_block",
            "for example",
        ),
        (
            json!({"id": "x", "service_type": "vcn", "config": {"cidr_block": "10.0.0.0/8"}}),
            "network.vcn-size",
            "components[x].config.cidr_block",
            "",
        ),
        (
            json!({"id": "x", "service_type": "vcn", "config": {"cidr_block": "8.8.0.0/16"}}),
            "network.public-range",
            "components[x].config.cidr_block",
            "choose from",
        ),
        (json!({"id": "x", "service_type": "vcn", "config": {}}), "network.which-vcn", "components[vm]", "deployed_in"),
        (
            json!({"id": "x", "service_type": "route_table", "display_name": "Public", "config": {}}),
            "network.unused-route-table",
            "components[x]",
            "attached_to",
        ),
    ];
    for (component, rule, path, advice) in rows {
        let findings = findings(&components(json!([component])), json!([]));
        let finding = found(&findings, rule, path);
        assert!(finding.recommendation.as_deref().unwrap_or_default().contains(advice), "{rule}: {finding:?}");
        assert!(findings.windows(2).all(|pair| pair[0].severity <= pair[1].severity), "errors first");
    }
}

#[test]
fn a_path_is_one_bounded_line_whatever_an_id_holds() {
    for id in ["a\r\nb", "\u{1b}[2J", &"x".repeat(9_000)] {
        let extra = json!([
            {"id": id, "service_type": "loadbalancer", "config": {"listener_prt": 80}},
        ]);
        let findings = findings(&components(extra), json!([]));
        for rule in ["structure.id", "structure.no-backend", "config.unknown-key"] {
            assert!(findings.iter().any(|finding| finding.rule == rule), "no {rule}: {findings:#?}");
        }
        for finding in &findings {
            let (letters, controls) = (finding.path.chars().count(), finding.path.chars().any(char::is_control));
            assert!(letters <= MAX_PATH && !controls, "{finding:?}");
        }
    }
}

#[test]
fn every_wrong_connection_is_a_finding() {
    let extra = json!([
        {"id": "pub", "service_type": "subnet", "config": {"cidr_block": "10.0.0.0/24"}},
        {"id": "priv", "service_type": "subnet", "config": {"prohibit_public_ip": true}},
        {"id": "web", "service_type": "compute", "config": {"assign_public_ip": true}},
        {"id": "quiet", "service_type": "compute", "config": {"assign_public_ip": false}},
        {"id": "adb", "service_type": "adb", "config": {"endpoint_type": "public"}},
    ]);
    let link = |source: &str, target: &str, kind: &str| json!({"source_id": source, "target_id": target, "connection_type": kind});
    let rows = [
        (vec![link("vm", "nobody", "deployed_in")], "structure.dangling-connection", "connections[0].targetId"),
        (vec![link("pubb", "vcn", "deployed_in")], "structure.dangling-connection", "connections[0].sourceId"),
        (vec![link("vm", "vm", "http")], "structure.self-connection", "connections[0]"),
        (vec![link("vm", "vcn", "deployed_in"), link("vm", "vcn", "deployed_in")], "structure.duplicate-connection", "connections[1]"),
        (vec![link("vm", "adb", "deployed_in")], "structure.connection-type", "connections[0].connectionType"),
        (vec![link("internet", "vm", "https")], "structure.dangling-connection", "connections[0].sourceId"),
        (vec![link("vcn", "vm", "deployed_in")], "reading.other-words", "connections[0]"),
        (vec![link("vcn", "vm", "https")], "structure.connection-type", "connections[0].connectionType"),
        (vec![link("vm", "pub", "deployed_in"), link("vm", "priv", "deployed_in")], "structure.deployed-twice", "components[vm]"),
        (vec![link("web", "priv", "deployed_in")], "contradiction.public-ip", "components[web].config.assign_public_ip"),
        (vec![link("quiet", "pub", "deployed_in")], "contradiction.no-way-out", "components[quiet].config.assign_public_ip"),
        (vec![link("adb", "priv", "deployed_in")], "contradiction.endpoint", "components[adb].config.endpoint_type"),
    ];
    for (connections, rule, path) in rows {
        found(&findings(&components(extra.clone()), json!(connections)), rule, path);
    }
}

#[test]
fn what_a_component_cannot_be_made_without_and_what_it_takes_one_of_is_said() {
    let link = |source: &str, target: &str, kind: &str| json!({"source_id": source, "target_id": target, "connection_type": kind});
    let part = |id: &str, kind: &str| json!({"id": id, "service_type": kind, "config": {}});
    let all = components(json!([
        part("key", "key"),
        part("one", "vault"),
        part("two", "vault"),
        part("ip", "reserved_ip"),
        part("lb", "loadbalancer"),
        {"id": "b", "service_type": "bastion", "config": {"client_cidrs": []}},
        {"id": "n", "service_type": "bastion", "config": {"client_cidrs": ["10.0.0.0/8", "10.0.0.1/8"]}},
        {"id": "p", "service_type": "policy", "config": {"statements": ["Allow group a to read buckets in tenancy", "drop it"]}},
    ]));
    let without = findings(&all, json!([]));
    let missing = found(&without, "structure.missing-connection", "components[key]");
    assert_eq!(missing.message, "`key` needs a connection stored_in to vault");
    assert_eq!(missing.allowed, ["stored_in"]);
    found(&without, "config.missing", "components[b].config.client_cidrs");
    assert!(
        found(&without, "network.cidr", "components[n].config.client_cidrs").message.contains("10.0.0.1/8"),
        "each member is looked at"
    );
    assert!(found(&without, "config.pattern", "components[p].config.statements").message.contains("drop it"));
    let twice = findings(
        &all,
        json!([
            link("key", "one", "stored_in"),
            link("key", "two", "stored_in"),
            link("ip", "vm", "attached_to"),
            link("ip", "lb", "attached_to")
        ]),
    );
    found(&twice, "structure.one-connection", "components[key]");
    found(&twice, "structure.one-connection", "components[ip]");
    assert!(!twice.iter().any(|f| f.rule == "structure.missing-connection"));
}

#[test]
fn a_wrong_pair_says_what_is_allowed_and_a_turned_one_says_so() {
    let all = components(json!([{"id": "adb", "service_type": "adb", "config": {}}]));
    let wrong = findings(&all, json!([{"source_id": "vm", "target_id": "adb", "connection_type": "uses"}]));
    let finding = found(&wrong, "structure.connection-type", "connections[0].connectionType");
    assert_eq!(finding.allowed, ["https", "private_endpoint", "public", "service_gateway"]);
    let advice = finding.recommendation.clone().unwrap();
    assert!(advice.contains("private_endpoint (from inside the VCN)"), "one call is enough to choose: {advice}");
    let turned = findings(&all, json!([{"source_id": "adb", "target_id": "vm", "connection_type": "private_endpoint"}]));
    let advice = found(&turned, "structure.connection-type", "connections[0].connectionType").recommendation.clone().unwrap();
    assert!(advice.contains("compute to adb"), "{advice}");
}

#[test]
fn a_public_gateway_or_cluster_in_a_subnet_is_no_contradiction() {
    let all = components(json!([
        {"id": "sub", "service_type": "subnet", "config": {"cidr_block": "10.0.0.0/24"}},
        {"id": "api", "service_type": "apigateway", "config": {"endpoint_type": "public"}},
        {"id": "k", "service_type": "oke", "config": {"endpoint_type": "public"}},
    ]));
    let links = ["api", "k"].map(|id| json!({"source_id": id, "target_id": "sub", "connection_type": "deployed_in"}));
    let findings = findings(&all, json!(links));
    assert!(findings.iter().all(|f| f.rule != "contradiction.endpoint"), "both do stand in it: {findings:#?}");
}

#[test]
fn what_is_never_connected_says_why_and_what_to_connect_instead() {
    let all = components(json!([
        {"id": "igw", "service_type": "internet_gateway", "config": {}},
        {"id": "sub", "service_type": "subnet", "config": {}},
        {"id": "bucket", "service_type": "objectstorage", "config": {}},
    ]));
    let rows = [
        ("vm", "public", "igw", "by the route table of its subnet"),
        ("igw", "public", "vm", "led to by routes_to"),
        ("bucket", "deployed_in", "sub", "stands in no subnet"),
        ("bucket", "http", "sub", "these two are never connected"),
    ];
    for (source, kind, target, advice) in rows {
        let found_ = findings(&all, json!([{"source_id": source, "target_id": target, "connection_type": kind}]));
        let finding = found(&found_, "structure.connection-type", "connections[0].connectionType");
        assert!(finding.recommendation.as_deref().unwrap_or_default().contains(advice), "{source} {kind} {target}: {finding:?}");
    }
}

#[test]
fn overlapping_subnets_and_equal_names_are_found() {
    let all = components(json!([
        {"id": "a", "service_type": "subnet", "config": {"cidr_block": "10.0.0.0/23"}},
        {"id": "b", "service_type": "subnet", "config": {"cidr_block": "10.0.1.0/24"}},
        {"id": "d1", "service_type": "adb", "config": {"db_name": "SAME"}},
        {"id": "d2", "service_type": "adb", "config": {"db_name": "same"}},
    ]));
    let findings = findings(&all, json!([]));
    found(&findings, "network.subnet-overlap", "components[b].config.cidr_block");
    found(&findings, "config.not-unique", "components[d2].config.db_name");
}

#[test]
fn too_many_components_files_and_variables_are_refused() {
    let many: Vec<Value> = (0..201).map(|n| json!({"id": format!("b{n}"), "service_type": "objectstorage", "config": {}})).collect();
    let mut design = spec(&json!({"components": many, "connections": []}));
    design.files.insert("../evil.tf".to_owned(), String::new());
    design.files.insert("main_override.tf".to_owned(), String::new());
    design.files.insert("extra.tf".to_owned(), String::new());
    design.files.insert("big.tf".to_owned(), "x".repeat(300 * 1024));
    design.variables.insert("compartment_ocid".to_owned(), "ocid1.compartment.oc1..other".to_owned());
    design.region = Some("osaka; rm".to_owned());
    design.compartment_id = Some("ocid1.compartment.oc1..a\nb".to_owned());
    let verdict = judge(&design);
    let rules: Vec<&str> = verdict.findings.iter().map(|f| f.rule.as_str()).collect();
    for rule in ["structure.too-many", "structure.files-size", "structure.variable", "structure.region", "structure.compartment"] {
        assert!(rules.contains(&rule), "{rule} in {rules:?}");
    }
    assert_eq!(rules.iter().filter(|rule| **rule == "structure.file-name").count(), 2);
    assert_eq!(verdict.design, None);
}

#[test]
fn messages_come_in_the_language_of_the_session() {
    let defaults = Defaults { region: "ap-osaka-1".into(), compartment_id: "ocid1.compartment.oc1..a".into(), language: Language::Ja };
    let design = spec(&json!({"components": [{"id": "x", "service_type": "copmute", "config": {}}], "connections": []}));
    let verdict = validate(&design, &Catalog::embedded().unwrap(), &RULES, &defaults);
    assert_eq!(verdict.findings[0].message, "サービス種別 `copmute` はカタログにありません");
    assert_eq!(verdict.findings[0].recommendation.as_deref(), Some("compute のことですか"));
}

#[test]
fn defaults_fill_in_and_case_and_whole_floats_are_mended() {
    let verdict = judge(&spec(&json!({"components": [
        {"id": "free", "service_type": "adb", "display_name": " ", "config": {"is_free_tier": true}},
        {"id": "paid", "service_type": "adb", "config": {"endpoint_type": "PUBLIC", "cpu_core_count": 2.0, "db_name": null}},
    ], "connections": []})));
    let design = verdict.design.unwrap();
    let config = |index: usize, key: &str| design.components[index].config.get(key).cloned();
    assert_eq!(config(0, "endpoint_type"), Some(json!("public")), "Always Free has no private endpoint");
    assert_eq!(config(1, "endpoint_type"), Some(json!("public")));
    assert_eq!(config(1, "cpu_core_count"), Some(json!(2)));
    assert_eq!(config(1, "db_name"), None);
    assert_eq!(design.components[0].display_name, "free", "an empty name is none");
}

#[test]
fn a_secret_may_be_supplied_by_a_person_and_only_if_something_needs_it() {
    let mut design =
        spec(&json!({"components": [{"id": "db", "service_type": "adb", "config": {"is_free_tier": true}}], "connections": []}));
    let secret = |name: &str| crate::api::design::SecretVariable { name: name.to_owned(), source: SecretSource::Supplied };
    design.secret_variables = vec![secret("db_admin_password")];
    assert_eq!(crate::render::tests::rendered(&design).secrets[0].source, SecretSource::Supplied);
    design.secret_variables = vec![secret("other")];
    let verdict = judge(&design);
    assert_eq!(verdict.findings[0].allowed, ["db_admin_password"]);
}

#[test]
fn two_hundred_components_and_connections_are_judged_by_the_rules_that_apply_to_them_only() {
    let design = spec(
        &json!({"components": (0..200).map(|n| json!({"id": format!("vm{n}"), "service_type": "compute", "config": {}})).collect::<Vec<_>>(),
        "connections": (0..200).map(|n| json!({"source_id": format!("vm{n}"), "target_id": format!("vm{}", (n + 1) % 200), "connection_type": "http"})).collect::<Vec<_>>()}),
    );
    let catalog = Catalog::embedded().unwrap();
    let defaults = Defaults { region: "ap-osaka-1".into(), compartment_id: "ocid1.compartment.oc1..a".into(), language: Language::En };
    let judged = validate(&design, &catalog, &RULES, &defaults).design.expect("nothing is wrong with it");
    let network = network::derive(&judged, &catalog, Language::En);
    let case = Case { spec: &design, design: &judged, network: &network, catalog: &catalog, work_compartment: "ocid1.compartment.oc1..a" };
    let evaluated = RULES.judge(case, Language::En).evaluated;
    // Every rule on every component would be ten times that. How long it takes is a figure of the benchmarks.
    assert!(evaluated >= 200 && evaluated * 10 < 200 * RULES.len(), "{evaluated} evaluations, {} rules", RULES.len());
}
