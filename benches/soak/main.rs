//! `make soak`: one server under mixed load for as long as asked: designs are applied, edited, drift, are repaired, fail by
//! injected errors, are destroyed and made again, while others are edited, planned, cancelled, exported and read over MCP.
//! Every two seconds memory of the whole process tree, open files and children are sampled. Exits non-zero when the tree
//! ever takes more than 2 GB, when one of them grows, or when anything went wrong that was not injected.
#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "a measurement that breaks says so and ends")]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

mod judge;
mod life;
#[allow(dead_code, reason = "shared with the benchmarks")]
#[path = "../figures/measure.rs"]
mod measure;
mod sample;
#[allow(dead_code, reason = "shared with the benchmarks")]
#[path = "../figures/server.rs"]
mod server;
#[allow(dead_code, reason = "the world of the acceptance tests")]
#[path = "../../tests/acceptance/world.rs"]
mod world;

use world::World;

/// Designs that live at once.
const LANES: usize = 4;
/// Readers, each on a connection of its own.
const READERS: usize = 2;
/// Between two samples.
const SAMPLE: Duration = Duration::from_secs(2);
/// Lives that end after the time is over are waited for; memory of a server at rest is not what is asked.
const DRAIN: Duration = Duration::from_secs(300);

/// What was done.
#[derive(Default)]
pub struct Done {
    pub applies: AtomicUsize,
    pub drifts: AtomicUsize,
    /// failures of jobs that this program made
    pub injected: AtomicUsize,
    pub cancelled: AtomicUsize,
    pub destroys: AtomicUsize,
    pub edits: AtomicUsize,
    pub reads: AtomicUsize,
}

/// One more.
pub fn note(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn main() -> ExitCode {
    let minutes: f64 = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(30.0);
    if cfg!(debug_assertions) {
        println!("an unoptimised build: its memory says nothing beside the bar");
    }
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
                life::whole(&world, &done, lane).await;
            }
        });
    }
    let (edited, doing) = (world.clone(), done.clone());
    tasks.spawn(async move { life::edited(&edited, &doing, end).await });
    for reader in 0..READERS {
        let (world, done) = (world.clone(), done.clone());
        tasks.spawn(async move { life::read(&world, &done, reader, end).await });
    }
    let sampled = world.clone();
    let sampling = tokio::spawn(async move {
        let mut samples = Vec::new();
        while Instant::now() < end {
            tokio::time::sleep(SAMPLE).await;
            samples.push(sample::now(sampled.pid()));
        }
        samples
    });
    let mut broken = 0;
    let draining = async {
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                broken += 1;
                eprintln!("a lane broke: {error}");
            }
        }
    };
    let drained = tokio::time::timeout(length + DRAIN, draining).await.is_ok();
    let samples = sampling.await.expect("samples");
    judge::judge(&world, &done, &samples, broken + usize::from(!drained))
}
