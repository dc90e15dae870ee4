//! The hand that holds Terraform: argv, environment, working directory, mirrored state, owner, signals.
//!
//! One narrow trait, [`Runner`]; the local one starts a child process. Takes files, variables and the expected state;
//! gives a [`Completed`]. Knows documents only as data; never names controllers, services or doors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::api::design::{Change, Diagnostic, InFlight, PlanRecord, StateRecord, Target};
use crate::api::terraformjob::{Action, JobPhase, Owner, Progress};
use crate::api::{Reason, WhoActs};

mod applying;
pub mod args;
mod follow;
mod footprint;
mod inputs;
mod job;
mod local;
mod log;
mod mirror;
mod owner;
mod planning;
pub mod provider_host;
mod recover;
pub mod secrets;
mod version;
mod workdir;

pub use local::{LocalOptions, LocalRunner};
pub use owner::OtherHosts;
pub use provider_host::{ReattachHost, ReattachOptions, TargetHosts};

/// Everything one run needs. Owned, so that a run outlives the reconcile that started it.
#[derive(Debug, Clone)]
pub struct RunInput {
    /// name of the job
    pub job: String,
    /// name of the design
    pub design: String,
    /// uid of the design: names the working directory and every blob
    pub design_uid: String,
    /// what to run
    pub action: Action,
    /// for a Plan: plan the destruction of everything
    pub destroy_plan: bool,
    /// where it runs
    pub target: Target,
    /// rendered files, name → text
    pub files: BTreeMap<String, String>,
    /// variables that are not secret
    pub variables: BTreeMap<String, String>,
    /// secret variables: travel as a 0600 var-file that is deleted after the job
    pub secrets: BTreeMap<String, Secret>,
    /// digest of the inputs
    pub digest: String,
    /// generation of the design
    pub generation: i64,
    /// state the decision was made on; None = nothing was ever applied. Any other state found is refused.
    pub expected_state: Option<StateRecord>,
    /// for Apply and Destroy: (job that planned, sha256 of its plan file)
    pub plan: Option<(String, String)>,
    /// addresses to import, with their ids
    pub imports: BTreeMap<String, String>,
    /// resource and data source types in the files: the sandbox provider serves only these
    pub types: BTreeSet<String>,
    /// how long a plan may be applied, in seconds
    pub plan_ttl_seconds: i64,
    /// trace id (32 hex digits) of the request that led to this run, handed to terraform as TRACEPARENT
    pub trace: Option<String>,
}

/// A secret value. Its Debug prints nothing of it.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// What a run tells while it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEvent {
    /// terraform was started; to be recorded durably
    Started(Owner),
    /// how far it is (already throttled by the runner: at most 5 per second, and one at the end)
    Progress(Progress),
    /// a newer state is mirrored
    StateMirrored(StateRecord),
}

/// How a run ended. Everything is bounded and without secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Completed {
    /// Succeeded, Failed, Cancelled or Interrupted
    pub phase: JobPhase,
    /// why it failed
    pub reason: Option<Reason>,
    /// who acts next after a failure
    pub who_acts: Option<WhoActs>,
    /// one sentence
    pub message: Option<String>,
    /// for a Plan
    pub plan: Option<PlanRecord>,
    /// for a Refresh: what differs from the state
    pub drift: Vec<Change>,
    /// diagnostics
    pub diagnostics: Vec<Diagnostic>,
    /// addresses done
    pub created: Vec<String>,
    /// addresses failed
    pub failed: Vec<String>,
    /// addresses planned and not tried
    pub not_attempted: Vec<String>,
    /// addresses whose end nobody saw
    pub in_flight: Vec<InFlight>,
    /// newest mirrored state
    pub state: Option<StateRecord>,
    /// keys of the blobs written
    pub blobs: Vec<String>,
}

/// What stops a run: first gently (SIGINT), then after a grace by SIGKILL to the group.
#[derive(Debug, Clone)]
pub struct Control {
    /// cancelled = SIGINT now
    pub cancel: CancellationToken,
    /// from SIGINT to SIGKILL
    pub grace: std::time::Duration,
}

/// Holds Terraform. `run` returns `Err` only when nothing was started and nothing was changed.
#[async_trait]
pub trait Runner: Send + Sync + 'static {
    /// Runs one job to its end.
    async fn run(&self, input: RunInput, control: Control, events: tokio::sync::mpsc::Sender<RunEvent>) -> Result<Completed, Error>;
    /// After a crash: proves the owner dead (or says it is not), restores a torn state from the mirror, mirrors what is
    /// newer, and reads from the event log which addresses were in flight. Never applies anything.
    async fn recover(&self, design_uid: &str, job: &str, action: Action, owner: Option<&Owner>) -> Result<Recovered, Error>;
    /// The newest state known for a design: newest mirror or newer file; None = no state anywhere.
    async fn state(&self, design_uid: &str) -> Result<Option<Arc<StateView>>, Error>;
    /// Version of terraform, such as `1.11.4`; cached durably by path, size and mtime of the binary, so that a restart
    /// starts no process.
    async fn version(&self) -> Result<String, Error>;
    /// Removes the working directory of a design that is gone.
    async fn forget(&self, design_uid: &str) -> Result<(), Error>;
    /// As [`Runner::recover`] when a person took the owner as dead: no record of an owner is believed, but a process that
    /// still works on this host is. [`Recovered::Dead`] or [`Recovered::StillAlive`].
    async fn seize(&self, design_uid: &str, job: &str, action: Action) -> Result<Recovered, Error>;
    /// Makes a kept state the newest one, under a serial above everything kept and above `known`.
    async fn restore(&self, design_uid: &str, serial: u64, known: u64) -> Result<Restored, Error>;
    /// How many Terraform processes fit into memory at once, as far as their size was measured; None = no opinion.
    fn room(&self) -> Option<Room> {
        None
    }
}

/// What fits into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// how many at once; at least 1, else nothing would ever run
    pub processes: usize,
    /// bytes one of them needs with its provider
    pub each: u64,
}

/// What became of a state that was to hold again.
#[derive(Debug, Clone, PartialEq)]
pub enum Restored {
    /// it does, as this one
    Done(StateRecord),
    /// no such serial is kept (any more); these are
    Absent {
        /// serials, oldest first
        kept: Vec<u64>,
    },
    /// a process works in the directory
    InUse,
}

/// What was found after a crash.
#[derive(Debug, Clone, PartialEq)]
pub enum Recovered {
    /// the process still runs on this host; it was told to stop, ask again later
    StillAlive,
    /// the owner is on another host and cannot be proven dead
    OwnerUnknown,
    /// dead; this is what is known
    Dead {
        /// newest state after restoring and mirroring
        state: Option<StateRecord>,
        /// true when the file was torn and a mirror took its place
        restored: bool,
        /// addresses whose end nobody saw, with an id when the event log or the state knows it
        in_flight: Vec<InFlight>,
        /// addresses known done
        created: Vec<String>,
        /// addresses planned and not tried
        not_attempted: Vec<String>,
    },
}

/// A Terraform state, read: lives with the other pure readers.
pub use crate::plan::StateView;

/// Gives terraform a provider: sandbox = a reattach process, oci = the real one.
#[async_trait]
pub trait ProviderHost: Send + Sync + 'static {
    /// Makes the provider ready (starts it on demand, dials it) and returns what to add to terraform's environment.
    async fn prepare(&self, design_uid: &str, target: Target, types: &BTreeSet<String>) -> Result<BTreeMap<String, String>, Error>;
}

/// Whose resources are looked for, and where.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a> {
    /// name of the design, for words
    pub design: &'a str,
    /// its uid, which stands in the tags
    pub design_uid: &'a str,
    /// which cloud
    pub target: Target,
    /// which region of it
    pub region: &'a str,
}

/// Looks up a resource that may have been made, by its tags.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// Import id of the resource that was made for `address`, or None when there is none.
    /// `planned` are the known planned attributes (from the plan JSON), for types that carry no tags.
    async fn find(
        &self,
        whose: Whose<'_>,
        address: &str,
        planned: &serde_json::Value,
        known_ids: &BTreeSet<String>,
    ) -> Result<Option<String>, Error>;

    /// Every resource that carries the tags of a design and is none of `known_ids`: Terraform address → import id. Types
    /// without tags are not among them.
    async fn tagged(&self, whose: Whose<'_>, known_ids: &BTreeSet<String>) -> Result<BTreeMap<String, String>, Error>;
}

/// What can go wrong before anything is started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// the binary cannot be started
    #[error("cannot start {program}")]
    Start {
        /// the binary
        program: String,
        /// why
        #[source]
        source: std::io::Error,
    },
    /// the plan file is not the approved one
    #[error("the plan file of job {job} has sha256 {found}, approved was {approved}")]
    PlanTampered {
        /// job that planned
        job: String,
        /// what is there
        found: String,
        /// what was approved
        approved: String,
    },
    /// the state is not the one the plan was made on
    #[error("the state is at lineage {found_lineage} serial {found_serial}, expected was lineage {lineage} serial {serial}")]
    StateChanged {
        /// expected
        lineage: String,
        /// expected
        serial: u64,
        /// found
        found_lineage: String,
        /// found
        found_serial: u64,
    },
    /// a state must be there and is not
    #[error("the state of design {design_uid} is gone or torn and no mirror can replace it")]
    StateUnavailable {
        /// uid of the design
        design_uid: String,
    },
    /// files or blobs failed
    #[error("cannot {verb}")]
    Io {
        /// what was tried
        verb: String,
        /// why
        #[source]
        source: std::io::Error,
    },
    /// blobs failed
    #[error(transparent)]
    Blobs(#[from] crate::blobs::Error),
    /// the provider cannot be made ready
    #[error("the provider is not ready: {detail}")]
    Provider {
        /// why
        detail: String,
    },
    /// the tenancy does not answer, or not us
    #[error("the tenancy cannot be asked: {detail}")]
    Tenancy {
        /// why, and what to do
        detail: String,
        /// a person where credentials or permissions are missing, else it goes away
        who: WhoActs,
    },
}

impl Error {
    /// The closed word for a condition, a metric label and an Event.
    pub fn reason(&self) -> Reason {
        match self {
            Error::Start { .. } | Error::PlanTampered { .. } => Reason::JobFailed,
            Error::StateChanged { .. } => Reason::RetryScheduled,
            Error::StateUnavailable { .. } => Reason::StateUnavailable,
            Error::Io { .. } | Error::Blobs(_) => Reason::StorageUnavailable,
            Error::Provider { .. } => Reason::RetryScheduled,
            Error::Tenancy { .. } => Reason::TenancyUnavailable,
        }
    }
    /// Who acts next.
    pub fn who_acts(&self) -> WhoActs {
        match self {
            Error::Tenancy { who, .. } => *who,
            Error::Start { .. } | Error::PlanTampered { .. } | Error::StateUnavailable { .. } => WhoActs::Stalled,
            Error::StateChanged { .. } | Error::Io { .. } | Error::Blobs(_) | Error::Provider { .. } => WhoActs::Retry,
        }
    }
}

/// The reason of a failed run.
fn reason_of(who_acts: WhoActs) -> Reason {
    match who_acts {
        WhoActs::Stalled => Reason::JobFailed,
        WhoActs::Waiting | WhoActs::Retry => Reason::RetryScheduled,
    }
}

/// First error of a run as one sentence.
fn first_error(diagnostics: &[Diagnostic]) -> Option<String> {
    let error = diagnostics.iter().find(|diagnostic| diagnostic.severity == crate::api::design::Severity::Error)?;
    Some(match &error.address {
        Some(address) => format!("{address}: {}", error.summary),
        None => error.summary.clone(),
    })
}

/// An error with all its causes, once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// How long a run waits for whoever listens to it: a document write takes milliseconds, a stuck one must not hold terraform up.
const LISTENER_PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Tells an event that must not be missed. A listener that is gone is no failure.
async fn tell(events: &tokio::sync::mpsc::Sender<RunEvent>, event: RunEvent) {
    let _ = tokio::time::timeout(LISTENER_PATIENCE, events.send(event)).await;
}

/// Runs blocking IO off the async threads.
async fn blocking<T: Send + 'static>(verb: &str, work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(std::io::Error::other(error.to_string())));
    done.map_err(|source| Error::Io { verb: verb.to_owned(), source: crate::blobs::advised(source) })
}

/// As [`blocking`], for work with errors of our own.
async fn blocking_ours<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let failed =
        |error: tokio::task::JoinError| Error::Io { verb: "finish blocking work".into(), source: std::io::Error::other(error.to_string()) };
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

#[cfg(test)]
mod tests;
