//! Folds the result of a finished job into the status. Pure: (status, job, what it was asked for) → status.
//!
//! This is the one place that says what a success, a failure, a cut-off and a cancellation mean for a design.

use std::time::Duration;

use super::super::backoff;
use super::observe::may_have_made;
use crate::api::advice::Advice;
use crate::api::design::{
    Applied, Change, ChangeAction, DesignStatus, Drift, FailureKey, InFlight, LastFailure, Outcome, PlanRecord, RequestAction,
};
use crate::api::terraformjob::{Action, JobPhase};
use crate::api::{Reason, TerraformJob, TerraformJobStatus, Time, WhoActs};

/// What a fold needs beside the status and the job.
#[derive(Debug, Clone)]
pub struct Settling<'a> {
    /// the request of the spec, if any
    pub request: Option<(&'a str, RequestAction)>,
    /// digest of the inputs as they are now, if the design has one
    pub digest: Option<&'a str>,
    /// Galley cancelled the job itself
    pub superseded: bool,
    /// serial of the state as it is after the job: what the next look sees
    pub serial: u64,
    /// first back-off
    pub base: Duration,
    /// longest back-off
    pub cap: Duration,
    /// uid of the design: seed of the jitter
    pub uid: &'a str,
    /// now
    pub now: &'a Time,
}

/// The fold.
pub fn settle(status: &DesignStatus, job: &TerraformJob, with: &Settling<'_>) -> DesignStatus {
    let mut next = status.clone();
    next.active_job = None;
    let ended = job.status.clone().unwrap_or_default();
    let phase = job.phase();
    // A person's acknowledgement counts once, for the job that answers it.
    let acknowledged = job.spec.request_id.is_some()
        && job.spec.request_id != status.handled_request_id
        && with.request.is_some_and(|(id, action)| action == RequestAction::Retry && job.spec.request_id.as_deref() == Some(id));
    let cut_off = phase == JobPhase::Interrupted || (phase == JobPhase::Cancelled && (with.superseded || !job.spec.cancel));
    if let (Some(id), false) = (&job.spec.request_id, cut_off) {
        next.handled_request_id = Some(id.clone());
    }
    if let Some(state) = &ended.state {
        next.state = Some(state.clone());
    }
    match phase {
        // not terminal: nothing to fold, the job stays the active one
        JobPhase::Pending | JobPhase::Running => return status.clone(),
        JobPhase::Succeeded => succeeded(&mut next, job, ended, acknowledged, with),
        JobPhase::Failed => failed(&mut next, job, ended, with),
        JobPhase::Interrupted => interrupted(&mut next, job, ended, with),
        JobPhase::Cancelled => cancelled(&mut next, job, ended, with),
    }
    next
}

fn succeeded(next: &mut DesignStatus, job: &TerraformJob, ended: TerraformJobStatus, acknowledged: bool, with: &Settling<'_>) {
    let finished = ended.finished_at.clone().unwrap_or_else(|| with.now.clone());
    if !job.spec.action.changes_the_cloud() && next.last_failure.as_ref().is_some_and(|failure| !failure.action.changes_the_cloud()) {
        next.last_failure = None;
    }
    match job.spec.action {
        Action::Plan => match ended.plan {
            Some(plan) => planned(next, job, plan, acknowledged, finished, with),
            None => fail(next, job, TerraformJobStatus { reason: Some(Reason::Internal), ..ended }, with),
        },
        Action::Refresh => {
            if let Some(outcome) = &mut next.outcome {
                outcome.unknown = false;
                outcome.in_flight.retain(may_have_made);
            }
            next.outcome = next.outcome.take().filter(|outcome| !outcome.in_flight.is_empty());
            // What a cut-off apply was making anew is expected to be gone: it is looked for next.
            let made_anew: Vec<String> =
                next.outcome.iter().flat_map(|outcome| &outcome.in_flight).map(|entry| entry.address.clone()).collect();
            let deleted = ended.drift.iter().filter(|change| change.action == ChangeAction::Delete).map(|change| change.address.clone());
            let gone: Vec<String> = deleted.filter(|address| !made_anew.contains(address)).collect();
            next.drift = Some(Drift { checked_at: Some(finished.clone()), items: ended.drift.clone() });
            if let Some(applied) = &mut next.applied {
                applied.checked_at = finished;
            }
            vanished(next, job, &gone, acknowledged, with);
        }
        Action::Apply => {
            let (lineage, serial) = ended.state.as_ref().or(next.state.as_ref()).map(|s| (s.lineage.clone(), s.serial)).unwrap_or_default();
            next.applied = Some(Applied {
                digest: job.spec.digest.clone(),
                lineage,
                serial,
                generation: job.spec.generation,
                time: finished.clone(),
                checked_at: finished.clone(),
            });
            next.drift = Some(Drift { checked_at: Some(finished), items: Vec::new() });
            clean(next);
        }
        Action::Destroy => {
            next.applied = None;
            next.drift = None;
            clean(next);
        }
    }
}

/// A change of the cloud succeeded: plan used up, nothing unknown, nothing failed.
fn clean(next: &mut DesignStatus) {
    next.plan = None;
    next.outcome = None;
    next.last_failure = None;
}

fn planned(next: &mut DesignStatus, job: &TerraformJob, plan: PlanRecord, acknowledged: bool, finished: Time, with: &Settling<'_>) {
    let gone = plan.drift_deletes.clone();
    if !plan.destroy
        && let Some(applied) = &mut next.applied
    {
        let deleted = |address: &String| Change {
            address: address.clone(),
            action: ChangeAction::Delete,
            replace_paths: Vec::new(),
            changed_paths: Vec::new(),
        };
        // what differs and would not be changed back is not ours to call drift
        let items =
            if plan.is_empty() { Vec::new() } else { plan.drift_deletes.iter().map(deleted).chain(plan.drift_updates.clone()).collect() };
        next.drift = Some(Drift { checked_at: Some(plan.created_at.clone()), items });
        applied.checked_at = finished;
    }
    next.plan = Some(plan);
    vanished(next, job, &gone, acknowledged, with);
}

/// A 404 never tells gone from forbidden: a person says which, before anything is made again or struck from the state.
fn vanished(next: &mut DesignStatus, job: &TerraformJob, gone: &[String], acknowledged: bool, with: &Settling<'_>) {
    if gone.is_empty() || acknowledged {
        return;
    }
    let message = format!("{} resources of the state were not found in the cloud", gone.len());
    let ended = TerraformJobStatus {
        reason: Some(Reason::ResourcesVanished),
        who_acts: Some(WhoActs::Stalled),
        message: Some(message),
        failed: gone.iter().take(crate::api::design::STATUS_LIST_LIMIT).cloned().collect(),
        ..TerraformJobStatus::default()
    };
    fail(next, job, ended, with);
}

fn failed(next: &mut DesignStatus, job: &TerraformJob, mut ended: TerraformJobStatus, with: &Settling<'_>) {
    if ended.reason == Some(Reason::ApprovalRefused) {
        // Nothing was run. A new plan is made and approved; the wait keeps a refusal that repeats itself from spinning.
        ended.who_acts = Some(WhoActs::Retry);
    }
    let in_flight = std::mem::take(&mut ended.in_flight);
    if job.spec.action.changes_the_cloud() {
        next.plan = None;
        if !in_flight.is_empty() {
            unknown(next, job, in_flight);
        }
        forget_apply_without_trace(next, &ended);
    }
    fail(next, job, ended, with);
}

fn interrupted(next: &mut DesignStatus, job: &TerraformJob, mut ended: TerraformJobStatus, with: &Settling<'_>) {
    if job.spec.action.changes_the_cloud() {
        next.plan = None;
        let in_flight = std::mem::take(&mut ended.in_flight);
        unknown(next, job, in_flight);
        forget_apply_without_trace(next, &ended);
    } else {
        // looking harms nothing: look again, at once the first time
        let ended = TerraformJobStatus { who_acts: Some(WhoActs::Retry), ..ended };
        fail(next, job, ended, with);
        if let Some(failure) = &mut next.last_failure {
            failure.reason = Reason::RetryScheduled;
            if failure.attempts <= 1 {
                failure.retry_at = Some(with.now.clone());
            }
        }
    }
}

fn cancelled(next: &mut DesignStatus, job: &TerraformJob, mut ended: TerraformJobStatus, with: &Settling<'_>) {
    if job.spec.action.changes_the_cloud() {
        next.plan = None;
        let in_flight = std::mem::take(&mut ended.in_flight);
        if !in_flight.is_empty() {
            unknown(next, job, in_flight);
        }
        forget_apply_without_trace(next, &ended);
    }
    // Galley's own cancellation and a shutdown are nobody's failure.
    if job.spec.cancel && !with.superseded {
        let ended = TerraformJobStatus { reason: Some(Reason::Cancelled), who_acts: Some(WhoActs::Stalled), ..ended };
        fail(next, job, ended, with);
    }
}

/// Nobody saw the end. Addresses of an earlier cut-off that are still unaccounted for stay.
fn unknown(next: &mut DesignStatus, job: &TerraformJob, in_flight: Vec<InFlight>) {
    let mut all = next.outcome.take().map(|outcome| outcome.in_flight).unwrap_or_default();
    all.retain(|old| in_flight.iter().all(|new| new.address != old.address));
    all.extend(in_flight);
    next.outcome = Some(Outcome { unknown: true, job: job.metadata.name.clone(), in_flight: all });
}

/// An apply that never made anything leaves no state; without this the absence would be read as a loss.
fn forget_apply_without_trace(next: &mut DesignStatus, ended: &TerraformJobStatus) {
    if next.state.is_none() && next.applied.is_none() && ended.created.is_empty() {
        next.apply_started = false;
    }
}

/// Forgets the mark of an apply that was about to be created and was not.
pub fn drop_intent(status: &DesignStatus) -> DesignStatus {
    let mut next = status.clone();
    next.active_job = None;
    if next.outcome.is_none() {
        forget_apply_without_trace(&mut next, &TerraformJobStatus::default());
    }
    next
}

fn fail(next: &mut DesignStatus, job: &TerraformJob, ended: TerraformJobStatus, with: &Settling<'_>) {
    let destroy = job.spec.destroy_plan || job.spec.action == Action::Destroy;
    let digest = match job.spec.action {
        // a refresh reads the applied inputs; its failure ends when the wanted ones change
        Action::Refresh => with.digest.unwrap_or(&job.spec.digest).to_owned(),
        Action::Plan | Action::Apply | Action::Destroy => job.spec.digest.clone(),
    };
    // A job that was cut off leaves its request unhandled; its failure belongs to that request all the same, or nothing
    // would make the next try wait.
    let request = job.spec.request_id.clone().or_else(|| next.handled_request_id.clone());
    let key = FailureKey { digest, serial: with.serial, request, destroy };
    let before = next.last_failure.as_ref().filter(|old| old.key.destroy == key.destroy && old.key.digest == key.digest);
    let attempts = before.map_or(0, |old| old.attempts) + 1;
    let class = ended.who_acts.unwrap_or(WhoActs::Stalled);
    let reason = ended.reason.unwrap_or(match class {
        WhoActs::Stalled => Reason::JobFailed,
        WhoActs::Waiting | WhoActs::Retry => Reason::RetryScheduled,
    });
    let retry_at = match class {
        WhoActs::Stalled => None,
        WhoActs::Waiting | WhoActs::Retry => Some(backoff::after(with.now, backoff::delay(with.base, with.cap, attempts, with.uid))),
    };
    let next_actions = next_actions(job, &ended, class, reason);
    let mut diagnostics = ended.diagnostics;
    if diagnostics.is_empty()
        && let Some(message) = ended.message
    {
        diagnostics.push(crate::api::design::Diagnostic {
            severity: crate::api::design::Severity::Error,
            code: None,
            summary: message,
            detail: String::new(),
            address: None,
            file: None,
            line: None,
            who_acts: class,
            next_action: None,
        });
    }
    next.last_failure = Some(LastFailure {
        job: job.metadata.name.clone().unwrap_or_default(),
        action: job.spec.action,
        class,
        reason,
        diagnostics,
        next_actions,
        attempts,
        retry_at,
        key,
        created: ended.created,
        failed: ended.failed,
        not_attempted: ended.not_attempted,
    });
}

/// What a person does next, in words, most specific first, each once.
fn next_actions(job: &TerraformJob, ended: &TerraformJobStatus, class: WhoActs, reason: Reason) -> Vec<String> {
    let mut actions: Vec<String> = Vec::new();
    for action in ended.diagnostics.iter().filter_map(|diagnostic| diagnostic.next_action.clone()) {
        if !actions.contains(&action) && actions.len() < 10 {
            actions.push(action);
        }
    }
    let general = match (reason, class) {
        (Reason::ResourcesVanished, _) => Advice::CheckPermissions,
        (Reason::ApprovalRefused, _) => Advice::ApproveAgain,
        (Reason::Cancelled, _) => Advice::RetryOrEdit,
        (Reason::SecretMissing, _) => Advice::Secrets,
        (Reason::StateUnavailable, _) => Advice::RestoreState,
        (_, WhoActs::Stalled) => Advice::MendAndRetry,
        (_, WhoActs::Waiting | WhoActs::Retry) if job.spec.action.changes_the_cloud() => Advice::PlannedAgain,
        (_, WhoActs::Waiting | WhoActs::Retry) => Advice::TriedAgain,
    };
    actions.push(general.english().to_owned());
    actions
}
