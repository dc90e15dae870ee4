//! The controllers: they compare each document with Terraform state and with the world, and issue jobs.
//!
//! Four of them, on kube's controller runtime: [`design`] (the loop of six files), [`job`] (holds Terraform through the
//! runner), [`approval`] (says why one is refused) and [`session`] (phase, gate, deletion). They meet each other and the
//! services only in documents and blobs. A bell carries no message: every reconcile re-reads everything, and watches
//! carry metadata alone, so that a document which does not decode never ends one.

pub mod announce;
pub mod approval;
pub mod backoff;
pub mod design;
pub mod documents;
pub mod driver;
pub mod gate;
pub mod inputs;
pub mod job;
pub mod measures;
pub mod retention;
pub mod scheduler;
pub mod secrets;
pub mod session;
pub mod settings;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
pub mod testkit;

use std::borrow::Cow;
use std::sync::Arc;

use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use tokio_util::sync::CancellationToken;

use crate::api::design::{DesignSpec, Finding, Preview};
use crate::api::session::Language;
use crate::api::{MANAGER, Reason, WhoActs};
use crate::blobs::Blobs;
use crate::clock::Clock;
use crate::render::looked_up::LookedUp;
use crate::render::{RenderContext, Rendered, RenderedResource};
use crate::terraform::{Lookup, Runner, StateView};
use crate::validator::{ValidatedDesign, Verdict};

pub use driver::run;
pub use settings::Settings;

/// Label of a job: name of its design.
pub const DESIGN_LABEL: &str = "galley.dev/design";
/// Label of a job: name of its session.
pub const SESSION_LABEL: &str = "galley.dev/session";
/// Annotation of a job that Galley itself cancelled because something else was wanted; such an end is no failure.
pub const SUPERSEDED: &str = "galley.dev/superseded";

/// What Galley knows about designs: catalogue, judge, renderer and structural diff behind one name. Pure.
pub trait Knowledge: Send + Sync + 'static {
    /// Judges a spec.
    fn validate(&self, spec: &DesignSpec, language: Language) -> Verdict;
    /// Makes Terraform files of a judged design.
    fn render(&self, design: &ValidatedDesign, context: &RenderContext) -> Result<Rendered, Vec<Finding>>;
    /// What would change, without Terraform.
    fn preview(&self, rendered: &[RenderedResource], state: Option<&StateView>) -> Preview;
    /// Wishes that change nothing of what exists, as findings.
    fn without_effect(&self, wishes: &[LookedUp], state: &StateView, language: Language) -> Vec<Finding> {
        let _ = (wishes, state, language);
        Vec::new()
    }
    /// Version of the provider that plans are made with.
    fn provider_version(&self) -> String;
    /// Changes whenever the same spec may be judged or rendered differently.
    fn revision(&self) -> u64 {
        0
    }
}

/// Which server this is, as it stands in the owner record of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// host name
    pub name: String,
    /// /proc/sys/kernel/random/boot_id
    pub boot_id: String,
    /// epoch of this server's lease on the store
    pub epoch: u64,
}

/// What the controllers work with. Only the IO steps get it.
pub struct Ctx {
    /// client with the system identity
    pub client: Client,
    /// bytes beside the documents
    pub blobs: Arc<dyn Blobs>,
    /// holds Terraform
    pub runner: Arc<dyn Runner>,
    /// looks up resources by tag
    pub lookup: Arc<dyn Lookup>,
    /// judge, renderer, structural diff
    pub knowledge: Arc<dyn Knowledge>,
    /// the time
    pub clock: Arc<dyn Clock>,
    /// numbers
    pub settings: Settings,
    /// which server this is
    pub host: Host,
    /// Events
    pub recorder: Recorder,
    /// who waits for Terraform and who has it
    pub scheduler: scheduler::Scheduler,
    /// jobs that run in this process
    pub running: job::Running,
    /// how full the disk is
    pub disk: retention::Disk,
    /// how many designs rest for which reason
    pub census: measures::Census,
    /// judged designs, so that an unchanged one is not judged at every bell
    pub memo: design::memo::Memo,
}

/// The parts a [`Ctx`] is made of, by name.
pub struct Parts {
    /// client with the system identity
    pub client: Client,
    /// bytes beside the documents
    pub blobs: Arc<dyn Blobs>,
    /// holds Terraform
    pub runner: Arc<dyn Runner>,
    /// looks up resources by tag
    pub lookup: Arc<dyn Lookup>,
    /// judge, renderer, structural diff
    pub knowledge: Arc<dyn Knowledge>,
    /// the time
    pub clock: Arc<dyn Clock>,
    /// numbers
    pub settings: Settings,
    /// which server this is
    pub host: Host,
}

impl Ctx {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let Parts { client, blobs, runner, lookup, knowledge, clock, settings, host } = parts;
        let recorder = Recorder::new(client.clone(), Reporter { controller: MANAGER.to_owned(), instance: Some(host.name.clone()) });
        let scheduler = scheduler::Scheduler::new(settings.max_terraform);
        let (disk, census) = (retention::Disk::default(), measures::Census::default());
        let (running, memo) = (job::Running::default(), design::memo::Memo::default());
        Ctx { client, blobs, runner, lookup, knowledge, clock, settings, host, recorder, scheduler, running, disk, census, memo }
    }

    /// The same, with a bound for the disk.
    pub fn with_disk(self, disk: retention::Disk) -> Self {
        Ctx { disk, ..self }
    }
}

/// What can go wrong in a controller. Says who acts next ([`Error::who_acts`]) and why in one word ([`Error::reason`]).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// the API server refused or did not answer
    #[error("cannot {verb} {kind} {name}")]
    Api {
        /// what was tried
        verb: &'static str,
        /// kind of the document
        kind: Cow<'static, str>,
        /// its name
        name: String,
        /// why
        #[source]
        source: Box<kube::Error>,
    },
    /// others were faster too often
    #[error("lost too many races for {what} {name}")]
    Race {
        /// what was written
        what: &'static str,
        /// its name
        name: String,
    },
    /// the blobs did not answer
    #[error(transparent)]
    Blobs(#[from] crate::blobs::Error),
    /// the runner failed before it started anything
    #[error(transparent)]
    Terraform(#[from] crate::terraform::Error),
    /// a value does not encode
    #[error("cannot encode {what}")]
    Encode {
        /// what
        what: &'static str,
        /// why
        #[source]
        source: serde_json::Error,
    },
    /// stored bytes do not decode
    #[error("cannot decode {what}")]
    Decode {
        /// what
        what: &'static str,
    },
    /// the judge itself broke: a mistake of this program, told on the design it broke on
    #[error("cannot judge the design: {detail}")]
    Judge {
        /// what happened
        detail: String,
    },
    /// a document without uid never comes from an API server
    #[error("{kind} {name} has no uid")]
    NoUid {
        /// kind
        kind: &'static str,
        /// name
        name: String,
    },
}

impl Error {
    pub(crate) fn api(verb: &'static str, kind: Cow<'static, str>, name: &str, source: kube::Error) -> Self {
        Error::Api { verb, kind, name: name.to_owned(), source: Box::new(source) }
    }
    /// Somebody wrote the document since it was read: read it again.
    pub fn is_conflict(&self) -> bool {
        match self {
            Error::Api { source, .. } => {
                matches!(&**source, kube::Error::Api(status) if status.code == 409 && status.reason != "AlreadyExists")
            }
            Error::Race { .. } => true,
            Error::Blobs(_)
            | Error::Terraform(_)
            | Error::Encode { .. }
            | Error::Decode { .. }
            | Error::Judge { .. }
            | Error::NoUid { .. } => false,
        }
    }
    /// A create met an existing document.
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Error::Api { source, .. } if matches!(&**source, kube::Error::Api(status) if status.code == 409 && status.reason == "AlreadyExists"))
    }
    /// The document is gone.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::Api { source, .. } if matches!(&**source, kube::Error::Api(status) if status.code == 404))
    }
    /// The document is there and is not one of ours.
    pub fn is_undecodable(&self) -> bool {
        matches!(self, Error::Api { source, .. } if matches!(&**source, kube::Error::SerdeError(_)))
    }
    /// Why, as a closed word.
    pub fn reason(&self) -> Reason {
        match self {
            Error::Api { .. } if self.is_undecodable() => Reason::InvalidDocument,
            Error::Api { .. } | Error::Race { .. } | Error::Blobs(_) => Reason::StorageUnavailable,
            Error::Terraform(crate::terraform::Error::StateUnavailable { .. }) => Reason::StateUnavailable,
            Error::Terraform(crate::terraform::Error::Tenancy { .. }) => Reason::TenancyUnavailable,
            Error::Terraform(_) | Error::Encode { .. } | Error::Decode { .. } | Error::Judge { .. } | Error::NoUid { .. } => {
                Reason::Internal
            }
        }
    }
    /// Who acts next.
    pub fn who_acts(&self) -> WhoActs {
        if let Error::Terraform(error @ crate::terraform::Error::Tenancy { .. }) = self {
            return error.who_acts();
        }
        match self.reason() {
            Reason::InvalidDocument | Reason::StateUnavailable => WhoActs::Stalled,
            _ => WhoActs::Retry,
        }
    }
    /// The whole chain as one sentence.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

/// A token that is cancelled when the server stops: re-exported so that callers need not name tokio-util.
pub type Shutdown = CancellationToken;
