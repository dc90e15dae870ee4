//! What single steps write down, as values: the part of `act` that needs no world. Pure; the model (tests/model) calls
//! these very functions.

use std::collections::BTreeMap;

use super::observe::{Observed, may_have_made};
use super::step::{ApprovalRef, Order};
use crate::api::design::{Applied, DesignStatus, InFlight, PlanRecord};
use crate::api::names::{JobKey, job_name};
use crate::api::terraformjob::PlanReference;
use crate::api::{TerraformJobSpec, Time};

/// A job is about to be made: its name, and that something may be in the cloud from now on.
pub fn intended(status: &DesignStatus, job: &str, changes_the_cloud: bool) -> DesignStatus {
    DesignStatus { active_job: Some(job.to_owned()), apply_started: status.apply_started || changes_the_cloud, ..status.clone() }
}

/// The plan holds for a newer generation with the same inputs.
pub fn restamped(status: &DesignStatus, generation: i64) -> DesignStatus {
    let plan = status.plan.clone().map(|plan| PlanRecord { generation, ..plan });
    DesignStatus { plan, ..status.clone() }
}

/// A person accounted for these addresses that were in flight.
pub fn confirmed(status: &DesignStatus, request: Option<&str>, addresses: &[String]) -> DesignStatus {
    let mut next = DesignStatus { handled_request_id: request.map(str::to_owned), ..status.clone() };
    if let Some(outcome) = &mut next.outcome {
        outcome.in_flight.retain(|entry| !addresses.contains(&entry.address));
    }
    next.outcome = next.outcome.filter(|outcome| outcome.in_flight.iter().any(may_have_made));
    next
}

/// Nothing is kept of the design any more: written before its state goes, else a crash would read as its loss.
pub fn forgotten(status: &DesignStatus) -> DesignStatus {
    DesignStatus { state: None, apply_started: false, ..status.clone() }
}

/// A plan without changes: what is applied is what is wanted.
pub fn synced(status: &DesignStatus, digest: Option<&str>, version: (&str, u64), generation: i64, now: &Time) -> DesignStatus {
    let mut next = status.clone();
    if let (Some(digest), Some(plan)) = (digest, &status.plan) {
        next.applied = Some(Applied {
            digest: digest.to_owned(),
            lineage: version.0.to_owned(),
            serial: version.1,
            generation,
            time: status.applied.as_ref().map_or_else(|| now.clone(), |applied| applied.time.clone()),
            checked_at: plan.created_at.clone(),
        });
        next.last_failure = None;
        next.outcome = None;
    }
    next
}

/// The addresses in flight that are to be looked for.
pub fn to_look_up(status: &DesignStatus) -> impl Iterator<Item = &InFlight> {
    let in_flight = status.outcome.iter().flat_map(|outcome| &outcome.in_flight);
    in_flight.filter(|entry| may_have_made(entry) && entry.found_id.is_none() && !entry.looked_up)
}

/// What looking came to: the id of each address that was looked for, if there is one. An address that is in the state
/// after all needs nothing more, unless what was found is another object than the one the state `held` there.
pub fn looked_up<'a>(
    status: &DesignStatus,
    found: &BTreeMap<String, Option<String>>,
    held: impl Fn(&str) -> Option<Option<&'a str>>,
) -> DesignStatus {
    let mut next = status.clone();
    let Some(outcome) = &mut next.outcome else { return next };
    for entry in &mut outcome.in_flight {
        if let Some(id) = found.get(&entry.address) {
            entry.found_id = id.clone();
            entry.looked_up = id.is_none();
        }
    }
    outcome.in_flight.retain(|entry| !is_recorded(entry, held(&entry.address)));
    if outcome.in_flight.is_empty() {
        next.outcome = None;
    }
    next
}

/// Whether an address is in the state (then `held`, with its id if it has one), and what was found is not another object.
pub fn is_recorded(entry: &InFlight, held: Option<Option<&str>>) -> bool {
    held.is_some_and(|held| !is_another(entry, held))
}

/// Whether what was found under an address is another object than the one that the state holds there.
pub fn is_another(entry: &InFlight, held: Option<&str>) -> bool {
    held.zip(entry.found_id.as_deref()).is_some_and(|(held, found)| held != found)
}

/// Import blocks of the next plan: what was looked for and found.
pub fn imports(observed: &Observed) -> BTreeMap<String, String> {
    observed.in_flight().iter().filter_map(|entry| Some((entry.address.clone(), entry.found_id.clone()?))).collect()
}

/// An apply or destroy of the newest plan, on an approval: how it is ordered, and what it refers to.
pub fn change_of(plan: PlanRecord, approval: &ApprovalRef) -> (Order, PlanReference) {
    let order = Order { destroy: plan.destroy, requested: true, ..Order::default() };
    let reference =
        PlanReference { job: plan.job, plan_sha256: plan.plan_sha256, approval: approval.name.clone(), approval_uid: approval.uid.clone() };
    (order, reference)
}

/// The name of a job: made of everything that makes it this job, so that making it twice is a conflict.
pub fn name_of(spec: &TerraformJobSpec, order: &Order) -> String {
    job_name(&JobKey {
        design: &spec.design_ref,
        design_uid: &spec.design_uid,
        // a destroy plan is another job than the plan of the same inputs
        action: if spec.destroy_plan { "plan-destroy" } else { spec.action.as_str() },
        digest: &spec.digest,
        lineage: &spec.lineage,
        serial: spec.serial,
        request: order.request.as_deref().unwrap_or(""),
        approval: spec.plan.as_ref().map_or("", |plan| plan.approval_uid.as_str()),
        attempt: order.attempt,
        due: order.due,
    })
}
