//! What a server does with `metadata`: fills it at creation, keeps what is immutable, checks what people may write. Pure.

use serde_json::{Map, Value, json};

use super::status::Cause;
use crate::api::{NAMESPACE, Time};

/// Longest name. A real server allows 253; with `.json` behind it, it still has to be a file name of 255 bytes.
const LONGEST_NAME: usize = 250;
/// Bytes of all annotations of an object together, as in a real API server.
const MAX_ANNOTATIONS: usize = 256 * 1024;
/// Members of ObjectMeta that are kept; others are unknown fields.
const KNOWN: [&str; 15] = [
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];
/// Members only the server writes.
const SERVER_OWNED: [&str; 8] =
    ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "generateName"];

/// The metadata of an object, made when it is not there.
pub(super) fn of(object: &mut Value) -> &mut Map<String, Value> {
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    object["metadata"].as_object_mut().expect("metadata was made an object in the lines above")
}

/// Removes what no client decides and what is not known; the paths of unknown members go to `unknown`.
pub(super) fn clean(object: &mut Value, unknown: &mut Vec<String>) {
    let metadata = of(object);
    metadata.retain(|name, value| {
        let known = KNOWN.contains(&name.as_str());
        if !known {
            unknown.push(format!("metadata.{name}"));
        }
        // Empty and null members say nothing; keeping them would make equal objects differ.
        let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
        // There is no field ownership yet, so managedFields would only be dead weight in every document.
        known && name != "managedFields" && name != "selfLink" && !empty
    });
}

/// Metadata of a new object.
pub(super) fn begin(object: &mut Value, name: &str, now: &Time) {
    let metadata = of(object);
    for owned in SERVER_OWNED.iter().filter(|owned| **owned != "generateName") {
        metadata.remove(*owned);
    }
    metadata.remove("resourceVersion");
    metadata.insert("name".to_owned(), name.into());
    metadata.insert("namespace".to_owned(), NAMESPACE.into());
    metadata.insert("uid".to_owned(), uuid::Uuid::new_v4().to_string().into());
    metadata.insert("creationTimestamp".to_owned(), json!(now));
    metadata.insert("generation".to_owned(), 1.into());
}

/// Carries over what no edit changes.
pub(super) fn keep(object: &mut Value, old: &Value) {
    for owned in SERVER_OWNED.iter().chain(&["resourceVersion"]) {
        let before = old["metadata"].get(owned).cloned();
        let metadata = of(object);
        match before {
            Some(value) => metadata.insert((*owned).to_owned(), value),
            None => metadata.remove(*owned),
        };
    }
}

/// Marks an object as being deleted.
pub(super) fn mark_deleted(object: &mut Value, now: &Time) {
    let generation = object["metadata"]["generation"].as_i64().unwrap_or(1) + 1;
    let metadata = of(object);
    metadata.insert("deletionTimestamp".to_owned(), json!(now));
    metadata.insert("deletionGracePeriodSeconds".to_owned(), 0.into());
    metadata.insert("generation".to_owned(), generation.into());
}

/// Finalizers of an object.
pub(super) fn finalizers(object: &Value) -> Vec<&str> {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A member of metadata as text.
pub(super) fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object["metadata"][name].as_str().filter(|text| !text.is_empty())
}

/// Checks everything in metadata that people write.
pub(super) fn check(object: &Value, causes: &mut Vec<Cause>) {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    if !is_dns_subdomain(name) {
        let why = format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', start and end with an alphanumeric character and be at most {LONGEST_NAME} characters long"
        );
        causes.push(Cause::invalid("metadata.name", &metadata["name"], why));
    }
    for (field, is_value) in [("labels", true), ("annotations", false)] {
        let path = format!("metadata.{field}");
        match &metadata[field] {
            Value::Null => {}
            Value::Object(members) => {
                for (key, value) in members {
                    check_pair(&path, key, value, is_value, causes);
                }
            }
            other => causes.push(Cause::invalid(path, other, "must be a map of strings")),
        }
    }
    let annotations = metadata["annotations"].as_object();
    let bytes: usize = annotations.into_iter().flatten().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if bytes > MAX_ANNOTATIONS {
        let message = format!("Too long: may not be more than {MAX_ANNOTATIONS} bytes, has {bytes}");
        causes.push(Cause::new("FieldValueTooLong", "metadata.annotations", message));
    }
    check_list(
        metadata,
        "finalizers",
        causes,
        |item| item.as_str().is_some_and(is_qualified_name),
        "a qualified name such as example.com/name",
    );
    check_list(metadata, "ownerReferences", causes, is_owner, "an object with apiVersion, kind, name and uid");
}

fn check_list(metadata: &Value, field: &str, causes: &mut Vec<Cause>, good: impl Fn(&Value) -> bool, wanted: &str) {
    match &metadata[field] {
        Value::Null => {}
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate().filter(|(_, item)| !good(item)) {
                causes.push(Cause::invalid(format!("metadata.{field}[{index}]"), item, format!("must be {wanted}")));
            }
        }
        other => causes.push(Cause::invalid(format!("metadata.{field}"), other, "must be a list")),
    }
}

fn is_owner(reference: &Value) -> bool {
    ["apiVersion", "kind", "name", "uid"].iter().all(|member| reference[*member].as_str().is_some_and(|text| !text.is_empty()))
}

fn check_pair(path: &str, key: &str, value: &Value, is_label: bool, causes: &mut Vec<Cause>) {
    if !is_qualified_name(key) {
        let why = "name part must consist of alphanumeric characters, '-', '_' or '.', at most 63 of them, with an optional DNS subdomain prefix and '/'";
        causes.push(Cause::invalid(path, &Value::String(key.to_owned()), why));
    }
    let Some(text) = value.as_str() else {
        causes.push(Cause::invalid(format!("{path}.{key}"), value, "must be a string"));
        return;
    };
    if is_label && !text.is_empty() && !(text.len() <= 63 && is_name_part(text)) {
        let why = "a valid label must be empty or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character, at most 63 of them";
        causes.push(Cause::invalid(path, value, why));
    }
}

fn is_qualified_name(text: &str) -> bool {
    match text.rsplit_once('/') {
        Some((prefix, name)) => is_dns_subdomain(prefix) && name.len() <= 63 && is_name_part(name),
        None => text.len() <= 63 && is_name_part(text),
    }
}

fn is_name_part(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    edge(text.bytes().next()) && edge(text.bytes().next_back()) && text.bytes().all(inner)
}

/// RFC 1123 subdomain: what names of objects look like.
pub(super) fn is_dns_subdomain(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= LONGEST_NAME
        && text.split('.').all(|label| {
            let edge = |byte: Option<u8>| byte.is_some_and(good);
            edge(label.bytes().next()) && edge(label.bytes().next_back()) && label.bytes().all(|byte| good(byte) || byte == b'-')
        })
}

/// A name from `generateName`: the prefix and five characters that cannot spell a word.
pub(super) fn generated(prefix: &str) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut cut = prefix.len().min(LONGEST_NAME - 5);
    while !prefix.is_char_boundary(cut) {
        cut -= 1;
    }
    let tail = uuid::Uuid::new_v4().into_bytes();
    let tail = tail.iter().take(5).map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
    prefix[..cut].chars().chain(tail).collect()
}
