//! Who may start Terraform next. A pure choice ([`next`]) and a thin shell that remembers who waits and who runs.
//!
//! Never more than the limit in all, never two of one session. Order: what ends resources or jobs first (destroy), then
//! what a person asked for, then background checks; among equals the session that was served longest ago, then the
//! oldest job.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::api::Time;

/// A job that may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// name of the job
    pub job: String,
    /// name of its session
    pub session: String,
    /// a destroy, or the plan of one
    pub urgent: bool,
    /// a person asked for it
    pub requested: bool,
    /// when it was created
    pub created: Time,
}

/// The choice: index into `waiting` of the job that starts next, if any may.
/// `served` says when (in turns) a session was served last.
pub fn next(waiting: &[Candidate], running: &[Candidate], served: &BTreeMap<String, u64>, limit: usize) -> Option<usize> {
    if running.len() >= limit {
        return None;
    }
    let free = |candidate: &Candidate| running.iter().all(|other| other.session != candidate.session);
    let rank = |candidate: &Candidate| {
        let turn = served.get(&candidate.session).copied().unwrap_or(0);
        (!candidate.urgent, !candidate.requested, turn, candidate.created.0, candidate.job.clone())
    };
    waiting.iter().enumerate().filter(|(_, candidate)| free(candidate)).min_by_key(|(_, candidate)| rank(candidate)).map(|(index, _)| index)
}

/// What became of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// names of the jobs to start now; the slots are theirs already
    pub start: Vec<String>,
    /// how many others run, and who: for the wait reason of a job that was not chosen
    pub ahead: Vec<String>,
    /// how many wait, this one included when it was not chosen
    pub waiting: usize,
}

/// Most jobs that may wait before a reason counts them instead of naming those that run. The names change with every job
/// that ends; writing them anew on every one of a thousand jobs rang each of them and its design, which is more work than
/// the jobs are.
const NAMED: usize = 10;

impl Offer {
    /// Why a job that was not chosen waits. Pure.
    pub fn reason(&self) -> String {
        if self.waiting <= NAMED {
            return format!("queued behind {}", self.ahead.join(", "));
        }
        // in steps of 1, 2, 5, so that the reason changes a few times until the queue is empty
        let steps = std::iter::successors(Some(NAMED), |tens| tens.checked_mul(10)).flat_map(|tens| [1, 2, 5].map(|times| tens * times));
        let step = steps.take_while(|step| *step < self.waiting).last().unwrap_or(NAMED);
        format!("queued: more than {step} jobs wait for {} that run", self.ahead.len())
    }
}

/// Remembers who waits and who runs. Nothing here is durable: after a restart every Pending job offers itself again.
#[derive(Debug)]
pub struct Scheduler {
    limit: usize,
    /// how many fit into memory, as far as that is known
    room: AtomicUsize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: Vec<Candidate>,
    running: Vec<Candidate>,
    served: BTreeMap<String, u64>,
    turn: u64,
}

impl Scheduler {
    /// A scheduler that lets at most `limit` jobs run; a limit of 0 is taken as 1.
    pub fn new(limit: usize) -> Self {
        Scheduler { limit: limit.max(1), room: AtomicUsize::new(usize::MAX), inner: Mutex::default() }
    }

    /// Offers a job. Offering one that runs or waits already is harmless.
    pub fn offer(&self, candidate: Candidate) -> Offer {
        let mut inner = self.lock();
        let running = inner.running.iter().any(|other| other.job == candidate.job);
        if !running {
            match inner.waiting.iter_mut().find(|other| other.job == candidate.job) {
                Some(slot) => *slot = candidate,
                None => inner.waiting.push(candidate),
            }
        }
        let start = inner.fill(self.limit());
        Offer { start, ahead: inner.running.iter().map(|other| other.job.clone()).collect(), waiting: inner.waiting.len() }
    }

    /// A job ended (or will not run): frees its place and names the jobs that take it.
    pub fn done(&self, job: &str) -> Vec<String> {
        let mut inner = self.lock();
        inner.running.retain(|other| other.job != job);
        inner.waiting.retain(|other| other.job != job);
        inner.fill(self.limit())
    }

    /// So many fit into memory now. What runs already goes on; one always may run.
    pub fn fit(&self, room: usize) {
        self.room.store(room.max(1), Ordering::Relaxed);
    }

    /// How many may run now.
    pub fn limit(&self) -> usize {
        self.limit.min(self.room.load(Ordering::Relaxed))
    }

    /// true when memory, and not the setting, is what keeps more from running
    pub fn is_short_of_memory(&self) -> bool {
        self.limit() < self.limit
    }

    /// How many wait and how many run.
    pub fn counts(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.waiting.len(), inner.running.len())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn fill(&mut self, limit: usize) -> Vec<String> {
        let mut start = Vec::new();
        while let Some(index) = next(&self.waiting, &self.running, &self.served, limit) {
            let chosen = self.waiting.remove(index);
            self.turn += 1;
            self.served.insert(chosen.session.clone(), self.turn);
            start.push(chosen.job.clone());
            self.running.push(chosen);
        }
        if self.waiting.is_empty() {
            // Nobody waits, so the memory need not grow: but whoever runs now was served before who comes next.
            self.served.retain(|session, _| self.running.iter().any(|other| other.session == *session));
        }
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::Timestamp;

    fn candidate(job: &str, session: &str, second: i64) -> Candidate {
        let created = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::from_second(second).unwrap());
        Candidate { job: job.into(), session: session.into(), urgent: false, requested: true, created }
    }
    fn background(mut candidate: Candidate) -> Candidate {
        candidate.requested = false;
        candidate
    }
    fn urgent(mut candidate: Candidate) -> Candidate {
        candidate.urgent = true;
        candidate
    }

    #[test]
    fn the_choice_follows_its_table() {
        let old = candidate("old", "a", 1);
        let new = candidate("new", "b", 2);
        let rows = [
            ("nobody waits", vec![], vec![], None),
            ("the oldest of equals goes first", vec![new.clone(), old.clone()], vec![], Some("old")),
            ("a full house starts nothing", vec![old.clone()], vec![candidate("x", "x", 0), candidate("y", "y", 0)], None),
            ("a session never runs two", vec![old.clone(), new.clone()], vec![candidate("x", "a", 0)], Some("new")),
            ("a destroy overtakes", vec![old.clone(), urgent(new.clone())], vec![], Some("new")),
            ("a background check stands back", vec![background(old.clone()), new.clone()], vec![], Some("new")),
        ];
        for (reason, waiting, running, expected) in rows {
            let chosen = next(&waiting, &running, &BTreeMap::new(), 2).map(|index| waiting[index].job.as_str());
            assert_eq!(chosen, expected, "{reason}");
        }
    }

    #[test]
    fn a_session_that_was_served_waits_behind_one_that_was_not() {
        let waiting = [candidate("again", "a", 1), candidate("first", "b", 9)];
        let served = BTreeMap::from([("a".to_owned(), 3)]);
        assert_eq!(next(&waiting, &[], &served, 1), Some(1));
    }

    #[test]
    fn a_place_that_frees_goes_to_the_next_at_once() {
        let scheduler = Scheduler::new(1);
        assert_eq!(scheduler.offer(candidate("one", "a", 1)).start, ["one"]);
        let offer = scheduler.offer(candidate("two", "b", 2));
        assert_eq!((offer.start.len(), offer.ahead.as_slice()), (0, ["one".to_owned()].as_slice()));
        assert_eq!(scheduler.done("one"), ["two"]);
        assert!(scheduler.done("two").is_empty());
    }

    #[test]
    fn a_thousand_requests_of_one_session_delay_another_by_at_most_one_slot() {
        let scheduler = Scheduler::new(1);
        for number in 0..1000 {
            scheduler.offer(candidate(&format!("many-{number:04}"), "greedy", number));
        }
        let mut running = "many-0000".to_owned();
        for round in 0..20 {
            let mine = format!("mine-{round}");
            assert!(scheduler.offer(candidate(&mine, "modest", 5000 + round)).start.is_empty());
            assert_eq!(scheduler.done(&running), std::slice::from_ref(&mine), "after one slot, whoever waits longer");
            let next = scheduler.done(&mine);
            assert!(next[0].starts_with("many-"), "and then it is the other's turn again: {next:?}");
            running.clone_from(&next[0]);
        }
    }

    #[test]
    fn a_reason_names_who_is_ahead_in_a_short_queue_and_counts_a_long_one_in_round_numbers() {
        let offer = |waiting| Offer { start: Vec::new(), ahead: vec!["one".to_owned(), "two".to_owned()], waiting };
        let rows = [
            ("a few", 1, "queued behind one, two"),
            ("as many as are named", 10, "queued behind one, two"),
            ("one more", 11, "queued: more than 10 jobs wait for 2 that run"),
            ("the same words for many numbers", 20, "queued: more than 10 jobs wait for 2 that run"),
            ("twice", 21, "queued: more than 20 jobs wait for 2 that run"),
            ("hundreds", 999, "queued: more than 500 jobs wait for 2 that run"),
            ("thousands", 20_001, "queued: more than 20000 jobs wait for 2 that run"),
        ];
        for (why, waiting, said) in rows {
            assert_eq!(offer(waiting).reason(), said, "{why}");
        }
    }

    #[test]
    fn memory_bounds_what_runs_and_one_always_may() {
        let scheduler = Scheduler::new(4);
        scheduler.fit(2);
        let started: usize =
            (0..4).map(|number| scheduler.offer(candidate(&format!("j{number}"), &format!("s{number}"), number)).start.len()).sum();
        assert_eq!((started, scheduler.counts(), scheduler.is_short_of_memory()), (2, (2, 2), true));
        scheduler.fit(0);
        assert!(scheduler.done("j0").is_empty(), "the one that runs is as many as fit");
        assert_eq!(scheduler.done("j1"), ["j2"], "one always may");
        scheduler.fit(8);
        assert_eq!(scheduler.offer(candidate("j3", "s3", 3)).start, ["j3"], "what became free is used at the next bell");
        assert_eq!(scheduler.limit(), 4, "memory never allows more than the setting");
    }

    #[test]
    fn offering_a_running_job_again_does_not_start_it_twice() {
        let scheduler = Scheduler::new(4);
        assert_eq!(scheduler.offer(candidate("one", "a", 1)).start, ["one"]);
        assert!(scheduler.offer(candidate("one", "a", 1)).start.is_empty());
    }
}
