//! Storms: disks that fill up, clocks that jump, servers that meet, terraforms that misbehave. Each is a story of its own;
//! what must hold at its end is what must hold at every end, and what its own line says.

mod disk;
mod hosts;
mod terraform;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kills::{Base, Known, guarded};
use crate::person::Person;
use crate::scenarios::{NAME, Scenario, bucket, design};
use crate::world::{EDITOR, STORY, Start, World};
use crate::{block, went_wrong};

/// What the parts after the kills stand on.
pub struct Stage<'a> {
    pub scenarios: &'a [Scenario],
    pub base: &'a Base,
    pub known: &'a [Known],
    pub workers: usize,
    pub only: Option<&'a str>,
}

impl Stage<'_> {
    /// Does something with each, several at once; answers in the same order.
    pub fn at_once<T: Sync, R: Send>(&self, all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
        let (at, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
        std::thread::scope(|scope| {
            for _ in 0..self.workers.max(1) {
                scope.spawn(|| {
                    loop {
                        let index = at.fetch_add(1, Ordering::Relaxed);
                        let Some(one) = all.get(index) else { break };
                        let answer = work(one);
                        done.lock().expect("answers").insert(index, answer);
                    }
                });
            }
        });
        done.into_inner().expect("answers").into_values().collect()
    }
}

/// What a storm came to: what was wrong, or why it could not blow here.
pub enum Blown {
    Through(Vec<String>),
    Skipped(String),
}

type Telling<'a> = Pin<Box<dyn Future<Output = std::io::Result<Blown>> + 'a>>;
type Storm = (&'static str, for<'a> fn(&'a Base) -> Telling<'a>);

const STORMS: &[Storm] = &[
    ("the disk fills up during an apply", |base| Box::pin(disk::during_an_apply(base, "full", "free space"))),
    ("the disk becomes read-only during an apply", |base| Box::pin(disk::during_an_apply(base, "readonly", "mount it writable"))),
    ("a small real disk fills up during an apply", |base| Box::pin(disk::a_small_one(base))),
    ("a read-only disk at the start", |base| Box::pin(disk::at_the_start(base))),
    ("every write takes 150 ms", |base| Box::pin(disk::all_along(base, "slow 150"))),
    ("every eleventh write fails", |base| Box::pin(disk::all_along(base, "flaky 11"))),
    ("the state file is torn at rest", |base| Box::pin(disk::a_torn_state(base))),
    ("the clock jumps two hours ahead", |base| Box::pin(hosts::the_clock_jumps(base, 7200))),
    ("the clock jumps a day back", |base| Box::pin(hosts::the_clock_jumps(base, -86_400))),
    ("a quarter of an hour passes", |base| Box::pin(hosts::a_drift_check_is_due(base))),
    ("forty days pass", |base| Box::pin(hosts::old_things_go(base))),
    ("two servers on one data directory", |base| Box::pin(hosts::two_servers(base))),
    ("terraform hangs and ignores SIGINT", |base| Box::pin(terraform::hangs(base))),
    ("terraform is killed for its memory", |base| Box::pin(terraform::is_killed(base))),
    ("terraform loses its provider in a create", |base| Box::pin(terraform::loses_its_provider(base))),
    ("terraform prints garbage", |base| Box::pin(terraform::prints_garbage(base))),
    ("terraform ends without a word", |base| Box::pin(terraform::ends_without_a_word(base))),
    ("terraform leaves children behind", |base| Box::pin(terraform::leaves_children(base))),
];

/// Runs all of them; gives how many there were and how many went wrong.
pub fn all(stage: &Stage<'_>) -> (usize, usize) {
    let began = Instant::now();
    println!("\nstorms:");
    let wanted: Vec<Storm> = STORMS.iter().copied().filter(|(name, _)| stage.only.is_none_or(|only| name.contains(only))).collect();
    let wrong = stage.at_once(&wanted, |(name, storm)| {
        let started = Instant::now();
        STORY.set(Some((*name).to_owned()));
        let blown = guarded(|| block(storm(stage.base)));
        STORY.set(None);
        let bad = match blown {
            Ok(Blown::Through(bad)) => bad,
            Ok(Blown::Skipped(why)) => {
                println!("  {name:44} SKIPPED: {why}");
                return false;
            }
            Err(error) => vec![error],
        };
        let result = if bad.is_empty() { "ok".to_owned() } else { format!("VIOLATION {}", bad.join("; ")) };
        if !bad.is_empty() {
            went_wrong(name, &bad.join("; "));
        }
        println!("  {name:44} {result} ({:.1} s)", started.elapsed().as_secs_f32());
        !bad.is_empty()
    });
    let bad = wrong.iter().filter(|wrong| **wrong).count();
    println!("{} storms, {bad} violations, {:?}", wanted.len(), began.elapsed());
    (wanted.len(), bad)
}

/// The base with another bucket.
pub fn more(name: &str) -> Value {
    let buckets = [bucket(1, "data-lake-1"), bucket(2, "data-lake-2"), bucket(3, name)];
    json!({"components": design(&buckets)["components"]})
}

/// A running world on a copy of the base.
pub async fn begin(base: &Base) -> std::io::Result<World> {
    let mut world = World::new(Some(&base.0))?;
    start(&mut world).await?;
    Ok(world)
}

pub async fn start(world: &mut World) -> std::io::Result<()> {
    match world.start(None).await? {
        Start::Ready => Ok(()),
        Start::Died => Err(std::io::Error::other(format!("it does not start: {}", tail(&world.log())))),
    }
}

pub fn person<'a>(world: &'a mut World, base: &Base) -> Person<'a> {
    Person::new(world, NAME, Some(base.1.clone()))
}

/// Slow creates, so that there is a middle of an apply.
pub fn slow(world: &World, base: &Base, pause: Duration) {
    let cloud = world.cloud(&base.1);
    let _ = cloud.clear_faults();
    cloud.delay(galley::sandbox::FaultOperation::parse("create").expect("an operation"), "*", pause).expect("slow");
}

/// What the server answers to an edit now; None when it takes it. Asked without kube, which tries again by itself.
pub fn refusal(base: &str) -> Option<String> {
    block(async {
        let url = format!("{base}/k8s/{EDITOR}/apis/galley.dev/v1alpha1/namespaces/default/sessions/{NAME}");
        let edit = json!({"metadata": {"annotations": {"galley.dev/storm": "now"}}}).to_string();
        let asked =
            reqwest::Client::new().patch(url).header("content-type", "application/merge-patch+json").body(edit).send().await.ok()?;
        if asked.status().is_success() { None } else { asked.text().await.ok() }
    })
}

/// Last lines of a log.
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

/// Waits for a condition of files; true when it came.
pub async fn eventually(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while !holds() {
        if began.elapsed() > patience {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    true
}

/// Does something from beside as soon as terraform was started with `argument` once more than now: on a thread of its own,
/// because the person is busy. None = terraform was not started so.
pub fn when_it_runs<T: Send + 'static>(
    world: &World,
    argument: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<Option<T>> {
    let runs: PathBuf = world.file("runs.log");
    let count = move || {
        let text = std::fs::read_to_string(&runs).unwrap_or_default();
        text.lines().filter(|line| line.split(' ').next() == Some(argument)).count()
    };
    let before = count();
    std::thread::spawn(move || {
        let began = Instant::now();
        while count() <= before {
            if began.elapsed() > Duration::from_secs(60) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(work())
    })
}
