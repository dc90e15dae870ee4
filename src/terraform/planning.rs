//! Plan and refresh: files → plan file, its JSON and its record; or what differs in the cloud.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;

use super::args::{self, PlanMode};
use super::job::{self, Job, Meaning, Stage, StageEnd, Stop};
use super::local::LocalRunner;
use super::workdir::{PLAN, SECRETS, SHOW, io_error, make_private, write_private};
use super::{Completed, Control, Error, RunEvent, RunInput, inputs};
use crate::api::design::{PlanRecord, STATUS_LIST_LIMIT};
use crate::api::terraformjob::{Action, JobPhase};
use crate::api::{Reason, Time, WhoActs};
use crate::blobs::{BlobKey, JobBlob};
use crate::plan::canonical::sha256_hex;
use crate::plan::mask::{Redactor, redacted_plan};
use crate::plan::{PlanView, StateView, diagnostics};

type Environment = BTreeMap<OsString, OsString>;

impl LocalRunner {
    /// Plans, or looks at the cloud.
    pub(super) async fn plan(&self, input: RunInput, control: Control, events: mpsc::Sender<RunEvent>) -> Result<Completed, Error> {
        let settled = self.settle(&input.design_uid).await?;
        Self::check(&input, settled.view.as_deref())?;
        let view = self.without_predecessors(&input, settled.view).await?;
        let state = view.as_deref();
        let mut job = self.open(&input, state, control, events).await?;
        let provider = self.options.provider.prepare(&input.design_uid, input.target, &Self::types(&input, state)).await?;
        let env = self.environment(&job.work, &args::traced(provider, &input));
        if let Some(end) = self.init(&input, &mut job, &env).await?
            && end.meaning() != Meaning::Done
        {
            return Ok(finish(&mut job, &input, not_planned(end), state).await);
        }
        let end = self.plan_stage(&input, &mut job, &env, state).await?;
        if end.meaning() != Meaning::Done || end.stopped.is_some() {
            return Ok(finish(&mut job, &input, not_planned(end), state).await);
        }
        let outcome = match self.record(&input, &mut job, &env, state).await {
            Ok(outcome) => outcome,
            // The plan was made and cannot be kept: nothing in the cloud changed, a new plan is as good.
            Err(error) => Outcome { message: Some(super::chain(&error)), ..Outcome::failed(error.reason(), error.who_acts()) },
        };
        Ok(finish(&mut job, &input, outcome, state).await)
    }

    /// The state without what the imports take the place of: Terraform imports nothing under an address that the state holds.
    /// Such a state is older than the replacement that it was cut off in; that its object is gone was seen by a refresh.
    async fn without_predecessors(&self, input: &RunInput, state: Option<Arc<StateView>>) -> Result<Option<Arc<StateView>>, Error> {
        let Some(view) = &state else { return Ok(state) };
        let held = |address: &String| view.resources.get(address).and_then(|(_, id)| id.as_ref());
        let is_another = |(address, id): &(&String, &String)| held(address).is_some_and(|held| held != *id);
        let gone: BTreeSet<String> = input.imports.iter().filter(is_another).map(|(address, _)| address.clone()).collect();
        if gone.is_empty() || input.destroy_plan {
            return Ok(state);
        }
        let view = job::mirror(&self.options, &input.design_uid).strike_out(&self.workdir(&input.design_uid), view, &gone).await?;
        tracing::warn!(design = %input.design_uid, ?gone, serial = view.record.serial, "struck out of the state: what took their place is imported");
        let view = Some(Arc::new(view));
        self.remember(&input.design_uid, view.clone());
        Ok(view)
    }

    /// `init`, when there is something to do; one at a time.
    async fn init(&self, input: &RunInput, job: &mut Job<'_>, env: &Environment) -> Result<Option<StageEnd>, Error> {
        let reattached = env.get(&OsString::from("TF_REATTACH_PROVIDERS")).and_then(|text| text.to_str());
        let reattached: BTreeMap<String, Value> = reattached.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        if !inputs::needs_init(&input.files, &reattached.into_keys().collect::<BTreeSet<_>>()) {
            return Ok(None);
        }
        let version = super::Runner::version(self).await?;
        let key = || inputs::init_key(&input.files, &std::fs::read(job.work.lock_file()).unwrap_or_default(), &version);
        let marker = job.work.init_marker();
        if std::fs::read_to_string(&marker).is_ok_and(|done| done == key()) {
            return Ok(None);
        }
        // A closed semaphore would mean a runner that is gone.
        let _permit = self.init_gate.acquire().await.map_err(|_| Error::Provider { detail: "the runner is shutting down".into() })?;
        // Without a lock file Terraform fetches the provider again and unpacks it over the copy that others run ("text file
        // busy"); with the one of an earlier design of the same needs it links that copy.
        let needs = inputs::init_key(&input.files, b"", &version);
        let shared = self.options.work_root.join("locks").join(format!("{needs}.hcl"));
        share_lock(shared.clone(), job.work.lock_file()).await?;
        let stage = Stage { name: "init", args: args::init(), env: env.clone(), reads_events: true, mirrors_from: None, tells_owner: true };
        let end = job.run(stage, &job::mirror(&self.options, &input.design_uid)).await?;
        if end.meaning() == Meaning::Done {
            // With the lock file as init left it.
            let key = inputs::init_key(&input.files, &std::fs::read(job.work.lock_file()).unwrap_or_default(), &version);
            write_private(&marker, key.as_bytes()).map_err(io_error("write the init marker"))?;
            share_lock(job.work.lock_file(), shared).await?;
        }
        Ok(Some(end))
    }

    async fn plan_stage(
        &self,
        input: &RunInput,
        job: &mut Job<'_>,
        env: &Environment,
        state: Option<&StateView>,
    ) -> Result<StageEnd, Error> {
        let mode = match (input.action, input.destroy_plan) {
            (Action::Refresh, _) => PlanMode::RefreshOnly,
            (_, true) => PlanMode::Destroy,
            (_, false) => PlanMode::Normal,
        };
        let mut values: BTreeMap<String, Value> =
            input.secrets.iter().map(|(name, secret)| (name.clone(), Value::from(secret.0.as_str()))).collect();
        if mode != PlanMode::Normal {
            let given: BTreeSet<&str> = values.keys().chain(input.variables.keys()).map(String::as_str).collect();
            values.extend(inputs::placeholders(&input.files, &given));
        }
        let secrets = job.dir.file(SECRETS);
        let var_file = (!values.is_empty()).then(|| job.dir.relative(SECRETS));
        if var_file.is_some() {
            let bytes = serde_json::to_vec(&values).map_err(|error| io_error("write the secret variables")(error.into()))?;
            write_private(&secrets, &bytes).map_err(io_error("write the secret variables"))?;
        }
        let args = args::plan(mode, &job.dir.relative(PLAN), var_file.as_deref(), self.options.parallelism);
        let name = if mode == PlanMode::RefreshOnly { "refresh" } else { "plan" };
        job.progress.total = state.map(|view| view.record.resources).unwrap_or_default();
        let stage = Stage { name, args, env: env.clone(), reads_events: true, mirrors_from: None, tells_owner: true };
        let end = job.run(stage, &job::mirror(&self.options, &input.design_uid)).await;
        super::workdir::remove(&secrets).map_err(io_error("remove the secret variables"))?;
        end
    }

    /// The plan's JSON as it is kept: no value of a secret is in it.
    fn without_secrets(&self, input: &RunInput, json: &[u8]) -> Result<Vec<u8>, Error> {
        let broken = |error: serde_json::Error| io_error("keep the plan")(error.into());
        let names: BTreeSet<&str> = input.secrets.keys().map(String::as_str).collect();
        let redactor = Redactor::new(input.secrets.values().map(|secret| secret.0.as_str()));
        let show: Value = serde_json::from_slice(json).map_err(broken)?;
        serde_json::to_vec(&redacted_plan(&show, &names, &redactor)).map_err(broken)
    }

    /// Reads the plan and keeps it in blobs, before anybody hears of it.
    async fn record(&self, input: &RunInput, job: &mut Job<'_>, env: &Environment, state: Option<&StateView>) -> Result<Outcome, Error> {
        let args = args::show(&job.dir.relative(PLAN));
        let stage = Stage { name: "show", args, env: env.clone(), reads_events: false, mirrors_from: None, tells_owner: false };
        let end = job.run(stage, &job::mirror(&self.options, &input.design_uid)).await?;
        if end.meaning() != Meaning::Done || end.stopped.is_some() {
            return Ok(not_planned(end));
        }
        let (plan_path, show_path) = (job.dir.file(PLAN), job.dir.file(SHOW));
        let (plan_file, json) =
            super::blocking("read the plan", move || Ok((std::fs::read(plan_path)?, std::fs::read(show_path)?))).await?;
        let view = PlanView::parse_with_files(&json, &input.files)
            .map_err(|error| Error::Io { verb: "read the plan".into(), source: std::io::Error::other(super::chain(&error)) })?;
        if input.action == Action::Refresh {
            return Ok(Outcome { drift: view.drift(), ..Outcome::succeeded() });
        }
        let plan_sha256 = sha256_hex(&plan_file);
        let keys = [JobBlob::Plan, JobBlob::PlanJson].map(|what| BlobKey::job(&input.design_uid, &input.job, what));
        self.options.blobs.put(&keys[0], plan_file.into()).await?;
        self.options.blobs.put(&keys[1], self.without_secrets(input, &json)?.into()).await?;
        let created_at = self.options.clock.now();
        let is_held = |address: &String| state.is_some_and(|state| state.resources.contains_key(address));
        let record = PlanRecord {
            job: input.job.clone(),
            destroy: input.destroy_plan,
            digest: input.digest.clone(),
            lineage: state.map(|view| view.record.lineage.clone()).unwrap_or_default(),
            serial: state.map(|view| view.record.serial).unwrap_or_default(),
            generation: input.generation,
            plan_sha256,
            semantic_sha256: view.semantic_sha256,
            counts: view.counts,
            changes: view.changes.into_iter().take(STATUS_LIST_LIMIT).collect(),
            drift_deletes: view.drift_deletes,
            drift_updates: view.drift_updates,
            imports: input.imports.iter().filter(|(address, _)| !is_held(address)).map(|(a, id)| (a.clone(), id.clone())).collect(),
            output_changes: view.output_changes,
            expires_at: after(&created_at, input.plan_ttl_seconds),
            created_at,
        };
        Ok(Outcome { plan: Some(record), blobs: keys.map(|key| key.as_str().to_owned()).to_vec(), ..Outcome::succeeded() })
    }
}

/// Copies a lock file to where there is none.
async fn share_lock(from: std::path::PathBuf, to: std::path::PathBuf) -> Result<(), Error> {
    super::blocking("share the provider lock file", move || match std::fs::read(&from) {
        Ok(bytes) if !to.exists() => {
            to.parent().map_or(Ok(()), make_private)?;
            write_private(&to, &bytes)
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    })
    .await
}

/// `seconds` after `time`; the end of time when there is no such moment.
fn after(time: &Time, seconds: i64) -> Time {
    use k8s_openapi::jiff::{SignedDuration, Timestamp};
    k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(time.0.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX))
}

/// What a plan or refresh came to.
struct Outcome {
    phase: JobPhase,
    reason: Option<Reason>,
    who_acts: Option<WhoActs>,
    message: Option<String>,
    plan: Option<PlanRecord>,
    drift: Vec<crate::api::design::Change>,
    blobs: Vec<String>,
}

impl Outcome {
    fn succeeded() -> Self {
        Outcome {
            phase: JobPhase::Succeeded,
            reason: None,
            who_acts: None,
            message: None,
            plan: None,
            drift: Vec::new(),
            blobs: Vec::new(),
        }
    }
    fn failed(reason: Reason, who_acts: WhoActs) -> Self {
        Outcome { phase: JobPhase::Failed, reason: Some(reason), who_acts: Some(who_acts), ..Outcome::succeeded() }
    }
}

/// A plan that was refused, stopped or broken. Nothing in the cloud changed, so a broken one is simply tried again.
fn not_planned(end: StageEnd) -> Outcome {
    let phase = job::phase_of_stop(end);
    let (reason, who_acts, message) = match (end.stopped, phase) {
        (Some(Stop::Cancelled), _) => (Reason::Cancelled, None, Some("it was cancelled before anything changed")),
        (Some(Stop::TooMuchOutput), _) => {
            (Reason::JobFailed, Some(WhoActs::Stalled), Some("terraform wrote more output than is allowed and was stopped"))
        }
        (None, JobPhase::Interrupted) => {
            (Reason::RetryScheduled, Some(WhoActs::Retry), Some("terraform was killed while it planned; nothing changed"))
        }
        // Filled in from the diagnostics.
        (None, _) => (Reason::JobFailed, None, None),
    };
    Outcome { phase, reason: Some(reason), who_acts, message: message.map(str::to_owned), ..Outcome::succeeded() }
}

async fn finish(job: &mut Job<'_>, input: &RunInput, mut outcome: Outcome, state: Option<&StateView>) -> Completed {
    let mut found = std::mem::take(&mut job.diagnostics);
    if outcome.phase == JobPhase::Failed && outcome.who_acts.is_none() {
        job.diagnostics = found;
        found = job.explained();
        let who_acts = diagnostics::who_acts(&found).unwrap_or(WhoActs::Stalled);
        outcome.reason = Some(super::reason_of(who_acts));
        outcome.who_acts = Some(who_acts);
        outcome.message = super::first_error(&found);
    }
    if let Err(error) = job.dir.remove_secrets() {
        job.note("error", &super::chain(&error));
    }
    let Outcome { phase, reason, who_acts, message, plan, drift, mut blobs } = outcome;
    job.note("info", &format!("{} {phase:?}", input.action.as_str()));
    job.tell_progress(true).await;
    job.flush_log().await;
    blobs.push(BlobKey::job(&input.design_uid, &input.job, JobBlob::Log).as_str().to_owned());
    Completed {
        phase,
        reason,
        who_acts,
        message,
        plan,
        drift,
        diagnostics: found,
        created: Vec::new(),
        failed: Vec::new(),
        not_attempted: Vec::new(),
        in_flight: Vec::new(),
        state: state.map(|view| view.record.clone()),
        blobs,
    }
}
