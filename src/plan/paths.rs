//! Attribute paths: which attributes of a change differ, as dotted paths without values. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

/// Most paths of one change: an edit of a long list would fill a status otherwise.
const LIMIT: usize = 50;

/// `["a", 0, "b"]` of Terraform as `a.0.b`.
pub fn dotted(path: &Value) -> String {
    let steps = super::items(path).map(|step| step.as_str().map(str::to_owned).unwrap_or_else(|| step.to_string()));
    steps.collect::<Vec<_>>().join(".")
}

/// Dotted paths at which `before` and `after` of a change differ. What is only known after the apply differs, unless it
/// is computed anyway and was known before without a wish in the configuration (Terraform does not tell these apart, so
/// it is listed).
pub fn changed(change: &Value) -> Vec<String> {
    let mut found = BTreeSet::new();
    compare(&change["before"], &change["after"], &change["after_unknown"], "", &mut found);
    found.into_iter().take(LIMIT).collect()
}

fn compare(before: &Value, after: &Value, unknown: &Value, path: &str, found: &mut BTreeSet<String>) {
    if *unknown == Value::Bool(true) {
        found.insert(path.to_owned());
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).chain(super::members(unknown).map(|(key, _)| key)).collect();
            for key in keys {
                let missing = Value::Null;
                let (was, becomes) = (old.get(key).unwrap_or(&missing), new.get(key).unwrap_or(&missing));
                compare(was, becomes, unknown.get(key).unwrap_or(&missing), &join(path, key), found);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (was, becomes)) in old.iter().zip(new).enumerate() {
                let at = unknown.get(index).unwrap_or(&Value::Null);
                compare(was, becomes, at, &join(path, &index.to_string()), found);
            }
        }
        (was, becomes) if was != becomes => {
            found.insert(path.to_owned());
        }
        _ => {}
    }
}

/// `path.step`, or `step` at the top.
pub fn join(path: &str, step: &str) -> String {
    if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") }
}
