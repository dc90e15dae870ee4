//! What the provider answers to PlanResourceChange: the planned value and what forces a replacement. Pure and deterministic:
//! Terraform plans once more before it applies a saved plan and compares.
//!
//! Strict: nothing is planned that Terraform's own rules (without `legacy_type_system`) refuse, so defaults of attributes
//! that are not computed are not filled in, and computed nested blocks that the configuration leaves out stay empty.

use crate::render::schema::{Attribute, Block, EnumSource, NestedBlock, Nesting};

use super::value::Value;

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
    /// nothing but `timeouts` differs: the value is the prior one. Terraform accepts that only from a provider that declares
    /// the legacy type system for this answer, as the real one does
    pub only_timeouts: bool,
}

/// Plans a create (`prior` null) or an update. `proposed` is Terraform's merge of configuration and prior state.
pub fn plan(block: &Block, prior: &Value, config: &Value, proposed: &Value) -> Planned {
    let mut value = proposed.clone();
    mark(block, prior, config, &mut value, prior.is_null());
    let mut replace = Vec::new();
    if prior.is_null() {
        return Planned { value, replace, only_timeouts: false };
    }
    if value != *prior && without_timeouts(&value) == without_timeouts(prior) {
        return Planned { value: prior.clone(), replace, only_timeouts: true };
    }
    replaces(block, prior, &value, &mut Vec::new(), &mut replace);
    Planned { value, replace, only_timeouts: false }
}

/// Computed and not configured: unknown when the element is new, else what it was. Values that the real provider treats as
/// equal to the prior ones (letter case of its own enumerations, JSON text) stay as they were.
fn mark(block: &Block, prior: &Value, config: &Value, value: &mut Value, new: bool) {
    let Value::Object(members) = value else { return };
    for (name, attribute) in &block.attributes {
        let Some(slot) = members.get_mut(name) else { continue };
        if attribute.computed && config.get(name).is_null() {
            if new {
                *slot = Value::unknown();
            }
        } else if !new && equivalent(attribute, prior.get(name), slot) {
            *slot = prior.get(name).clone();
        }
    }
    for (name, nested) in &block.blocks {
        let Some(slot) = members.get_mut(name) else { continue };
        mark_nested(nested, prior.get(name), config.get(name), slot, new);
    }
}

fn mark_nested(nested: &NestedBlock, prior: &Value, config: &Value, slot: &mut Value, new: bool) {
    match nested.nesting {
        Nesting::Single => {
            if !slot.is_null() {
                mark(&nested.block, prior, config, slot, new);
            }
        }
        Nesting::List => {
            let (Value::List(elements), Value::List(configured)) = (slot, config) else { return };
            for (index, element) in elements.iter_mut().enumerate() {
                let before = prior.elements().get(index).unwrap_or(&Value::Null);
                let wanted = configured.get(index).unwrap_or(&Value::Null);
                mark(&nested.block, before, wanted, element, new || before.is_null());
            }
        }
        Nesting::Set => {
            let Value::List(elements) = slot else { return };
            for element in elements {
                // Elements of a set have no identity. One that equals a prior element is that element; of any other, what is
                // null in the proposal is what the configuration leaves out.
                if !prior.elements().contains(element) {
                    let wanted = element.clone();
                    mark(&nested.block, &Value::Null, &wanted, element, true);
                }
            }
        }
    }
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

/// Collects the paths whose change needs a replacement. Only changed paths may be reported, and a path into a set or into a
/// list of another length must stop at the block.
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
        if before == after || name == "timeouts" {
            continue;
        }
        at.push(Step::Name(name.clone()));
        match (nested.nesting, before, after) {
            (Nesting::List, Value::List(before), Value::List(after)) if before.len() == after.len() => {
                for (index, (before, after)) in (0_i64..).zip(before.iter().zip(after)) {
                    at.push(Step::Index(index));
                    replaces(&nested.block, before, after, at, out);
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
