//! Step 4, pure: what is wanted and what is give exactly one step. The table of the design, first match wins.
//!
//! No IO, no clock, no async. Same input, same step. `tests.rs` holds a row for every line of the table.

use super::super::backoff;
use super::notes;
use super::observe::{Job, Observed, Seen, may_have_made, unconfirmed};
use super::step::{ApprovalRef, Order, Rest, Step};
use super::validate::{Desired, Goal};
use crate::api::approval::{ApprovalContext, Role, judge};
use crate::api::condition::{READY, condition};
use crate::api::design::{ChangeAction, InFlight, LastFailure, PlanRecord, RequestAction, RescueAction};
use crate::api::terraformjob::{Action, JobPhase};
use crate::api::{Reason, TerraformJob, Time, WhoActs};

/// How much of an interval a drift check may be late, so that designs applied together are not checked together.
const DRIFT_JITTER: f64 = 0.1;

/// Over how much of an interval checks that were overdue at the start of the server are spread.
const RESTART_SPREAD: f64 = 0.5;

/// The decision.
pub fn diff(desired: &Desired, observed: &Observed, now: &Time) -> Step {
    let rescue = desired.rescue.as_ref().map(|rescue| rescue.action);
    match &observed.job {
        // the one rescue that is for an open job; the others wait for its end
        Job::There(job) if rescue == Some(RescueAction::ForceUnlock) && !job.phase().is_terminal() => return Step::Rescue,
        Job::There(job) => return open_job(desired, job),
        Job::Void => return Step::DropIntent,
        Job::None if rescue.is_some() => return Step::Rescue,
        Job::None => {}
    }
    if desired.suspended {
        return Step::Rest(Rest::Suspended);
    }
    // Forgetting by the person's wish needs no knowledge of the world.
    if let Goal::Absent { orphan: true, .. } = desired.goal {
        return Step::Forget { orphan: true };
    }
    let failure = blocking_failure(desired, observed);
    if observed.status.outcome.as_ref().is_some_and(|outcome| outcome.unknown) {
        if observed.state == Seen::Unavailable {
            return Step::Rest(Rest::StateUnavailable);
        }
        let refresh = failure.filter(|failure| failure.action == Action::Refresh);
        return match refresh.and_then(|failure| rest_of(failure, now)) {
            Some(rest) => Step::Rest(rest),
            None => Step::IssueRefresh(order(desired, observed, Action::Refresh, true)),
        };
    }
    // What was never looked for; and what is in the state by now, which needs nothing more: an import that was part of an
    // apply that failed elsewhere, or an address that a later apply made.
    let is_recorded = |entry: &InFlight| may_have_made(entry) && notes::is_recorded(entry, observed.held(&entry.address));
    if notes::to_look_up(&observed.status).next().is_some() || observed.in_flight().iter().any(is_recorded) {
        return Step::LookUpInFlight;
    }
    if let Some(rest) = failure.filter(|_| !vanishing_approved(desired, observed, now)).and_then(|failure| rest_of(failure, now)) {
        return Step::Rest(rest);
    }
    match &desired.goal {
        Goal::Absent { deleted, .. } => absent(desired, observed, *deleted, now),
        Goal::Invalid => Step::Rest(Rest::Invalid),
        Goal::Draft { .. } => Step::Rest(Rest::Draft),
        Goal::Present { digest, apply } => present(desired, observed, digest, *apply, now),
    }
}

/// Row 1: a job of this design is there.
fn open_job(desired: &Desired, job: &TerraformJob) -> Step {
    let status = job.status.clone().unwrap_or_default();
    if job.phase().is_terminal() {
        return Step::Settle;
    }
    let name = job.metadata.name.clone().unwrap_or_default();
    if status.reason == Some(Reason::OwnerUnknown) {
        return Step::Rest(Rest::OwnerUnknown { job: name });
    }
    let looks_only = !job.spec.action.changes_the_cloud();
    let outdated = job.spec.action == Action::Plan
        && match &desired.goal {
            Goal::Absent { .. } => !job.spec.destroy_plan,
            Goal::Invalid | Goal::Draft { .. } => true,
            Goal::Present { digest, .. } => job.spec.destroy_plan || *digest != job.spec.digest,
        };
    let asked_for_else = desired.request.as_ref().is_some_and(|request| job.spec.request_id.as_deref() != Some(request.id.as_str()));
    if desired.suspended && job.phase() == JobPhase::Pending && !job.spec.cancel {
        return Step::CancelJob { why: "the design was suspended before it started" };
    }
    if looks_only && !job.spec.cancel {
        if !job.spec.requested && (outdated || asked_for_else) {
            return Step::CancelJob { why: "a person asked for something else" };
        }
        if outdated && job.phase() == JobPhase::Pending {
            return Step::CancelJob { why: "the design changed before it started" };
        }
    }
    Step::Rest(Rest::Job { name, action: job.spec.action, requested: job.spec.requested, waits: status.wait_reason })
}

/// The last failure, when it was for what is wanted now.
fn blocking_failure<'a>(desired: &Desired, observed: &'a Observed) -> Option<&'a LastFailure> {
    let failure = observed.status.last_failure.as_ref()?;
    let key = &failure.key;
    let destroy = desired.absent();
    let same_inputs = failure.action == Action::Refresh && destroy
        || key.destroy == destroy && (destroy || desired.digest() == Some(key.digest.as_str()));
    (same_inputs && key.serial == observed.state.version().1 && key.request == desired.request_key).then_some(failure)
}

/// Row 4: how long a failure keeps things still.
fn rest_of(failure: &LastFailure, now: &Time) -> Option<Rest> {
    match failure.class {
        WhoActs::Stalled => Some(Rest::Failed(Box::new(failure.clone()))),
        WhoActs::Retry | WhoActs::Waiting => match &failure.retry_at {
            Some(at) if now.0 < at.0 => Some(Rest::RetryAt(Box::new(failure.clone()), at.clone())),
            Some(_) | None => None,
        },
    }
}

/// Resources vanished, and a person with the approver credential approved the very plan that says so.
fn vanishing_approved(desired: &Desired, observed: &Observed, now: &Time) -> bool {
    let vanished = observed.status.last_failure.as_ref().is_some_and(|failure| failure.reason == Reason::ResourcesVanished);
    vanished
        && allowed(desired, observed, now, |approval| approval.status.as_ref().and_then(|status| status.role) == Some(Role::Approver))
            .is_some()
}

/// Rows 5 and 6.
fn absent(desired: &Desired, observed: &Observed, deleted: bool, now: &Time) -> Step {
    let in_flight: Vec<String> =
        observed.in_flight().iter().filter(|entry| may_have_made(entry)).map(|entry| entry.address.clone()).collect();
    if !in_flight.is_empty() {
        // A destroy plan ignores import blocks (run with terraform 1.11.4), so what was found would be left behind.
        return account_for(desired, observed, in_flight);
    }
    if observed.state.known_empty() {
        return if deleted { Step::Forget { orphan: false } } else { Step::Rest(Rest::Destroyed) };
    }
    if observed.state == Seen::Unavailable {
        return Step::Rest(Rest::StateUnavailable);
    }
    let Some(plan) = observed.plan_for(None, true).filter(|_| desired.request.is_none()) else {
        return Step::IssuePlan(Order { destroy: true, ..order(desired, observed, Action::Plan, true) });
    };
    if plan.generation != desired.generation {
        return Step::Restamp;
    }
    if let Some(approval) = allowed(desired, observed, now, |_| true) {
        return Step::IssueDestroy { approval };
    }
    Step::Rest(unapproved(plan, now))
}

/// A person decides what becomes of addresses in flight: one who was told of them, and asks for a retry after that.
fn account_for(desired: &Desired, observed: &Observed, addresses: Vec<String>) -> Step {
    let asked = desired.request.as_ref().is_some_and(|request| request.action == RequestAction::Retry);
    let told = condition(&observed.status.conditions, READY).is_some_and(|ready| {
        ready.reason == Reason::InFlightUnconfirmed.as_str() && ready.observed_generation.is_some_and(|seen| seen < desired.generation)
    });
    if asked && told { Step::ConfirmInFlight { addresses } } else { Step::Rest(Rest::InFlight(addresses)) }
}

/// Addresses under which one object was found and the state holds another, which is not gone: an import cannot take the
/// place of that, and a plan without it might make a third.
fn contested(observed: &Observed) -> Vec<String> {
    let drift = observed.status.drift.iter().flat_map(|drift| &drift.items);
    let gone: Vec<&str> = drift.filter(|change| change.action == ChangeAction::Delete).map(|change| change.address.as_str()).collect();
    let is_another = |entry: &&InFlight| notes::is_another(entry, observed.held(&entry.address).flatten());
    let alive = |entry: &&InFlight| !gone.contains(&entry.address.as_str());
    observed.in_flight().iter().filter(is_another).filter(alive).map(|entry| entry.address.clone()).collect()
}

/// Rows 9 to 16.
fn present(desired: &Desired, observed: &Observed, digest: &str, apply: bool, now: &Time) -> Step {
    if observed.state == Seen::Unavailable {
        return Step::Rest(Rest::StateUnavailable);
    }
    if let Some(request) = &desired.request
        && request.action == RequestAction::Refresh
        && matches!(observed.state, Seen::Held(_))
    {
        return Step::IssueRefresh(order(desired, observed, Action::Refresh, true));
    }
    let contested = contested(observed);
    if !contested.is_empty() {
        return account_for(desired, observed, contested);
    }
    let applied = as_applied(observed, digest);
    if let Some(order) = plan_needed(desired, observed, digest, applied, now) {
        return if observed.secrets_missing.is_empty() {
            Step::IssuePlan(order)
        } else {
            Step::Rest(Rest::SecretMissing(observed.secrets_missing.clone()))
        };
    }
    let Some(plan) = observed.plan_for(Some(digest), false) else {
        return Step::Rest(Rest::Synced { due: due(desired, observed) });
    };
    if plan.is_empty() {
        return if applied || !apply { Step::Rest(Rest::Synced { due: due(desired, observed) }) } else { Step::RecordSynced };
    }
    if plan.generation != desired.generation {
        return Step::Restamp;
    }
    if !apply {
        return Step::Rest(Rest::PlanReady(Box::new(plan.clone())));
    }
    if let Some(approval) = allowed(desired, observed, now, |_| true) {
        return Step::IssueApply { approval };
    }
    let automatic = desired.policy == crate::api::design::ApprovalPolicy::Auto && plan.is_harmless() && observed.in_flight().is_empty();
    if automatic && now.0 < plan.expires_at.0 {
        return Step::CreatePolicyApproval;
    }
    Step::Rest(unapproved(plan, now))
}

fn unapproved(plan: &PlanRecord, now: &Time) -> Rest {
    if now.0 >= plan.expires_at.0 { Rest::PlanExpired(Box::new(plan.clone())) } else { Rest::AwaitingApproval(Box::new(plan.clone())) }
}

/// Digest and serial are those of the last apply, and nothing is in flight.
pub fn as_applied(observed: &Observed, digest: &str) -> bool {
    observed.in_flight().is_empty()
        && observed
            .status
            .applied
            .as_ref()
            .is_some_and(|applied| applied.digest == digest && (applied.lineage.as_str(), applied.serial) == observed.state.version())
}

/// Row 10: whether a new plan is needed, and on whose account.
fn plan_needed(desired: &Desired, observed: &Observed, digest: &str, applied: bool, now: &Time) -> Option<Order> {
    let base = |requested| order(desired, observed, Action::Plan, requested);
    if desired.request.is_some() {
        return Some(base(true));
    }
    let plan = observed.plan_for(Some(digest), false);
    if !applied && plan.is_none_or(|plan| plan.imports != notes::imports(observed)) {
        return Some(base(true));
    }
    let drift = observed.status.drift.as_ref().filter(|drift| !drift.items.is_empty());
    if let Some(checked) = drift.and_then(|drift| drift.checked_at.as_ref())
        && plan.is_none_or(|plan| plan.created_at.0 < checked.0)
    {
        return Some(Order { due: checked.0.as_second(), ..base(false) });
    }
    match due(desired, observed) {
        Some(due) if due.0 <= now.0 => Some(Order { due: due.0.as_second(), ..base(false) }),
        Some(_) | None => None,
    }
}

/// When the next drift check is due: interval after the last look, plus up to a tenth, decided by the design.
pub fn due(desired: &Desired, observed: &Observed) -> Option<Time> {
    let interval = std::time::Duration::from_secs(desired.drift_interval?);
    let applied = observed.status.applied.as_ref()?;
    let fraction = backoff::fraction(&observed.uid);
    let due = backoff::after(&applied.checked_at, interval + interval.mul_f64(DRIFT_JITTER * fraction));
    // After a night without a server everything is overdue: no stampede, each at its own moment of half an interval.
    let spread = desired.started.as_ref().map(|started| backoff::after(started, interval.mul_f64(RESTART_SPREAD * fraction)));
    Some(spread.filter(|spread| spread.0 > due.0).unwrap_or(due))
}

fn order(desired: &Desired, observed: &Observed, action: Action, requested: bool) -> Order {
    let attempt = blocking_failure(desired, observed)
        .filter(|failure| failure.action == action || action == Action::Plan)
        .map_or(0, |failure| failure.attempts);
    Order { destroy: false, requested, request: desired.request.as_ref().map(|request| request.id.clone()), attempt, due: 0 }
}

/// The first approval that allows exactly the newest plan and passes `also`.
fn allowed(desired: &Desired, observed: &Observed, now: &Time, also: impl Fn(&crate::api::Approval) -> bool) -> Option<ApprovalRef> {
    let context = ApprovalContext {
        design_uid: &observed.uid,
        generation: desired.generation,
        plan: observed.status.plan.as_ref(),
        state: observed.state.version(),
        policy: desired.policy,
        in_flight: unconfirmed(&observed.status),
        now,
    };
    let chosen = observed.approvals.iter().find(|approval| also(approval) && judge(approval, &context).is_ok())?;
    Some(ApprovalRef { name: chosen.metadata.name.clone()?, uid: chosen.metadata.uid.clone()? })
}
