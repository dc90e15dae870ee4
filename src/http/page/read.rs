//! What the pages show, read through the Kubernetes client and the services. IO, read-only.
//!
//! A document that does not decode becomes a row that says so; it never hides the others.

use kube::Api;
use kube::api::ListParams;
use kube::core::DeserializeGuard;
use serde::{Deserialize, Serialize};

use super::Page;
use crate::api::approval::Channel;
use crate::api::condition::{self, READY, STALLED};
use crate::api::design::{Change, ChangeAction, PlanRecord};
use crate::api::terraformjob::Action;
use crate::api::{Approval, Design, NAMESPACE, Reason, Session, TerraformJob, Time};
use crate::services::log::GetJobLog;
use crate::services::plan::{ChangeView, Detail, GetPlan, PlanPage};

/// Documents in one request of a list.
const CHUNK: u32 = 500;
/// Changes a page shows at most; beyond it the counts and every destruction still stand.
const MOST_CHANGES: usize = 1_000;
/// Bytes of a log a page shows: some 500 lines; the end of it is what people look for.
const LOG_BYTES: usize = 64 * 1024;
/// Pages of the service this takes at most.
const LOG_PAGES: usize = 40;
/// Entries of the history: ten jobs are kept, approvals for thirty days.
const MOST_HISTORY: usize = 40;
/// Label by which the design controller marks its jobs.
const DESIGN_LABEL: &str = "galley.dev/design";
/// Annotation of a design that keeps the page's refusals, newest first, as JSON.
pub(super) const REFUSALS: &str = "galley.dev/refused-plans";

/// Somebody's no to one plan.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefusedPlan {
    /// the plan
    pub(super) plan_sha256: String,
    /// who, from the credential
    pub(super) by: String,
    /// when
    pub(super) at: Time,
    /// why, in words
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// The refusals of a design; what somebody else wrote into the annotation counts as none.
pub(super) fn refusals(design: &Design) -> Vec<RefusedPlan> {
    let text = design.metadata.annotations.as_ref().and_then(|annotations| annotations.get(REFUSALS));
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Why a page cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// no such design or job
    #[error("not found")]
    NotFound,
    /// the store does not answer
    #[error("cannot read documents")]
    Read {
        /// why
        #[source]
        source: Box<kube::Error>,
    },
    /// a service refused
    #[error("cannot read details: {0}")]
    Service(crate::services::Error),
}

fn read(source: kube::Error) -> Error {
    Error::Read { source: Box::new(source) }
}

/// One row of the list.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) created: Option<Time>,
    /// None: the conversation goes on and nothing was designed yet
    pub(super) design: Option<Design>,
    /// why a document cannot be read
    pub(super) broken: Option<String>,
}

impl Row {
    /// A person has to decide about a plan.
    pub(super) fn waits(&self) -> bool {
        self.design.as_ref().and_then(reason) == Some(Reason::AwaitingApproval)
    }
    /// Nothing goes on until a person changes something.
    pub(super) fn stuck(&self) -> bool {
        let stalled = self.design.as_ref().and_then(|design| condition::condition(&design.status.as_ref()?.conditions, STALLED));
        self.broken.is_some() || (!self.waits() && stalled.is_some_and(|stalled| stalled.status == "True"))
    }
}

/// Why `Ready` is what it is.
pub(super) fn reason(design: &Design) -> Option<Reason> {
    let ready = condition::condition(&design.status.as_ref()?.conditions, READY)?;
    Reason::ALL.iter().copied().find(|reason| reason.as_str() == ready.reason)
}

/// One thing that happened.
pub(super) enum Event {
    Job(Box<TerraformJob>),
    Approval(Box<Approval>),
    Refusal(RefusedPlan),
}

impl Event {
    fn at(&self) -> Option<Time> {
        match self {
            Event::Job(job) => job.metadata.creation_timestamp.clone(),
            Event::Approval(approval) => approval.metadata.creation_timestamp.clone(),
            Event::Refusal(refusal) => Some(refusal.at.clone()),
        }
    }
}

/// A plan, as far as a page shows it.
pub(super) struct PlanView {
    pub(super) record: PlanRecord,
    pub(super) changes: Vec<ChangeView>,
    pub(super) omitted: usize,
    /// made for the design as it is
    pub(super) current: bool,
    pub(super) expired: bool,
    /// somebody said no to it
    pub(super) refused: Option<RefusedPlan>,
}

impl PlanView {
    /// Something is destroyed or replaced, or was found gone.
    pub(super) fn is_destructive(&self) -> bool {
        let counts = self.record.counts;
        self.record.destroy || counts.delete + counts.replace > 0 || !self.record.drift_deletes.is_empty()
    }
}

/// Everything one design's page shows.
pub(super) struct DesignView {
    pub(super) session: Session,
    pub(super) design: Design,
    pub(super) plan: Option<PlanView>,
    pub(super) job: Option<TerraformJob>,
    pub(super) history: Vec<Event>,
}

impl Page {
    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.parts.reader.client.clone(), NAMESPACE)
    }

    /// Every session with its design: what waits for a decision first, then what is stuck, then the newest.
    pub(super) async fn rows(&self) -> Result<Vec<Row>, Error> {
        let mut designs = std::collections::BTreeMap::new();
        for guarded in self.all::<Design>().await? {
            match guarded.0 {
                Ok(design) => designs.insert(design.metadata.name.clone().unwrap_or_default(), Ok(design)),
                Err(broken) => designs.insert(broken.metadata.name.unwrap_or_default(), Err(broken.error)),
            };
        }
        let mut rows: Vec<Row> = self
            .all::<Session>()
            .await?
            .into_iter()
            .map(|guarded| {
                let (metadata, title, mut broken) = match guarded.0 {
                    Ok(session) => (session.metadata, session.spec.title, None),
                    Err(invalid) => (invalid.metadata, String::new(), Some(invalid.error)),
                };
                let name = metadata.name.unwrap_or_default();
                let design = match designs.remove(&name) {
                    Some(Ok(design)) => Some(design),
                    Some(Err(error)) => {
                        broken.get_or_insert(error);
                        None
                    }
                    None => None,
                };
                let title = if title.is_empty() { name.clone() } else { title };
                Row { title, created: metadata.creation_timestamp, design, broken, name }
            })
            .collect();
        // names carry ULIDs, so name order is age order
        rows.sort_by(|a, b| (b.waits(), b.stuck(), &b.name).cmp(&(a.waits(), a.stuck(), &a.name)));
        Ok(rows)
    }

    async fn all<K>(&self) -> Result<Vec<DeserializeGuard<K>>, Error>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let api: Api<DeserializeGuard<K>> = Api::namespaced(self.parts.reader.client.clone(), NAMESPACE);
        let (mut found, mut params) = (Vec::new(), ListParams::default().limit(CHUNK));
        loop {
            let page = api.list(&params).await.map_err(read)?;
            found.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(found),
            }
        }
    }

    /// A design alone.
    pub(super) async fn design(&self, name: &str) -> Result<Design, Error> {
        if !super::request::is_name(name) {
            return Err(Error::NotFound);
        }
        self.api::<Design>().get_opt(name).await.map_err(read)?.ok_or(Error::NotFound)
    }

    /// The session of a design.
    pub(super) async fn session(&self, name: &str) -> Result<Session, Error> {
        if !super::request::is_name(name) {
            return Err(Error::NotFound);
        }
        self.api::<Session>().get_opt(name).await.map_err(read)?.ok_or(Error::NotFound)
    }

    /// Everything about one design.
    pub(super) async fn view(&self, name: &str) -> Result<DesignView, Error> {
        let (session, design) = (self.session(name).await?, self.design(name).await?);
        let status = design.status.clone().unwrap_or_default();
        let plan = match status.plan {
            Some(record) => Some(self.plan(&design, record).await),
            None => None,
        };
        let job = match &status.active_job {
            Some(job) => self.api::<TerraformJob>().get_opt(job).await.map_err(read)?,
            None => None,
        };
        let history = self.history(&design).await?;
        Ok(DesignView { session, design, plan, job, history })
    }

    /// The plan with all its changes. When its details are gone, what the status holds is shown.
    async fn plan(&self, design: &Design, record: PlanRecord) -> PlanView {
        let name = design.metadata.name.clone().unwrap_or_default();
        let (mut changes, mut cursor, mut omitted) = (Vec::new(), None, 0);
        while changes.len() < MOST_CHANGES {
            let input = GetPlan { session_id: name.clone(), detail: Some(Detail::Changes), limit: Some(200), cursor, ..GetPlan::default() };
            match self.parts.reader.services.get_plan(input).await {
                // a newer plan came in between: the next look shows that one
                Ok(page) if page.plan_sha256 == record.plan_sha256 => {
                    changes.extend(page.changes);
                    omitted = page.omitted;
                    cursor = page.next_cursor;
                }
                Ok(_) | Err(_) => cursor = None,
            }
            if cursor.is_none() {
                break;
            }
        }
        if changes.is_empty() {
            changes = record.changes.iter().map(shown).collect();
            omitted = record.counts.total().saturating_sub(changes.len());
        }
        let refused = refusals(design).into_iter().find(|one| one.plan_sha256 == record.plan_sha256);
        let current = Some(record.generation) == design.metadata.generation;
        let expired = self.parts.clock.now().0 >= record.expires_at.0;
        PlanView { record, changes, omitted, current, expired, refused }
    }

    /// One resource of the plan, before and after, sensitive values masked.
    pub(super) async fn plan_resource(&self, name: &str, address: &str) -> Result<PlanPage, Error> {
        let input = GetPlan {
            session_id: name.to_owned(),
            detail: Some(Detail::Resource),
            address: Some(address.to_owned()),
            limit: Some(200),
            ..GetPlan::default()
        };
        self.parts.reader.services.get_plan(input).await.map_err(service)
    }

    /// One job of a design.
    pub(super) async fn job(&self, design: &str, job: &str) -> Result<TerraformJob, Error> {
        if !super::request::is_name(design) || !super::request::is_name(job) {
            return Err(Error::NotFound);
        }
        let found = self.api::<TerraformJob>().get_opt(job).await.map_err(read)?;
        found.filter(|found| found.spec.design_ref == design).ok_or(Error::NotFound)
    }

    /// The end of a job's log, and whether lines before it are left out.
    pub(super) async fn log(&self, design: &str, job: &str) -> Result<(Vec<String>, bool), Error> {
        let ask = |cursor: Option<String>| GetJobLog { session_id: design.to_owned(), job: Some(job.to_owned()), tail_lines: None, cursor };
        let newest = self.parts.reader.services.get_job_log(ask(None)).await.map_err(service)?;
        let start = newest.total_bytes.saturating_sub(LOG_BYTES);
        let (mut lines, mut cursor) = (Vec::new(), start.to_string());
        // a page of the service is a few kilobytes; a log that grows meanwhile is read to its end all the same
        for _ in 0..LOG_PAGES {
            let mut page = self.parts.reader.services.get_job_log(ask(Some(cursor))).await.map_err(service)?;
            lines.append(&mut page.lines);
            cursor = page.next_cursor;
            if !page.more {
                break;
            }
        }
        // the cut goes through a line
        if start > 0 && !lines.is_empty() {
            lines.remove(0);
        }
        Ok((lines, start > 0))
    }

    /// Jobs, approvals and refusals of this design and of no earlier one of its name, newest first.
    async fn history(&self, design: &Design) -> Result<Vec<Event>, Error> {
        let name = design.metadata.name.clone().unwrap_or_default();
        let uid = design.metadata.uid.clone().unwrap_or_default();
        let marked = ListParams::default().labels(&format!("{DESIGN_LABEL}={name}"));
        let jobs = Api::<DeserializeGuard<TerraformJob>>::namespaced(self.parts.reader.client.clone(), NAMESPACE);
        let jobs = jobs.list(&marked).await.map_err(read)?.items.into_iter().filter_map(|job| job.0.ok());
        let approvals = self.all::<Approval>().await?.into_iter().filter_map(|approval| approval.0.ok());
        let mut events: Vec<Event> = jobs
            .filter(|job| job.spec.design_uid == uid)
            .map(|job| Event::Job(Box::new(job)))
            .chain(approvals.filter(|approval| approval.spec.design_uid == uid).map(|approval| Event::Approval(Box::new(approval))))
            .chain(refusals(design).into_iter().map(Event::Refusal))
            .collect();
        // a yes is written down before the job it starts; within one second that order is kept
        let rank = |event: &Event| match event {
            Event::Job(job) if job.spec.action.changes_the_cloud() => 2,
            Event::Approval(_) | Event::Refusal(_) => 1,
            Event::Job(_) => 0,
        };
        events.sort_by_key(|event| std::cmp::Reverse((event.at().map(|at| at.0), rank(event))));
        events.truncate(MOST_HISTORY);
        Ok(events)
    }

    /// The job that changes the cloud for this design now, if one is open.
    pub(super) async fn open_change(&self, design: &Design) -> Result<Option<String>, Error> {
        let Some(name) = design.status.as_ref().and_then(|status| status.active_job.clone()) else { return Ok(None) };
        let job = self.api::<TerraformJob>().get_opt(&name).await.map_err(read)?;
        Ok(job.filter(|job| job.spec.action.changes_the_cloud() && !job.phase().is_terminal()).map(|_| name))
    }
}

fn service(error: crate::services::Error) -> Error {
    match error.code {
        crate::services::Code::SessionNotFound => Error::NotFound,
        _ => Error::Service(error),
    }
}

fn shown(change: &Change) -> ChangeView {
    let changed = if change.action == ChangeAction::Update { change.changed_paths.clone() } else { Vec::new() };
    ChangeView { address: change.address.clone(), action: change.action, forced_by: change.replace_paths.clone(), changed }
}

/// Whether a job of this kind is worth a person's attention while it runs.
pub(super) fn changes(action: Action) -> bool {
    action.changes_the_cloud()
}

/// Through which door an approval came, when the server stamped one.
pub(super) fn channel_of(approval: &Approval) -> Option<Channel> {
    approval.status.as_ref()?.channel
}
