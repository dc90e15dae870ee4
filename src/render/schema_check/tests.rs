//! Wrong blocks as a table: each fault is named with file and line.

use serde_json::{Value, json};

use super::*;

fn vcn(change: impl FnOnce(Tree) -> Tree) -> Vec<String> {
    let good = Tree::default()
        .with("compartment_id", Reference::variable("compartment_ocid"))
        .with("cidr_blocks", Arg::Literal(json!(["10.0.0.0/16"])));
    problems("oci_core_vcn", change(good))
}

fn problems(resource_type: &str, tree: Tree) -> Vec<String> {
    let resource = Resource {
        mode: Mode::Managed,
        resource_type: resource_type.to_owned(),
        label: "x".to_owned(),
        tree,
        file: "network.tf".to_owned(),
        component: "x".to_owned(),
    };
    let files = BTreeMap::from([("network.tf".to_owned(), hcl_text::text(&[resource.hcl()]).unwrap())]);
    let findings = check(&[resource], Schema::builtin(), &files);
    findings.into_iter().map(|f| format!("{} {}", f.path, f.message)).collect()
}

#[test]
fn every_fault_is_named_with_file_and_line() {
    let literal = |value: Value| Arg::Literal(value);
    assert_eq!(vcn(|t| t), Vec::<String>::new());
    let rows: Vec<(Vec<String>, &str)> = vec![
        (vcn(|t| t.with("cidr", "x")), "network.tf:6 oci_core_vcn.x: there is no argument `cidr`"),
        (vcn(|t| t.with("is_ipv6enabled", "true")), "network.tf:6 oci_core_vcn.x: `is_ipv6enabled` must be of type bool"),
        (
            vcn(|t| t.with("display_name", Reference::new("oci_core_subnet", &["gone", "id"]))),
            "network.tf:6 oci_core_vcn.x: `display_name` refers to oci_core_subnet.gone, which the design does not have",
        ),
        (vcn(|t| t.with("state", "UP")), "network.tf:6 oci_core_vcn.x: `state` is read-only"),
        (vcn(|t| t.with("freeform_tags", literal(json!({"a": 1})))), "`freeform_tags` must be of type map(string)"),
        (
            vcn(|_| Tree::default().with("cidr_blocks", literal(json!([])))),
            "network.tf:1 oci_core_vcn.x: argument `compartment_id` is missing",
        ),
        (vcn(|t| Tree { arguments: t.arguments[..1].to_vec(), blocks: vec![] }), "`cidr_blocks` is missing: the OCI API requires it"),
        (vcn(|t| t.block("route", Tree::default())), "there is no block `route`"),
        (problems("oci_core_vnc", Tree::default()), "the provider has no type oci_core_vnc"),
        (
            problems(
                "oci_objectstorage_bucket",
                Tree::default().with("compartment_id", "c").with("name", "n").with("namespace", "n").with("storage_tier", "standard"),
            ),
            "network.tf:5 oci_objectstorage_bucket.x: `storage_tier` cannot be `standard`; one of Standard, Archive",
        ),
        (
            problems(
                "oci_core_network_security_group_security_rule",
                Tree::default()
                    .with("network_security_group_id", "n")
                    .with("direction", "INGRESS")
                    .with("protocol", "6")
                    .block("tcp_options", Tree::default().block("destination_port_range", Tree::default().with("min", literal(json!(1))))),
            ),
            "argument `tcp_options.destination_port_range.max` is missing",
        ),
        (
            problems(
                "oci_core_network_security_group_security_rule",
                Tree::default()
                    .with("network_security_group_id", "n")
                    .with("direction", "INGRESS")
                    .with("protocol", "6")
                    .block("tcp_options", Tree::default())
                    .block("tcp_options", Tree::default()),
            ),
            "block `tcp_options` stands 2 times",
        ),
        (
            problems(
                "oci_waf_web_app_firewall_policy",
                Tree::default()
                    .with("compartment_id", "c")
                    .block("actions", Tree::default().with("name", "stop").with("type", "RETURN_HTTP_RESPONSE")),
            ),
            "`actions.code` is missing: the API requires it when `type` is `RETURN_HTTP_RESPONSE`",
        ),
    ];
    for (problems, expected) in rows {
        assert!(problems.iter().any(|p| p.contains(expected)), "{expected} in {problems:?}");
    }
}

#[test]
fn a_service_file_with_an_argument_the_provider_lacks_is_named_with_its_line() {
    let text = "type: thing
names: { ja: 物, en: Thing }
description: { ja: 物, en: Thing }
tier: storage
resources:
  - key: bucket
    type: oci_objectstorage_bucket
    arguments:
      compartment_id: { ref: compartment }
      name: x
      nmaespace: { ref: object_storage_namespace }
";
    let catalog = Catalog::from_files([("thing.yaml", text)]).unwrap();
    let errors: Vec<String> = check_catalog(&catalog, Schema::builtin()).iter().map(ToString::to_string).collect();
    assert!(
        errors.contains(&"check service file thing.yaml, line 11: the provider takes no argument `nmaespace` here".to_owned()),
        "{errors:?}"
    );
    assert!(errors.iter().any(|e| e.contains("requires argument `namespace`")), "{errors:?}");
}

/// The mapping language carries services that are not shipped yet: repetition over connections, names in templates,
/// references between resources of one file.
#[test]
fn a_balancer_with_listeners_from_connections_can_be_said_in_data() {
    let text = r#"type: balancer
names: { ja: 分散, en: Balancer }
description: { ja: 分散, en: Balancer }
tier: edge
connections:
  http: [objectstorage]
naming:
  table: { from: display_name, symbols: "_", separator: "_", letter_first: true, max_length: 30, lower: true }
resources:
  - key: balancer
    type: oci_load_balancer_load_balancer
    arguments:
      ddl: { template: "CREATE TABLE {t} (id STRING)", with: { t: { name: table } } }
  - key: listener
    type: oci_load_balancer_listener
    for_each: { connections: { direction: out, types: [http] } }
    arguments:
      load_balancer_id: { resource: balancer }
      name: { each: label }
      backend: { each: attribute.name }
      tier: { each: config.storage_tier, as: upper }
"#;
    let shipped = Catalog::embedded().unwrap();
    let (file, bucket) = shipped.source("objectstorage").unwrap();
    let catalog = Catalog::from_files([("balancer.yaml", text), (file, bucket)]).unwrap();
    let spec = crate::render::tests::spec(&json!({
        "components": [
            {"id": "lb", "service_type": "balancer", "display_name": "IoT Table ${x}", "config": {}},
            {"id": "one", "service_type": "objectstorage", "config": {}},
            {"id": "two", "service_type": "objectstorage", "config": {}},
        ],
        "connections": [
            {"source_id": "lb", "target_id": "one", "connection_type": "http"},
            {"source_id": "lb", "target_id": "two", "connection_type": "http"},
        ],
    }));
    let defaults = crate::validator::Defaults {
        region: "ap-osaka-1".into(),
        compartment_id: "ocid1.compartment.oc1..a".into(),
        language: crate::api::session::Language::En,
    };
    let design = crate::validator::validate(&spec, &catalog, &crate::render::tests::RULES, &defaults).design.unwrap();
    let content = crate::render::files::content(&design, &catalog, &crate::render::network::Network::default());
    let text = crate::render::files::write(&design, &content).unwrap()["edge.tf"].clone();
    for expected in [
        "resource \"oci_load_balancer_listener\" \"lb_one\"",
        "resource \"oci_load_balancer_listener\" \"lb_two\"",
        "load_balancer_id = oci_load_balancer_load_balancer.lb.id",
        "backend          = oci_objectstorage_bucket.two.name",
        "tier             = \"STANDARD\"",
        "ddl = \"CREATE TABLE iot_table_x",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}
