//! One way to die in one story: which there are, what a run came to, and the table of them all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::person::Person;
use crate::scenarios::{NAME, Random, Scenario};
use crate::world::World;
use crate::{block, went_wrong};

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

/// How a story is disturbed.
#[derive(Clone, Copy, Default)]
pub struct Trouble<'a> {
    /// armed at the first start
    pub fault: Option<&'a str>,
    /// armed at the first restart
    pub then: Option<&'a str>,
    /// a promise that is broken on purpose, at every start
    pub mutant: Option<&'static str>,
}

/// Tells a story under `trouble`.
pub async fn run(scenario: &Scenario, base: &Base, trouble: Trouble<'_>, expected: Option<&BTreeSet<String>>) -> std::io::Result<Outcome> {
    let base = Some(base).filter(|_| scenario.applied);
    let mut world = World::new(base.map(|(data, _)| data.as_path()))?;
    world.mutant = trouble.mutant;
    let uid = base.map(|(_, uid)| uid.clone());
    if let (true, Some(uid)) = (scenario.refusing, &uid) {
        let mut refusal = galley::sandbox::CannedFault::parse("limit-exceeded").expect("a canned fault").on("oci_objectstorage_bucket");
        refusal.operation = galley::sandbox::FaultOperation::parse("create").expect("an operation");
        refusal.times = Some(1);
        world.cloud(uid).fail(refusal).map_err(std::io::Error::other)?;
    }
    let mut then = trouble.then;
    let deaths = world.start_at_last(trouble.fault, &mut then).await?;
    let mut person = Person::new(&mut world, NAME, uid);
    person.then = then.map(str::to_owned);
    if trouble.mutant.is_some() {
        // a broken build may well be stuck: that is a violation, and it need not take long
        person.patience = Duration::from_secs(45);
    }
    for wish in &scenario.wishes {
        person.fulfil(wish).await;
    }
    person.check_end(expected).await;
    let (violations, recoveries, uid) =
        (std::mem::take(&mut person.violations), std::mem::take(&mut person.recoveries), person.uid.clone());
    let deaths = deaths + person.deaths;
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
    /// another death in the recovery from this one: at which moment after the restart, and how
    pub then: Option<(usize, &'static str)>,
}

impl Kill {
    pub fn fault(&self) -> String {
        format!("{}:{}:{}", self.point, self.nth, self.blow)
    }
    /// The order for the restart.
    pub fn then(&self) -> Option<String> {
        self.then.map(|(nth, blow)| format!("*:{nth}:{blow}"))
    }
    /// Both, as one writes them to see it again.
    pub fn said(&self) -> String {
        self.then().map_or_else(|| self.fault(), |then| format!("{} then {then}", self.fault()))
    }
}

/// What an undisturbed run of a scenario looked like.
pub struct Known {
    pub counts: BTreeMap<String, usize>,
    pub cloud: BTreeSet<String>,
}

/// Every one.
const BLOWS: [&str; 5] = ["galley", "terraform", "everything", "power", "enospc"];
const FALLIBLE: [&str; 5] = [".put.before", ".put.written", ".put.renamed", ".delete.before", ".delete.removed"];
/// Moments after a restart among which the second death is chosen: the first turns of every controller, and some of what
/// follows.
const IN_RECOVERY: usize = 120;

/// What can happen at a point. SIGKILL leaves the page cache; `power` does not. A failure before the rename is a write that
/// was not made, one after it a write that was made and not acknowledged.
fn blows(point: &str) -> Vec<&'static str> {
    let mut blows = vec!["galley", "terraform", "power"];
    if point.starts_with("terraform.") || point.starts_with("provider.") || point.contains(".state.") {
        blows.push("everything");
    }
    if FALLIBLE.iter().any(|end| point.ends_with(end)) {
        blows.push("enospc");
    }
    blows
}

/// Every point with its first, last and some nth between, with every blow that means something there; in an order in which
/// each point comes once before any comes twice. A fifth of them die once more while they recover.
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
                    let kill = Kill { scenario, point: point.clone(), nth, blow, then: None };
                    ranked.push((round * 8 + index, random.next(), kill));
                }
            }
        }
    }
    ranked.sort_by_key(|(rank, tie, _)| (*rank, *tie));
    let mut seen = BTreeSet::new();
    let mut kills: Vec<Kill> = ranked.into_iter().map(|(_, _, kill)| kill).collect();
    kills.retain(|kill| seen.insert((kill.scenario, kill.point.clone(), kill.nth, kill.blow)));
    // every point once, in whatever story, before any point twice
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    kills.sort_by_cached_key(|kill| {
        let time = times.entry(kill.point.clone()).or_default();
        *time += 1;
        *time
    });
    let deadly: Vec<Kill> = kills.iter().filter(|kill| kill.blow != "enospc").cloned().collect();
    let twice = if deadly.is_empty() || wanted == usize::MAX { 0 } else { wanted / 5 };
    kills.truncate(wanted - twice);
    for _ in 0..twice {
        let first = deadly[random.next() % deadly.len()].clone();
        let blow = ["galley", "terraform", "everything", "power"][random.next() % 4];
        kills.push(Kill { then: Some((1 + random.next() % IN_RECOVERY, blow)), ..first });
    }
    kills
}

/// The kills that `GALLEY_CRASH_ONLY` names: one as it was said, or every one whose words hold it.
pub fn named(only: &str, scenarios: &[Scenario], known: &[Known], seed: u64) -> Vec<Kill> {
    if let Some(kill) = parse(only, scenarios) {
        return vec![kill];
    }
    let mut kills = sample(known, usize::MAX, seed);
    kills.retain(|kill| format!("{} {}", scenarios[kill.scenario].name, kill.said()).contains(only));
    kills
}

/// `scenario point:nth:blow`, and perhaps ` then *:nth:blow`.
fn parse(text: &str, scenarios: &[Scenario]) -> Option<Kill> {
    let order = |text: &str| -> Option<(String, usize, &'static str)> {
        let (rest, blow) = text.rsplit_once(':')?;
        let (point, nth) = rest.rsplit_once(':')?;
        let blow = BLOWS.into_iter().find(|known| *known == blow)?;
        Some((point.to_owned(), nth.parse().ok()?, blow))
    };
    let (scenario, rest) = text.split_once(' ')?;
    let scenario = scenarios.iter().position(|known| known.name == scenario)?;
    let (first, then) = rest.split_once(" then ").map_or((rest, None), |(first, then)| (first, Some(then)));
    let (point, nth, blow) = order(first)?;
    let then = match then {
        None => None,
        Some(then) => order(then).map(|(_, nth, blow)| (nth, blow)),
    };
    Some(Kill { scenario, point, nth, blow, then })
}

pub type Results = Vec<(Kill, Result<Outcome, String>)>;

/// Carries out every kill, several worlds at once.
pub fn carry_out(scenarios: &[Scenario], base: &Base, known: &[Known], kills: &[Kill], workers: usize) -> Results {
    let (at, began) = (AtomicUsize::new(0), Instant::now());
    let results: Mutex<Results> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..workers.max(1) {
            scope.spawn(|| {
                while let Some(kill) = kills.get(at.fetch_add(1, Ordering::Relaxed)) {
                    let (scenario, expected) = (&scenarios[kill.scenario], Some(&known[kill.scenario].cloud));
                    let (fault, then) = (kill.fault(), kill.then());
                    let trouble = Trouble { fault: Some(&fault), then: then.as_deref(), mutant: None };
                    let outcome = guarded(|| block(run(scenario, base, trouble, expected)));
                    note(scenario, kill, &outcome);
                    let mut results = results.lock().expect("results");
                    results.push((kill.clone(), outcome));
                    if results.len().is_multiple_of(50) {
                        println!("  {} of {}, {:?}", results.len(), kills.len(), began.elapsed());
                    }
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
    let (name, what) = (format!("{} {}", scenario.name, kill.said()), bad.join("; "));
    println!("VIOLATION {name}: {what}");
    println!("  again: GALLEY_CRASH_ONLY='{name}' make crash");
    went_wrong(&name, &what);
    if let (Ok(outcome), Some(dir)) = (outcome, std::env::var_os("GALLEY_CRASH_LOGS")) {
        let file = format!("{} {}.log", scenario.name, kill.said()).replace([' ', ':', '*'], "-");
        let _ = std::fs::write(PathBuf::from(dir).join(file), &outcome.log);
    }
}

/// The table, and how many runs were wrong.
pub fn report(scenarios: &[Scenario], results: &Results, seed: u64, began: Instant) -> usize {
    let mut table: Table = BTreeMap::new();
    let mut blows: Table = BTreeMap::new();
    let (mut violations, mut recoveries, mut deaths) = (0, Vec::<Duration>::new(), 0);
    for (kill, outcome) in results {
        let (died, wrong) = match outcome {
            Ok(outcome) => {
                recoveries.extend(&outcome.recoveries);
                deaths += outcome.deaths;
                (outcome.deaths, !outcome.violations.is_empty())
            }
            Err(_) => (0, true),
        };
        let blow = kill.then.map_or_else(|| kill.blow.to_owned(), |(_, then)| format!("{}, then {then}", kill.blow));
        let rows = [table.entry(kill.point.clone()).or_default(), blows.entry(blow).or_default()];
        for row in rows {
            row.resize(scenarios.len(), (0, 0, 0));
            let cell = &mut row[kill.scenario];
            *cell = (cell.0 + 1, cell.1 + died, cell.2 + usize::from(wrong));
        }
        violations += usize::from(wrong);
    }
    print_table("point (runs/deaths, ! = violations)", scenarios, &table);
    print_table("blow", scenarios, &blows);
    recoveries.sort();
    let (middle, slowest) = (recoveries.get(recoveries.len() / 2).copied(), recoveries.last().copied());
    println!("\nseed {seed}; {deaths} deaths; {:?}", began.elapsed());
    println!(
        "recovery (restart to the first turn of a controller, bar 5 s of an own core): {} measured, median {:?}, slowest {:?}",
        recoveries.len(),
        middle.unwrap_or_default(),
        slowest.unwrap_or_default()
    );
    println!("{} kill points, {violations} violations", results.len());
    violations
}

/// (runs, deaths, violations) by row and scenario.
type Table = BTreeMap<String, Vec<(usize, usize, usize)>>;

fn print_table(head: &str, scenarios: &[Scenario], table: &Table) {
    let names: Vec<String> = scenarios.iter().map(|scenario| format!("{:>13}", scenario.name)).collect();
    println!("\n{head:40}{}", names.join(""));
    for (name, row) in table {
        let cells: Vec<String> = row
            .iter()
            .map(|(runs, deaths, wrong)| match (runs, wrong) {
                (0, _) => format!("{:>13}", "-"),
                (_, 0) => format!("{:>13}", format!("{runs}/{deaths} ok")),
                _ => format!("{:>13}", format!("{runs}/{deaths} !{wrong}")),
            })
            .collect();
        println!("{name:40}{}", cells.join(""));
    }
}
