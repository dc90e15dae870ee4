//! Both design files hold against what is rendered for them, and every member of their `expect` is falsified in turn.

use serde_json::json;

use super::*;
use crate::api::design::{Finding, Severity};
use crate::api::session::Language;
use crate::render::tests::{CATALOG, RULES, document, judge, rendered, spec};
use crate::validator::{Defaults, validate};

/// What Terraform would read for a design file.
fn world(file: &Value) -> World {
    World::rendered(&rendered(&spec(file)).files).unwrap()
}

fn check(file: &Value, world: &World) -> Result<Vec<Confirmed>, Vec<String>> {
    Expectation::of(file).unwrap().unwrap().check(world)
}

#[test]
fn every_member_of_every_design_file_is_known_and_holds() {
    let mut files = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/designs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let file = document(&name);
        files += 1;
        if let Some(refusal) = Expectation::of(&file).unwrap().unwrap().refusal() {
            let findings: Vec<Finding> = judge(&spec(&file)).findings.into_iter().filter(|f| f.severity == Severity::Error).collect();
            assert!(!findings.is_empty(), "{name} is not refused");
            let problems = findings.iter().map(|f| json!({ "path": f.path, "allowed": f.allowed })).collect::<Value>();
            refusal.check("invalid_design", &json!({ "problems": problems })).unwrap_or_else(|wrong| panic!("{name}: {wrong:#?}"));
            continue;
        }
        let confirmed = check(&file, &world(&file)).unwrap_or_else(|wrong| panic!("{name}: {wrong:#?}"));
        let elsewhere = ["validation_should_flag", "must_flag", "must_not_flag", "known_failure_to_survive"];
        assert_eq!(Expectation::of(&file).unwrap().unwrap().unknown(), [] as [String; 0], "{name}");
        for member in file["expect"].as_object().unwrap().keys().filter(|member| !elsewhere.contains(&member.as_str())) {
            let one = confirmed.iter().find(|one| one.member == *member).unwrap_or_else(|| panic!("{name}: {member} was not looked at"));
            assert!(one.count > 0, "{name}: {member} held against nothing");
        }
        let (region, compartment_id) = ("ap-osaka-1".to_owned(), "ocid1.compartment.oc1..aaaa".to_owned());
        let defaults = Defaults { region, compartment_id, language: Language::En };
        let flags: Vec<Flag> = validate(&spec(&file), &CATALOG, &RULES, &defaults).findings.into_iter().map(Flag::from).collect();
        let asked = |member: &str| file["expect"][member].as_array().map_or(0, Vec::len);
        let (there, not) = (asked("validation_should_flag") + asked("must_flag"), asked("must_not_flag"));
        let flagged = Expectation::of(&file).unwrap().unwrap().flagged(&flags).unwrap_or_else(|wrong| panic!("{name}: {wrong:#?}"));
        assert_eq!(flagged.len(), there + not, "{name}");
        assert_eq!(Expectation::of(&file).unwrap().unwrap().flagged(&[]).is_err(), there > 0, "{name}: what nobody flags is missed");
    }
    assert!(files >= 2);
}

#[test]
fn the_files_of_the_demo_are_the_files_of_the_tests() {
    for (name, text) in [("compute-adb-verify.json", crate::cli::demo::ARCHITECTURE), ("iot-platform-19.json", crate::cli::demo::PLATFORM)]
    {
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), document(name), "{name}");
    }
}

#[test]
fn the_platform_has_every_rule_of_a_cluster_and_ways_out_of_every_subnet() {
    let file = document("iot-platform-19.json");
    let confirmed = check(&file, &world(&file)).unwrap();
    let of = |member: &str| confirmed.iter().find(|one| one.member == member).unwrap();
    assert_eq!(of("OKE rule set").count, 27, "the rows of the table without those for VCN-native pods");
    assert_eq!(of("reachability").detail.matches("nat_gateway + service_gateway").count(), 2, "{}", of("reachability").detail);
    assert!(of("reachability").detail.contains("public_subnet → internet_gateway"));
    assert_eq!(of("terraform_resource_counts").count, 17);
}

#[test]
fn an_expectation_that_is_not_met_is_told_with_its_member() {
    let (small, large) = ("compute-adb-verify.json", "iot-platform-19.json");
    for (why, name, path, value, told) in [
        ("one more of a type", large, "/expect/terraform_resource_counts/oci_core_subnet", json!(4), "3 oci_core_subnet"),
        ("a type that is not there", large, "/expect/terraform_resource_counts/oci_queue_queue", json!(1), "0 oci_queue_queue"),
        ("another subnet", large, "/expect/placement/transaction_db", json!("private_subnet_app"), "transaction_db stands in"),
        ("another subnet of the nodes", large, "/expect/placement/app_cluster.nodes", json!("public_subnet"), "app_cluster.nodes"),
        ("a component nobody has", large, "/expect/placement/ghost", json!("public_subnet"), "ghost has no resource"),
        ("a gateway too few", large, "/expect/routes/private_route_table", json!(["nat_gateway"]), "nobody expects"),
        ("a gateway too many", large, "/expect/routes/public_route_table", json!(["internet_gateway", "nat_gateway"]), "no route to nat"),
        ("another table", large, "/expect/subnet_tables/public_subnet", json!(["private_route_table"]), "public_subnet has"),
        ("another name", large, "/expect/names/data_lake", json!("^lake$"), "data_lake is called"),
        ("labels of another alphabet", small, "/expect/resource_names_match", json!("^[A-Z]+$"), "label of"),
        ("an argument", small, "/expect/adb/is_free_tier", json!(false), "adb.is_free_tier"),
        ("an argument that is there", small, "/expect/adb/db_name", json!(null), "adb.db_name"),
        ("an argument that is absent", small, "/expect/adb/subnet_id", json!("x"), "adb.subnet_id"),
        ("an image by id", small, "/expect/image_from_data_source", json!(false), "the image of oci_core_instance.vm"),
        ("another system", small, "/expect/image_os_must_be_honoured", json!("Oracle Linux 8"), "Oracle Linux 9"),
        ("a variable", small, "/expect/variables_must_not_include", json!(["compartment_ocid"]), "variable compartment_ocid"),
    ] {
        let mut file = document(name);
        let world = world(&file);
        let (parent, key) = path.rsplit_once('/').unwrap();
        file.pointer_mut(parent).unwrap()[key] = value;
        let wrong = check(&file, &world).expect_err(why);
        assert!(wrong.iter().all(|line| line.contains(told)), "{why}, and nothing else: {wrong:#?}");
    }
}

#[test]
fn terraform_that_lacks_something_is_found_out() {
    let file = document("iot-platform-19.json");
    let whole = world(&file);
    let rule = "oci_core_network_security_group_security_rule";
    for (why, address, told) in [
        ("nodes that reach no kubelet port", format!("{rule}.app_cluster_nodes_from_api"), "Nodes In Endpoint"),
        ("an endpoint that hears no node", format!("{rule}.app_cluster_api_control_nodes"), "12250"),
        ("a bucket that is gone", "oci_objectstorage_bucket.data_lake".to_owned(), "0 oci_objectstorage_bucket"),
    ] {
        let mut less = whole.clone();
        less.parts.retain(|part| part.address != address);
        let gone = less.parts.len() + 1 == whole.parts.len();
        assert!(gone, "{why}: there is no {address} in {:#?}", whole.of_kind(rule).map(Part::label).collect::<Vec<_>>());
        let wrong = check(&file, &less).expect_err(why).join("\n");
        assert!(wrong.contains(told), "{why}: {wrong}");
    }
    let mut lonely = whole;
    for part in lonely.parts.iter_mut().filter(|part| part.kind == "oci_core_route_table") {
        part.attributes["route_rules"] = json!([]);
    }
    let wrong = check(&file, &lonely).expect_err("no routes").join("\n");
    assert!(wrong.contains("reachability: oci_core_subnet.private_subnet_db has no route to oci_core_nat_gateway and"), "{wrong}");
}

#[test]
fn a_cloud_is_read_by_its_tags_and_ids() {
    let resource =
        |id: &str, kind: &str, attributes: Value| crate::cli::demo::CloudResource { id: id.into(), kind: kind.into(), attributes };
    let tags = |address: &str| json!({ "galley-address": address });
    let cloud = World::cloud(&[
        resource("ocid1.subnet.1", "oci_core_subnet", json!({ "freeform_tags": tags("oci_core_subnet.db") })),
        resource(
            "ocid1.adb.1",
            "oci_database_autonomous_database",
            json!({ "freeform_tags": tags("oci_database_autonomous_database.orders"), "subnet_id": "ocid1.subnet.1", "is_free_tier": "false" }),
        ),
    ]);
    let file = |expect: Value| json!({ "components": [{ "id": "orders", "service_type": "adb" }], "expect": expect });
    let held = file(
        json!({ "placement": { "orders": "db" }, "orders": { "is_free_tier": false }, "terraform_resource_counts": { "oci_core_subnet": 1 } }),
    );
    let wrong = check(&held, &cloud).unwrap_err();
    assert_eq!(wrong.len(), 1, "only the way out is missing: {wrong:?}");
    assert!(wrong[0].starts_with("the cloud — reachability"), "{wrong:?}");
    let elsewhere = check(&file(json!({ "placement": { "orders": "app" } })), &cloud).unwrap_err();
    assert!(elsewhere.iter().any(|line| line.contains("orders stands in")), "{elsewhere:?}");
}

#[test]
fn what_nobody_can_check_is_told_and_never_passed_over() {
    let unknown =
        json!({ "components": [], "constraints": { "max_moons": 1, "max_vcns": 1 }, "expect": { "colour": "blue", "routes": {} } });
    assert_eq!(Expectation::of(&unknown).unwrap().unwrap().unknown(), ["expect.colour", "constraints.max_moons"]);
    assert!(Expectation::of(&json!({})).unwrap().is_none());
    assert!(Expectation::of(&json!({ "expect": [] })).unwrap_err().contains("not an object"));
    let file = json!({ "components": [], "expect": { "validation_should_flag": ["the moon is full"] } });
    let wrong = Expectation::of(&file).unwrap().unwrap().flagged(&[]).unwrap_err();
    assert!(wrong[0].contains("the moon is full"), "{wrong:?}");
    let told = World::rendered(&[("main.tf".to_owned(), "resource {".to_owned())].into()).unwrap_err();
    assert!(told.starts_with("main.tf: "), "{told}");
}

#[test]
fn a_sentence_is_known_by_the_words_of_a_finding_in_either_language() {
    let flag = |rule: &str, path: &str, text: &str| Flag { rule: rule.into(), path: path.into(), text: text.into() };
    let findings = [
        flag("loadbalancer.public-without-tls", "components[lb]", "traffic from the internet is plain HTTP only connect with https"),
        flag("availability.single-backend", "components[lb]", "there is one instance behind the load balancer"),
        flag("network.subnet-name-says-private", "components[s]", "サブネット 内部 は名前では非公開ですが、公開 IP を許しています"),
    ];
    let file = |sentence: &str| {
        json!({ "components": [{ "id": "lb", "service_type": "loadbalancer", "display_name": "Front" }, { "id": "s", "service_type": "subnet" }],
            "expect": { "validation_should_flag": [sentence] } })
    };
    let rows = [
        ("only one instance behind the load balancer", Some("availability.single-backend")),
        ("public load balancer serves plain HTTP without TLS", Some("loadbalancer.public-without-tls")),
        ("非公開という名前なのに公開 IP を許すサブネット", Some("network.subnet-name-says-private")),
        ("the database has no backup policy", None),
        ("subnet", None),
    ];
    for (sentence, expected) in rows {
        let file = file(sentence);
        let found = Expectation::of(&file).unwrap().unwrap().flagged(&findings);
        match expected {
            Some(rule) => assert!(found.clone().is_ok_and(|facts| facts[0].starts_with(rule)), "{sentence}: {found:?}"),
            None => assert!(found.is_err(), "{sentence}: {found:?}"),
        }
    }
    let rules =
        json!({ "components": [], "expect": { "must_flag": ["availability.single-backend lb"], "must_not_flag": ["structure.id"] } });
    assert_eq!(Expectation::of(&rules).unwrap().unwrap().flagged(&findings).unwrap().len(), 2);
    assert!(Expectation::of(&rules).unwrap().unwrap().flagged(&[]).is_err());
}

#[test]
fn a_refusal_is_held_against_its_code_its_places_and_what_it_allows() {
    let file =
        json!({ "expect": { "must_be_refused": { "code": "invalid_design", "paths": ["components[vm].config"], "allowed": ["vcn"] } } });
    let refusal = Expectation::of(&file).unwrap().unwrap().refusal().unwrap();
    let problem = |path: &str, allowed: &str| json!({ "problems": [{ "path": path, "allowed": [allowed] }] });
    assert_eq!(refusal.check("invalid_design", &problem("components[vm].config.shape", "vcn")).unwrap().len(), 3);
    for (code, details) in [
        ("invalid_argument", problem("components[vm].config.shape", "vcn")),
        ("invalid_design", problem("components[db].config.shape", "vcn")),
        ("invalid_design", problem("components[vm].config.shape", "subnet")),
    ] {
        assert_eq!(refusal.check(code, &details).unwrap_err().len(), 1, "{code} {details}");
    }
}

#[test]
fn a_failure_to_survive_is_read_from_its_sentence() {
    let file = document("compute-adb-verify.json");
    let found = Expectation::of(&file).unwrap().unwrap().partial_failure().unwrap();
    assert_eq!(found, Some(PartialFailure { made: "oci_core_instance", failed: "oci_database_autonomous_database" }));
    let odd = json!({ "components": [], "expect": { "known_failure_to_survive": { "partial": "one thing applied, another failed" } } });
    assert!(Expectation::of(&odd).unwrap().unwrap().partial_failure().is_err(), "words that name no service are an error, not a pass");
    let large = document("iot-platform-19.json");
    assert_eq!(Expectation::of(&large).unwrap().unwrap().partial_failure(), Ok(None));
}
