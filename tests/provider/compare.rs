//! Two plans of the same thing, compared: actions, why, what forces a replacement, every known value, what is known after
//! apply. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// One thing that the two say otherwise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    pub resource_type: String,
    /// dotted, indexes as `*`; `(actions)`, `(reason)` and `(replace)` are the change itself
    pub path: String,
    pub sandbox: String,
    pub real: String,
}

const UNKNOWN: &str = "(known after apply)";
const NOTHING: &str = "(nothing)";

/// Differences between two changes of one resource. None on a side: it is not in that plan.
pub fn change(sandbox: Option<&Value>, real: Option<&Value>) -> Vec<Difference> {
    let resource_type = [sandbox, real].into_iter().flatten().find_map(|change| change["type"].as_str()).unwrap_or_default();
    let mut found = Vec::new();
    let mut differ = |path: &str, sandbox: String, real: String| {
        if sandbox != real {
            found.push(Difference { resource_type: resource_type.to_owned(), path: path.to_owned(), sandbox, real });
        }
    };
    let said = |change: Option<&Value>, read: fn(&Value) -> String| change.map_or_else(|| NOTHING.to_owned(), read);
    let actions = |change: &Value| change["change"]["actions"].to_string();
    differ("(actions)", said(sandbox, actions), said(real, actions));
    differ("(reason)", said(sandbox, |c| c["action_reason"].to_string()), said(real, |c| c["action_reason"].to_string()));
    differ("(replace)", said(sandbox, replaced), said(real, replaced));
    // What will be differs as a whole when one replaces and the other does not.
    let same = said(sandbox, actions) == said(real, actions);
    let (sandbox, real) = (sandbox.filter(|_| same), real.filter(|_| same));
    let (one, other) = (sandbox.map(leaves).unwrap_or_default(), real.map(leaves).unwrap_or_default());
    let paths: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    for path in paths {
        let said = |leaves: &BTreeMap<String, String>| leaves.get(path).cloned().unwrap_or_else(|| NOTHING.to_owned());
        differ(path, said(&one), said(&other));
    }
    found
}

fn replaced(change: &Value) -> String {
    let paths = change["change"]["replace_paths"].as_array().into_iter().flatten();
    let mut paths: Vec<String> = paths.map(Value::to_string).collect();
    paths.sort();
    paths.join(" ")
}

/// Every leaf of what will be: dotted path → its value, or that it is not known.
fn leaves(change: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    walk(&change["change"]["after"], &change["change"]["after_unknown"], "", &mut found);
    found
}

fn walk(after: &Value, unknown: &Value, path: &str, found: &mut BTreeMap<String, String>) {
    let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if unknown == &Value::Bool(true) {
        found.insert(path.to_owned(), UNKNOWN.to_owned());
        return;
    }
    match (after, unknown) {
        (Value::Array(items), _) => {
            if items.is_empty() {
                found.insert(path.to_owned(), "[]".to_owned());
            }
            for (index, item) in items.iter().enumerate() {
                walk(item, &unknown[index], &under(&index.to_string()), found);
            }
        }
        (Value::Object(members), _) => {
            let names: BTreeSet<&String> =
                members.keys().chain(unknown.as_object().into_iter().flat_map(|members| members.keys())).collect();
            for name in names {
                walk(&members.get(name).cloned().unwrap_or_default(), &unknown[name.as_str()], &under(name), found);
            }
        }
        (Value::Null, Value::Object(members)) => {
            for (name, unknown) in members {
                walk(&Value::Null, unknown, &under(name), found);
            }
        }
        (Value::Null, _) => {}
        (value, _) => {
            found.insert(path.to_owned(), value.to_string());
        }
    }
}

/// A path with its indexes as `*`.
pub fn general(path: &str) -> String {
    let star = |part: &'_ str| if part.parse::<usize>().is_ok() { "*".to_owned() } else { part.to_owned() };
    path.split('.').map(star).collect::<Vec<_>>().join(".")
}
