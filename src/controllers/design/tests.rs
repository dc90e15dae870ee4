//! The table of the decision, row by row: (reason, what is wanted, what is, the one step). Then the fold of results.

use std::collections::BTreeMap;
use std::time::Duration;

use super::diff::diff;
use super::samples::*;
use super::settle::{Settling, settle};
use super::step::{ApprovalRef, Order, Rest, Step};
use super::validate::{Desired, Goal};
use crate::api::approval::Role;
use crate::api::design::*;
use crate::api::terraformjob::{Action, JobPhase};
use crate::api::{Reason, TerraformJobStatus, WhoActs};

type Row = (&'static str, Desired, super::observe::Observed, Step);

fn yes() -> ApprovalRef {
    ApprovalRef { name: "yes".into(), uid: "yes-uid".into() }
}
fn order() -> Order {
    Order { requested: true, ..Order::default() }
}
fn running() -> Step {
    Step::Rest(Rest::Job { name: "job".into(), action: Action::Plan, requested: true, waits: None })
}
fn in_flight(found: Option<&str>, looked_up: bool) -> Vec<InFlight> {
    vec![InFlight { address: "a.b".into(), action: ChangeAction::Create, found_id: found.map(str::to_owned), looked_up }]
}
fn empty(plan: PlanRecord) -> PlanRecord {
    PlanRecord { counts: Counts::default(), ..plan }
}
fn destroy(plan: PlanRecord) -> PlanRecord {
    PlanRecord { destroy: true, digest: "of the applied files".into(), ..plan }
}
fn at_serial(plan: PlanRecord, serial: u64) -> PlanRecord {
    PlanRecord { serial, lineage: "l".into(), ..plan }
}

fn check(rows: Vec<Row>, minute: i64) {
    for (reason, desired, observed, expected) in rows {
        assert_eq!(diff(&desired, &observed, &at(minute)), expected, "{reason}");
    }
}

#[test]
fn an_open_job_comes_before_everything_else() {
    let background = |mut job: crate::api::TerraformJob| {
        job.spec.requested = false;
        job
    };
    let outdated = |mut job: crate::api::TerraformJob| {
        job.spec.digest = "older".into();
        job
    };
    let stuck = |mut job: crate::api::TerraformJob| {
        job.status.as_mut().unwrap().reason = Some(Reason::OwnerUnknown);
        job
    };
    let plan_job = |phase| job(Action::Plan, phase);
    let stop_for_person = Step::CancelJob { why: "a person asked for something else" };
    check(
        vec![
            ("row 1: a running job is waited for", present(true), fresh().job(plan_job(JobPhase::Running)), running()),
            ("a suspended design still waits for its job", present(true).suspended(), fresh().job(plan_job(JobPhase::Running)), running()),
            (
                "a suspended design does not start its queued job",
                present(true).suspended(),
                fresh().job(job(Action::Apply, JobPhase::Pending)),
                Step::CancelJob { why: "the design was suspended before it started" },
            ),
            ("a finished job is folded in first", present(true), fresh().job(plan_job(JobPhase::Failed)), Step::Settle),
            ("a job that was never created is forgotten", present(true), fresh().void(), Step::DropIntent),
            ("a running plan of older inputs may end", present(true), fresh().job(outdated(plan_job(JobPhase::Running))), running()),
            (
                "a queued plan of older inputs is not started",
                present(true),
                fresh().job(outdated(plan_job(JobPhase::Pending))),
                Step::CancelJob { why: "the design changed before it started" },
            ),
            (
                "a background check stops for an edit",
                present(true),
                fresh().job(background(outdated(plan_job(JobPhase::Running)))),
                stop_for_person.clone(),
            ),
            (
                "a background check stops for a request",
                present(true).requesting("r", RequestAction::Plan),
                fresh().job(background(plan_job(JobPhase::Running))),
                stop_for_person.clone(),
            ),
            (
                "a background check stops for a destroy",
                absent(false),
                fresh().job(background(plan_job(JobPhase::Running))),
                stop_for_person,
            ),
            (
                "an apply is never stopped by an edit",
                wanted(Goal::Invalid),
                fresh().job(job(Action::Apply, JobPhase::Running)),
                Step::Rest(Rest::Job { name: "job".into(), action: Action::Apply, requested: true, waits: None }),
            ),
            (
                "an owner that cannot be proven dead stalls",
                present(true),
                fresh().job(stuck(plan_job(JobPhase::Running))),
                Step::Rest(Rest::OwnerUnknown { job: "job".into() }),
            ),
        ],
        1,
    );
}

#[test]
fn suspension_and_unknown_outcomes_come_before_wishes() {
    let refresh_failed = LastFailure { action: Action::Refresh, ..failure(WhoActs::Stalled) };
    check(
        vec![
            ("row 2: suspended", present(true).suspended(), fresh(), Step::Rest(Rest::Suspended)),
            ("row 2: also a destroy", absent(true).suspended(), fresh().state(2), Step::Rest(Rest::Suspended)),
            ("row 3: look first", present(true), fresh().state(1).outcome(true, vec![]), Step::IssueRefresh(order())),
            ("row 3: a destroy looks first too", absent(false), fresh().state(1).outcome(true, vec![]), Step::IssueRefresh(order())),
            (
                "row 3: an invalid design looks too",
                wanted(Goal::Invalid),
                fresh().state(1).outcome(true, vec![]),
                Step::IssueRefresh(order()),
            ),
            (
                "row 3: there is nothing to look with",
                present(true),
                fresh().state_lost().outcome(true, vec![]),
                Step::Rest(Rest::StateUnavailable),
            ),
            (
                "row 3: a look that failed for good is not repeated by itself",
                present(true),
                fresh().state(1).outcome(true, vec![]).failed(refresh_failed.clone()),
                Step::Rest(Rest::Failed(Box::new(refresh_failed))),
            ),
            (
                "then what was in flight is looked up",
                present(true),
                fresh().state(1).outcome(false, in_flight(None, false)),
                Step::LookUpInFlight,
            ),
            (
                "what was found is imported by a plan",
                present(true),
                fresh().state(1).outcome(false, in_flight(Some("id"), false)),
                Step::IssuePlan(order()),
            ),
            (
                "an import that the state holds by now is accounted for: its apply failed elsewhere",
                present(true),
                fresh().state(1).holds("a.b", "id").outcome(false, in_flight(Some("id"), false)).failed(failure(WhoActs::Stalled)),
                Step::LookUpInFlight,
            ),
            (
                "so is what was not found and was made by a later apply",
                present(true),
                fresh().state(1).holds("a.b", "id").outcome(false, in_flight(None, true)),
                Step::LookUpInFlight,
            ),
            (
                "and it keeps no destroy waiting",
                absent(true),
                fresh().state(1).holds("a.b", "id").outcome(false, in_flight(Some("id"), false)),
                Step::LookUpInFlight,
            ),
            (
                "two objects of one address: no import takes over the second, and a plan might make a third",
                present(true),
                fresh().state(1).holds("a.b", "old").outcome(false, in_flight(Some("id"), false)),
                Step::Rest(Rest::InFlight(vec!["a.b".into()])),
            ),
            (
                "until a person who was told of it says that it is accounted for",
                present(true).requesting("r", RequestAction::Retry),
                fresh().state(1).holds("a.b", "old").outcome(false, in_flight(Some("id"), false)).told(),
                Step::ConfirmInFlight { addresses: vec!["a.b".into()] },
            ),
            (
                "a retry of something else says nothing about it",
                present(true).requesting("r", RequestAction::Retry),
                fresh().state(1).holds("a.b", "old").outcome(false, in_flight(Some("id"), false)),
                Step::Rest(Rest::InFlight(vec!["a.b".into()])),
            ),
            (
                "the first of the two is gone: the second takes its place",
                present(true),
                fresh().state(1).holds("a.b", "old").found_gone("a.b").outcome(false, in_flight(Some("id"), false)),
                Step::IssuePlan(order()),
            ),
            (
                "what was not found waits for the approver",
                present(true),
                fresh().state(1).outcome(false, in_flight(None, true)).plan(at_serial(plan(DIGEST, "l", 5), 5)).approved(Role::Editor),
                Step::Rest(Rest::AwaitingApproval(Box::new(plan(DIGEST, "l", 5)))),
            ),
            (
                "and the approver may",
                present(true),
                fresh().state(1).outcome(false, in_flight(None, true)).plan(plan(DIGEST, "l", 5)).approved(Role::Approver),
                Step::IssueApply { approval: yes() },
            ),
            (
                "policy auto does not apply while something is in flight",
                present(true).policy(ApprovalPolicy::Auto),
                fresh().state(1).outcome(false, in_flight(None, true)).plan(plan(DIGEST, "l", 5)),
                Step::Rest(Rest::AwaitingApproval(Box::new(plan(DIGEST, "l", 5)))),
            ),
        ],
        1,
    );
}

#[test]
fn a_failure_keeps_things_still_until_something_changes() {
    let stalled = failure(WhoActs::Stalled);
    let retry = failure(WhoActs::Retry);
    let vanished = LastFailure { reason: Reason::ResourcesVanished, action: Action::Plan, ..stalled.clone() };
    let after_request = LastFailure { key: FailureKey { request: Some("r".into()), ..stalled.key.clone() }, ..stalled.clone() };
    let broken = || fresh().state(1).failed(stalled.clone());
    let again = Step::IssuePlan(order());
    check(
        vec![
            ("row 4: stalled", present(true), broken(), Step::Rest(Rest::Failed(Box::new(stalled.clone())))),
            (
                "row 4: waits for its time",
                present(true),
                fresh().state(1).failed(retry.clone()),
                Step::Rest(Rest::RetryAt(Box::new(retry.clone()), at(10))),
            ),
            ("an edit ends it", wanted(Goal::Present { digest: "new".into(), apply: true }), broken(), again.clone()),
            (
                "a request ends it",
                present(true).requesting("r", RequestAction::Retry),
                broken(),
                Step::IssuePlan(Order { request: Some("r".into()), ..order() }),
            ),
            (
                "a failure of the request that was handled last still counts",
                present(true).handled("r"),
                fresh().state(1).failed(after_request.clone()),
                Step::Rest(Rest::Failed(Box::new(after_request))),
            ),
            ("a wish to destroy is another thing", absent(false), broken(), Step::IssuePlan(Order { destroy: true, ..order() })),
            (
                "vanished resources wait for a person",
                present(true),
                fresh().state(1).failed(vanished.clone()),
                Step::Rest(Rest::Failed(Box::new(vanished.clone()))),
            ),
            (
                "an editor's approval is not enough for that",
                present(true),
                fresh().state(1).failed(vanished.clone()).plan(plan(DIGEST, "l", 5)).approved(Role::Editor),
                Step::Rest(Rest::Failed(Box::new(vanished.clone()))),
            ),
            (
                "the approver's is",
                present(true),
                fresh().state(1).failed(vanished).plan(plan(DIGEST, "l", 5)).approved(Role::Approver),
                Step::IssueApply { approval: yes() },
            ),
        ],
        1,
    );
    check(
        vec![(
            "row 4: at its time a new plan is made",
            present(true),
            fresh().state(1).failed(retry),
            Step::IssuePlan(Order { attempt: 2, ..order() }),
        )],
        10,
    );
}

#[test]
fn absence_is_reached_with_or_without_terraform() {
    let doomed = || destroy(plan("", "l", 5));
    let orphan = wanted(Goal::Absent { deleted: true, orphan: true });
    let destroy_order = Order { destroy: true, ..order() };
    check(
        vec![
            ("row 5: never applied and deleted: forget, without a run", absent(true), fresh(), Step::Forget { orphan: false }),
            ("row 5: known empty and deleted", absent(true), fresh().state(0), Step::Forget { orphan: false }),
            ("row 5: known empty and kept", absent(false), fresh().state(0), Step::Rest(Rest::Destroyed)),
            ("a lost state is not an empty one", absent(true), fresh().state_lost(), Step::Rest(Rest::StateUnavailable)),
            ("orphans are let go whatever is known", orphan, fresh().state_lost(), Step::Forget { orphan: true }),
            ("row 6: plan it", absent(true), fresh().state(2), Step::IssuePlan(destroy_order.clone())),
            (
                "row 6: an ordinary plan is no destroy plan",
                absent(true),
                fresh().state(2).plan(plan(DIGEST, "l", 5)),
                Step::IssuePlan(destroy_order.clone()),
            ),
            (
                "row 6: a destroy plan of another serial",
                absent(true),
                fresh().state(2).plan(destroy(plan("", "l", 4))),
                Step::IssuePlan(destroy_order),
            ),
            ("row 6: reviewed", absent(true), fresh().state(2).plan(doomed()), Step::Rest(Rest::AwaitingApproval(Box::new(doomed())))),
            (
                "row 6: auto does not destroy",
                absent(true).policy(ApprovalPolicy::Auto),
                fresh().state(2).plan(doomed()),
                Step::Rest(Rest::AwaitingApproval(Box::new(doomed()))),
            ),
            (
                "row 6: approved",
                absent(true),
                fresh().state(2).plan(doomed()).approved(Role::Editor),
                Step::IssueDestroy { approval: yes() },
            ),
            (
                "what is in flight is not left behind silently",
                absent(true),
                fresh().state(0).outcome(false, in_flight(Some("id"), false)),
                Step::Rest(Rest::InFlight(vec!["a.b".into()])),
            ),
            (
                "until a person who was told of it says that it is accounted for",
                absent(true).requesting("r", RequestAction::Retry),
                fresh().state(0).outcome(false, in_flight(None, true)).told(),
                Step::ConfirmInFlight { addresses: vec!["a.b".into()] },
            ),
            (
                "a retry of something else says nothing about it",
                absent(true).requesting("r", RequestAction::Retry),
                fresh().state(0).outcome(false, in_flight(None, true)),
                Step::Rest(Rest::InFlight(vec!["a.b".into()])),
            ),
        ],
        1,
    );
}

#[test]
fn a_design_goes_from_draft_to_synced() {
    let first = || plan(DIGEST, "", 0);
    let next = || plan(DIGEST, "l", 5);
    let synced = Step::Rest(Rest::Synced { due: None });
    let on_request = |desired: Desired| Desired { drift_interval: None, ..desired };
    let deleting = PlanRecord { counts: Counts { delete: 1, ..Counts::default() }, ..first() };
    check(
        vec![
            ("row 7: errors", wanted(Goal::Invalid), fresh(), Step::Rest(Rest::Invalid)),
            ("row 8: draft", wanted(Goal::Draft { digest: DIGEST.into() }), fresh().state(1), Step::Rest(Rest::Draft)),
            ("row 9: as applied: nothing is started", on_request(present(true)), fresh().state(1).applied(DIGEST), synced.clone()),
            (
                "row 9: a plan of other inputs does not matter",
                on_request(present(true)),
                fresh().state(1).applied(DIGEST).plan(plan("old", "l", 5)),
                synced.clone(),
            ),
            ("row 10: no plan", present(true), fresh(), Step::IssuePlan(order())),
            ("row 10: another digest", present(true), fresh().plan(plan("old", "", 0)), Step::IssuePlan(order())),
            ("row 10: another serial", present(true), fresh().state(1).plan(plan(DIGEST, "l", 4)), Step::IssuePlan(order())),
            ("row 10: another lineage", present(true), fresh().state(1).plan(plan(DIGEST, "m", 5)), Step::IssuePlan(order())),
            (
                "row 10: a request",
                present(true).requesting("r", RequestAction::Plan),
                fresh().plan(first()),
                Step::IssuePlan(Order { request: Some("r".into()), ..order() }),
            ),
            ("row 10: a secret is missing", present(true), fresh().secret_missing(), Step::Rest(Rest::SecretMissing(vec!["pw".into()]))),
            (
                "a request to look",
                present(true).requesting("r", RequestAction::Refresh),
                fresh().state(1).applied(DIGEST),
                Step::IssueRefresh(Order { request: Some("r".into()), ..order() }),
            ),
            (
                "there is nothing to look at: plan instead",
                present(true).requesting("r", RequestAction::Refresh),
                fresh(),
                Step::IssuePlan(Order { request: Some("r".into()), ..order() }),
            ),
            ("a lost state is never planned on", present(true), fresh().state_lost(), Step::Rest(Rest::StateUnavailable)),
            ("row 11: empty: recorded", present(true), fresh().state(1).applied("old").plan(empty(next())), Step::RecordSynced),
            ("row 11: empty and recorded", on_request(present(true)), fresh().state(1).applied(DIGEST).plan(empty(next())), synced),
            ("row 12: planned", present(false), fresh().plan(first()), Step::Rest(Rest::PlanReady(Box::new(first())))),
            ("the same plan serves a new generation", present(true), fresh().plan(PlanRecord { generation: 2, ..first() }), Step::Restamp),
            ("row 13: approved", present(true), fresh().plan(first()).approved(Role::Editor), Step::IssueApply { approval: yes() }),
            (
                "row 13: not by the editor in human mode",
                present(true).policy(ApprovalPolicy::Human),
                fresh().plan(first()).approved(Role::Editor),
                Step::Rest(Rest::AwaitingApproval(Box::new(first()))),
            ),
            ("row 14: harmless", present(true).policy(ApprovalPolicy::Auto), fresh().plan(first()), Step::CreatePolicyApproval),
            (
                "row 14: a delete is not harmless",
                present(true).policy(ApprovalPolicy::Auto),
                fresh().plan(deleting.clone()),
                Step::Rest(Rest::AwaitingApproval(Box::new(deleting))),
            ),
            ("row 16: waits", present(true), fresh().plan(first()), Step::Rest(Rest::AwaitingApproval(Box::new(first())))),
        ],
        1,
    );
    check(
        vec![
            ("row 15: too old", present(true), fresh().plan(first()), Step::Rest(Rest::PlanExpired(Box::new(first())))),
            (
                "row 15: an approval of it is too old as well",
                present(true),
                fresh().plan(first()).approved(Role::Approver),
                Step::Rest(Rest::PlanExpired(Box::new(first()))),
            ),
            (
                "row 15: not for auto either",
                present(true).policy(ApprovalPolicy::Auto),
                fresh().plan(first()),
                Step::Rest(Rest::PlanExpired(Box::new(first()))),
            ),
            ("row 12: reading a plan has no age", present(false), fresh().plan(first()), Step::Rest(Rest::PlanReady(Box::new(first())))),
        ],
        60,
    );
}

#[test]
fn drift_is_looked_for_in_the_background_and_followed_by_a_plan() {
    let applied = || fresh().state(1).applied(DIGEST);
    let due = super::diff::due(&present(true), &applied()).unwrap();
    let minute = due.0.as_second() / 60;
    assert!((60..=66).contains(&minute), "an hour and up to a tenth: {minute}");
    let check_order = Order { due: due.0.as_second(), ..Order::default() };
    check(
        vec![
            ("row 10: the check is due", present(true), applied(), Step::IssuePlan(check_order)),
            (
                "never when only asked for",
                Desired { drift_interval: None, ..present(true) },
                applied(),
                Step::Rest(Rest::Synced { due: None }),
            ),
        ],
        minute + 1,
    );
    let followed = Order { due: at(20).0.as_second(), ..Order::default() };
    let newer = PlanRecord { created_at: at(21), expires_at: at(81), ..plan(DIGEST, "l", 5) };
    check(
        vec![
            ("found drift asks for a plan", present(true), applied().drift(20), Step::IssuePlan(followed)),
            (
                "which is then approved",
                present(true),
                applied().drift(20).plan(newer.clone()),
                Step::Rest(Rest::AwaitingApproval(Box::new(newer))),
            ),
        ],
        22,
    );
}

#[test]
fn checks_that_are_overdue_at_the_start_of_a_server_do_not_come_all_at_once() {
    let started = at(10_000);
    let desired = Desired { started: Some(started.clone()), ..present(true) };
    let minutes: std::collections::BTreeSet<i64> = (0..200)
        .map(|number| {
            let observed = super::observe::Observed { uid: format!("uid-{number}"), ..fresh().state(1).applied(DIGEST) };
            let due = super::diff::due(&desired, &observed).unwrap();
            assert!(due.0 >= started.0 && due.0 <= at(10_030).0, "within half an interval: {}", due.0);
            due.0.as_second() / 60
        })
        .collect();
    assert!(minutes.len() > 25, "spread over half an hour: {minutes:?}");
    let young = super::diff::due(&Desired { started: Some(at(0)), ..present(true) }, &fresh().state(1).applied(DIGEST));
    assert_eq!(young, super::diff::due(&present(true), &fresh().state(1).applied(DIGEST)), "what is not overdue keeps its moment");
}

#[test]
fn a_rescue_comes_before_everything_but_the_end_of_a_job() {
    use crate::api::design::{Rescue, RescueAction};
    let asking = |action, desired: Desired| Desired {
        rescue: Some(Rescue { id: "1".into(), action, serial: None, resources: Default::default() }),
        ..desired
    };
    let running = super::observe::Observed {
        job: super::observe::Job::There(Box::new(job(Action::Apply, JobPhase::Running))),
        ..fresh().state(1).applied(DIGEST)
    };
    let ended = super::observe::Observed {
        job: super::observe::Job::There(Box::new(job(Action::Apply, JobPhase::Interrupted))),
        ..fresh().state(1).applied(DIGEST)
    };
    for (reason, desired, observed, rescues) in [
        ("a person unlocks an open job", asking(RescueAction::ForceUnlock, present(true)), running.clone(), true),
        ("a state is not put back under a running job", asking(RescueAction::RestoreState, present(true)), running.clone(), false),
        ("what a job left is folded in first", asking(RescueAction::ForceUnlock, present(true)), ended, false),
        (
            "nothing is started by it, so a suspended design has it, too",
            asking(RescueAction::Adopt, present(true).suspended()),
            fresh().state(1).applied(DIGEST),
            true,
        ),
        ("also while everything is to go", asking(RescueAction::RestoreState, absent(true)), fresh().state(1).applied(DIGEST), true),
        ("nobody asks", present(true), running, false),
    ] {
        assert_eq!(super::diff::diff(&desired, &observed, &at(1)) == Step::Rescue, rescues, "{reason}");
    }
}

// ------------------------------------------------------------------------------------------------------- the fold

fn with(superseded: bool) -> Settling<'static> {
    static NOW: std::sync::OnceLock<crate::api::Time> = std::sync::OnceLock::new();
    let now = NOW.get_or_init(|| at(30));
    Settling {
        request: None,
        digest: Some(DIGEST),
        superseded,
        serial: 5,
        base: Duration::from_secs(60),
        cap: Duration::from_secs(600),
        uid: "uid",
        now,
    }
}

fn ended(action: Action, phase: JobPhase, change: impl FnOnce(&mut TerraformJobStatus)) -> crate::api::TerraformJob {
    let mut job = job(action, phase);
    change(job.status.as_mut().unwrap());
    job
}

fn before() -> DesignStatus {
    let mut status = fresh().state(1).plan(plan(DIGEST, "l", 5)).status;
    status.active_job = Some("job".into());
    status
}

#[test]
fn an_applied_plan_is_recorded_with_the_digest_it_was_made_for() {
    let state = StateRecord { lineage: "l".into(), serial: 9, resources: 2 };
    let next = settle(&before(), &ended(Action::Apply, JobPhase::Succeeded, |status| status.state = Some(state.clone())), &with(false));
    let applied = next.applied.unwrap();
    assert_eq!((applied.digest.as_str(), applied.serial), (DIGEST, 9));
    assert_eq!((next.plan, next.active_job, next.outcome, next.state), (None, None, None, Some(state)));
}

#[test]
fn an_apply_that_nobody_saw_end_is_unknown_and_its_plan_is_used_up() {
    let job = ended(Action::Apply, JobPhase::Interrupted, |status| status.in_flight = in_flight(None, false));
    let next = settle(&before(), &job, &with(false));
    let outcome = next.outcome.unwrap();
    assert!(outcome.unknown && outcome.in_flight.len() == 1 && next.plan.is_none() && next.last_failure.is_none());
}

#[test]
fn a_look_that_nobody_saw_end_is_made_again_at_once_and_later_with_back_off() {
    let job = ended(Action::Plan, JobPhase::Interrupted, |_| {});
    let once = settle(&before(), &job, &with(false));
    assert_eq!(once.last_failure.as_ref().unwrap().retry_at, Some(at(30)));
    let twice = settle(&once, &job, &with(false)).last_failure.unwrap();
    assert!(twice.attempts == 2 && twice.retry_at.unwrap().0 > at(30).0);
}

#[test]
fn a_requested_look_that_is_killed_again_and_again_waits_between_its_tries() {
    let mut job = ended(Action::Plan, JobPhase::Interrupted, |_| {});
    job.spec.request_id = Some("r".into());
    let once = settle(&before(), &job, &with(false));
    assert_eq!(once.handled_request_id, None, "it was not answered");
    let desired = present(true).requesting("r", RequestAction::Plan);
    let observed = |status: DesignStatus| super::observe::Observed { status, ..fresh().state(2) };
    let Step::IssuePlan(order) = diff(&desired, &observed(once.clone()), &at(30)) else { panic!("tried again at once the first time") };
    assert_eq!(order.attempt, 1, "another try is another job");
    let twice = settle(&once, &job, &with(false));
    assert!(matches!(diff(&desired, &observed(twice), &at(30)), Step::Rest(Rest::RetryAt(..))), "then it waits");
}

#[test]
fn an_expiry_that_passes_while_the_report_is_written_still_rings() {
    let settings = crate::controllers::Settings::new(crate::validator::Defaults {
        region: String::new(),
        compartment_id: String::new(),
        language: crate::api::session::Language::En,
    });
    let rest = Rest::AwaitingApproval(Box::new(plan(DIGEST, "", 0)));
    let wake = super::report::again(&settings, &rest, None, &at(61)).expect("a bell");
    assert!(wake < Duration::from_secs(1), "{wake:?}");
    assert_eq!(super::report::again(&settings, &Rest::PlanExpired(Box::new(plan(DIGEST, "", 0))), None, &at(61)), None);
}

#[test]
fn a_refused_approval_runs_nothing_and_asks_for_a_new_plan() {
    let job = ended(Action::Apply, JobPhase::Failed, |status| status.reason = Some(Reason::ApprovalRefused));
    let next = settle(&before(), &job, &with(false));
    let failure = next.last_failure.unwrap();
    assert_eq!((failure.class, failure.reason, next.plan), (WhoActs::Retry, Reason::ApprovalRefused, None));
}

#[test]
fn back_off_grows_with_every_failure_of_the_same_inputs() {
    let job = ended(Action::Apply, JobPhase::Failed, |status| status.who_acts = Some(WhoActs::Retry));
    let once = settle(&before(), &job, &with(false));
    let twice = settle(&once, &job, &with(false));
    let wait = |status: &DesignStatus| status.last_failure.as_ref().unwrap().retry_at.clone().unwrap().0;
    assert!(wait(&twice) > wait(&once));
    assert_eq!(twice.last_failure.unwrap().attempts, 2);
}

#[test]
fn galleys_own_cancellation_is_nobodys_failure_and_a_persons_is_final() {
    let mut job = ended(Action::Plan, JobPhase::Cancelled, |_| {});
    job.spec.cancel = true;
    job.spec.request_id = Some("r".into());
    let own = settle(&before(), &job, &with(true));
    assert_eq!((own.last_failure, own.handled_request_id), (None, None));
    let person = settle(&before(), &job, &with(false));
    let failure = person.last_failure.unwrap();
    assert_eq!((failure.class, failure.reason), (WhoActs::Stalled, Reason::Cancelled));
    assert_eq!(person.handled_request_id.as_deref(), Some("r"));
}

#[test]
fn an_apply_that_left_no_trace_is_as_if_it_never_was() {
    let status = DesignStatus { apply_started: true, active_job: Some("job".into()), ..DesignStatus::default() };
    for phase in [JobPhase::Failed, JobPhase::Cancelled, JobPhase::Interrupted] {
        assert!(!settle(&status, &ended(Action::Apply, phase, |_| {}), &with(false)).apply_started, "{phase:?}");
    }
    let made = ended(Action::Apply, JobPhase::Failed, |status| status.created = vec!["a.b".into()]);
    assert!(settle(&status, &made, &with(false)).apply_started, "something was made: an absent state is a loss");
}

#[test]
fn vanished_resources_stall_unless_the_plan_answers_a_persons_retry() {
    let gone = PlanRecord { drift_deletes: vec!["a.b".into()], ..plan(DIGEST, "l", 5) };
    let mut job = ended(Action::Plan, JobPhase::Succeeded, |status| status.plan = Some(gone));
    let alone = settle(&before(), &job, &with(false));
    assert_eq!(alone.last_failure.as_ref().unwrap().reason, Reason::ResourcesVanished);
    job.spec.request_id = Some("r".into());
    let settling = Settling { request: Some(("r", RequestAction::Retry)), ..with(false) };
    assert_eq!(settle(&alone, &job, &settling).last_failure, None, "acknowledged");
    let settling = Settling { request: Some(("r", RequestAction::Plan)), ..with(false) };
    assert_eq!(
        settle(&alone, &job, &settling).last_failure.unwrap().reason,
        Reason::ResourcesVanished,
        "a plain plan is no acknowledgement"
    );
    let handled = DesignStatus { handled_request_id: Some("r".into()), ..alone };
    let settling = Settling { request: Some(("r", RequestAction::Retry)), ..with(false) };
    assert!(settle(&handled, &job, &settling).last_failure.is_some(), "an acknowledgement counts once");
}

#[test]
fn what_a_cut_off_apply_was_making_anew_is_expected_to_be_gone() {
    let gone =
        |address: &str| Change { address: address.into(), action: ChangeAction::Delete, replace_paths: vec![], changed_paths: vec![] };
    let rows = [
        (vec![gone("a.b")], None, "it is looked for next, and its successor takes its place"),
        (vec![gone("a.b"), gone("c.d")], Some(vec!["c.d".to_owned()]), "nothing explains the other one"),
    ];
    for (drift, failed, reason) in rows {
        let status = DesignStatus {
            outcome: Some(Outcome { unknown: true, job: None, in_flight: in_flight(None, false) }),
            ..DesignStatus::default()
        };
        let job = ended(Action::Refresh, JobPhase::Succeeded, |status| status.drift = drift.clone());
        let next = settle(&status, &job, &with(false));
        assert_eq!(next.last_failure.map(|failure| failure.failed), failed, "{reason}");
        assert_eq!(next.drift.map(|drift| drift.items.len()), Some(drift.len()), "what was seen is kept: {reason}");
    }
}

#[test]
fn an_address_in_the_state_is_accounted_for_unless_something_else_was_found() {
    let rows = [
        (None, Some("new"), 1, "in no state, and found: the next plan imports it"),
        (None, None, 1, "in no state, and not found: it stays named"),
        (Some(Some("new")), None, 0, "the state holds it after all, so the search leaves it out"),
        (Some(None), Some("new"), 0, "the state names no id"),
        (Some(Some("old")), Some("new"), 1, "the state is older than what was made in its place"),
    ];
    for (held, found, left, reason) in rows {
        let status = DesignStatus {
            outcome: Some(Outcome { unknown: false, job: None, in_flight: in_flight(None, false) }),
            ..DesignStatus::default()
        };
        let found = BTreeMap::from([("a.b".to_owned(), found.map(str::to_owned))]);
        let next = super::notes::looked_up(&status, &found, |address| held.filter(|_| address == "a.b"));
        assert_eq!(next.outcome.map_or(0, |outcome| outcome.in_flight.len()), left, "{reason}");
    }
}
