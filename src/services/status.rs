//! `get_status`: everything a person wants to know about a session, and the long poll that waits for it to change.
//!
//! A long poll watches documents; it never waits for a process. What woke it carries no message: the documents are read
//! again. `since` is a digest of what matters (not of counters that tick), so a wait ends when something is worth saying.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::watcher::watch_object;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::architecture::{FindingsView, PreviewView};
use super::documents::name_of;
use super::error::Error;
use super::plan::{ChangeView, counts_line};
use super::session::target_word;
use super::text::{Text, say};
use super::{MAX_WAIT, Services};
use crate::api::approval::short;
use crate::api::condition::{self, clip};
use crate::api::design::{Counts, DesignStatus, DesiredState, Health, Severity, Sync};
use crate::api::names::sha256_hex;
use crate::api::session::{Language, SessionPhase};
use crate::api::terraformjob::JobPhase;
use crate::api::{Approval, Design, Reason, Session, TerraformJob, WhoActs};

/// How often a waiting status looks at the running job: progress is a line for a person, once a second is enough.
const TICK: Duration = Duration::from_secs(1);
/// How many entries of a list a status shows.
const LIST: usize = 10;

/// Arguments of get_status.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct GetStatus {
    /// Session id.
    pub session_id: String,
    /// Wait up to so many seconds for a change from since, or, without since, until it rests.
    #[schemars(range(min = 0, max = 55))]
    pub wait_seconds: Option<u64>,
    /// since of an earlier answer.
    #[schemars(length(max = 64))]
    pub since: Option<String>,
}

/// Where a session stands.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct Status {
    #[serde(skip)]
    pub(super) summary: String,
    /// session
    pub session_id: String,
    /// phase of the conversation
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<SessionPhase>,
    /// true while the session is being deleted
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleting: bool,
    /// where it is built
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// generation of the design
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// generation this status was computed from; smaller: the controllers are not there yet
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// how far Galley goes
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_state: Option<DesiredState>,
    /// nothing is started while true
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// Synced, OutOfSync, Unknown
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<Sync>,
    /// Healthy, Progressing, Degraded, Suspended, Missing
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// is it as it should be?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// closed reason
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_reason: Option<String>,
    /// in words
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_message: Option<String>,
    /// what it waits for
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_reason: Option<String>,
    /// findings
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<FindingsView>,
    /// what the structural diff expects
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<PreviewView>,
    /// newest plan
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanBrief>,
    /// the job under way
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_job: Option<JobView>,
    /// the last failure
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<FailureView>,
    /// what was changed behind Terraform's back
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftView>,
    /// addresses whose making was cut off
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub in_flight: Vec<String>,
    /// resources built: total
    pub resources: usize,
    /// resources built, by type
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub resources_by_type: BTreeMap<String, usize>,
    /// outputs that are not sensitive
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Value>,
    /// what to call next
    pub next_actions: Vec<String>,
    /// true when it differs from the given since
    pub changed: bool,
    /// pass back as since
    pub since: String,
}

/// A plan in a few words.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct PlanBrief {
    /// what approve_plan takes
    pub plan_sha256: String,
    /// true for a destroy plan
    pub destroy: bool,
    /// counts
    pub counts: Counts,
    /// resources found deleted in the cloud
    pub drift_deletes: usize,
    /// RFC 3339
    pub created_at: String,
    /// RFC 3339
    pub expires_at: String,
    /// too old to be applied
    pub expired: bool,
}

/// A job in a few words.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct JobView {
    /// name
    pub job: String,
    /// plan, apply, destroy, refresh
    pub kind: String,
    /// phase
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<JobPhase>,
    /// step
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// resources done
    pub done: usize,
    /// resources to do
    pub total: usize,
    /// addresses being worked on
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub current: Vec<String>,
    /// it was asked to stop
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cancelling: bool,
    /// why it waits
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_reason: Option<String>,
    /// since how many seconds the session is held
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<i64>,
}

/// The last failure, bounded.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
pub struct FailureView {
    /// job
    pub job: String,
    /// plan, apply, destroy, refresh
    pub kind: String,
    /// Stalled (a person), Waiting, Retry (by itself)
    pub who_acts: WhoActs,
    /// closed reason
    pub reason: String,
    /// what Terraform or OCI said
    pub diagnostics: Vec<DiagnosticView>,
    /// what to do
    pub next_actions: Vec<String>,
    /// how often it was tried
    pub attempts: u32,
    /// when it is tried again by itself
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<String>,
    /// made before it failed
    pub created: Vec<String>,
    /// failed
    pub failed: Vec<String>,
    /// planned and not tried
    pub not_attempted: Vec<String>,
    /// entries left out of the three lists
    #[serde(skip_serializing_if = "is_zero")]
    pub omitted: usize,
}

/// One diagnostic, bounded.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
pub struct DiagnosticView {
    /// error, warning, info
    pub severity: Severity,
    /// `<status>-<Code>` of OCI
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// first line
    pub summary: String,
    /// the rest, clipped
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Terraform address
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// file:line of the rendered design
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// what to do
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_action: Option<String>,
}

/// Drift, bounded.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct DriftView {
    /// when it was looked for
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<String>,
    /// how many resources differ
    pub count: usize,
    /// the first ones
    pub items: Vec<ChangeView>,
}

/// What a waiting status tells while it waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// seconds waited; grows with every report
    pub elapsed: f64,
    /// seconds it may wait
    pub total: f64,
    /// where it stands, in words
    pub message: String,
}

/// Takes the reports of a waiting status. Must not block.
pub type Observer = Arc<dyn Fn(Progress) + Send + std::marker::Sync>;

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The documents a status is made of.
struct Seen {
    session: Session,
    design: Option<Design>,
    job: Option<TerraformJob>,
}

impl Services {
    /// Where a session stands; waits when asked to.
    ///
    /// # Errors
    /// `session_not_found` (also when it is deleted while waiting), `storage_unavailable`.
    pub async fn get_status(&self, input: GetStatus) -> Result<Status, Error> {
        self.get_status_observed(input, None).await
    }

    /// The same, with reports while it waits. Dropping the future ends the wait; nothing is left behind.
    pub async fn get_status_observed(&self, input: GetStatus, observer: Option<Observer>) -> Result<Status, Error> {
        let wait = Duration::from_secs(input.wait_seconds.unwrap_or(0)).min(MAX_WAIT).min(self.parts().settings.max_wait);
        let started = tokio::time::Instant::now();
        let deadline = started + wait;
        let mut changes = None;
        loop {
            let seen = self.look(&input.session_id).await?;
            let token = token(&seen.session, seen.design.as_ref(), seen.job.as_ref());
            let changed = input.since.as_deref().is_some_and(|since| since != token);
            let settled = if input.since.is_some() { changed } else { rests(&seen) };
            let now = tokio::time::Instant::now();
            if settled || now >= deadline {
                return Ok(self.status_of(&seen, token, changed || input.since.is_none()));
            }
            if let Some(observer) = &observer {
                let message = status_line(&seen);
                observer(Progress { elapsed: (now - started).as_secs_f64(), total: wait.as_secs_f64(), message });
            }
            // The first event of a fresh watch is the present state, so nothing between look and watch is missed.
            let stream = changes.get_or_insert_with(|| Box::pin(self.design_changes(&input.session_id)));
            tokio::select! {
                // cancel safe: an event lost here only means that the next look comes with the tick
                _ = stream.next() => {}
                _ = tokio::time::sleep_until(deadline.min(now + TICK)) => {}
            }
        }
    }

    /// Rings whenever the design changes. Errors of the watch are a pause, never an end: the tick goes on looking.
    fn design_changes(&self, name: &str) -> impl Stream<Item = ()> + Send + use<> {
        watch_object(self.designs(), name)
            .then(|event| async move {
                if event.is_err() {
                    tokio::time::sleep(TICK).await;
                }
            })
            .chain(futures::stream::pending())
    }

    async fn look(&self, name: &str) -> Result<Seen, Error> {
        let session = self.session(name).await?;
        let design = self.design_opt(&session).await?;
        let job = self.jobs_of(&session, design.as_ref()).await?;
        Ok(Seen { session, design, job })
    }

    async fn jobs_of(&self, session: &Session, design: Option<&Design>) -> Result<Option<TerraformJob>, Error> {
        match active_job_name(session, design) {
            Some(name) => self.job_opt(session, &name).await,
            None => Ok(None),
        }
    }

    /// The active job, for a token that is compared later.
    pub(super) async fn jobs_token(&self, session: &Session, design: &Design) -> Result<Option<TerraformJob>, Error> {
        self.jobs_of(session, Some(design)).await
    }

    /// Waits until the design satisfies `done`, at most `limit`. Gives the last one seen.
    pub(super) async fn until_design(&self, name: &str, limit: Duration, done: impl Fn(&Design) -> bool) -> Option<Design> {
        let mut stream = Box::pin(watch_object(self.designs(), name));
        let mut last = None;
        let wait = async {
            while let Some(event) = stream.next().await {
                if let Ok(Some(design)) = event {
                    let enough = done(&design);
                    last = Some(design);
                    if enough {
                        break;
                    }
                }
            }
        };
        // Running out of time is an answer, too: what was seen last.
        let _ = tokio::time::timeout(limit, wait).await;
        last
    }

    /// Waits until an approval is consumed or refused, at most `limit`. Gives the last one seen.
    pub(super) async fn until_approval(&self, name: &str, limit: Duration) -> Option<Approval> {
        let mut stream = Box::pin(watch_object(self.approvals(), name));
        let mut last = None;
        let wait = async {
            while let Some(event) = stream.next().await {
                if let Ok(Some(approval)) = event {
                    let status = approval.status.as_ref();
                    let enough = status.is_some_and(|status| status.consumed_by.is_some() || status.refused.is_some());
                    last = Some(approval);
                    if enough {
                        break;
                    }
                }
            }
        };
        let _ = tokio::time::timeout(limit, wait).await;
        last
    }

    fn status_of(&self, seen: &Seen, token: String, changed: bool) -> Status {
        let Seen { session, design, job } = seen;
        let language = session.spec.language;
        let mut view = Status {
            summary: String::new(),
            session_id: name_of(session).to_owned(),
            phase: session.status.as_ref().and_then(|status| status.phase),
            deleting: session.metadata.deletion_timestamp.is_some(),
            next_actions: next_actions(language, session, design.as_ref()),
            changed,
            since: token,
            active_job: self.job_view(session, design.as_ref(), job.as_ref()),
            ..Status::default()
        };
        if let Some(design) = design {
            self.fill(&mut view, design);
        }
        view.summary = summary(language, &view);
        view
    }

    fn fill(&self, view: &mut Status, design: &Design) {
        let status = design.status.clone().unwrap_or_default();
        let ready = condition::condition(&status.conditions, condition::READY);
        view.target = Some(target_word(design.spec.target).to_owned());
        view.generation = design.metadata.generation;
        view.observed_generation = status.observed_generation;
        view.desired_state = Some(design.spec.desired_state);
        view.suspended = design.spec.suspend;
        view.sync = status.sync;
        view.health = status.health;
        view.ready = ready.map(|ready| ready.status == "True");
        view.ready_reason = ready.map(|ready| ready.reason.clone());
        view.ready_message = ready.map(|ready| clip(&ready.message, 600)).filter(|message| !message.is_empty());
        view.wait_reason = status.wait_reason.clone();
        view.findings = status.findings.as_ref().map(|findings| FindingsView {
            errors: findings.errors,
            warnings: findings.warnings,
            infos: findings.infos,
            items: findings.items.iter().take(5).cloned().collect(),
        });
        view.preview = status.preview.as_ref().filter(|_| status.plan.is_none()).map(|preview| PreviewView {
            counts: preview.counts,
            changes: preview.changes.iter().take(LIST).map(ChangeView::of).collect(),
        });
        let now = self.parts().clock.now();
        view.plan = status.plan.as_ref().map(|plan| PlanBrief {
            plan_sha256: plan.plan_sha256.clone(),
            destroy: plan.destroy,
            counts: plan.counts,
            drift_deletes: plan.drift_deletes.len(),
            created_at: plan.created_at.0.to_string(),
            expires_at: plan.expires_at.0.to_string(),
            expired: now.0 >= plan.expires_at.0,
        });
        view.last_failure = failure_view(&status);
        view.drift = status.drift.as_ref().map(|drift| DriftView {
            checked_at: drift.checked_at.as_ref().map(|time| time.0.to_string()),
            count: drift.items.len(),
            items: drift.items.iter().take(LIST).map(ChangeView::of).collect(),
        });
        view.in_flight = status.outcome.iter().flat_map(|outcome| &outcome.in_flight).take(LIST).map(|one| one.address.clone()).collect();
        view.resources = super::session::built_resources(design);
        view.resources_by_type = status.resources.map(|resources| resources.by_type).unwrap_or_default();
        view.outputs = status.outputs.into_iter().take(20).map(|(name, value)| (name, bounded(value))).collect();
    }

    fn job_view(&self, session: &Session, design: Option<&Design>, job: Option<&TerraformJob>) -> Option<JobView> {
        let operation = self.operation(session);
        let name = active_job_name(session, design).or_else(|| operation.as_ref().map(|operation| operation.job.clone()))?;
        let status = job.and_then(|job| job.status.clone()).unwrap_or_default();
        let progress = status.progress.unwrap_or_default();
        let kind = match (job, &operation) {
            (Some(job), _) => job.spec.action.as_str().to_owned(),
            (None, Some(operation)) => operation.kind.to_lowercase(),
            (None, None) => String::new(),
        };
        Some(JobView {
            job: name,
            kind,
            phase: job.map(TerraformJob::phase),
            step: Some(progress.step).filter(|step| !step.is_empty()),
            done: progress.done,
            total: progress.total,
            current: progress.current.into_iter().take(LIST).collect(),
            cancelling: job.is_some_and(|job| job.spec.cancel),
            wait_reason: status.wait_reason,
            age_seconds: operation.map(|operation| operation.age_seconds),
        })
    }
}

/// The job under way: the design says it, else the gate of the session.
pub(super) fn active_job_name(session: &Session, design: Option<&Design>) -> Option<String> {
    let of_design = design.and_then(|design| design.status.as_ref()).and_then(|status| status.active_job.clone());
    of_design.or_else(|| {
        let operation = session.status.as_ref()?.active_operation.as_ref()?;
        (operation.kind == "TerraformJob").then(|| operation.name.clone())
    })
}

/// Digest of what is worth waking a waiting caller for.
pub(super) fn token(session: &Session, design: Option<&Design>, job: Option<&TerraformJob>) -> String {
    let status = design.and_then(|design| design.status.clone()).unwrap_or_default();
    let ready = condition::condition(&status.conditions, condition::READY);
    let matter = json!([
        session.metadata.uid,
        session.metadata.deletion_timestamp.is_some(),
        session.status.as_ref().and_then(|status| status.phase),
        design.map(|design| (&design.metadata.uid, design.metadata.generation, design.spec.desired_state, design.spec.suspend)),
        status.observed_generation,
        (status.sync, status.health),
        ready.map(|ready| (&ready.status, &ready.reason)),
        status.wait_reason,
        status.plan.as_ref().map(|plan| (&plan.plan_sha256, plan.generation)),
        active_job_name(session, design),
        job.map(|job| (job.phase(), job.spec.cancel)),
        status.last_failure.as_ref().map(|failure| (&failure.job, failure.attempts)),
        status.drift.as_ref().map(|drift| &drift.items),
        status.state.as_ref().map(|state| state.resources),
        status.handled_request_id,
        status.outcome.as_ref().map(|outcome| (outcome.unknown, outcome.in_flight.len())),
    ]);
    sha256_hex(matter.to_string())[..16].to_owned()
}

/// Nothing will change by itself: it is done, or a person acts next.
fn rests(seen: &Seen) -> bool {
    let Some(design) = &seen.design else { return seen.session.metadata.deletion_timestamp.is_none() };
    let status = design.status.clone().unwrap_or_default();
    if status.observed_generation < design.metadata.generation || active_job_name(&seen.session, seen.design.as_ref()).is_some() {
        return false;
    }
    reason_of(&status).is_some_and(rests_at)
}

fn rests_at(reason: Reason) -> bool {
    match reason {
        Reason::JobRunning | Reason::SessionBusy | Reason::RetryScheduled | Reason::OutcomeUnknown | Reason::StorageUnavailable => false,
        Reason::Draft
        | Reason::Synced
        | Reason::PlanReady
        | Reason::AwaitingApproval
        | Reason::PlanExpired
        | Reason::InvalidDesign
        | Reason::InvalidDocument
        | Reason::JobFailed
        | Reason::InFlightUnconfirmed
        | Reason::ResourcesVanished
        | Reason::OwnerUnknown
        | Reason::StateUnavailable
        | Reason::SecretMissing
        | Reason::Suspended
        | Reason::Destroyed
        | Reason::Cancelled
        | Reason::ApprovalRefused
        | Reason::Internal => true,
    }
}

fn reason_of(status: &DesignStatus) -> Option<Reason> {
    let ready = condition::condition(&status.conditions, condition::READY)?;
    serde_json::from_value(Value::from(ready.reason.clone())).ok()
}

/// What to call next, in the session's language.
pub(super) fn next_actions(language: Language, session: &Session, design: Option<&Design>) -> Vec<String> {
    let Some(design) = design else {
        return match session.metadata.deletion_timestamp {
            Some(_) => vec![say(language, Text::NextWait, &[])],
            None => vec![say(language, Text::NextSave, &[])],
        };
    };
    let status = design.status.clone().unwrap_or_default();
    if status.observed_generation < design.metadata.generation {
        return next_after_edit(language, design);
    }
    let job = status.last_failure.as_ref().map_or("", |failure| failure.job.as_str());
    let texts: &[Text] = match reason_of(&status) {
        None => &[Text::NextWait],
        Some(reason) => match reason {
            Reason::Draft => &[Text::NextPlan],
            Reason::Synced => &[Text::NextDone],
            Reason::PlanReady => &[Text::NextApplied],
            Reason::AwaitingApproval => &[Text::NextApprove],
            Reason::PlanExpired => &[Text::NextReplan],
            Reason::JobRunning | Reason::SessionBusy | Reason::RetryScheduled | Reason::OutcomeUnknown | Reason::StorageUnavailable => {
                &[Text::NextWait]
            }
            Reason::InvalidDesign | Reason::InvalidDocument => &[Text::NextMend],
            Reason::JobFailed | Reason::Cancelled => &[Text::NextRetry],
            Reason::ApprovalRefused => &[Text::NextApprove],
            Reason::InFlightUnconfirmed
            | Reason::ResourcesVanished
            | Reason::OwnerUnknown
            | Reason::StateUnavailable
            | Reason::Internal => &[Text::NextPerson],
            Reason::SecretMissing => &[Text::NextSecret],
            Reason::Suspended => &[Text::NextSuspended],
            Reason::Destroyed => &[Text::NextDestroyed],
        },
    };
    let mut actions: Vec<String> = texts.iter().map(|text| say(language, *text, &[("job", job)])).collect();
    if status.drift.as_ref().is_some_and(|drift| !drift.items.is_empty()) {
        actions.push(say(language, Text::NextDrift, &[]));
    }
    actions
}

/// What to call after a plain edit that the controllers have not seen yet.
pub(super) fn next_after_edit(language: Language, design: &Design) -> Vec<String> {
    let text = match (design.spec.suspend, design.spec.desired_state) {
        (true, _) => Text::NextSuspended,
        (false, DesiredState::Draft) => Text::NextPlan,
        (false, DesiredState::Planned | DesiredState::Applied | DesiredState::Destroyed) => Text::NextWait,
    };
    vec![say(language, text, &[])]
}

/// The same after save_architecture: a draft is planned next, anything else is reconciled by itself.
pub(super) fn next_after_save(language: Language, design: &Design) -> Vec<String> {
    next_after_edit(language, design)
}

fn failure_view(status: &DesignStatus) -> Option<FailureView> {
    let failure = status.last_failure.as_ref()?;
    let short_list = |list: &[String]| -> Vec<String> { list.iter().take(LIST).cloned().collect() };
    let left = |list: &[String]| list.len().saturating_sub(LIST);
    Some(FailureView {
        job: failure.job.clone(),
        kind: failure.action.as_str().to_owned(),
        who_acts: failure.class,
        reason: failure.reason.to_string(),
        diagnostics: failure
            .diagnostics
            .iter()
            .take(3)
            .map(|diagnostic| DiagnosticView {
                severity: diagnostic.severity,
                code: diagnostic.code.clone(),
                summary: clip(&diagnostic.summary, 300),
                detail: clip(&diagnostic.detail, 600),
                address: diagnostic.address.clone(),
                place: diagnostic.file.as_ref().map(|file| format!("{file}:{}", diagnostic.line.unwrap_or(0))),
                next_action: diagnostic.next_action.clone(),
            })
            .collect(),
        next_actions: failure.next_actions.clone(),
        attempts: failure.attempts,
        retry_at: failure.retry_at.as_ref().map(|time| time.0.to_string()),
        created: short_list(&failure.created),
        failed: short_list(&failure.failed),
        not_attempted: short_list(&failure.not_attempted),
        omitted: left(&failure.created) + left(&failure.failed) + left(&failure.not_attempted),
    })
}

/// An output value, bounded: a kubeconfig is fetched elsewhere.
fn bounded(value: Value) -> Value {
    let text = value.to_string();
    if text.len() <= 400 { value } else { Value::from(clip(&text, 400)) }
}

fn word<T: std::fmt::Debug>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:?}"))
}

fn job_line(language: Language, job: &JobView) -> String {
    let (done, total) = (job.done.to_string(), job.total.to_string());
    let phase = word(job.phase);
    let mut line = say(language, Text::StatusJob, &[("action", job.kind.as_str()), ("done", &done), ("total", &total), ("phase", &phase)]);
    if let Some(address) = job.current.first() {
        line.push(' ');
        line.push_str(address);
    }
    line
}

/// One line for a progress notification.
fn status_line(seen: &Seen) -> String {
    let language = seen.session.spec.language;
    let status = seen.design.as_ref().and_then(|design| design.status.clone()).unwrap_or_default();
    match &seen.job {
        Some(job) => {
            let progress = job.status.as_ref().and_then(|status| status.progress.clone()).unwrap_or_default();
            job_line(
                language,
                &JobView {
                    kind: job.spec.action.as_str().to_owned(),
                    phase: Some(job.phase()),
                    done: progress.done,
                    total: progress.total,
                    current: progress.current,
                    ..JobView::default()
                },
            )
        }
        None => {
            let reason = reason_of(&status).map_or("-", Reason::as_str);
            let values = [
                ("session", name_of(&seen.session).to_owned()),
                ("sync", word(status.sync)),
                ("health", word(status.health)),
                ("reason", reason.to_owned()),
            ];
            let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
            say(language, Text::StatusLine, &values)
        }
    }
}

/// The text of the answer: state, wait, job, plan, failure, drift, next step; one line each.
fn summary(language: Language, view: &Status) -> String {
    if view.generation.is_none() {
        return [say(language, Text::StatusNoDesign, &[("session", &view.session_id)]), view.next_actions.join("\n")].join("\n");
    }
    let reason = view.ready_reason.clone().unwrap_or_else(|| "-".to_owned());
    let (sync, health) = (word(view.sync), word(view.health));
    let mut lines =
        vec![say(language, Text::StatusLine, &[("session", &view.session_id), ("sync", &sync), ("health", &health), ("reason", &reason)])];
    if let Some(wait) = &view.wait_reason {
        lines.push(say(language, Text::StatusWaits, &[("wait", wait)]));
    }
    if let Some(job) = &view.active_job {
        lines.push(job_line(language, job));
    }
    if let Some(plan) = &view.plan {
        // The whole digest: a host that shows only text must be able to approve.
        lines.push(say(language, Text::StatusPlan, &[("sha", &plan.plan_sha256), ("counts", &counts_line(language, &plan.counts))]));
    }
    if let Some(failure) = &view.last_failure {
        let said = failure.diagnostics.first().map_or(failure.reason.as_str(), |diagnostic| diagnostic.summary.as_str());
        lines.push(say(language, Text::StatusFailed, &[("action", &failure.kind), ("summary", said)]));
    }
    if let Some(drift) = view.drift.as_ref().filter(|drift| drift.count > 0) {
        lines.push(say(language, Text::StatusDrift, &[("count", &drift.count.to_string())]));
    }
    for finding in view.findings.iter().flat_map(|findings| &findings.items).filter(|finding| finding.severity == Severity::Error).take(3) {
        lines.push(format!("{}: {}", finding.path, clip(&finding.message, 200)));
    }
    lines.extend(view.next_actions.iter().cloned());
    lines.push(format!("since: {}", view.since));
    lines.join("\n")
}

/// The plan's digest for people.
pub(super) fn short_sha(sha: &str) -> &str {
    short(sha)
}
