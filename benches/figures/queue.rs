//! From an accepted edit to the job, and from a free slot to the next process. Terraform is a stopwatch that fails at
//! once: what it does afterwards is nobody's latency.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::StreamExt;
use galley::api::TerraformJob;
use kube::api::{WatchEvent, WatchParams};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::Found;
use crate::measure::{Figure, spread};
use crate::server::{PATIENCE, design, stopwatch, until_idle, until_judged};
use crate::world::World;

/// Edits, one after the other.
const EDITS: usize = 100;
/// Jobs that wait for one slot.
const QUEUE: usize = 100;

pub async fn measure() -> Found {
    let dir = tempfile::tempdir().expect("a directory");
    let (binary, starts) = stopwatch(dir.path());
    let world = World::start_with(&[("GALLEY_TERRAFORM_BIN", binary.to_str().expect("text")), ("GALLEY_MAX_TERRAFORM", "1")]).await;
    let mut found = Found::default();
    let mut names = Vec::new();
    for _ in 0..QUEUE {
        names.push(world.create(design(19)).await);
    }
    for name in &names {
        until_judged(&world, name).await;
    }
    let mut jobs = watch(&world).await;
    accepted_to_pending(&world, &names, &mut jobs, &mut found).await;
    free_to_started(&world, &names, &starts, &mut found).await;
    found
}

/// Names of the designs of new jobs, with the moment the watch told of them.
async fn watch(world: &World) -> mpsc::UnboundedReceiver<(Instant, TerraformJob)> {
    let jobs = world.jobs();
    let version = jobs.list(&Default::default()).await.expect("jobs").metadata.resource_version.expect("a version");
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut events = jobs.watch(&WatchParams::default(), &version).await.expect("a watch").boxed();
        while let Some(Ok(event)) = events.next().await {
            let (WatchEvent::Added(job) | WatchEvent::Modified(job)) = event else { continue };
            if sender.send((Instant::now(), job)).is_err() {
                return;
            }
        }
    });
    receiver
}

async fn accepted_to_pending(
    world: &World,
    names: &[String],
    jobs: &mut mpsc::UnboundedReceiver<(Instant, TerraformJob)>,
    found: &mut Found,
) {
    let mut samples = Vec::new();
    for name in names.iter().take(EDITS) {
        world.edit(name, json!({"desiredState": "Planned"})).await;
        let accepted = Instant::now();
        let mut pending = None;
        loop {
            let (at, job) = tokio::time::timeout(PATIENCE, jobs.recv()).await.expect("a job in time").expect("the watch goes on");
            if job.spec.design_ref != *name {
                continue;
            }
            pending.get_or_insert(at);
            if job.phase().is_terminal() {
                break;
            }
        }
        samples.push(pending.expect("seen").saturating_duration_since(accepted));
        world.edit(name, json!({"desiredState": "Draft"})).await;
        until_judged(world, name).await;
    }
    found.note(crate::server::medium(world));
    let spread = spread(samples).expect("samples");
    found.figure("edit accepted to job Pending, p99", Figure::Measured(spread.p99));
    found.note(format!(
        "edit to Pending: 19 components, {EDITS} edits one after the other, median {:.1} ms, slowest {:.1} ms",
        spread.p50, spread.max
    ));
}

/// Every design is edited at once and has one slot to share; their provider processes run since the edits before.
async fn free_to_started(world: &World, names: &[String], starts: &std::path::Path, found: &mut Found) {
    until_idle(world.pid()).await;
    let before = std::fs::read_to_string(starts).unwrap_or_default().lines().count();
    let log_before = world.server_log().len();
    let mut components = design(19)["components"].clone();
    components[0]["displayName"] = json!("Another name");
    for name in names {
        world.edit(name, json!({"desiredState": "Planned", "components": components})).await;
    }
    let deadline = Instant::now() + PATIENCE;
    let ends = loop {
        let log = world.server_log();
        let ends = ended(&log[log_before..]);
        if ends.len() >= names.len() {
            break ends;
        }
        assert!(Instant::now() < deadline, "the queue does not empty: {} of {}", ends.len(), names.len());
        // seldom: reading the whole log takes a core from what is measured
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let text = std::fs::read_to_string(starts).expect("starts");
    let started: Vec<f64> = text.lines().skip(before).filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
    // the first process between two ends is the next job's
    let next = |pair: &[f64]| {
        started.iter().find(|start| **start >= pair[0] && **start <= pair[1]).map(|start| Duration::from_secs_f64(start - pair[0]))
    };
    let samples: Vec<Duration> = ends.windows(2).filter_map(next).collect();
    assert!(samples.len() * 10 >= names.len() * 8, "{} starts for {} ends", samples.len(), ends.len());
    let count = samples.len();
    // the edits have all been judged by then: what is left is the way of a job alone
    let calm = spread(samples[count / 2..].to_vec()).expect("samples");
    let spread = spread(samples).expect("samples");
    found.figure("slot free to process started, p99", Figure::Measured(spread.p99));
    found.note(format!(
        "slot free to terraform started: {count} jobs on one slot, the first while the edits of the others are judged, median {:.1} ms, slowest {:.1} ms; the last half, when all are judged, slowest {:.1} ms",
        spread.p50, spread.max, calm.max
    ));
}

/// Seconds since the epoch of every "the job ended" in the server's log, oldest first: written when the end is durable,
/// in the moment the slot becomes free.
fn ended(log: &str) -> Vec<f64> {
    let mut jobs = BTreeSet::new();
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["message"] == "the job ended" && jobs.insert(line["span"]["job"].to_string()))
        .filter_map(|line| line["timestamp"].as_str()?.parse::<jiff::Timestamp>().ok())
        .map(|time| time.as_microsecond() as f64 / 1e6)
        .collect()
}
