//! Hiding what is secret: in values by Terraform's own marks and by name, in texts by the known secret values. Pure.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// Stands for a value that is not shown.
pub const SENSITIVE: &str = "(sensitive)";
/// Stands for a value that only the apply makes.
pub const UNKNOWN: &str = "(known after apply)";

/// Longest text value shown, in bytes: user data and certificates would fill an answer.
const VALUE_LIMIT: usize = 2048;

/// Attribute names that are never shown, whatever the schema says: the second lock. Compared with the end of the name.
const SECRET_NAMES: [&str; 8] =
    ["password", "passwords", "passphrase", "private_key", "secret_key", "auth_token", "secret_content", "wallet_content"];

/// A copy of `value` in which everything marked in `marks` (Terraform's `*_sensitive` shape), named like a secret, or
/// unknown (`after_unknown` shape) is replaced, and long texts are cut.
pub fn masked(value: &Value, marks: &Value, unknown: &Value) -> Value {
    if *marks == Value::Bool(true) {
        return Value::from(SENSITIVE);
    }
    if *unknown == Value::Bool(true) {
        return Value::from(UNKNOWN);
    }
    match value {
        Value::Object(members) => {
            let keys: BTreeSet<&String> = members.keys().chain(super::members(unknown).map(|(key, _)| key)).collect();
            let shown = keys.into_iter().filter_map(|key| {
                let old = members.get(key).unwrap_or(&Value::Null);
                let inner = if !old.is_null() && names_secret(key) {
                    Value::from(SENSITIVE)
                } else {
                    masked(old, marks.get(key).unwrap_or(&Value::Null), unknown.get(key).unwrap_or(&Value::Null))
                };
                // `after_unknown` holds empty shapes for what is known: they add nothing.
                let adds = members.contains_key(key) || inner != Value::Null;
                adds.then(|| (key.clone(), inner))
            });
            Value::Object(shown.collect())
        }
        Value::Array(elements) => {
            let at = |shape: &Value, index: usize| shape.get(index).cloned().unwrap_or(Value::Null);
            let shown = elements.iter().enumerate().map(|(index, old)| masked(old, &at(marks, index), &at(unknown, index)));
            Value::Array(shown.collect())
        }
        Value::String(text) => Value::from(crate::api::condition::clip(text, VALUE_LIMIT)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// A `terraform show -json` document without the values of secrets, in the same shape: what is kept and shown of a plan.
/// Marked by Terraform itself (`*_sensitive`, `sensitive_values`, `sensitive`), named like a secret, declared a secret
/// variable, or equal to a known value: each alone is enough.
pub fn redacted_plan(show: &Value, secret_variables: &BTreeSet<&str>, redactor: &Redactor) -> Value {
    let mut plan = show.clone();
    if let Some(variables) = plan.get_mut("variables").and_then(Value::as_object_mut) {
        for (_, variable) in variables.iter_mut().filter(|(name, _)| secret_variables.contains(name.as_str())) {
            variable["value"] = Value::from(SENSITIVE);
        }
    }
    hide(&mut plan, redactor);
    plan
}

/// Replaces in place, going by the marks that stand beside the values.
fn hide(value: &mut Value, redactor: &Redactor) {
    match value {
        Value::Object(members) => {
            for (plain, marks) in [("before", "before_sensitive"), ("after", "after_sensitive"), ("values", "sensitive_values")] {
                if let Some(marks) = members.get(marks).cloned()
                    && let Some(plain) = members.get_mut(plain)
                {
                    cover(plain, &marks);
                }
            }
            if members.get("sensitive") == Some(&Value::Bool(true))
                && let Some(plain) = members.get_mut("value")
            {
                *plain = Value::from(SENSITIVE);
            }
            for (name, member) in members.iter_mut() {
                if member.is_string() && names_secret(name) {
                    *member = Value::from(SENSITIVE);
                } else {
                    hide(member, redactor);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| hide(element, redactor)),
        Value::String(text) => {
            let clean = redactor.text(text);
            if clean != *text {
                *text = clean;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Replaces what `marks` (Terraform's shape: `true` where something is sensitive) points at.
fn cover(value: &mut Value, marks: &Value) {
    match marks {
        Value::Bool(true) if !value.is_null() => *value = Value::from(SENSITIVE),
        Value::Object(marks) => {
            for (name, marks) in marks {
                if let Some(member) = value.get_mut(name) {
                    cover(member, marks);
                }
            }
        }
        Value::Array(marks) => {
            for (index, marks) in marks.iter().enumerate() {
                if let Some(element) = value.get_mut(index) {
                    cover(element, marks);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| name == *secret || name.ends_with(&format!("_{secret}")))
}

/// Takes known secret values out of texts. Holds them, so it has no Debug.
#[derive(Clone, Default)]
pub struct Redactor {
    needles: Vec<String>,
}

impl Redactor {
    /// For these values, in every spelling Terraform's messages use: plain, JSON-quoted, HTML-safe JSON, line by line, and
    /// base64, which is how a vault's secret is rendered.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut needles = BTreeSet::new();
        for value in values.into_iter().filter(|value| !value.is_empty()) {
            let quoted = Value::from(value).to_string();
            let quoted = quoted[1..quoted.len() - 1].to_owned();
            needles.insert(quoted.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e"));
            needles.insert(quoted);
            // Lines of a key file; a short line ("}" and the like) is no secret by itself.
            needles.extend(value.lines().map(str::trim).filter(|line| line.len() >= 8).map(str::to_owned));
            needles.insert(value.to_owned());
            // a text that holds one of these holds the value; three characters and fewer are too short to be told apart
            let encodings = [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD].map(|alphabet| alphabet.encode(value));
            needles.extend(encodings.into_iter().filter(|text| text.len() > 4));
        }
        let mut needles: Vec<String> = needles.into_iter().collect();
        // The longest first, so that a value that holds another one is taken out whole.
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        Redactor { needles }
    }

    /// `text` without any of the values.
    pub fn text(&self, text: &str) -> String {
        self.needles.iter().fold(text.to_owned(), |text, needle| {
            if text.contains(needle.as_str()) { text.replace(needle.as_str(), SENSITIVE) } else { text }
        })
    }
}
