//! `make soak`: one server under mixed load for as long as asked: designs are applied, edited, drift, are repaired, fail by
//! injected errors, are destroyed and made again, while others are read. Every two seconds memory of the whole process
//! tree, open files and children are sampled. Exits non-zero when the tree ever takes more than 2 GB, when one of the
//! three grows, or when an error is logged that was not injected.
#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "a measurement that breaks says so and ends")]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kube::api::DeleteParams;
use serde_json::{Value, json};

#[allow(dead_code, reason = "the world of the acceptance tests")]
#[path = "../../tests/acceptance/world.rs"]
mod world;

use world::{EDITOR, World, fault};

/// Designs that live at once.
const LANES: usize = 4;
/// Readers.
const READERS: usize = 2;
/// Between two samples.
const SAMPLE: Duration = Duration::from_secs(2);
/// Memory of the container instance.
const LIMIT_MIB: f64 = 2048.0;
/// The last third may take this much more than the middle one: allocators keep what they had, a leak goes on.
const GROWTH: f64 = 1.15;
/// And this much in any case: a judgement more or less in the memo.
const SLACK_MIB: f64 = 16.0;

#[derive(Default)]
struct Done {
    applies: AtomicUsize,
    drifts: AtomicUsize,
    injected: AtomicUsize,
    destroys: AtomicUsize,
    reads: AtomicUsize,
}

#[derive(Clone, Copy)]
struct Sample {
    /// of the whole tree, MiB
    tree: f64,
    /// of the server alone, MiB
    server: f64,
    files: usize,
    children: usize,
}

fn main() -> ExitCode {
    let minutes: f64 = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(30.0);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if runtime.block_on(soak(Duration::from_secs_f64(minutes * 60.0))) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn soak(length: Duration) -> bool {
    // clouds that nobody uses end soon, so that their number says whether something is left behind
    let world = Arc::new(World::start_with(&[("GALLEY_SANDBOX_IDLE", "5"), ("GALLEY_MEMORY_MB", "2048")]).await);
    let (done, end) = (Arc::new(Done::default()), Instant::now() + length);
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..LANES {
        let (world, done) = (world.clone(), done.clone());
        tasks.spawn(async move {
            while Instant::now() < end {
                life(&world, &done, lane).await;
            }
        });
    }
    for _ in 0..READERS {
        let (world, done) = (world.clone(), done.clone());
        tasks.spawn(async move {
            while Instant::now() < end {
                for design in world.designs().list(&Default::default()).await.expect("designs").items {
                    let name = design.metadata.name.unwrap_or_default();
                    let _ = world.designs().get_opt(&name).await.expect("a read");
                    done.reads.fetch_add(1, Ordering::Relaxed);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    let sampled = world.clone();
    let sampling = tokio::spawn(async move {
        let mut samples = Vec::new();
        while Instant::now() < end {
            tokio::time::sleep(SAMPLE).await;
            samples.push(sample(sampled.pid()));
        }
        samples
    });
    let mut broken = 0;
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            broken += 1;
            eprintln!("a lane broke: {error}");
        }
    }
    let samples = sampling.await.expect("samples");
    judge(&world, &done, &samples, broken)
}

/// One design from its making to its end.
async fn life(world: &World, done: &Done, lane: usize) {
    let name = world.create(world::small()).await;
    world.edit(&name, json!({"desiredState": "Applied"})).await;
    world.until_plan(&name).await;
    if lane.is_multiple_of(2) {
        // a quota that is raised meanwhile: the apply fails, a person asks again
        world.cloud(&name).await.fail(fault("limit-exceeded", "create", "oci_core_instance", Some(1))).expect("fault");
        done.injected.fetch_add(1, Ordering::Relaxed);
        world.approve(&name, EDITOR).await;
        world.until_reason(&name, "JobFailed").await;
        world.edit(&name, json!({"request": {"id": "again", "action": "Retry"}})).await;
        world.until_plan(&name).await;
    }
    world.approve(&name, EDITOR).await;
    world.until_reason(&name, "Synced").await;
    done.applies.fetch_add(1, Ordering::Relaxed);
    // somebody at a console
    let cloud = world.cloud(&name).await;
    let resources = cloud.list().expect("cloud");
    let vcn = resources.iter().find(|resource| resource.resource_type == "oci_core_vcn").expect("a vcn");
    galley::sandbox::admin::set(&cloud, &vcn.id, "display_name", json!("changed at the console")).expect("set");
    world.edit(&name, json!({"request": {"id": "look", "action": "Plan"}})).await;
    world.until_plan(&name).await;
    world.approve(&name, EDITOR).await;
    world.until_reason(&name, "Synced").await;
    done.drifts.fetch_add(1, Ordering::Relaxed);
    world.edit(&name, json!({"desiredState": "Destroyed"})).await;
    world.until_plan(&name).await;
    world.approve(&name, EDITOR).await;
    world.until_reason(&name, "Destroyed").await;
    let sessions: kube::Api<galley::api::Session> = kube::Api::default_namespaced(world.kube(EDITOR));
    sessions.delete(&name, &DeleteParams::default()).await.expect("deleted");
    done.destroys.fetch_add(1, Ordering::Relaxed);
}

fn sample(server: u32) -> Sample {
    let mut tree = vec![server];
    let mut index = 0;
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    while index < tree.len() {
        let this = tree[index];
        tree.extend(parents.iter().filter(|(_, parent)| *parent == this).map(|(pid, _)| *pid));
        index += 1;
    }
    let resident = |pid: &u32| galley::process::resident(*pid) as f64 / f64::from(1 << 20);
    let files = std::fs::read_dir(format!("/proc/{server}/fd")).map_or(0, Iterator::count);
    Sample { tree: tree.iter().map(resident).sum(), server: resident(&server), files, children: tree.len() - 1 }
}

/// The median of one third of the samples.
fn third(samples: &[Sample], which: usize, of: impl Fn(&Sample) -> f64) -> f64 {
    let length = samples.len() / 3;
    let mut values: Vec<f64> = samples[which * length..(which + 1) * length].iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn judge(world: &World, done: &Done, samples: &[Sample], broken: usize) -> bool {
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    println!(
        "done: {} applies, {} drifts repaired, {} injected failures, {} destroys, {} reads; {} samples",
        count(&done.applies),
        count(&done.drifts),
        count(&done.injected),
        count(&done.destroys),
        count(&done.reads),
        samples.len()
    );
    if samples.len() < 9 || count(&done.destroys) == 0 {
        println!("MISSED: too short to say anything");
        return false;
    }
    let mut fine = broken == 0;
    let mut line = |what: &str, ok: bool, text: String| {
        println!("{what:<44} {text:<44} {}", if ok { "ok" } else { "MISSED" });
        fine &= ok;
    };
    let most = samples.iter().map(|sample| sample.tree).fold(0.0, f64::max);
    line("memory of the tree at the most", most <= LIMIT_MIB, format!("{most:.0} MiB, bar {LIMIT_MIB:.0}"));
    let (before, after) = (third(samples, 1, |sample| sample.server), third(samples, 2, |sample| sample.server));
    line("memory of the server, middle → last third", after <= before * GROWTH + SLACK_MIB, format!("{before:.0} → {after:.0} MiB"));
    let (before, after) = (third(samples, 1, |sample| sample.files as f64), third(samples, 2, |sample| sample.files as f64));
    line("open files, middle → last third", after <= before + 8.0, format!("{before:.0} → {after:.0}"));
    let (before, after) = (third(samples, 1, |sample| sample.children as f64), third(samples, 2, |sample| sample.children as f64));
    line("children, middle → last third", after <= before + 4.0, format!("{before:.0} → {after:.0}"));
    let errors: Vec<String> = world
        .server_log()
        .lines()
        .filter_map(|text| serde_json::from_str::<Value>(text).ok())
        .filter(|entry| entry["level"] == "ERROR")
        .map(|entry| format!("{} {}", entry["message"], entry["error"]))
        .collect();
    errors.iter().take(5).for_each(|error| println!("  {error}"));
    line("errors that were not injected", errors.is_empty() && broken == 0, format!("{} in the log, {broken} lanes broke", errors.len()));
    fine
}
