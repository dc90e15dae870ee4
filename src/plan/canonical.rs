//! Canonical JSON and its digest: sorted keys, no spaces, nothing that changes between two equal plans. Pure.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Members of a plan that differ between two plans of the same thing: the moment it was made, and the list of attributes
/// that Terraform collects from a map in no order.
const VOLATILE: [&str; 2] = ["timestamp", "relevant_attributes"];

/// sha256 (hex) of the canonical plan without its volatile members.
pub fn semantic_sha256(plan: &Value) -> String {
    let mut text = String::new();
    match plan {
        Value::Object(members) => {
            let kept = members.iter().filter(|(key, _)| !VOLATILE.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone()));
            write(&Value::Object(kept.collect()), &mut text);
        }
        other => write(other, &mut text),
    }
    sha256_hex(text.as_bytes())
}

/// Canonical text of any JSON.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

/// Lower-case hex of the sha256 of some bytes.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => text.push_str(&value.to_string()),
        Value::Array(elements) => {
            text.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(element, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            // serde_json keeps insertion order when any crate of the tree asks for it: sort here, always.
            let mut keys: Vec<&String> = members.keys().collect();
            keys.sort();
            text.push('{');
            for (index, key) in keys.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(&members[key], text);
            }
            text.push('}');
        }
    }
}
