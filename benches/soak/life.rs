//! What goes on while it soaks: whole lives of designs, a draft that is edited, planned and cancelled, and readers.

use std::time::{Duration, Instant};

use galley::api::terraformjob::JobPhase;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::server::{Rpc, as_arguments, design};
use crate::world::{EDITOR, World, fault};
use crate::{Done, note};

/// A reader looks this often: two of them are a busy page and a host that asks.
const PAUSE: Duration = Duration::from_millis(20);

/// One design from its making to its end.
pub async fn whole(world: &World, done: &Done, lane: usize) {
    let name = world.create(crate::world::small()).await;
    world.edit(&name, json!({"desiredState": "Applied"})).await;
    world.until_plan(&name).await;
    if lane.is_multiple_of(2) {
        // a quota that is raised meanwhile: the apply fails, a person asks again
        world.cloud(&name).await.fail(fault("limit-exceeded", "create", "oci_core_instance", Some(1))).expect("fault");
        note(&done.injected);
        world.approve(&name, EDITOR).await;
        world.until_reason(&name, "JobFailed").await;
        world.edit(&name, json!({"request": {"id": "again", "action": "Retry"}})).await;
        world.until_plan(&name).await;
    }
    world.approve(&name, EDITOR).await;
    world.until_reason(&name, "Synced").await;
    note(&done.applies);
    // somebody at a console
    let cloud = world.cloud(&name).await;
    let resources = cloud.list().expect("cloud");
    let vcn = resources.iter().find(|resource| resource.resource_type == "oci_core_vcn").expect("a vcn");
    galley::sandbox::admin::set(&cloud, &vcn.id, "display_name", json!("changed at the console")).expect("set");
    world.edit(&name, json!({"request": {"id": "look", "action": "Plan"}})).await;
    world.until_plan(&name).await;
    world.approve(&name, EDITOR).await;
    world.until_reason(&name, "Synced").await;
    note(&done.drifts);
    world.edit(&name, json!({"desiredState": "Destroyed"})).await;
    world.until_plan(&name).await;
    world.approve(&name, EDITOR).await;
    world.until_reason(&name, "Destroyed").await;
    let sessions: kube::Api<galley::api::Session> = kube::Api::default_namespaced(world.kube(EDITOR));
    sessions.delete(&name, &DeleteParams::default()).await.expect("deleted");
    note(&done.destroys);
}

/// A draft of 19 components that is saved over MCP again and again, exported, planned, and whose plan is cancelled.
pub async fn edited(world: &World, done: &Done, end: Instant) {
    let mut rpc = Rpc::to(world.base());
    let session = rpc.call("create_session", json!({"title": "Edited", "target": "sandbox"})).await["session_id"].clone();
    let name = session.as_str().expect("a name").to_owned();
    let mut turn = 0;
    while Instant::now() < end {
        turn += 1;
        let mut wanted = design(19);
        wanted["components"][0]["displayName"] = json!(format!("Network {turn}"));
        rpc.call("save_architecture", as_arguments(&session, &wanted)).await;
        rpc.call("validate_architecture", json!({ "session_id": session })).await;
        rpc.call("export", json!({ "session_id": session, "what": "summary" })).await;
        note(&done.edits);
        world.edit(&name, json!({"desiredState": "Planned"})).await;
        let job = until_job(world, &name).await;
        let cancel = Patch::Merge(json!({"spec": {"cancel": true}}));
        let job = world.jobs().patch(&job, &PatchParams::default(), &cancel).await.expect("cancelled").metadata.name.expect("a name");
        if until_ended(world, &job).await == JobPhase::Cancelled {
            note(&done.cancelled);
        }
        world.edit(&name, json!({"desiredState": "Draft"})).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The job that a design waits for.
async fn until_job(world: &World, name: &str) -> String {
    let design = world.until(name, "a job", |design| design.status.as_ref().is_some_and(|status| status.active_job.is_some())).await;
    let job = design.status.and_then(|status| status.active_job).expect("a job");
    // the status names a job before it is made: a crash in between finds it by its name
    let started = Instant::now();
    while world.jobs().get_opt(&job).await.expect("jobs").is_none() {
        assert!(started.elapsed() < crate::server::PATIENCE, "{job} is not made");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    job
}

async fn until_ended(world: &World, job: &str) -> JobPhase {
    let deadline = Instant::now() + crate::world::PATIENCE;
    loop {
        match world.jobs().get_opt(job).await.expect("a read") {
            Some(job) if job.phase().is_terminal() => return job.phase(),
            Some(_) => assert!(Instant::now() < deadline, "{job} does not end"),
            None => return JobPhase::Cancelled,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reads what there is: documents as a controller of somebody else would, sessions over MCP.
pub async fn read(world: &World, done: &Done, reader: usize, end: Instant) {
    let mut rpc = Rpc::to(world.base());
    while Instant::now() < end {
        if reader.is_multiple_of(2) {
            for design in world.designs().list(&Default::default()).await.expect("designs").items {
                let name = design.metadata.name.unwrap_or_default();
                let _ = world.designs().get_opt(&name).await.expect("a read");
                note(&done.reads);
            }
        } else {
            let page = rpc.call("list_sessions", json!({"limit": 20})).await;
            for line in page["sessions"].as_array().into_iter().flatten() {
                rpc.asked("get_status", &json!({ "session_id": line["session_id"] })).await.ok_or_gone();
                note(&done.reads);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// An answer, or the session was deleted between the list and the question.
trait OrGone {
    fn ok_or_gone(self);
}

impl OrGone for Result<Value, Value> {
    fn ok_or_gone(self) {
        if let Err(error) = self {
            assert_eq!(error["code"], "session_not_found", "{error}");
        }
    }
}
