//! Bugs that are put into the decisions on purpose: each must be found by the promise it breaks, and its way is printed.

use std::collections::BTreeMap;

use galley::api::approval::{ApprovalContext, Refused, RefusedReason, judge};
use galley::api::design::ApprovalPolicy;
use galley::api::session::ActiveOperation;
use galley::api::{Approval, Time};
use galley::controllers::design::diff::diff;
use galley::controllers::design::observe::Observed;
use galley::controllers::design::step::{Rest, Step as Decision};
use galley::controllers::design::validate::Desired;
use galley::controllers::gate::{Decision as Claim, Holder};
use galley::controllers::scheduler::Candidate;

use super::explore::breadth_first;
use super::model;
use super::world::{Budget, Hooks, Model, PRODUCTION, at};

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

/// `diff` that takes what was in flight for accounted for without looking.
fn looks_nothing_up(desired: &Desired, observed: &Observed, now: &Time) -> Decision {
    match diff(desired, observed, now) {
        Decision::LookUpInFlight => {
            Decision::ConfirmInFlight { addresses: observed.in_flight().iter().map(|entry| entry.address.clone()).collect() }
        }
        other => other,
    }
}

/// `diff` that lets nothing go that the state holds by now.
fn lets_nothing_go(desired: &Desired, observed: &Observed, now: &Time) -> Decision {
    diff(desired, &Observed { view: None, ..observed.clone() }, now)
}

/// `diff` that never folds a finished job.
fn leaves_jobs_alone(desired: &Desired, observed: &Observed, now: &Time) -> Decision {
    match diff(desired, observed, now) {
        Decision::Settle => Decision::Rest(Rest::Draft),
        other => other,
    }
}

/// `diff` that finds something to write where there is nothing to do.
fn writes_for_ever(desired: &Desired, observed: &Observed, now: &Time) -> Decision {
    match diff(desired, observed, now) {
        Decision::Rest(Rest::AwaitingApproval(_)) => Decision::Restamp,
        other => other,
    }
}

/// `diff` that forgets that a person must approve; the judge of the job would still refuse.
fn trusts_agents(desired: &Desired, observed: &Observed, now: &Time) -> Decision {
    diff(&Desired { policy: ApprovalPolicy::Agent, ..desired.clone() }, observed, now)
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

/// `judge` without a clock.
fn never_expires(approval: &Approval, context: &ApprovalContext<'_>) -> Result<(), Refused> {
    judge(approval, &ApprovalContext { now: &at(0), ..*context })
}

/// `judge` that takes an agent for a person.
fn takes_agents_for_people(approval: &Approval, context: &ApprovalContext<'_>) -> Result<(), Refused> {
    judge(approval, &ApprovalContext { policy: ApprovalPolicy::Agent, ..*context })
}

/// `judge` that lets nothing be destroyed.
fn keeps_everything(approval: &Approval, context: &ApprovalContext<'_>) -> Result<(), Refused> {
    match context.plan {
        Some(plan) if plan.destroy => Err(Refused { reason: RefusedReason::WrongPlan, message: String::new() }),
        _ => judge(approval, context),
    }
}

/// The gate is everybody's.
fn an_open_gate(_: Option<&ActiveOperation>, _: &ActiveOperation, _: Holder, _: bool) -> Claim {
    Claim::Ours
}

/// The first who waits, whoever runs.
fn takes_anybody(waiting: &[Candidate], _: &[Candidate], _: &BTreeMap<String, u64>, _: usize) -> Option<usize> {
    (!waiting.is_empty()).then_some(0)
}

/// (the bug, the functions with it, where it shows, what the checker says of it).
fn rows() -> Vec<(&'static str, Hooks, Model, &'static str)> {
    let small = Budget { approvals: 2, waits: 1, ..Budget::default() };
    let none = Budget::default();
    // only what is looked at in every state: the promise of safety itself must catch it, not a rest that reads oddly
    let safety = |name, budget| Model { rests: false, ..model(name, budget) };
    let rests = |name, budget| Model { destroy_every: 1, ..model(name, budget) };
    vec![
        (
            "diff ignores the generation",
            Hooks { diff: ignores_the_generation, ..PRODUCTION },
            rests("another goal, the same inputs", Budget { goals: 1, ..none }),
            "lost wake-up",
        ),
        (
            "diff forgets the unknown outcome",
            Hooks { diff: forgets_the_unknown_outcome, ..PRODUCTION },
            safety("a crash", Budget { crashes: 1, ..small }),
            "while the outcome of an apply is unknown",
        ),
        (
            "diff looks nothing up",
            Hooks { diff: looks_nothing_up, ..PRODUCTION },
            safety("a crash", Budget { crashes: 1, ..small }),
            "a resource was made twice",
        ),
        (
            "diff lets nothing go",
            Hooks { diff: lets_nothing_go, ..PRODUCTION },
            safety("an import, and a failure elsewhere", Budget { crashes: 1, failures: 1, ..small }),
            "livelock",
        ),
        ("diff leaves finished jobs alone", Hooks { diff: leaves_jobs_alone, ..PRODUCTION }, rests("nothing else", small), "lost wake-up"),
        ("diff writes for ever", Hooks { diff: writes_for_ever, ..PRODUCTION }, safety("nothing else", none), "livelock"),
        (
            "judge judges nothing",
            Hooks { judge: judges_nothing, ..PRODUCTION },
            safety("an edit", Budget { edits: 1, ..small }),
            "an approval of another generation was used up",
        ),
        (
            "judge has no clock",
            Hooks { judge: never_expires, ..PRODUCTION },
            Model { slow_store: true, ..safety("time passes", Budget { ticks: 2, ..small }) },
            "an expired approval was used up",
        ),
        (
            "diff and judge take agents for people",
            Hooks { diff: trusts_agents, judge: takes_agents_for_people, ..PRODUCTION },
            Model { policy: ApprovalPolicy::Human, ..safety("policy human", small) },
            "where a person must approve",
        ),
        (
            "judge lets nothing be destroyed",
            Hooks { judge: keeps_everything, ..PRODUCTION },
            Model { built: true, ..rests("applied", none) },
            "a destroy cannot be reached",
        ),
        ("the gate is everybody's", Hooks { gate: an_open_gate, ..PRODUCTION }, safety("nothing else", none), "starts without the gate"),
        (
            "the scheduler takes anybody",
            Hooks { next: takes_anybody, ..PRODUCTION },
            Model { sessions: 2, ..safety("two sessions", small) },
            "more jobs run than there are slots",
        ),
    ]
}

#[test]
fn a_bug_that_is_put_into_the_decisions_is_found_by_the_promise_it_breaks_and_its_trace_is_printed() {
    let mut missed = vec![];
    for (bug, hooks, model, says) in rows() {
        let report = breadth_first(&Model { hooks, ..model }, 200_000);
        match report.counterexample {
            Some(found) if found.why.contains(says) => {
                println!("{bug}: found after {} states: {}", report.states, found.why);
                found.trace.iter().for_each(|step| println!("    {step}"));
            }
            Some(found) => missed.push(format!("{bug}: not {says:?} but {:?} after {:?}", found.why, found.trace)),
            None => missed.push(format!("{bug}: {} states, and nothing was found", report.states)),
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
