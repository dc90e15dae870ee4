//! Reads a plan for `get_plan` out of `terraform show -json`: every change with what forces it, and one resource's values
//! before and after, masked where Terraform marks them sensitive. Pure, and the only place of the services that knows the
//! shape of that JSON.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::api::design::{Change, ChangeAction};

/// What stands for a value that must not be shown.
const MASK: &str = "(sensitive)";
/// What stands for a value that is known after the apply.
const UNKNOWN: &str = "(known after apply)";

/// A parsed plan.
#[derive(Debug, Default)]
pub struct PlanDetails {
    resources: Vec<Value>,
}

/// One resource's values, masked.
#[derive(Debug, PartialEq)]
pub struct ResourceDetails {
    /// what happens to it
    pub change: Change,
    /// attribute path → (before, after), only what differs
    pub values: Vec<(String, Value, Value)>,
}

impl PlanDetails {
    /// Reads `terraform show -json` of a plan; None when it is no such JSON.
    pub fn parse(show: &[u8]) -> Option<Self> {
        let mut document: Value = serde_json::from_slice(show).ok()?;
        let changes = document.get_mut("resource_changes").map(Value::take).unwrap_or_default();
        let resources = changes.as_array().cloned().unwrap_or_default().into_iter().filter(|one| action(one).is_some()).collect();
        Some(PlanDetails { resources })
    }

    /// Every change: deletes and replaces first, then by address.
    pub fn changes(&self) -> Vec<Change> {
        let mut changes: Vec<Change> = self.resources.iter().filter_map(change).collect();
        changes.sort_by(|a, b| (a.action, &a.address).cmp(&(b.action, &b.address)));
        changes
    }

    /// One resource with what differs.
    pub fn resource(&self, address: &str) -> Option<ResourceDetails> {
        let resource = self.resources.iter().find(|one| one.get("address").and_then(Value::as_str) == Some(address))?;
        let change = change(resource)?;
        let body = resource.get("change")?;
        let part = |key: &str| body.get(key).cloned().unwrap_or_default();
        let before = masked(&part("before"), &part("before_sensitive"), &Value::Null);
        let after = masked(&part("after"), &part("after_sensitive"), &part("after_unknown"));
        let (mut left, mut right) = (Map::new(), Map::new());
        flatten(&before, "", &mut left);
        flatten(&after, "", &mut right);
        // Sensitive values are equal once masked; Terraform's own marks say where one changes.
        let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
        let values = keys
            .into_iter()
            .filter(|key| left.get(*key) != right.get(*key))
            .map(|key| (key.clone(), left.get(key).cloned().unwrap_or_default(), right.get(key).cloned().unwrap_or_default()))
            .collect();
        Some(ResourceDetails { change, values })
    }
}

fn action(resource: &Value) -> Option<ChangeAction> {
    if resource.get("mode").and_then(Value::as_str) == Some("data") {
        return None;
    }
    let body = resource.get("change")?;
    let actions: Vec<&str> = body.get("actions")?.as_array()?.iter().filter_map(Value::as_str).collect();
    let importing = body.get("importing").is_some_and(|importing| !importing.is_null());
    match actions.as_slice() {
        ["create"] => Some(ChangeAction::Create),
        ["update"] => Some(ChangeAction::Update),
        ["delete"] => Some(ChangeAction::Delete),
        ["delete", "create"] | ["create", "delete"] => Some(ChangeAction::Replace),
        ["no-op"] if importing => Some(ChangeAction::Import),
        _ => None,
    }
}

fn change(resource: &Value) -> Option<Change> {
    let body = resource.get("change")?;
    let replace_paths = body.get("replace_paths").and_then(Value::as_array).into_iter().flatten().map(dotted).collect();
    let changed_paths = match (body.get("before"), body.get("after")) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => before
            .keys()
            .chain(after.keys())
            .filter(|key| before.get(*key) != after.get(*key))
            .cloned()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        _ => Vec::new(),
    };
    Some(Change { address: resource.get("address")?.as_str()?.to_owned(), action: action(resource)?, replace_paths, changed_paths })
}

fn dotted(path: &Value) -> String {
    let steps = path.as_array().into_iter().flatten();
    steps.map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned)).collect::<Vec<_>>().join(".")
}

/// The value with every part that `sensitive` marks masked and every part that `unknown` marks named.
fn masked(value: &Value, sensitive: &Value, unknown: &Value) -> Value {
    if sensitive == &Value::Bool(true) {
        return Value::from(MASK);
    }
    if unknown == &Value::Bool(true) {
        return Value::from(UNKNOWN);
    }
    match value {
        Value::Object(map) => {
            let mut out: Map<String, Value> =
                map.iter().map(|(key, inner)| (key.clone(), masked(inner, at(sensitive, key), at(unknown, key)))).collect();
            // Unknown attributes are absent from `after`; they are named all the same.
            for (key, mark) in unknown.as_object().into_iter().flatten() {
                if mark == &Value::Bool(true) && !map.contains_key(key) {
                    let hidden = at(sensitive, key) == &Value::Bool(true);
                    out.insert(key.clone(), Value::from(if hidden { MASK } else { UNKNOWN }));
                }
            }
            Value::Object(out)
        }
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(index, inner)| masked(inner, sensitive.get(index).unwrap_or(&Value::Null), unknown.get(index).unwrap_or(&Value::Null)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn at<'a>(marks: &'a Value, key: &str) -> &'a Value {
    marks.get(key).unwrap_or(&Value::Null)
}

fn flatten(value: &Value, path: &str, out: &mut Map<String, Value>) {
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, inner)| flatten(inner, &join(key), out)),
        Value::Array(list) => list.iter().enumerate().for_each(|(index, inner)| flatten(inner, &join(&index.to_string()), out)),
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.insert(path.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan() -> PlanDetails {
        let show = json!({"resource_changes": [
            {"address": "oci_core_vcn.vcn", "mode": "managed", "change": {"actions": ["update"], "before": {"display_name": "a", "id": "x"}, "after": {"display_name": "b", "id": "x"}}},
            {"address": "oci_core_subnet.s", "mode": "managed", "change": {"actions": ["delete", "create"], "replace_paths": [["cidr_block"]],
              "before": {"cidr_block": "10.0.0.0/24", "id": "s1"}, "after": {"cidr_block": "10.0.1.0/24"}, "after_unknown": {"id": true}}},
            {"address": "oci_database_autonomous_database.adb", "mode": "managed", "change": {"actions": ["update"],
              "before": {"admin_password": "Old#Secret1", "cpu": 1}, "after": {"admin_password": "New#Secret2", "cpu": 2},
              "before_sensitive": {"admin_password": true}, "after_sensitive": {"admin_password": true}}},
            {"address": "data.oci_core_images.i", "mode": "data", "change": {"actions": ["read"]}},
            {"address": "oci_core_vcn.same", "mode": "managed", "change": {"actions": ["no-op"]}},
        ]});
        PlanDetails::parse(show.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn replaces_come_first_and_say_what_forces_them() {
        let changes = plan().changes();
        assert_eq!(changes.len(), 3);
        assert_eq!((changes[0].address.as_str(), changes[0].action), ("oci_core_subnet.s", ChangeAction::Replace));
        assert_eq!(changes[0].replace_paths, ["cidr_block"]);
    }

    #[test]
    fn a_sensitive_value_is_masked_before_and_after() {
        let details = plan().resource("oci_database_autonomous_database.adb").unwrap();
        assert_eq!(details.values, [("cpu".to_owned(), json!(1), json!(2))]);
        assert!(!format!("{details:?}").contains("Secret"), "{details:?}");
    }

    #[test]
    fn an_unknown_value_is_named() {
        let details = plan().resource("oci_core_subnet.s").unwrap();
        assert!(details.values.contains(&("id".to_owned(), json!("s1"), json!(UNKNOWN))));
        assert!(plan().resource("oci_core_vcn.none").is_none());
    }
}
