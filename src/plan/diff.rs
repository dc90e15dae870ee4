//! The structural diff: rendered resources against state, in process and in milliseconds, before Terraform runs at all.
//! An expectation for people, never a decision: what it cannot know (references, defaults of the provider) it leaves out. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::paths::join;
use super::state::{self, StateView};
use crate::api::design::{Change, ChangeAction, Preview, STATUS_LIST_LIMIT};
use crate::render::RenderedResource;

/// What would change. `force_new(type, path)` says whether a change of that attribute (dotted, without list positions)
/// replaces the resource.
pub fn structural_diff(rendered: &[RenderedResource], state: Option<&StateView>, force_new: impl Fn(&str, &str) -> bool) -> Preview {
    let recorded: BTreeMap<String, &Value> = match state {
        Some(view) => state::instances(&view.raw).filter(|i| !i.deposed).map(|i| (i.address, i.attributes)).collect(),
        None => BTreeMap::new(),
    };
    let mut changes = Vec::new();
    for resource in rendered {
        match recorded.get(&resource.address) {
            None => changes.push(plain(&resource.address, ChangeAction::Create)),
            Some(attributes) => changes.extend(compared(resource, attributes, &force_new)),
        }
    }
    let wanted: BTreeSet<&str> = rendered.iter().map(|resource| resource.address.as_str()).collect();
    changes.extend(recorded.keys().filter(|address| !wanted.contains(address.as_str())).map(|a| plain(a, ChangeAction::Delete)));
    changes.sort_by(|a, b| (a.action, &a.address).cmp(&(b.action, &b.address)));
    let mut preview = Preview::default();
    for change in &changes {
        super::count(&mut preview.counts, change.action);
    }
    changes.truncate(STATUS_LIST_LIMIT);
    preview.changes = changes;
    preview
}

fn plain(address: &str, action: ChangeAction) -> Change {
    Change { address: address.to_owned(), action, replace_paths: Vec::new(), changed_paths: Vec::new() }
}

fn compared(resource: &RenderedResource, attributes: &Value, force_new: &impl Fn(&str, &str) -> bool) -> Option<Change> {
    let mut differing = BTreeSet::new();
    for (key, wanted) in super::members(&resource.arguments) {
        differ(wanted, attributes.get(key).unwrap_or(&Value::Null), key, &resource.unknown, &mut differing);
    }
    if differing.is_empty() {
        return None;
    }
    // A replace is forced by the attribute itself or by a block around it.
    let forces = |path: &String| {
        let steps: Vec<&str> = path.split('.').collect();
        (1..=steps.len()).any(|length| force_new(&resource.resource_type, &steps[..length].join(".")))
    };
    let replace_paths: Vec<String> = differing.iter().filter(|path| forces(path)).cloned().collect();
    let action = if replace_paths.is_empty() { ChangeAction::Update } else { ChangeAction::Replace };
    Some(Change { address: resource.address.clone(), action, replace_paths, changed_paths: differing.into_iter().collect() })
}

/// Adds the paths at which a wish is not what is recorded. Only what is wished is compared: the state holds far more.
fn differ(wanted: &Value, recorded: &Value, path: &str, unknown: &BTreeSet<String>, found: &mut BTreeSet<String>) {
    if unknown.contains(path) || wanted.is_null() {
        return;
    }
    match (wanted, recorded) {
        (Value::Object(members), Value::Object(_)) => {
            for (key, member) in members {
                differ(member, recorded.get(key).unwrap_or(&Value::Null), &join(path, key), unknown, found);
            }
        }
        // A single nested block is rendered as an object and recorded as a list of one.
        (Value::Object(_), Value::Array(list)) if list.len() == 1 => differ(wanted, &list[0], path, unknown, found),
        (Value::Array(list), Value::Object(_)) if list.len() == 1 => differ(&list[0], recorded, path, unknown, found),
        (Value::Object(_), Value::Array(list)) => {
            let fits = list.iter().any(|element| is_met(wanted, element, path, unknown));
            if !fits || list.len() != 1 {
                found.insert(path.to_owned());
            }
        }
        (Value::Array(wishes), Value::Array(list)) => {
            let met = |wish: &Value| wish.is_null() || list.iter().any(|element| is_met(wish, element, path, unknown));
            if wishes.len() == 1 && list.len() == 1 {
                differ(&wishes[0], &list[0], path, unknown, found);
            } else if wishes.len() != list.len() || !wishes.iter().all(met) {
                // Sets are recorded in an order of their own, so a position says nothing: the block as a whole differs.
                found.insert(path.to_owned());
            }
        }
        _ if same(wanted, recorded) => {}
        _ => {
            found.insert(path.to_owned());
        }
    }
}

fn is_met(wanted: &Value, recorded: &Value, path: &str, unknown: &BTreeSet<String>) -> bool {
    let mut found = BTreeSet::new();
    differ(wanted, recorded, path, unknown, &mut found);
    found.is_empty()
}

/// Equal as Terraform would convert them: `"10"` is 10, `"true"` is true, an empty collection is nothing.
fn same(wanted: &Value, recorded: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.as_f64().map(|float| float.to_string()).unwrap_or_else(|| number.to_string())),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let is_empty =
        |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(|o| o.is_empty());
    wanted == recorded
        || (is_empty(wanted) && is_empty(recorded))
        || matches!((text(wanted), text(recorded)), (Some(a), Some(b)) if a == b || number(&a) == number(&b) && number(&a).is_some())
}

fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}
