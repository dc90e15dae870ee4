//! The TerraformJob controller: admission, start, record, recovery, end.
//!
//! Pending → admitted by the scheduler → Running, written before anything starts → the runner → terminal → gate released →
//! finalizer removed. A Running job that this process does not run is never guessed at: the runner proves its owner dead.

pub mod prepare;
pub mod recover;
pub mod run;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action as Requeue;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::announce::{self, Happening};
use super::documents::{get, patch_status, set_finalizer, value};
use super::retention::Pressure;
use super::scheduler::Candidate;
use super::{Ctx, DESIGN_LABEL, Error, SESSION_LABEL, gate, measures};
use crate::api::terraformjob::{Action, JobPhase};
use crate::api::{JOB_FINALIZER, TerraformJob, TerraformJobStatus};
use crate::faults::{self, Mutant};

/// What rings: the metadata of a job.
pub type Bell = PartialObjectMeta<TerraformJob>;

/// A queued job is looked at again after this, should every bell be lost.
const QUEUE_CHECK: Duration = Duration::from_secs(30);

/// A job that was told to stop between its admission and its start is looked at again after this.
const STOP_CHECK: Duration = Duration::from_millis(500);

/// A job that could not be prepared or recorded is looked at again after this: the store failed, and may still do so.
const FAILED_CHECK: Duration = Duration::from_secs(2);

/// The jobs that run in this process, by name.
#[derive(Debug, Default)]
pub struct Running {
    tokens: Mutex<HashMap<String, CancellationToken>>,
    /// since when jobs wait, for the measure of the wait
    offered: Mutex<HashMap<String, (Instant, Action)>>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Running {
    /// True when this process runs the job.
    pub fn holds(&self, job: &str) -> bool {
        self.lock().contains_key(job)
    }
    /// Stops a job gently, if it runs here.
    pub fn cancel(&self, job: &str) {
        if let Some(token) = self.lock().get(job) {
            token.cancel();
        }
    }
    fn note_offer(&self, job: &str, action: Action) {
        let mut offered = self.offered.lock().unwrap_or_else(PoisonError::into_inner);
        offered.entry(job.to_owned()).or_insert_with(|| (Instant::now(), action));
    }
    fn forget_offer(&self, job: &str) -> Option<(Instant, Action)> {
        self.offered.lock().unwrap_or_else(PoisonError::into_inner).remove(job)
    }
    /// Takes a job into the list; None when it is there already or the server is stopping.
    fn enter(&self, job: &str) -> Option<CancellationToken> {
        if self.closing.is_cancelled() {
            return None;
        }
        let mut tokens = self.lock();
        if tokens.contains_key(job) {
            return None;
        }
        let token = self.closing.child_token();
        tokens.insert(job.to_owned(), token.clone());
        Some(token)
    }
    fn leave(&self, job: &str) {
        self.lock().remove(job);
    }
    /// Stops everything gently and waits until it is recorded, at most `grace`. True when nothing is left.
    pub async fn close(&self, grace: Duration) -> bool {
        self.closing.cancel();
        self.tasks.close();
        tokio::time::timeout(grace, self.tasks.wait()).await.is_ok()
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings one job one step on.
pub async fn reconcile(bell: Arc<Bell>, ctx: Arc<Ctx>) -> Result<Requeue, Error> {
    let name = bell.metadata.name.clone().unwrap_or_default();
    let label = |key: &str| bell.metadata.labels.as_ref().and_then(|labels| labels.get(key)).cloned().unwrap_or_default();
    let span = tracing::info_span!("job", job = %name, design = %label(DESIGN_LABEL), session = %label(SESSION_LABEL));
    step(name, ctx).instrument(span).await
}

async fn step(name: String, ctx: Arc<Ctx>) -> Result<Requeue, Error> {
    let job = match get::<TerraformJob>(&ctx.client, &name).await {
        Ok(Some(job)) => job,
        Ok(None) => {
            ctx.running.forget_offer(&name);
            launch(&ctx, done(&ctx, &name));
            return Ok(Requeue::await_change());
        }
        Err(error) if error.is_undecodable() => {
            tracing::warn!(error = %error.chain(), "the job does not decode; it is left alone");
            return Ok(Requeue::await_change());
        }
        Err(error) => return Err(error),
    };
    // deleting a job that works means: stop it
    let unwanted = job.spec.cancel || job.metadata.deletion_timestamp.is_some();
    match job.phase() {
        JobPhase::Pending if ctx.running.holds(&name) => {
            // it is being started; one that is told to stop in this moment is stopped
            if unwanted {
                ctx.running.cancel(&name);
                return Ok(Requeue::requeue(STOP_CHECK));
            }
            Ok(Requeue::requeue(QUEUE_CHECK))
        }
        JobPhase::Pending if unwanted => {
            let ended = TerraformJobStatus {
                phase: Some(JobPhase::Cancelled),
                message: Some("cancelled before it started".to_owned()),
                finished_at: Some(ctx.clock.now()),
                wait_reason: None,
                ..job.status.clone().unwrap_or_default()
            };
            end(&ctx, &job, ended).await?;
            Ok(Requeue::await_change())
        }
        JobPhase::Pending => queue(&ctx, &job, &name).await,
        JobPhase::Running if ctx.running.holds(&name) => {
            if unwanted {
                ctx.running.cancel(&name);
            }
            Ok(Requeue::await_change())
        }
        JobPhase::Running if faults::is_broken(Mutant::RunsAgain) => queue(&ctx, &job, &name).await,
        JobPhase::Running => recover::recover(&ctx, &job).await,
        JobPhase::Succeeded | JobPhase::Failed | JobPhase::Interrupted | JobPhase::Cancelled => {
            retire(&ctx, &job).await?;
            Ok(Requeue::await_change())
        }
    }
}

async fn queue(ctx: &Arc<Ctx>, job: &TerraformJob, name: &str) -> Result<Requeue, Error> {
    let urgent = job.spec.action == Action::Destroy || job.spec.destroy_plan;
    ctx.running.note_offer(name, job.spec.action);
    if ctx.disk.pressure() == Pressure::Full && !urgent {
        wait(ctx, job, ctx.disk.wait_reason()).await?;
        return Ok(Requeue::requeue(QUEUE_CHECK));
    }
    fit(ctx);
    let offer = ctx.scheduler.offer(Candidate {
        job: name.to_owned(),
        session: job.spec.session_ref.clone(),
        urgent,
        requested: job.spec.requested,
        created: job.metadata.creation_timestamp.clone().unwrap_or_else(|| ctx.clock.now()),
    });
    let starts = offer.start.iter().any(|start| start == name);
    let reason = offer.reason();
    launch(ctx, offer.start);
    measure(ctx);
    if !starts {
        let memory = if ctx.scheduler.is_short_of_memory() { "; memory allows no more at once" } else { "" };
        wait(ctx, job, format!("{reason}{memory}")).await?;
    }
    Ok(Requeue::requeue(QUEUE_CHECK))
}

/// Writes why a job waits, if that is not written already.
async fn wait(ctx: &Ctx, job: &TerraformJob, why: String) -> Result<(), Error> {
    let old = job.status.clone().unwrap_or_default();
    let next = TerraformJobStatus { phase: Some(JobPhase::Pending), wait_reason: Some(why), ..old.clone() };
    patch_status(&ctx.client, job, &value(&old)?, &value(&next)?, true).await.map(|_| ())
}

/// Tells the scheduler how many Terraform processes fit into memory now.
fn fit(ctx: &Ctx) {
    if let Some(room) = ctx.runner.room() {
        ctx.scheduler.fit(room.processes);
    }
}

fn measure(ctx: &Ctx) {
    let (waiting, running) = ctx.scheduler.counts();
    measures::queue(waiting, running, ctx.scheduler.limit());
}

/// A job needs no place any more: who takes it.
fn done(ctx: &Ctx, name: &str) -> Vec<String> {
    fit(ctx);
    let next = ctx.scheduler.done(name);
    measure(ctx);
    next
}

/// Starts jobs that have a place. Each runs in its own task, so that it outlives the reconcile that started it.
pub fn launch(ctx: &Arc<Ctx>, jobs: Vec<String>) {
    for name in jobs {
        let Some(token) = ctx.running.enter(&name) else {
            // it runs already, or the server is stopping and nothing starts any more
            continue;
        };
        if let Some((since, action)) = ctx.running.forget_offer(&name) {
            measures::waited(action, since.elapsed());
        }
        let span = tracing::info_span!(
            "job",
            job = %name,
            design = tracing::field::Empty,
            session = tracing::field::Empty,
            trace = tracing::field::Empty
        );
        let task_ctx = ctx.clone();
        ctx.running.tasks.spawn(
            async move {
                let ended = Box::pin(run::run(&task_ctx, &name, token)).await;
                let failed = ended.as_ref().is_err_and(|error| !error.is_conflict());
                match &ended {
                    Ok(()) => {}
                    // its own reconcile wrote why it waits in the moment in which it was started: it is offered again
                    Err(error) if error.is_conflict() => {
                        tracing::debug!(error = %error.chain(), "the job was written while it was about to start; again");
                    }
                    Err(error) => tracing::error!(error = %error.chain(), "the job could not be recorded; it is recovered"),
                }
                task_ctx.running.leave(&name);
                launch(&task_ctx, done(&task_ctx, &name));
                if failed {
                    // cancel safe: neither arm holds anything
                    tokio::select! { () = task_ctx.running.closing.cancelled() => {} () = tokio::time::sleep(FAILED_CHECK) => {} }
                }
                // A look that was made anew under the same name while this one was still closing was offered in vain.
                if let Err(error) = look_again(name, task_ctx).await {
                    tracing::debug!(error = %error.chain(), "the ended job is looked at with its next bell");
                }
            }
            .instrument(span),
        );
    }
}

/// [`step`] behind a named type: a task that was launched by a step takes another one.
fn look_again(name: String, ctx: Arc<Ctx>) -> futures::future::BoxFuture<'static, Result<Requeue, Error>> {
    Box::pin(step(name, ctx))
}

/// Writes the terminal status, then gives back what the job held: first its slot, because whoever waits for it waits for
/// two durable writes less, then gate and finalizer.
pub async fn end(ctx: &Arc<Ctx>, job: &TerraformJob, ended: TerraformJobStatus) -> Result<(), Error> {
    let old = job.status.clone().unwrap_or_default();
    let written = patch_status(&ctx.client, job, &value(&old)?, &value(&ended)?, true).await?;
    faults::pass("job", "end", "after");
    tracing::info!(phase = ?ended.phase, reason = ?ended.reason, session = %job.spec.session_ref, design = %job.spec.design_ref, "the job ended");
    measures::ended(job.spec.action, &ended);
    ctx.running.forget_offer(&job.name_any());
    launch(ctx, done(ctx, &job.name_any()));
    retire(ctx, &written).await?;
    if let Some((happening, note)) = told(&ended) {
        announce::tell(ctx, &written, happening, &note).await;
    }
    Ok(())
}

/// The Event of an end.
fn told(ended: &TerraformJobStatus) -> Option<(Happening, String)> {
    let happening = match ended.phase? {
        JobPhase::Pending | JobPhase::Running => return None,
        JobPhase::Succeeded => Happening::JobSucceeded,
        JobPhase::Failed => Happening::JobFailed,
        JobPhase::Interrupted => Happening::JobInterrupted,
        JobPhase::Cancelled => Happening::JobCancelled,
    };
    let done = if ended.created.is_empty() { "ended".to_owned() } else { format!("{} resources done", ended.created.len()) };
    Some((happening, ended.message.clone().unwrap_or(done)))
}

/// Gate and finalizer of a terminal job. Harmless to repeat.
async fn retire(ctx: &Ctx, job: &TerraformJob) -> Result<(), Error> {
    gate::release(ctx, &job.spec.session_ref, &job.name_any()).await?;
    match set_finalizer(&ctx.client, job, JOB_FINALIZER, false).await {
        Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
        // on a conflict the version that won rings again
        _ => Ok(()),
    }
}
