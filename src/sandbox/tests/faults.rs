//! What the service refuses, by itself and on purpose.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::sandbox::{CannedFault, FaultOperation, Operation};

const HEAD: &str = "terraform {\n  required_providers {\n    oci = { source = \"oracle/oci\" }\n  }\n}\n";

/// The summaries of the error diagnostics that `apply -json` printed.
fn summaries(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let diagnostics = lines.filter(|line| line["type"] == "diagnostic" && line["diagnostic"]["severity"] == "error");
    diagnostics
        .map(|line| {
            assert_eq!(line["diagnostic"]["detail"], "", "everything is in the summary");
            line["diagnostic"]["summary"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn a_failing_create_leaves_everything_else_made_and_recorded() {
    let world = World::new();
    world.write("main.tf", SMALL);
    let cloud = world.cloud();
    cloud.fail(CannedFault::LimitExceeded.on("oci_core_network_security_group")).unwrap();
    let output = world.run(&["apply", "-auto-approve", "-json"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = summaries(&output);
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].starts_with("400-LimitExceeded, ") && errors[0].contains("\nOperation Name: CreateNetworkSecurityGroup \n"),
        "{}",
        errors[0]
    );
    assert!(errors[0].contains("Request Target: POST https://iaas.ap-tokyo-1.oraclecloud.com/20160918/networkSecurityGroups \n"));
    let made = cloud.list().unwrap();
    assert_eq!(made.len(), 6, "the rule and the VM depend on the group: {made:?}");
    assert_eq!(world.state().len(), 6);
    assert_eq!(cloud.count(Operation::Create, "oci_core_network_security_group", true).unwrap(), 0);
    assert_eq!(cloud.count(Operation::Create, "oci_core_network_security_group", false).unwrap(), 1);
    cloud.clear_faults().unwrap();
    world.apply();
    assert_eq!(cloud.list().unwrap().len(), 9);
    assert_eq!(cloud.count(Operation::Create, "*", true).unwrap(), 9, "nothing was made twice");
    world.expect_no_changes();
}

#[test]
fn a_bounded_fault_is_met_so_often_and_no_more() {
    let world = World::new();
    world.write("main.tf", SMALL);
    world.cloud().fail(CannedFault::Throttled.on("oci_core_vcn").times(1)).unwrap();
    let output = world.run(&["apply", "-auto-approve", "-json"]);
    assert!(summaries(&output)[0].starts_with("429-TooManyRequests, "));
    world.apply();
}

#[test]
fn failed_updates_and_deletes_leave_the_state_as_it_was() {
    let world = World::new();
    world.write("main.tf", SMALL);
    world.apply();
    let cloud = world.cloud();
    cloud.fail(CannedFault::IncorrectState.on("oci_core_instance")).unwrap();
    world.expect(1, &["apply", "-auto-approve", "-var=name=new"]);
    assert_eq!(world.resources("oci_core_instance")[0].text("display_name"), Some("web"));
    world.expect_no_changes();
    cloud.clear_faults().unwrap();
    let mut fault = CannedFault::Conflict.on("oci_core_vcn");
    fault.operation = FaultOperation::One(Operation::Delete);
    cloud.fail(fault).unwrap();
    world.expect(1, &["destroy", "-auto-approve"]);
    assert_eq!(world.state(), ["oci_core_vcn.main"]);
    cloud.clear_faults().unwrap();
    world.expect(0, &["destroy", "-auto-approve"]);
    assert_eq!(cloud.list().unwrap(), []);
}

#[test]
fn a_lost_permission_looks_as_if_everything_had_vanished() {
    let world = World::new();
    world.write("main.tf", SMALL);
    world.apply();
    let cloud = world.cloud();
    cloud.fail(CannedFault::LostPermission.on("*")).unwrap();
    let plan = world.plan();
    assert_eq!(drift(&plan).iter().filter(|line| line.starts_with("delete ")).count(), 9, "{:?}", drift(&plan));
    let output = world.run(&["apply", "-auto-approve", "-json"]);
    assert!(summaries(&output).iter().all(|text| text.starts_with("404-NotAuthorizedOrNotFound, ")));
    assert_eq!(cloud.list().unwrap().len(), 9, "nothing was made");
}

#[test]
fn what_the_real_service_surely_refuses_is_refused() {
    let network = r#"
        resource "oci_core_vcn" "v" {
          compartment_id = "c"
          cidr_blocks    = ["10.0.0.0/16"]
        }
        resource "oci_core_subnet" "private" {
          compartment_id             = "c"
          vcn_id                     = oci_core_vcn.v.id
          cidr_block                 = "10.0.1.0/24"
          prohibit_public_ip_on_vnic = true
        }
    "#;
    let bucket = |label: &str, name: &str| {
        format!(
            "resource \"oci_objectstorage_bucket\" \"{label}\" {{\n compartment_id = \"c\"\n namespace = \"ns\"\n name = \"{name}\"\n}}\n"
        )
    };
    let subnet = |cidr: &str| {
        format!(
            "{network}\nresource \"oci_core_subnet\" \"x\" {{\n compartment_id = \"c\"\n vcn_id = oci_core_vcn.v.id\n cidr_block = \"{cidr}\"\n depends_on = [oci_core_subnet.private]\n}}\n"
        )
    };
    let rows = [
        ("a bucket name twice", bucket("a", "x") + &bucket("b", "x"), "409-BucketAlreadyExists, Either the bucket \"x\" in namespace \"ns\" already exists"),
        ("a bucket name with a space", bucket("a", "Data Lake"), "400-InvalidBucketName, The name Data Lake may contain only letters"),
        ("a subnet outside its VCN", subnet("10.1.0.0/24"), "400-InvalidParameter, The requested CIDR 10.1.0.0/24 is invalid: it is not contained"),
        ("subnets that overlap", subnet("10.0.0.0/23"), "400-InvalidParameter, The requested CIDR 10.0.0.0/23 is invalid: subnet"),
        ("host bits in a CIDR", subnet("10.0.9.1/24"), "400-InvalidParameter, The requested CIDR 10.0.9.1/24 is invalid: host bits"),
        (
            "a parent that does not exist",
            "resource \"oci_core_subnet\" \"x\" {\n compartment_id = \"c\"\n vcn_id = \"ocid1.vcn.oc1.ap-osaka-1.gone\"\n cidr_block = \"10.0.0.0/24\"\n}\n".to_owned(),
            "404-NotAuthorizedOrNotFound, Authorization failed or requested resource not found.",
        ),
        (
            "a public balancer in a private subnet",
            format!("{network}\nresource \"oci_load_balancer_load_balancer\" \"x\" {{\n compartment_id = \"c\"\n display_name = \"x\"\n shape = \"flexible\"\n subnet_ids = [oci_core_subnet.private.id]\n shape_details {{\n  minimum_bandwidth_in_mbps = 10\n  maximum_bandwidth_in_mbps = 10\n }}\n}}\n"),
            "400-InvalidParameter, Private subnet ocid1.subnet.",
        ),
        (
            "an enumeration of the service in the wrong letter case",
            format!("{network}\nresource \"oci_apigateway_gateway\" \"x\" {{\n compartment_id = \"c\"\n endpoint_type = \"public\"\n subnet_id = oci_core_subnet.private.id\n}}\n"),
            "400-InvalidParameter, endpointType must be valid",
        ),
        (
            "a database without a password",
            "resource \"oci_database_autonomous_database\" \"x\" {\n compartment_id = \"c\"\n db_name = \"x\"\n}\n".to_owned(),
            "400-MissingParameter, adminPassword is required",
        ),
        (
            "a table name with a hyphen",
            "resource \"oci_nosql_table\" \"x\" {\n compartment_id = \"c\"\n name = \"a-b\"\n ddl_statement = \"CREATE TABLE x(id STRING, PRIMARY KEY(id))\"\n}\n".to_owned(),
            "400-InvalidParameter, Table, index and unquoted field names may contain only",
        ),
    ];
    for (reason, text, expected) in rows {
        let world = World::new();
        world.write("main.tf", &format!("{HEAD}{text}"));
        let output = world.run(&["apply", "-auto-approve", "-json"]);
        assert_eq!(output.status.code(), Some(1), "{reason}");
        let errors = summaries(&output);
        assert!(errors.len() == 1 && errors[0].starts_with(expected), "{reason}: {errors:?}");
    }
}

#[test]
fn what_is_still_referred_to_is_not_deleted() {
    let world = World::new();
    world.write("main.tf", SMALL);
    world.apply();
    for address in ["oci_core_instance.vm", "oci_core_subnet.public"] {
        world.expect(0, &["state", "rm", address]);
    }
    let output = world.run(&["destroy", "-auto-approve", "-json"]);
    let errors = summaries(&output);
    assert!(errors.iter().any(|text| text.starts_with("409-Conflict, The Route Table ocid1.routetable.")), "{errors:?}");
    assert!(errors.iter().any(|text| text.contains("references the Instance ocid1.instance.")), "{errors:?}");
}

#[test]
fn the_providers_own_checks_point_at_the_line() {
    let world = World::new();
    world.write(
        "main.tf",
        &format!("{HEAD}resource \"oci_streaming_stream\" \"s\" {{\n  name           = \"s\"\n  partitions     = 1\n  compartment_id = \"c\"\n  stream_pool_id = \"p\"\n}}\n"),
    );
    let output = world.run(&["validate", "-json"]);
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    let lines: Vec<(u64, &str)> = report["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| (d["range"]["start"]["line"].as_u64().unwrap(), d["summary"].as_str().unwrap()))
        .collect();
    assert_eq!(lines, [(9, "Conflicting configuration arguments"), (10, "Conflicting configuration arguments")]);
}

#[test]
fn a_slow_create_is_in_the_cloud_before_the_answer_is() {
    let world = World::serving(&["oci_core_vcn"]);
    world.write(
        "main.tf",
        &format!("{HEAD}resource \"oci_core_vcn\" \"v\" {{\n compartment_id = \"c\"\n cidr_blocks = [\"10.0.0.0/16\"]\n}}\n"),
    );
    let cloud = world.cloud();
    cloud.delay(FaultOperation::One(Operation::Create), "oci_core_vcn", Duration::from_secs(2)).unwrap();
    let mut child = world.command(&["apply", "-auto-approve"]).stdout(Stdio::null()).spawn().unwrap();
    wait_for("the VCN in the cloud", || !cloud.list().unwrap().is_empty());
    assert!(child.try_wait().unwrap().is_none(), "terraform still waits");
    assert!(child.wait().unwrap().success());
    assert_eq!(json!(world.state()), json!(["oci_core_vcn.v"]));
}
