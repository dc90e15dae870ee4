//! One admitted job from start to end: Running is written durably, then the runner works, then the end is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kube::ResourceExt;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::announce::{self, Happening};
use super::super::documents::{get, patch_status, value};
use super::super::gate::{self, Claim};
use super::super::{Ctx, Error};
use super::prepare::{Refusal, prepare, refuse};
use crate::api::approval::{Refused, RefusedReason};
use crate::api::design::{Diagnostic, Severity};
use crate::api::terraformjob::{JobPhase, Owner};
use crate::api::{Reason, TerraformJob, TerraformJobStatus, WhoActs};
use crate::faults::{self, Mutant};
use crate::terraform::{Completed, Control, RunEvent};

/// Events between the runner and the record: a burst of progress must not block the pipes of terraform.
const EVENTS: usize = 256;
/// A job whose gate is held by another operation goes back to the queue after this.
const GATE_CHECK: Duration = Duration::from_millis(500);
/// How often the end is written again while the store does not answer; after that the job is recovered as interrupted.
const END_TRIES: u32 = 60;

/// Runs the job. An error means that its end could not be written; the reconcile recovers it.
pub async fn run(ctx: &Arc<Ctx>, name: &str, token: CancellationToken) -> Result<(), Error> {
    let Some(job) = get::<TerraformJob>(&ctx.client, name).await? else { return Ok(()) };
    let again = job.phase() == JobPhase::Running && faults::is_broken(Mutant::RunsAgain);
    if (job.phase() != JobPhase::Pending && !again) || token.is_cancelled() {
        return Ok(());
    }
    let span = tracing::Span::current();
    span.record("design", job.spec.design_ref.as_str()).record("session", job.spec.session_ref.as_str());
    if let Some(trace) = job.annotations().get(crate::trace::ANNOTATION) {
        span.record("trace", trace.as_str());
    }
    // The gate was claimed before the job was made. If that took longer than the grace of a gate (a store that hung), the
    // claim was taken for a leftover and released: nothing starts without it. Busy: the job goes back to the queue.
    if let Claim::Busy(active) = gate::claim(ctx, &job.spec.session_ref, &gate::operation(name, &job.spec, ctx.clock.now())).await? {
        tracing::info!(holder = %active.name, "the gate is held by another operation; the job stays queued");
        // cancel safe: neither arm holds anything
        tokio::select! { () = token.cancelled() => {} () = tokio::time::sleep(GATE_CHECK) => {} }
        return Ok(());
    }
    let input = match prepare(ctx, &job).await {
        Ok(Ok(input)) => input,
        Ok(Err(refusal)) => return super::end(ctx, &job, refused_status(ctx, &job, refusal)).await,
        Err(error) => return Err(error),
    };
    // From here on a crash is an unknown outcome: the owner is written before anything starts.
    let old = job.status.clone().unwrap_or_default();
    let running = TerraformJobStatus {
        phase: Some(JobPhase::Running),
        owner: Some(Owner {
            host: ctx.host.name.clone(),
            boot_id: ctx.host.boot_id.clone(),
            pid: None,
            start_time: None,
            epoch: ctx.host.epoch,
        }),
        started_at: Some(ctx.clock.now()),
        wait_reason: None,
        ..old.clone()
    };
    let job = patch_status(&ctx.client, &job, &value(&old)?, &value(&running)?, true).await?;
    tracing::info!(action = job.spec.action.as_str(), session = %job.spec.session_ref, design = %job.spec.design_ref, "the job starts");
    faults::pass("job", "running", "after");
    let (sender, receiver) = mpsc::channel(EVENTS);
    let clock = Overdue::start(ctx.settings.time_limit(job.spec.action), token.clone());
    let control = Control { cancel: token, grace: ctx.settings.cancel_grace };
    let (result, recorded, ()) = tokio::join!(
        ctx.runner.run(input, control, sender),
        record(ctx, &job, running, receiver),
        announce::tell(ctx, &job, Happening::JobStarted, job.spec.action.as_str())
    );
    let mut ended = match result {
        Ok(completed) => completed_status(ctx, recorded, completed),
        Err(error) => started_nothing(ctx, &job, recorded, error).await?,
    };
    if let Some(limit) = clock.stop() {
        announce::tell(ctx, &job, Happening::JobOverdue, &format!("stopped after {} s", limit.as_secs())).await;
        ended = overdue(&job, ended, limit);
    }
    faults::pass("job", "end", "before");
    end_surely(ctx, &job, ended).await
}

/// Stops a job that runs too long, as gently as a person who cancels it.
struct Overdue {
    limit: Duration,
    struck: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Overdue {
    fn start(limit: Duration, token: CancellationToken) -> Self {
        let struck = Arc::new(AtomicBool::new(false));
        let seen = struck.clone();
        let task = tokio::spawn(async move {
            tokio::time::sleep(limit).await;
            // a job that a person cancelled at the last moment is theirs
            if !token.is_cancelled() {
                tracing::warn!(seconds = limit.as_secs(), "the job runs too long and is stopped");
                seen.store(true, Ordering::Release);
                token.cancel();
            }
        });
        Overdue { limit, struck, task }
    }
    /// The limit, if it was reached.
    fn stop(self) -> Option<Duration> {
        self.task.abort();
        self.struck.load(Ordering::Acquire).then_some(self.limit)
    }
}

/// A job that was stopped for its time: a failure with its reason. One that ended all the same in that moment, and one
/// whose outcome is unknown, stay what they are.
fn overdue(job: &TerraformJob, ended: TerraformJobStatus, limit: Duration) -> TerraformJobStatus {
    if ended.phase != Some(JobPhase::Cancelled) || job.spec.cancel {
        return ended;
    }
    let (reason, who, next) = if job.spec.action.changes_the_cloud() {
        (Reason::JobFailed, WhoActs::Stalled, "read what was done, then set request {action: Retry} for a plan of the rest")
    } else {
        (Reason::RetryScheduled, WhoActs::Retry, "it is tried again by itself; is the provider reachable?")
    };
    let cause = format!("it ran longer than {} s and was stopped", limit.as_secs());
    let message = format!("{cause}; {next}");
    // Terraform only knows that it was stopped: why stands before what it says
    let mut diagnostics = vec![Diagnostic {
        severity: Severity::Error,
        code: None,
        summary: cause,
        detail: String::new(),
        address: None,
        file: None,
        line: None,
        who_acts: who,
        next_action: None,
    }];
    diagnostics.extend(ended.diagnostics);
    TerraformJobStatus {
        phase: Some(JobPhase::Failed),
        reason: Some(reason),
        who_acts: Some(who),
        message: Some(message),
        diagnostics,
        ..ended
    }
}

/// Writes events: the start at once, progress and states at most once per interval, the newest last.
async fn record(ctx: &Ctx, job: &TerraformJob, mut status: TerraformJobStatus, mut events: mpsc::Receiver<RunEvent>) -> TerraformJobStatus {
    let mut written = status.clone();
    let mut last: Option<Instant> = None;
    loop {
        let pause = match last {
            Some(at) if status != written => ctx.settings.progress_interval.saturating_sub(at.elapsed()),
            _ => Duration::MAX,
        };
        // recv is cancel safe: an event that was not taken stays in the channel
        let event = match pause {
            Duration::MAX => events.recv().await.map(Some),
            pause => match tokio::time::timeout(pause, events.recv()).await {
                Ok(event) => event.map(Some),
                Err(_) => Some(None),
            },
        };
        let mut at_once = false;
        match event {
            None => return status,
            Some(Some(RunEvent::Started(owner))) => {
                status.owner = Some(owner);
                at_once = true;
            }
            Some(Some(RunEvent::Progress(progress))) => status.progress = Some(progress),
            Some(Some(RunEvent::StateMirrored(state))) => status.state = Some(state),
            Some(None) => {}
        }
        if at_once || last.is_none_or(|at| at.elapsed() >= ctx.settings.progress_interval) {
            match write(ctx, job, &written, &status).await {
                Ok(()) => written = status.clone(),
                Err(error) => tracing::warn!(error = %error.chain(), "progress was not written"),
            }
            last = Some(Instant::now());
        }
    }
}

async fn write(ctx: &Ctx, job: &TerraformJob, old: &TerraformJobStatus, new: &TerraformJobStatus) -> Result<(), Error> {
    // only this task writes the status of a running job, and a person may set spec.cancel meanwhile: no fence
    patch_status(&ctx.client, job, &value(old)?, &value(new)?, false).await.map(|_| ())
}

fn completed_status(ctx: &Ctx, recorded: TerraformJobStatus, completed: Completed) -> TerraformJobStatus {
    let Completed { phase, reason, who_acts, message, plan, drift, diagnostics, created, failed, not_attempted, in_flight, state, blobs } =
        completed;
    TerraformJobStatus {
        phase: Some(phase),
        owner: recorded.owner,
        started_at: recorded.started_at,
        finished_at: Some(ctx.clock.now()),
        progress: recorded.progress,
        diagnostics,
        created,
        failed,
        not_attempted,
        in_flight,
        reason,
        message,
        who_acts,
        plan,
        drift,
        state: state.or(recorded.state),
        blobs,
        wait_reason: None,
    }
}

fn refused_status(ctx: &Ctx, job: &TerraformJob, refusal: Refusal) -> TerraformJobStatus {
    TerraformJobStatus {
        phase: Some(JobPhase::Failed),
        finished_at: Some(ctx.clock.now()),
        reason: Some(refusal.reason),
        who_acts: Some(refusal.who),
        message: Some(refusal.message),
        wait_reason: None,
        ..job.status.clone().unwrap_or_default()
    }
}

/// The runner says that it started nothing and changed nothing.
async fn started_nothing(
    ctx: &Ctx,
    job: &TerraformJob,
    recorded: TerraformJobStatus,
    error: crate::terraform::Error,
) -> Result<TerraformJobStatus, Error> {
    use crate::terraform::Error as Cause;
    let message = error.to_string();
    let refused = match &error {
        Cause::PlanTampered { .. } => Some(RefusedReason::PlanTampered),
        Cause::StateChanged { .. } if job.spec.action.changes_the_cloud() => Some(RefusedReason::StateChanged),
        _ => None,
    };
    if let Some(reason) = refused {
        let refused = Refused { reason, message: format!("{message}; read and approve the new plan") };
        refuse(ctx, job, refused.clone()).await?;
        return Ok(refused_status(ctx, &TerraformJob { status: Some(recorded), ..job.clone() }, Refusal::approval(&refused)));
    }
    let (reason, who) = match &error {
        Cause::StateUnavailable { .. } => (Reason::StateUnavailable, WhoActs::Stalled),
        Cause::StateChanged { .. } => (Reason::RetryScheduled, WhoActs::Retry),
        Cause::Blobs(_) | Cause::Io { .. } => (Reason::StorageUnavailable, WhoActs::Retry),
        Cause::Start { .. } => (Reason::Internal, WhoActs::Stalled),
        Cause::Provider { .. } => (Reason::Internal, WhoActs::Retry),
        Cause::Tenancy { who, .. } => (Reason::TenancyUnavailable, *who),
        Cause::PlanTampered { .. } => (Reason::ApprovalRefused, WhoActs::Retry),
    };
    let chain = Error::from(error).chain();
    Ok(refused_status(ctx, &TerraformJob { status: Some(recorded), ..job.clone() }, Refusal { reason, who, message: chain }))
}

/// The result of an apply is worth more than a try: written until the store answers.
async fn end_surely(ctx: &Arc<Ctx>, started: &TerraformJob, ended: TerraformJobStatus) -> Result<(), Error> {
    let name = started.name_any();
    let mut tries = 0;
    loop {
        let result = match get::<TerraformJob>(&ctx.client, &name).await {
            // a look that was made anew under the same name is not the one that ended
            Ok(Some(job)) if job.metadata.uid != started.metadata.uid => return Ok(()),
            Ok(Some(job)) => super::end(ctx, &job, ended.clone()).await,
            Ok(None) => return Ok(()),
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => return Ok(()),
            Err(error) if tries < END_TRIES => {
                tries += 1;
                if !error.is_conflict() {
                    tracing::warn!(error = %error.chain(), tries, "the end of the job was not written; again");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
            Err(error) => return Err(error),
        }
    }
}
