//! Edits, files and exports: all or nothing, each problem with the index of its edit.

use serde_json::{Value, json};

use super::{code, component, connection, save};
use crate::services::Code;
use crate::services::architecture_edit::{Edit, EditArchitecture, EditFiles};
use crate::services::export::{Body, ExportDesign, What};
use crate::services::testkit::Kit;

fn edits(session: &str, list: Value) -> EditArchitecture {
    let edits: Vec<Edit> = serde_json::from_value(list).unwrap();
    EditArchitecture { session_id: session.to_owned(), edits, ..EditArchitecture::default() }
}

async fn small(kit: &Kit) -> String {
    let session = kit.session().await;
    let components = vec![component("net", "vcn", json!({})), component("vm", "compute", json!({ "ocpus": 1 }))];
    kit.services.save_architecture(save(&session, components, vec![connection("vm", "net")])).await.unwrap();
    session
}

#[tokio::test]
async fn a_list_of_edits_happens_in_order_and_as_one_generation() {
    let kit = Kit::real().await;
    let session = small(&kit).await;
    let list = json!([
        { "op": "add", "id": "db", "service_type": "adb", "display_name": "検証DB", "config": { "workload_type": "ADW" } },
        { "op": "connect", "source_id": "vm", "target_id": "db", "connection_type": "private_endpoint" },
        { "op": "connect", "source_id": "vm", "target_id": "db", "connection_type": "private_endpoint", "description": "again" },
        { "op": "configure", "id": "vm", "config": { "ocpus": 2, "memory_in_gbs": 32 } },
        { "op": "configure", "id": "vm", "config": { "memory_in_gbs": null } },
        { "op": "rename", "id": "vm", "display_name": "web \"1\" ${x}", "new_id": "web" },
    ]);
    let saved = kit.services.edit_architecture(edits(&session, list)).await.unwrap();
    assert_eq!((saved.generation, saved.changed, saved.findings.errors), (2, true, 0), "{:?}", saved.findings);
    let spec = kit.server.object("designs", &session).unwrap()["spec"].clone();
    assert_eq!(
        spec["components"][1],
        json!({ "id": "web", "serviceType": "compute", "displayName": "web \"1\" ${x}", "config": { "ocpus": 2 } })
    );
    assert_eq!(spec["connections"].as_array().unwrap().len(), 2);
    assert_eq!((&spec["connections"][0]["sourceId"], &spec["connections"][1]["description"]), (&json!("web"), &json!("again")));
    let list = json!([{ "op": "disconnect", "source_id": "web", "target_id": "db" }, { "op": "remove", "id": "web" }]);
    kit.services.edit_architecture(edits(&session, list)).await.unwrap();
    let spec = kit.server.object("designs", &session).unwrap()["spec"].clone();
    assert_eq!((spec["components"].as_array().unwrap().len(), spec["connections"].as_array().map_or(0, Vec::len)), (2, 0));
}

#[tokio::test]
async fn one_bad_edit_writes_nothing_and_is_named_by_its_index() {
    let kit = Kit::real().await;
    let session = small(&kit).await;
    let before = kit.server.writes().len();
    let good = json!({ "op": "configure", "id": "vm", "config": { "ocpus": 4 } });
    let rows = [
        (json!({ "op": "add", "id": "vm", "service_type": "adb" }), "edits[1].id", "an id twice"),
        (json!({ "op": "add", "id": "x", "service_type": "mainframe" }), "edits[1].serviceType", "an unknown type"),
        (json!({ "op": "add", "id": "x" }), "edits[1].service_type", "a type is missing"),
        (json!({ "op": "remove", "id": "gone" }), "edits[1].id", "not there"),
        (json!({ "op": "configure", "id": "vm", "config": { "cpu": 1 } }), "edits[1].config.cpu", "an unknown key"),
        (json!({ "op": "configure", "id": "vm", "config": { "shape": "VM.Bad" } }), "edits[1].config.shape", "outside the choices"),
        (json!({ "op": "connect", "source_id": "vm", "target_id": "gone", "connection_type": "ssh" }), "edits[1].target_id", "dangling"),
        (json!({ "op": "disconnect", "source_id": "net", "target_id": "vm" }), "edits[1].source_id", "no such connection"),
        (json!({ "op": "rename", "id": "vm", "new_id": "net" }), "edits[1].new_id", "an id that is taken"),
        (json!({ "op": "rename", "id": "vm" }), "edits[1].display_name", "renamed to nothing"),
        (json!({ "op": "remove", "id": "vm", "config": {} }), "edits[1].config", "a field that would be ignored"),
    ];
    for (bad, path, reason) in rows {
        let error = kit.services.edit_architecture(edits(&session, json!([good, bad]))).await.unwrap_err();
        let found = error.details["problems"][0]["path"].as_str().unwrap().to_owned();
        assert_eq!(found, path, "{reason}: {error:?}");
        assert!(!error.hint.is_empty(), "{reason}");
    }
    assert_eq!(code(kit.services.edit_architecture(edits(&session, json!([]))).await), Code::InvalidArgument);
    let moved = EditArchitecture { expected_generation: Some(7), ..edits(&session, json!([good])) };
    assert_eq!(code(kit.services.edit_architecture(moved).await), Code::Conflict);
    assert_eq!(kit.server.writes().len(), before);
}

#[tokio::test]
async fn the_first_edit_of_a_session_makes_its_design() {
    let kit = Kit::real().await;
    let session = kit.session().await;
    let saved =
        kit.services.edit_architecture(edits(&session, json!([{ "op": "add", "id": "net", "service_type": "vcn" }]))).await.unwrap();
    assert_eq!((saved.generation, saved.changed), (1, true));
}

#[tokio::test]
async fn file_names_and_sizes_are_checked_and_files_come_and_go() {
    let kit = Kit::new().await;
    let session = small(&kit).await;
    let set = |name: &str, text: &str| EditFiles {
        session_id: session.clone(),
        set: [(name.to_owned(), text.to_owned())].into(),
        ..EditFiles::default()
    };
    for name in ["../x.tf", "X.tf", "main.tf.json", "override.tf", "a_override.tf", ".tf", "a.auto.tfvars", "a b.tf", "terraform.tfvars"] {
        let error = kit.services.edit_files(set(name, "")).await.unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument, "{name}");
    }
    assert_eq!(code(kit.services.edit_files(set("big.tf", &"#".repeat(257 * 1024))).await), Code::InvalidArgument);
    let nothing = EditFiles { session_id: session.clone(), ..EditFiles::default() };
    assert_eq!(code(kit.services.edit_files(nothing).await), Code::InvalidArgument);
    let saved = kit.services.edit_files(set("extra.tf", "locals {\n  x = 1\n}\n")).await.unwrap();
    assert_eq!(saved.files.get("extra.tf"), Some(&19));
    let delete = |name: &str| EditFiles { session_id: session.clone(), delete: vec![name.to_owned()], ..EditFiles::default() };
    assert_eq!(code(kit.services.edit_files(delete("other.tf")).await), Code::InvalidArgument);
    assert!(kit.services.edit_files(delete("extra.tf")).await.unwrap().files.is_empty());
}

#[tokio::test]
async fn an_export_is_bounded_and_the_whole_is_a_resource() {
    let kit = Kit::real().await;
    let session = small(&kit).await;
    let export = |what, file: Option<&str>| ExportDesign { session_id: session.clone(), what, file: file.map(str::to_owned), cursor: None };
    let terraform = kit.services.export(export(What::Terraform, None)).await.unwrap();
    assert!(terraform.files.contains_key("main.tf") && terraform.text.is_none(), "{:?}", terraform.files);
    let file = kit.services.export(export(What::Terraform, Some("compute.tf"))).await.unwrap();
    assert!(file.text.unwrap().contains("oci_core_instance"));
    assert_eq!(code(kit.services.export(export(What::Terraform, Some("../x"))).await), Code::InvalidArgument);
    let summary = kit.services.export(export(What::Summary, None)).await.unwrap();
    assert_eq!(summary.uri, format!("galley://designs/{session}/summary.md"));
    let whole = kit.services.read_resource(&summary.uri).await.unwrap();
    assert_eq!(whole.body.len(), summary.bytes);
    assert_eq!(code(kit.services.export(export(What::Summary, Some("main.tf"))).await), Code::InvalidArgument, "nothing is ignored");
    let starts: [(What, &[u8]); 5] =
        [(What::Summary, b"# "), (What::Mermaid, b"flowchart"), (What::Svg, b"<svg"), (What::Terraform, b"PK"), (What::All, &[0x1f, 0x8b])];
    for (what, start) in starts {
        let answer = kit.services.export(export(what, None)).await.unwrap();
        assert!(serde_json::to_string(&answer).unwrap().len() + answer.summary.len() <= 10_000, "{what:?}");
        let whole = match kit.services.read_resource(&answer.uri).await.unwrap().body {
            Body::Text(text) => text.into_bytes(),
            Body::Bytes(bytes) => bytes,
        };
        assert_eq!(whole.len(), answer.bytes, "{what:?}");
        let begins = whole.windows(start.len()).take(200).any(|window| window == start);
        assert!(begins, "{what:?}: {:?}", String::from_utf8_lossy(&whole[..40]));
    }
}
