//! The approval controller: says on every approval that can never count why it does not. Writes nothing else; the only
//! judgement is [`judge`]. Removes what was used up or refused long ago.

use std::sync::Arc;

use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action as Requeue;

use super::announce::{self, Happening};
use super::backoff::{after, until};
use super::design::observe::unconfirmed;
use super::documents::{delete, get, patch_status, unless_gone, value};
use super::{Ctx, Error};
use crate::api::approval::{ApprovalContext, Refused, RefusedReason, judge};
use crate::api::{Approval, ApprovalStatus, Design};

/// What rings: the metadata of an approval.
pub type Bell = PartialObjectMeta<Approval>;

/// Judges one approval.
pub async fn reconcile(bell: Arc<Bell>, ctx: Arc<Ctx>) -> Result<Requeue, Error> {
    let name = bell.metadata.name.clone().unwrap_or_default();
    let approval = match get::<Approval>(&ctx.client, &name).await {
        Ok(Some(approval)) => approval,
        Ok(None) => return Ok(Requeue::await_change()),
        Err(error) if error.is_undecodable() => {
            tracing::warn!(approval = %name, error = %error.chain(), "the approval does not decode; it counts for nothing");
            return Ok(Requeue::await_change());
        }
        Err(error) => return Err(error),
    };
    let status = approval.status.clone().unwrap_or_default();
    if status.consumed_by.is_some() || status.refused.is_some() {
        return retain(&ctx, &approval).await;
    }
    let design = get::<Design>(&ctx.client, &approval.spec.design_ref).await?;
    let now = ctx.clock.now();
    match verdict(&approval, design.as_ref(), ctx.settings.min_approval, state_of(&ctx, design.as_ref()).await?, &now) {
        Verdict::Counts | Verdict::NotYet => {
            Ok(Requeue::requeue(until(&now, &approval.spec.expires_at) + std::time::Duration::from_millis(5)))
        }
        Verdict::Refused(refused) => {
            tracing::info!(approval = %name, reason = ?refused.reason, "the approval is refused");
            let message = refused.message.clone();
            let next = ApprovalStatus { refused: Some(refused), ..status.clone() };
            match patch_status(&ctx.client, &approval, &value(&status)?, &value(&next)?, true).await {
                Err(error) if error.is_conflict() => Ok(Requeue::requeue(std::time::Duration::ZERO)),
                Err(error) => Err(error),
                Ok(written) => {
                    announce::tell(&ctx, &written, Happening::ApprovalRefused, &message).await;
                    Ok(Requeue::await_change())
                }
            }
        }
    }
}

/// What an approval is worth.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// it allows the newest plan
    Counts,
    /// the design is being worked on; what it is worth is seen when that is done
    NotYet,
    /// it can never count
    Refused(Refused),
}

/// The judgement of one approval against its design. Pure.
pub fn verdict(
    approval: &Approval,
    design: Option<&Design>,
    minimum: crate::api::design::ApprovalPolicy,
    state: (String, u64),
    now: &crate::api::Time,
) -> Verdict {
    let Some(design) = design else {
        let message = format!("there is no design {}; approve the plan of an existing one", approval.spec.design_ref);
        return Verdict::Refused(Refused { reason: RefusedReason::WrongDesign, message });
    };
    let status = design.status.clone().unwrap_or_default();
    let generation = design.metadata.generation.unwrap_or_default();
    let uid = design.uid().unwrap_or_default();
    let context = ApprovalContext {
        design_uid: &uid,
        generation,
        plan: status.plan.as_ref(),
        state: (&state.0, state.1),
        policy: design.spec.policy.approval.max(minimum),
        in_flight: unconfirmed(&status),
        now,
    };
    let Err(refused) = judge(approval, &context) else { return Verdict::Counts };
    // Between a job's end and the status that tells of it, plan and state are those of before.
    let unsettled = status.active_job.is_some() || status.observed_generation != Some(generation);
    let may_change = match refused.reason {
        RefusedReason::NoPlan | RefusedReason::WrongPlan | RefusedReason::StateChanged | RefusedReason::InFlight => unsettled,
        // the same generation, and the plan is not yet stamped with it
        RefusedReason::GenerationChanged => unsettled && approval.spec.generation == generation,
        RefusedReason::Expired
        | RefusedReason::AlreadyConsumed
        | RefusedReason::ApproverRequired
        | RefusedReason::WrongDesign
        | RefusedReason::PlanTampered => false,
    };
    if may_change { Verdict::NotYet } else { Verdict::Refused(refused) }
}

async fn state_of(ctx: &Ctx, design: Option<&Design>) -> Result<(String, u64), Error> {
    let Some(uid) = design.and_then(|design| design.uid()) else { return Ok(Default::default()) };
    match ctx.runner.state(&uid).await {
        Ok(view) => Ok(view.map(|view| (view.record.lineage.clone(), view.record.serial)).unwrap_or_default()),
        Err(crate::terraform::Error::StateUnavailable { .. }) => Ok(Default::default()),
        Err(error) => Err(error.into()),
    }
}

async fn retain(ctx: &Ctx, approval: &Approval) -> Result<Requeue, Error> {
    let now = ctx.clock.now();
    let Some(created) = &approval.metadata.creation_timestamp else { return Ok(Requeue::await_change()) };
    let end = after(created, ctx.settings.approval_retention);
    if now.0 < end.0 {
        return Ok(Requeue::requeue(until(&now, &end)));
    }
    let name = approval.name_any();
    unless_gone(delete::<Approval>(&ctx.client, &name).await).map(|()| Requeue::await_change())
}
