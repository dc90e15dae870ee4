//! Model checking: the production decisions over an abstract world, everything within small bounds, walks beyond them.
//!
//! The model calls `diff`, `settle`, `fold`, `again`, `judge`, `verdict`, `decide` and `next` themselves, never a copy.
//! `make model` raises the bounds (`GALLEY_MODEL=full`) and prints what was seen.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests say what they expect")]

mod explore;
mod moves;
mod pool;
mod system;
mod world;

use explore::{Report, System, breadth_first, walks};
use galley::api::approval::{ApprovalContext, Refused, judge};
use galley::api::design::ApprovalPolicy;
use galley::api::{Approval, Time};
use galley::controllers::design::diff::diff;
use galley::controllers::design::observe::Observed;
use galley::controllers::design::step::Step as Decision;
use galley::controllers::design::validate::Desired;
use world::{Budget, Hooks, Model, PRODUCTION};

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

// ------------------------------------------------------------------------------------------------------- the mutants

/// `diff` that takes the plan of an earlier generation, and an approval of it, for one of this.
fn ignores_the_generation(desired: &Desired, observed: &Observed, now: &Time) -> Decision {
    let mut observed = observed.clone();
    if let Some(plan) = &mut observed.status.plan {
        plan.generation = desired.generation;
    }
    for approval in &mut observed.approvals {
        approval.spec.generation = desired.generation;
    }
    diff(desired, &observed, now)
}

/// `diff` that forgets that nobody saw how an apply ended.
fn forgets_the_unknown_outcome(desired: &Desired, observed: &Observed, now: &Time) -> Decision {
    let mut observed = observed.clone();
    observed.status.outcome = None;
    diff(desired, &observed, now)
}

/// `judge` that does not mind who used an approval, when it ends and which plan it names.
fn judges_nothing(approval: &Approval, context: &ApprovalContext<'_>) -> Result<(), Refused> {
    let mut approval = approval.clone();
    if let (Some(plan), Some(status)) = (context.plan, &mut approval.status) {
        approval.spec.plan_sha256 = plan.plan_sha256.clone();
        approval.spec.generation = plan.generation;
        status.consumed_by = None;
        status.refused = None;
    }
    judge(&approval, &ApprovalContext { generation: context.plan.map_or(0, |plan| plan.generation), ..*context })
}

/// The first who waits, whoever runs.
fn takes_anybody(
    waiting: &[galley::controllers::scheduler::Candidate],
    _: &[galley::controllers::scheduler::Candidate],
    _: &std::collections::BTreeMap<String, u64>,
    _: usize,
) -> Option<usize> {
    (!waiting.is_empty()).then_some(0)
}

/// `diff` that never tells a queued job to stop and never folds a failed one.
fn leaves_jobs_alone(desired: &Desired, observed: &Observed, now: &Time) -> Decision {
    match diff(desired, observed, now) {
        Decision::Settle => Decision::Rest(galley::controllers::design::step::Rest::Draft),
        other => other,
    }
}

#[test]
fn a_bug_that_is_put_into_the_decisions_is_found_and_its_trace_is_printed() {
    let small = Budget { approvals: 2, waits: 1, ..Budget::default() };
    let rows: Vec<(&str, Hooks, Model)> = vec![
        (
            "diff ignores the generation",
            Hooks { diff: ignores_the_generation, ..PRODUCTION },
            model("another goal, the same inputs", Budget { goals: 1, ..Budget::default() }),
        ),
        (
            "diff forgets the unknown outcome",
            Hooks { diff: forgets_the_unknown_outcome, ..PRODUCTION },
            model("a crash", Budget { crashes: 1, ..small }),
        ),
        ("diff leaves finished jobs alone", Hooks { diff: leaves_jobs_alone, ..PRODUCTION }, model("nothing else", small)),
        ("judge judges nothing", Hooks { judge: judges_nothing, ..PRODUCTION }, model("an edit", Budget { edits: 1, ..small })),
        ("the scheduler takes anybody", Hooks { next: takes_anybody, ..PRODUCTION }, Model { sessions: 2, ..model("two sessions", small) }),
    ];
    for (bug, hooks, model) in rows {
        let report = breadth_first(&Model { hooks, ..model }, 200_000);
        let found = report.counterexample.unwrap_or_else(|| panic!("{bug}: {} states, and it was not found", report.states));
        println!("{bug}: found after {} states: {}", report.states, found.why);
        found.trace.iter().for_each(|step| println!("    {step}"));
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
