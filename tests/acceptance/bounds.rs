//! What bounds a job and what a design may not do by itself, in the real binary: time, memory, shutdown, retention, suspend,
//! policy auto.

use std::time::{Duration, Instant};

use galley::api::TerraformJob;
use galley::api::condition::STALLED;
use galley::api::terraformjob::{Action, JobPhase};
use serde_json::json;

use crate::world::{APPROVER, PATIENCE, World, message, on, ready_reason, small};

/// Buckets only: each is one resource, made on its own.
fn buckets(count: usize) -> serde_json::Value {
    let bucket = |number| json!({"id": format!("lake{number}"), "serviceType": "objectstorage", "displayName": format!("lake-{number}"), "config": {}});
    json!({"target": "sandbox", "components": (1..=count).map(bucket).collect::<Vec<_>>()})
}

async fn jobs(world: &World, name: &str) -> Vec<TerraformJob> {
    let all = world.jobs().list(&Default::default()).await.expect("jobs").items;
    all.into_iter().filter(|job| job.spec.design_ref == name).collect()
}

/// The one apply of a design, once it ended.
async fn ended_apply(world: &World, name: &str) -> TerraformJob {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let apply = jobs(world, name).await.into_iter().find(|job| job.spec.action == Action::Apply && job.phase().is_terminal());
        if let Some(apply) = apply {
            return apply;
        }
        assert!(Instant::now() < deadline, "the apply does not end:\n{}", world.server_log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_job_that_runs_too_long_is_stopped_names_what_is_left_and_a_retry_finishes_it() {
    let world = World::start_with(&[("GALLEY_JOB_TIME_LIMIT", "10")]).await;
    // more than ten at once: what waits behind the first ten is never begun
    let name = world.create(buckets(14)).await;
    world.edit(&name, json!({"desiredState": "Applied"})).await;
    world.until_plan(&name).await;
    world.cloud(&name).await.delay(on("create"), "*", Duration::from_secs(12)).expect("slow");
    world.approve(&name, APPROVER).await;
    let apply = ended_apply(&world, &name).await;
    let status = apply.status.clone().unwrap_or_default();
    assert_eq!(apply.phase(), JobPhase::Failed, "{status:?}");
    let said = status.message.clone().unwrap_or_default();
    assert!(said.contains("it ran longer than 10 s and was stopped") && said.contains("Retry"), "{said}");
    assert_eq!((status.created.len(), status.not_attempted.len(), status.in_flight.len()), (10, 4, 0), "{status:?}");
    let design = world.until_reason(&name, "JobFailed").await;
    assert!(message(&design, STALLED).contains("longer than 10 s"), "{}", message(&design, STALLED));
    world.cloud(&name).await.clear_faults().expect("fast again");
    world.edit(&name, json!({"request": {"id": "again", "action": "Retry"}})).await;
    world.until_plan(&name).await;
    world.approve(&name, APPROVER).await;
    world.until_reason(&name, "Synced").await;
    assert_eq!(world.cloud(&name).await.list().expect("cloud").len(), 14, "all of it, and nothing twice");
}

#[tokio::test]
async fn memory_for_one_terraform_lets_one_run_at_a_time_and_the_others_say_so() {
    let world = World::start_with(&[("GALLEY_MEMORY_MB", "256"), ("GALLEY_MAX_TERRAFORM", "3")]).await;
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(world.create(small()).await);
    }
    for name in &names {
        world.edit(name, json!({"desiredState": "Planned"})).await;
    }
    let (mut most, mut told, mut planned) = (0, false, 0);
    let deadline = Instant::now() + PATIENCE;
    while planned < names.len() {
        assert!(Instant::now() < deadline, "not all planned:\n{}", world.server_log());
        most = most.max(world.terraform_pids().len());
        let all = world.jobs().list(&Default::default()).await.expect("jobs").items;
        let waits = |job: &TerraformJob| job.status.as_ref().and_then(|status| status.wait_reason.clone()).unwrap_or_default();
        told |= all.iter().any(|job| waits(job).contains("memory allows no more at once"));
        planned = 0;
        for name in &names {
            planned += usize::from(ready_reason(&world.design(name).await) == "PlanReady");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(most, 1, "three slots, and memory for one");
    assert!(told, "nobody was told why they waited");
}

#[tokio::test]
async fn a_shutdown_in_the_middle_of_an_apply_records_everything_within_its_grace() {
    let mut world = World::start_with(&[("GALLEY_SHUTDOWN_GRACE", "20")]).await;
    let name = world.create(buckets(14)).await;
    world.edit(&name, json!({"desiredState": "Applied"})).await;
    world.until_plan(&name).await;
    let uid = world.uid(&name).await;
    world.cloud(&name).await.delay(on("create"), "*", Duration::from_secs(3)).expect("slow");
    world.approve(&name, APPROVER).await;
    let deadline = Instant::now() + PATIENCE;
    while world.apply_runs() == 0 || world.terraform_pids().is_empty() {
        assert!(Instant::now() < deadline, "no apply:\n{}", world.server_log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.stop().await;
    assert!(world.terraform_pids().is_empty(), "terraform outlives the server");
    // what was begun was awaited, what was not was not begun; all of it was recorded before the server ended
    let stored = std::fs::read_dir(world.data_dir().join("documents/registry/terraformjobs/default")).expect("jobs").flatten();
    let apply = stored
        .filter_map(|entry| serde_json::from_slice::<TerraformJob>(&std::fs::read(entry.path()).ok()?).ok())
        .find(|job| job.spec.action == Action::Apply)
        .expect("an apply");
    let status = apply.status.clone().unwrap_or_default();
    assert!(apply.phase().is_terminal() && status.finished_at.is_some(), "not recorded: {status:?}");
    let made = world.cloud_of(&uid).list().expect("cloud").len();
    assert_eq!((status.created.len(), status.in_flight.len()), (made, 0), "{status:?}");
    assert!(made > 0 && made < 14, "it was in the middle: {made}");
    world.cloud_of(&uid).clear_faults().expect("fast again");
    world.launch().await;
    let jobs_then = jobs(&world, &name).await;
    let known = jobs_then.iter().find(|job| job.metadata.name == apply.metadata.name).expect("the apply");
    assert_eq!(known.phase(), apply.phase(), "nothing had to be recovered");
    // a person stopped it by stopping the server: somebody asks for the rest
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ready_reason(&world.design(&name).await).as_str() {
            "AwaitingApproval" => break,
            "Cancelled" | "JobFailed" => {
                world.edit(&name, json!({"request": {"id": "again", "action": "Retry"}})).await;
                world.until_plan(&name).await;
                break;
            }
            _ => assert!(Instant::now() < deadline, "it does not go on:\n{}", world.server_log()),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.approve(&name, APPROVER).await;
    world.until_reason(&name, "Synced").await;
    assert_eq!(world.cloud_of(&uid).list().expect("cloud").len(), 14, "all of it, and nothing twice");
}

#[tokio::test]
async fn ten_jobs_of_a_design_are_kept_with_their_bytes_and_no_more() {
    let world = World::start().await;
    let name = world.create(buckets(1)).await;
    world.edit(&name, json!({"desiredState": "Planned"})).await;
    world.until_reason(&name, "PlanReady").await;
    for number in 1..=12 {
        let id = format!("r{number}");
        world.edit(&name, json!({"request": {"id": id, "action": "Plan"}})).await;
        let handled = |design: &galley::api::Design| {
            let status = design.status.clone().unwrap_or_default();
            status.handled_request_id.as_deref() == Some(&id) && status.active_job.is_none()
        };
        world.until(&name, "the request is answered", handled).await;
    }
    let uid = world.uid(&name).await;
    let kept = jobs(&world, &name).await;
    // the open plan is kept beside the newest ten
    assert!((10..=11).contains(&kept.len()), "{} of 13 jobs are kept", kept.len());
    let bytes = std::fs::read_dir(world.data_dir().join("blobs/designs").join(&uid).join("jobs")).expect("blobs").flatten();
    let with_bytes: Vec<String> = bytes
        .filter(|entry| std::fs::read_dir(entry.path()).is_ok_and(|mut files| files.next().is_some()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let names: Vec<String> = kept.into_iter().filter_map(|job| job.metadata.name).collect();
    for job in &with_bytes {
        assert!(names.contains(job), "the bytes of {job} outlived it");
    }
    assert_eq!(world.status(&name).await.plan.expect("a plan").counts.create, 1, "the newest plan is still there");
}

#[tokio::test]
async fn a_suspended_design_starts_nothing_not_even_its_destroy_and_goes_on_where_it_was() {
    let world = World::start().await;
    let name = world.create(buckets(1)).await;
    world.apply(&name).await;
    world.edit(&name, json!({"suspend": true})).await;
    world.until_reason(&name, "Suspended").await;
    let before = world.runs().len();
    let edit = world.edit(&name, json!({"components": buckets(2)["components"], "request": {"id": "now", "action": "Plan"}})).await;
    assert_eq!(edit.metadata.generation, Some(world.until_reason(&name, "Suspended").await.metadata.generation.unwrap_or_default()));
    world.edit(&name, json!({"desiredState": "Destroyed"})).await;
    world.until_reason(&name, "Suspended").await;
    assert_eq!(world.runs().len(), before, "terraform was started for a suspended design: {:?}", world.runs());
    world.edit(&name, json!({"desiredState": "Applied", "suspend": false})).await;
    world.until_plan(&name).await;
    assert_eq!(world.status(&name).await.plan.expect("a plan").counts.create, 1, "it goes on with what was edited meanwhile");
    world.edit(&name, json!({"desiredState": "Destroyed"})).await;
    world.until_plan(&name).await;
    // suspended with the approval given: nothing is destroyed until it is taken back
    world.edit(&name, json!({"suspend": true})).await;
    world.until_reason(&name, "Suspended").await;
    assert_eq!(world.cloud(&name).await.list().expect("cloud").len(), 1);
    world.edit(&name, json!({"suspend": false})).await;
    world.until_plan(&name).await;
    world.approve(&name, APPROVER).await;
    world.until_reason(&name, "Destroyed").await;
}

#[tokio::test]
async fn policy_auto_builds_what_is_harmless_by_itself_and_asks_for_the_rest() {
    let world = World::start().await;
    let mut spec = buckets(1);
    (spec["desiredState"], spec["policy"]) = (json!("Applied"), json!({"approval": "auto"}));
    let name = world.create(spec).await;
    world.until_reason(&name, "Synced").await;
    let approvals = world.approvals(APPROVER).list(&Default::default()).await.expect("approvals").items;
    let status = approvals[0].status.clone().unwrap_or_default();
    assert_eq!((approvals.len(), status.channel), (1, Some(galley::api::approval::Channel::Policy)), "one path: an approval of its own");
    assert!(status.consumed_by.is_some());
    world.edit(&name, json!({"components": buckets(2)["components"]})).await;
    world.until_reason(&name, "Synced").await;
    assert_eq!(world.apply_runs(), 2);
    // a delete is not harmless
    world.edit(&name, json!({"components": buckets(1)["components"]})).await;
    world.until_plan(&name).await;
    assert_eq!(world.apply_runs(), 2, "it waits for a person");
    assert_eq!(world.cloud(&name).await.list().expect("cloud").len(), 2);
    world.approve(&name, APPROVER).await;
    world.until_reason(&name, "Synced").await;
    assert_eq!(world.cloud(&name).await.list().expect("cloud").len(), 1);
}
