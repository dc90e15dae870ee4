//! What is found after a crash, and that nothing is guessed.

use super::super::*;
use super::fakes::*;
use crate::api::design::ChangeAction;
use crate::blobs::{BlobKey, JobBlob};
use crate::process::{self, Signal};

fn kill(pid: u32) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), Signal::SIGKILL).unwrap();
}

/// Asks until nothing is alive any more.
async fn settled(bench: &Bench, owner: Option<&Owner>) -> Recovered {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let found = bench.runner.recover("u1", "apply", Action::Apply, owner).await.unwrap();
        if found != Recovered::StillAlive || tokio::time::Instant::now() > deadline {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn plugins_whose_terraform_is_gone_are_ended_and_a_persons_shell_is_not() {
    let bench = Bench::new();
    bench.applied("u1", &slow_chain(1, "0")).await;
    let sleeper = |mark: Option<(&'static str, &'static str)>| {
        let mut command = process::Command::new("/bin/sleep").args(["60"]).cwd(bench.work("u1")).envs(mark);
        command.lifetime = process::Lifetime::Detached;
        process::spawn(command)
    };
    let (plugin, person) = (sleeper(Some(("GALLEY_TERRAFORM", "1"))).await.unwrap(), sleeper(None).await.unwrap());
    let found = settled(&bench, None).await;
    assert!(matches!(found, Recovered::Dead { .. }), "{found:?}");
    assert_eq!(plugin.wait().await, process::Exit::Signal(9));
    assert_eq!(person.try_wait(), None);
    person.signal(Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn a_killed_terraform_leaves_an_interrupted_job_that_names_what_was_in_flight() {
    let bench = Bench::new();
    let apply = bench.planned("u1", &slow_chain(4, "0.5")).await;
    let mut started = bench.start(apply);
    let owner = started.owner().await;
    eventually("the second resource is begun", || bench.log("u1", "apply").contains("terraform_data.r1: Creating")).await;
    kill(owner.pid.unwrap());
    let done = started.task.await.unwrap().unwrap();
    assert_eq!((done.phase, done.reason), (JobPhase::Interrupted, Some(Reason::OutcomeUnknown)), "{done:?}");
    assert_eq!(done.created, ["terraform_data.r0"]);
    assert_eq!(
        done.in_flight.iter().map(|entry| (entry.address.as_str(), entry.action)).collect::<Vec<_>>(),
        [("terraform_data.r1", ChangeAction::Create)]
    );
    assert_eq!(done.not_attempted, ["terraform_data.r2", "terraform_data.r3"]);
    assert_eq!(done.state.as_ref().unwrap().resources, 1, "what was recorded is in the state");
    // The owner's record says the same to the next server.
    let found = settled(&bench, Some(&owner)).await;
    let Recovered::Dead { state, in_flight, created, not_attempted, .. } = found else { panic!("{found:?}") };
    assert_eq!((state, in_flight, created, not_attempted), (done.state, done.in_flight, done.created, done.not_attempted));
    // And the design goes on from there: three to make, none twice.
    let plan = bench.run(bench.input("u1", "plan-2", Action::Plan, &slow_chain(4, "0")).await).await.unwrap().plan.unwrap();
    assert_eq!((plan.counts.create, plan.counts.total()), (3, 3));
}

#[tokio::test]
async fn a_server_that_died_finds_its_terraform_alive_then_dead_and_loses_nothing() {
    let mut bench = Bench::new();
    let apply = bench.planned("u1", &slow_chain(3, "0.4")).await;
    let mut started = bench.start(apply);
    let owner = started.owner().await;
    eventually("the second resource is begun", || bench.log("u1", "apply").contains("terraform_data.r1: Creating")).await;
    // As after kill -9: nobody follows any more. (This process stays terraform's parent, so it is asked to stop.)
    started.task.abort();
    bench.restart();
    assert!(bench.runner.forget("u1").await.is_err(), "not while terraform works there");
    let found = bench.runner.recover("u1", "apply", Action::Apply, None).await.unwrap();
    assert_eq!(found, Recovered::StillAlive, "also when the record was never written");
    eventually("it stopped", || !process::is_alive(owner.pid.unwrap(), owner.start_time.unwrap())).await;
    std::fs::write(bench.work("u1").join(".galley/jobs/apply/secrets.tfvars.json"), "{}").unwrap();
    let found = settled(&bench, Some(&owner)).await;
    let Recovered::Dead { state, restored, in_flight, created, not_attempted } = found else { panic!("{found:?}") };
    assert!(!restored && in_flight.is_empty(), "it stopped gently: {restored} {in_flight:?}");
    assert!(created.contains(&"terraform_data.r0".to_owned()));
    assert!(not_attempted.contains(&"terraform_data.r2".to_owned()));
    let state = state.unwrap();
    assert_eq!(bench.mirrored("u1").last(), Some(&state.serial), "what was newer than the mirror is mirrored");
    assert!(!bench.work("u1").join(".galley/jobs/apply/secrets.tfvars.json").exists());
    assert!(!bench.work("u1").join(".terraform.tfstate.lock.info").exists());
}

#[tokio::test]
async fn what_was_made_and_is_in_no_state_is_in_flight_with_its_id() {
    let bench = Bench::new();
    let done = bench.applied("u1", &slow_chain(2, "0")).await;
    let ids = bench.runner.state("u1").await.unwrap().unwrap().resources.clone();
    // As if the kill had come before the state was written a last time: torn file, and mirrors up to the first resource.
    std::fs::write(bench.state_file("u1"), b"{\"version\": 4, \"ser").unwrap();
    let first = crate::plan::state::empty_state(&done.state.unwrap().lineage, "1.11.4");
    {
        let mut map = bench.blobs.map.lock().unwrap();
        map.retain(|key, _| key.serial().is_none());
        map.insert(BlobKey::state("u1", 0), first.into());
    }
    let found = bench.runner.recover("u1", "apply", Action::Apply, None).await.unwrap();
    let Recovered::Dead { state, restored, in_flight, created, .. } = found else { panic!("{found:?}") };
    assert!(restored && created.is_empty());
    assert_eq!(state.unwrap().serial, 0);
    for entry in &in_flight {
        assert_eq!(entry.found_id, ids[&entry.address].1, "the event log knows the id");
    }
    assert_eq!(in_flight.len(), 2);
}

#[tokio::test]
async fn a_lost_disk_makes_every_planned_address_that_no_state_holds_uncertain() {
    let bench = Bench::new();
    let apply = bench.planned("u1", &slow_chain(3, "0.4")).await;
    let mut started = bench.start(apply);
    let owner = started.owner().await;
    eventually("the second resource is begun", || bench.log("u1", "apply").contains("terraform_data.r1: Creating")).await;
    kill(owner.pid.unwrap());
    started.task.await.unwrap().unwrap();
    std::fs::remove_dir_all(bench.work("u1")).unwrap();
    assert!(bench.blob(&BlobKey::job("u1", "apply", JobBlob::PlanJson)).is_some());
    let found = settled(&bench, None).await;
    let Recovered::Dead { state, restored, in_flight, created, not_attempted } = found else { panic!("{found:?}") };
    assert!(restored);
    assert_eq!(state.unwrap().resources, 1);
    assert_eq!(created, ["terraform_data.r0"]);
    assert_eq!(in_flight.iter().map(|entry| entry.address.as_str()).collect::<Vec<_>>(), ["terraform_data.r1", "terraform_data.r2"]);
    assert!(not_attempted.is_empty(), "nobody can say that");
}

#[tokio::test]
async fn an_owner_on_another_host_is_not_declared_dead() {
    let bench = Bench::new();
    let owner = Owner { host: "elsewhere".into(), boot_id: process::boot_id(), pid: Some(1), start_time: Some(1), epoch: 1 };
    assert_eq!(bench.runner.recover("u1", "apply", Action::Apply, Some(&owner)).await.unwrap(), Recovered::OwnerUnknown);
    let fenced = Bench::with(|options| options.other_hosts = OtherHosts::FencedByEpoch);
    assert!(matches!(
        fenced.runner.recover("u1", "apply", Action::Apply, Some(&owner)).await.unwrap(),
        Recovered::Dead { state: None, .. }
    ));
}

#[tokio::test]
async fn a_state_that_terraform_could_not_write_is_taken_over() {
    let bench = Bench::new();
    let done = bench.applied("u1", &slow_chain(1, "0")).await;
    let record = done.state.unwrap();
    let mut newer: serde_json::Value = serde_json::from_slice(&std::fs::read(bench.state_file("u1")).unwrap()).unwrap();
    newer["serial"] = (record.serial + 5).into();
    std::fs::write(bench.work("u1").join("errored.tfstate"), newer.to_string()).unwrap();
    let found = bench.runner.recover("u1", "apply", Action::Apply, None).await.unwrap();
    let Recovered::Dead { state, .. } = found else { panic!("{found:?}") };
    assert_eq!(state.unwrap().serial, record.serial + 5);
    assert!(!bench.work("u1").join("errored.tfstate").exists());
    assert_eq!(bench.runner.state("u1").await.unwrap().unwrap().record.serial, record.serial + 5);
}

#[tokio::test]
async fn a_spawn_that_fails_leaves_nothing_that_looks_like_an_apply() {
    let bench = Bench::new();
    let apply = bench.planned("u1", &slow_chain(1, "0")).await;
    let mut options = bench.runner.options.clone();
    // The version is known from the cache, so only the apply itself meets the missing binary.
    let copy = bench.directory.path().join("gone");
    std::os::unix::fs::symlink("/usr/local/bin/terraform", &copy).unwrap();
    options.binary = copy.clone();
    let runner = LocalRunner::new(options).unwrap();
    runner.version().await.unwrap();
    std::fs::remove_file(&copy).unwrap();
    std::fs::write(&copy, "not a program").unwrap();
    let (sender, _events) = tokio::sync::mpsc::channel(10);
    let control = Control { cancel: Default::default(), grace: std::time::Duration::from_secs(1) };
    assert!(matches!(runner.run(apply, control, sender).await, Err(Error::Start { .. })));
    assert!(!bench.state_file("u1").exists() && bench.mirrored("u1").is_empty());
    assert!(bench.runner.state("u1").await.unwrap().is_none());
}

#[tokio::test]
async fn an_earlier_state_that_is_put_back_is_the_newest_and_one_that_is_not_kept_is_answered_with_those_that_are() {
    let bench = Bench::new();
    bench.applied("u1", &slow_chain(2, "0")).await;
    let before = bench.runner.state("u1").await.unwrap().unwrap();
    let Restored::Absent { kept } = bench.runner.restore("u1", 999, 0).await.unwrap() else { panic!("there is no serial 999") };
    assert!(kept.contains(&before.record.serial) && kept.len() > 1, "{kept:?}");
    let Restored::Done(record) = bench.runner.restore("u1", kept[0], before.record.serial).await.unwrap() else { panic!("it is kept") };
    assert!(record.serial > before.record.serial && record.resources < before.record.resources, "{record:?} {:?}", before.record);
    assert_eq!(record.lineage, before.record.lineage);
    let after = bench.runner.state("u1").await.unwrap().unwrap();
    assert_eq!(after.record, record, "file and mirror agree");
    std::fs::write(bench.work("u1").join("terraform.tfstate"), b"{").unwrap();
    let Restored::Done(again) = bench.runner.restore("u1", before.record.serial, record.serial).await.unwrap() else {
        panic!("it is kept")
    };
    assert_eq!(
        (again.resources, bench.runner.state("u1").await.unwrap().unwrap().record.serial),
        (2, record.serial + 1),
        "also over a torn file"
    );
}

#[tokio::test]
async fn what_a_person_takes_as_dead_is_accounted_for_and_what_works_here_is_not_dead() {
    let bench = Bench::new();
    bench.applied("u1", &slow_chain(1, "0")).await;
    let elsewhere = Owner { host: "elsewhere".into(), boot_id: "b".into(), pid: Some(1), start_time: Some(1), epoch: 1 };
    let found = bench.runner.recover("u1", "apply", Action::Apply, Some(&elsewhere)).await.unwrap();
    assert_eq!(found, Recovered::OwnerUnknown, "another host cannot be asked");
    let mut command = process::Command::new("/bin/sleep").args(["60"]).cwd(bench.work("u1")).envs([("GALLEY_TERRAFORM", "1")]);
    command.lifetime = process::Lifetime::Detached;
    let works = process::spawn(command).await.unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while bench.runner.seize("u1", "apply", Action::Apply).await.unwrap() != Recovered::StillAlive {
        assert!(tokio::time::Instant::now() < deadline, "a process that works here is seen");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(bench.runner.restore("u1", 0, 0).await.unwrap(), Restored::InUse);
    works.signal(Signal::SIGKILL).unwrap();
    works.wait().await;
    let seized = bench.runner.seize("u1", "apply", Action::Apply).await.unwrap();
    assert!(matches!(&seized, Recovered::Dead { state: Some(state), .. } if state.resources == 1), "{seized:?}");
}

#[tokio::test]
async fn a_plan_that_ignores_every_signal_is_killed_soon_after_its_server_died() {
    let scripts = tempfile::tempdir().unwrap();
    let wrapper =
        script(scripts.path(), "[ \"$1\" = plan ] || exec /usr/local/bin/terraform \"$@\"\ntrap '' INT TERM\nwhile :; do sleep 1; done\n");
    let bench = Bench::with(|options| options.binary = wrapper);
    let input = bench.input("u1", "plan", Action::Plan, &slow_chain(1, "0")).await;
    let mut started = bench.start(input);
    let owner = started.owner().await;
    started.task.abort();
    let began = std::time::Instant::now();
    let deadline = began + std::time::Duration::from_secs(20);
    let found = loop {
        let found = bench.runner.recover("u1", "plan", Action::Plan, Some(&owner)).await.unwrap();
        if found != Recovered::StillAlive || std::time::Instant::now() > deadline {
            break found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert!(matches!(found, Recovered::Dead { .. }), "{found:?}");
    eventually("nothing of it is left", || super::super::owner::leftovers(&bench.work("u1")).is_empty()).await;
}
