//! Architectures: merged, refused, judged, retried.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::{code, component, connection, desired, save};
use crate::api::approval::{Channel, Identity};
use crate::api::design::{ApprovalPolicy, DesiredState, Target};
use crate::services::architecture::{ComponentInput, ValidateArchitecture};
use crate::services::testkit::{Kit, settings};
use crate::services::{Code, Settings};

#[tokio::test]
async fn saving_creates_the_design_of_the_session_and_keeps_desired_state_and_policy_afterwards() {
    let kit = Kit::new().await;
    let session = kit.session().await;
    let mut input = save(&session, vec![component("vcn", "vcn", json!({"cidr_block": "10.0.0.0/16"}))], vec![]);
    input.region = Some("ap-osaka-1".into());
    input.variables = Some([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())].into());
    let first = kit.services.save_architecture(input).await.unwrap();
    assert_eq!((first.generation, first.changed, first.findings.errors), (1, true, 0));
    let design = kit.server.object("designs", &session).unwrap();
    assert_eq!(design["spec"]["sessionRef"], json!(session));
    assert_eq!(design["metadata"]["ownerReferences"][0]["kind"], json!("Session"));
    kit.services.set_desired_state(desired(&session, DesiredState::Planned)).await.unwrap();
    let mut input = save(
        &session,
        vec![component("vcn", "vcn", json!({})), component("vm", "compute", json!({"ocpus": 1}))],
        vec![connection("vm", "vcn")],
    );
    input.variables = Some([("b".to_owned(), "3".to_owned())].into());
    let second = kit.services.save_architecture(input.clone()).await.unwrap();
    assert_eq!((second.generation, second.changed), (3, true));
    let design = kit.server.object("designs", &session).unwrap();
    assert_eq!(design["spec"]["desiredState"], json!("Planned"));
    assert_eq!(design["spec"]["region"], json!("ap-osaka-1"));
    assert_eq!(design["spec"]["variables"], json!({"b": "3"}));
    assert_eq!(design["spec"]["components"][1]["serviceType"], json!("compute"));
    let third = kit.services.save_architecture(input).await.unwrap();
    assert_eq!((third.generation, third.changed), (3, false), "the same again is no edit");
}

#[tokio::test]
async fn structural_mistakes_are_refused_with_path_value_and_allowed_values_and_nothing_is_written() {
    let kit = Kit::new().await;
    let session = kit.session().await;
    let vcn = || component("vcn", "vcn", json!({}));
    let many = (0..201).map(|n| component(&format!("c{n}"), "vcn", json!({}))).collect::<Vec<_>>();
    let edges = (0..601).map(|_| connection("vcn", "vcn")).collect::<Vec<_>>();
    let rows = [
        (vec![component("x", "mainframe", json!({}))], vec![], "components[x].service_type", json!("mainframe"), true, "unknown type"),
        (vec![component("vm", "compute", json!({"cpu": 4}))], vec![], "components[vm].config.cpu", json!(4), true, "unknown key"),
        (
            vec![component("a", "adb", json!({"workload_type": "XX"}))],
            vec![],
            "components[a].config.workload_type",
            json!("XX"),
            true,
            "choice",
        ),
        (vec![vcn()], vec![connection("vcn", "gone")], "connections[0].target_id", json!("gone"), true, "dangling"),
        (vec![vcn(), vcn()], vec![], "components[vcn].id", json!("vcn"), false, "duplicate id"),
        (many, vec![], "components", json!(201), false, "too many components"),
        (vec![vcn()], edges, "connections", json!(601), false, "too many connections"),
    ];
    let before = kit.server.writes().len();
    for (components, connections, path, value, allowed, reason) in rows {
        let error = kit.services.save_architecture(save(&session, components, connections)).await.unwrap_err();
        let problem = &error.details["problems"][0];
        assert_eq!(error.code, Code::InvalidDesign, "{reason}");
        assert_eq!((&problem["path"], &problem["value"]), (&json!(path), &value), "{reason}");
        assert_eq!(problem["allowed"].as_array().is_some_and(|list| !list.is_empty()), allowed, "{reason}");
        assert!(!error.hint.is_empty() && error.message.starts_with(path), "{reason}: {error}");
    }
    assert_eq!(kit.server.writes().len(), before);
}

#[tokio::test]
async fn a_refusal_is_one_bounded_line_whatever_was_sent_as_an_id() {
    let kit = Kit::new().await;
    let session = kit.session().await;
    for id in ["a\r\nb".to_owned(), "x".repeat(9_000)] {
        let wrong = vec![component(&id, "vcn", json!({}))];
        let error = kit.services.save_architecture(save(&session, wrong, vec![])).await.unwrap_err();
        let path = error.details["problems"][0]["path"].as_str().unwrap();
        for text in [&error.message, &error.hint, path] {
            assert!(!text.chars().any(char::is_control) && text.chars().count() <= 1_000, "{text:?}");
        }
    }
}

#[tokio::test]
async fn unwise_designs_are_saved_and_their_findings_returned() {
    let kit = Kit::new().await;
    let session = kit.session().await;
    let subnet = component("s", "subnet", json!({"cidr_block": "192.168.0.0/24"}));
    let saved = kit.services.save_architecture(save(&session, vec![subnet], vec![])).await.unwrap();
    assert_eq!((saved.changed, saved.findings.errors), (true, 1));
    assert_eq!(saved.findings.items[0].rule, "network.cidr-outside");
    assert!(saved.summary.contains("components[s].config.cidr_block"), "{}", saved.summary);
}

#[tokio::test]
async fn names_in_any_language_with_quotes_templates_and_newlines_arrive_unchanged() {
    let kit = Kit::new().await;
    let session = kit.session().await;
    let names = ["開発用VCN (検証)", "a\"b", "${var.x}", "%{if true}", "a\nb", "}\nresource \"x\" \"y\" {"];
    let components = names
        .iter()
        .enumerate()
        .map(|(n, name)| ComponentInput { display_name: Some((*name).to_owned()), ..component(&format!("c{n}"), "vcn", json!({})) })
        .collect();
    kit.services.save_architecture(save(&session, components, vec![])).await.unwrap();
    let design = kit.server.object("designs", &session).unwrap();
    for (n, name) in names.iter().enumerate() {
        assert_eq!(design["spec"]["components"][n]["displayName"], json!(name));
    }
}

#[tokio::test]
async fn an_expected_generation_that_moved_on_writes_nothing() {
    let kit = Kit::new().await;
    let session = kit.design(json!({})).await;
    let mut input = save(&session, vec![], vec![]);
    input.expected_generation = Some(7);
    let error = kit.services.save_architecture(input).await.unwrap_err();
    assert_eq!((error.code, &error.details["generation"]), (Code::Conflict, &json!(1)));
    let mut input = desired(&session, DesiredState::Planned);
    input.expected_generation = Some(0);
    assert_eq!(code(kit.services.set_desired_state(input).await), Code::Conflict);
    assert_eq!(kit.server.object("designs", &session).unwrap()["metadata"]["generation"], json!(1));
}

#[tokio::test]
async fn a_conflicting_writer_is_retried_a_bounded_number_of_times() {
    let kit = Kit::new().await;
    let session = kit.design(json!({})).await;
    kit.server.fail_next(Method::PATCH, "/designs/", 409);
    kit.server.fail_next(Method::PATCH, "/designs/", 409);
    kit.services.set_desired_state(desired(&session, DesiredState::Planned)).await.unwrap();
    for _ in 0..10 {
        kit.server.fail_next(Method::PATCH, "/designs/", 409);
    }
    assert_eq!(code(kit.services.set_desired_state(desired(&session, DesiredState::Applied)).await), Code::Conflict);
}

#[tokio::test]
async fn answers_of_the_api_server_become_closed_codes() {
    for (status, expected) in [
        (403, Code::NotPermitted),
        (401, Code::NotPermitted),
        (422, Code::InvalidDesign),
        (400, Code::InvalidDesign),
        (500, Code::StorageUnavailable),
        (503, Code::StorageUnavailable),
        (418, Code::Internal),
    ] {
        let kit = Kit::new().await;
        let session = kit.session().await;
        // kube retries 503 by itself: let it fail until that gives up
        for _ in 0..20 {
            kit.server.fail_next(Method::POST, "/designs", status);
        }
        let result = kit.services.save_architecture(save(&session, vec![component("vcn", "vcn", json!({}))], vec![])).await;
        assert_eq!(code(result), expected, "{status}");
    }
}

#[tokio::test]
async fn the_target_is_fixed_by_the_first_save() {
    let kit = Kit::new().await;
    let session = kit.design(json!({})).await;
    let mut input = save(&session, vec![], vec![]);
    input.target = Some(Target::Oci);
    let error = kit.services.save_architecture(input).await.unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
    assert_eq!(error.details["problems"][0]["allowed"], json!(["sandbox"]));
}

#[tokio::test]
async fn a_new_design_starts_no_looser_than_the_servers_minimum() {
    let strict = Settings { min_approval: ApprovalPolicy::Human, ..settings() };
    let kit = Kit::with(Identity::editor(Channel::Mcp), strict).await;
    let session = kit.design(json!({})).await;
    assert_eq!(kit.server.object("designs", &session).unwrap()["spec"]["policy"]["approval"], json!("human"));
}

#[tokio::test]
async fn validating_writes_nothing_and_tells_whether_a_save_would_be_refused() {
    let kit = Kit::new().await;
    let session = kit.session().await;
    let input = |components| ValidateArchitecture { session_id: session.clone(), components, connections: None };
    assert_eq!(code(kit.services.validate_architecture(input(None)).await), Code::InvalidDesign);
    let before = kit.server.writes().len();
    let checked = kit.services.validate_architecture(input(Some(vec![component("x", "mainframe", json!({}))]))).await.unwrap();
    assert!(checked.refused && !checked.valid);
    let checked = kit.services.validate_architecture(input(Some(vec![component("x", "vcn", json!({}))]))).await.unwrap();
    assert!(checked.valid);
    assert_eq!(kit.server.writes().len(), before);
}

#[tokio::test]
async fn the_preview_comes_with_the_save_when_the_controller_is_quick() {
    let patient = Settings { preview_wait: Duration::from_secs(10), ..settings() };
    let kit = Kit::with(Identity::editor(Channel::Mcp), patient).await;
    let session = kit.design(json!({})).await;
    let server = kit.server.clone();
    let name = session.clone();
    let controller = tokio::spawn(async move {
        while server.object("designs", &name).unwrap()["metadata"]["generation"] != json!(2) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        server
            .set_status(
                "designs",
                &name,
                json!({ "observedGeneration": 2, "preview": { "counts": { "create": 4, "update": 0, "replace": 0, "delete": 0 } } }),
            )
            .await;
    });
    let saved = kit.services.save_architecture(save(&session, vec![component("a", "vcn", json!({}))], vec![])).await.unwrap();
    controller.await.unwrap();
    assert_eq!(saved.preview.unwrap().counts.create, 4);
}
