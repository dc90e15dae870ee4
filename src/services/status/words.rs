//! What a status says: the next call, one line of progress, and the text of an answer. Pure.

use super::Seen;
use super::view::{JobView, Status};
use crate::api::approval::short;
use crate::api::condition::{self, clip};
use crate::api::design::{DesignStatus, DesiredState, Severity};
use crate::api::session::Language;
use crate::api::{Design, Reason, Session};
use crate::services::documents::name_of;
use crate::services::plan::counts_line;
use crate::services::text::{Text, say};

pub(super) fn reason_of(status: &DesignStatus) -> Option<Reason> {
    let ready = condition::condition(&status.conditions, condition::READY)?;
    serde_json::from_value(serde_json::Value::from(ready.reason.clone())).ok()
}

/// What to call next, in the session's language.
pub(in crate::services) fn next_actions(language: Language, session: &Session, design: Option<&Design>) -> Vec<String> {
    let Some(design) = design else {
        return match session.metadata.deletion_timestamp {
            Some(_) => vec![say(language, Text::NextWait, &[])],
            None => {
                let heard = session.spec.hearing.as_ref().is_some_and(|hearing| hearing.completed);
                let text = match (heard, session.spec.answers.is_empty()) {
                    (true, _) => Text::NextDesign,
                    (false, true) => Text::NextHear,
                    // The answers that are there may be all: what is missing, save_answers and complete_hearing say.
                    (false, false) => Text::NextComplete,
                };
                vec![say(language, text, &[])]
            }
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
            | Reason::TenancyUnavailable
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
pub(in crate::services) fn next_after_edit(language: Language, design: &Design) -> Vec<String> {
    let text = match (design.spec.suspend, design.spec.desired_state) {
        (true, _) => Text::NextSuspended,
        (false, DesiredState::Draft) => Text::NextPlan,
        (false, DesiredState::Planned | DesiredState::Applied | DesiredState::Destroyed) => Text::NextWait,
    };
    vec![say(language, text, &[])]
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
pub(super) fn status_line(seen: &Seen) -> String {
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

/// What it waits for, in the session's language where that is a plan or a job; the document says it in English.
fn wait_words(language: Language, view: &Status, wait: &str) -> String {
    match (view.ready_reason.as_deref(), &view.plan, &view.active_job) {
        (Some("AwaitingApproval"), Some(plan), _) => say(language, Text::WaitsForApproval, &[("plan", short(&plan.plan_sha256))]),
        (Some("JobRunning"), _, Some(job)) if wait.ends_with(&job.job) => say(language, Text::WaitsForJob, &[("job", &job.job)]),
        (_, _, _) => wait.to_owned(),
    }
}

/// The text of the answer: state, wait, job, plan, failure, drift, next step; one line each.
pub(super) fn summary(language: Language, view: &Status) -> String {
    if view.generation.is_none() {
        return [say(language, Text::StatusNoDesign, &[("session", &view.session_id)]), view.next_actions.join("\n")].join("\n");
    }
    let reason = view.ready_reason.clone().unwrap_or_else(|| "-".to_owned());
    let (sync, health) = (word(view.sync), word(view.health));
    let mut lines =
        vec![say(language, Text::StatusLine, &[("session", &view.session_id), ("sync", &sync), ("health", &health), ("reason", &reason)])];
    if let Some(wait) = &view.wait_reason {
        lines.push(say(language, Text::StatusWaits, &[("wait", &wait_words(language, view, wait))]));
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
