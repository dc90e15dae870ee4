//! Arguments of a component's resources, held against both views. Pure.

use serde_json::Value;

use super::Expectation;
use super::checks::label;
use super::world::World;

pub(super) fn argued(expectation: &Expectation<'_>, world: &World, id: &str, argument: &str, wanted: &Value) -> Result<String, String> {
    let own = label(id);
    let found: Vec<&Value> = world.labelled(&own).flat_map(|part| values_at(&part.attributes, argument)).collect();
    let service = expectation.service_type(id).unwrap_or(id);
    if world.labelled(&own).next().is_none() {
        Err(format!("{id} ({service}) has no resource"))
    } else if absent(wanted) && found.is_empty() {
        Ok(format!("{id} has no {argument}"))
    } else if !absent(wanted) && !found.is_empty() && found.iter().all(|value| alike(value, wanted)) {
        Ok(format!("{id}.{argument} = {wanted}"))
    } else {
        Err(format!("{id}.{argument} is {found:?}, expected {wanted}"))
    }
}

/// Values of an argument: at the top, else at a dotted path (`shape_config.ocpus`), else inside blocks wherever it stands.
pub(super) fn values_at<'v>(attributes: &'v Value, argument: &str) -> Vec<&'v Value> {
    let top = &attributes[argument];
    if !absent(top) {
        return vec![top];
    }
    let mut found = vec![attributes];
    for step in argument.split('.') {
        found = found.into_iter().flat_map(|value| members(value, step)).collect();
    }
    found.retain(|value| !absent(value));
    if found.is_empty() && !argument.contains('.') {
        nested(attributes, argument, &mut found);
    }
    found
}

fn members<'v>(value: &'v Value, name: &str) -> Vec<&'v Value> {
    match value {
        Value::Array(items) => items.iter().flat_map(|item| members(item, name)).collect(),
        other => other.get(name).into_iter().collect(),
    }
}

fn nested<'v>(value: &'v Value, name: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| nested(item, name, found)),
        Value::Object(object) => {
            found.extend(object.get(name).filter(|value| !absent(value)));
            object.values().for_each(|inner| nested(inner, name, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

pub(super) fn absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// Equal, where a provider may keep a number or a truth as text.
fn alike(left: &Value, right: &Value) -> bool {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    left == right || text(left) == text(right)
}
