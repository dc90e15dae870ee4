//! A person's way out, IO: adopt what is in the cloud and in no state, put an earlier state back, give up on a job whose
//! owner cannot be proven dead.
//!
//! Only the approver credential may ask (admission). Being an edit of the spec it made a new generation, so no approval
//! given before holds after it. Each rescue is handled once per id, is told as an Event, and what became of it stands in
//! `status.rescue`. Harmless to repeat after a crash: nothing here makes or deletes anything in the cloud.

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::super::Error;
use super::super::announce::{self, Happening};
use super::super::documents::{patch_status, value};
use super::act::{Done, Hands};
use super::memo::rendered;
use super::observe::Job;
use crate::api::design::{ChangeAction, DesignStatus, InFlight, Outcome, Rescue, RescueAction, RescueRecord};
use crate::api::terraformjob::JobPhase;
use crate::api::{Reason, TerraformJobStatus, WhoActs};
use crate::terraform::{Recovered, Restored};

/// How many addresses a message names.
const NAMED: usize = 10;

/// What a rescue came to: the status after it and what to tell; or why nothing was done.
type Came = Result<(DesignStatus, String), String>;

impl Hands<'_> {
    /// Does what was asked, or says why not.
    pub(super) async fn rescue(&self) -> Result<Done, Error> {
        let Some(rescue) = &self.desired.rescue else { return Ok(self.noted(self.fetched.status.clone())) };
        let (came, happening) = match rescue.action {
            RescueAction::Adopt => (self.adopt(rescue).await?, Happening::Adopted),
            RescueAction::RestoreState => (self.restore_state(rescue).await?, Happening::StateRestored),
            RescueAction::ForceUnlock => (self.force_unlock().await?, Happening::ForceUnlocked),
        };
        let (done, mut status, message) = match came {
            Ok((status, message)) => (true, status, format!("{message}; approvals given before are void")),
            Err(message) => (false, self.fetched.status.clone(), message),
        };
        let happening = if done { happening } else { Happening::RescueRefused };
        announce::tell(self.ctx, &self.fetched.design, happening, &message).await;
        tracing::warn!(rescue = %rescue.id, action = ?rescue.action, done, message, "a person with the approver credential intervened");
        status.rescue = Some(RescueRecord { id: rescue.id.clone(), action: rescue.action, done, message, time: self.ctx.clock.now() });
        Ok(self.noted(status))
    }

    /// Named resources, or those that carry the tags of this design and are in no state, are imported by the next plan.
    async fn adopt(&self, rescue: &Rescue) -> Result<Came, Error> {
        let rendered = match &self.desired.built {
            Some(built) => rendered(self.ctx, self.fetched, built).await?,
            None => None,
        };
        let Some(rendered) = rendered else {
            return Ok(Err("the design has errors or is to be destroyed: mend it first, then adopt".to_owned()));
        };
        let held = self.observed.view.as_ref().map(|view| view.resources.clone()).unwrap_or_default();
        let designed = |address: &String| rendered.resources.iter().any(|resource| resource.address == *address);
        let searched = rescue.resources.is_empty();
        let wanted: BTreeMap<String, String> = if searched {
            let known = held.values().filter_map(|(_, id)| id.clone()).collect();
            self.ctx.lookup.tagged(self.whose(), &known).await?
        } else {
            rescue.resources.clone()
        };
        if wanted.is_empty() {
            return Ok(Err("no resource carries the tags of this design and is in no state: there is nothing to adopt".to_owned()));
        }
        let (fit, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            wanted.into_iter().partition(|(address, _)| designed(address) && !held.contains_key(address));
        if fit.is_empty() || !(searched || others.is_empty()) {
            return Ok(Err(format!(
                "{} cannot be adopted: an address must be in the design and not yet in its state; name another address, add it to the design, or delete the resource in the console",
                listing(&others)
            )));
        }
        let mut status = self.fetched.status.clone();
        let outcome = status.outcome.get_or_insert_with(Outcome::default);
        outcome.in_flight.retain(|entry| !fit.contains_key(&entry.address));
        outcome.in_flight.extend(fit.iter().map(|(address, id)| InFlight {
            address: address.clone(),
            action: ChangeAction::Import,
            found_id: Some(id.clone()),
            looked_up: true,
        }));
        let mut message = format!("the next plan imports {}", listing(&fit));
        if !others.is_empty() {
            message.push_str(&format!("; also tagged, and not in the design: {}; delete them in the console", listing(&others)));
        }
        Ok(Ok((status, message)))
    }

    /// An earlier state takes a new serial, and the cloud is looked at before anything is planned on it.
    async fn restore_state(&self, rescue: &Rescue) -> Result<Came, Error> {
        let Some(serial) = rescue.serial else { return Ok(Err("spec.rescue.serial is missing: say which state".to_owned())) };
        let known = self.fetched.status.state.as_ref().map_or(0, |state| state.serial);
        let record = match self.ctx.runner.restore(&self.fetched.uid, serial, known).await? {
            Restored::Done(record) => record,
            Restored::Absent { kept } if kept.is_empty() => return Ok(Err("no state of this design is kept".to_owned())),
            Restored::Absent { kept } => {
                let kept = kept.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
                return Ok(Err(format!("no state of serial {serial} is kept; name one of {kept}")));
            }
            Restored::InUse => return Ok(Err("a Terraform process works in this design's directory: wait for its end".to_owned())),
        };
        let message = format!(
            "state {serial} holds again as serial {} with {} resources; the cloud is looked at next",
            record.serial, record.resources
        );
        let mut status = self.fetched.status.clone();
        status.outcome.get_or_insert_with(Outcome::default).unknown = true;
        (status.plan, status.last_failure, status.apply_started) = (None, None, true);
        status.state = Some(record);
        Ok(Ok((status, message)))
    }

    /// The open job is taken as dead: what it may have left is accounted for as after any crash.
    async fn force_unlock(&self) -> Result<Came, Error> {
        let Job::There(job) = &self.observed.job else {
            return Ok(Err("no job is open: nothing is locked".to_owned()));
        };
        let (name, old) = (job.name_any(), job.status.clone().unwrap_or_default());
        if old.reason != Some(Reason::OwnerUnknown) {
            return Ok(Err(format!(
                "job {name} is not locked by an unknown owner; cancel it instead: spec.cancel of the job, or cancel_job"
            )));
        }
        let Recovered::Dead { state, in_flight, created, not_attempted, .. } =
            self.ctx.runner.seize(&self.fetched.uid, &name, job.spec.action).await?
        else {
            return Ok(Err(format!("a process of job {name} still works on this host: wait for its end")));
        };
        let ended = TerraformJobStatus {
            phase: Some(JobPhase::Interrupted),
            finished_at: Some(self.ctx.clock.now()),
            reason: Some(Reason::OutcomeUnknown),
            who_acts: Some(WhoActs::Retry),
            message: Some("a person took its owner as dead; it is looked at before anything is applied".to_owned()),
            state: state.or(old.state.clone()),
            in_flight,
            created,
            not_attempted,
            wait_reason: None,
            ..old.clone()
        };
        patch_status(&self.ctx.client, &**job, &value(&old)?, &value(&ended)?, true).await?;
        let owner = old.owner.map_or_else(|| "nobody".to_owned(), |owner| owner.host);
        Ok(Ok((self.fetched.status.clone(), format!("job {name} of host {owner} is taken as dead; the cloud is looked at next"))))
    }
}

/// `address (id)` of the first few.
fn listing(resources: &BTreeMap<String, String>) -> String {
    let more = resources.len().saturating_sub(NAMED);
    let named = resources.iter().take(NAMED).map(|(address, id)| format!("{address} ({id})")).collect::<Vec<_>>().join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}
