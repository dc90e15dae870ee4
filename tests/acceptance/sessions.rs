//! One heavy operation per session, two at once in all; a person's wish goes before a background check; edits are always
//! accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use galley::api::terraformjob::JobPhase;
use serde_json::json;

use crate::world::{EDITOR, PATIENCE, World, large, small};

#[tokio::test]
async fn two_sessions_run_at_once_and_one_session_never_runs_two_operations() {
    let world = World::start_with(&[("GALLEY_MAX_TERRAFORM", "2")]).await;
    let mut names = Vec::new();
    for _ in 0..3 {
        let name = world.create(small()).await;
        world.cloud(&name).await.delay(crate::world::on("create"), "*", Duration::from_millis(300)).expect("slow");
        world.edit(&name, json!({"desiredState": "Applied"})).await;
        names.push(name);
    }
    for name in &names {
        world.until_plan(name).await;
    }
    for name in &names {
        world.approve(name, EDITOR).await;
    }
    let mut most = 0;
    let deadline = Instant::now() + PATIENCE;
    let mut done = BTreeSet::new();
    while done.len() < names.len() {
        assert!(Instant::now() < deadline, "not all synced:\n{}", world.server_log());
        let mut by_session: BTreeMap<String, usize> = BTreeMap::new();
        let mut running = 0;
        for job in world.jobs().list(&Default::default()).await.expect("jobs").items {
            if job.phase() == JobPhase::Running {
                running += 1;
                *by_session.entry(job.spec.session_ref.clone()).or_default() += 1;
            }
        }
        assert!(by_session.values().all(|count| *count <= 1), "one session, two operations: {by_session:?}");
        assert!(running <= 2, "more than the limit: {running}");
        let mut by_directory: BTreeMap<std::path::PathBuf, usize> = BTreeMap::new();
        for pid in world.terraform_pids() {
            if let Ok(directory) = std::fs::read_link(format!("/proc/{pid}/cwd")) {
                *by_directory.entry(directory).or_default() += 1;
            }
        }
        assert!(by_directory.values().all(|count| *count <= 1), "two processes in one directory: {by_directory:?}");
        most = most.max(by_directory.len());
        for name in &names {
            if crate::world::ready_reason(&world.design(name).await) == "Synced" {
                done.insert(name.clone());
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(most, 2, "two ran at once");
}

#[tokio::test]
async fn an_explicit_request_during_an_apply_is_refused_with_job_kind_and_age_and_an_edit_is_reconciled_next() {
    let world = World::start().await;
    let name = world.create(small()).await;
    let mcp = world.mcp().await;
    world.cloud(&name).await.delay(crate::world::on("create"), "*", Duration::from_millis(400)).expect("slow");
    world.edit(&name, json!({"desiredState": "Applied"})).await;
    world.until_plan(&name).await;
    world.approve(&name, EDITOR).await;
    world
        .until(&name, "a running apply", |design| {
            design.status.as_ref().and_then(|status| status.active_job.as_ref()).is_some_and(|job| job.contains("-apply-"))
        })
        .await;
    let error =
        mcp.call("set_desired_state", json!({"session_id": name, "desired_state": "Applied", "request": "Plan"})).await.expect_err("busy");
    assert_eq!(error["code"], "session_busy", "{error}");
    assert!(error["details"]["job"].as_str().is_some_and(|job| job.contains("-apply-")), "{error}");
    assert!(error["details"]["kind"].is_string() && error["details"]["age_seconds"].is_number(), "{error}");
    assert!(world.design(&name).await.spec.request.is_none(), "nothing was written");

    // a plain edit is accepted at once and comes next
    let mut components = small()["components"].clone();
    components[1]["config"]["memory_in_gbs"] = json!(16);
    let edited = world.edit(&name, json!({"components": components})).await;
    world.cloud(&name).await.clear_faults().expect("fast");
    let design = world
        .until(&name, "a plan for the edit", |design| {
            let plan = design.status.as_ref().and_then(|status| status.plan.clone());
            crate::world::ready_reason(design) == "AwaitingApproval"
                && plan.is_some_and(|plan| Some(plan.generation) == edited.metadata.generation)
        })
        .await;
    let plan = design.status.and_then(|status| status.plan).expect("plan");
    assert_eq!((plan.counts.create, plan.counts.update), (0, 1), "the apply went to its end and the edit is an update: {plan:?}");
}

#[tokio::test]
async fn a_background_drift_check_is_cancelled_for_the_person() {
    let mut world = World::start().await;
    let name = world.create(large()).await;
    // the shortest interval: overdue checks are spread over half of one after a start
    world.edit(&name, json!({"policy": {"driftIntervalSeconds": 60}})).await;
    world.apply(&name).await;
    // two hours pass while the server is down: the check is overdue at the start
    world.stop().await;
    let uid_path = world.data_dir();
    let changed = age(&uid_path, &name);
    assert!(changed, "the stored design has a checkedAt");
    let cloud =
        galley::sandbox::Cloud::open(world.data_dir().join("sandbox").join(only_entry(&world.data_dir().join("sandbox")))).expect("cloud");
    cloud.delay(crate::world::on("read"), "*", Duration::from_millis(500)).expect("slow");
    world.launch().await;
    let jobs = world.jobs();
    let deadline = Instant::now() + PATIENCE;
    let background = loop {
        let list = jobs.list(&Default::default()).await.expect("jobs").items;
        if let Some(job) = list.into_iter().find(|job| !job.spec.requested && job.phase() == JobPhase::Running) {
            break job;
        }
        assert!(Instant::now() < deadline, "no drift check:\n{}", world.server_log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    // the person is not told "busy"
    let mcp = world.mcp().await;
    mcp.call("set_desired_state", json!({"session_id": name, "desired_state": "Applied", "request": "Plan"})).await.expect("accepted");
    cloud.clear_faults().expect("fast");
    let background_name = background.metadata.name.expect("name");
    loop {
        // a cancelled job may have been retired since
        match jobs.get_opt(&background_name).await.expect("get") {
            Some(job) if !job.phase().is_terminal() => {}
            Some(job) => {
                assert_eq!(job.phase(), JobPhase::Cancelled, "{:?}", job.status);
                break;
            }
            None => break,
        }
        assert!(Instant::now() < deadline, "the drift check goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world
        .until(&name, "the request is handled", |design| {
            let status = design.status.clone().unwrap_or_default();
            status.handled_request_id.is_some() && crate::world::ready_reason(design) == "Synced"
        })
        .await;
}

/// Sets `status.applied.checkedAt` of the stored design two hours back.
fn age(dir: &std::path::Path, name: &str) -> bool {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if age(&path, name) {
                return true;
            }
        } else if path.to_string_lossy().contains("designs")
            && path.file_name().is_some_and(|file| file.to_string_lossy() == format!("{name}.json"))
        {
            let mut document: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).expect("document")).expect("json");
            if document["status"]["applied"]["checkedAt"].is_string() {
                document["status"]["applied"]["checkedAt"] = json!("2026-01-01T00:00:00Z");
                std::fs::write(&path, serde_json::to_vec(&document).expect("json")).expect("write");
                return true;
            }
        }
    }
    false
}

fn only_entry(dir: &std::path::Path) -> String {
    let names: Vec<String> = std::fs::read_dir(dir)
        .expect("dir")
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    names[0].clone()
}
