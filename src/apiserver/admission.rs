//! Admission: what schema and CEL cannot say. Who may write what, and how documents belong together.
//!
//! Takes the object before and after, the [`Identity`] the door stamped, and what memory knows of other objects. Pure but for
//! that look. It may raise a policy, add an ownerReference and stamp an approver; everything else it does is refuse.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::kinds::Kind;
use super::metadata;
use super::status::{ApiError, Cause};
use crate::api::approval::{Identity, Role};
use crate::api::design::{ApprovalPolicy, MAX_FILES_BYTES, MAX_TEXT, OnDelete};
use crate::api::{API_VERSION, GROUP};
use crate::trace;

/// Longest id of a component, as in a DNS label.
const MAX_ID: usize = 63;

/// What another object looks like, as far as admission cares.
#[derive(Debug, Clone)]
pub(super) struct Other {
    /// metadata.uid
    pub uid: String,
    /// metadata.deletionTimestamp is set
    pub deleting: bool,
}

/// What admission may ask.
pub(super) struct Around<'a> {
    /// who asks
    pub identity: &'a Identity,
    /// the server's minimum
    pub min_approval: ApprovalPolicy,
    /// a document of the Galley group by kind and name
    pub find: &'a dyn Fn(&str, &str) -> Option<Other>,
}

impl Around<'_> {
    fn is_system(&self) -> bool {
        self.identity.role == Role::System
    }
}

/// Only Galley writes a status: everything a person reads there has to be true.
pub(super) fn status_write(kind: &Kind, name: &str, around: &Around<'_>) -> Result<(), ApiError> {
    if around.is_system() {
        return Ok(());
    }
    let why = format!(
        "status is written by Galley's controllers alone; credential {:?} (role {}) edits spec",
        around.identity.name,
        role_name(around.identity.role)
    );
    Err(ApiError::forbidden(kind, name, why))
}

/// Events are Galley's own record.
pub(super) fn event_write(kind: &Kind, name: &str, around: &Around<'_>) -> Result<(), ApiError> {
    if around.is_system() { Ok(()) } else { Err(ApiError::forbidden(kind, name, "events are written by Galley alone")) }
}

/// Changes a new object on its way in, and refuses what its kind may not be created with.
pub(super) fn admit_create(kind: &Kind, object: &mut Value, around: &Around<'_>, warnings: &mut Vec<String>) -> Result<(), ApiError> {
    let name = metadata::text(object, "name").unwrap_or_default().to_owned();
    stamp_trace(object, around);
    match kind.kind.as_str() {
        "Design" => {
            adopt(kind, &name, object, around)?;
            raise_policy(object, around, warnings);
            refuse_letting_go(kind, &name, object, None, around)?;
            refuse_rescue(kind, &name, object, None, around)?;
        }
        "TerraformJob" if !around.is_system() => {
            let why = "jobs are made by the design controller alone: set desiredState or spec.request of the design";
            return Err(ApiError::forbidden(kind, &name, why));
        }
        "Approval" => {
            let Identity { name, role, channel } = around.identity;
            object["status"] = json!({ "approver": name, "role": role, "channel": channel });
        }
        _ => {}
    }
    Ok(())
}

/// Refuses an edit its author may not make, and raises the policy when the spec is edited.
pub(super) fn admit_update(
    kind: &Kind,
    object: &mut Value,
    old: &Value,
    around: &Around<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), ApiError> {
    let name = metadata::text(old, "name").unwrap_or_default().to_owned();
    keep_marks(kind, &name, object, old, around)?;
    if object["spec"] == old["spec"] {
        return Ok(());
    }
    stamp_trace(object, around);
    match kind.kind.as_str() {
        "Design" => {
            refuse_lower_policy(kind, &name, object, old, around)?;
            raise_policy(object, around, warnings);
            refuse_letting_go(kind, &name, object, Some(old), around)?;
            refuse_rescue(kind, &name, object, Some(old), around)?;
        }
        "TerraformJob" if !around.is_system() => {
            let mut only_cancel = old["spec"].clone();
            only_cancel["cancel"] = Value::Bool(true);
            if object["spec"] != only_cancel {
                let why = "the only edit of a job is spec.cancel from false to true";
                return Err(ApiError::forbidden(kind, &name, why));
            }
        }
        _ => {}
    }
    Ok(())
}

/// The request that edits a spec leaves its trace on the document, whence it goes to the job and its Terraform process.
/// What Galley itself writes keeps the trace it has.
fn stamp_trace(object: &mut Value, around: &Around<'_>) {
    if let Some(id) = trace::current().filter(|_| !around.is_system()) {
        object["metadata"]["annotations"][trace::ANNOTATION] = Value::String(id.to_string());
    }
}

/// What schema and CEL cannot check about a spec.
pub(super) fn check_spec(kind: &Kind, spec: &Value, causes: &mut Vec<Cause>) {
    if kind.kind == "Design" {
        check_design(spec, causes);
    }
    check_texts(spec, "spec", causes);
}

/// A design belongs to the session of its name: that must exist, and owns it.
fn adopt(kind: &Kind, name: &str, object: &mut Value, around: &Around<'_>) -> Result<(), ApiError> {
    let session = object["spec"]["sessionRef"].clone();
    // Without a name to look for, the schema's own message is the better one.
    let Some(reference) = session.as_str().filter(|reference| !reference.is_empty()) else { return Ok(()) };
    let refuse = |why: String| Err(ApiError::invalid(kind, name, vec![Cause::invalid("spec.sessionRef", &session, why)]));
    let Some(owner) = (around.find)("Session", reference) else {
        return refuse(format!("there is no session {reference:?}: create the session first"));
    };
    if owner.deleting {
        return refuse(format!("session {reference:?} is being deleted: create another one"));
    }
    let owners = &mut object["metadata"]["ownerReferences"];
    let owned = owners.as_array().into_iter().flatten().any(|reference| reference["uid"] == owner.uid.as_str());
    if !owned {
        let reference =
            json!({ "apiVersion": API_VERSION, "kind": "Session", "name": reference, "uid": owner.uid, "blockOwnerDeletion": true });
        match owners {
            Value::Array(owners) => owners.push(reference),
            other => *other = json!([reference]),
        }
    }
    Ok(())
}

fn policy_of(spec: &Value) -> ApprovalPolicy {
    serde::Deserialize::deserialize(&spec["policy"]["approval"]).unwrap_or_default()
}

/// The server's minimum holds for every design; the document says so.
fn raise_policy(object: &mut Value, around: &Around<'_>, warnings: &mut Vec<String>) {
    let policy = object["spec"]["policy"].get("approval");
    let known = policy.is_some_and(|policy| serde_json::from_value::<ApprovalPolicy>(policy.clone()).is_ok());
    // A word that is no policy stays for the schema to refuse.
    if known && policy_of(&object["spec"]) < around.min_approval {
        let minimum = json!(around.min_approval);
        warnings.push(format!("spec.policy.approval was raised to {minimum}: the minimum of this server"));
        object["spec"]["policy"]["approval"] = minimum;
    }
}

/// An editor may be a model: it may ask for more care, never for less.
fn refuse_lower_policy(kind: &Kind, name: &str, object: &Value, old: &Value, around: &Around<'_>) -> Result<(), ApiError> {
    let (before, after) = (policy_of(&old["spec"]), policy_of(&object["spec"]));
    if around.identity.role != Role::Editor || after >= before {
        return Ok(());
    }
    let why = format!(
        "spec.policy.approval may not be lowered from {} to {} by credential {:?} (role editor): the approver credential may",
        json!(before),
        json!(after),
        around.identity.name
    );
    Err(ApiError::forbidden(kind, name, why))
}

/// Letting go of a cloud is the one end of a design that asks nobody: where a person approves, a person decides that, too.
fn refuse_letting_go(kind: &Kind, name: &str, object: &Value, old: Option<&Value>, around: &Around<'_>) -> Result<(), ApiError> {
    let lets_go = |object: &Value| object["spec"]["policy"]["onDelete"] == json!(OnDelete::Orphan);
    let guarded = policy_of(&object["spec"]).max(around.min_approval) == ApprovalPolicy::Human;
    if around.identity.role != Role::Editor || !guarded || !lets_go(object) || old.is_some_and(lets_go) {
        return Ok(());
    }
    let why = format!(
        "spec.policy.onDelete may not be set to \"Orphan\" by credential {:?} (role editor) where a person approves: the approver credential may",
        around.identity.name
    );
    Err(ApiError::forbidden(kind, name, why))
}

/// A rescue tells Galley what to believe of the cloud: a person decides that, never a model. Taking one back is no harm.
fn refuse_rescue(kind: &Kind, name: &str, object: &Value, old: Option<&Value>, around: &Around<'_>) -> Result<(), ApiError> {
    let wanted = &object["spec"]["rescue"];
    if around.identity.role != Role::Editor || wanted.is_null() || old.is_some_and(|old| old["spec"]["rescue"] == *wanted) {
        return Ok(());
    }
    let why = format!(
        "spec.rescue may not be set by credential {:?} (role editor): a person does that with the approver credential, \
         `galley adopt`, `galley state restore` or `galley force-unlock`",
        around.identity.name
    );
    Err(ApiError::forbidden(kind, name, why))
}

/// Finalizers and owners that controllers set stay until Galley takes them away: without them a deletion would leave a
/// cloud behind that nobody knows of.
fn keep_marks(kind: &Kind, name: &str, object: &Value, old: &Value, around: &Around<'_>) -> Result<(), ApiError> {
    if around.is_system() {
        return Ok(());
    }
    let after = metadata::finalizers(object);
    let ours = format!("{GROUP}/");
    for finalizer in metadata::finalizers(old).into_iter().filter(|finalizer| finalizer.starts_with(&ours)) {
        if !after.contains(&finalizer) {
            let why = format!("finalizer {finalizer:?} is removed by Galley when its work is done: use `kubectl delete` and wait");
            return Err(ApiError::forbidden(kind, name, why));
        }
    }
    let owners = |object: &Value| -> Vec<Value> { object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default() };
    let after = owners(object);
    for owner in owners(old).iter().filter(|owner| owner["apiVersion"].as_str().is_some_and(|version| version.starts_with(&ours))) {
        if !after.iter().any(|other| other["uid"] == owner["uid"]) {
            let why = format!("the ownerReference to {} {} is kept by Galley", owner["kind"], owner["name"]);
            return Err(ApiError::forbidden(kind, name, why));
        }
    }
    Ok(())
}

/// On a whole-object replace, a file written before the controllers marked the object would strip the marks without
/// meaning to: they are carried over instead of refused.
pub(super) fn carry_marks(object: &mut Value, old: &Value, around: &Around<'_>, warnings: &mut Vec<String>) {
    if around.is_system() {
        return;
    }
    let ours = format!("{GROUP}/");
    let present: Vec<String> = metadata::finalizers(object).into_iter().map(str::to_owned).collect();
    let finalizers =
        metadata::finalizers(old).into_iter().filter(|name| name.starts_with(&ours) && !present.iter().any(|other| other == name));
    let finalizers: Vec<Value> = finalizers.map(Value::from).collect();
    let uids: Vec<Value> =
        object["metadata"]["ownerReferences"].as_array().into_iter().flatten().map(|owner| owner["uid"].clone()).collect();
    let owners = old["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    let owners = owners.filter(|owner| owner["apiVersion"].as_str().is_some_and(|version| version.starts_with(&ours)));
    let owners: Vec<Value> = owners.filter(|owner| !uids.contains(&owner["uid"])).cloned().collect();
    for (member, missing) in [("finalizers", finalizers), ("ownerReferences", owners)] {
        if missing.is_empty() {
            continue;
        }
        warnings.push(format!("metadata.{member} set by Galley were kept"));
        match &mut object["metadata"][member] {
            Value::Array(list) => list.extend(missing),
            other => *other = Value::Array(missing),
        }
    }
}

fn check_design(spec: &Value, causes: &mut Vec<Cause>) {
    let list = |name: &str| spec[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut ids = HashSet::new();
    for (index, component) in list("components").iter().enumerate() {
        let field = format!("spec.components[{index}].id");
        let Some(id) = component["id"].as_str() else { continue };
        if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            let why = "an id is 1 to 63 letters, digits, '-' or '_' ([A-Za-z0-9_-]); put free text into displayName";
            causes.push(Cause::invalid(field, &component["id"], why));
        } else if !ids.insert(id) {
            causes.push(Cause::new("FieldValueDuplicate", field, format!("Duplicate value: {id:?}: every component has its own id")));
        }
    }
    for (index, connection) in list("connections").iter().enumerate() {
        for end in ["sourceId", "targetId"] {
            if let Some(id) = connection[end].as_str()
                && !ids.contains(id)
            {
                let why = format!("there is no component with this id (there are: {})", some_of(&ids));
                causes.push(Cause::invalid(format!("spec.connections[{index}].{end}"), &connection[end], why));
            }
        }
    }
    let files = spec["files"].as_object();
    for (name, _) in files.into_iter().flatten().filter(|(name, _)| !is_file_name(name)) {
        let why = "a file is named [a-z0-9_-]+.tf, at most 63 characters, without a directory";
        causes.push(Cause::invalid("spec.files", &Value::String(name.clone()), why));
    }
    let bytes: usize = files.into_iter().flatten().map(|(name, text)| name.len() + text.as_str().map_or(0, str::len)).sum();
    if bytes > MAX_FILES_BYTES {
        let message = format!("Too long: all files together may not be more than {MAX_FILES_BYTES} bytes, are {bytes}");
        causes.push(Cause::new("FieldValueTooLong", "spec.files", message));
    }
}

fn is_file_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    name.len() <= 63 && name.strip_suffix(".tf").is_some_and(|stem| !stem.is_empty() && stem.bytes().all(good))
}

/// A few ids in order, for a message.
fn some_of(ids: &HashSet<&str>) -> String {
    let mut sorted: Vec<&str> = ids.iter().copied().collect();
    sorted.sort_unstable();
    let more = sorted.len().saturating_sub(20);
    sorted.truncate(20);
    match (sorted.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (false, 0) => sorted.join(", "),
        (false, more) => format!("{}, and {more} more", sorted.join(", ")),
    }
}

/// Bounds every text that the schema leaves open; files have a bound of their own.
fn check_texts(value: &Value, path: &str, causes: &mut Vec<Cause>) {
    match value {
        Value::String(text) if text.len() > MAX_TEXT && !path.starts_with("spec.files.") => {
            let message = format!("Too long: may not be more than {MAX_TEXT} bytes, has {}", text.len());
            causes.push(Cause::new("FieldValueTooLong", path, message));
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| check_texts(item, &format!("{path}[{index}]"), causes)),
        Value::Object(members) => members.iter().for_each(|(name, member)| check_texts(member, &format!("{path}.{name}"), causes)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Editor => "editor",
        Role::Approver => "approver",
        Role::System => "system",
    }
}
