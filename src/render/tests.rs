//! Whole designs through validation and rendering: expectations, golden files, hostile names, real `terraform fmt`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::*;
use crate::api::design::DesignSpec;
pub(crate) use crate::designs::{CATALOG, context, judge, spec};
use crate::validator::rules::Rules;

/// The shipped rules, compiled as designs come to need them.
pub(crate) static RULES: std::sync::LazyLock<Rules> = std::sync::LazyLock::new(Rules::shipped);

pub(crate) fn rendered(spec: &DesignSpec) -> Rendered {
    let verdict = judge(spec);
    let design = verdict.design.unwrap_or_else(|| panic!("{:#?}", verdict.findings));
    render(&design, &CATALOG, &context()).unwrap_or_else(|f| panic!("{f:#?}"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn document(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(root().join("tests/designs").join(name)).unwrap()).unwrap()
}

pub(crate) fn terraform(args: &[&str], folder: &Path) -> (bool, String) {
    let config = folder.join("cli.tfrc");
    std::fs::write(&config, "").unwrap();
    let output = Command::new("terraform")
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TF_CLI_CONFIG_FILE", &config)
        .env("CHECKPOINT_DISABLE", "1")
        .env("HOME", folder)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

pub(crate) fn assert_formatted(rendered: &Rendered) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in &rendered.files {
        let name = if name == "terraform.tfvars.example" { "terraform.tfvars" } else { name };
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let (clean, text) = terraform(&["fmt", "-check", "-diff"], folder.path());
    assert!(clean, "{text}");
}

pub(crate) fn argument<'a>(rendered: &'a Rendered, address: &str, name: &str) -> &'a Value {
    let resource = rendered.resources.iter().find(|r| r.address == address);
    &resource.unwrap_or_else(|| panic!("no {address} in {:?}", rendered.components.keys())).arguments[name]
}

pub(crate) fn count(rendered: &Rendered, resource_type: &str) -> usize {
    rendered.resources.iter().filter(|r| r.resource_type == resource_type).count()
}

#[test]
fn the_verification_design_renders_what_it_expects() {
    let out = rendered(&spec(&document("compute-adb-verify.json")));
    assert_eq!(argument(&out, "oci_database_autonomous_database.adb", "is_free_tier"), &json!(true));
    let adb = out.resources.iter().find(|r| r.resource_type == "oci_database_autonomous_database").unwrap();
    for absent in ["subnet_id", "nsg_ids", "whitelisted_ips", "is_access_control_enabled", "compute_model", "compute_count"] {
        assert!(adb.arguments.get(absent).is_none(), "{absent}");
    }
    assert_eq!(adb.arguments["cpu_core_count"], json!(1));
    assert_eq!(adb.arguments["db_name"], json!("devatp"));
    assert_eq!(adb.arguments["db_workload"], json!("OLTP"));
    assert!(out.files["compute.tf"].contains("source_id   = data.oci_core_images.vm.images[0].id"), "{}", out.files["compute.tf"]);
    assert!(out.files["compute.tf"].contains("operating_system         = \"Oracle Linux\"\n  operating_system_version = \"9\""));
    assert_eq!(argument(&out, "oci_core_instance.vm", "create_vnic_details")[0]["assign_public_ip"], json!("false"));
    for absent in ["image_id", "subnet_id", "tenancy_ocid"] {
        assert!(!out.files["variables.tf"].contains(absent), "{absent}");
    }
    for (resource_type, expected) in [
        ("oci_core_vcn", 1),
        ("oci_core_subnet", 1),
        ("oci_core_nat_gateway", 1),
        ("oci_core_service_gateway", 1),
        ("oci_core_internet_gateway", 0),
        ("oci_core_route_table", 1),
        ("oci_core_security_list", 1),
        ("oci_core_instance", 1),
        ("oci_database_autonomous_database", 1),
    ] {
        assert_eq!(count(&out, resource_type), expected, "{resource_type}");
    }
    assert_eq!(out.secrets.len(), 1);
    assert_eq!(out.secrets[0].name, "adb_admin_password");
    assert_eq!(out.components["oci_core_subnet.vcn_private_app"], "vcn");
    let names = regex::Regex::new("^[A-Za-z_][A-Za-z0-9_]*$").unwrap();
    assert!(out.resources.iter().all(|r| names.is_match(r.address.split('.').nth(1).unwrap())));
    assert_formatted(&out);
}

/// Everything of the ten types at once: two kinds of subnets brought, a private database, connections of all kinds.
pub(crate) fn network_heavy() -> DesignSpec {
    spec(&json!({
        "components": [
            {"id": "vcn", "service_type": "vcn", "display_name": "本番 VCN", "config": {"cidr_block": "172.16.0.0/20"}},
            {"id": "public", "service_type": "subnet", "display_name": "Public", "config": {"cidr_block": "172.16.0.0/24"}},
            {"id": "app", "service_type": "subnet", "display_name": "App", "config": {"prohibit_public_ip": true}},
            {"id": "private_rt", "service_type": "route_table", "display_name": "Private routes", "config": {}},
            {"id": "web_list", "service_type": "security_list", "display_name": "Public list", "config": {"ingress_port": 443}},
            {"id": "igw", "service_type": "internet_gateway", "config": {}},
            {"id": "web", "service_type": "compute", "display_name": "Web", "config": {"public_ports": [80, 443], "ssh_source_cidr": "203.0.113.0/24", "ssh_public_key": "ssh-ed25519 AAAAC3Nza me@x", "boot_volume_size_in_gbs": 100}},
            {"id": "api", "service_type": "compute", "config": {"http_port": 8080, "shape": "VM.Standard.A1.Flex", "image_os": "Ubuntu 22.04"}},
            {"id": "db", "service_type": "adb", "display_name": "業務 DB", "config": {"workload_type": "ADW", "cpu_core_count": 2}},
            {"id": "lake", "service_type": "objectstorage", "display_name": "Data Lake (生)", "config": {"versioning": "Enabled"}}
        ],
        "connections": [
            {"source_id": "public", "target_id": "vcn", "connection_type": "deployed_in"},
            {"source_id": "web", "target_id": "public", "connection_type": "deployed_in"},
            {"source_id": "api", "target_id": "app", "connection_type": "deployed_in"},
            {"source_id": "db", "target_id": "vcn", "connection_type": "deployed_in"},
            {"source_id": "web", "target_id": "api", "connection_type": "http"},
            {"source_id": "api", "target_id": "db", "connection_type": "private_endpoint"},
            {"source_id": "api", "target_id": "lake", "connection_type": "service_gateway"}
        ]
    }))
}

#[test]
fn a_heavy_network_is_completed_and_the_rules_follow_the_connections() {
    let out = rendered(&network_heavy());
    assert_formatted(&out);
    assert_eq!(count(&out, "oci_core_subnet"), 3, "public and app brought, db derived");
    assert_eq!(count(&out, "oci_core_route_table"), 2, "private brought, public derived");
    assert_eq!(count(&out, "oci_core_network_security_group"), 3);
    let rule = |label: &str| {
        let address = format!("oci_core_network_security_group_security_rule.{label}");
        argument(&out, &address, "tcp_options")[0]["destination_port_range"][0]["min"].clone()
    };
    assert_eq!(rule("api_from_web_8080"), json!(8080));
    assert_eq!(rule("web_to_api_8080"), json!(8080));
    assert_eq!(rule("db_from_api_1521"), json!(1521));
    assert_eq!(rule("web_public_443"), json!(443));
    assert_eq!(rule("web_ssh_22"), json!(22));
    let open: Vec<_> = out
        .resources
        .iter()
        .filter(|r| r.arguments["direction"] == json!("INGRESS") && r.arguments["source"] == json!("0.0.0.0/0"))
        .collect();
    assert_eq!(open.len(), 2, "only the public ports the design names");
    let db = out.resources.iter().find(|r| r.address == "oci_database_autonomous_database.db").unwrap();
    assert_eq!(db.arguments["compute_count"], json!(8), "2 OCPUs are 8 ECPUs");
    assert_eq!(db.arguments["db_workload"], json!("LH"));
    assert!(db.unknown.contains("subnet_id") && db.unknown.contains("nsg_ids"));
    let network = &out.files["network.tf"];
    assert!(network.contains("route_table_id             = oci_core_route_table.private_rt.id"), "{network}");
    assert!(network.contains("data.oci_core_services.all_services.services[0].cidr_block"), "{network}");
    let bucket = argument(&out, "oci_objectstorage_bucket.lake", "name").as_str().unwrap().to_owned();
    assert!(bucket.starts_with("Data-Lake-") && bucket.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{bucket}");
}

#[test]
fn golden_files_of_two_designs_are_current() {
    for (name, out) in
        [("compute-adb-verify", rendered(&spec(&document("compute-adb-verify.json")))), ("network-heavy", rendered(&network_heavy()))]
    {
        let folder = root().join("tests/golden/render").join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            for (file, text) in &out.files {
                std::fs::write(folder.join(file), text).unwrap();
            }
        }
        for (file, text) in &out.files {
            let golden = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
            assert_eq!(*text, golden, "{name}/{file} is stale: run the tests with UPDATE_GOLDEN=1 and read the difference");
        }
    }
}

const HOSTILE: &[&str] = &[
    "本番 Web サーバー",
    "a \"quoted\" name",
    "${var.compartment_ocid}",
    "%{ if true }x%{ endif }",
    "${a}%${file(\"/etc/passwd\")}",
    "${a}$${b} $$${c} %%{d} $%{e} %${f}",
    "line\nbreak\tand tab",
    "}\nresource \"oci_core_vcn\" \"evil\" {\n",
    "back\\slash \\\" \\n \\u0041",
    "trailing $",
    "100% $5 {x}",
    "<<EOT\nEOT",
    "# comment // /* */",
    "😀 = [\"]\"]",
    "a\u{2028}b\u{feff}",
];

#[test]
fn hostile_display_names_survive_literally() {
    for name in HOSTILE {
        let out = rendered(&spec(
            &json!({"components": [{"id": "vcn", "service_type": "vcn", "display_name": name, "config": {}}], "connections": []}),
        ));
        let body: hcl::Body = hcl::parse(&out.files["network.tf"]).unwrap();
        assert_eq!(body.blocks().count(), 1, "{name:?}: nothing but the VCN");
        let vcn = body.blocks().next().unwrap();
        let expr = vcn.body().attributes().find(|a| a.key() == "display_name").unwrap().expr().clone();
        use hcl::eval::{Context, Evaluate};
        assert_eq!(expr.evaluate(&Context::new()).unwrap(), hcl::Value::from(*name), "{name:?}");
        assert_eq!(argument(&out, "oci_core_vcn.vcn", "display_name"), &json!(name));
        assert_formatted(&out);
    }
}

#[test]
fn terraform_itself_reads_hostile_text_back_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let blocks: Vec<hcl::Block> = HOSTILE
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let label = format!("o{index}");
            hcl::Block::builder("output").add_label(label).add_attribute(("value", tree::text_expression(text))).build()
        })
        .collect();
    std::fs::write(folder.path().join("main.tf"), hcl_text::text(&blocks).unwrap()).unwrap();
    let (done, text) = terraform(&["apply", "-auto-approve", "-no-color"], folder.path());
    assert!(done, "{text}");
    let (_, text) = terraform(&["output", "-json"], folder.path());
    let outputs: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    for (index, name) in HOSTILE.iter().enumerate() {
        assert_eq!(outputs[&format!("o{index}")]["value"], json!(name));
    }
}

#[test]
fn ids_of_any_language_become_unique_ascii_labels() {
    let components: Vec<Value> = ["データベース", "サーバ", "web-1", "Web2", "9lives", "vcn", "résumé"]
        .iter()
        .map(|id| json!({"id": id, "service_type": "objectstorage", "display_name": "同じ名前", "config": {}}))
        .collect();
    let out = rendered(&spec(&json!({"components": components, "connections": []})));
    let addresses: BTreeSet<&str> = out.resources.iter().map(|r| r.address.as_str()).collect();
    assert_eq!(addresses.len(), 7);
    let names: BTreeSet<&str> = out.resources.iter().map(|r| r.arguments["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    assert!(addresses.contains("oci_objectstorage_bucket.web_1") && addresses.contains("oci_objectstorage_bucket.web2"));
    assert!(addresses.iter().all(|a| a.is_ascii()));
}

#[test]
fn every_managed_resource_that_takes_tags_is_tagged() {
    let out = rendered(&network_heavy());
    for resource in out.resources.iter().filter(|r| r.resource_type != "oci_core_network_security_group_security_rule") {
        let tags = &resource.arguments["freeform_tags"];
        assert_eq!(tags["galley-address"], json!(resource.address));
        assert_eq!(tags["galley-session"], json!("s-01h"));
        assert_eq!(tags["galley-design"], json!(context().design_uid));
    }
}

#[test]
fn every_service_file_agrees_with_the_provider_schema() {
    let errors = schema_check::check_catalog(&Catalog::embedded().unwrap(), schema::Schema::builtin());
    assert_eq!(errors, []);
}
