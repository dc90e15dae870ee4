//! Step 2, pure: the raw spec becomes [`Desired`], once. Nothing later reads the raw spec.
//!
//! When absence is wanted the rest was not judged: a broken design never blocks its own destruction.

use std::sync::Arc;

use super::super::Settings;
use super::fetch::{Fetched, Tools};
use super::memo::{Built, Judged};
use crate::api::Time;
use crate::api::design::{ApprovalPolicy, DesiredState, Finding, Findings, OnDelete, Request, Rescue, STATUS_LIST_LIMIT, Severity};
use crate::validator::finding::most_telling;

/// What is wanted, past the gate.
#[derive(Debug, Clone)]
pub struct Desired {
    /// generation of the design
    pub generation: i64,
    /// nothing may be started
    pub suspended: bool,
    /// policy in force: the stricter of the design's and the server's
    pub policy: ApprovalPolicy,
    /// seconds between drift checks; None = only on request
    pub drift_interval: Option<u64>,
    /// when this server started: checks that became due before are spread over the time after it
    pub started: Option<Time>,
    /// the request, if it was not handled yet
    pub request: Option<Request>,
    /// the request failures belong to: the unhandled one, else the last handled one
    pub request_key: Option<String>,
    /// the rescue, if it was not handled yet
    pub rescue: Option<Rescue>,
    /// where to go
    pub goal: Goal,
    /// findings; None when absence is wanted and nothing was judged
    pub findings: Option<Arc<Findings>>,
    /// the design, when it has no errors
    pub built: Option<Built>,
}

/// Where to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// nothing shall be there
    Absent {
        /// the document itself is to go too
        deleted: bool,
        /// the resources are to stay, only the document goes
        orphan: bool,
    },
    /// the design has errors
    Invalid,
    /// nothing is asked
    Draft {
        /// digest of the inputs
        digest: String,
    },
    /// a plan, or the real thing
    Present {
        /// digest of the inputs
        digest: String,
        /// true: build it
        apply: bool,
    },
}

impl Desired {
    /// Digest of the inputs, where there is one.
    pub fn digest(&self) -> Option<&str> {
        match &self.goal {
            Goal::Absent { .. } | Goal::Invalid => None,
            Goal::Draft { digest } | Goal::Present { digest, .. } => Some(digest),
        }
    }
    /// Absence is wanted.
    pub fn absent(&self) -> bool {
        matches!(self.goal, Goal::Absent { .. })
    }
}

/// Takes what was fetched and what the judge says of it; None = nothing was judged, because absence is wanted.
pub fn validate(fetched: &Fetched, tools: &Tools, judged: Option<Judged>, settings: &Settings) -> Desired {
    let spec = &fetched.design.spec;
    let handled = fetched.status.handled_request_id.clone();
    let request = spec.request.clone().filter(|request| handled.as_deref() != Some(request.id.as_str()));
    let request_key = request.as_ref().map(|request| request.id.clone()).or(handled);
    let deleted = fetched.design.metadata.deletion_timestamp.is_some();
    let interval = match spec.policy.drift_interval_seconds {
        Some(seconds) => u64::try_from(seconds).ok().filter(|seconds| *seconds > 0),
        None => settings.drift_interval,
    };
    let goal = match &judged {
        None => Goal::Absent { deleted, orphan: deleted && spec.policy.on_delete == OnDelete::Orphan },
        Some(Judged { built: None, .. }) => Goal::Invalid,
        Some(Judged { built: Some(built), .. }) => {
            let digest = built.content().digest(&tools.secrets, spec.target, &tools.toolchain);
            match spec.desired_state {
                DesiredState::Draft => Goal::Draft { digest },
                DesiredState::Planned => Goal::Present { digest, apply: false },
                DesiredState::Applied | DesiredState::Destroyed => Goal::Present { digest, apply: true },
            }
        }
    };
    let (findings, built) = judged.map(|judged| (judged.findings, judged.built)).unzip();
    Desired {
        generation: fetched.generation,
        suspended: spec.suspend,
        policy: spec.policy.approval.max(settings.min_approval),
        drift_interval: interval,
        started: settings.started.clone(),
        request,
        request_key,
        rescue: spec.rescue.clone().filter(|rescue| fetched.status.rescue.as_ref().is_none_or(|handled| handled.id != rescue.id)),
        goal,
        findings,
        built: built.flatten(),
    }
}

/// Counts whole, list bounded, errors first.
pub fn bounded(items: Vec<Finding>) -> Findings {
    let count = |severity| items.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings, infos) = (count(Severity::Error), count(Severity::Warning), count(Severity::Info));
    Findings { errors, warnings, infos, items: most_telling(items, STATUS_LIST_LIMIT) }
}

/// Adds one finding to those that were counted, in its place.
pub fn add(findings: &mut Findings, finding: Finding) {
    match finding.severity {
        Severity::Error => findings.errors += 1,
        Severity::Warning => findings.warnings += 1,
        Severity::Info => findings.infos += 1,
    }
    let at = findings.items.partition_point(|known| known.severity <= finding.severity);
    findings.items.insert(at, finding);
    findings.items.truncate(STATUS_LIST_LIMIT);
}
