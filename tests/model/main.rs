//! Model checking: the production decisions over an abstract world, everything within small bounds, walks beyond them.
//!
//! The model calls `diff`, `settle`, `fold`, `again`, `seen`, everything of `notes`, `judge`, `consumption`, `verdict`,
//! `decide` and `next` themselves, never a copy.
//! `make model` raises the bounds (`GALLEY_MODEL=full`) and prints what was seen.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests say what they expect")]

mod explore;
mod moves;
mod mutants;
mod pool;
mod system;
mod world;

use explore::{Report, System, breadth_first, walks};
use galley::api::design::ApprovalPolicy;
use world::{Budget, Model, PRODUCTION};

const PROPERTIES: &[&str] = &[
    "at most one job of a session runs, and only with the gate; never more jobs than slots",
    "no apply without a matching, unexpired, unused, unrefused approval of the very plan on the very state",
    "no approval is used up twice and Terraform starts at most once on it",
    "nothing is applied while the outcome of an apply is unknown",
    "nothing is made twice; what is in the cloud and in no state is named",
    "no lost wake-up: where nothing happens by itself, the decision is to rest, the status says so and who acts",
    "no livelock: without a person, a failure or time, everything comes to rest",
    "a destroy can be reached from every rest",
];

fn full() -> bool {
    std::env::var("GALLEY_MODEL").is_ok_and(|value| value == "full")
}

fn model(name: &'static str, budget: Budget) -> Model {
    Model {
        name,
        sessions: 1,
        slots: 1,
        budget,
        policy: ApprovalPolicy::Agent,
        drift_interval: None,
        hooks: PRODUCTION,
        built: false,
        slow_judge: false,
        slow_store: false,
        destroy_every: if full() { 1 } else { 16 },
        rests: true,
    }
}

/// The models of every run, and the larger ones of `make model`.
fn models() -> Vec<Model> {
    let small = Budget { approvals: 1, ..Budget::default() };
    let none = Budget::default();
    let mut all = vec![
        model("a crash anywhere in the first apply", Budget { crashes: 1, approvals: 2, waits: 1, ..none }),
        model("an edit anywhere in the first apply", Budget { edits: 1, waits: 1, ..small }),
        model("terraform fails in every way", Budget { failures: 1, waits: 1, ..small }),
        Model { slow_store: true, ..model("a store that hangs while a job is made", Budget { waits: 2, ..none }) },
        Model { slow_store: true, ..model("an approval that expires at any moment", Budget { ticks: 2, ..small }) },
        model("approvals that do not fit, and a plan that gets old", Budget { bad_approvals: 1, ticks: 2, waits: 1, ..small }),
        Model { built: true, drift_interval: Some(3600), ..model("drift", Budget { drifts: 1, ticks: 2, ..small }) },
        Model { built: true, ..model("a destroy with a crash", Budget { goals: 1, crashes: 1, approvals: 2, waits: 1, ..none }) },
        Model { built: true, ..model("suspended and deleted", Budget { suspends: 1, deletes: 1, ..small }) },
        Model { built: true, ..model("deleted, with a crash", Budget { deletes: 1, crashes: 1, waits: 1, ..small }) },
        model("cancelled", Budget { cancels: 1, requests: 1, ..none }),
        Model { policy: ApprovalPolicy::Auto, ..model("policy auto, edited", Budget { edits: 1, waits: 1, ..none }) },
        Model { slow_judge: true, policy: ApprovalPolicy::Human, ..model("policy human", small) },
        Model { sessions: 2, ..model("two sessions, one slot", small) },
    ];
    if full() {
        all.extend([
            model("two crashes", Budget { crashes: 2, approvals: 2, waits: 2, ..none }),
            model("a crash and an edit", Budget { crashes: 1, edits: 1, approvals: 2, waits: 1, ..none }),
            model("an edit, approved twice", Budget { edits: 1, approvals: 2, waits: 1, ..none }),
            model("a failure and a request", Budget { failures: 1, requests: 1, approvals: 2, waits: 1, ..none }),
            model("a crash after a failure", Budget { crashes: 1, failures: 1, approvals: 2, waits: 2, ..none }),
            Model {
                built: true,
                drift_interval: Some(3600),
                ..model("drift and a request", Budget { drifts: 1, ticks: 2, requests: 1, ..small })
            },
            Model { built: true, ..model("suspended, deleted, cancelled", Budget { suspends: 2, deletes: 1, cancels: 1, ..small }) },
            Model { built: true, ..model("an edit, a destroy and a crash", Budget { edits: 1, goals: 1, crashes: 1, ..small }) },
            Model {
                policy: ApprovalPolicy::Auto,
                ..model("policy auto, edited, a crash", Budget { edits: 1, crashes: 1, waits: 1, ..none })
            },
            Model {
                slow_judge: true,
                policy: ApprovalPolicy::Human,
                ..model("policy human, edited", Budget { edits: 1, approvals: 2, waits: 1, ..none })
            },
            Model { sessions: 2, ..model("two sessions, one slot, a crash", Budget { approvals: 1, crashes: 1, ..none }) },
        ]);
    }
    all
}

/// Bounds of the walks: everything can happen several times.
fn wild(policy: ApprovalPolicy) -> Model {
    let budget = Budget {
        edits: 4,
        goals: 4,
        requests: 4,
        approvals: 8,
        bad_approvals: 3,
        ticks: 6,
        waits: 12,
        crashes: 4,
        failures: 4,
        drifts: 2,
        suspends: 4,
        deletes: 1,
        cancels: 2,
    };
    Model { sessions: 2, policy, drift_interval: Some(3600), destroy_every: if full() { 4 } else { 64 }, ..model("walks", budget) }
}

fn print(model: &Model, report: &Report) {
    let Report { states, transitions, depth, rests, complete, .. } = report;
    let whole = if *complete { "all of them" } else { "cut off" };
    // the bounds: what may happen from outside, and how often
    let bounds = format!("{:?}", model.budget);
    let bounds: Vec<&str> =
        bounds.trim_start_matches("Budget {").trim_end_matches('}').split(',').map(str::trim).filter(|one| !one.ends_with(": 0")).collect();
    println!("{:52} {} session(s), {} slot(s), policy {:?}; {}", model.name, model.sessions, model.slots, model.policy, bounds.join(", "));
    println!("{:52} {states:>8} states ({whole}) {transitions:>9} steps, depth {depth:>3}, {rests:>6} rests", "");
}

fn explain(model: &Model, report: &Report) -> String {
    let Some(found) = &report.counterexample else { return String::new() };
    format!("{}: {}\n  {}", model.name, found.why, found.trace.join("\n  "))
}

#[test]
fn everything_within_the_bounds_is_safe_and_comes_to_rest() {
    let limit = if full() { 1_000_000 } else { 40_000 };
    let (mut states, mut wrong) = (0, vec![]);
    for model in models() {
        let report = breadth_first(&model, limit);
        print(&model, &report);
        states += report.states;
        if report.counterexample.is_some() {
            wrong.push(explain(&model, &report));
        }
    }
    PROPERTIES.iter().for_each(|property| println!("  holds: {property}"));
    println!("{states} states explored, {} counterexamples", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn walks_beyond_the_bounds_find_nothing() {
    let count = if full() { 4000 } else { 60 };
    for (seed, policy) in [(1, ApprovalPolicy::Agent), (2, ApprovalPolicy::Auto), (3, ApprovalPolicy::Human)] {
        let model = wild(policy);
        let (taken, found) = walks(&model, seed, count, 400);
        println!("walks, policy {policy:?}, seed {seed}: {count} walks, {taken} steps");
        if let Some(found) = found {
            panic!("{}\n  {}", found.why, found.trace.join("\n  "));
        }
    }
}

#[test]
fn the_checker_itself_finds_a_circle_and_a_wrong_state() {
    struct Clock(u8);
    impl System for Clock {
        type State = u8;
        type Step = u8;
        fn start(&self) -> u8 {
            0
        }
        fn steps(&self, state: &u8) -> Vec<u8> {
            vec![(state + 1) % 4]
        }
        fn take(&self, _: &u8, step: &u8) -> u8 {
            *step
        }
        fn is_internal(&self, _: &u8) -> bool {
            true
        }
        fn wrong(&self, state: &u8) -> Option<String> {
            (*state == self.0).then(|| "wrong".to_owned())
        }
        fn restless(&self, _: &u8) -> Option<String> {
            None
        }
    }
    let wrong = breadth_first(&Clock(3), 100).counterexample.expect("found");
    assert_eq!((wrong.why.as_str(), wrong.trace.len()), ("wrong", 3));
    assert!(breadth_first(&Clock(9), 100).counterexample.expect("found").why.starts_with("livelock"));
}
