//! Status, plan and log: what is said, and how a wait ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::{code, component, desired, save};
use crate::api::design::DesiredState;
use crate::api::session::Language;
use crate::blobs::JobBlob;
use crate::services::Code;
use crate::services::log::GetJobLog;
use crate::services::plan::{Detail, GetPlan};
use crate::services::session::{CreateSession, DeleteSession};
use crate::services::status::{GetStatus, Observer, Progress};
use crate::services::testkit::{Kit, awaiting, condition, plan, sha};

fn status(session: &str, wait: u64, since: Option<&str>) -> GetStatus {
    GetStatus { session_id: session.into(), wait_seconds: Some(wait), since: since.map(str::to_owned) }
}

#[tokio::test]
async fn a_status_says_what_waits_what_failed_and_what_to_call_next() {
    let kit = Kit::new().await;
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
    ).await;
    let view = kit.services.get_status(status(&session, 0, None)).await.unwrap();
    let failure = view.last_failure.as_ref().unwrap();
    assert_eq!((failure.diagnostics[0].code.as_deref(), failure.next_actions[0].as_str()), (Some("400-LimitExceeded"), "raise the limit"));
    assert_eq!((failure.created.len(), failure.failed.len(), failure.not_attempted.len()), (1, 1, 1));
    assert!(view.next_actions[0].contains("Retry") && view.next_actions[0].contains("apply-1"));
    assert_eq!(view.drift.as_ref().unwrap().items[0].address, "oci_core_vcn.vcn");
    assert_eq!(view.outputs["ip"], json!("192.0.2.1"));
}

#[tokio::test]
async fn the_worst_status_stays_bounded() {
    let kit = Kit::new().await;
    let long = "長い説明".repeat(300);
    let finding = json!({ "rule": "r", "severity": "error", "path": "components[x]", "message": long, "recommendation": long, "allowed": vec!["word"; 500] });
    let change =
        json!({ "address": format!("oci_core_subnet.{}", "x".repeat(60)), "action": "update", "changedPaths": vec!["display_name"; 50] });
    let diagnostic = json!({ "severity": "error", "summary": long, "detail": long, "whoActs": "Stalled" });
    let names: Vec<String> = (0..500).map(|n| format!("oci_core_subnet.subnet_{n}")).collect();
    let mut status = awaiting();
    status["findings"] = json!({ "errors": 50, "warnings": 0, "infos": 0, "items": vec![finding; 50] });
    status["drift"] = json!({ "items": vec![change; 50] });
    status["outputs"] = json!((0..100).map(|n| (format!("o{n}"), long.clone())).collect::<std::collections::BTreeMap<_, _>>());
    status["lastFailure"] = json!({ "job": "j", "action": "Apply", "class": "Stalled", "reason": "JobFailed", "attempts": 1, "nextActions": vec![long.clone(); 20],
        "diagnostics": vec![diagnostic; 20], "created": names, "failed": names, "notAttempted": names });
    let session = kit.design(status).await;
    let view = kit.services.get_status(status_of(&session)).await.unwrap();
    let size = serde_json::to_string(&view).unwrap().len();
    assert!(size <= 32_000, "{size} bytes");
    assert!(view.summary.len() <= 4_000, "{} bytes of text", view.summary.len());
    assert_eq!(view.last_failure.unwrap().omitted, 3 * 490);
}

fn status_of(session: &str) -> GetStatus {
    GetStatus { session_id: session.into(), ..GetStatus::default() }
}

#[tokio::test]
async fn a_long_poll_ends_when_something_worth_saying_changes() {
    let kit = Kit::new().await;
    let session = kit.design(awaiting()).await;
    let first = kit.services.get_status(status(&session, 0, None)).await.unwrap();
    let server = kit.server.clone();
    let name = session.clone();
    let controller = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.set_status("designs", &name, json!({ "digest": "does not matter to a person" })).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.set_status("designs", &name, json!({ "conditions": [condition("True", "Synced")], "sync": "Synced" })).await;
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
    let kit = Kit::new().await;
    let session =
        kit.design(json!({ "observedGeneration": 1, "activeJob": "job-1", "conditions": [condition("False", "JobRunning")] })).await;
    kit.job(
        &session,
        "job-1",
        "Apply",
        json!({ "phase": "Running", "progress": { "step": "apply", "total": 15, "done": 3, "current": ["oci_core_vcn.vcn"] } }),
    )
    .await;
    let reports: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let sink = Arc::clone(&reports);
    let observer: Observer = Arc::new(move |report| sink.lock().unwrap().push(report));
    let server = kit.server.clone();
    let name = session.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(60)).await;
        server.set_status("designs", &name, json!({ "observedGeneration": 1, "wait_reason": "x" })).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
        server.set_status("designs", &name, json!({ "activeJob": null, "conditions": [condition("True", "Synced")] })).await;
    });
    let view = kit.services.get_status_observed(status(&session, 20, None), Some(observer)).await.unwrap();
    assert_eq!(view.ready_reason.as_deref(), Some("Synced"));
    let reports = reports.lock().unwrap();
    assert!(reports.iter().any(|report| report.message.contains("3/15") && report.message.contains("oci_core_vcn.vcn")), "{reports:?}");
    assert!(reports.windows(2).all(|pair| pair[0].elapsed <= pair[1].elapsed), "progress never goes back");
}

#[tokio::test]
async fn a_wait_ends_in_time_and_when_the_session_goes_away() {
    let kit = Kit::new().await;
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

fn get_plan(session: &str) -> GetPlan {
    GetPlan { session_id: session.into(), ..GetPlan::default() }
}

#[tokio::test]
async fn a_plan_names_every_delete_and_replace_with_what_forces_it() {
    let kit = Kit::new().await;
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
    let kit = Kit::new().await;
    let mut status = awaiting();
    status["plan"]["counts"] = json!({ "create": 0, "update": 0, "replace": 400, "delete": 0 });
    let session = kit.design(status).await;
    let changes: Vec<Value> = (0..400)
        .map(|n| json!({ "address": format!("oci_core_subnet.subnet_with_a_rather_long_name_{n:03}"), "mode": "managed",
            "change": { "actions": ["delete", "create"], "replace_paths": [["cidr_block"]], "before": { "cidr_block": "a" }, "after": { "cidr_block": "b" } } }))
        .collect();
    kit.blob(&session, "plan-1", JobBlob::PlanJson, &json!({ "format_version": "1.2", "resource_changes": changes }).to_string()).await;
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
async fn a_plan_of_a_thousand_changes_fits_fifteen_hundred_tokens_and_names_every_delete_and_replace() {
    let kit = Kit::new().await;
    let mut status = awaiting();
    status["plan"]["counts"] = json!({ "create": 976, "update": 0, "replace": 12, "delete": 12 });
    let session = kit.design(status).await;
    let address = |n: usize| format!("oci_core_network_security_group_security_rule.component_{n:04}_ingress");
    let change = |n: usize| match n {
        0..12 => json!({ "actions": ["delete"], "before": { "a": 1 }, "after": null }),
        12..24 => json!({ "actions": ["delete", "create"], "replace_paths": [["direction"]], "before": { "a": 1 }, "after": { "a": 2 } }),
        _ => json!({ "actions": ["create"], "before": null, "after": { "a": 1 } }),
    };
    let changes: Vec<Value> = (0..1000).map(|n| json!({ "address": address(n), "mode": "managed", "change": change(n) })).collect();
    kit.blob(&session, "plan-1", JobBlob::PlanJson, &json!({ "format_version": "1.2", "resource_changes": changes }).to_string()).await;
    let page = kit.services.get_plan(get_plan(&session)).await.unwrap();
    let size = serde_json::to_string(&page).unwrap().len() + page.summary.len();
    assert!(size <= 6_000, "{size} bytes are {} tokens", size / 4);
    assert!(page.next_cursor.is_none());
    for n in 0..24 {
        assert!(page.changes.iter().any(|change| change.address == address(n)), "{n} is not named");
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let input = GetPlan { detail: Some(Detail::Changes), limit: Some(200), cursor, ..get_plan(&session) };
        let page = kit.services.get_plan(input).await.unwrap();
        seen.extend(page.changes.into_iter().map(|change| change.address));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.iter().collect::<std::collections::BTreeSet<_>>().len(), 1000);
    assert_eq!(seen.len(), 1000, "each once");
}

#[tokio::test]
async fn one_resource_is_shown_before_and_after_with_secrets_masked() {
    let kit = Kit::new().await;
    let session = kit.design(awaiting()).await;
    let resource = |address: &str| GetPlan { detail: Some(Detail::Resource), address: Some(address.into()), ..get_plan(&session) };
    assert_eq!(code(kit.services.get_plan(resource("oci_core_subnet.app")).await), Code::StorageUnavailable, "not stored");
    let show = json!({ "format_version": "1.2", "resource_changes": [{ "address": "oci_core_subnet.app", "mode": "managed", "change": { "actions": ["delete", "create"],
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
    let kit = Kit::new().await;
    let session = kit.design(json!({ "activeJob": "job-1" })).await;
    let input = |cursor: Option<String>, tail| GetJobLog { session_id: session.clone(), cursor, tail_lines: tail, ..GetJobLog::default() };
    assert_eq!(code(kit.services.get_job_log(input(None, None)).await), Code::InvalidArgument, "no such job yet");
    kit.job(&session, "job-1", "Apply", json!({ "phase": "Running" })).await;
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
    let kit = Kit::new().await;
    let input = CreateSession { title: "x".into(), language: Some(Language::Ja), ..CreateSession::default() };
    let session = kit.services.create_session(input).await.unwrap().session_id;
    let error = kit.services.set_desired_state(desired(&session, DesiredState::Applied)).await.unwrap_err();
    assert!(error.message.contains("アーキテクチャがありません") && error.hint.contains("save_architecture"), "{error:?}");
    let error = kit.services.save_architecture(save(&session, vec![component("x", "y", json!({}))], vec![])).await.unwrap_err();
    assert!(error.message.contains("Ja"), "the judge is told the language: {error}");
}
