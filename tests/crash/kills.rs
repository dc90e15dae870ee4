//! One way to die in one story: which there are, what a run came to, and the table of them all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::block;
use crate::person::Person;
use crate::scenarios::{NAME, Random, Scenario};
use crate::world::{Start, World};

/// What one run came to.
pub struct Outcome {
    pub violations: Vec<String>,
    pub deaths: usize,
    pub recoveries: Vec<Duration>,
    pub points: Vec<String>,
    pub cloud: BTreeSet<String>,
    pub log: String,
}

/// The beginning of the stories that start on an applied design: its data directory and the design's uid.
pub type Base = (PathBuf, String);

/// Tells a story while Galley dies as `fault` says; `mutant` is the promise that is broken on purpose.
pub async fn run(
    scenario: &Scenario,
    base: &Base,
    fault: Option<&str>,
    expected: Option<&BTreeSet<String>>,
    mutant: Option<&'static str>,
) -> std::io::Result<Outcome> {
    let base = Some(base).filter(|_| scenario.applied);
    let mut world = World::new(base.map(|(data, _)| data.as_path()))?;
    world.mutant = mutant;
    let uid = base.map(|(_, uid)| uid.clone());
    if let (true, Some(uid)) = (scenario.refusing, &uid) {
        let mut refusal = galley::sandbox::CannedFault::parse("limit-exceeded").expect("a canned fault").on("oci_objectstorage_bucket");
        refusal.operation = galley::sandbox::FaultOperation::parse("create").expect("an operation");
        refusal.times = Some(1);
        world.cloud(uid).fail(refusal).map_err(std::io::Error::other)?;
    }
    let mut deaths = 0;
    if world.start(fault).await? == Start::Died {
        deaths += 1;
        if world.start(None).await? == Start::Died {
            return Err(std::io::Error::other("it does not start again"));
        }
    }
    let mut person = Person::new(&mut world, NAME, uid);
    if mutant.is_some() {
        // a broken build may well be stuck: that is a violation, and it need not take long
        person.patience = Duration::from_secs(45);
    }
    for wish in &scenario.wishes {
        person.fulfil(wish).await;
    }
    person.check_end(expected).await;
    let (violations, recoveries, uid) =
        (std::mem::take(&mut person.violations), std::mem::take(&mut person.recoveries), person.uid.clone());
    deaths += person.deaths;
    world.kill();
    let cloud = uid.map(|uid| world.in_cloud(&uid).into_keys().collect()).unwrap_or_default();
    Ok(Outcome { violations, deaths, recoveries, points: world.recorded(), cloud, log: world.log() })
}

/// One way to die.
#[derive(Clone)]
pub struct Kill {
    pub scenario: usize,
    pub point: String,
    pub nth: usize,
    pub blow: &'static str,
}

impl Kill {
    pub fn fault(&self) -> String {
        format!("{}:{}:{}", self.point, self.nth, self.blow)
    }
}

/// What an undisturbed run of a scenario looked like.
pub struct Known {
    pub counts: BTreeMap<String, usize>,
    pub cloud: BTreeSet<String>,
}

/// What can happen at a point. SIGKILL leaves the page cache; `power` does not.
fn blows(point: &str) -> Vec<&'static str> {
    let mut blows = vec!["galley", "terraform", "power"];
    if point.starts_with("terraform.") || point.starts_with("provider.") || point.contains(".state.") {
        blows.push("everything");
    }
    if [".put.before", ".put.written", ".delete.before"].iter().any(|end| point.ends_with(end)) {
        blows.push("enospc");
    }
    blows
}

/// Every point with its first, last and some nth between, with every blow that means something there; in an order in which
/// the first of each point come first.
pub fn sample(known: &[Known], wanted: usize, seed: u64) -> Vec<Kill> {
    let mut random = Random::new(seed);
    let mut ranked: Vec<(usize, usize, Kill)> = vec![];
    for (scenario, known) in known.iter().enumerate() {
        for (point, count) in &known.counts {
            let blows = blows(point);
            let mut nths: Vec<usize> = vec![1 + random.next() % count, *count, 1, 1 + random.next() % count, 1 + random.next() % count];
            nths.dedup();
            let turn = random.next();
            for (round, nth) in nths.into_iter().enumerate() {
                for index in 0..blows.len() {
                    let blow = blows[(index + turn) % blows.len()];
                    ranked.push((round * 8 + index, random.next(), Kill { scenario, point: point.clone(), nth, blow }));
                }
            }
        }
    }
    ranked.sort_by_key(|(rank, tie, _)| (*rank, *tie));
    let mut seen = BTreeSet::new();
    let mut kills: Vec<Kill> = ranked.into_iter().map(|(_, _, kill)| kill).collect();
    kills.retain(|kill| seen.insert((kill.scenario, kill.point.clone(), kill.nth, kill.blow)));
    kills.truncate(wanted);
    kills
}

pub type Results = Vec<(Kill, Result<Outcome, String>)>;

/// Carries out every kill, several worlds at once.
pub fn carry_out(scenarios: &[Scenario], base: &Base, known: &[Known], kills: &[Kill], workers: usize) -> Results {
    let at = AtomicUsize::new(0);
    let results: Mutex<Results> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..workers.max(1) {
            scope.spawn(|| {
                while let Some(kill) = kills.get(at.fetch_add(1, Ordering::Relaxed)) {
                    let (scenario, expected) = (&scenarios[kill.scenario], Some(&known[kill.scenario].cloud));
                    let outcome = guarded(|| block(run(scenario, base, Some(&kill.fault()), expected, None)));
                    note(scenario, kill, &outcome);
                    results.lock().expect("results").push((kill.clone(), outcome));
                }
            });
        }
    });
    results.into_inner().expect("results")
}

/// A harness that panics is a violation and not the end.
pub fn guarded<T>(work: impl FnOnce() -> std::io::Result<T>) -> Result<T, String> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("the harness panicked".to_owned()),
    }
}

/// A violation is said at once, with what it takes to see it again.
fn note(scenario: &Scenario, kill: &Kill, outcome: &Result<Outcome, String>) {
    let bad = match outcome {
        Ok(outcome) => outcome.violations.clone(),
        Err(error) => vec![error.clone()],
    };
    if bad.is_empty() {
        return;
    }
    println!("VIOLATION {} {}: {}", scenario.name, kill.fault(), bad.join("; "));
    println!("  again: GALLEY_CRASH_ONLY='{} {}' make crash", scenario.name, kill.fault());
    if let (Ok(outcome), Some(dir)) = (outcome, std::env::var_os("GALLEY_CRASH_LOGS")) {
        let file = format!("{}-{}-{}-{}.log", scenario.name, kill.point, kill.nth, kill.blow);
        let _ = std::fs::write(PathBuf::from(dir).join(file), &outcome.log);
    }
}

/// The table, and how many runs were wrong.
pub fn report(scenarios: &[Scenario], results: &Results, seed: u64, began: Instant) -> usize {
    let mut table: BTreeMap<&str, Vec<(usize, usize, usize)>> = BTreeMap::new();
    let mut blows: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut violations, mut recoveries, mut deaths) = (0, Vec::<Duration>::new(), 0);
    for (kill, outcome) in results {
        *blows.entry(kill.blow).or_default() += 1;
        let cell = &mut table.entry(&kill.point).or_insert_with(|| vec![(0, 0, 0); scenarios.len()])[kill.scenario];
        let (died, wrong) = match outcome {
            Ok(outcome) => {
                recoveries.extend(&outcome.recoveries);
                deaths += outcome.deaths;
                (outcome.deaths > 0, !outcome.violations.is_empty())
            }
            Err(_) => (false, true),
        };
        *cell = (cell.0 + 1, cell.1 + usize::from(died), cell.2 + usize::from(wrong));
        violations += usize::from(wrong);
    }
    let head: Vec<String> = scenarios.iter().map(|scenario| format!("{:>13}", scenario.name)).collect();
    println!("\n{:40}{}", "point (runs/deaths, ! = violations)", head.join(""));
    for (point, row) in &table {
        let cells: Vec<String> = row
            .iter()
            .map(|(runs, deaths, wrong)| match (runs, wrong) {
                (0, _) => format!("{:>13}", "-"),
                (_, 0) => format!("{:>13}", format!("{runs}/{deaths} ok")),
                _ => format!("{:>13}", format!("{runs}/{deaths} !{wrong}")),
            })
            .collect();
        println!("{point:40}{}", cells.join(""));
    }
    recoveries.sort();
    let (middle, slowest) = (recoveries.get(recoveries.len() / 2).copied(), recoveries.last().copied());
    let blows: Vec<String> = blows.iter().map(|(blow, count)| format!("{blow} {count}")).collect();
    println!("\nseed {seed}; {deaths} deaths ({}); {:?}", blows.join(", "), began.elapsed());
    println!(
        "recovery (restart to the first turn of a controller, bar 5 s): {} measured, median {:?}, slowest {:?}",
        recoveries.len(),
        middle.unwrap_or_default(),
        slowest.unwrap_or_default()
    );
    println!("{} kill points, {violations} violations", results.len());
    violations
}
