//! Applies and destroys, and everything that must keep one from starting.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::*;
use super::fakes::*;
use crate::api::design::StateRecord;
use crate::blobs::{BlobKey, JobBlob};

const TWO: &str =
    "resource \"terraform_data\" \"a\" {\n  input = \"a\"\n}\nresource \"terraform_data\" \"b\" {\n  input = terraform_data.a.output\n}\n";

#[tokio::test]
async fn a_design_is_planned_applied_found_unchanged_and_destroyed() {
    let bench = Bench::new();
    let done = bench.applied("u1", TWO).await;
    assert_eq!(done.created, ["terraform_data.a", "terraform_data.b"]);
    let state = done.state.unwrap();
    assert_eq!(state.resources, 2);
    let view = bench.runner.state("u1").await.unwrap().unwrap();
    assert_eq!(view.record, state);
    let noop = bench.run(bench.input("u1", "plan-2", Action::Plan, TWO).await).await.unwrap().plan.unwrap();
    assert!(noop.is_empty());
    assert_eq!((noop.lineage.as_str(), noop.serial), (state.lineage.as_str(), state.serial));
    let mut input = bench.input("u1", "plan-3", Action::Plan, TWO).await;
    input.destroy_plan = true;
    let destroy = bench.planned_with(input).await;
    assert_eq!(destroy.action, Action::Destroy);
    let done = bench.run(destroy).await.unwrap();
    assert_eq!((done.phase, done.created.len()), (JobPhase::Succeeded, 2), "{done:?}");
    assert_eq!(done.state.unwrap().resources, 0, "known empty, not absent");
    bench.runner.forget("u1").await.unwrap();
    assert!(!bench.work("u1").exists());
}

#[tokio::test]
async fn a_destroy_needs_no_variables() {
    let bench = Bench::new();
    let text = "variable \"v\" {\n  type = list(string)\n}\nresource \"terraform_data\" \"a\" {\n  input = var.v\n}\n";
    let with_default = text.replace("list(string)", "list(string)\n  default = []");
    bench.applied("u1", &with_default).await;
    let mut input = bench.input("u1", "plan-2", Action::Plan, text).await;
    input.destroy_plan = true;
    let destroy = bench.planned_with(input).await;
    assert_eq!(bench.run(destroy).await.unwrap().state.unwrap().resources, 0);
}

#[tokio::test]
async fn a_plan_file_that_is_not_the_approved_one_is_never_applied() {
    let bench = Bench::new();
    let apply = bench.planned("u1", TWO).await;
    let key = BlobKey::job("u1", "plan", JobBlob::Plan);
    let other = bench.run(bench.input("u1", "other", Action::Plan, &TWO.replace("\"a\"\n", "\"other\"\n")).await).await.unwrap();
    assert!(other.plan.is_some());
    let swapped = bench.blob(&BlobKey::job("u1", "other", JobBlob::Plan)).unwrap();
    bench.blobs.map.lock().unwrap().insert(key.clone(), swapped);
    assert!(matches!(bench.run(apply.clone()).await, Err(Error::PlanTampered { .. })), "another plan under its name");
    bench.blobs.map.lock().unwrap().remove(&key);
    assert!(matches!(bench.run(apply.clone()).await, Err(Error::PlanTampered { .. })), "no plan");
    assert!(matches!(bench.run(RunInput { plan: None, ..apply }).await, Err(Error::PlanTampered { .. })), "no reference");
    assert!(!bench.state_file("u1").exists() && bench.mirrored("u1").is_empty(), "nothing was started");
}

#[tokio::test]
async fn an_apply_starts_only_on_the_state_it_was_planned_on() {
    let bench = Bench::new();
    bench.applied("u1", TWO).await;
    let record = bench.runner.state("u1").await.unwrap().unwrap().record.clone();
    let apply = bench.planned("u1", &TWO.replace("\"a\"\n", "\"changed\"\n")).await;
    let expect = |expected: Option<StateRecord>| RunInput { expected_state: expected, ..apply.clone() };
    let table = [
        (None, "never applied was expected"),
        (Some(StateRecord { serial: record.serial + 1, ..record.clone() }), "another serial"),
        (Some(StateRecord { lineage: "other".into(), ..record.clone() }), "another lineage"),
    ];
    for (expected, reason) in table {
        assert!(matches!(bench.run(expect(expected)).await, Err(Error::StateChanged { .. })), "{reason}");
    }
    let done = bench.run(apply.clone()).await.unwrap();
    assert_eq!(done.phase, JobPhase::Succeeded);
    assert!(matches!(bench.run(apply).await, Err(Error::StateChanged { .. })), "a plan is applied once");
}

#[tokio::test]
async fn an_absent_state_is_restored_or_nothing_starts() {
    let bench = Bench::new();
    bench.applied("u1", TWO).await;
    let apply = bench.planned("u1", &TWO.replace("\"a\"\n", "\"changed\"\n")).await;
    std::fs::remove_file(bench.state_file("u1")).unwrap();
    let done = bench.run(apply.clone()).await.unwrap();
    assert_eq!(done.created, ["terraform_data.a", "terraform_data.b"], "updated in place on the restored state");
    std::fs::remove_file(bench.state_file("u1")).unwrap();
    bench.blobs.map.lock().unwrap().retain(|key, _| key.serial().is_none());
    assert!(matches!(bench.run(apply).await, Err(Error::StateUnavailable { .. })));
    assert!(!bench.state_file("u1").exists());
}

#[tokio::test]
async fn a_torn_state_is_restored_from_the_newest_mirror() {
    let bench = Bench::new();
    bench.applied("u1", TWO).await;
    let whole = std::fs::read(bench.state_file("u1")).unwrap();
    let record = bench.runner.state("u1").await.unwrap().unwrap().record.clone();
    for length in [0, 1, whole.len() / 2, whole.len() - 3] {
        std::fs::write(bench.state_file("u1"), &whole[..length]).unwrap();
        let view = bench.runner.state("u1").await.unwrap().unwrap();
        assert_eq!(view.record, record, "torn at {length}");
        let plan = bench.run(bench.input("u1", "again", Action::Plan, TWO).await).await.unwrap().plan.unwrap();
        assert!(plan.is_empty(), "torn at {length}");
        assert_eq!(std::fs::read(bench.state_file("u1")).unwrap(), whole);
    }
}

#[tokio::test]
async fn a_state_file_of_another_lineage_stops_everything() {
    let bench = Bench::new();
    bench.applied("u1", TWO).await;
    let input = bench.input("u1", "plan-2", Action::Plan, TWO).await;
    std::fs::write(bench.state_file("u1"), crate::plan::state::empty_state("foreign", "1.11.4")).unwrap();
    assert!(matches!(bench.run(input).await, Err(Error::StateChanged { .. })));
    assert_eq!(bench.runner.state("u1").await.unwrap().unwrap().record.resources, 2, "the mirror is the truth");
}

#[tokio::test]
async fn the_mirror_follows_an_apply_and_keeps_the_newest_twenty_serials() {
    let bench = Bench::with(|options| options.poll = Duration::from_millis(2));
    let text = slow_chain(60, "0.02");
    let apply = bench.planned("u1", &text).await;
    let mut started = bench.start(apply);
    let mut serials = Vec::new();
    let mut progress = Vec::new();
    while let Some(event) = started.events.recv().await {
        match event {
            RunEvent::StateMirrored(record) => serials.push(record.serial),
            RunEvent::Progress(told) => progress.push(told),
            RunEvent::Started(_) => {}
        }
    }
    let done = started.task.await.unwrap().unwrap();
    assert_eq!((done.phase, done.created.len()), (JobPhase::Succeeded, 60));
    assert!(serials.len() >= 40, "{} of about 61 serials seen", serials.len());
    assert!(serials.is_sorted());
    let kept = bench.mirrored("u1");
    assert!((20..=21).contains(&kept.len()), "{kept:?}");
    assert_eq!(kept.last(), Some(&done.state.unwrap().serial));
    let last = progress.last().unwrap();
    assert_eq!((last.total, last.done, last.current.len()), (60, 60, 0));
    assert!(progress.len() < 40, "throttled: {}", progress.len());
}

#[tokio::test]
async fn a_failing_apply_names_what_was_made_what_failed_and_what_was_not_tried() {
    let bench = Bench::new();
    let text = "resource \"terraform_data\" \"good\" {}\nresource \"terraform_data\" \"bad\" {\n  provisioner \"local-exec\" {\n    command = \"exit 3\"\n  }\n}\nresource \"terraform_data\" \"after\" {\n  input = terraform_data.bad.id\n}\n";
    let apply = bench.planned("u1", text).await;
    let json = bench.blob(&BlobKey::job("u1", "plan", JobBlob::PlanJson)).unwrap();
    let view = crate::plan::PlanView::parse(&json).unwrap();
    let done = bench.run(apply).await.unwrap();
    assert_eq!((done.phase, done.who_acts), (JobPhase::Failed, Some(WhoActs::Stalled)), "{done:?}");
    assert_eq!(
        (done.created.as_slice(), done.failed.as_slice()),
        (&["terraform_data.good".to_owned()][..], &["terraform_data.bad".to_owned()][..])
    );
    assert_eq!(done.not_attempted.iter().cloned().collect::<BTreeSet<_>>(), view.blocked_by(&done.failed, false), "as the plan graph says");
    assert!(done.in_flight.is_empty() && done.message.unwrap().starts_with("terraform_data.bad: "));
    assert_eq!(done.state.unwrap().resources, 2, "the failed one is tainted in the state");
}

#[tokio::test]
async fn a_cancelled_apply_stops_gently_and_the_state_holds_what_was_begun() {
    let bench = Bench::new();
    let apply = bench.planned("u1", &slow_chain(4, "0.4")).await;
    let started = bench.start(apply);
    eventually("the second resource is begun", || bench.log("u1", "apply").contains("terraform_data.r1: Creating")).await;
    started.cancel.cancel();
    let done = started.task.await.unwrap().unwrap();
    assert_eq!((done.phase, done.reason), (JobPhase::Cancelled, Some(Reason::Cancelled)), "{done:?}");
    assert!(done.created.contains(&"terraform_data.r0".to_owned()));
    assert!(done.not_attempted.contains(&"terraform_data.r3".to_owned()));
    assert!(done.in_flight.is_empty());
    assert!(done.state.unwrap().resources >= 2);
}

#[tokio::test]
async fn a_terraform_that_does_not_stop_in_time_is_killed_and_its_outcome_is_unknown() {
    let scripts = tempfile::tempdir().unwrap();
    let wrapper = script(scripts.path(), "trap '' INT\n/usr/local/bin/terraform \"$@\"\n");
    let bench = Bench::with(|options| options.binary = wrapper);
    let apply = bench.planned("u1", &slow_chain(2, "20")).await;
    let (sender, _events) = tokio::sync::mpsc::channel(100);
    let control = Control { cancel: Default::default(), grace: Duration::from_millis(300) };
    let (runner, cancel) = (bench.runner.clone(), control.cancel.clone());
    let task = tokio::spawn(async move { runner.run(apply, control, sender).await });
    eventually("it sleeps", || bench.log("u1", "apply").contains("Provisioning with")).await;
    cancel.cancel();
    let done = task.await.unwrap().unwrap();
    assert_eq!((done.phase, done.reason), (JobPhase::Interrupted, Some(Reason::OutcomeUnknown)), "{done:?}");
    assert_eq!(done.in_flight[0].address, "terraform_data.r0");
    assert_eq!(done.not_attempted, ["terraform_data.r1"]);
    eventually("the whole group is gone", || super::super::owner::leftovers(&bench.work("u1")).is_empty()).await;
}

#[tokio::test]
async fn two_designs_run_at_once() {
    let bench = Bench::new();
    let (one, two) = (bench.planned("u1", &slow_chain(1, "0.8")).await, bench.planned("u2", &slow_chain(1, "0.8")).await);
    let began = std::time::Instant::now();
    let (one, two) = tokio::join!(bench.run(one), bench.run(two));
    let both = (one.unwrap(), two.unwrap());
    assert_eq!((both.0.phase, both.1.phase), (JobPhase::Succeeded, JobPhase::Succeeded));
    assert_ne!(both.0.state.unwrap().lineage, both.1.state.unwrap().lineage);
    assert!(began.elapsed() < Duration::from_millis(4000));
}

#[tokio::test]
async fn an_apply_whose_output_is_lost_leaves_everything_it_may_have_begun_in_flight() {
    let scripts = tempfile::tempdir().unwrap();
    let wrapper = script(scripts.path(), "[ \"$1\" = apply ] && exit 1\nexec /usr/local/bin/terraform \"$@\"\n");
    let bench = Bench::with(|options| options.binary = wrapper);
    let apply = bench.planned("u1", TWO).await;
    let done = bench.run(apply).await.unwrap();
    assert_eq!((done.phase, done.reason), (JobPhase::Interrupted, Some(Reason::OutcomeUnknown)), "{done:?}");
    let in_flight: Vec<&str> = done.in_flight.iter().map(|entry| entry.address.as_str()).collect();
    assert_eq!((in_flight, done.not_attempted.len()), (vec!["terraform_data.a", "terraform_data.b"], 0));
}

#[tokio::test]
async fn a_state_that_could_not_be_mirrored_is_mirrored_by_the_next_look() {
    let bench = Bench::new();
    bench.applied("u1", TWO).await;
    let newest = bench.mirrored("u1").pop().unwrap();
    bench.blobs.map.lock().unwrap().remove(&BlobKey::state("u1", newest));
    assert_ne!(bench.mirrored("u1").last(), Some(&newest), "as after an apply on a full disk");
    bench.runner.forget_view("u1");
    assert_eq!(bench.runner.state("u1").await.unwrap().unwrap().record.serial, newest);
    assert_eq!(bench.mirrored("u1").last(), Some(&newest));
}
