//! `make crash`: Galley dies at every durable moment, starts again, and a person goes on. Nothing may be lost or doubled.
//!
//! First every scenario runs once undisturbed and records which points it passes how often. Then the same scenario runs
//! for a sample of (point, nth, blow), each on a copy of the same data, and the durable simulated cloud is the truth.
//! `GALLEY_CRASH_POINTS` (200), `GALLEY_CRASH_SEED` (1), `GALLEY_CRASH_WORKERS` (3) and `GALLEY_CRASH_ONLY`
//! (`scenario point:nth:blow`) say how much and which. SIGKILL leaves the page cache: what a power cut would lose is not
//! shown here.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, reason = "a test program")]

mod person;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use person::{Person, Wish};
use serde_json::{Value, json};
use world::{Start, World};

const NAME: &str = "s-01h0000000000000000000000c";

/// A story with a beginning on disk.
#[derive(Clone)]
struct Scenario {
    name: &'static str,
    /// starts on an applied design
    applied: bool,
    /// the cloud refuses the next bucket once
    refusing: bool,
    wishes: Vec<Wish>,
}

fn bucket(number: usize, name: &str) -> Value {
    json!({"id": format!("lake{number}"), "serviceType": "objectstorage", "displayName": name, "config": {}})
}

fn design(buckets: &[Value]) -> Value {
    let mut components = vec![
        json!({"id": "net", "serviceType": "vcn", "displayName": "Net", "config": {"cidr_block": "10.20.0.0/16"}}),
        json!({"id": "app", "serviceType": "subnet", "displayName": "App", "config": {"cidr_block": "10.20.1.0/24", "prohibit_public_ip": true}}),
    ];
    components.extend(buckets.iter().cloned());
    let connections = json!([{"sourceId": "app", "targetId": "net", "connectionType": "deployed_in"}]);
    json!({"target": "sandbox", "desiredState": "Applied", "components": components, "connections": connections})
}

fn scenarios() -> Vec<Scenario> {
    let (one, two) = (bucket(1, "data-lake-1"), bucket(2, "data-lake-2"));
    let first = design(&[one.clone(), two.clone()]);
    let components = |buckets: &[Value]| json!({"components": design(buckets)["components"]});
    let replaced = components(&[one.clone(), bucket(2, "data-pond-2")]);
    let more = components(&[one, two, bucket(3, "data-lake-3")]);
    vec![
        Scenario { name: "create", applied: false, refusing: false, wishes: vec![Wish::Create(first)] },
        Scenario { name: "replace", applied: true, refusing: false, wishes: vec![Wish::Edit(replaced)] },
        Scenario { name: "retry", applied: true, refusing: true, wishes: vec![Wish::Edit(more)] },
        Scenario {
            name: "destroy",
            applied: true,
            refusing: false,
            wishes: vec![Wish::Edit(json!({"desiredState": "Destroyed"})), Wish::Delete],
        },
    ]
}

/// What one run came to.
struct Outcome {
    violations: Vec<String>,
    deaths: usize,
    slowest: Duration,
    points: Vec<String>,
    cloud: BTreeSet<String>,
    log: String,
}

async fn run(
    scenario: &Scenario,
    base: Option<(&PathBuf, &str)>,
    fault: Option<&str>,
    expected: Option<&BTreeSet<String>>,
) -> std::io::Result<Outcome> {
    let mut world = World::new(base.filter(|_| scenario.applied).map(|(data, _)| data.as_path()))?;
    let uid = base.filter(|_| scenario.applied).map(|(_, uid)| uid.to_owned());
    if let (true, Some(uid)) = (scenario.refusing, &uid) {
        let mut refusal = galley::sandbox::CannedFault::parse("limit-exceeded").expect("a canned fault").on("oci_objectstorage_bucket");
        refusal.operation = galley::sandbox::FaultOperation::parse("create").expect("an operation");
        refusal.times = Some(1);
        world.cloud(uid).fail(refusal).map_err(std::io::Error::other)?;
    }
    let began = Instant::now();
    let mut deaths = 0;
    if world.start(fault).await? == Start::Died {
        deaths += 1;
        if world.start(None).await? == Start::Died {
            return Err(std::io::Error::other("it does not start again"));
        }
    }
    let mut person = Person::new(&mut world, NAME, uid);
    for wish in &scenario.wishes {
        person.fulfil(wish).await;
    }
    let told = began.elapsed();
    person.check_end(expected).await;
    let checked = began.elapsed();
    let (violations, slowest, uid) = (std::mem::take(&mut person.violations), person.slowest, person.uid.clone());
    deaths += person.deaths;
    world.kill();
    if std::env::var_os("GALLEY_CRASH_TIMES").is_some() {
        println!("{} {fault:?}: as wanted after {told:?}, checked after {checked:?}", scenario.name);
    }
    let cloud = uid.map(|uid| world.in_cloud(&uid).into_keys().collect()).unwrap_or_default();
    Ok(Outcome { violations, deaths, slowest, points: world.recorded(), cloud, log: world.log() })
}

/// One way to die.
#[derive(Clone)]
struct Kill {
    scenario: usize,
    point: String,
    nth: usize,
    blow: &'static str,
}

/// What an undisturbed run of a scenario looked like.
struct Known {
    counts: BTreeMap<String, usize>,
    cloud: BTreeSet<String>,
}

/// Every point with its first, last and some nth between, with every blow that means something there; shuffled so that the
/// first of each point come first.
fn sample(known: &[Known], wanted: usize, seed: u64) -> Vec<Kill> {
    let mut random = seed.max(1);
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize
    };
    let mut ranked: Vec<(usize, usize, Kill)> = vec![];
    for (scenario, known) in known.iter().enumerate() {
        for (point, count) in &known.counts {
            let mut blows = vec!["galley", "terraform"];
            if point.starts_with("terraform.") || point.contains(".state.") {
                blows.push("everything");
            }
            if point.ends_with(".put.before") || point.ends_with(".put.written") || point.ends_with(".delete.before") {
                blows.push("enospc");
            }
            let mut nths: Vec<usize> = vec![1 + next() % count, *count, 1, 1 + next() % count, 1 + next() % count];
            nths.dedup();
            let turn = next();
            for (round, nth) in nths.into_iter().enumerate() {
                for (index, blow) in (0..blows.len()).map(|index| (index, blows[(index + turn) % blows.len()])) {
                    ranked.push((round * 4 + index, next(), Kill { scenario, point: point.clone(), nth, blow }));
                }
            }
        }
    }
    ranked.sort_by_key(|(rank, tie, _)| (*rank, *tie));
    let mut seen = BTreeSet::new();
    let fresh = |kill: &Kill| seen.insert((kill.scenario, kill.point.clone(), kill.nth, kill.blow));
    let mut kills: Vec<Kill> = ranked.into_iter().map(|(_, _, kill)| kill).collect();
    let mut fresh = fresh;
    kills.retain(|kill| fresh(kill));
    kills.truncate(wanted);
    kills
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

fn main() -> ExitCode {
    let began = Instant::now();
    let (wanted, seed, workers) =
        (number("GALLEY_CRASH_POINTS", 200), number("GALLEY_CRASH_SEED", 1) as u64, number("GALLEY_CRASH_WORKERS", 3));
    let only = std::env::var("GALLEY_CRASH_ONLY").ok();
    let scenarios = scenarios();

    // the beginning of all but the first story
    let mut first = World::new(None).expect("a world");
    let uid = block(async {
        first.start(None).await.expect("it starts");
        let mut person = Person::new(&mut first, NAME, None);
        person.fulfil(&scenarios[0].wishes[0]).await;
        let (uid, violations) = (person.uid.clone(), person.violations.clone());
        first.stop().await;
        assert!(violations.is_empty(), "undisturbed: {violations:?}");
        uid.expect("a design")
    });
    let data = first.data();
    let base = Some((&data, uid.as_str()));

    let mut known = vec![];
    for scenario in &scenarios {
        let outcome = block(run(scenario, base, None, None)).expect("an undisturbed run");
        assert!(
            outcome.violations.is_empty() && outcome.deaths == 0,
            "{} undisturbed: {:?}\n{}",
            scenario.name,
            outcome.violations,
            outcome.log
        );
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        outcome.points.iter().for_each(|point| *counts.entry(point.clone()).or_default() += 1);
        println!(
            "{:8} passes {} points {} times; {} resources at the end",
            scenario.name,
            counts.len(),
            outcome.points.len(),
            outcome.cloud.len()
        );
        known.push(Known { counts, cloud: outcome.cloud });
    }

    let mut kills = sample(&known, if only.is_some() { usize::MAX } else { wanted }, seed);
    if let Some(only) = &only {
        kills.retain(|kill| format!("{} {}:{}:{}", scenarios[kill.scenario].name, kill.point, kill.nth, kill.blow).contains(only.as_str()));
    }
    println!("seed {seed}: {} kill points, {workers} worlds at once; the undisturbed runs took {:?}", kills.len(), began.elapsed());

    let at = AtomicUsize::new(0);
    let results: Mutex<Vec<(Kill, Result<Outcome, String>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..workers.max(1) {
            scope.spawn(|| {
                while let Some(kill) = kills.get(at.fetch_add(1, Ordering::Relaxed)) {
                    let scenario = &scenarios[kill.scenario];
                    let fault = format!("{}:{}:{}", kill.point, kill.nth, kill.blow);
                    let expected = Some(&known[kill.scenario].cloud);
                    let outcome =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| block(run(scenario, base, Some(&fault), expected))));
                    let outcome = match outcome {
                        Ok(outcome) => outcome.map_err(|error| error.to_string()),
                        Err(_) => Err("the harness panicked".to_owned()),
                    };
                    let bad = match &outcome {
                        Ok(outcome) => outcome.violations.clone(),
                        Err(error) => vec![error.clone()],
                    };
                    if !bad.is_empty() {
                        println!("VIOLATION {} {fault}: {}", scenario.name, bad.join("; "));
                        if let (Ok(outcome), Some(dir)) = (&outcome, std::env::var_os("GALLEY_CRASH_LOGS")) {
                            let file = format!("{}-{}-{}-{}.log", scenario.name, kill.point, kill.nth, kill.blow);
                            let _ = std::fs::write(PathBuf::from(dir).join(file), &outcome.log);
                        }
                    }
                    results.lock().expect("results").push((kill.clone(), outcome));
                }
            });
        }
    });
    report(&scenarios, results.into_inner().expect("results"), seed, began.elapsed())
}

/// The table and the closing line.
fn report(scenarios: &[Scenario], results: Vec<(Kill, Result<Outcome, String>)>, seed: u64, took: Duration) -> ExitCode {
    let mut table: BTreeMap<String, Vec<(usize, usize, usize)>> = BTreeMap::new();
    let (mut violations, mut slowest, mut deaths) = (0, Duration::ZERO, 0);
    for (kill, outcome) in &results {
        let row = table.entry(kill.point.clone()).or_insert_with(|| vec![(0, 0, 0); scenarios.len()]);
        let cell = &mut row[kill.scenario];
        cell.0 += 1;
        match outcome {
            Ok(outcome) => {
                cell.1 += usize::from(outcome.deaths > 0);
                cell.2 += usize::from(!outcome.violations.is_empty());
                violations += usize::from(!outcome.violations.is_empty());
                slowest = slowest.max(outcome.slowest);
                deaths += outcome.deaths;
            }
            Err(_) => {
                cell.2 += 1;
                violations += 1;
            }
        }
    }
    let head: Vec<String> = scenarios.iter().map(|scenario| format!("{:>14}", scenario.name)).collect();
    println!("\n{:44}{}", "point (runs/deaths, ! = violations)", head.join(""));
    for (point, row) in &table {
        let cells: Vec<String> = row
            .iter()
            .map(|(runs, deaths, wrong)| match (runs, wrong) {
                (0, _) => format!("{:>14}", "-"),
                (_, 0) => format!("{:>14}", format!("{runs}/{deaths} ok")),
                _ => format!("{:>14}", format!("{runs}/{deaths} !{wrong}")),
            })
            .collect();
        println!("{point:44}{}", cells.join(""));
    }
    println!("\nseed {seed}; {deaths} deaths; slowest recovery {slowest:?}; {took:?}");
    println!("{} kill points, {violations} violations", results.len());
    if violations == 0 && !results.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
