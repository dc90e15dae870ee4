//! A thousand jobs wait for one slot, whose holder does not end until it is let go: how soon an edit has its job among them,
//! and how soon the next process runs when the slot becomes free.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use futures::StreamExt;
use galley::api::design::DesiredState;
use galley::api::{Design, TerraformJob};
use kube::Api;
use kube::api::{Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::{Value, json};

use crate::measure::{Figure, resident, spread};
use crate::server::{Bare, PATIENCE, until_idle};
use crate::world::EDITOR;
use crate::{Crowd, Found, listed, text};

/// Jobs that wait while edits are measured.
const WAITING: usize = 1000;
/// Edits measured among them.
const EDITS: usize = 100;
/// Jobs whose start after a free slot is measured.
const STARTS: usize = 100;
/// Drafts that this takes.
pub const DRAFTS: usize = WAITING + EDITS;

pub async fn measure(crowd: &Crowd, found: &mut Found) {
    let dir = crowd.world.dir.path();
    let hold = dir.join("hold");
    let (binary, starts) = held_terraform(dir, &hold);
    std::fs::write(&hold, "").expect("hold");
    let log = dir.join("queue.log");
    let environment =
        [("GALLEY_TERRAFORM_BIN", binary.to_str().expect("text")), ("GALLEY_MAX_TERRAFORM", "1"), ("GALLEY_SANDBOX_IDLE", "2")];
    let mut server = Bare::start(&crowd.data, &log, &environment);
    let mut rpc = server.answer().await;
    until_idle(server.pid()).await;
    let client = client(&server);
    let drafts = drafts(&client, &listed(&mut rpc).await, &[&crowd.built, &crowd.draft]).await;
    assert_eq!(drafts.len(), DRAFTS, "there are drafts enough");
    let (waiting, edited) = drafts.split_at(WAITING);
    let start = Instant::now();
    fill(&client, waiting).await;
    found.note(format!("{} jobs wait after {:.1} s", waiting.len(), start.elapsed().as_secs_f64()));
    until_idle(server.pid()).await;

    let pending = spread(edits(&client, edited).await).expect("samples");
    found.figure("edit to Pending, jobs waiting, p99", Figure::Measured(pending.p99));
    found.note(format!(
        "edit to Pending while {} jobs wait: {} edits, median {:.1} ms, slowest {:.1} ms",
        waiting.len(),
        edited.len(),
        pending.p50,
        pending.max
    ));
    found.note(format!("resident with {} jobs waiting: {:.0} MiB", waiting.len(), resident(server.pid()).expect("running")));
    std::fs::remove_file(&hold).expect("let go");
    let freed = free_to_started(&log, &starts, &crowd.data.join("run")).await;
    let count = freed.len();
    assert!(count * 10 >= STARTS * 8, "{count} starts for {STARTS} ends");
    let freed = spread(freed).expect("samples");
    found.figure("slot free to process, jobs waiting, p99", Figure::Measured(freed.p99));
    found.note(format!("slot free to the next process: {count} jobs, median {:.1} ms, slowest {:.1} ms", freed.p50, freed.max));
}

fn client(server: &Bare) -> kube::Client {
    let uri: http::Uri = format!("{}/k8s/{EDITOR}", server.base).parse().expect("uri");
    kube::Client::try_from(kube::Config::new(uri)).expect("client")
}

/// As many drafts as are needed; the two that everything was copied from stay as they are.
async fn drafts(client: &kube::Client, names: &[String], but: &[&String]) -> Vec<String> {
    let designs: Api<Design> = Api::namespaced(client.clone(), "default");
    let mut found = Vec::new();
    for name in names.iter().filter(|name| !but.contains(name)) {
        if designs.get(name).await.expect("design").spec.desired_state == DesiredState::Draft {
            found.push(name.clone());
        }
        if found.len() >= DRAFTS {
            break;
        }
    }
    found
}

/// Wants a plan of each, and waits until each has its job. The built designs have jobs already.
async fn fill(client: &kube::Client, names: &[String]) {
    let jobs: Api<TerraformJob> = Api::namespaced(client.clone(), "default");
    let count = async || jobs.list_metadata(&Default::default()).await.expect("jobs").items.len();
    let before = count().await;
    futures::stream::iter(names).for_each_concurrent(8, |name| plan(client, name)).await;
    let deadline = Instant::now() + PATIENCE;
    while count().await < before + names.len() {
        assert!(Instant::now() < deadline, "the queue does not fill");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn plan(client: &kube::Client, name: &str) {
    let designs: Api<Design> = Api::namespaced(client.clone(), "default");
    let body = json!({"spec": {"desiredState": "Planned"}});
    designs.patch(name, &PatchParams::default(), &Patch::Merge(&body)).await.expect("accepted");
}

/// From the answer to an edit to its job in a watch, one after the other.
async fn edits(client: &kube::Client, names: &[String]) -> Vec<Duration> {
    let jobs: Api<TerraformJob> = Api::namespaced(client.clone(), "default");
    let version = jobs.list(&Default::default()).await.expect("jobs").metadata.resource_version.expect("a version");
    let mut events = jobs.watch(&WatchParams::default(), &version).await.expect("a watch").boxed();
    let mut samples = Vec::new();
    for name in names {
        plan(client, name).await;
        let accepted = Instant::now();
        loop {
            let event =
                tokio::time::timeout(PATIENCE, events.next()).await.expect("in time").expect("the watch goes on").expect("an event");
            let (WatchEvent::Added(job) | WatchEvent::Modified(job)) = event else { continue };
            if job.spec.design_ref == *name {
                samples.push(accepted.elapsed());
                break;
            }
        }
    }
    samples
}

/// A terraform that writes down when it was started, waits while `hold` is there, and fails.
fn held_terraform(dir: &Path, hold: &Path) -> (PathBuf, PathBuf) {
    let (path, log) = (dir.join("terraform-held"), dir.join("held.log"));
    let script = format!(
        "#!/bin/bash\nif [ \"$1\" = version ]; then echo '{{\"terraform_version\":\"1.11.4\"}}'; exit 0; fi\n\
         printf '%s %s\\n' \"$EPOCHREALTIME\" \"$1\" >> '{}'\nwhile [ -e '{}' ]; do sleep 0.05; done\nexit 1\n",
        log.display(),
        hold.display()
    );
    std::fs::write(&path, script).expect("script");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
    (path, log)
}

/// From the durable end of a job to the first process of the next: its provider, whose log file is made when it is
/// started, or its terraform.
async fn free_to_started(log: &Path, starts: &Path, run_dir: &Path) -> Vec<Duration> {
    let deadline = Instant::now() + PATIENCE;
    let mut providers: BTreeMap<PathBuf, f64> = BTreeMap::new();
    let ends = loop {
        // a provider that was idle takes its log along when it is started again, so births are collected while they last
        for entry in std::fs::read_dir(run_dir).into_iter().flatten().flatten() {
            let born = entry.metadata().and_then(|meta| meta.created().or_else(|_| meta.modified())).ok();
            let seconds = born.and_then(|born| born.duration_since(SystemTime::UNIX_EPOCH).ok()).map(|time| time.as_secs_f64());
            if let (true, Some(seconds)) = (entry.path().extension().is_some_and(|end| end == "log"), seconds) {
                providers.entry(entry.path()).or_insert(seconds);
            }
        }
        let ends = ended(&text(log));
        if ends.len() > STARTS {
            break ends;
        }
        assert!(Instant::now() < deadline, "the queue does not move: {} ends", ends.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let text = text(starts);
    let mut began: Vec<f64> = text.lines().filter_map(|line| line.split(' ').next()?.parse().ok()).chain(providers.into_values()).collect();
    began.sort_by(f64::total_cmp);
    let next = |pair: &[f64]| began.iter().find(|at| **at >= pair[0] && **at <= pair[1]).map(|at| Duration::from_secs_f64(at - pair[0]));
    ends.windows(2).take(STARTS).filter_map(next).collect()
}

/// Seconds since the epoch of every "the job ended" in a log, oldest first.
fn ended(log: &str) -> Vec<f64> {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["message"] == "the job ended")
        .filter_map(|line| line["timestamp"].as_str()?.parse::<jiff::Timestamp>().ok())
        .map(|time| time.as_microsecond() as f64 / 1e6)
        .collect()
}
