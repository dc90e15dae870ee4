//! What a tool means, as an edit of desired state.
//!
//! One async method per tool: typed input → typed output or [`Error`]. A service reads documents and blobs, judges with the
//! validator, and edits `spec`; it starts no process, calls no cloud, waits for no job (a long poll watches a *document*),
//! and never names a controller. Sentences are in the session's language.

pub mod architecture;
mod architecture_check;
pub mod architecture_edit;
pub mod arguments;
pub mod catalog;
mod documents;
pub mod error;
pub mod export;
mod exporters;
pub mod hearing;
mod hosts;
mod index;
pub mod lifecycle;
pub mod log;
pub mod plan;
pub mod resources;
pub mod session;
pub mod status;
pub mod text;

#[cfg(test)]
pub(crate) mod testkit;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use error::{Code, Error, Problem};

use crate::api::approval::Identity;
use crate::api::design::{ApprovalPolicy, DesignSpec, Target};
use crate::api::session::Language;
use crate::blobs::Blobs;
use crate::catalog::Catalog;
use crate::catalog::overlay::Live;
use crate::catalog::questions::Questions;
use crate::clock::Clock;
use crate::validator::rules::Rules;
use crate::validator::{Defaults, Verdict};

/// Longest wait of `get_status`: below the 60 s after which common hosts give up on a tool call.
pub const MAX_WAIT: Duration = Duration::from_secs(55);

/// The judge of a design: `validator::validate` with the rules in force in production. A value and not a call, so that the services can be
/// exercised with a small catalogue of rules.
pub type Judge = Arc<dyn Fn(&DesignSpec, &Catalog, &Defaults) -> Verdict + Send + Sync>;

/// What the server decides for every session.
#[derive(Debug, Clone)]
pub struct Settings {
    /// region when a design names none
    pub region: String,
    /// compartment when a design names none; empty when the server has none (sandbox only)
    pub compartment_id: String,
    /// target when save_architecture names none
    pub default_target: Target,
    /// loosest approval policy the server accepts
    pub min_approval: ApprovalPolicy,
    /// longest wait of get_status; [`MAX_WAIT`] at most
    pub max_wait: Duration,
    /// longest wait of approve_plan for the controllers to take or refuse the approval; 2 s
    pub approval_wait: Duration,
    /// longest wait of an edit for the controllers' preview; 500 ms. The edit is durable already: it only spares a call
    pub preview_wait: Duration,
    /// language before a session says its own
    pub language: Language,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            region: "ap-tokyo-1".to_owned(),
            compartment_id: String::new(),
            default_target: Target::default(),
            min_approval: ApprovalPolicy::Auto,
            max_wait: MAX_WAIT,
            approval_wait: Duration::from_secs(2),
            preview_wait: Duration::from_millis(500),
            language: Language::default(),
        }
    }
}

/// What the services stand on.
pub struct Parts {
    /// the only door to documents; carries the caller's identity
    pub client: kube::Client,
    /// who calls; the API server stamps approvals from the client's own identity, this one is for refusing early
    pub identity: Identity,
    /// plans and logs, read only
    pub blobs: Arc<dyn Blobs>,
    /// service types in force
    pub catalog: Arc<Live<Catalog>>,
    /// rules in force, for whoever wants to read them; the judge has them already
    pub rules: Arc<Live<Rules>>,
    /// the judge; `validator::validate` with the rules in force in production
    pub judge: Judge,
    /// now
    pub clock: Arc<dyn Clock>,
    /// what the server decides
    pub settings: Settings,
}

/// The services. Cheap to clone.
#[derive(Clone)]
pub struct Services(Arc<Inner>);

struct Inner {
    parts: Parts,
    questions: Questions,
    sessions: index::SessionIndex,
}

impl Services {
    /// Services over these parts, with the questions that ship with this build.
    pub fn new(parts: Parts) -> Self {
        let questions = Questions::embedded().unwrap_or_else(|error| {
            tracing::error!(%error, "the hearing asks nothing: its questions do not load");
            Questions::default()
        });
        Services(Arc::new(Inner { parts, questions, sessions: index::SessionIndex::default() }))
    }

    /// The language of a session, or the server's when the session cannot be read: for messages about bad arguments.
    pub async fn language_of(&self, session: Option<&str>) -> Language {
        match session {
            Some(name) => self.session(name).await.map_or(self.0.parts.settings.language, |session| session.spec.language),
            None => self.0.parts.settings.language,
        }
    }
}

/// An answer that can say itself in one short text.
pub trait Summary {
    /// The text for hosts that show only text: the facts needed to go on, never the whole answer again.
    fn summary(&self) -> &str;
}

macro_rules! summarised {
    ($($name:ty),+ $(,)?) => { $(impl Summary for $name { fn summary(&self) -> &str { &self.summary } })+ };
}
summarised!(
    session::SessionView,
    session::SessionList,
    session::SessionDeleted,
    architecture::SavedArchitecture,
    architecture::CheckedArchitecture,
    hearing::HearingView,
    catalog::CatalogPage,
    export::Export,
    lifecycle::DesiredStateSet,
    lifecycle::ApprovalAnswer,
    lifecycle::JobCancelled,
    status::Status,
    plan::PlanPage,
    log::LogPage,
);
