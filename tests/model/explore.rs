//! A small explicit-state checker: breadth first through everything that can happen, then walks beyond the bounds.
//!
//! Knows nothing of Galley. A system says what can happen next and whether a state is wrong; the shortest way to the
//! first wrong state is the trace. Progress is checked on the graph of *internal* steps: without a person, a failure or
//! the passing of time, every way must end (no livelock), and where it ends the system says whether it may rest there.

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::{Hash, Hasher};

/// What is explored.
pub trait System {
    type State: Clone + Hash + Debug;
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

/// Every state that was seen, by its number in the order of discovery: how it was reached, and where its internal steps
/// lead. The states themselves are not kept: 128 bits of hash tell them apart (for ten million states a wrong pair has a
/// chance of 10^-25), and a way is found again by going it.
#[derive(Default)]
struct Graph {
    numbers: HashMap<u128, u32>,
    /// the state before, and the number of the step from there
    from: Vec<(u32, u32)>,
    depth: Vec<u16>,
    /// targets of internal steps, state after state
    internal: Vec<u32>,
    /// where those of each state begin
    begins: Vec<u32>,
}

impl Graph {
    fn find(&self, fingerprint: u128) -> Option<u32> {
        self.numbers.get(&fingerprint).copied()
    }
    fn add(&mut self, fingerprint: u128, from: (u32, u32), depth: u16) -> u32 {
        let number = u32::try_from(self.from.len()).expect("fewer than four thousand million states");
        self.numbers.insert(fingerprint, number);
        self.from.push(from);
        self.depth.push(depth);
        number
    }
    fn internal_of(&self, at: usize) -> &[u32] {
        let end = self.begins.get(at + 1).map_or(self.internal.len(), |end| *end as usize);
        self.begins.get(at).map_or(&[], |begin| &self.internal[*begin as usize..end])
    }
}

fn fingerprint(state: &impl Hash) -> u128 {
    let half = |salt: u8| {
        let mut hasher = std::hash::DefaultHasher::new();
        salt.hash(&mut hasher);
        state.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// Breadth first, at most `limit` states.
pub fn breadth_first<T: System>(system: &T, limit: usize) -> Report {
    let mut graph = Graph::default();
    graph.add(fingerprint(&system.start()), (0, 0), 0);
    // numbers are given in the order in which states are looked at, so what a state leads to is written down in order
    let mut queue = VecDeque::from([system.start()]);
    let mut report = Report { states: 1, transitions: 0, depth: 0, rests: 0, complete: true, counterexample: None };
    let mut at = 0;
    while let Some(state) = queue.pop_front() {
        graph.begins.push(u32::try_from(graph.internal.len()).expect("fewer than four thousand million steps"));
        report.depth = report.depth.max(usize::from(graph.depth[at]));
        let steps = system.steps(&state);
        let rests = !steps.iter().any(|step| system.is_internal(step));
        report.rests += usize::from(rests);
        if let Some(why) = system.wrong(&state).or_else(|| if rests { system.restless(&state) } else { None }) {
            report.counterexample = Some(Counterexample { why, trace: trace(system, &graph, at) });
            break;
        }
        for (number, step) in (0..).zip(&steps) {
            report.transitions += 1;
            let next = system.take(&state, step);
            let fingerprint = fingerprint(&next);
            let target = match graph.find(fingerprint) {
                Some(found) => found,
                None if graph.from.len() >= limit => {
                    report.complete = false;
                    continue;
                }
                None => {
                    queue.push_back(next);
                    graph.add(fingerprint, (at as u32, number), graph.depth[at] + 1)
                }
            };
            if system.is_internal(step) {
                graph.internal.push(target);
            }
        }
        at += 1;
    }
    report.states = graph.from.len();
    if report.counterexample.is_none()
        && let Some(at) = on_a_cycle(&graph)
    {
        let why = "livelock: Galley goes round in a circle here without anybody or anything asking for it".to_owned();
        report.counterexample = Some(Counterexample { why, trace: trace(system, &graph, at) });
    }
    report
}

/// A state that internal steps lead back to: what is left when everything that leads nowhere else is taken away.
fn on_a_cycle(graph: &Graph) -> Option<usize> {
    let states = graph.from.len();
    let mut open: Vec<u32> = (0..states).map(|at| graph.internal_of(at).len() as u32).collect();
    // who leads to whom, all in one list: those of one target stand together and end at `ends`
    let mut ends = vec![0u32; states];
    graph.internal.iter().for_each(|to| ends[*to as usize] += 1);
    let mut sum = 0;
    ends.iter_mut().for_each(|end| {
        sum += *end;
        *end = sum;
    });
    let (mut into, mut free) = (vec![0u32; graph.internal.len()], ends.clone());
    for from in 0..states {
        for to in graph.internal_of(from) {
            free[*to as usize] -= 1;
            into[free[*to as usize] as usize] = from as u32;
        }
    }
    let mut done: Vec<usize> = (0..states).filter(|at| open[*at] == 0).collect();
    let mut left = states;
    while let Some(at) = done.pop() {
        left -= 1;
        for from in &into[free[at] as usize..ends[at] as usize] {
            open[*from as usize] -= 1;
            if open[*from as usize] == 0 {
                done.push(*from as usize);
            }
        }
    }
    // the first one left over leads to a circle; the circle itself is printed by whoever reads the trace on
    (left > 0).then(|| (0..states).find(|at| open[*at] > 0)).flatten()
}

/// The steps from the start to a state, by going them again.
fn trace<T: System>(system: &T, graph: &Graph, at: usize) -> Vec<String> {
    let mut numbers = vec![];
    let mut at = at as u32;
    while at != 0 {
        let (before, number) = graph.from[at as usize];
        numbers.push(number as usize);
        at = before;
    }
    let mut state = system.start();
    let mut steps = vec![];
    for number in numbers.into_iter().rev() {
        let step = system.steps(&state).swap_remove(number);
        state = system.take(&state, &step);
        steps.push(format!("{step:?}"));
    }
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
