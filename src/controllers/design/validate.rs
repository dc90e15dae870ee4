//! Step 2, pure: the raw spec becomes [`Desired`], once. Nothing later reads the raw spec.
//!
//! When absence is wanted the rest is not judged: a broken design never blocks its own destruction. The [`Memo`] only
//! saves work; with or without it the answer is the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::super::inputs::Inputs;
use super::super::{Knowledge, Settings};
use super::fetch::{Fetched, Tools};
use crate::api::Time;
use crate::api::design::{ApprovalPolicy, DesiredState, Finding, Findings, OnDelete, Request, Rescue, STATUS_LIST_LIMIT, Severity};
use crate::api::session::Language;
use crate::render::{RenderContext, Rendered};
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
    pub findings: Option<Findings>,
    /// the rendered design, when it has no errors
    pub rendered: Option<Arc<Rendered>>,
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

/// What the judge and the renderer say of one spec.
#[derive(Debug)]
pub struct Judged {
    findings: Findings,
    rendered: Option<Arc<Rendered>>,
}

/// The newest judgement of the designs that were looked at last.
#[derive(Debug, Default)]
pub struct Memo(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    judged: HashMap<String, Entry>,
    /// counts the looks, so that the entry that was looked at longest ago is known
    looks: u64,
}

#[derive(Debug)]
struct Entry {
    key: MemoKey,
    judged: Arc<Judged>,
    look: u64,
}

#[derive(Debug, PartialEq, Eq)]
struct MemoKey {
    generation: i64,
    language: Language,
    revision: u64,
}

/// How many judgements are kept: a rendered design of 19 components is some 400 KiB, judging it anew takes some
/// milliseconds, and the designs people work on at once are few.
const MEMO_LIMIT: usize = 16;

impl Memo {
    fn judged(&self, uid: &str, key: MemoKey, judge: impl FnOnce() -> Judged) -> Arc<Judged> {
        if let Some(judged) = self.held(uid, &key) {
            return judged;
        }
        let judged = Arc::new(judge());
        let mut kept = self.lock();
        kept.looks += 1;
        let entry = Entry { key, judged: judged.clone(), look: kept.looks };
        kept.judged.insert(uid.to_owned(), entry);
        if kept.judged.len() > MEMO_LIMIT
            && let Some(oldest) = kept.judged.iter().min_by_key(|(_, entry)| entry.look).map(|(uid, _)| uid.clone())
        {
            kept.judged.remove(&oldest);
        }
        judged
    }
    fn held(&self, uid: &str, key: &MemoKey) -> Option<Arc<Judged>> {
        let mut kept = self.lock();
        kept.looks += 1;
        let look = kept.looks;
        let entry = kept.judged.get_mut(uid).filter(|entry| entry.key == *key)?;
        entry.look = look;
        Some(entry.judged.clone())
    }
    /// Drops what is known of a design.
    pub fn forget(&self, uid: &str) {
        self.lock().judged.remove(uid);
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a judgement is made by. No clients, no IO.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    /// catalogue, rules, renderer
    pub knowledge: &'a dyn Knowledge,
    /// earlier judgements
    pub memo: &'a Memo,
    /// the server's minimum and defaults
    pub settings: &'a Settings,
}

/// Judges what was fetched.
pub fn validate(fetched: &Fetched, tools: &Tools, judge_by: Judge<'_>) -> Desired {
    let Judge { knowledge, memo, settings } = judge_by;
    let spec = &fetched.design.spec;
    let handled = fetched.status.handled_request_id.clone();
    let request = spec.request.clone().filter(|request| handled.as_deref() != Some(request.id.as_str()));
    let request_key = request.as_ref().map(|request| request.id.clone()).or(handled);
    let deleted = fetched.design.metadata.deletion_timestamp.is_some();
    let interval = match spec.policy.drift_interval_seconds {
        Some(seconds) => u64::try_from(seconds).ok().filter(|seconds| *seconds > 0),
        None => settings.drift_interval,
    };
    let mut desired = Desired {
        generation: fetched.generation,
        suspended: spec.suspend,
        policy: spec.policy.approval.max(settings.min_approval),
        drift_interval: interval,
        started: settings.started.clone(),
        request,
        request_key,
        rescue: spec.rescue.clone().filter(|rescue| fetched.status.rescue.as_ref().is_none_or(|handled| handled.id != rescue.id)),
        goal: Goal::Absent { deleted, orphan: deleted && spec.policy.on_delete == OnDelete::Orphan },
        findings: None,
        rendered: None,
    };
    if deleted || spec.desired_state == DesiredState::Destroyed {
        return desired;
    }
    let key = MemoKey { generation: fetched.generation, language: fetched.language, revision: knowledge.revision() };
    let judged = memo.judged(&fetched.uid, key, || judge(fetched, knowledge));
    desired.findings = Some(judged.findings.clone());
    desired.goal = match &judged.rendered {
        None => Goal::Invalid,
        Some(rendered) => {
            let digest = Inputs::of(rendered).digest(&tools.secrets, spec.target, &tools.toolchain);
            match spec.desired_state {
                DesiredState::Draft => Goal::Draft { digest },
                DesiredState::Planned => Goal::Present { digest, apply: false },
                DesiredState::Applied | DesiredState::Destroyed => Goal::Present { digest, apply: true },
            }
        }
    };
    desired.rendered = judged.rendered.clone();
    desired
}

fn judge(fetched: &Fetched, knowledge: &dyn Knowledge) -> Judged {
    let verdict = knowledge.validate(&fetched.design.spec, fetched.language);
    let context = RenderContext { session: fetched.design.spec.session_ref.clone(), design_uid: fetched.uid.clone() };
    let mut findings = verdict.findings;
    let rendered = match verdict.design.map(|design| knowledge.render(&design, &context)) {
        Some(Ok(rendered)) => Some(Arc::new(rendered)),
        Some(Err(more)) => {
            findings.extend(more);
            None
        }
        None => None,
    };
    Judged { findings: bounded(findings), rendered }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(generation: i64) -> MemoKey {
        MemoKey { generation, language: Language::En, revision: 1 }
    }
    fn judged() -> Judged {
        Judged { findings: Findings::default(), rendered: None }
    }

    #[test]
    fn a_design_is_judged_once_a_generation_and_the_one_looked_at_longest_ago_is_forgotten_first() {
        let (memo, times) = (Memo::default(), std::cell::Cell::new(0));
        let look = |uid: &str, generation: i64| {
            memo.judged(uid, key(generation), || {
                times.set(times.get() + 1);
                judged()
            });
            times.get()
        };
        assert_eq!((look("a", 1), look("a", 1), look("a", 2)), (1, 1, 2), "once for each generation");
        for number in 0..MEMO_LIMIT - 1 {
            look(&format!("other {number}"), 1);
        }
        let full = times.get();
        assert_eq!(look("a", 2), full, "still held when the memo is full, and looked at just now");
        look("one more", 1);
        assert_eq!(look("a", 2), full + 1, "the newcomer did not push out what was looked at last");
        assert_eq!(look("other 0", 1), full + 2, "but what was looked at longest ago");
        memo.forget("a");
        assert_eq!(look("a", 2), full + 3);
    }
}
