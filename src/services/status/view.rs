//! What a status shows: one bounded picture of session, design and job.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::words::{next_actions, summary};
use super::{Seen, active_job_name};
use crate::api::advice::spoken;
use crate::api::condition::{self, clip};
use crate::api::design::{Counts, DesignStatus, DesiredState, Health, Severity, Sync};
use crate::api::session::{Language, SessionPhase};
use crate::api::terraformjob::JobPhase;
use crate::api::{Design, Session, TerraformJob, WhoActs};
use crate::services::Services;
use crate::services::architecture::{FindingsView, PreviewView};
use crate::services::documents::name_of;
use crate::services::plan::ChangeView;
use crate::services::session::{built_resources, target_word};

/// How many entries of a list a status shows.
const LIST: usize = 10;
/// How many outputs a status shows, and how much of each; a kubeconfig is fetched elsewhere.
const OUTPUTS: usize = 15;
const OUTPUT_BYTES: usize = 250;

/// Where a session stands.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct Status {
    #[serde(skip)]
    pub(in crate::services) summary: String,
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

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Services {
    pub(super) fn status_of(&self, seen: &Seen, token: String, changed: bool) -> Status {
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
            self.fill(&mut view, design, language);
        }
        view.summary = summary(language, &view);
        view
    }

    fn fill(&self, view: &mut Status, design: &Design, language: Language) {
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
        view.findings = status.findings.as_ref().map(|findings| FindingsView::of_status(findings, 5));
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
        view.last_failure = failure_view(language, &status);
        view.drift = status.drift.as_ref().map(|drift| DriftView {
            checked_at: drift.checked_at.as_ref().map(|time| time.0.to_string()),
            count: drift.items.len(),
            items: drift.items.iter().take(LIST).map(ChangeView::of).collect(),
        });
        view.in_flight = status.outcome.iter().flat_map(|outcome| &outcome.in_flight).take(LIST).map(|one| one.address.clone()).collect();
        view.resources = built_resources(design);
        view.resources_by_type = status.resources.into_iter().flat_map(|resources| resources.by_type).take(30).collect();
        view.outputs = status.outputs.into_iter().take(OUTPUTS).map(|(name, value)| (name, bounded(value))).collect();
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

fn failure_view(language: Language, status: &DesignStatus) -> Option<FailureView> {
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
                next_action: diagnostic.next_action.as_deref().map(|text| spoken(text, language).to_owned()),
            })
            .collect(),
        next_actions: failure.next_actions.iter().take(5).map(|action| clip(spoken(action, language), 300)).collect(),
        attempts: failure.attempts,
        retry_at: failure.retry_at.as_ref().map(|time| time.0.to_string()),
        created: short_list(&failure.created),
        failed: short_list(&failure.failed),
        not_attempted: short_list(&failure.not_attempted),
        omitted: left(&failure.created) + left(&failure.failed) + left(&failure.not_attempted),
    })
}

/// An output value, bounded.
fn bounded(value: Value) -> Value {
    let text = value.to_string();
    if text.len() <= OUTPUT_BYTES { value } else { Value::from(clip(&text, OUTPUT_BYTES)) }
}
