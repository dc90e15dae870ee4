//! Step 6: a pure fold ([`fold`]) makes the whole status, then one write, only if it differs; Events on transitions.
//!
//! Runs on every path, also when the turn failed. `Ready`, `Reconciling` and `Stalled` are computed here and nowhere else.

use std::time::Duration;

use kube::api::{ApiResource, DynamicObject};
use kube::runtime::controller::Action as Requeue;
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::super::documents::{patch_raw_status, patch_status, value};
use super::super::{Ctx, Error, Settings};
use super::act::{Outcome, record_of, wake};
use super::fetch::Fetched;
use super::memo::rendered;
use super::observe::Observed;
use super::step::Rest;
use super::validate::{Desired, add};
use crate::api::approval::short;
use crate::api::condition::{READY, RECONCILING, STALLED, clip, condition, set_condition};
use crate::api::design::{DesignStatus, Health, PlanRecord, ResourceItem, Resources, STATUS_LIST_LIMIT, Sync};
use crate::api::session::Language;
use crate::api::{Design, NAMESPACE, Reason, Time, WhoActs};

/// What one rest means for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Conclusion {
    /// reason of every condition
    pub reason: Reason,
    /// everything is as wanted
    pub ready: bool,
    /// work goes on, or will by itself
    pub reconciling: bool,
    /// a person must change something
    pub stalled: bool,
    /// one sentence, ending in what to do next
    pub message: String,
    /// for what it waits
    pub waits: Option<String>,
    /// when to look again without a bell
    pub at: Option<Time>,
}

/// Writes what came of the turn.
pub async fn report(ctx: &Ctx, fetched: &Fetched, outcome: Outcome) -> Result<Requeue, Error> {
    let Outcome { base, status, rest, seen } = outcome;
    let Some(base) = base else { return Ok(Requeue::await_change()) };
    let now = ctx.clock.now();
    let mut next = fold(status, &rest, seen.as_deref(), fetched.generation, &now);
    if let Some((desired, observed)) = seen.as_deref() {
        preview(ctx, &mut next, fetched, desired, observed).await?;
        without_effect(ctx, &mut next, desired, observed, fetched.language);
    }
    let old = base.status.clone().unwrap_or_default();
    match patch_status(&ctx.client, &*base, &value(&old)?, &value(&next)?, true).await {
        Ok(_) => {}
        // gone, or somebody was faster: the next turn reads what there is
        Err(error) if error.is_not_found() => return Ok(Requeue::await_change()),
        Err(error) if error.is_conflict() => return Ok(Requeue::requeue(std::time::Duration::ZERO)),
        Err(error) => return Err(error),
    }
    if rest != Rest::Continue {
        ctx.census.note(&base.name_any(), Some(conclude(&rest).reason));
    }
    announce(ctx, &base, &old, &next).await;
    Ok(again(&ctx.settings, &rest, seen.as_deref(), &now).map_or_else(Requeue::await_change, Requeue::requeue))
}

/// When to look again without a bell; None: only a bell wakes this design. Pure.
pub fn again(settings: &Settings, rest: &Rest, seen: Option<&(Desired, Observed)>, now: &Time) -> Option<Duration> {
    let at = match rest {
        Rest::Continue => return Some(Duration::ZERO),
        // the holder's end rings through the session; this is for the one that ended unseen
        Rest::Busy(_) => return Some(settings.gate_grace),
        // a person supplies the secret or restores the state behind our back: nothing rings
        Rest::SecretMissing(_) | Rest::StateUnavailable => return Some(settings.secret_poll),
        Rest::Error { who: WhoActs::Retry | WhoActs::Waiting, .. } => return Some(settings.backoff_base),
        Rest::RetryAt(_, at) => Some(at.clone()),
        Rest::Synced { due } => due.clone(),
        Rest::AwaitingApproval(plan) => {
            let due = seen.and_then(|(desired, observed)| super::diff::due(desired, observed));
            // the expiry rings also when it passed between the decision and this report
            [due, Some(plan.expires_at.clone())].into_iter().flatten().min_by_key(|at| at.0)
        }
        Rest::PlanReady(_) | Rest::PlanExpired(_) => seen.and_then(|(desired, observed)| super::diff::due(desired, observed)),
        Rest::Job { .. }
        | Rest::Suspended
        | Rest::Destroyed
        | Rest::Invalid
        | Rest::Draft
        | Rest::Failed(_)
        | Rest::InFlight(_)
        | Rest::OwnerUnknown { .. }
        | Rest::Error { who: WhoActs::Stalled, .. } => None,
    };
    at.map(|at| wake(now, &at))
}

/// The whole status. Pure.
pub fn fold(status: DesignStatus, rest: &Rest, seen: Option<&(Desired, Observed)>, generation: i64, now: &Time) -> DesignStatus {
    let mut next = status;
    if let Some((desired, observed)) = seen {
        facts(&mut next, desired, observed);
    }
    if *rest == Rest::Continue {
        // something was written down; the words follow with the next turn
        return next;
    }
    next.observed_generation = Some(generation);
    let said = conclude(rest);
    next.sync = Some(sync(&next, rest, seen));
    next.health = Some(health(&next, rest));
    next.wait_reason = said.waits.as_deref().map(|text| clip(text, 256));
    for (kind, state) in [(READY, said.ready), (RECONCILING, said.reconciling), (STALLED, said.stalled)] {
        set_condition(&mut next.conditions, kind, state, said.reason, &said.message, Some(generation), now.clone());
    }
    next
}

fn facts(next: &mut DesignStatus, desired: &Desired, observed: &Observed) {
    next.findings = desired.findings.as_deref().cloned();
    if let Some(digest) = desired.digest() {
        next.digest = Some(digest.to_owned());
    } else if desired.findings.is_some() {
        next.digest = None;
    }
    // a job that just ended may know a newer state than was seen at the start of this turn
    match record_of(observed) {
        Some(seen) if next.state.as_ref().is_none_or(|known| known.lineage != seen.lineage || known.serial <= seen.serial) => {
            next.state = Some(seen);
        }
        Some(_) | None => {}
    }
    if let Some(view) = &observed.view {
        let mut resources = Resources { total: view.resources.len(), ..Resources::default() };
        for (kind, _) in view.resources.values() {
            *resources.by_type.entry(kind.clone()).or_default() += 1;
        }
        let item = |(address, (_, id)): (&String, &(String, Option<String>))| ResourceItem { address: address.clone(), id: id.clone() };
        resources.items = view.resources.iter().take(STATUS_LIST_LIMIT).map(item).collect();
        next.resources = Some(resources);
        next.outputs = view.outputs.clone();
    }
}

/// The structural diff, made again only when inputs or state changed since the last one.
async fn preview(ctx: &Ctx, next: &mut DesignStatus, fetched: &Fetched, desired: &Desired, observed: &Observed) -> Result<(), Error> {
    let before = &fetched.status;
    let same = before.preview.is_some() && before.digest == next.digest && before.state == record_of(observed);
    next.preview = match &desired.built {
        None => None,
        Some(_) if same => next.preview.take(),
        Some(built) => {
            let rendered = rendered(ctx, fetched, built).await?;
            rendered.map(|rendered| ctx.knowledge.preview(&rendered.resources, observed.view.as_deref()))
        }
    };
    Ok(())
}

/// What the design wishes and no apply will do joins the findings: it shows only beside the state.
fn without_effect(ctx: &Ctx, next: &mut DesignStatus, desired: &Desired, observed: &Observed, language: Language) {
    let (Some(findings), Some(built), Some(view)) = (&mut next.findings, &desired.built, &observed.view) else { return };
    for finding in ctx.knowledge.without_effect(built.looked_up(), view, language) {
        add(findings, finding);
    }
}

fn sync(next: &DesignStatus, rest: &Rest, seen: Option<&(Desired, Observed)>) -> Sync {
    let settled = |held: &DesignStatus| {
        let same = held.applied.as_ref().map(|applied| &applied.digest) == held.digest.as_ref() && held.applied.is_some();
        let drifted = held.drift.as_ref().is_some_and(|drift| !drift.items.is_empty());
        let absent = seen.is_some_and(|(desired, _)| desired.absent());
        if same && !drifted && !absent { Sync::Synced } else { Sync::OutOfSync }
    };
    match rest {
        Rest::Synced { .. } | Rest::Destroyed => Sync::Synced,
        Rest::Draft if next.applied.is_none() => Sync::Unknown,
        Rest::Invalid | Rest::StateUnavailable | Rest::OwnerUnknown { .. } | Rest::InFlight(_) => Sync::Unknown,
        Rest::Error { .. } => next.sync.unwrap_or(Sync::Unknown),
        _ if next.outcome.as_ref().is_some_and(|outcome| outcome.unknown) => Sync::Unknown,
        Rest::PlanReady(_) | Rest::AwaitingApproval(_) | Rest::PlanExpired(_) => Sync::OutOfSync,
        Rest::Failed(_) | Rest::RetryAt(..) => Sync::OutOfSync,
        Rest::Draft | Rest::Suspended | Rest::Busy(_) | Rest::Job { .. } | Rest::SecretMissing(_) | Rest::Continue => settled(next),
    }
}

fn health(next: &DesignStatus, rest: &Rest) -> Health {
    let built = next.state.as_ref().is_some_and(|state| state.resources > 0);
    let standing = if next.last_failure.is_some() || next.outcome.is_some() {
        Health::Degraded
    } else if built {
        Health::Healthy
    } else {
        Health::Missing
    };
    match rest {
        Rest::Suspended => Health::Suspended,
        Rest::Job { requested: true, .. } | Rest::Busy(_) => Health::Progressing,
        Rest::Job { requested: false, .. } => standing,
        Rest::Failed(_) | Rest::RetryAt(..) | Rest::InFlight(_) | Rest::StateUnavailable | Rest::OwnerUnknown { .. } => Health::Degraded,
        Rest::Destroyed => Health::Missing,
        Rest::Error { .. } => next.health.unwrap_or(standing),
        Rest::Synced { .. } if next.applied.is_some() && !built => Health::Healthy,
        Rest::Synced { .. } | Rest::Draft | Rest::Invalid | Rest::PlanReady(_) | Rest::AwaitingApproval(_) | Rest::PlanExpired(_) => {
            standing
        }
        Rest::SecretMissing(_) | Rest::Continue => standing,
    }
}

fn said(reason: Reason, message: impl Into<String>) -> Conclusion {
    Conclusion { reason, ready: false, reconciling: false, stalled: false, message: message.into(), waits: None, at: None }
}
fn ready(said: Conclusion) -> Conclusion {
    Conclusion { ready: true, ..said }
}
fn stalled(said: Conclusion) -> Conclusion {
    Conclusion { stalled: true, ..said }
}
fn busy(said: Conclusion) -> Conclusion {
    Conclusion { reconciling: true, ..said }
}
fn waiting(said: Conclusion, waits: String) -> Conclusion {
    Conclusion { waits: Some(waits), ..said }
}

/// What a rest means in conditions and words. Pure.
pub fn conclude(rest: &Rest) -> Conclusion {
    match rest {
        Rest::Continue => busy(said(Reason::JobRunning, "going on")),
        Rest::Job { name, action, waits, .. } => {
            let text = format!("job {name} ({}) is queued or runs; wait for it, or cancel it", action.as_str());
            let wait = waits.clone().unwrap_or_else(|| format!("{} job {name}", action.as_str()));
            waiting(busy(said(Reason::JobRunning, text)), wait)
        }
        Rest::Busy(active) => {
            let text =
                format!("the session is busy with {} {} since {}; it goes on when that ends", active.kind, active.name, active.since.0);
            waiting(busy(said(Reason::SessionBusy, text)), format!("queued behind {} {}", active.action, active.name))
        }
        Rest::Suspended => said(Reason::Suspended, "suspended: nothing is started, not even a destroy; set suspend to false to go on"),
        Rest::Destroyed => ready(said(Reason::Destroyed, "everything is destroyed; the state is known empty")),
        Rest::Invalid => stalled(said(Reason::InvalidDesign, "the design has errors: read status.findings and mend the design")),
        Rest::Draft => ready(said(Reason::Draft, "saved and checked; set desiredState to Planned or Applied to go on")),
        Rest::Synced { .. } => ready(said(Reason::Synced, "what is wanted is what is there")),
        Rest::PlanReady(plan) => {
            ready(said(Reason::PlanReady, format!("plan {}; set desiredState to Applied to build it", describe(plan))))
        }
        Rest::AwaitingApproval(plan) => {
            let text = format!("plan {} waits for approval of exactly this plan", describe(plan));
            waiting(said(Reason::AwaitingApproval, text), format!("approval of plan {}", short(&plan.plan_sha256)))
        }
        Rest::PlanExpired(plan) => {
            let text = format!("plan {} is too old to be applied; set request {{action: Plan}} for a fresh one", describe(plan));
            stalled(said(Reason::PlanExpired, text))
        }
        Rest::Failed(failure) => stalled(said(failure.reason, failure_text(failure))),
        Rest::RetryAt(failure, at) => {
            let cause =
                failure.diagnostics.first().and_then(|diagnostic| diagnostic.code.clone()).unwrap_or_else(|| failure.reason.to_string());
            let text = format!("{}; tried again at {}", failure_text(failure), at.0);
            waiting(busy(said(Reason::RetryScheduled, text)), format!("retry at {} after {cause}", at.0))
        }
        Rest::InFlight(addresses) => stalled(said(
            Reason::InFlightUnconfirmed,
            format!(
                "an interrupted apply may have made {} and no state knows them; look for them, delete them by hand, then set request {{action: Retry}}",
                listing(addresses)
            ),
        )),
        Rest::SecretMissing(names) => {
            stalled(said(Reason::SecretMissing, format!("secret variables without value: {}; supply them", listing(names))))
        }
        Rest::StateUnavailable => stalled(said(
            Reason::StateUnavailable,
            "the Terraform state is gone or torn and no mirror can replace it; `galley state restore` puts a kept one back: nothing is planned on a guess",
        )),
        Rest::OwnerUnknown { job } => stalled(said(
            Reason::OwnerUnknown,
            format!(
                "the owner of job {job} cannot be proven dead; make sure no terraform runs for it, then a person with the approver credential types `galley force-unlock`"
            ),
        )),
        Rest::Error { reason, who, message } => match who {
            WhoActs::Stalled => stalled(said(*reason, message.clone())),
            WhoActs::Waiting | WhoActs::Retry => waiting(busy(said(*reason, message.clone())), format!("another try: {message}")),
        },
    }
}

fn failure_text(failure: &crate::api::design::LastFailure) -> String {
    let cause = failure.diagnostics.first().map(|diagnostic| diagnostic.summary.lines().next().unwrap_or("")).unwrap_or("no diagnostics");
    let next = failure.next_actions.first().map_or("", String::as_str);
    format!("{} failed: {}; next: {next}", failure.action.as_str(), clip(cause, 300))
}

fn describe(plan: &PlanRecord) -> String {
    let counts = &plan.counts;
    let kind = if plan.destroy { "destroys everything: " } else { "" };
    // rare, and said where it is: a plan that only imports would else read as one that does nothing
    let imports = if counts.import > 0 { format!(", {} to import", counts.import) } else { String::new() };
    format!(
        "{} ({kind}{} to create, {} to update, {} to replace, {} to delete{imports})",
        short(&plan.plan_sha256),
        counts.create,
        counts.update,
        counts.replace,
        counts.delete
    )
}

fn listing(items: &[String]) -> String {
    let more = items.len().saturating_sub(5);
    let first = items.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

/// One Event when `Ready` or its reason changed. An Event that cannot be written is logged and forgotten.
async fn announce(ctx: &Ctx, design: &Design, old: &DesignStatus, new: &DesignStatus) {
    let key = |status: &DesignStatus| condition(&status.conditions, READY).map(|ready| (ready.status.clone(), ready.reason.clone()));
    let Some(now) = condition(&new.conditions, READY).filter(|_| key(old) != key(new)) else { return };
    let bad = condition(&new.conditions, STALLED).is_some_and(|stalled| stalled.status == "True");
    let event = Event {
        type_: if bad { EventType::Warning } else { EventType::Normal },
        reason: now.reason.clone(),
        note: Some(clip(&now.message, crate::api::condition::MESSAGE_LIMIT)),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    if let Err(error) = ctx.recorder.publish(&event, &design.object_ref(&())).await {
        tracing::warn!(%error, "an event was not written");
    }
}

/// A document that does not decode is Stalled=InvalidDocument on itself; the others go on.
pub async fn report_undecodable(ctx: &Ctx, name: &str, error: &Error) -> Result<(), Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(ctx.client.clone(), NAMESPACE, &ApiResource::erase::<Design>(&()));
    let wrap = |source| Error::api("report on", Design::kind(&()), name, source);
    let Some(object) = api.get_opt(name).await.map_err(wrap)? else { return Ok(()) };
    let message = format!("{}; mend the document", clip(&error.chain(), 900));
    let held = object.data["status"]["conditions"].clone();
    if held[0]["message"].as_str() == Some(message.as_str()) {
        return Ok(());
    }
    let mut conditions = Vec::new();
    for (kind, state) in [(READY, false), (RECONCILING, false), (STALLED, true)] {
        set_condition(&mut conditions, kind, state, Reason::InvalidDocument, &message, object.metadata.generation, ctx.clock.now());
    }
    let status = json!({ "conditions": conditions });
    tracing::warn!(design = %object.name_any(), "the document does not decode");
    match patch_raw_status(&api, name, &status).await.map_err(wrap) {
        Err(error) if !error.is_undecodable() && !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}
