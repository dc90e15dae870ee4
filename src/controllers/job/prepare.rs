//! Everything that must hold before a job may start: inputs, secrets, state, and for a change the approval, judged once
//! more and consumed. What does not hold is a [`Refusal`]: nothing was run.

use kube::ResourceExt;

use super::super::announce::{self, Happening};
use super::super::design::observe::unconfirmed;
use super::super::documents::{get, patch_status, value};
use super::super::inputs::Inputs;
use super::super::secrets::SecretBook;
use super::super::{Ctx, Error};
use crate::api::approval::{ApprovalContext, ApprovalStatus, Refused, RefusedReason, judge};
use crate::api::design::StateRecord;
use crate::api::terraformjob::{Action, PlanReference};
use crate::api::{Approval, Design, Reason, TerraformJob, WhoActs};
use crate::blobs::BlobKey;
use crate::faults::{self, Mutant};
use crate::terraform::RunInput;
use crate::trace::{self, TraceId};

/// Why nothing was run.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// closed reason
    pub reason: Reason,
    /// who acts next
    pub who: WhoActs,
    /// one sentence
    pub message: String,
}

impl Refusal {
    fn retry(message: impl Into<String>) -> Self {
        Refusal { reason: Reason::RetryScheduled, who: WhoActs::Retry, message: message.into() }
    }
    pub(super) fn approval(refused: &Refused) -> Self {
        Refusal { reason: Reason::ApprovalRefused, who: WhoActs::Retry, message: format!("approval refused: {}", refused.message) }
    }
}

/// Gathers what a run needs.
pub async fn prepare(ctx: &Ctx, job: &TerraformJob) -> Result<Result<RunInput, Refusal>, Error> {
    let spec = &job.spec;
    let Some(design) =
        get::<Design>(&ctx.client, &spec.design_ref).await?.filter(|design| design.uid().as_deref() == Some(&spec.design_uid))
    else {
        return Ok(Err(Refusal { reason: Reason::Cancelled, who: WhoActs::Stalled, message: "its design is gone".to_owned() }));
    };
    let Some(inputs) = Inputs::load(&*ctx.blobs, &BlobKey::rendered(&spec.design_uid, &spec.digest)).await? else {
        return Ok(Err(Refusal::retry("the inputs of this job are gone; they are rendered again")));
    };
    let book = SecretBook::load(&*ctx.blobs, &spec.design_uid).await?;
    let secrets = book.values(&inputs.secrets);
    let missing: Vec<&str> = inputs.secrets.iter().filter(|name| !secrets.contains_key(*name)).map(String::as_str).collect();
    if !missing.is_empty() {
        let message = format!("secret variables without value: {}", missing.join(", "));
        return Ok(Err(Refusal { reason: Reason::SecretMissing, who: WhoActs::Stalled, message }));
    }
    let view = match ctx.runner.state(&spec.design_uid).await {
        Ok(view) => view,
        Err(error @ crate::terraform::Error::StateUnavailable { .. }) => {
            return Ok(Err(Refusal { reason: Reason::StateUnavailable, who: WhoActs::Stalled, message: error.to_string() }));
        }
        Err(error) => return Err(error.into()),
    };
    // a type that only the state still has must be served too: it is what a removed component leaves
    let mut types = inputs.types.clone();
    types.extend(view.iter().flat_map(|view| view.resources.values().map(|(kind, _)| kind.clone())));
    let seen = view.as_ref().map(|view| view.record.clone());
    let expected_state = match (spec.lineage.is_empty(), seen) {
        (true, _) => None,
        (false, Some(seen)) if seen.lineage == spec.lineage && seen.serial == spec.serial => Some(seen),
        (false, _) => Some(StateRecord { lineage: spec.lineage.clone(), serial: spec.serial, resources: 0 }),
    };
    if design.spec.suspend {
        let message = "the design was suspended before the job started".to_owned();
        return Ok(Err(Refusal { reason: Reason::Suspended, who: WhoActs::Retry, message }));
    }
    if spec.action.changes_the_cloud() {
        let version = view.as_ref().map_or((String::new(), 0), |view| (view.record.lineage.clone(), view.record.serial));
        if let Err(refused) = consume(ctx, job, &design, (&version.0, version.1)).await? {
            return Ok(Err(Refusal::approval(&refused)));
        }
        // An edit may have been acknowledged between the reading of the design and the use of the approval: it voids it.
        if let Some(refused) = edited_meanwhile(ctx, &design).await? {
            refuse(ctx, job, refused.clone()).await?;
            return Ok(Err(Refusal::approval(&refused)));
        }
    }
    if spec.action == Action::Apply {
        inputs.store(&*ctx.blobs, &BlobKey::applied(&spec.design_uid)).await?;
    }
    Ok(Ok(RunInput {
        job: job.name_any(),
        design: spec.design_ref.clone(),
        design_uid: spec.design_uid.clone(),
        action: spec.action,
        destroy_plan: spec.destroy_plan,
        target: spec.target,
        files: inputs.files,
        variables: inputs.variables,
        secrets,
        digest: spec.digest.clone(),
        generation: spec.generation,
        expected_state,
        plan: spec.plan.as_ref().map(|plan| (plan.job.clone(), plan.plan_sha256.clone())),
        imports: spec.imports.clone(),
        types,
        trace: job.annotations().get(trace::ANNOTATION).filter(|text| TraceId::parse(text).is_some()).cloned(),
        plan_ttl_seconds: i64::try_from(ctx.settings.plan_ttl.as_secs()).unwrap_or(i64::MAX),
    }))
}

/// Judges the approval against the design as it is now and uses it up, by compare-and-swap. An approval that this very
/// job used up before a crash is still its own: nothing was started yet.
async fn consume(ctx: &Ctx, job: &TerraformJob, design: &Design, state: (&str, u64)) -> Result<Result<(), Refused>, Error> {
    let name = job.name_any();
    let gone = |message: &str| Refused { reason: RefusedReason::WrongPlan, message: message.to_owned() };
    let Some(reference) = &job.spec.plan else { return Ok(Err(gone("the job names no plan; approve the newest plan"))) };
    for _ in 0..5 {
        let Some(approval) = get::<Approval>(&ctx.client, &reference.approval).await? else {
            return Ok(Err(gone("the approval is gone; approve the newest plan anew")));
        };
        if approval.uid().as_deref() != Some(&reference.approval_uid) {
            return Ok(Err(gone("another approval has the same name now; approve the newest plan anew")));
        }
        let status = approval.status.clone().unwrap_or_default();
        let held = design.status.clone().unwrap_or_default();
        let now = ctx.clock.now();
        let context = ApprovalContext {
            design_uid: &job.spec.design_uid,
            generation: design.metadata.generation.unwrap_or_default(),
            plan: held.plan.as_ref(),
            state,
            policy: design.spec.policy.approval.max(ctx.settings.min_approval),
            in_flight: unconfirmed(&held),
            now: &now,
        };
        let (verdict, next) = consumption(&approval, reference, &name, |judged| judge(judged, &context));
        faults::pass("approval", "consume", "before");
        match patch_status(&ctx.client, &approval, &value(&status)?, &value(&next)?, true).await {
            Ok(written) => {
                faults::pass("approval", "consume", "after");
                match &verdict {
                    Ok(()) => announce::tell(ctx, &written, Happening::ApprovalConsumed, &name).await,
                    Err(refused) => announce::tell(ctx, &written, Happening::ApprovalRefused, &refused.message).await,
                }
                return Ok(verdict);
            }
            Err(error) if error.is_conflict() => continue,
            Err(error) => return Err(error),
        }
    }
    Err(Error::Race { what: "approval", name: reference.approval.clone() })
}

/// Whether `job` may use an approval up, and what is written on it either way. An approval that this very job used up is
/// still its own. Pure; the judge is handed in, because the model (tests/model) hands in broken ones.
pub fn consumption(
    approval: &Approval,
    reference: &PlanReference,
    job: &str,
    judge: impl Fn(&Approval) -> Result<(), Refused>,
) -> (Result<(), Refused>, ApprovalStatus) {
    let status = approval.status.clone().unwrap_or_default();
    let mine = status.consumed_by.as_deref() == Some(job);
    let judged = match mine {
        true => Approval { status: Some(ApprovalStatus { consumed_by: None, ..status.clone() }), ..approval.clone() },
        false => approval.clone(),
    };
    let wrong_plan = reference.plan_sha256 != approval.spec.plan_sha256 && !faults::is_broken(Mutant::AnyApproval);
    let other = Refused { reason: RefusedReason::WrongPlan, message: "it names another plan than the job".to_owned() };
    let same_plan = if wrong_plan { Err(other) } else { Ok(()) };
    let verdict = judge(&judged).and(same_plan);
    let next = match &verdict {
        Ok(()) if faults::is_broken(Mutant::KeepsApproval) => status,
        Ok(()) => ApprovalStatus { consumed_by: Some(job.to_owned()), ..status },
        // what others used up keeps its record
        Err(_) if status.consumed_by.is_some() && !mine => status,
        Err(refused) => ApprovalStatus { refused: Some(refused.clone()), ..status },
    };
    (verdict, next)
}

/// The refusal for a design that is not what it was when the approval was judged.
async fn edited_meanwhile(ctx: &Ctx, judged: &Design) -> Result<Option<Refused>, Error> {
    let now = get::<Design>(&ctx.client, &judged.name_any()).await?;
    let generation = now.filter(|design| design.uid() == judged.uid()).and_then(|design| design.metadata.generation);
    Ok((generation != judged.metadata.generation).then(|| Refused {
        reason: RefusedReason::GenerationChanged,
        message: "the design was edited while the apply was about to start; read and approve the new plan".to_owned(),
    }))
}

/// Writes on the approval why the runner refused it.
pub async fn refuse(ctx: &Ctx, job: &TerraformJob, refused: Refused) -> Result<(), Error> {
    let Some(reference) = &job.spec.plan else { return Ok(()) };
    let Some(approval) = get::<Approval>(&ctx.client, &reference.approval).await? else { return Ok(()) };
    let old = approval.status.clone().unwrap_or_default();
    let next = ApprovalStatus { refused: Some(refused), ..old.clone() };
    patch_status(&ctx.client, &approval, &value(&old)?, &value(&next)?, false).await?;
    Ok(())
}
