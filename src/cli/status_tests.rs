//! The judgement as a table, the frame as a golden text.

use serde_json::{Value, json};

use super::super::text::Lang;
use super::*;

fn design(desired: &str, observed: i64, status: Value) -> Design {
    let mut full = json!({ "observedGeneration": observed });
    full.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "apiVersion": "galley.dev/v1alpha1", "kind": "Design", "metadata": { "name": "s-1", "generation": 2 },
        "spec": { "sessionRef": "s-1", "desiredState": desired }, "status": full
    }))
    .unwrap()
}

fn ready(status: bool, reason: &str) -> Value {
    let word = if status { "True" } else { "False" };
    json!([{ "type": "Ready", "status": word, "reason": reason, "message": "why", "lastTransitionTime": "2026-01-01T00:00:00Z" }])
}

pub(in super::super) fn plan(sha: &str) -> Value {
    json!({ "job": "s-1-plan-1", "destroy": false, "digest": "d", "lineage": "l", "serial": 4, "generation": 2, "planSha256": sha.repeat(64),
        "semanticSha256": "e".repeat(64), "counts": { "create": 1, "update": 1, "replace": 1, "delete": 0 },
        "changes": [
            { "address": "oci_core_instance.vm", "action": "replace", "replacePaths": ["create_vnic_details.subnet_id"] },
            { "address": "oci_core_subnet.app", "action": "create" },
            { "address": "oci_core_vcn.vcn", "action": "update", "changedPaths": ["display_name"] }],
        "driftUpdates": [{ "address": "oci_core_vcn.vcn", "action": "update", "changedPaths": ["display_name"] }],
        "createdAt": "2026-01-01T00:00:00Z", "expiresAt": "2026-01-01T01:00:00Z" })
}

#[test]
fn every_situation_has_its_exit_code() {
    let screen = Screen::plain(Lang::En);
    let synced = json!({ "sync": "Synced", "health": "Healthy", "conditions": ready(true, "Synced") });
    for (why, design, until, exit) in [
        ("built as wanted", design("Applied", 2, synced.clone()), None, Exit::Done),
        ("an older generation says nothing", design("Applied", 1, synced.clone()), None, Exit::InProgress),
        (
            "a plan waits for its approval",
            design("Applied", 2, json!({ "conditions": ready(false, "AwaitingApproval"), "plan": plan("a") })),
            None,
            Exit::Waits,
        ),
        (
            "that plan is what was waited for",
            design("Applied", 2, json!({ "conditions": ready(false, "AwaitingApproval"), "plan": plan("a") })),
            Some(Until::Plan),
            Exit::Done,
        ),
        ("a plan to read", design("Planned", 2, json!({ "conditions": ready(true, "PlanReady"), "plan": plan("a") })), None, Exit::Done),
        (
            "a plan is not a building",
            design("Planned", 2, json!({ "conditions": ready(true, "PlanReady") })),
            Some(Until::Synced),
            Exit::InProgress,
        ),
        ("a job runs", design("Applied", 2, json!({ "conditions": ready(false, "JobRunning") })), None, Exit::InProgress),
        ("a retry comes by itself", design("Applied", 2, json!({ "conditions": ready(false, "RetryScheduled") })), None, Exit::InProgress),
        ("a failed job", design("Applied", 2, json!({ "conditions": ready(false, "JobFailed") })), None, Exit::Failed),
        ("errors in the design", design("Applied", 2, json!({ "conditions": ready(false, "InvalidDesign") })), None, Exit::Failed),
        ("a secret is missing", design("Applied", 2, json!({ "conditions": ready(false, "SecretMissing") })), None, Exit::Waits),
        ("suspended", design("Applied", 2, json!({ "conditions": ready(false, "Suspended") })), None, Exit::Waits),
        ("destroyed", design("Destroyed", 2, json!({ "conditions": ready(true, "Destroyed") })), None, Exit::Done),
        ("a draft", design("Draft", 2, json!({ "conditions": ready(true, "Draft") })), None, Exit::Done),
        (
            "drift degrades",
            design("Applied", 2, json!({ "sync": "OutOfSync", "health": "Degraded", "conditions": ready(false, "JobRunning") })),
            Some(Until::Synced),
            Exit::InProgress,
        ),
        ("nothing observed yet", design("Applied", 0, json!({})), None, Exit::InProgress),
    ] {
        assert_eq!(judge(&design, until, screen).exit(), exit, "{why}");
    }
    let mut asked = design("Applied", 2, synced);
    asked.spec.request = Some(serde_json::from_value(json!({ "id": "r-1", "action": "Plan" })).unwrap());
    assert_eq!(judge(&asked, None, screen).exit(), Exit::InProgress, "a request that is not handled yet");
    asked.status.as_mut().unwrap().handled_request_id = Some("r-1".into());
    assert_eq!(judge(&asked, None, screen).exit(), Exit::Done);
}

#[test]
fn stalled_speaks_before_ready() {
    let conditions = json!([
        { "type": "Ready", "status": "False", "reason": "JobRunning", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" },
        { "type": "Stalled", "status": "True", "reason": "ResourcesVanished", "message": "say so", "lastTransitionTime": "2026-01-01T00:00:00Z" }]);
    let verdict = judge(&design("Applied", 2, json!({ "conditions": conditions })), None, Screen::plain(Lang::En));
    assert_eq!(verdict, Verdict::Waits("ResourcesVanished: say so".into()));
}

fn full() -> (Design, TerraformJob) {
    let design = design(
        "Applied",
        2,
        json!({
            "sync": "OutOfSync", "health": "Progressing", "conditions": ready(false, "JobRunning"), "waitReason": "apply of s-1-apply-1", "plan": plan("a"),
            "findings": { "errors": 0, "warnings": 1, "infos": 2 }, "resources": { "total": 3, "byType": { "oci_core_vcn": 1, "oci_core_subnet": 2 } },
            "drift": { "items": [{ "address": "oci_core_vcn.vcn", "action": "update", "changedPaths": ["display_name"] }, { "address": "oci_core_subnet.x", "action": "delete" }] },
            "lastFailure": { "job": "s-1-apply-0", "action": "Apply", "class": "Stalled", "reason": "JobFailed", "attempts": 1,
                "diagnostics": [{ "severity": "error", "summary": "400-LimitExceeded, standard-e4-core-count\nmore", "address": "oci_core_instance.vm", "whoActs": "Stalled" }],
                "nextActions": ["ask for a higher limit, then set request.action: Retry"], "created": ["a"], "failed": ["b"], "notAttempted": ["c", "d"] }
        }),
    );
    let job = serde_json::from_value(json!({
        "apiVersion": "galley.dev/v1alpha1", "kind": "TerraformJob", "metadata": { "name": "s-1-apply-1" },
        "spec": { "designRef": "s-1", "designUid": "u", "sessionRef": "s-1", "action": "Apply", "digest": "d", "generation": 2 },
        "status": { "phase": "Running", "created": ["oci_core_subnet.app"], "progress": { "step": "apply", "total": 3, "done": 1, "current": ["oci_core_instance.vm"] } }
    }))
    .unwrap();
    (design, job)
}

#[test]
fn the_frame_says_everything_a_person_needs() {
    let (design, job) = full();
    let now: Time = serde_json::from_value(json!("2026-01-01T00:01:00Z")).unwrap();
    let expected = "\
Session    s-1
Target     sandbox
Desired    Applied
Sync       OutOfSync
Health     Progressing
Ready      JobRunning: why
Waits for  apply of s-1-apply-1
Findings   0 errors, 1 warnings, 2 notes
Plan       aaaaaaaaaaaa  1 to create, 1 to change, 1 to replace, 0 to destroy
Resources  3 (oci_core_subnet 2, oci_core_vcn 1)
Job s-1-apply-1  Running
  apply    ████████░░░░░░░░░░░░░░░░ 1/3
  ▸ ± oci_core_instance.vm  replaced because of create_vnic_details.subnet_id
  ✓ + oci_core_subnet.app
  · ~ oci_core_vcn.vcn  changes display_name
Drift
  oci_core_vcn.vcn  changed behind Terraform's back: display_name
  oci_core_subnet.x  gone from the cloud
Failure Apply: JobFailed, attempt 1, 1 done, 1 failed, 2 not tried
  oci_core_instance.vm: 400-LimitExceeded, standard-e4-core-count
  Next: ask for a higher limit, then set request.action: Retry";
    assert_eq!(render(&design, Some(&job), &now, Screen::plain(Lang::En)), expected);
}

#[test]
fn of_many_resources_those_that_move_are_shown_and_outputs_are_told() {
    let (mut design, mut job) = full();
    let changes: Vec<_> = (0..40).map(|at| json!({ "address": format!("oci_core_vcn.n{at:02}"), "action": "create" })).collect();
    let mut status = serde_json::to_value(design.status.take().unwrap()).unwrap();
    status["plan"]["changes"] = json!(changes);
    status["outputs"] = json!({ "vm_private_ip": "10.0.1.2", "ports": [80, 443] });
    design.status = Some(serde_json::from_value(status).unwrap());
    let told = job.status.as_mut().unwrap();
    told.created = (0..20).map(|at| format!("oci_core_vcn.n{at:02}")).collect();
    told.failed = vec!["oci_core_vcn.n37".into()];
    told.progress.as_mut().unwrap().current = vec!["oci_core_vcn.n25".into()];
    let now: Time = serde_json::from_value(json!("2026-01-01T00:01:00Z")).unwrap();
    let text = render(&design, Some(&job), &now, Screen::plain(Lang::En));
    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} is not in\n{text}"));
    assert!(at("✗ + oci_core_vcn.n37") < at("▸ + oci_core_vcn.n25") && at("▸ + oci_core_vcn.n25") < at("· + oci_core_vcn.n20"), "{text}");
    assert!(!text.contains("oci_core_vcn.n00") && text.contains("… and 28 more"), "what is done counts in the bar: {text}");
    assert!(text.contains("Outputs\n  ports          [80,443]\n  vm_private_ip  10.0.1.2"), "{text}");
}

#[test]
fn the_frame_speaks_japanese() {
    let (design, job) = full();
    let now: Time = serde_json::from_value(json!("2026-01-01T00:01:00Z")).unwrap();
    let text = render(&design, Some(&job), &now, Screen::plain(Lang::Ja));
    for part in
        ["セッション  s-1", "作成 1、変更 1、置換 1", "create_vnic_details.subnet_id の変更により置換", "クラウドから消失", "次の操作: "]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn findings_are_told_with_their_place_and_what_to_do() {
    let status = json!({ "conditions": ready(false, "InvalidDesign"), "findings": { "errors": 1, "warnings": 1, "infos": 1, "items": [
        { "rule": "network.cidr", "severity": "error", "path": "components[sub].config.cidr_block", "message": "lies outside", "recommendation": "move it" },
        { "rule": "x", "severity": "warning", "path": "components[vm]", "message": "is public" },
        { "rule": "y", "severity": "info", "path": "components[net]", "message": "a note" }] } });
    let now = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    let text = render(&design("Applied", 2, status), None, &now, Screen::plain(Lang::En));
    assert!(text.contains("\n  ✗ components[sub].config.cidr_block  lies outside  → move it\n  ! components[vm]  is public"), "{text}");
    assert!(!text.contains("a note"), "notes are counted: {text}");
}

#[test]
fn a_design_that_is_being_deleted_is_waited_for_until_it_is_gone() {
    let mut leaving = design("Applied", 2, json!({ "sync": "Synced", "health": "Healthy", "conditions": ready(true, "Synced") }));
    leaving.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    assert_eq!(judge(&leaving, None, Screen::plain(Lang::En)).exit(), Exit::InProgress);
    let now = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    assert!(render(&leaving, None, &now, Screen::plain(Lang::En)).contains("being deleted"));
}
