//! Stories told to the whole of the controllers: documents in, documents and runs out. Terraform and the cloud are scripted.

use serde_json::json;

use super::testkit::House;
use super::testkit::world::in_flight;
use crate::api::approval::{Channel, Identity, RefusedReason};
use crate::api::design::{DesiredState, Health, Sync};
use crate::api::session::{ActiveOperation, SessionPhase};
use crate::api::terraformjob::{Action, JobPhase};
use crate::api::{Approval, Design, Session, TerraformJob, WhoActs};
use crate::terraform::Recovered;

#[tokio::test(flavor = "multi_thread")]
async fn a_design_is_planned_approved_applied_and_then_left_alone() {
    let mut house = House::new().open();
    house.design("s-1", DesiredState::Applied, &["a", "b"]).await;
    let waiting = house.rests("s-1", "AwaitingApproval").await;
    assert_eq!(house.runs(Action::Apply), 0, "nothing is applied before the approval");
    let approval = house.approve(&waiting).await;
    let design = house.rests("s-1", "Synced").await;
    let status = design.status.unwrap();
    assert_eq!((status.sync, status.health), (Some(Sync::Synced), Some(Health::Healthy)));
    assert_eq!(status.resources.unwrap().total, 2);
    assert!(status.apply_started && status.plan.is_none() && status.last_failure.is_none());
    let consumed = house.api::<Approval>().get(&approval).await.unwrap().status.unwrap().consumed_by.unwrap();
    assert!(consumed.starts_with("s-1-apply-"), "{consumed}");
    let session = house.api::<Session>().get("s-1").await.unwrap().status.unwrap();
    assert_eq!(session.active_operation, None);
    let before = house.world(|world| world.runs.len());
    for nonce in 0..50 {
        house.ring("s-1", nonce).await;
    }
    house.edit("s-1", json!({ "policy": { "driftIntervalSeconds": 7200 } })).await;
    house.rests("s-1", "Synced").await;
    house.close().await;
    let house = house.open();
    house.edit("s-1", json!({ "policy": { "driftIntervalSeconds": 7300 } })).await;
    house.rests("s-1", "Synced").await;
    assert_eq!(house.world(|world| world.runs.len()), before, "an applied design starts no process, also after a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_made_or_waited_for_and_stands_in_no_document() {
    let house = House::new().open();
    house.design("s-1", DesiredState::Planned, &["generated", "supplied"]).await;
    let design = house.rests("s-1", "SecretMissing").await;
    assert!(house.world(|world| world.runs.is_empty()));
    let key = crate::blobs::BlobKey::secrets(design.metadata.uid.as_deref().unwrap());
    crate::blobs::Blobs::put(&*house.blobs, &key, r#"{"supplied_password": "by hand"}"#.into()).await.unwrap();
    house.ring("s-1", 1).await;
    house.rests("s-1", "PlanReady").await;
    let secrets = house.world(|world| world.secrets.clone());
    assert_eq!((secrets.len(), secrets[1].as_str()), (2, "by hand"));
    let everything = house.server.everything();
    assert!(secrets.iter().all(|secret| !everything.contains(secret)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_fell_back_behind_what_was_seen_is_not_planned_on() {
    let house = House::new().open();
    let design = house.build("s-1", &["a"]).await;
    house.world(|world| world.places.get_mut(design.metadata.uid.as_deref().unwrap()).unwrap().serial = 0);
    let before = house.world(|world| world.runs.len());
    house.components("s-1", &["a", "b"]).await;
    house.rests("s-1", "StateUnavailable").await;
    assert_eq!(house.world(|world| world.runs.len()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_after_the_approval_makes_it_void() {
    let house = House::new().open();
    house.design("s-1", DesiredState::Planned, &["a"]).await;
    let planned = house.rests("s-1", "PlanReady").await;
    let approval = house.approve(&planned).await;
    house.edit("s-1", json!({ "desiredState": "Applied", "components": [] })).await;
    assert_eq!(house.refusal(&approval).await, RefusedReason::GenerationChanged);
    house.rests("s-1", "Synced").await;
    assert_eq!(house.runs(Action::Apply), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_serves_a_new_generation_of_the_same_inputs_without_another_run() {
    let house = House::new().open();
    house.design("s-1", DesiredState::Planned, &["a"]).await;
    house.rests("s-1", "PlanReady").await;
    house.edit("s-1", json!({ "desiredState": "Applied" })).await;
    let design = house.rests("s-1", "AwaitingApproval").await;
    assert_eq!(design.status.clone().unwrap().plan.unwrap().generation, 2);
    house.approve(&design).await;
    house.rests("s-1", "Synced").await;
    assert_eq!(house.runs(Action::Plan), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_apply_stalls_until_a_person_asks_for_a_retry() {
    let house = House::new().open();
    house.design("s-1", DesiredState::Applied, &["a", "b"]).await;
    let design = house.rests("s-1", "AwaitingApproval").await;
    house.world(|world| world.fail_apply = Some((WhoActs::Stalled, "400-LimitExceeded")));
    house.approve(&design).await;
    let failure = house.rests("s-1", "JobFailed").await.status.unwrap().last_failure.unwrap();
    assert_eq!(
        (failure.created.as_slice(), failure.failed.as_slice()),
        (["oci_core_vcn.a".to_owned()].as_slice(), ["oci_core_vcn.b".to_owned()].as_slice())
    );
    assert_eq!(house.runs(Action::Plan), 1, "nothing is tried again by itself");
    house.request("s-1", "r1", "Retry").await;
    let design = house.rests("s-1", "AwaitingApproval").await;
    house.approve(&design).await;
    let status = house.rests("s-1", "Synced").await.status.unwrap();
    assert_eq!(status.last_failure, None);
    assert_eq!(status.handled_request_id.as_deref(), Some("r1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_apply_is_planned_again_at_its_time_also_after_a_restart() {
    let mut house = House::new().open();
    house.design("s-1", DesiredState::Applied, &["a", "b"]).await;
    let design = house.rests("s-1", "AwaitingApproval").await;
    house.world(|world| world.fail_apply = Some((WhoActs::Retry, "429-TooManyRequests")));
    house.approve(&design).await;
    let status = house.rests("s-1", "RetryScheduled").await.status.unwrap();
    assert!(status.wait_reason.unwrap().contains("429-TooManyRequests"));
    house.close().await;
    let house = house.open();
    house.ring("s-1", 1).await;
    house.rests("s-1", "RetryScheduled").await;
    assert_eq!(house.runs(Action::Plan), 1);
    house.clock.advance(120);
    house.ring("s-1", 2).await;
    let design = house.rests("s-1", "AwaitingApproval").await;
    house.approve(&design).await;
    house.rests("s-1", "Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_apply_is_looked_at_and_what_was_made_is_imported() {
    let mut house = House::new().open();
    house.design("s-1", DesiredState::Applied, &["a", "b"]).await;
    let design = house.rests("s-1", "AwaitingApproval").await;
    house.world(|world| world.hold = true);
    house.approve(&design).await;
    house.world_until("the apply runs", |world| world.running == 1).await;
    let status = house.until("s-1", "job", |status, _| status.active_job.is_some()).await.status.unwrap();
    let job = status.active_job.unwrap();
    // the machine goes down: nothing is recorded any more, one resource was made, another was in flight and made too
    house.crash().await;
    let uid = design.metadata.uid.clone().unwrap();
    house.world(|world| {
        world.hold = false;
        world.running = 0;
        let place = world.places.entry(uid.clone()).or_default();
        place.serial = 1;
        place.state = Some(["oci_core_vcn.a".to_owned()].into());
        place.cloud = ["oci_core_vcn.a".to_owned(), "oci_core_vcn.b".to_owned()].into();
        let state = crate::api::design::StateRecord { lineage: format!("lineage-{uid}"), serial: 1, resources: 1 };
        let dead = Recovered::Dead {
            state: Some(state),
            restored: false,
            in_flight: vec![in_flight("oci_core_vcn.b")],
            created: vec!["oci_core_vcn.a".into()],
            not_attempted: vec![],
        };
        world.dead.insert(job.clone(), dead);
    });
    let house = house.open();
    let design = house.rests("s-1", "AwaitingApproval").await;
    assert_eq!(house.api::<TerraformJob>().get(&job).await.unwrap().phase(), JobPhase::Interrupted);
    assert_eq!((house.runs(Action::Apply), house.runs(Action::Refresh)), (1, 1), "it is looked at, nothing is applied");
    let plan = design.status.clone().unwrap().plan.unwrap();
    assert_eq!(plan.imports.keys().collect::<Vec<_>>(), ["oci_core_vcn.b"]);
    assert_eq!(plan.counts.create, 0, "nothing is made twice");
    house.approve(&design).await;
    let status = house.rests("s-1", "Synced").await.status.unwrap();
    assert_eq!(status.outcome, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_in_flight_and_not_found_needs_the_approver() {
    let mut house = House::new().open();
    house.design("s-1", DesiredState::Applied, &["a"]).await;
    let design = house.rests("s-1", "AwaitingApproval").await;
    house.world(|world| world.hold = true);
    house.approve(&design).await;
    house.world_until("the apply runs", |world| world.running == 1).await;
    let job = house.until("s-1", "job", |status, _| status.active_job.is_some()).await.status.unwrap().active_job.unwrap();
    house.crash().await;
    house.world(|world| {
        world.hold = false;
        let in_flight = vec![in_flight("oci_core_vcn.a")];
        world.dead.insert(job, Recovered::Dead { state: None, restored: false, in_flight, created: vec![], not_attempted: vec![] });
    });
    let house = house.open();
    let design = house.rests("s-1", "AwaitingApproval").await;
    let editor = house.approve(&design).await;
    assert_eq!(house.refusal(&editor).await, RefusedReason::InFlight);
    assert_eq!(house.runs(Action::Apply), 1);
    house.delete::<Approval>(&editor).await;
    house.approve_as(&design, Identity::approver(Channel::Page)).await;
    house.rests("s-1", "Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destroy_is_reviewed_and_needs_no_valid_design() {
    let house = House::new().open();
    house.build("s-1", &["a"]).await;
    house.components("s-1", &["bad"]).await;
    house.rests("s-1", "InvalidDesign").await;
    house.edit("s-1", json!({ "desiredState": "Destroyed", "variables": {} })).await;
    let design = house.rests("s-1", "AwaitingApproval").await;
    assert!(design.status.clone().unwrap().plan.unwrap().destroy);
    house.approve(&design).await;
    let status = house.rests("s-1", "Destroyed").await.status.unwrap();
    assert_eq!((house.runs(Action::Destroy), status.resources.unwrap().total), (1, 0));
    // and deleting the document now waits for nothing
    house.delete::<Session>("s-1").await;
    house.gone::<Design>("s-1").await;
    house.gone::<Session>("s-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_session_waits_for_the_reviewed_destroy_of_its_design() {
    let house = House::new().open();
    house.build("s-1", &["a"]).await;
    house.delete::<Session>("s-1").await;
    let design = house
        .until("s-1", "destroy plan", |status, _| {
            status.plan.as_ref().is_some_and(|plan| plan.destroy)
                && status.active_job.is_none()
                && status.wait_reason.as_ref().is_some_and(|wait| wait.starts_with("approval"))
        })
        .await;
    assert_eq!(house.api::<Session>().get("s-1").await.unwrap().status.unwrap().phase, Some(SessionPhase::Destroying));
    house.approve(&design).await;
    house.gone::<Design>("s-1").await;
    house.gone::<Session>("s-1").await;
    assert!(house.world(|world| world.places.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_design_that_was_never_applied_goes_without_any_run() {
    let house = House::new().open();
    house.design("s-1", DesiredState::Draft, &["a"]).await;
    house.rests("s-1", "Draft").await;
    house.delete::<Session>("s-1").await;
    house.gone::<Design>("s-1").await;
    house.gone::<Session>("s-1").await;
    assert!(house.world(|world| world.runs.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_design_starts_nothing_not_even_its_destroy() {
    let house = House::new().open();
    house.build("s-1", &["a"]).await;
    let before = house.world(|world| world.runs.len());
    house.edit("s-1", json!({ "suspend": true, "desiredState": "Destroyed" })).await;
    let status = house.rests("s-1", "Suspended").await.status.unwrap();
    assert_eq!(status.health, Some(Health::Suspended));
    assert_eq!(house.world(|world| world.runs.len()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_gate_is_waited_for_and_taken_when_it_is_free() {
    let house = House::new().open();
    house.design("s-1", DesiredState::Draft, &["a"]).await;
    house.rests("s-1", "Draft").await;
    let other = ActiveOperation {
        kind: "OciCommand".into(),
        name: "cmd-1".into(),
        action: "Command".into(),
        uid: None,
        requested: true,
        since: crate::clock::Clock::now(&*house.clock),
    };
    house.set_gate("s-1", Some(&other)).await;
    house.edit("s-1", json!({ "desiredState": "Planned" })).await;
    let status = house.rests("s-1", "SessionBusy").await.status.unwrap();
    assert!(status.wait_reason.unwrap().contains("cmd-1"));
    assert!(house.world(|world| world.runs.is_empty()));
    house.set_gate("s-1", None).await;
    house.rests("s-1", "PlanReady").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drift_check_finds_a_vanished_resource_and_a_person_decides() {
    let house = House::new().open();
    house.build("s-1", &["a", "b"]).await;
    house.world(|world| world.places.values_mut().for_each(|place| place.cloud.clear()));
    house.clock.advance(2 * 3600);
    house.ring("s-1", 1).await;
    let design = house.rests("s-1", "ResourcesVanished").await;
    let status = design.status.clone().unwrap();
    assert_eq!(status.drift.unwrap().items.len(), 2);
    house.request("s-1", "r1", "Plan").await;
    house.until("s-1", "r1", |status, _| status.handled_request_id.as_deref() == Some("r1")).await;
    house.rests("s-1", "ResourcesVanished").await;
    house.request("s-1", "r2", "Retry").await;
    let design = house.rests("s-1", "AwaitingApproval").await;
    assert_eq!(house.runs(Action::Apply), 1);
    house.approve(&design).await;
    house.rests("s-1", "Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_design_that_names_no_interval_is_checked_as_often_as_the_server_says() {
    let house = House::with(|settings| settings.drift_interval = Some(24 * 3600)).open();
    let design = house.build("s-1", &["a"]).await;
    assert_eq!(design.spec.policy.drift_interval_seconds, None, "no default of the schema takes the place of the setting");
    let plans = house.runs(Action::Plan);
    house.clock.advance(3 * 3600);
    house.ring("s-1", 1).await;
    house.edit("s-1", json!({ "variables": { "unused": "rings" } })).await;
    house.rests("s-1", "Synced").await;
    assert_eq!(house.runs(Action::Plan), plans, "three hours are not a day");
    house.clock.advance(24 * 3600);
    house.ring("s-1", 2).await;
    house.world_until("a check", |world| world.runs.iter().filter(|(action, _)| *action == Action::Plan).count() == plans + 1).await;
    house.rests("s-1", "Synced").await;
    house.edit("s-1", json!({ "policy": { "driftIntervalSeconds": 600 } })).await;
    house.clock.advance(3600);
    house.ring("s-1", 3).await;
    house
        .world_until("its own word counts", |world| world.runs.iter().filter(|(action, _)| *action == Action::Plan).count() == plans + 2)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_background_drift_check_stops_for_a_person() {
    let house = House::new().open();
    house.build("s-1", &["a"]).await;
    house.world(|world| world.hold = true);
    house.clock.advance(2 * 3600);
    house.ring("s-1", 1).await;
    house.world_until("the check runs", |world| world.running == 1).await;
    house.world(|world| world.hold = false);
    house.components("s-1", &["a", "b"]).await;
    let status = house.rests("s-1", "AwaitingApproval").await.status.unwrap();
    assert_eq!(status.last_failure, None, "its cancellation is nobody's failure");
    assert_eq!(status.plan.unwrap().counts.create, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_auto_applies_what_is_harmless_and_asks_for_the_rest() {
    let house = House::new().open();
    house.design("s-1", DesiredState::Draft, &["a", "b"]).await;
    house.edit("s-1", json!({ "policy": { "approval": "auto" }, "desiredState": "Applied" })).await;
    house.rests("s-1", "Synced").await;
    house.components("s-1", &["a"]).await;
    house.rests("s-1", "AwaitingApproval").await;
    assert_eq!(house.runs(Action::Apply), 1, "a delete is not harmless");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_file_that_was_swapped_is_refused_and_nothing_changes() {
    let house = House::new().open();
    house.design("s-1", DesiredState::Applied, &["a"]).await;
    let design = house.rests("s-1", "AwaitingApproval").await;
    house.world(|world| world.plans.values_mut().for_each(|plan| plan.0 = "0".repeat(64)));
    let approval = house.approve(&design).await;
    assert_eq!(house.refusal(&approval).await, RefusedReason::PlanTampered);
    assert!(house.world(|world| world.places.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_plan_is_not_applied_and_a_fresh_one_is_made_on_request() {
    let house = House::new().open();
    house.design("s-1", DesiredState::Applied, &["a"]).await;
    let design = house.rests("s-1", "AwaitingApproval").await;
    house.clock.advance(2 * 3600);
    let approval = house.approve(&design).await;
    assert_eq!(house.refusal(&approval).await, RefusedReason::Expired);
    house.rests("s-1", "PlanExpired").await;
    house.request("s-1", "r1", "Plan").await;
    house.rests("s-1", "AwaitingApproval").await;
    assert_eq!(house.runs(Action::Apply), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_human_mode_the_editor_approves_nothing() {
    let house = House::new().open();
    house.design("s-1", DesiredState::Draft, &["a"]).await;
    house.edit("s-1", json!({ "policy": { "approval": "human" }, "desiredState": "Applied" })).await;
    let design = house.rests("s-1", "AwaitingApproval").await;
    let editor = house.approve(&design).await;
    assert_eq!(house.refusal(&editor).await, RefusedReason::ApproverRequired);
    assert_eq!(house.runs(Action::Apply), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_does_not_decode_is_told_so_and_stops_nobody_else() {
    let house = House::new().open();
    house.server.put_raw("designs", "s-bad", json!({"apiVersion": "galley.dev/v1alpha1", "kind": "Design", "metadata": {"name": "s-bad", "namespace": "default", "uid": "u-bad"}, "spec": {"components": "no list"}}));
    house.design("s-1", DesiredState::Draft, &["a"]).await;
    house.rests("s-1", "Draft").await;
    house.raw_condition("s-bad", "InvalidDocument").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_the_limit_run_at_once_and_everyone_gets_their_turn() {
    let house = House::new().open();
    house.world(|world| world.hold = true);
    for index in 0..5 {
        house.design(&format!("s-{index}"), DesiredState::Planned, &["a"]).await;
    }
    house.world_until("two run", |world| world.running == 2).await;
    house.until("s-4", "a job", |status, _| status.active_job.is_some()).await;
    house.world(|world| world.hold = false);
    house.runner.release.notify_waiters();
    for index in 0..5 {
        house.rests(&format!("s-{index}"), "PlanReady").await;
    }
    assert_eq!(house.world(|world| world.most_running), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_job_that_lost_the_gate_does_not_start_until_it_has_it_again() {
    let house = House::new().open();
    house.world(|world| world.hold = true);
    for session in ["s-0", "s-1"] {
        house.design(session, DesiredState::Planned, &["a"]).await;
    }
    house.world_until("two run", |world| world.running == 2).await;
    house.design("s-2", DesiredState::Planned, &["a"]).await;
    house.until("s-2", "a job", |status, _| status.active_job.is_some()).await;
    let since = crate::clock::Clock::now(&*house.clock);
    let command =
        ActiveOperation { kind: "OciCommand".into(), name: "cmd-1".into(), action: "Command".into(), uid: None, requested: true, since };
    house.set_gate("s-2", Some(&command)).await;
    house.world(|world| world.hold = false);
    house.runner.release.notify_waiters();
    for session in ["s-0", "s-1"] {
        house.rests(session, "PlanReady").await;
    }
    let ran = |world: &mut super::testkit::world::World| world.runs.iter().filter(|(_, design)| design == "s-2").count();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(house.world(ran), 0, "the gate is another operation's");
    house.set_gate("s-2", None).await;
    house.rests("s-2", "PlanReady").await;
    assert_eq!(house.world(ran), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_stops_what_runs_records_it_and_goes_on_after_the_start() {
    let mut house = House::new().open();
    house.world(|world| world.hold = true);
    house.design("s-1", DesiredState::Planned, &["a"]).await;
    house.world_until("the plan runs", |world| world.running == 1).await;
    house.close().await;
    let jobs = house.api::<TerraformJob>().list(&Default::default()).await.unwrap();
    assert_eq!(jobs.items[0].phase(), JobPhase::Cancelled, "the end is recorded");
    house.world(|world| world.hold = false);
    let house = house.open();
    house.rests("s-1", "PlanReady").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_an_apply_is_the_persons_decision_and_stays_so() {
    let house = House::new().open();
    house.design("s-1", DesiredState::Applied, &["a"]).await;
    let design = house.rests("s-1", "AwaitingApproval").await;
    house.world(|world| world.hold = true);
    house.approve(&design).await;
    house.world_until("the apply runs", |world| world.running == 1).await;
    let job = house.until("s-1", "job", |status, _| status.active_job.is_some()).await.status.unwrap().active_job.unwrap();
    house.cancel_job(&job).await;
    house.rests("s-1", "Cancelled").await;
    house.world(|world| world.hold = false);
    house.request("s-1", "r1", "Retry").await;
    house.rests("s-1", "AwaitingApproval").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_adopts_what_the_cloud_holds_and_no_state_knows() {
    let house = House::new().open();
    let design = house.build("s-1", &["a"]).await;
    let uid = design.metadata.uid.clone().unwrap();
    house.world(|world| world.places.get_mut(&uid).unwrap().cloud.insert("oci_core_vcn.b".into()));
    house.components("s-1", &["a", "b"]).await;
    let planned = house.rests("s-1", "AwaitingApproval").await;
    assert!(planned.status.unwrap().plan.unwrap().imports.is_empty(), "nothing is imported that nobody asked for");
    house.rescue("s-1", json!({ "id": "1", "action": "Adopt", "resources": { "oci_core_vcn.c": "id" } })).await;
    let record = house.rescued("s-1", "1").await;
    assert!(!record.done && record.message.contains("oci_core_vcn.c"), "{record:?}");
    house.rescue("s-1", json!({ "id": "2", "action": "Adopt" })).await;
    let record = house.rescued("s-1", "2").await;
    assert!(record.done && record.message.contains("oci_core_vcn.b (id-oci_core_vcn.b)"), "{record:?}");
    let design =
        house.until("s-1", "a plan that imports", |status, _| status.plan.as_ref().is_some_and(|plan| !plan.imports.is_empty())).await;
    assert_eq!(design.status.unwrap().plan.unwrap().imports["oci_core_vcn.b"], "id-oci_core_vcn.b");
    assert!(house.told("RescueRefused").await && house.told("Adopted").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_put_back_is_looked_at_before_anything_is_planned() {
    let house = House::new().open();
    house.build("s-1", &["a"]).await;
    let planned = house.components("s-1", &["a", "b"]).await;
    assert!(planned.metadata.generation > Some(1));
    let waiting = house.rests("s-1", "AwaitingApproval").await;
    house.rescue("s-1", json!({ "id": "1", "action": "RestoreState", "serial": 9 })).await;
    let record = house.rescued("s-1", "1").await;
    assert!(!record.done && record.message.contains("name one of 1"), "{record:?}");
    let refreshes = house.runs(Action::Refresh);
    house.rescue("s-1", json!({ "id": "2", "action": "RestoreState", "serial": 1 })).await;
    assert!(house.rescued("s-1", "2").await.done);
    house
        .world_until("the cloud is looked at", |world| {
            world.runs.iter().filter(|(action, _)| *action == Action::Refresh).count() > refreshes
        })
        .await;
    let design = house.rests("s-1", "AwaitingApproval").await;
    let (before, after) = (waiting.status.unwrap().state.unwrap(), design.status.unwrap().state.unwrap());
    assert!(after.serial > before.serial, "{after:?}");
    assert!(house.told("StateRestored").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_another_host_waits_for_a_person_who_gives_it_up_and_for_nothing_else() {
    let mut house = House::new().open();
    house.design("s-1", DesiredState::Applied, &["a"]).await;
    let design = house.rests("s-1", "AwaitingApproval").await;
    house.world(|world| world.hold = true);
    house.approve(&design).await;
    house.world_until("the apply runs", |world| world.running == 1).await;
    let job = house.until("s-1", "job", |status, _| status.active_job.is_some()).await.status.unwrap().active_job.unwrap();
    house.crash().await;
    house.world(|world| {
        world.hold = false;
        world.running = 0;
        world.dead.insert(job.clone(), Recovered::OwnerUnknown);
        world.dead_for_ever = true;
    });
    let house = house.open();
    house.until("s-1", "OwnerUnknown", |status, _| status.conditions.iter().any(|condition| condition.reason == "OwnerUnknown")).await;
    house.cancel_job(&job).await;
    house.ring("s-1", 1).await;
    assert_eq!(house.api::<TerraformJob>().get(&job).await.unwrap().phase(), JobPhase::Running, "a cancel proves nobody dead");
    house.rescue("s-1", json!({ "id": "1", "action": "ForceUnlock" })).await;
    assert!(house.rescued("s-1", "1").await.done);
    house.rests("s-1", "AwaitingApproval").await;
    assert_eq!(house.api::<TerraformJob>().get(&job).await.unwrap().phase(), JobPhase::Interrupted);
    assert_eq!((house.runs(Action::Apply), house.runs(Action::Refresh)), (1, 1), "it is looked at and not applied again");
    house.rescue("s-1", json!({ "id": "2", "action": "ForceUnlock" })).await;
    let record = house.rescued("s-1", "2").await;
    assert!(!record.done && record.message.contains("nothing is locked"), "{record:?}");
    assert!(house.told("ForceUnlocked").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_runs_too_long_is_stopped_and_a_person_reads_why() {
    let house = House::with(|settings| settings.job_time_limit = std::time::Duration::from_millis(300)).open();
    house.design("s-1", DesiredState::Applied, &["a"]).await;
    let design = house.rests("s-1", "AwaitingApproval").await;
    house.world(|world| world.hold = true);
    house.approve(&design).await;
    let failure = house.rests("s-1", "JobFailed").await.status.unwrap().last_failure.unwrap();
    assert!(failure.diagnostics[0].summary.contains("ran longer than"), "{failure:?}");
    assert!(house.told("JobOverdue").await && house.told("JobFailed").await && house.told("ApprovalConsumed").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_starts_nothing_but_what_destroys() {
    let full = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(1));
    let seen = full.clone();
    let mut house = House::new();
    house.disk = Some(std::sync::Arc::new(move || {
        Ok(crate::controllers::retention::DiskUse { parts: vec![("work", seen.load(std::sync::atomic::Ordering::Relaxed))] })
    }));
    let mut house = house.open();
    house.build("s-1", &["a"]).await;
    house.close().await;
    full.store(1000, std::sync::atomic::Ordering::Relaxed);
    let house = house.open();
    house.components("s-1", &["a", "b"]).await;
    let waits =
        |status: &crate::api::DesignStatus, _: &Design| status.wait_reason.as_ref().is_some_and(|why| why.contains("GALLEY_DISK_MB"));
    house.until("s-1", "waits for disk", waits).await;
    house.edit("s-1", json!({ "desiredState": "Destroyed" })).await;
    let design = house.rests("s-1", "AwaitingApproval").await;
    house.approve(&design).await;
    house.rests("s-1", "Destroyed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_jobs_go_and_what_the_status_points_at_stays() {
    let house = House::with(|settings| settings.job_retention = 3).open();
    house.build("s-1", &["a"]).await;
    for round in 0..6 {
        house.request("s-1", &format!("r{round}"), "Plan").await;
        house.until("s-1", "handled", |status, _| status.handled_request_id.as_deref() == Some(&format!("r{round}"))).await;
        house.rests("s-1", "Synced").await;
    }
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let jobs = house.api::<TerraformJob>().list(&Default::default()).await.unwrap().items;
        let status = house.api::<Design>().get("s-1").await.unwrap().status.unwrap();
        if jobs.len() <= 4 {
            let plan = status.plan.unwrap().job;
            assert!(jobs.iter().any(|job| job.metadata.name.as_deref() == Some(plan.as_str())), "the newest plan can still be read");
            break;
        }
        assert!(tokio::time::Instant::now() < end, "{} jobs", jobs.len());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
