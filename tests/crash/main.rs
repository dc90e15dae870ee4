//! `make crash`: Galley dies at every durable moment, starts again, and a person goes on. Nothing may be lost or doubled.
//!
//! First every scenario runs once undisturbed and records which points it passes how often. Then the same scenario runs
//! for a sample of (point, nth, blow), each on a copy of the same data, and the durable simulated cloud is the truth.
//! A fifth of them die once more while they recover. After that the storms (disks, clocks, terraforms that misbehave), the
//! mutants (a build that breaks one promise on purpose must be caught by the same checks) and the checks themselves (each is
//! shown a world in which its promise is broken). In the end every fault point of the source was passed by somebody.
//! `GALLEY_CRASH_POINTS` (240), `GALLEY_CRASH_SEED` (1), `GALLEY_CRASH_WORKERS` (3), `GALLEY_CRASH_PARTS`
//! (`kills,storms,mutants,checks`) and `GALLEY_CRASH_ONLY` (`scenario point:nth:blow`, as a violation says it, or a part of
//! that, or of the name of a storm, mutant or check) say how much and which; `GALLEY_CRASH_LOGS` is a directory for the logs of what went wrong, `GALLEY_CRASH_BINARY` a Galley built elsewhere.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, reason = "a test program")]

mod checks;
mod kills;
mod mutants;
mod person;
mod points;
mod sabotage;
mod scenarios;
mod storms;
mod world;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use kills::{Base, Known, Trouble};
use person::Person;
use scenarios::{NAME, Scenario};
use world::World;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What went wrong, said once more where a long log ends.
static WRONG: Mutex<Vec<String>> = Mutex::new(vec![]);

/// Keeps what went wrong for the end; `name` is what `GALLEY_CRASH_ONLY` takes.
pub fn went_wrong(name: &str, what: &str) {
    let line = format!("  GALLEY_CRASH_ONLY='{name}': {}", galley::api::condition::clip(what, 220));
    WRONG.lock().expect("what went wrong").push(line);
}

/// Runs a future to its end on this thread.
pub fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// An applied design: the beginning of all stories but the first.
fn begin(first: &mut World, scenario: &Scenario) -> Base {
    let uid = block(async {
        first.start(None).await.expect("it starts");
        let mut person = Person::new(first, NAME, None);
        for wish in &scenario.wishes {
            person.fulfil(wish).await;
        }
        let (uid, violations) = (person.uid.clone(), person.violations.clone());
        first.stop().await;
        assert!(violations.is_empty(), "undisturbed: {violations:?}\n{}", first.log());
        uid.expect("a design")
    });
    (first.data(), uid)
}

/// What every scenario passes when nothing is disturbed.
fn look(scenarios: &[Scenario], base: &Base) -> Vec<Known> {
    let mut known = vec![];
    for scenario in scenarios {
        let outcome = block(kills::run(scenario, base, Trouble::default(), None)).expect("an undisturbed run");
        let bad = &outcome.violations;
        assert!(bad.is_empty() && outcome.deaths == 0, "{} undisturbed: {bad:?}\n{}", scenario.name, outcome.log);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        outcome.points.iter().for_each(|point| *counts.entry(point.clone()).or_default() += 1);
        let (name, times, resources) = (scenario.name, outcome.points.len(), outcome.cloud.len());
        println!("{name:8} passes {} points {times} times; {resources} resources at the end", counts.len());
        known.push(Known { counts, cloud: outcome.cloud });
    }
    known
}

fn main() -> ExitCode {
    let began = Instant::now();
    let (wanted, seed, workers) =
        (number("GALLEY_CRASH_POINTS", 240), number("GALLEY_CRASH_SEED", 1) as u64, number("GALLEY_CRASH_WORKERS", 3));
    let only = std::env::var("GALLEY_CRASH_ONLY").ok();
    let parts = std::env::var("GALLEY_CRASH_PARTS").unwrap_or_else(|_| "kills,storms,mutants,checks".to_owned());
    let part = |name: &str| parts.split(',').any(|part| part.trim() == name);
    let scenarios = scenarios::scenarios(seed);
    let mut first = World::new(None).expect("a world");
    let base = begin(&mut first, &scenarios[0]);
    let (mut wrong, mut done) = (0, 0);

    let known = if ["kills", "mutants", "checks"].into_iter().any(part) { look(&scenarios, &base) } else { vec![] };
    if part("kills") {
        let kills = match &only {
            Some(only) => kills::named(only, &scenarios, &known, seed),
            None => kills::sample(&known, wanted, seed),
        };
        println!("seed {seed}: {} kill points, {workers} worlds at once; the undisturbed runs took {:?}", kills.len(), began.elapsed());
        let results = kills::carry_out(&scenarios, &base, &known, &kills, workers);
        if !results.is_empty() {
            wrong += kills::report(&scenarios, &results, seed, began);
            done += results.len();
        }
    }
    type Part = fn(&storms::Stage<'_>) -> (usize, usize);
    for (name, run) in [("storms", storms::all as Part), ("mutants", mutants::all), ("checks", sabotage::all)] {
        if part(name) {
            let stage = storms::Stage { scenarios: &scenarios, base: &base, known: &known, workers, only: only.as_deref() };
            let (ran, bad) = run(&stage);
            (done, wrong) = (done + ran, wrong + bad);
        }
    }
    if ["kills", "storms"].into_iter().all(part) && only.is_none() {
        wrong += points::unpassed();
    }
    println!("\n{done} runs, {wrong} violations, {:?}", began.elapsed());
    WRONG.lock().expect("what went wrong").iter().for_each(|line| println!("{line}"));
    if wrong == 0 && done > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
