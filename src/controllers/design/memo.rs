//! What the judge and the renderer say of a design: judged away from the threads that answer people, and remembered, so that
//! an unchanged design is not judged at every bell. With or without the memory the answer is the same.
//!
//! Of every design some hundred bytes are kept: that this version was judged, what its digest is made from, which secrets it
//! needs. Its findings stand in its status and are taken from there, as long as they are those that the judge gave. Of the
//! designs that were looked at last everything is kept, findings and rendered files included.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::super::inputs::Content;
use super::super::{Ctx, Error, Knowledge};
use super::fetch::Fetched;
use super::validate::bounded;
use crate::api::design::{DesignSpec, Findings};
use crate::api::session::Language;
use crate::render::looked_up::LookedUp;
use crate::render::{RenderContext, Rendered, SecretNeed};

/// How many judgements are kept whole: a rendered design of 19 components is some 400 KiB, and making it again takes some
/// milliseconds; a design is rendered and planned in one turn, and the designs people work on at once are few.
const WHOLE: usize = 8;

/// How many designs are remembered at all: a few hundred bytes each, and half as many again as the largest server measured.
const KNOWN: usize = 16_384;

/// What every turn needs of a spec that was judged.
#[derive(Debug, Clone)]
pub struct Judged {
    /// counts whole, list bounded, errors first
    pub findings: Arc<Findings>,
    /// the design, when it has no errors
    pub built: Option<Built>,
}

/// A design without errors.
#[derive(Debug, Clone)]
pub struct Built {
    sum: Arc<Sum>,
    rendered: Option<Arc<Rendered>>,
}

/// What is remembered of a rendered design.
#[derive(Debug)]
struct Sum {
    content: Content,
    secrets: Vec<SecretNeed>,
    looked_up: Vec<LookedUp>,
}

impl Built {
    fn of(rendered: Rendered) -> Self {
        let sum = Sum { content: Content::of_design(&rendered), secrets: rendered.secrets.clone(), looked_up: rendered.looked_up.clone() };
        Built { sum: Arc::new(sum), rendered: Some(Arc::new(rendered)) }
    }
    /// What its digest is made from.
    pub fn content(&self) -> &Content {
        &self.sum.content
    }
    /// Secret variables it needs.
    pub fn secrets(&self) -> &[SecretNeed] {
        &self.sum.secrets
    }
    /// What it looks up once and never again.
    pub fn looked_up(&self) -> &[LookedUp] {
        &self.sum.looked_up
    }
}

/// The memory, and the places at the judge.
#[derive(Debug)]
pub struct Memo {
    kept: Mutex<Kept>,
    /// Judging is milliseconds of work without a pause. Where every core did it, whoever waits for an answer, and the job that
    /// has just got its slot, would wait for it: one core stays theirs.
    places: Semaphore,
}

impl Default for Memo {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Memo { kept: Mutex::default(), places: Semaphore::new(cores.saturating_sub(1).max(1)) }
    }
}

#[derive(Debug, Default)]
struct Kept {
    known: HashMap<String, Known>,
    /// uids of those that are kept whole, the one that was looked at longest ago first
    whole: VecDeque<String>,
    /// counts the looks, so that the design that was looked at longest ago is known
    looks: u64,
}

#[derive(Debug)]
struct Known {
    key: Key,
    /// hash of the findings
    said: [u8; 32],
    sum: Option<Arc<Sum>>,
    whole: Option<(Arc<Findings>, Option<Arc<Rendered>>)>,
    look: u64,
}

/// What a judgement is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    generation: i64,
    language: Language,
    revision: u64,
}

impl Memo {
    /// What is known of this version of a design; `told` are the findings in its status.
    fn held(&self, uid: &str, key: Key, told: Option<&Findings>) -> Option<Judged> {
        let mut kept = self.lock();
        kept.looks += 1;
        let look = kept.looks;
        let known = kept.known.get_mut(uid).filter(|known| known.key == key)?;
        known.look = look;
        let built = |rendered| known.sum.clone().map(|sum| Built { sum, rendered });
        if let Some((findings, rendered)) = &known.whole {
            let judged = Judged { findings: findings.clone(), built: built(rendered.clone()) };
            kept.whole.retain(|other| other != uid);
            kept.whole.push_back(uid.to_owned());
            return Some(judged);
        }
        let told = told.filter(|told| hash(told) == known.said)?;
        Some(Judged { findings: Arc::new(told.clone()), built: built(None) })
    }

    fn keep(&self, uid: &str, key: Key, judged: &Judged) {
        let mut kept = self.lock();
        kept.looks += 1;
        let Judged { findings, built } = judged;
        let whole = (findings.clone(), built.as_ref().and_then(|built| built.rendered.clone()));
        let sum = built.as_ref().map(|built| built.sum.clone());
        let known = Known { key, said: hash(findings), sum, whole: Some(whole), look: kept.looks };
        kept.known.insert(uid.to_owned(), known);
        kept.whole.retain(|other| other != uid);
        kept.whole.push_back(uid.to_owned());
        while kept.whole.len() > WHOLE
            && let Some(oldest) = kept.whole.pop_front()
        {
            if let Some(known) = kept.known.get_mut(&oldest) {
                known.whole = None;
            }
        }
        if kept.known.len() > KNOWN
            && let Some(oldest) = kept.known.iter().min_by_key(|(_, known)| known.look).map(|(uid, _)| uid.clone())
        {
            kept.known.remove(&oldest);
        }
    }

    /// Drops what is known of a design.
    pub fn forget(&self, uid: &str) {
        let mut kept = self.lock();
        kept.known.remove(uid);
        kept.whole.retain(|other| other != uid);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the judge says of the design that was fetched. None when absence is wanted: a broken design never blocks its own
/// destruction.
pub async fn judged(ctx: &Ctx, fetched: &Fetched) -> Result<Option<Judged>, Error> {
    if fetched.wants_absence() {
        return Ok(None);
    }
    match ctx.memo.held(&fetched.uid, key(ctx, fetched), fetched.status.findings.as_ref()) {
        Some(judged) => Ok(Some(judged)),
        None => judge_now(ctx, fetched).await.map(Some),
    }
}

/// The rendered design: at hand, or made again. None when services or rules were replaced since, and it has errors by them.
pub async fn rendered(ctx: &Ctx, fetched: &Fetched, built: &Built) -> Result<Option<Arc<Rendered>>, Error> {
    match &built.rendered {
        Some(rendered) => Ok(Some(rendered.clone())),
        None => Ok(judge_now(ctx, fetched).await?.built.and_then(|built| built.rendered)),
    }
}

async fn judge_now(ctx: &Ctx, fetched: &Fetched) -> Result<Judged, Error> {
    // The semaphore is never closed; without a place it would be judged all the same.
    let _place = ctx.memo.places.acquire().await;
    let key = key(ctx, fetched);
    let (knowledge, spec, uid) = (ctx.knowledge.clone(), fetched.design.spec.clone(), fetched.uid.clone());
    let judging = tokio::task::spawn_blocking(move || judge(&spec, key.language, &uid, &*knowledge));
    let judged = judging.await.map_err(|broken| Error::Judge { detail: broken.to_string() })?;
    ctx.memo.keep(&fetched.uid, key, &judged);
    Ok(judged)
}

fn key(ctx: &Ctx, fetched: &Fetched) -> Key {
    Key { generation: fetched.generation, language: fetched.language, revision: ctx.knowledge.revision() }
}

/// Pure.
fn judge(spec: &DesignSpec, language: Language, uid: &str, knowledge: &dyn Knowledge) -> Judged {
    let verdict = knowledge.validate(spec, language);
    let context = RenderContext { session: spec.session_ref.clone(), design_uid: uid.to_owned() };
    let mut findings = verdict.findings;
    let built = match verdict.design.map(|design| knowledge.render(&design, &context)) {
        Some(Ok(rendered)) => Some(Built::of(rendered)),
        Some(Err(more)) => {
            findings.extend(more);
            None
        }
        None => None,
    };
    Judged { findings: Arc::new(bounded(findings)), built }
}

/// Findings compare by what a status says of them.
fn hash(findings: &Findings) -> [u8; 32] {
    // what does not encode is told in no status, so it never compares equal to one
    Sha256::digest(serde_json::to_vec(findings).unwrap_or_default()).into()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::api::design::{Finding, Severity};

    fn key(generation: i64) -> Key {
        Key { generation, language: Language::En, revision: 1 }
    }
    fn finding(message: &str) -> Findings {
        let (rule, severity, path) = ("a.b".to_owned(), Severity::Warning, "components[vm]".to_owned());
        bounded(vec![Finding { rule, severity, path, message: message.to_owned(), recommendation: None, allowed: Vec::new() }])
    }
    fn judged(message: &str) -> Judged {
        let rendered = Rendered {
            files: BTreeMap::new(),
            variables: BTreeMap::new(),
            secrets: Vec::new(),
            resources: Vec::new(),
            types: BTreeSet::new(),
            components: BTreeMap::new(),
            looked_up: Vec::new(),
        };
        Judged { findings: Arc::new(finding(message)), built: Some(Built::of(rendered)) }
    }
    fn is_whole(judged: &Judged) -> bool {
        judged.built.as_ref().is_some_and(|built| built.rendered.is_some())
    }

    #[test]
    fn a_judgement_is_of_one_generation_language_and_revision() {
        let memo = Memo::default();
        memo.keep("a", key(1), &judged("x"));
        assert!(memo.held("a", key(1), None).is_some_and(|judged| is_whole(&judged)));
        for other in [key(2), Key { language: Language::Ja, ..key(1) }, Key { revision: 2, ..key(1) }] {
            assert!(memo.held("a", other, Some(&finding("x"))).is_none(), "{other:?}");
        }
        memo.forget("a");
        assert!(memo.held("a", key(1), Some(&finding("x"))).is_none());
    }

    #[test]
    fn whole_judgements_are_kept_of_those_looked_at_last_and_of_the_others_what_their_status_does_not_say() {
        let memo = Memo::default();
        for number in 0..WHOLE {
            memo.keep(&format!("{number}"), key(1), &judged("x"));
        }
        assert!(memo.held("0", key(1), None).is_some(), "looked at just now");
        memo.keep("one more", key(1), &judged("x"));
        assert!(memo.held("0", key(1), None).is_some_and(|judged| is_whole(&judged)), "the newcomer did not push it out");
        assert!(memo.held("1", key(1), None).is_none(), "but the one looked at longest ago: its findings are not remembered");
        assert!(memo.held("1", key(1), Some(&finding("y"))).is_none(), "and others in its status are not those of the judge");
        let known = memo.held("1", key(1), Some(&finding("x"))).expect("its status has them");
        assert!(!is_whole(&known) && known.built.is_some() && *known.findings == finding("x"));
    }

    #[test]
    fn the_number_of_designs_remembered_is_bounded() {
        let memo = Memo::default();
        for number in 0..KNOWN + 2 {
            memo.keep(&format!("{number}"), key(1), &judged("x"));
        }
        let kept = memo.lock();
        assert_eq!((kept.known.len(), kept.whole.len()), (KNOWN, WHOLE));
        assert!(!kept.known.contains_key("0") && !kept.known.contains_key("1"), "the oldest went");
    }
}
