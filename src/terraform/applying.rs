//! Apply: the exact plan that was approved, on the exact state it was planned on, and an account of every address after.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::job::{self, Job, Meaning, Stage, StageEnd, Stop};
use super::local::LocalRunner;
use super::mirror::{Mirror, Settled};
use super::workdir::{PLAN, io_error, remove, write_private};
use super::{Completed, Control, Error, RunEvent, RunInput, args};
use crate::api::advice::Advice;
use crate::api::terraformjob::JobPhase;
use crate::api::{Reason, WhoActs};
use crate::blobs::{BlobKey, JobBlob};
use crate::faults;
use crate::plan::canonical::sha256_hex;
use crate::plan::outcome::Ended;
use crate::plan::{PlanView, StateView, Tracker, diagnostics, state};

impl LocalRunner {
    /// Applies a plan (a destroy is the apply of a destroy plan).
    pub(super) async fn apply(&self, input: RunInput, control: Control, events: mpsc::Sender<RunEvent>) -> Result<Completed, Error> {
        let settled = self.settle(&input.design_uid).await?;
        Self::check(&input, settled.view.as_deref())?;
        let (plan, json) = self.approved_plan(&input).await?;
        let planned = PlanView::parse(&json).map(|view| view.planned()).unwrap_or_default();
        let mut job = self.open(&input, settled.view.as_deref(), control, events).await?;
        job.tracker = Tracker::new(planned);
        write_private(&job.dir.file(PLAN), &plan).map_err(io_error("write the private copy of the plan"))?;
        let provider =
            self.options.provider.prepare(&input.design_uid, input.target, &Self::types(&input, settled.view.as_deref())).await?;
        // What this job applies, under its own name: after a crash that took the disk along, it is all there is.
        if !json.is_empty() {
            self.options.blobs.put(&BlobKey::job(&input.design_uid, &input.job, JobBlob::PlanJson), json).await?;
        }
        let mirror = job::mirror(&self.options, &input.design_uid);
        let seeded = match &settled.view {
            Some(_) => None,
            None => Some(self.seed(&job, &mirror).await?),
        };
        let known = settled.view.as_ref().or(seeded.as_ref()).map(|view| view.record.serial);
        let stage = Stage {
            name: "apply",
            args: args::apply(&job.dir.relative(PLAN), self.options.parallelism),
            env: self.environment(&job.work, &args::traced(provider, &input)),
            reads_events: true,
            mirrors_from: Some(known),
            tells_owner: true,
        };
        let end = match job.run(stage, &mirror).await {
            Ok(end) => end,
            Err(error) => {
                if seeded.is_some() {
                    // Nothing was started: nothing is left behind that looks like an apply.
                    remove(&job.work.state_file()).map_err(io_error("remove the empty state"))?;
                    mirror.withdraw(0).await?;
                }
                return Err(error);
            }
        };
        Ok(self.account(&input, &mut job, end).await)
    }

    /// The plan file as it was approved, and its JSON. Read once: what is hashed is what is applied.
    async fn approved_plan(&self, input: &RunInput) -> Result<(Bytes, Bytes), Error> {
        let (job, approved) = input.plan.clone().unwrap_or_default();
        let plan = self.options.blobs.get(&BlobKey::job(&input.design_uid, &job, JobBlob::Plan)).await?;
        let found = plan.as_ref().map(|bytes| sha256_hex(bytes)).unwrap_or_else(|| "no plan file".to_owned());
        match plan {
            Some(plan) if found == approved => {
                let json = self.options.blobs.get(&BlobKey::job(&input.design_uid, &job, JobBlob::PlanJson)).await?;
                Ok((plan, json.unwrap_or_default()))
            }
            Some(_) | None => Err(Error::PlanTampered { job, found, approved }),
        }
    }

    /// Before the very first apply: an empty state, mirrored. From here on an absent or torn state is never an empty one.
    async fn seed(&self, job: &Job<'_>, mirror: &Mirror) -> Result<Arc<StateView>, Error> {
        let version = super::Runner::version(self).await?;
        let bytes = state::empty_state(&uuid::Uuid::new_v4().to_string(), &version);
        let view = StateView::parse(&bytes)
            .map_err(|error| Error::Io { verb: "make an empty state".into(), source: std::io::Error::other(error) })?;
        mirror.store(&view, bytes.clone().into()).await?;
        faults::pass("terraform", "seed", "mirrored");
        write_private(&job.work.state_file(), &bytes).map_err(io_error("write the empty state"))?;
        Ok(Arc::new(view))
    }

    /// What was done, from events and state.
    async fn account(&self, input: &RunInput, job: &mut Job<'_>, end: StageEnd) -> Completed {
        let settled = match self.settle(&input.design_uid).await {
            Ok(settled) => settled,
            Err(error) => {
                job.note("error", &super::chain(&error));
                job.diagnostics.push(diagnostics::own(
                    "the state is not safely stored",
                    &super::chain(&error),
                    error.who_acts(),
                    Advice::StateIsHere.english(),
                ));
                self.newest_file(job).await
            }
        };
        // It failed and nobody heard why: its output went lost, as on a full disk, and what it began with it.
        let mute = end.meaning() == Meaning::Refused && end.stopped.is_none() && job.stderr.is_empty() && !job.has_error();
        let ended = if mute { job.tracker.end_unheard(settled.view.as_deref()) } else { job.tracker.end(settled.view.as_deref()) };
        let verdict = judge(end, &ended, job);
        let found = match verdict.phase {
            JobPhase::Failed => job.explained(),
            _ => std::mem::take(&mut job.diagnostics),
        };
        let who_acts = match verdict.phase {
            JobPhase::Failed => verdict.who_acts.or_else(|| diagnostics::who_acts(&found)).or(Some(WhoActs::Stalled)),
            _ => verdict.who_acts,
        };
        let reason = verdict.reason.or_else(|| who_acts.map(super::reason_of));
        let message = verdict.message.or_else(|| if verdict.phase == JobPhase::Failed { super::first_error(&found) } else { None });
        if let Err(error) = job.dir.remove_secrets() {
            job.note("error", &super::chain(&error));
        }
        job.note(
            "info",
            &format!("{} {:?}: {} done, {} failed", input.action.as_str(), verdict.phase, ended.created.len(), ended.failed.len()),
        );
        job.tell_progress(true).await;
        job.flush_log().await;
        let blobs = [JobBlob::Log, JobBlob::PlanJson].map(|what| BlobKey::job(&input.design_uid, &input.job, what).as_str().to_owned());
        let Ended { created, failed, not_attempted, mut in_flight, unanswered } = ended;
        in_flight.extend(unanswered);
        Completed {
            phase: verdict.phase,
            reason,
            who_acts,
            message,
            plan: None,
            drift: Vec::new(),
            diagnostics: found,
            created,
            failed,
            not_attempted,
            in_flight,
            state: settled.view.map(|view| view.record.clone()),
            blobs: blobs.to_vec(),
        }
    }

    /// The file alone, when blobs do not answer: it is whole after a run that ended by itself.
    async fn newest_file(&self, job: &Job<'_>) -> Settled {
        match super::mirror::read_file(job.work.state_file()).await {
            Ok(super::mirror::File::Whole(view, _)) => Settled { view: Some(Arc::from(view)), restored: false },
            Ok(_) | Err(_) => Settled::default(),
        }
    }
}

struct Verdict {
    phase: JobPhase,
    reason: Option<Reason>,
    who_acts: Option<WhoActs>,
    message: Option<String>,
}

/// The phase. Whatever terraform says: an address whose end nobody saw makes the outcome unknown.
fn judge(end: StageEnd, ended: &Ended, job: &Job<'_>) -> Verdict {
    let verdict = |phase, reason, who_acts, message: Option<String>| Verdict { phase, reason, who_acts, message };
    let unknown = end.killed || end.meaning() == Meaning::Broken || !ended.in_flight.is_empty();
    if unknown {
        let names: BTreeMap<&str, ()> = ended.in_flight.iter().map(|entry| (entry.address.as_str(), ())).collect();
        let names = names.into_keys().take(10).collect::<Vec<_>>().join(", ");
        let message = if names.is_empty() {
            "terraform was killed; the cloud is looked at next".to_owned()
        } else {
            format!("terraform ended in the middle of {names}; the cloud is looked at next")
        };
        return verdict(JobPhase::Interrupted, Some(Reason::OutcomeUnknown), Some(WhoActs::Waiting), Some(message));
    }
    match (end.meaning(), end.stopped) {
        (Meaning::Done, _) => verdict(JobPhase::Succeeded, None, None, None),
        (_, Some(Stop::Cancelled)) => {
            let message = format!("cancelled: {} done, {} not attempted", ended.created.len(), ended.not_attempted.len());
            verdict(JobPhase::Cancelled, Some(Reason::Cancelled), None, Some(message))
        }
        (_, Some(Stop::TooMuchOutput)) => {
            let limit = job.options.output_limit / (1024 * 1024);
            let message = format!("terraform wrote more than {limit} MiB of output and was stopped");
            verdict(JobPhase::Failed, Some(Reason::JobFailed), Some(WhoActs::Stalled), Some(message))
        }
        (_, None) => verdict(JobPhase::Failed, None, None, None),
    }
}
