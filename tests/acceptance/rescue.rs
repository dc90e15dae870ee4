//! A person's way out through the real server: only the approver may ask, approvals given before are void, the cloud is
//! not doubled, everything is told as an Event; and one request is followed from the tool call to the Terraform process.

use std::time::{Duration, Instant};

use galley::api::design::RescueRecord;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::world::{APPROVER, EDITOR, PATIENCE, World, ready_reason};

async fn rescue(world: &World, token: &str, name: &str, rescue: Value) -> Result<(), kube::Error> {
    let designs: Api<galley::api::Design> = Api::default_namespaced(world.kube(token));
    designs.patch(name, &PatchParams::default(), &Patch::Merge(json!({ "spec": { "rescue": rescue } }))).await.map(|_| ())
}

async fn rescued(world: &World, name: &str, id: &str) -> RescueRecord {
    let handled = |design: &galley::api::Design| {
        design.status.as_ref().and_then(|status| status.rescue.as_ref()).is_some_and(|record| record.id == id)
    };
    world.until(name, "the rescue is handled", handled).await.status.and_then(|status| status.rescue).expect("a record")
}

async fn told(world: &World, reason: &str) {
    let events: Api<Event> = Api::default_namespaced(world.kube(EDITOR));
    let deadline = Instant::now() + PATIENCE;
    while !events.list(&Default::default()).await.expect("events").items.iter().any(|event| event.reason.as_deref() == Some(reason)) {
        assert!(Instant::now() < deadline, "no event {reason}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_state_that_was_lost_is_put_back_by_the_approver_and_orphans_are_adopted() {
    let world = World::start().await;
    let name = world.create(crate::world::small()).await;
    let built = world.apply(&name).await;
    let earlier = built.status.and_then(|status| status.state).expect("a state").serial;
    // the state of before the second apply knows no bucket, and the cloud has one with the tags of this design
    let mut components = crate::world::small()["components"].clone();
    components.as_array_mut().expect("a list").push(json!({"id": "lake", "serviceType": "objectstorage", "config": {}}));
    world.edit(&name, json!({"components": components})).await;
    world.apply(&name).await;
    let uid = world.uid(&name).await;
    let cloud_before = world.cloud(&name).await.list().expect("cloud").len();

    let editor = rescue(&world, EDITOR, &name, json!({"id": "0", "action": "RestoreState", "serial": 1})).await;
    assert!(matches!(&editor, Err(kube::Error::Api(status)) if status.code == 403 && status.message.contains("approver")), "{editor:?}");

    world.edit(&name, json!({"request": {"id": "plan", "action": "Plan"}})).await;
    world.until_reason(&name, "Synced").await;
    rescue(&world, APPROVER, &name, json!({"id": "1", "action": "RestoreState", "serial": earlier})).await.expect("the approver may");
    let record = rescued(&world, &name, "1").await;
    assert!(record.done && record.message.contains("approvals given before are void"), "{record:?}");
    let design = world.until(&name, "a plan on the state that was put back", |design| ready_reason(design) == "AwaitingApproval").await;
    let plan = design.status.and_then(|status| status.plan).expect("a plan");
    assert!(plan.counts.create > 0, "the earlier state lacks something: {:?}", plan.counts);
    assert!(world.runs().iter().any(|run| run.contains("-refresh-only")), "it was looked at first: {:?}", world.runs());

    rescue(&world, APPROVER, &name, json!({"id": "2", "action": "Adopt", "serial": null})).await.expect("the approver may");
    let record = rescued(&world, &name, "2").await;
    assert!(record.done && record.message.contains("imports"), "{record:?}");
    let design = world
        .until(&name, "a plan that imports", |design| {
            ready_reason(design) == "AwaitingApproval"
                && design.status.as_ref().and_then(|status| status.plan.as_ref()).is_some_and(|plan| !plan.imports.is_empty())
        })
        .await;
    let plan = design.status.and_then(|status| status.plan).expect("a plan");
    world.approve(&name, APPROVER).await;
    world.until_reason(&name, "Synced").await;
    let cloud_after = world.cloud(&name).await.list().expect("cloud").len();
    assert_eq!(cloud_after, cloud_before + plan.counts.create, "what was adopted is not made again: {:?}", plan.counts);
    for event in ["StateRestored", "Adopted", "JobSucceeded", "ApprovalConsumed"] {
        told(&world, event).await;
    }
    let metrics = reqwest::get(format!("{}/metrics", world.base())).await.expect("metrics").text().await.expect("text");
    for metric in [
        "galley_designs{reason=\"Synced\"} 1",
        "galley_jobs_total{action=\"apply\",phase=\"Succeeded\",reason=\"\"} 3",
        "galley_store_seconds_count",
        "galley_job_wait_seconds_count",
        "galley_reconcile_seconds_count",
        "galley_terraform_resident_bytes",
        "galley_disk_bytes",
    ] {
        assert!(metrics.contains(metric), "{metric}:\n{metrics}");
    }
    assert!(!metrics.contains(&name) && !metrics.contains(&uid), "no name is a label");
}

#[tokio::test]
async fn one_request_is_followed_from_the_tool_call_to_the_terraform_process() {
    let dir = tempfile::tempdir().expect("a directory");
    let (binary, seen) = (dir.path().join("terraform-traced"), dir.path().join("traces"));
    let real = crate::world::which("terraform").expect("terraform on PATH");
    let script =
        format!("#!/bin/sh\nprintf '%s %s\\n' \"$1\" \"$TRACEPARENT\" >> '{}'\nexec '{}' \"$@\"\n", seen.display(), real.display());
    std::fs::write(&binary, script).expect("script");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let world = World::start_with(&[("GALLEY_TERRAFORM_BIN", binary.to_str().expect("text"))]).await;
    let name = world.create(crate::world::small()).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "set_desired_state",
        "arguments": {"session_id": name, "desired_state": "Applied"}}});
    let answer = reqwest::Client::new()
        .post(format!("{}/mcp", world.base()))
        .bearer_auth(EDITOR)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-06-18")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .json(&body)
        .send()
        .await
        .expect("an answer");
    let answer = answer.text().await.expect("a body");
    assert!(answer.contains("result") && !answer.contains("\"isError\":true"), "{answer}");
    world.until_plan(&name).await;
    let design = world.design(&name).await;
    assert_eq!(design.metadata.annotations.unwrap_or_default().get("galley.dev/trace").map(String::as_str), Some(trace));
    let jobs = world.jobs().list(&Default::default()).await.expect("jobs");
    assert!(jobs.items.iter().all(|job| {
        job.metadata.annotations.as_ref().is_some_and(|notes| notes.get("galley.dev/trace").map(String::as_str) == Some(trace))
    }));
    let started = std::fs::read_to_string(&seen).expect("traces");
    assert!(started.lines().any(|line| line.starts_with(&format!("plan 00-{trace}-"))), "{started}");
    let log = world.server_log();
    let line = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|line| line["message"] == "the job ended");
    let line = line.expect("the job ended");
    assert_eq!(
        (&line["span"]["trace"], &line["span"]["session"], &line["span"]["design"]),
        (&json!(trace), &json!(name), &json!(name)),
        "{line}"
    );
    assert!(line["span"]["job"].as_str().is_some_and(|job| job.starts_with(&name)), "{line}");
}
