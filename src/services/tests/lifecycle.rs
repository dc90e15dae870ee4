//! Desired state, approvals, cancelling: what is written, refused and consumed.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::{approve, code, component, desired, operation, save};
use crate::api::approval::{Channel, Identity};
use crate::api::design::{ApprovalPolicy, DesiredState, RequestAction};
use crate::services::lifecycle::{ApprovalState, CancelJob, SetDesiredState};
use crate::services::testkit::{Kit, awaiting, settings, sha};
use crate::services::{Code, Settings};

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
        let kit = Kit::new().await;
        let session = kit.design(json!({})).await;
        kit.job(&session, "job-1", action, json!({ "phase": "Running" })).await;
        kit.server.set_status("sessions", &session, operation(requested, action, "job-1")).await;
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
    let kit = Kit::new().await;
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
    let kit = Kit::new().await;
    let session = kit.design(json!({})).await;
    assert_eq!(code(kit.services.set_desired_state(policy(&session, ApprovalPolicy::Auto)).await), Code::NotPermitted);
    kit.services.set_desired_state(policy(&session, ApprovalPolicy::Human)).await.unwrap();
    assert_eq!(code(kit.services.set_desired_state(policy(&session, ApprovalPolicy::Agent)).await), Code::NotPermitted);
    let kit = Kit::with(Identity::approver(Channel::Cli), Settings { min_approval: ApprovalPolicy::Agent, ..settings() }).await;
    let session = kit.design(json!({})).await;
    kit.services.set_desired_state(policy(&session, ApprovalPolicy::Human)).await.unwrap();
    kit.services.set_desired_state(policy(&session, ApprovalPolicy::Agent)).await.unwrap();
    assert_eq!(code(kit.services.set_desired_state(policy(&session, ApprovalPolicy::Auto)).await), Code::NotPermitted, "below the minimum");
}

#[tokio::test]
async fn an_empty_or_impossible_edit_is_refused() {
    let kit = Kit::new().await;
    let session = kit.session().await;
    let nothing = SetDesiredState { session_id: session.clone(), ..SetDesiredState::default() };
    assert_eq!(code(kit.services.set_desired_state(nothing.clone()).await), Code::InvalidArgument);
    let interval = SetDesiredState { drift_interval_seconds: Some(5), ..nothing };
    assert_eq!(code(kit.services.set_desired_state(interval).await), Code::InvalidArgument);
    assert_eq!(code(kit.services.set_desired_state(desired(&session, DesiredState::Applied)).await), Code::InvalidDesign, "nothing saved");
}

/// A design that wants Applied (generation 2) and waits for the approval of a plan of that generation.
async fn applied(kit: &Kit) -> String {
    let session = kit.design(json!({})).await;
    kit.services.set_desired_state(desired(&session, DesiredState::Applied)).await.unwrap();
    let mut status = awaiting();
    status["observedGeneration"] = json!(2);
    status["plan"]["generation"] = json!(2);
    kit.server.set_status("designs", &session, status).await;
    session
}

#[tokio::test]
async fn an_approval_names_exactly_the_plan_and_is_accepted_when_a_job_takes_it() {
    let kit = Kit::new().await;
    let session = applied(&kit).await;
    let server = kit.server.clone();
    let controller = tokio::spawn(async move {
        loop {
            if let Some(name) = server.names("approvals").first() {
                server.set_status("approvals", name, json!({ "consumedBy": "apply-1" })).await;
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
    let kit = Kit::new().await;
    let session = applied(&kit).await;
    let mut input = approve(&session, sha('a'));
    input.expires_in_seconds = Some(86_400);
    let first = kit.services.approve_plan(input.clone()).await.unwrap();
    let second = kit.services.approve_plan(input.clone()).await.unwrap();
    assert_eq!((first.state, &first.approval), (ApprovalState::Recorded, &second.approval));
    assert_eq!(first.expires_at, "2026-01-01T01:05:00Z", "never longer than the plan");
    assert_eq!(kit.server.names("approvals").len(), 1);
    kit.server
        .set_status("approvals", &first.approval, json!({ "refused": { "reason": "StateChanged", "message": "the state moved" } }))
        .await;
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
        let kit = Kit::new().await;
        let session = applied(&kit).await;
        kit.server.set_status("designs", &session, status).await;
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
        let kit = Kit::with(Identity::editor(Channel::Mcp), Settings { min_approval: minimum, ..settings() }).await;
        let session = applied(&kit).await;
        if !by_server {
            let input =
                SetDesiredState { session_id: session.clone(), approval_policy: Some(ApprovalPolicy::Human), ..SetDesiredState::default() };
            kit.services.set_desired_state(input).await.unwrap();
            kit.server.set_status("designs", &session, json!({ "plan": { "generation": 3 } })).await;
        }
        let error = kit.services.approve_plan(approve(&session, sha('a'))).await.unwrap_err();
        assert_eq!((error.code, &error.details["reason"]), (Code::ApprovalRefused, &json!("ApproverRequired")));
        assert!(error.hint.contains(&format!("galley approve {session}")), "{}", error.hint);
        assert!(kit.server.names("approvals").is_empty());
    }
    let kit = Kit::with(Identity::approver(Channel::Cli), Settings { min_approval: ApprovalPolicy::Human, ..settings() }).await;
    let session = applied(&kit).await;
    assert_eq!(kit.services.approve_plan(approve(&session, sha('a'))).await.unwrap().state, ApprovalState::Recorded);
}

#[tokio::test]
async fn a_refusal_by_the_controllers_is_told_with_its_reason() {
    let kit = Kit::new().await;
    let session = applied(&kit).await;
    let server = kit.server.clone();
    tokio::spawn(async move {
        while server.names("approvals").is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        server
            .set_status(
                "approvals",
                &server.names("approvals")[0],
                json!({ "refused": { "reason": "PlanTampered", "message": "the plan file is not the one that was planned" } }),
            )
            .await;
    });
    let error = kit.services.approve_plan(approve(&session, sha('a'))).await.unwrap_err();
    assert_eq!((error.code, &error.details["reason"]), (Code::ApprovalRefused, &json!("PlanTampered")));
}

#[tokio::test]
async fn a_plan_of_a_design_that_is_only_planned_is_not_approved() {
    let kit = Kit::new().await;
    let session = kit.design(awaiting()).await;
    let error = kit.services.approve_plan(approve(&session, sha('a'))).await.unwrap_err();
    assert_eq!((error.code, &error.details["reason"]), (Code::ApprovalRefused, &json!("NotWanted")));
}

#[tokio::test]
async fn cancelling_asks_the_active_job_to_stop_and_never_touches_another_sessions_job() {
    let kit = Kit::new().await;
    let session = kit.design(json!({})).await;
    let other = kit.design(json!({})).await;
    let input = |job: Option<&str>| CancelJob { session_id: session.clone(), job: job.map(str::to_owned) };
    assert_eq!(code(kit.services.cancel_job(input(None)).await), Code::InvalidArgument, "nothing runs");
    kit.job(&session, "job-1", "Apply", json!({ "phase": "Running" })).await;
    kit.job(&session, "job-0", "Plan", json!({ "phase": "Succeeded" })).await;
    kit.job(&other, "job-2", "Apply", json!({ "phase": "Running" })).await;
    kit.server.set_status("designs", &session, json!({ "activeJob": "job-1" })).await;
    let answer = kit.services.cancel_job(input(None)).await.unwrap();
    assert_eq!((answer.job.as_str(), answer.cancelling), ("job-1", true));
    assert_eq!(kit.server.object("terraformjobs", "job-1").unwrap()["spec"]["cancel"], json!(true));
    assert!(!kit.services.cancel_job(input(Some("job-0"))).await.unwrap().cancelling, "it had ended");
    for foreign in ["job-2", "job-9", "../sessions/x"] {
        assert_eq!(code(kit.services.cancel_job(input(Some(foreign))).await), Code::InvalidArgument, "{foreign}");
    }
    assert_eq!(kit.server.object("terraformjobs", "job-2").unwrap()["spec"]["cancel"], json!(false));
}
