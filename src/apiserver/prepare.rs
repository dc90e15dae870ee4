//! From a request to the object that would be written. Pure but for what admission may ask.
//!
//! The order is that of a real API server: prune → default → admit (mutating) → validate → admit (validating). A part that
//! an edit does not touch is not judged again, so a document that an older version stored can still be labelled, finalized
//! and deleted.

use serde_json::Value;

use super::admission::{self, Around};
use super::kinds::Kind;
use super::status::{ApiError, Cause};
use super::{metadata, schema};
use crate::api::Time;

/// What to do with members that the schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldValidation {
    /// drop them
    Ignore,
    /// drop them and say so in a Warning header
    Warn,
    /// 400
    Strict,
}

/// Which part of an object a request writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// everything but status
    Main,
    /// status alone
    Status,
}

/// An object that may be written.
#[derive(Debug)]
pub(super) struct Ready {
    /// the object
    pub object: Value,
    /// for Warning headers
    pub warnings: Vec<String>,
}

/// A new object. `name` is final; `object` is as the client sent it.
pub(super) fn create(
    kind: &Kind,
    mut object: Value,
    name: &str,
    now: &Time,
    validation: FieldValidation,
    around: &Around<'_>,
) -> Result<Ready, ApiError> {
    identify(kind, &mut object)?;
    let mut warnings = Vec::new();
    let mut unknown = Vec::new();
    metadata::clean(&mut object, &mut unknown);
    metadata::begin(&mut object, name, now);
    if let Some(members) = object.as_object_mut() {
        members.remove("status");
    }
    prune_top(kind, &mut object, &mut unknown);
    schema::prune(kind.part("spec"), &mut object["spec"], "spec", &mut unknown);
    judge_unknown(unknown, validation, &mut warnings)?;
    schema::fill(kind.part("spec"), &mut object["spec"]);
    admission::admit_create(kind, &mut object, around, &mut warnings)?;
    let mut causes = Vec::new();
    metadata::check(&object, &mut causes);
    check_whole(kind, &object, None, &mut causes);
    if causes.is_empty() { Ok(Ready { object, warnings }) } else { Err(ApiError::invalid(kind, name, causes)) }
}

/// An edit of `old`. `object` is what the client wants it to be.
pub(super) fn update(
    kind: &Kind,
    mut object: Value,
    old: &Value,
    scope: Scope,
    validation: FieldValidation,
    around: &Around<'_>,
) -> Result<Ready, ApiError> {
    let name = metadata::text(old, "name").unwrap_or_default().to_owned();
    identify(kind, &mut object)?;
    if scope == Scope::Status {
        return update_status(kind, object, old, &name, around);
    }
    let mut warnings = Vec::new();
    let mut unknown = Vec::new();
    metadata::clean(&mut object, &mut unknown);
    metadata::keep(&mut object, old);
    set_or_remove(&mut object, "status", old.get("status").cloned());
    let edited = object["spec"] != old["spec"];
    prune_top(kind, &mut object, &mut unknown);
    if edited {
        schema::prune(kind.part("spec"), &mut object["spec"], "spec", &mut unknown);
        schema::fill(kind.part("spec"), &mut object["spec"]);
    }
    judge_unknown(unknown, validation, &mut warnings)?;
    admission::admit_update(kind, &mut object, old, around, &mut warnings)?;
    let mut causes = Vec::new();
    if object["metadata"] != old["metadata"] {
        metadata::check(&object, &mut causes);
        check_finalizers(&object, old, &mut causes);
    }
    if object["spec"] != old["spec"] {
        check_whole(kind, &object, Some(old), &mut causes);
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(1) + 1;
        object["metadata"]["generation"] = generation.into();
    }
    if causes.is_empty() { Ok(Ready { object, warnings }) } else { Err(ApiError::invalid(kind, &name, causes)) }
}

fn update_status(kind: &Kind, mut object: Value, old: &Value, name: &str, around: &Around<'_>) -> Result<Ready, ApiError> {
    admission::status_write(kind, name, around)?;
    let mut result = old.clone();
    let wanted = object.get_mut("status").map(Value::take).filter(|status| !status.is_null());
    let mut causes = Vec::new();
    set_or_remove(&mut result, "status", wanted);
    if result.get("status") != old.get("status")
        && let Some(status) = result.get_mut("status")
    {
        let part = kind.part("status");
        // A status member this version does not know is dropped: the next writer would not know what it means.
        schema::prune(part, status, "status", &mut Vec::new());
        schema::fill(part, status);
        schema::check(part, status, "status", &mut causes);
    }
    if causes.is_empty() { Ok(Ready { object: result, warnings: Vec::new() }) } else { Err(ApiError::invalid(kind, name, causes)) }
}

/// apiVersion and kind: filled in when absent, refused when of something else (another group is no document of this path;
/// another kind is an invalid one, as a real API server has it).
fn identify(kind: &Kind, object: &mut Value) -> Result<(), ApiError> {
    if !object.is_object() {
        return Err(ApiError::bad_request("the body must be a JSON object"));
    }
    for (member, wanted) in [("apiVersion", kind.api_version()), ("kind", kind.kind.clone())] {
        let found = object[member].as_str().unwrap_or_default();
        if !found.is_empty() && found != wanted {
            if member == "kind" {
                let name = metadata::text(object, "name").unwrap_or_default().to_owned();
                let cause = Cause::invalid("kind", &object[member], format!("must be {wanted}"));
                return Err(ApiError::invalid(kind, &name, vec![cause]));
            }
            let message = format!("the {member} in the data ({found}) does not match the expected {member} ({wanted})");
            return Err(ApiError::bad_request(message));
        }
        object[member] = wanted.into();
    }
    Ok(())
}

/// Prunes everything at the top but spec, status and metadata, which are treated on their own.
fn prune_top(kind: &Kind, object: &mut Value, unknown: &mut Vec<String>) {
    let known = kind.schema["properties"].as_object();
    if let Some(members) = object.as_object_mut() {
        members.retain(|name, _| {
            let keep = known.is_some_and(|known| known.contains_key(name));
            if !keep {
                unknown.push(name.clone());
            }
            keep
        });
    }
}

fn judge_unknown(unknown: Vec<String>, validation: FieldValidation, warnings: &mut Vec<String>) -> Result<(), ApiError> {
    let lines: Vec<String> = unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
    match validation {
        FieldValidation::Ignore => Ok(()),
        FieldValidation::Warn => {
            warnings.extend(lines);
            Ok(())
        }
        FieldValidation::Strict if lines.is_empty() => Ok(()),
        FieldValidation::Strict => Err(ApiError::bad_request(format!("strict decoding error: {}", lines.join(", ")))),
    }
}

/// Schema first; rules and admission only on what has the right shape.
fn check_whole(kind: &Kind, object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let before = causes.len();
    match object.get("spec") {
        None | Some(Value::Null) => causes.push(Cause::required("spec")),
        Some(spec) => schema::check(kind.part("spec"), spec, "spec", causes),
    }
    if causes.len() == before {
        schema::check_rules(kind, object, old, causes);
        admission::check_spec(kind, &object["spec"], causes);
    }
}

/// An object that is being deleted takes no new finalizers: its deletion would never end.
fn check_finalizers(object: &Value, old: &Value, causes: &mut Vec<Cause>) {
    if old["metadata"]["deletionTimestamp"].is_null() {
        return;
    }
    let before = metadata::finalizers(old);
    if let Some(fresh) = metadata::finalizers(object).into_iter().find(|finalizer| !before.contains(finalizer)) {
        let why = format!("no new finalizers can be added if the object is being deleted, found new finalizer {fresh:?}");
        causes.push(Cause::forbidden("metadata.finalizers", why));
    }
}

fn set_or_remove(object: &mut Value, member: &str, value: Option<Value>) {
    if let Some(members) = object.as_object_mut() {
        match value {
            Some(value) => members.insert(member.to_owned(), value),
            None => members.remove(member),
        };
    }
}
