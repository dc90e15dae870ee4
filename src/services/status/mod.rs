//! `get_status`: everything a person wants to know about a session, and the long poll that waits for it to change.
//!
//! A long poll watches documents; it never waits for a process. What woke it carries no message: the documents are read
//! again. `since` is a digest of what matters (not of counters that tick), so a wait ends when something is worth saying.

mod view;
mod words;

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::watcher::watch_object;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use view::{DiagnosticView, DriftView, FailureView, JobView, PlanBrief, Status};
pub(super) use words::{next_actions, next_after_edit};

use super::error::Error;
use super::{MAX_WAIT, Services};
use crate::api::condition;
use crate::api::names::sha256_hex;
use crate::api::{Approval, Design, Reason, Session, TerraformJob};

/// How often a waiting status looks at the running job: progress is a line for a person, once a second is enough.
const TICK: Duration = Duration::from_secs(1);

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
                let message = words::status_line(&seen);
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
    words::reason_of(&status).is_some_and(rests_at)
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
        | Reason::TenancyUnavailable
        | Reason::SecretMissing
        | Reason::Suspended
        | Reason::Destroyed
        | Reason::Cancelled
        | Reason::ApprovalRefused
        | Reason::Internal => true,
    }
}
