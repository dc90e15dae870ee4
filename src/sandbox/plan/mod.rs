//! What the provider answers to PlanResourceChange: the planned value and what forces a replacement. Pure and deterministic:
//! Terraform plans once more before it applies a saved plan and compares.
//!
//! The real provider is built on the SDK of Terraform's legacy type system, and this is what that SDK makes of a proposal:
//! defaults are filled in, blocks that the service fills are unknown until then, a collection with something unknown in it is
//! unknown as a whole, and nothing is the same as zero. Where that is more than Terraform lets a strict provider say, the
//! answer says so ([`Planned::legacy`]); everything else Terraform checks. `make test-real` compares the two.

use crate::render::schema::{Attribute, Block, EnumSource, NestedBlock, Nesting, Type};

use super::conform::conform_type;
use super::value::Value;

mod custom;

/// One step of a path into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// an attribute or block
    Name(String),
    /// a list element
    Index(i64),
}

/// A plan for one resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// the value after apply, with unknowns
    pub value: Value,
    /// paths that cannot change in place
    pub replace: Vec<Vec<Step>>,
    /// Terraform accepts this only from a provider that declares the legacy type system for this answer, as the real one
    /// does for every answer
    pub legacy: bool,
}

/// Plans a create (`prior` null) or an update. `proposed` is Terraform's merge of configuration and prior state.
pub fn plan(resource_type: &str, block: &Block, prior: &Value, config: &Value, proposed: &Value) -> Planned {
    let mut value = proposed.clone();
    let mut planner = Planner { legacy: false };
    let state = if prior.is_null() { State::Made } else { State::There };
    planner.block(block, prior, config, &mut value, state);
    let mut replace = Vec::new();
    if prior.is_null() {
        return Planned { value, replace, legacy: planner.legacy };
    }
    if value != *prior && without_timeouts(&value) == without_timeouts(prior) {
        return Planned { value: prior.clone(), replace, legacy: true };
    }
    replaces(block, prior, &value, &mut Vec::new(), &mut replace);
    let before = value.clone();
    custom::customize(resource_type, prior, &mut value, &mut replace);
    planner.legacy |= value != before;
    Planned { value, replace, legacy: planner.legacy }
}

/// Whether what is planned is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// it and its prior value are known
    There,
    /// made with the whole resource
    Made,
    /// a new element of a set: what the service fills is unknown, and a text that nobody gives is empty
    Joined,
    /// a new element of a list in a resource that is there: of what the service fills, texts, numbers and truths are left out
    Appended,
}

struct Planner {
    legacy: bool,
}

impl Planner {
    fn block(&mut self, block: &Block, prior: &Value, config: &Value, value: &mut Value, state: State) {
        let Value::Object(members) = value else { return };
        for (name, attribute) in &block.attributes {
            let Some(slot) = members.get_mut(name) else { continue };
            self.attribute(attribute, prior.get(name), config.get(name), slot, state);
        }
        for (name, nested) in &block.blocks {
            let Some(slot) = members.get_mut(name) else { continue };
            self.nested(nested, prior.get(name), config.get(name), slot, state);
        }
    }

    fn attribute(&mut self, attribute: &Attribute, prior: &Value, config: &Value, slot: &mut Value, state: State) {
        if config.is_null() {
            if attribute.computed {
                let collection = matches!(attribute.ty, Type::List(_) | Type::Set(_) | Type::Map(_));
                match state {
                    State::Made | State::Joined => *slot = Value::unknown(),
                    State::Appended if collection => *slot = Value::unknown(),
                    State::Appended | State::There => {}
                }
            } else if let Some(default) = &attribute.default {
                self.say(slot, conform_type(&attribute.ty, &Value::from_json(default)));
            } else if is_zero(prior) {
                self.say(slot, prior.clone());
            } else if state == State::Joined && attribute.ty == Type::String {
                self.say(slot, Value::text(""));
            }
        } else if state == State::There && equivalent(attribute, prior, slot) {
            *slot = prior.clone();
        } else if !wholly_known(slot) {
            self.say(slot, Value::unknown());
        }
    }

    fn nested(&mut self, nested: &NestedBlock, prior: &Value, config: &Value, slot: &mut Value, state: State) {
        if nested.nesting == Nesting::Single {
            if !slot.is_null() {
                self.block(&nested.block, prior, config, slot, state);
            }
            return;
        }
        if nested.computed && matches!(config, Value::List(elements) if elements.is_empty()) {
            match state {
                State::Made | State::Joined | State::Appended => self.say(slot, Value::unknown()),
                State::There => self.say(slot, prior.clone()),
            }
            return;
        }
        let Value::List(elements) = slot else { return };
        let prior_of = |element: &Value| prior.elements().iter().find(|before| says_the_same(&nested.block, before, element));
        let same = elements.len() == prior.elements().len() && elements.iter().all(|element| prior_of(element).is_some());
        for (index, element) in elements.iter_mut().enumerate() {
            if nested.nesting == Nesting::List {
                let before = prior.elements().get(index).unwrap_or(&Value::Null);
                let wanted = config.elements().get(index).unwrap_or(&Value::Null);
                let appended = state == State::There && before.is_null();
                self.block(&nested.block, before, wanted, element, if appended { State::Appended } else { state });
                continue;
            }
            // Elements of a set have no identity. One that says the same as a prior element is that element; of any other,
            // what is null in the proposal is what the configuration leaves out.
            match prior_of(element) {
                Some(before) => {
                    self.say(element, before.clone());
                    if !same {
                        self.reopen(&nested.block, element);
                    }
                }
                None => {
                    let wanted = element.clone();
                    self.block(&nested.block, &Value::Null, &wanted, element, State::Joined);
                }
            }
        }
    }

    /// An element that stays in a set that changes: the SDK writes it anew, and what the service left empty is open again.
    fn reopen(&mut self, block: &Block, element: &mut Value) {
        let Value::Object(members) = element else { return };
        for (name, _) in block.attributes.iter().filter(|(_, attribute)| attribute.computed) {
            let Some(slot) = members.get_mut(name) else { continue };
            if slot.is_null() || matches!(slot, Value::String(_) | Value::List(_) | Value::Object(_)) && is_zero(slot) {
                self.say(slot, Value::unknown());
            }
        }
        for (name, nested) in &block.blocks {
            let Some(slot) = members.get_mut(name) else { continue };
            match slot {
                Value::List(elements) if elements.is_empty() && nested.computed => self.say(slot, Value::unknown()),
                Value::List(elements) => elements.iter_mut().for_each(|element| self.reopen(&nested.block, element)),
                _ => {}
            }
        }
    }

    /// Plans another value than Terraform proposed.
    fn say(&mut self, slot: &mut Value, value: Value) {
        if *slot != value {
            self.legacy = true;
            *slot = value;
        }
    }
}

/// Whether what was made differs from what was planned, and only where nothing became zero: the one inconsistency that the
/// legacy type system is to excuse. Any other one Terraform shall see.
pub fn only_zeros(planned: &Value, made: &Value) -> bool {
    zeros(planned, made) == Some(true)
}

/// None when something else differs.
fn zeros(planned: &Value, made: &Value) -> Option<bool> {
    match (planned, made) {
        (Value::Unknown(..), _) => Some(false),
        (Value::Null, made) if is_zero(made) => Some(true),
        (Value::List(planned), Value::List(made)) if planned.len() == made.len() => {
            planned.iter().zip(made).try_fold(false, |any, (planned, made)| Some(zeros(planned, made)? || any))
        }
        (Value::Object(planned), Value::Object(made)) if planned.len() == made.len() => {
            planned.iter().try_fold(false, |any, (name, planned)| Some(zeros(planned, made.get(name)?)? || any))
        }
        (planned, made) => (planned == made).then_some(false),
    }
}

fn wholly_known(value: &Value) -> bool {
    match value {
        Value::Unknown(..) => false,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        Value::List(elements) => elements.iter().all(wholly_known),
        Value::Object(members) => members.values().all(wholly_known),
    }
}

/// What the SDK cannot tell from nothing.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Unknown(..) => false,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::List(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

/// Whether two elements of a set are one to the SDK: what a configuration may say is equal, nothing being zero.
fn says_the_same(block: &Block, one: &Value, other: &Value) -> bool {
    let equal = |one: &Value, other: &Value| one == other || one.is_null() && is_zero(other) || is_zero(one) && other.is_null();
    block.attributes.iter().filter(|(_, a)| !a.is_read_only()).all(|(name, _)| equal(one.get(name), other.get(name)))
        && block.blocks.iter().all(|(name, nested)| {
            let (one, other) = (one.get(name).elements(), other.get(name).elements());
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| says_the_same(&nested.block, one, other))
        })
}

fn equivalent(attribute: &Attribute, prior: &Value, now: &Value) -> bool {
    let (Some(prior), Some(now)) = (prior.as_str(), now.as_str()) else { return false };
    if prior == now {
        return false;
    }
    if attribute.enum_source == Some(EnumSource::ProviderValidate) {
        return prior.eq_ignore_ascii_case(now);
    }
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    attribute.json_string && json(prior).is_some_and(|prior| json(now) == Some(prior))
}

fn without_timeouts(value: &Value) -> Value {
    let mut value = value.clone();
    if let Value::Object(members) = &mut value {
        members.remove("timeouts");
    }
    value
}

/// Collects the paths whose change needs a replacement. Only changed paths may be reported, and a path into a set must stop
/// at the block.
fn replaces(block: &Block, prior: &Value, planned: &Value, at: &mut Vec<Step>, out: &mut Vec<Vec<Step>>) {
    for (name, attribute) in &block.attributes {
        if attribute.force_new && prior.get(name) != planned.get(name) {
            at.push(Step::Name(name.clone()));
            out.push(at.clone());
            at.pop();
        }
    }
    for (name, nested) in &block.blocks {
        let (before, after) = (prior.get(name), planned.get(name));
        let nothing = before.elements().is_empty() && after.elements().is_empty() && !before.is_unknown() && !after.is_unknown();
        if before == after || nothing && nested.nesting != Nesting::Single || name == "timeouts" {
            continue;
        }
        at.push(Step::Name(name.clone()));
        match (nested.nesting, before, after) {
            (Nesting::List, Value::List(before), Value::List(after)) => {
                if nested.force_new && before.len() != after.len() {
                    out.push(at.clone());
                }
                // An element that comes or goes is said by what is set in it.
                for index in 0..before.len().max(after.len()) {
                    let of = |elements: &[Value]| elements.get(index).cloned().unwrap_or(Value::Null);
                    at.push(Step::Index(i64::try_from(index).unwrap_or(i64::MAX)));
                    replaces(&nested.block, &of(before), &of(after), at, out);
                    at.pop();
                }
            }
            (Nesting::Single, Value::Object(_), Value::Object(_)) => replaces(&nested.block, before, after, at, out),
            (Nesting::List | Nesting::Set | Nesting::Single, before, after) => {
                if nested.force_new || came_or_went_forces(nested, before, after) {
                    out.push(at.clone());
                }
            }
        }
        at.pop();
    }
}

/// An element that comes or goes forces a replacement when it carries a ForceNew attribute that is set.
fn came_or_went_forces(nested: &NestedBlock, before: &Value, after: &Value) -> bool {
    let gone = before.elements().iter().filter(|element| !after.elements().contains(element));
    let come = after.elements().iter().filter(|element| !before.elements().contains(element));
    gone.chain(come).any(|element| sets_force_new(&nested.block, element))
}

fn sets_force_new(block: &Block, value: &Value) -> bool {
    let set = |value: &Value| !value.is_null() && !value.is_unknown();
    block.attributes.iter().any(|(name, attribute)| attribute.force_new && set(value.get(name)))
        || block.blocks.iter().any(|(name, nested)| {
            value.get(name).elements().iter().any(|element| nested.force_new || sets_force_new(&nested.block, element))
        })
}

#[cfg(test)]
mod tests;
