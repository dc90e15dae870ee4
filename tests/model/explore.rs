//! A small explicit-state checker: breadth first through everything that can happen, then walks beyond the bounds.
//!
//! Knows nothing of Galley. A system says what can happen next and whether a state is wrong; the shortest way to the
//! first wrong state is the trace. Progress is checked on the graph of *internal* steps: without a person, a failure or
//! the passing of time, every way must end (no livelock), and where it ends the system says whether it may rest there.

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;

/// What is explored.
pub trait System {
    type State: Clone + Eq + Hash + Debug;
    type Step: Clone + Debug;
    /// Where it starts.
    fn start(&self) -> Self::State;
    /// Everything that can happen now.
    fn steps(&self, state: &Self::State) -> Vec<Self::Step>;
    /// One of them happens.
    fn take(&self, state: &Self::State, step: &Self::Step) -> Self::State;
    /// A step the system makes by itself, at once.
    fn is_internal(&self, step: &Self::Step) -> bool;
    /// What is wrong with this state, if anything.
    fn wrong(&self, state: &Self::State) -> Option<String>;
    /// What is wrong with resting here: no internal step is possible.
    fn restless(&self, state: &Self::State) -> Option<String>;
}

/// What was found.
#[derive(Debug)]
pub struct Report {
    pub states: usize,
    pub transitions: usize,
    pub depth: usize,
    /// states in which nothing happens by itself
    pub rests: usize,
    /// every state within the bounds was seen
    pub complete: bool,
    pub counterexample: Option<Counterexample>,
}

/// The shortest way to a wrong state.
#[derive(Debug)]
pub struct Counterexample {
    pub why: String,
    pub trace: Vec<String>,
}

struct Seen<S> {
    state: S,
    /// index of the state before, and the step from there
    from: Option<(usize, String)>,
    depth: usize,
    internal: Vec<usize>,
}

/// Breadth first, at most `limit` states.
pub fn breadth_first<T: System>(system: &T, limit: usize) -> Report {
    let mut seen = vec![Seen { state: system.start(), from: None, depth: 0, internal: vec![] }];
    let mut index = HashMap::from([(system.start(), 0)]);
    let mut queue = VecDeque::from([0]);
    let mut report = Report { states: 1, transitions: 0, depth: 0, rests: 0, complete: true, counterexample: None };
    while let Some(at) = queue.pop_front() {
        let state = seen[at].state.clone();
        report.depth = report.depth.max(seen[at].depth);
        let steps = system.steps(&state);
        let rests = !steps.iter().any(|step| system.is_internal(step));
        report.rests += usize::from(rests);
        if let Some(why) = system.wrong(&state).or_else(|| if rests { system.restless(&state) } else { None }) {
            report.counterexample = Some(Counterexample { why, trace: trace(&seen, at) });
            break;
        }
        for step in steps {
            report.transitions += 1;
            let next = system.take(&state, &step);
            let target = match index.get(&next) {
                Some(found) => *found,
                None if seen.len() >= limit => {
                    report.complete = false;
                    continue;
                }
                None => {
                    let new = seen.len();
                    index.insert(next.clone(), new);
                    seen.push(Seen { state: next, from: Some((at, format!("{step:?}"))), depth: seen[at].depth + 1, internal: vec![] });
                    queue.push_back(new);
                    new
                }
            };
            if system.is_internal(&step) {
                seen[at].internal.push(target);
            }
        }
    }
    report.states = seen.len();
    if report.counterexample.is_none()
        && let Some(at) = on_a_cycle(&seen)
    {
        let why = "livelock: Galley goes round in a circle here without anybody or anything asking for it".to_owned();
        report.counterexample = Some(Counterexample { why, trace: trace(&seen, at) });
    }
    report
}

/// A state that internal steps lead back to: what is left when everything that leads nowhere else is taken away.
fn on_a_cycle<S>(seen: &[Seen<S>]) -> Option<usize> {
    let mut open: Vec<usize> = seen.iter().map(|one| one.internal.len()).collect();
    let mut into: Vec<Vec<usize>> = vec![vec![]; seen.len()];
    for (from, one) in seen.iter().enumerate() {
        one.internal.iter().for_each(|to| into[*to].push(from));
    }
    let mut done: Vec<usize> = (0..seen.len()).filter(|at| open[*at] == 0).collect();
    let mut left = seen.len();
    while let Some(at) = done.pop() {
        left -= 1;
        for from in &into[at] {
            open[*from] -= 1;
            if open[*from] == 0 {
                done.push(*from);
            }
        }
    }
    // the first one left over leads to a circle; the circle itself is printed by whoever reads the trace on
    (left > 0).then(|| (0..seen.len()).find(|at| open[*at] > 0)).flatten()
}

fn trace<S>(seen: &[Seen<S>], mut at: usize) -> Vec<String> {
    let mut steps = vec![];
    while let Some((before, step)) = &seen[at].from {
        steps.push(step.clone());
        at = *before;
    }
    steps.reverse();
    steps
}

/// Walks of random steps, each until nothing can happen or it is `length` long. Gives (steps taken, what was found).
pub fn walks<T: System>(system: &T, seed: u64, count: usize, length: usize) -> (usize, Option<Counterexample>) {
    let mut random = seed.max(1);
    let mut taken = 0;
    for _ in 0..count {
        let mut state = system.start();
        let mut trace = vec![];
        for _ in 0..length {
            let steps = system.steps(&state);
            let rests = !steps.iter().any(|step| system.is_internal(step));
            if let Some(why) = system.wrong(&state).or_else(|| if rests { system.restless(&state) } else { None }) {
                return (taken, Some(Counterexample { why, trace }));
            }
            // mostly what Galley does, so that walks get somewhere before the next blow
            let internal: Vec<&T::Step> = steps.iter().filter(|step| system.is_internal(step)).collect();
            let choice: Vec<&T::Step> =
                if !internal.is_empty() && !next(&mut random).is_multiple_of(4) { internal } else { steps.iter().collect() };
            let Some(step) = choice.get(next(&mut random) as usize % choice.len().max(1)) else { break };
            trace.push(format!("{step:?}"));
            state = system.take(&state, step);
            taken += 1;
        }
    }
    (taken, None)
}

/// xorshift64*: small, and the same on every machine.
fn next(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
}
