//! Step 3, IO, read-only: the open job, the state, the approvals. Never starts, writes or repairs anything.

use std::sync::Arc;

use super::super::documents::get;
use super::super::{Ctx, Error};
use super::fetch::{Fetched, Tools};
use super::validate::Desired;
use crate::api::design::{ChangeAction, DesignStatus, InFlight, PlanRecord, StateRecord};
use crate::api::{Approval, TerraformJob};
use crate::terraform::StateView;

/// What is.
#[derive(Debug, Clone)]
pub struct Observed {
    /// name of the design
    pub name: String,
    /// uid of the design
    pub uid: String,
    /// status as it was read: what earlier turns wrote down
    pub status: DesignStatus,
    /// the job that `status.activeJob` names
    pub job: Job,
    /// the state
    pub state: Seen,
    /// its content
    pub view: Option<Arc<StateView>>,
    /// approvals of this design; read only when there is a plan to approve
    pub approvals: Vec<Approval>,
    /// supplied secrets that have no value
    pub secrets_missing: Vec<String>,
}

/// The job a design waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Job {
    /// none
    None,
    /// it was about to be created, and was not
    Void,
    /// it is there
    There(Box<TerraformJob>),
}

/// What is known of the state.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// no apply was ever started, and there is none
    Never,
    /// this one
    Held(StateRecord),
    /// there must be one, and it cannot be read
    Unavailable,
}

impl Seen {
    /// Lineage and serial; empty and 0 when there is no state.
    pub fn version(&self) -> (&str, u64) {
        match self {
            Seen::Held(record) => (&record.lineage, record.serial),
            Seen::Never | Seen::Unavailable => ("", 0),
        }
    }
    /// Known to hold nothing.
    pub fn known_empty(&self) -> bool {
        match self {
            Seen::Never => true,
            Seen::Held(record) => record.resources == 0,
            Seen::Unavailable => false,
        }
    }
}

impl Observed {
    /// The plan that was made for exactly this, if any. Destroy plans are made for a state, others also for inputs.
    pub fn plan_for(&self, digest: Option<&str>, destroy: bool) -> Option<&PlanRecord> {
        let plan = self.status.plan.as_ref()?;
        let inputs = destroy || digest == Some(plan.digest.as_str());
        (plan.destroy == destroy && inputs && (plan.lineage.as_str(), plan.serial) == self.state.version()).then_some(plan)
    }
    /// What the state holds under an address: its id, if it has one.
    pub fn held(&self, address: &str) -> Option<Option<&str>> {
        self.view.as_ref()?.resources.get(address).map(|(_, id)| id.as_deref())
    }
    /// Addresses in flight.
    pub fn in_flight(&self) -> &[InFlight] {
        self.status.outcome.as_ref().map_or(&[], |outcome| &outcome.in_flight)
    }
}

/// May have made something that no state knows: what an update or delete left behind, a refresh sees.
pub fn may_have_made(entry: &InFlight) -> bool {
    matches!(entry.action, ChangeAction::Create | ChangeAction::Replace | ChangeAction::Import)
}

/// Addresses that nothing accounts for: neither found (then imported) nor harmless.
pub fn unconfirmed(status: &DesignStatus) -> bool {
    let entries = status.outcome.as_ref().map_or(&[][..], |outcome| &outcome.in_flight);
    entries.iter().any(|entry| may_have_made(entry) && entry.found_id.is_none())
}

/// Looks.
pub async fn observe(ctx: &Ctx, fetched: &Fetched, tools: &Tools, desired: &Desired) -> Result<Observed, Error> {
    let status = &fetched.status;
    let job = match &status.active_job {
        None => Job::None,
        Some(name) => match get::<TerraformJob>(&ctx.client, name).await? {
            Some(job) if job.spec.design_uid == fetched.uid => Job::There(Box::new(job)),
            Some(_) | None => Job::Void,
        },
    };
    let (state, view) = match ctx.runner.state(&fetched.uid).await {
        Ok(view) => match seen(view.as_ref().map(|view| &view.record), status) {
            state @ Seen::Held(_) => (state, view),
            state @ (Seen::Never | Seen::Unavailable) => (state, None),
        },
        Err(crate::terraform::Error::StateUnavailable { .. }) => (Seen::Unavailable, None),
        Err(error) => return Err(error.into()),
    };
    let approvals = if job == Job::None && status.plan.is_some() { approvals(ctx, fetched).await? } else { Vec::new() };
    let secrets_missing = desired.built.as_ref().map(|built| tools.secrets.missing(built.secrets())).unwrap_or_default();
    Ok(Observed {
        name: fetched.design.metadata.name.clone().unwrap_or_default(),
        uid: fetched.uid.clone(),
        status: status.clone(),
        job,
        state,
        view,
        approvals,
        secrets_missing,
    })
}

/// What a state that was found, or none, says beside what was seen before. Pure.
pub fn seen(found: Option<&StateRecord>, status: &DesignStatus) -> Seen {
    match found {
        Some(record) if older(record, status.state.as_ref()) => Seen::Unavailable,
        Some(record) => Seen::Held(record.clone()),
        None if status.apply_started || status.state.is_some() => Seen::Unavailable,
        None => Seen::Never,
    }
}

/// Older than a state that was seen before, or another one: planning on it would make again what is there already.
fn older(found: &StateRecord, known: Option<&StateRecord>) -> bool {
    known.is_some_and(|known| known.resources > 0 && (found.lineage != known.lineage || found.serial < known.serial))
}

async fn approvals(ctx: &Ctx, fetched: &Fetched) -> Result<Vec<Approval>, Error> {
    // guarded: one approval that does not decode must not hide the others
    let api = kube::Api::<kube::core::DeserializeGuard<Approval>>::namespaced(ctx.client.clone(), crate::api::NAMESPACE);
    let own =
        kube::api::ListParams::default().fields(&format!("spec.designRef={}", fetched.design.metadata.name.as_deref().unwrap_or_default()));
    let list = api.list(&own).await.map_err(|source| Error::api("list", "Approval".into(), "", source))?;
    Ok(list.items.into_iter().filter_map(|guard| guard.0.ok()).filter(|approval| approval.spec.design_uid == fetched.uid).collect())
}
