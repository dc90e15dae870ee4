//! The services against an API server in memory: what each tool writes, refuses and says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::architecture::{ComponentInput, ConnectionInput, SaveArchitecture, ValidateArchitecture};
use super::lifecycle::{ApprovalState, ApprovePlan, CancelJob, SetDesiredState};
use super::log::GetJobLog;
use super::plan::{Detail, GetPlan};
use super::session::{CreateSession, DeleteSession, GetSession, ListSessions};
use super::status::{GetStatus, Observer, Progress};
use super::testkit::{Kit, awaiting, condition, plan, sha};
use super::{Code, Error, Settings};
use crate::api::approval::{Channel, Identity};
use crate::api::design::{ApprovalPolicy, DesiredState, RequestAction, Target};
use crate::api::session::Language;
use crate::blobs::JobBlob;

fn component(id: &str, service_type: &str, config: Value) -> ComponentInput {
    ComponentInput { id: id.into(), service_type: service_type.into(), display_name: None, config: serde_json::from_value(config).unwrap() }
}

fn connection(source: &str, target: &str) -> ConnectionInput {
    ConnectionInput { source_id: source.into(), target_id: target.into(), connection_type: "deployed_in".into(), description: None }
}

fn save(session: &str, components: Vec<ComponentInput>, connections: Vec<ConnectionInput>) -> SaveArchitecture {
    SaveArchitecture { session_id: session.into(), components, connections, ..SaveArchitecture::default() }
}

fn desired(session: &str, state: DesiredState) -> SetDesiredState {
    SetDesiredState { session_id: session.into(), desired_state: Some(state), ..SetDesiredState::default() }
}

fn approve(session: &str, sha: String) -> ApprovePlan {
    ApprovePlan { session_id: session.into(), plan_sha256: sha, ..ApprovePlan::default() }
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> Code {
    result.unwrap_err().code
}

fn operation(requested: bool, action: &str, name: &str) -> Value {
    json!({ "activeOperation": { "kind": "TerraformJob", "name": name, "action": action, "requested": requested, "since": "2026-01-01T00:08:00Z" } })
}

// ------------------------------------------------------------------------------------------------------------ sessions

#[tokio::test]
async fn the_server_mints_the_id_and_keeps_title_and_language() {
    let kit = Kit::new();
    let input = CreateSession { title: "デモ \"x\" ${y}\nz".into(), language: Some(Language::Ja), target: Some(Target::Oci) };
    let view = kit.services.create_session(input).await.unwrap();
    assert!(view.session_id.starts_with("s-") && view.session_id.len() == 28, "{}", view.session_id);
    assert!(view.summary.contains(&view.session_id) && view.summary.contains("作成しました"));
    let shown = kit.services.get_session(GetSession { session_id: view.session_id.clone() }).await.unwrap();
    assert_eq!((shown.title.as_str(), shown.language, shown.target), ("デモ \"x\" ${y}\nz", Language::Ja, Some(Target::Oci)));
    assert_eq!(
        code(kit.services.create_session(CreateSession { title: " ".into(), ..CreateSession::default() }).await),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn sessions_are_listed_newest_first_and_page_by_page_without_a_gap() {
    let kit = Kit::new();
    let mut made = Vec::new();
    for n in 0..7 {
        let input = CreateSession { title: format!("session {n}"), ..CreateSession::default() };
        made.push(kit.services.create_session(input).await.unwrap().session_id);
        // ULIDs of one millisecond are in no order
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    made.reverse();
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = kit.services.list_sessions(ListSessions { limit: Some(3), cursor, ..ListSessions::default() }).await.unwrap();
        assert_eq!(page.total, 7);
        seen.extend(page.sessions.into_iter().map(|line| line.session_id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, made);
    let found =
        kit.services.list_sessions(ListSessions { title_contains: Some("SESSION 3".into()), ..ListSessions::default() }).await.unwrap();
    assert_eq!(found.sessions.len(), 1);
    assert_eq!(
        code(kit.services.list_sessions(ListSessions { cursor: Some("../x".into()), ..ListSessions::default() }).await),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn an_id_that_cannot_be_a_name_never_becomes_a_url() {
    let kit = Kit::new();
    for id in ["", "../designs/x", "s-01/status", "S-1", "s-nobody", "日本"] {
        assert_eq!(code(kit.services.get_session(GetSession { session_id: id.into() }).await), Code::SessionNotFound, "{id}");
    }
    assert!(kit.server.writes().is_empty());
}

#[tokio::test]
async fn a_session_is_deleted_only_with_its_id_or_title_as_confirmation() {
    let kit = Kit::new();
    let session = kit.session().await;
    let input = |confirm: &str| DeleteSession { session_id: session.clone(), confirm: confirm.into() };
    let error = kit.services.delete_session(input("yes")).await.unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
    assert!(error.hint.contains(&session));
    assert!(kit.services.delete_session(input("検証")).await.unwrap().deleted);
    assert_eq!(code(kit.services.delete_session(input(&session)).await), Code::SessionNotFound);
}

#[tokio::test]
async fn a_session_with_resources_says_that_they_are_destroyed_first_and_takes_no_edits_meanwhile() {
    let kit = Kit::new();
    let session = kit.design(awaiting()).await;
    let mut object = kit.server.object("sessions", &session).unwrap();
    object["metadata"]["finalizers"] = json!(["galley.dev/session"]);
    kit.server.put("sessions", object);
    let answer = kit.services.delete_session(DeleteSession { session_id: session.clone(), confirm: session.clone() }).await.unwrap();
    assert!(!answer.deleted);
    assert_eq!(answer.resources, 2);
    assert!(answer.next_actions.iter().any(|action| action.contains("approve_plan")));
    assert_eq!(code(kit.services.set_desired_state(desired(&session, DesiredState::Applied)).await), Code::Conflict);
    assert_eq!(code(kit.services.save_architecture(save(&session, vec![], vec![])).await), Code::Conflict);
}

// -------------------------------------------------------------------------------------------------------- architecture

#[tokio::test]
async fn saving_creates_the_design_of_the_session_and_keeps_desired_state_and_policy_afterwards() {
    let kit = Kit::new();
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
    let kit = Kit::new();
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
async fn unwise_designs_are_saved_and_their_findings_returned() {
    let kit = Kit::new();
    let session = kit.session().await;
    let subnet = component("s", "subnet", json!({"cidr_block": "192.168.0.0/24"}));
    let saved = kit.services.save_architecture(save(&session, vec![subnet], vec![])).await.unwrap();
    assert_eq!((saved.changed, saved.findings.errors), (true, 1));
    assert_eq!(saved.findings.items[0].rule, "network.cidr-outside");
    assert!(saved.summary.contains("components[s].config.cidr_block"), "{}", saved.summary);
}

#[tokio::test]
async fn names_in_any_language_with_quotes_templates_and_newlines_arrive_unchanged() {
    let kit = Kit::new();
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
    let kit = Kit::new();
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
    let kit = Kit::new();
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
        let kit = Kit::new();
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
    let kit = Kit::new();
    let session = kit.design(json!({})).await;
    let mut input = save(&session, vec![], vec![]);
    input.target = Some(Target::Oci);
    let error = kit.services.save_architecture(input).await.unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
    assert_eq!(error.details["problems"][0]["allowed"], json!(["sandbox"]));
}

#[tokio::test]
async fn a_new_design_starts_no_looser_than_the_servers_minimum() {
    let settings = Settings { min_approval: ApprovalPolicy::Human, ..Settings::default() };
    let kit = Kit::with(Identity::editor(Channel::Mcp), settings);
    let session = kit.design(json!({})).await;
    assert_eq!(kit.server.object("designs", &session).unwrap()["spec"]["policy"]["approval"], json!("human"));
}

#[tokio::test]
async fn validating_writes_nothing_and_tells_whether_a_save_would_be_refused() {
    let kit = Kit::new();
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
    let kit = Kit::new();
    let session = kit.design(json!({})).await;
    let server = kit.server.clone();
    let name = session.clone();
    let controller = tokio::spawn(async move {
        while server.object("designs", &name).unwrap()["metadata"]["generation"] != json!(2) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        server.set_status(
            "designs",
            &name,
            json!({ "observedGeneration": 2, "preview": { "counts": { "create": 4, "update": 0, "replace": 0, "delete": 0 } } }),
        );
    });
    let saved = kit.services.save_architecture(save(&session, vec![component("a", "vcn", json!({}))], vec![])).await.unwrap();
    controller.await.unwrap();
    assert_eq!(saved.preview.unwrap().counts.create, 4);
}

// ------------------------------------------------------------------------------------------------------- desired state

#[tokio::test]
async fn a_busy_session_refuses_heavy_requests_and_accepts_plain_edits() {
    let request =
        |session: &str| SetDesiredState { session_id: session.into(), request: Some(RequestAction::Plan), ..SetDesiredState::default() };
    let rows = [
        (true, "Plan", true, "a requested plan"),
        (true, "Apply", true, "an apply"),
        (false, "Destroy", true, "a destroy, whoever asked"),
        (true, "Refresh", true, "a requested look"),
        (false, "Refresh", false, "a background drift check"),
        (false, "Plan", false, "a background plan"),
    ];
    for (requested, action, busy, reason) in rows {
        let kit = Kit::new();
        let session = kit.design(json!({})).await;
        kit.job(&session, "job-1", action, json!({ "phase": "Running" }));
        kit.server.set_status("sessions", &session, operation(requested, action, "job-1"));
        let before = kit.server.writes().len();
        let result = kit.services.set_desired_state(request(&session)).await;
        if busy {
            let error = result.unwrap_err();
            assert_eq!(error.code, Code::SessionBusy, "{reason}");
            assert_eq!(
                (&error.details["job"], &error.details["kind"], &error.details["age_seconds"]),
                (&json!("job-1"), &json!(action), &json!(120)),
                "{reason}"
            );
            assert_eq!(code(kit.services.set_desired_state(desired(&session, DesiredState::Applied)).await), Code::SessionBusy, "{reason}");
            assert_eq!(kit.server.writes().len(), before, "{reason}: nothing is written");
        } else {
            let answer = result.unwrap();
            assert_eq!(answer.cancelled_drift_check.as_deref(), Some("job-1"), "{reason}");
            assert_eq!(kit.server.object("terraformjobs", "job-1").unwrap()["spec"]["cancel"], json!(true), "{reason}");
        }
        // plain edits: always
        kit.services.save_architecture(save(&session, vec![component("b", "vcn", json!({}))], vec![])).await.unwrap();
        let suspend = SetDesiredState { session_id: session.clone(), suspend: Some(true), ..SetDesiredState::default() };
        kit.services.set_desired_state(suspend).await.unwrap();
        let draft = kit.services.set_desired_state(desired(&session, DesiredState::Draft)).await.unwrap();
        assert!(draft.suspended);
    }
}

#[tokio::test]
async fn the_server_mints_request_ids_and_the_same_state_again_is_no_edit() {
    let kit = Kit::new();
    let session = kit.design(json!({})).await;
    let request = SetDesiredState { session_id: session.clone(), request: Some(RequestAction::Retry), ..SetDesiredState::default() };
    let first = kit.services.set_desired_state(request.clone()).await.unwrap().request_id.unwrap();
    let second = kit.services.set_desired_state(request).await.unwrap();
    assert_ne!(Some(&first), second.request_id.as_ref());
    let design = kit.server.object("designs", &session).unwrap();
    assert_eq!(design["spec"]["request"], json!({ "id": second.request_id, "action": "Retry" }));
    let same = kit.services.set_desired_state(desired(&session, DesiredState::Draft)).await.unwrap();
    assert!(!same.changed);
}

#[tokio::test]
async fn an_editor_may_make_the_policy_stricter_and_never_looser() {
    let policy =
        |session: &str, policy| SetDesiredState { session_id: session.into(), approval_policy: Some(policy), ..SetDesiredState::default() };
    let kit = Kit::new();
    let session = kit.design(json!({})).await;
    assert_eq!(code(kit.services.set_desired_state(policy(&session, ApprovalPolicy::Auto)).await), Code::NotPermitted);
    kit.services.set_desired_state(policy(&session, ApprovalPolicy::Human)).await.unwrap();
    assert_eq!(code(kit.services.set_desired_state(policy(&session, ApprovalPolicy::Agent)).await), Code::NotPermitted);
    let kit = Kit::with(Identity::approver(Channel::Cli), Settings { min_approval: ApprovalPolicy::Agent, ..Settings::default() });
    let session = kit.design(json!({})).await;
    kit.services.set_desired_state(policy(&session, ApprovalPolicy::Human)).await.unwrap();
    kit.services.set_desired_state(policy(&session, ApprovalPolicy::Agent)).await.unwrap();
    assert_eq!(code(kit.services.set_desired_state(policy(&session, ApprovalPolicy::Auto)).await), Code::NotPermitted, "below the minimum");
}

#[tokio::test]
async fn an_empty_or_impossible_edit_is_refused() {
    let kit = Kit::new();
    let session = kit.session().await;
    let nothing = SetDesiredState { session_id: session.clone(), ..SetDesiredState::default() };
    assert_eq!(code(kit.services.set_desired_state(nothing.clone()).await), Code::InvalidArgument);
    let interval = SetDesiredState { drift_interval_seconds: Some(5), ..nothing };
    assert_eq!(code(kit.services.set_desired_state(interval).await), Code::InvalidArgument);
    assert_eq!(code(kit.services.set_desired_state(desired(&session, DesiredState::Applied)).await), Code::InvalidDesign, "nothing saved");
}

// ----------------------------------------------------------------------------------------------------------- approvals

/// A design that wants Applied (generation 2) and waits for the approval of a plan of that generation.
async fn applied(kit: &Kit) -> String {
    let session = kit.design(json!({})).await;
    kit.services.set_desired_state(desired(&session, DesiredState::Applied)).await.unwrap();
    let mut status = awaiting();
    status["observedGeneration"] = json!(2);
    status["plan"]["generation"] = json!(2);
    kit.server.set_status("designs", &session, status);
    session
}

#[tokio::test]
async fn an_approval_names_exactly_the_plan_and_is_accepted_when_a_job_takes_it() {
    let kit = Kit::new();
    let session = applied(&kit).await;
    let server = kit.server.clone();
    let controller = tokio::spawn(async move {
        loop {
            if let Some(name) = server.names("approvals").first() {
                server.set_status("approvals", name, json!({ "consumedBy": "apply-1" }));
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    let mut input = approve(&session, sha('a').to_uppercase());
    input.expires_in_seconds = Some(600);
    let answer = kit.services.approve_plan(input).await.unwrap();
    controller.await.unwrap();
    assert_eq!((answer.state, answer.job.as_deref()), (ApprovalState::Accepted, Some("apply-1")));
    let stored = kit.server.object("approvals", &answer.approval).unwrap();
    assert_eq!(stored["spec"]["planSha256"], json!(sha('a')));
    assert_eq!(stored["spec"]["generation"], json!(2));
    assert_eq!(stored["spec"]["expiresAt"], json!("2026-01-01T00:20:00Z"));
    assert_eq!(stored["status"]["role"], json!("editor"), "stamped by the server");
}

#[tokio::test]
async fn a_repeated_approval_is_one_approval_and_never_outlives_the_plan() {
    let kit = Kit::new();
    let session = applied(&kit).await;
    let mut input = approve(&session, sha('a'));
    input.expires_in_seconds = Some(86_400);
    let first = kit.services.approve_plan(input.clone()).await.unwrap();
    let second = kit.services.approve_plan(input.clone()).await.unwrap();
    assert_eq!((first.state, &first.approval), (ApprovalState::Recorded, &second.approval));
    assert_eq!(first.expires_at, "2026-01-01T01:05:00Z", "never longer than the plan");
    assert_eq!(kit.server.names("approvals").len(), 1);
    kit.server.set_status("approvals", &first.approval, json!({ "refused": { "reason": "StateChanged", "message": "the state moved" } }));
    kit.services.approve_plan(input).await.unwrap();
    assert_eq!(kit.server.names("approvals").len(), 2, "a refused one is spent; a further yes is a further approval");
}

#[tokio::test]
async fn what_cannot_be_accepted_is_refused_early_and_no_approval_is_made() {
    let rows: [(Value, String, Code, &str, &str); 9] = [
        (json!({}), sha('c'), Code::ApprovalRefused, "WrongPlan", "another plan"),
        (json!({}), sha('a')[..12].to_owned(), Code::InvalidArgument, "", "a prefix"),
        (json!({}), "x".repeat(64), Code::InvalidArgument, "", "no hex"),
        (json!({ "plan": null }), sha('a'), Code::ApprovalRefused, "NoPlan", "no plan"),
        (json!({ "plan": { "generation": 1 } }), sha('a'), Code::ApprovalRefused, "GenerationChanged", "edited since"),
        (json!({ "state": { "serial": 4 } }), sha('a'), Code::ApprovalRefused, "StateChanged", "another serial"),
        (json!({ "plan": { "expiresAt": "2026-01-01T00:09:00Z" } }), sha('a'), Code::PlanExpired, "Expired", "too old"),
        (
            json!({ "outcome": { "unknown": true, "inFlight": [{ "address": "a", "action": "create" }] } }),
            sha('a'),
            Code::ApprovalRequired,
            "InFlight",
            "in flight",
        ),
        (json!({ "state": { "lineage": "other" } }), sha('a'), Code::ApprovalRefused, "StateChanged", "another lineage"),
    ];
    for (status, sha, expected, why, reason) in rows {
        let kit = Kit::new();
        let session = applied(&kit).await;
        kit.server.set_status("designs", &session, status);
        let error = kit.services.approve_plan(approve(&session, sha)).await.unwrap_err();
        assert_eq!(error.code, expected, "{reason}");
        assert_eq!(error.details["reason"].as_str().unwrap_or(""), why, "{reason}");
        assert!(!error.hint.is_empty(), "{reason}");
        assert!(kit.server.names("approvals").is_empty(), "{reason}");
    }
}

#[tokio::test]
async fn under_policy_human_nothing_the_editor_sends_is_enough() {
    for by_server in [false, true] {
        let minimum = if by_server { ApprovalPolicy::Human } else { ApprovalPolicy::Auto };
        let kit = Kit::with(Identity::editor(Channel::Mcp), Settings { min_approval: minimum, ..Settings::default() });
        let session = applied(&kit).await;
        if !by_server {
            let input =
                SetDesiredState { session_id: session.clone(), approval_policy: Some(ApprovalPolicy::Human), ..SetDesiredState::default() };
            kit.services.set_desired_state(input).await.unwrap();
            kit.server.set_status("designs", &session, json!({ "plan": { "generation": 3 } }));
        }
        let error = kit.services.approve_plan(approve(&session, sha('a'))).await.unwrap_err();
        assert_eq!((error.code, &error.details["reason"]), (Code::ApprovalRefused, &json!("ApproverRequired")));
        assert!(error.hint.contains(&format!("galley approve {session}")), "{}", error.hint);
        assert!(kit.server.names("approvals").is_empty());
    }
    let kit = Kit::with(Identity::approver(Channel::Cli), Settings { min_approval: ApprovalPolicy::Human, ..Settings::default() });
    let session = applied(&kit).await;
    assert_eq!(kit.services.approve_plan(approve(&session, sha('a'))).await.unwrap().state, ApprovalState::Recorded);
}

#[tokio::test]
async fn a_refusal_by_the_controllers_is_told_with_its_reason() {
    let kit = Kit::new();
    let session = applied(&kit).await;
    let server = kit.server.clone();
    tokio::spawn(async move {
        while server.names("approvals").is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        server.set_status(
            "approvals",
            &server.names("approvals")[0],
            json!({ "refused": { "reason": "PlanTampered", "message": "the plan file is not the one that was planned" } }),
        );
    });
    let error = kit.services.approve_plan(approve(&session, sha('a'))).await.unwrap_err();
    assert_eq!((error.code, &error.details["reason"]), (Code::ApprovalRefused, &json!("PlanTampered")));
}

#[tokio::test]
async fn a_plan_of_a_design_that_is_only_planned_is_not_approved() {
    let kit = Kit::new();
    let session = kit.design(awaiting()).await;
    let error = kit.services.approve_plan(approve(&session, sha('a'))).await.unwrap_err();
    assert_eq!((error.code, &error.details["reason"]), (Code::ApprovalRefused, &json!("NotWanted")));
}

// ---------------------------------------------------------------------------------------------------------- cancelling

#[tokio::test]
async fn cancelling_asks_the_active_job_to_stop_and_never_touches_another_sessions_job() {
    let kit = Kit::new();
    let session = kit.design(json!({})).await;
    let other = kit.design(json!({})).await;
    let input = |job: Option<&str>| CancelJob { session_id: session.clone(), job: job.map(str::to_owned) };
    assert_eq!(code(kit.services.cancel_job(input(None)).await), Code::InvalidArgument, "nothing runs");
    kit.job(&session, "job-1", "Apply", json!({ "phase": "Running" }));
    kit.job(&session, "job-0", "Plan", json!({ "phase": "Succeeded" }));
    kit.job(&other, "job-2", "Apply", json!({ "phase": "Running" }));
    kit.server.set_status("designs", &session, json!({ "activeJob": "job-1" }));
    let answer = kit.services.cancel_job(input(None)).await.unwrap();
    assert_eq!((answer.job.as_str(), answer.cancelling), ("job-1", true));
    assert_eq!(kit.server.object("terraformjobs", "job-1").unwrap()["spec"]["cancel"], json!(true));
    assert!(!kit.services.cancel_job(input(Some("job-0"))).await.unwrap().cancelling, "it had ended");
    for foreign in ["job-2", "job-9", "../sessions/x"] {
        assert_eq!(code(kit.services.cancel_job(input(Some(foreign))).await), Code::InvalidArgument, "{foreign}");
    }
    assert_eq!(kit.server.object("terraformjobs", "job-2").unwrap()["spec"].get("cancel"), None);
}

// -------------------------------------------------------------------------------------------------------------- status

fn status(session: &str, wait: u64, since: Option<&str>) -> GetStatus {
    GetStatus { session_id: session.into(), wait_seconds: Some(wait), since: since.map(str::to_owned) }
}

#[tokio::test]
async fn a_status_says_what_waits_what_failed_and_what_to_call_next() {
    let kit = Kit::new();
    let session = kit.session().await;
    let empty = kit.services.get_status(status(&session, 0, None)).await.unwrap();
    assert!(empty.next_actions[0].contains("save_architecture"));
    let session = kit.design(awaiting()).await;
    let view = kit.services.get_status(status(&session, 0, None)).await.unwrap();
    assert_eq!(view.ready_reason.as_deref(), Some("AwaitingApproval"));
    assert_eq!(view.plan.as_ref().unwrap().plan_sha256, sha('a'));
    assert!(view.next_actions[0].contains("approve_plan"));
    assert!(view.summary.contains(&sha('a')), "a host that shows only text must be able to approve");
    kit.server.set_status(
        "designs",
        &session,
        json!({ "conditions": [condition("False", "JobFailed")], "outputs": { "ip": "192.0.2.1" },
            "drift": { "items": [{ "address": "oci_core_vcn.vcn", "action": "update", "changedPaths": ["display_name"] }] },
            "lastFailure": { "job": "apply-1", "action": "Apply", "class": "Stalled", "reason": "JobFailed", "attempts": 1,
                "diagnostics": [{ "severity": "error", "code": "400-LimitExceeded", "summary": "vcn-count exceeded", "whoActs": "Stalled" }],
                "nextActions": ["raise the limit"], "created": ["a"], "failed": ["b"], "notAttempted": ["c"] } }),
    );
    let view = kit.services.get_status(status(&session, 0, None)).await.unwrap();
    let failure = view.last_failure.as_ref().unwrap();
    assert_eq!((failure.diagnostics[0].code.as_deref(), failure.next_actions[0].as_str()), (Some("400-LimitExceeded"), "raise the limit"));
    assert_eq!((failure.created.len(), failure.failed.len(), failure.not_attempted.len()), (1, 1, 1));
    assert!(view.next_actions[0].contains("Retry") && view.next_actions[0].contains("apply-1"));
    assert_eq!(view.drift.as_ref().unwrap().items[0].address, "oci_core_vcn.vcn");
    assert_eq!(view.outputs["ip"], json!("192.0.2.1"));
}

#[tokio::test]
async fn a_long_poll_ends_when_something_worth_saying_changes() {
    let kit = Kit::new();
    let session = kit.design(awaiting()).await;
    let first = kit.services.get_status(status(&session, 0, None)).await.unwrap();
    let server = kit.server.clone();
    let name = session.clone();
    let controller = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.set_status("designs", &name, json!({ "digest": "does not matter to a person" }));
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.set_status("designs", &name, json!({ "conditions": [condition("True", "Synced")], "sync": "Synced" }));
    });
    let started = std::time::Instant::now();
    let next = kit.services.get_status(status(&session, 20, Some(&first.since))).await.unwrap();
    controller.await.unwrap();
    assert!(next.changed && next.since != first.since);
    assert_eq!(next.ready_reason.as_deref(), Some("Synced"));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let same = kit.services.get_status(status(&session, 0, Some(&next.since))).await.unwrap();
    assert!(!same.changed);
}

#[tokio::test]
async fn without_since_a_long_poll_waits_until_a_person_is_needed_and_reports_progress() {
    let kit = Kit::new();
    let session =
        kit.design(json!({ "observedGeneration": 1, "activeJob": "job-1", "conditions": [condition("False", "JobRunning")] })).await;
    kit.job(
        &session,
        "job-1",
        "Apply",
        json!({ "phase": "Running", "progress": { "step": "apply", "total": 15, "done": 3, "current": ["oci_core_vcn.vcn"] } }),
    );
    let reports: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let sink = Arc::clone(&reports);
    let observer: Observer = Arc::new(move |report| sink.lock().unwrap().push(report));
    let server = kit.server.clone();
    let name = session.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(60)).await;
        server.set_status("designs", &name, json!({ "observedGeneration": 1, "wait_reason": "x" }));
        tokio::time::sleep(Duration::from_millis(60)).await;
        server.set_status("designs", &name, json!({ "activeJob": null, "conditions": [condition("True", "Synced")] }));
    });
    let view = kit.services.get_status_observed(status(&session, 20, None), Some(observer)).await.unwrap();
    assert_eq!(view.ready_reason.as_deref(), Some("Synced"));
    let reports = reports.lock().unwrap();
    assert!(reports.iter().any(|report| report.message.contains("3/15") && report.message.contains("oci_core_vcn.vcn")), "{reports:?}");
    assert!(reports.windows(2).all(|pair| pair[0].elapsed <= pair[1].elapsed), "progress never goes back");
}

#[tokio::test]
async fn a_wait_ends_in_time_and_when_the_session_goes_away() {
    let kit = Kit::new();
    let session = kit.design(awaiting()).await;
    let first = kit.services.get_status(status(&session, 0, None)).await.unwrap();
    let started = std::time::Instant::now();
    let same = kit.services.get_status(status(&session, 1, Some(&first.since))).await.unwrap();
    assert!(!same.changed && started.elapsed() >= Duration::from_secs(1) && started.elapsed() < Duration::from_secs(5));
    let services = kit.services.clone();
    let name = session.clone();
    let since = first.since.clone();
    let waiting = tokio::spawn(async move { services.get_status(status(&name, 20, Some(&since))).await });
    kit.services.delete_session(DeleteSession { session_id: session.clone(), confirm: session.clone() }).await.unwrap();
    assert_eq!(code(waiting.await.unwrap()), Code::SessionNotFound);
}

// ------------------------------------------------------------------------------------------------------- plan and logs

fn get_plan(session: &str) -> GetPlan {
    GetPlan { session_id: session.into(), ..GetPlan::default() }
}

#[tokio::test]
async fn a_plan_names_every_delete_and_replace_with_what_forces_it() {
    let kit = Kit::new();
    let session = kit.design(json!({})).await;
    assert_eq!(code(kit.services.get_plan(get_plan(&session)).await), Code::InvalidDesign, "no plan yet");
    let session = kit.design(awaiting()).await;
    let page = kit.services.get_plan(get_plan(&session)).await.unwrap();
    assert_eq!(page.changes.len(), 2, "the summary holds deletes and replaces");
    assert_eq!(page.changes[1].forced_by, ["cidr_block"]);
    assert!(
        page.summary.contains("oci_core_instance.old") && page.summary.contains("oci_core_subnet.app (cidr_block)"),
        "{}",
        page.summary
    );
    assert!(page.current && !page.expired);
    let all = kit.services.get_plan(GetPlan { detail: Some(Detail::Changes), ..get_plan(&session) }).await.unwrap();
    assert_eq!((all.changes.len(), all.omitted), (3, 0));
}

#[tokio::test]
async fn a_large_plan_is_paged_within_the_budget_without_losing_a_change() {
    let kit = Kit::new();
    let mut status = awaiting();
    status["plan"]["counts"] = json!({ "create": 0, "update": 0, "replace": 400, "delete": 0 });
    let session = kit.design(status).await;
    let changes: Vec<Value> = (0..400)
        .map(|n| json!({ "address": format!("oci_core_subnet.subnet_with_a_rather_long_name_{n:03}"), "mode": "managed",
            "change": { "actions": ["delete", "create"], "replace_paths": [["cidr_block"]], "before": { "cidr_block": "a" }, "after": { "cidr_block": "b" } } }))
        .collect();
    kit.blob(&session, "plan-1", JobBlob::PlanJson, &json!({ "resource_changes": changes }).to_string()).await;
    let mut seen = std::collections::BTreeSet::new();
    let mut cursor = None;
    loop {
        let page = kit.services.get_plan(GetPlan { cursor, ..get_plan(&session) }).await.unwrap();
        let size = serde_json::to_string(&page).unwrap().len() + page.summary.len();
        assert!(size <= 10_000, "{size} bytes");
        seen.extend(page.changes.iter().map(|change| change.address.clone()));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 400);
    let big = kit.services.get_plan(GetPlan { limit: Some(200), ..get_plan(&session) }).await.unwrap();
    assert!(serde_json::to_string(&big).unwrap().len() <= 32_000);
    let foreign = GetPlan { cursor: Some("20-cccccccccccc".into()), ..get_plan(&session) };
    assert_eq!(code(kit.services.get_plan(foreign).await), Code::InvalidArgument, "a cursor of another plan");
}

#[tokio::test]
async fn one_resource_is_shown_before_and_after_with_secrets_masked() {
    let kit = Kit::new();
    let session = kit.design(awaiting()).await;
    let resource = |address: &str| GetPlan { detail: Some(Detail::Resource), address: Some(address.into()), ..get_plan(&session) };
    assert_eq!(code(kit.services.get_plan(resource("oci_core_subnet.app")).await), Code::StorageUnavailable, "not stored");
    let show = json!({ "resource_changes": [{ "address": "oci_core_subnet.app", "mode": "managed", "change": { "actions": ["delete", "create"],
        "replace_paths": [["cidr_block"]], "before": { "cidr_block": "10.0.0.0/24", "key": "hunter2" }, "after": { "cidr_block": "10.0.1.0/24", "key": "hunter3" },
        "before_sensitive": { "key": true }, "after_sensitive": { "key": true } } }] });
    kit.blob(&session, "plan-1", JobBlob::PlanJson, &show.to_string()).await;
    let page = kit.services.get_plan(resource("oci_core_subnet.app")).await.unwrap();
    assert_eq!(page.values.len(), 1);
    assert!(page.values[0].forces_replace && page.values[0].before == json!("10.0.0.0/24"));
    assert!(!serde_json::to_string(&page).unwrap().contains("hunter"));
    let error = kit.services.get_plan(resource("nobody")).await.unwrap_err();
    assert_eq!(error.details["problems"][0]["allowed"], json!(["oci_core_subnet.app"]));
}

#[tokio::test]
async fn a_log_is_read_from_its_end_or_page_by_page() {
    let kit = Kit::new();
    let session = kit.design(json!({ "activeJob": "job-1" })).await;
    let input = |cursor: Option<String>, tail| GetJobLog { session_id: session.clone(), cursor, tail_lines: tail, ..GetJobLog::default() };
    assert_eq!(code(kit.services.get_job_log(input(None, None)).await), Code::InvalidArgument, "no such job yet");
    kit.job(&session, "job-1", "Apply", json!({ "phase": "Running" }));
    assert!(kit.services.get_job_log(input(None, None)).await.unwrap().lines.is_empty());
    let text: String =
        (0..1000).map(|n| format!("{}\n", json!({ "time": "t", "level": "info", "message": format!("line {n}") }))).collect();
    kit.blob(&session, "job-1", JobBlob::Log, &text).await;
    let tail = kit.services.get_job_log(input(None, Some(3))).await.unwrap();
    assert_eq!(tail.lines, ["t info line 997", "t info line 998", "t info line 999"]);
    assert!(tail.open && !tail.more);
    let (mut lines, mut cursor) = (Vec::new(), "0".to_owned());
    loop {
        let page = kit.services.get_job_log(input(Some(cursor), None)).await.unwrap();
        assert!(serde_json::to_string(&page).unwrap().len() < 8_000);
        lines.extend(page.lines);
        cursor = page.next_cursor;
        if !page.more {
            break;
        }
    }
    assert_eq!(lines.len(), 1000);
    assert_eq!(code(kit.services.get_job_log(input(Some("999999999".into()), None)).await), Code::InvalidArgument);
    assert_eq!(plan()["job"], json!("plan-1"));
}

#[tokio::test]
async fn japanese_sessions_are_answered_in_japanese() {
    let kit = Kit::new();
    let input = CreateSession { title: "x".into(), language: Some(Language::Ja), ..CreateSession::default() };
    let session = kit.services.create_session(input).await.unwrap().session_id;
    let error = kit.services.set_desired_state(desired(&session, DesiredState::Applied)).await.unwrap_err();
    assert!(error.message.contains("アーキテクチャがありません") && error.hint.contains("save_architecture"), "{error:?}");
    let error = kit.services.save_architecture(save(&session, vec![component("x", "y", json!({}))], vec![])).await.unwrap_err();
    assert!(error.message.contains("Ja"), "the judge is told the language: {error}");
}
