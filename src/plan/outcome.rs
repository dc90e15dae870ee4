//! What an apply did: folds its events into created, failed, not attempted and in flight. Pure.

use std::collections::BTreeMap;

use super::diagnostics;
use super::events::{Event, Operation};
use super::state::StateView;
use crate::api::design::{ChangeAction, InFlight, Severity};

/// Follows an apply, event by event.
#[derive(Debug, Clone, Default)]
pub struct Tracker {
    planned: BTreeMap<String, ChangeAction>,
    seen: BTreeMap<String, Seen>,
}

/// What was seen of one address.
#[derive(Debug, Clone, Default)]
struct Seen {
    running: Option<Operation>,
    completed: Vec<Operation>,
    failed: bool,
    /// what was being done when it failed; None when it was never begun
    tried: Option<Operation>,
    /// the failure was explained by somebody who knows that nothing was made
    refused: bool,
    /// of what is being changed or deleted
    id: Option<String>,
    /// of what was made
    made: Option<String>,
}

/// How it ended, every address in exactly one list, sorted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ended {
    /// done
    pub created: Vec<String>,
    /// tried and refused
    pub failed: Vec<String>,
    /// planned and not tried
    pub not_attempted: Vec<String>,
    /// begun, and nobody saw the end
    pub in_flight: Vec<InFlight>,
    /// creates that failed without an answer that says that nothing was made: the provider died, the connection broke,
    /// the service had an error of its own. To be looked for as what is in flight.
    pub unanswered: Vec<InFlight>,
}

impl Tracker {
    /// For a plan; with an empty one the plan is taken from the `planned_change` events, which an apply repeats.
    pub fn new(planned: BTreeMap<String, ChangeAction>) -> Self {
        Tracker { planned, seen: BTreeMap::new() }
    }

    /// Takes one event.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::PlannedChange { address, action } => {
                self.planned.entry(address.clone()).or_insert(*action);
            }
            Event::Start { address, operation, id } => {
                let seen = self.seen.entry(address.clone()).or_default();
                seen.running = Some(*operation);
                if id.is_some() {
                    seen.id.clone_from(id);
                }
            }
            Event::Complete { address, operation, id } => {
                let seen = self.seen.entry(address.clone()).or_default();
                seen.running = None;
                seen.completed.push(*operation);
                match operation {
                    Operation::Create => seen.made.clone_from(id),
                    Operation::Update | Operation::Delete => seen.id.clone_from(id),
                }
            }
            Event::Errored { address, operation } => {
                let seen = self.seen.entry(address.clone()).or_default();
                seen.running = None;
                seen.failed = true;
                seen.tried = Some(*operation);
            }
            // A refused precondition or a broken plan of one resource fails it before any apply_start.
            Event::Diagnostic(diagnostic) if diagnostic.severity == Severity::Error => {
                if let Some(address) = &diagnostic.address
                    && self.planned.contains_key(address)
                {
                    let seen = self.seen.entry(address.clone()).or_default();
                    seen.failed |= seen.running.is_none() && seen.completed.is_empty();
                    seen.refused |= diagnostics::is_refusal(diagnostic);
                }
            }
            Event::Diagnostic(_)
            | Event::Version(_)
            | Event::Drift { .. }
            | Event::Progress { .. }
            | Event::Refreshed { .. }
            | Event::Other => {}
        }
    }

    /// How many addresses there are to do.
    pub fn total(&self) -> usize {
        self.planned.len()
    }

    /// How many are done or failed.
    pub fn done(&self) -> usize {
        self.planned
            .iter()
            .filter(|(address, action)| self.seen.get(*address).is_some_and(|seen| seen.failed || seen.is_done(**action)))
            .count()
    }

    /// Addresses being worked on, at most `limit`.
    pub fn current(&self, limit: usize) -> Vec<String> {
        self.seen.iter().filter(|(_, seen)| seen.running.is_some()).take(limit).map(|(address, _)| address.clone()).collect()
    }

    /// The lists. `state` is the newest state after the end: what was reported made and is in no state is in flight with
    /// the id that the report gave. None = no state can be read, so nothing made counts as recorded.
    pub fn end(&self, state: Option<&StateView>) -> Ended {
        let mut ended = Ended::default();
        let mut planned = self.planned.clone();
        for (address, seen) in &self.seen {
            if let Some(operation) = seen.completed.first().copied().or(seen.running) {
                planned.entry(address.clone()).or_insert(operation.as_action());
            }
        }
        for (address, action) in planned {
            let recorded = state.and_then(|state| state.resources.get(&address));
            let seen = self.seen.get(&address).cloned().unwrap_or_default();
            if seen.has(Operation::Create) && !seen.is_recorded(action, recorded) {
                ended.in_flight.push(InFlight { address, action, found_id: seen.made, looked_up: false });
            } else if let Some(operation) = seen.running {
                // What a replacement is making has an id of its own.
                let other = operation == Operation::Create && action == ChangeAction::Replace;
                let found_id = if other { None } else { seen.id.or_else(|| recorded.and_then(|(_, id)| id.clone())) };
                ended.in_flight.push(InFlight { address, action: operation.as_action(), found_id, looked_up: false });
            } else if seen.failed && seen.may_have_made(action, recorded) {
                ended.unanswered.push(InFlight { address, action: ChangeAction::Create, found_id: None, looked_up: false });
            } else if seen.failed {
                ended.failed.push(address);
            } else if action == ChangeAction::Import {
                // An import alone gives no apply events: the state tells.
                if recorded.is_some() { ended.created.push(address) } else { ended.not_attempted.push(address) }
            } else if seen.is_done(action) {
                // A change that is in no state: nothing is doubled by looking for it.
                if action == ChangeAction::Update && recorded.is_none() {
                    ended.in_flight.push(InFlight { address, action, found_id: seen.id, looked_up: false });
                } else {
                    ended.created.push(address);
                }
            } else {
                ended.not_attempted.push(address);
            }
        }
        ended
    }

    /// As [`Tracker::end`], when events may have gone lost: what nobody heard of may have been begun.
    pub fn end_unheard(&self, state: Option<&StateView>) -> Ended {
        let mut ended = self.end(state);
        let silent: BTreeMap<String, ChangeAction> = std::mem::take(&mut ended.not_attempted)
            .into_iter()
            .filter_map(|address| self.planned.get(&address).map(|action| (address.clone(), *action)))
            .collect();
        let Ended { created, in_flight, .. } = Tracker::unseen(silent, state);
        ended.created.extend(created);
        ended.in_flight.extend(in_flight);
        ended
    }

    /// When the event log of an apply is lost with its disk: every planned address that the state does not show as done
    /// may have been begun. Creates and replaces that no state holds must be looked up before anything is made again.
    pub fn unseen(planned: BTreeMap<String, ChangeAction>, state: Option<&StateView>) -> Ended {
        let mut ended = Ended::default();
        for (address, action) in planned {
            let recorded = state.is_some_and(|state| state.resources.contains_key(&address));
            let (is_known, is_done) = match action {
                ChangeAction::Create | ChangeAction::Import => (recorded, recorded),
                ChangeAction::Delete => (!recorded, !recorded),
                ChangeAction::Update | ChangeAction::Replace => (false, false),
            };
            if is_done {
                ended.created.push(address);
            } else if !is_known {
                ended.in_flight.push(InFlight { address, action, found_id: None, looked_up: false });
            }
        }
        ended
    }
}

impl Seen {
    fn has(&self, operation: Operation) -> bool {
        self.completed.contains(&operation)
    }
    /// Whether what was made is in the state, and not only what stood under its address before: a state that is older than
    /// the apply's last step (the file was torn, and the mirror took its place) still holds what a replacement deleted.
    fn is_recorded(&self, action: ChangeAction, recorded: Option<&(String, Option<String>)>) -> bool {
        match (recorded, &self.made) {
            (None, _) => false,
            (Some((_, Some(held))), Some(made)) => held == made,
            (Some(_), _) => action != ChangeAction::Replace,
        }
    }
    /// A create that errored, and nobody said that nothing was made. What terraform recorded all the same (tainted) is known;
    /// under the address of a replacement the state may still hold what was deleted.
    fn may_have_made(&self, action: ChangeAction, recorded: Option<&(String, Option<String>)>) -> bool {
        let known = recorded.is_some_and(|(_, held)| action != ChangeAction::Replace || self.id.is_some() && *held != self.id);
        self.tried == Some(Operation::Create) && !self.refused && !known
    }
    fn is_done(&self, action: ChangeAction) -> bool {
        match action {
            ChangeAction::Create => self.has(Operation::Create),
            ChangeAction::Update | ChangeAction::Import => self.has(Operation::Update),
            ChangeAction::Delete => self.has(Operation::Delete),
            ChangeAction::Replace => self.has(Operation::Delete) && self.has(Operation::Create),
        }
    }
}
