//! A job that is Running in the documents and not in this process: after a crash, nothing is guessed.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action as Requeue;

use super::super::documents::{patch_status, value};
use super::super::{Ctx, Error};
use super::end;
use crate::api::terraformjob::JobPhase;
use crate::api::{Reason, TerraformJob, TerraformJobStatus, WhoActs};
use crate::terraform::{Error as Cause, Recovered};

/// An owner that was told to stop needs a moment; SIGINT to terraform took 16 ms when measured.
const ALIVE_CHECK: Duration = Duration::from_millis(500);
/// An owner on another host is looked at again after this: its lease may have run out.
const UNKNOWN_CHECK: Duration = Duration::from_secs(30);

/// Proves the owner dead and writes down what is known; or says that it cannot.
pub async fn recover(ctx: &Arc<Ctx>, job: &TerraformJob) -> Result<Requeue, Error> {
    let name = job.name_any();
    let old = job.status.clone().unwrap_or_default();
    let interrupted = TerraformJobStatus {
        phase: Some(JobPhase::Interrupted),
        finished_at: Some(ctx.clock.now()),
        reason: Some(Reason::OutcomeUnknown),
        who_acts: Some(WhoActs::Retry),
        message: Some("nobody saw how it ended; it is looked at before anything is applied".to_owned()),
        wait_reason: None,
        ..old.clone()
    };
    let found = match ctx.runner.recover(&job.spec.design_uid, &name, job.spec.action, old.owner.as_ref()).await {
        Ok(found) => found,
        Err(error @ Cause::StateUnavailable { .. }) => {
            // dead, and what it left cannot be read: the design says so from then on
            let ended = TerraformJobStatus { message: Some(error.to_string()), reason: Some(Reason::StateUnavailable), ..interrupted };
            return finish(ctx, job, ended).await;
        }
        Err(error) => return Err(error.into()),
    };
    match found {
        Recovered::StillAlive => Ok(Requeue::requeue(ALIVE_CHECK)),
        Recovered::OwnerUnknown => {
            let next = TerraformJobStatus {
                reason: Some(Reason::OwnerUnknown),
                who_acts: Some(WhoActs::Stalled),
                message: Some(format!(
                    "its owner is on another host and cannot be proven dead; see that no terraform runs there, then `galley force-unlock {}`",
                    job.spec.design_ref
                )),
                ..old.clone()
            };
            patch_status(&ctx.client, job, &value(&old)?, &value(&next)?, true).await?;
            Ok(Requeue::requeue(UNKNOWN_CHECK))
        }
        Recovered::Dead { state, restored, in_flight, created, not_attempted } => {
            tracing::warn!(job = %name, restored, in_flight = in_flight.len(), "the owner of the job is dead");
            let ended = TerraformJobStatus { state: state.or(old.state), in_flight, created, not_attempted, ..interrupted };
            finish(ctx, job, ended).await
        }
    }
}

async fn finish(ctx: &Arc<Ctx>, job: &TerraformJob, ended: TerraformJobStatus) -> Result<Requeue, Error> {
    end(ctx, job, ended).await?;
    Ok(Requeue::await_change())
}
