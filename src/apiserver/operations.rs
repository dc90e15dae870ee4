//! What a write request means: create, replace, patch, delete.
//!
//! Each computes the new object from what is there, off the writer, and hands it over with the version it was computed from.
//! When somebody else was faster it is computed again from the newer object, unless the client named a version.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::admission::{self, Around, Other};
use super::collector::{FOREGROUND, ORPHAN};
use super::kinds::Kind;
use super::list::Filter;
use super::patch::{self, PatchKind};
use super::prepare::{self, FieldValidation, Ready, Scope};
use super::registry::Key;
use super::status::{ApiError, Cause};
use super::writer::{Act, Refusal};
use super::{Core, body, events, metadata};
use crate::api::approval::Identity;
use crate::api::{API_VERSION, NAMESPACE};

/// How often an edit is computed again when another one was faster; a real API server gives up as well.
const ATTEMPTS: usize = 32;
/// How often a generated name is tried again when it is taken.
const NAME_ATTEMPTS: usize = 8;

/// A request, as far as all writes share it.
pub(super) struct Call<'a> {
    pub kind: &'a Kind,
    pub identity: &'a Identity,
    pub validation: FieldValidation,
    /// compute and validate, write nothing
    pub dry_run: bool,
    /// Events in the core v1 form
    pub core_form: bool,
}

/// The answer to a write.
#[derive(Debug)]
pub(super) struct Done {
    /// object or Status, as JSON in the stored form
    pub bytes: Bytes,
    /// for Warning headers
    pub warnings: Vec<String>,
    /// `bytes` is a Status, not an object of the kind
    pub is_status: bool,
}

/// Body of a DELETE.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DeleteOptions {
    pub propagation_policy: Option<String>,
    pub orphan_dependents: Option<bool>,
    pub preconditions: Option<Preconditions>,
    pub dry_run: Option<Vec<String>>,
}

/// What must be true of an object that is deleted.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Preconditions {
    pub uid: Option<String>,
    pub resource_version: Option<String>,
}

impl Core {
    /// The bytes of an object.
    pub(super) fn get(&self, kind: &Kind, name: &str) -> Result<Bytes, ApiError> {
        let found = self.shared.read(|state| state.get(&Key::new(kind.id, name)).map(|doc| doc.bytes.clone()));
        found.ok_or_else(|| ApiError::not_found(kind, name))
    }

    /// POST
    pub(super) async fn create(&self, call: &Call<'_>, object: Value) -> Result<Done, ApiError> {
        if !object.is_object() {
            return Err(ApiError::bad_request("the body must be a JSON object"));
        }
        check_namespace(&object)?;
        let prefix = metadata::text(&object, "generateName").map(str::to_owned);
        let given = metadata::text(&object, "name").map(str::to_owned);
        if given.is_none() && prefix.is_none() {
            let cause = Cause::new("FieldValueRequired", "metadata.name", "Required value: name or generateName is required");
            return Err(ApiError::invalid(call.kind, "", vec![cause]));
        }
        if object["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty()) {
            return Err(ApiError::bad_request("resourceVersion should not be set on objects to be created"));
        }
        for _ in 0..NAME_ATTEMPTS {
            let name = given.clone().unwrap_or_else(|| metadata::generated(prefix.as_deref().unwrap_or_default()));
            let ready = self.prepare_create(call, object.clone(), &name)?;
            let key = Key::new(call.kind.id, &name);
            if self.shared.read(|state| state.get(&key).is_some()) {
                if given.is_some() {
                    return Err(ApiError::already_exists(call.kind, &name));
                }
                continue;
            }
            if call.dry_run {
                return Ok(shown_only(ready));
            }
            match self.commit(key, None, Act::Put, ready.object).await {
                Ok(bytes) => return Ok(Done { bytes, warnings: ready.warnings, is_status: false }),
                Err(Refusal::Changed) if given.is_some() => return Err(ApiError::already_exists(call.kind, &name)),
                Err(Refusal::Changed) => {}
                Err(Refusal::Failed(error)) => return Err(error),
            }
        }
        Err(ApiError::already_exists(call.kind, prefix.as_deref().unwrap_or_default()))
    }

    fn prepare_create(&self, call: &Call<'_>, object: Value, name: &str) -> Result<Ready, ApiError> {
        let now = self.shared.clock.now();
        self.around(call.identity, |around| {
            if call.kind.is_event() {
                admission::event_write(call.kind, name, around)?;
                let object = if call.core_form { events::from_core(object) } else { object };
                return Ok(Ready { object: events::ready(object, name, None, &now)?, warnings: Vec::new() });
            }
            prepare::create(call.kind, object, name, &now, call.validation, around)
        })
    }

    /// PUT
    pub(super) async fn replace(&self, call: &Call<'_>, name: &str, scope: Scope, object: Value) -> Result<Done, ApiError> {
        if !object.is_object() {
            return Err(ApiError::bad_request("the body must be a JSON object"));
        }
        check_name(&object, name)?;
        let version = metadata::text(&object, "resourceVersion");
        if version.is_none() && !call.kind.is_event() {
            let cause = Cause::new("FieldValueInvalid", "metadata.resourceVersion", "Invalid value: 0: must be specified for an update");
            // Whoever replaces what is not there wants to hear that first.
            self.get(call.kind, name)?;
            return Err(ApiError::invalid(call.kind, name, vec![cause]));
        }
        self.edit(call, name, scope, true, |old| {
            let mut object = object.clone();
            if metadata::text(&object, "resourceVersion").is_none() {
                object["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
            }
            Ok(object)
        })
        .await
    }

    /// PATCH
    pub(super) async fn patch(&self, call: &Call<'_>, name: &str, scope: Scope, kind: PatchKind, body: &Value) -> Result<Done, ApiError> {
        self.edit(call, name, scope, false, |old| patch::apply(kind, body, old)).await
    }

    /// Computes an edit from what is there and writes it, if it changes anything.
    async fn edit(
        &self,
        call: &Call<'_>,
        name: &str,
        scope: Scope,
        whole: bool,
        change: impl Fn(&Value) -> Result<Value, ApiError>,
    ) -> Result<Done, ApiError> {
        let key = Key::new(call.kind.id, name);
        for _ in 0..ATTEMPTS {
            let doc = self.shared.read(|state| state.get(&key).map(|doc| (doc.bytes.clone(), doc.version)));
            let (bytes, version) = doc.ok_or_else(|| ApiError::not_found(call.kind, name))?;
            let old: Value = serde_json::from_slice(&bytes).map_err(|error| ApiError::internal(format!("{name} is not JSON: {error}")))?;
            let wanted = self.desired(call, name, &old, whole, &change)?;
            let ready = self.prepare_update(call, wanted, &old, scope, whole)?;
            if ready.object == old {
                return Ok(Done { bytes, warnings: ready.warnings, is_status: false });
            }
            if call.dry_run {
                return Ok(shown_only(ready));
            }
            let gone = !ready.object["metadata"]["deletionTimestamp"].is_null() && metadata::finalizers(&ready.object).is_empty();
            let act = if gone { Act::Remove } else { Act::Put };
            match self.commit(key.clone(), Some(version), act, ready.object).await {
                Ok(bytes) => return Ok(Done { bytes, warnings: ready.warnings, is_status: false }),
                Err(Refusal::Changed) => {}
                Err(Refusal::Failed(error)) => return Err(error),
            }
        }
        Err(ApiError::modified(call.kind, name))
    }

    /// The object the client wants, once its preconditions hold.
    fn desired(
        &self,
        call: &Call<'_>,
        name: &str,
        old: &Value,
        whole: bool,
        change: &impl Fn(&Value) -> Result<Value, ApiError>,
    ) -> Result<Value, ApiError> {
        let stored = if call.core_form { events::to_core(old.clone()) } else { old.clone() };
        let wanted = change(&stored)?;
        if body::depth(&wanted) > body::MAX_DEPTH {
            return Err(ApiError::bad_request(format!("the object is nested deeper than {} levels", body::MAX_DEPTH)));
        }
        check_namespace(&wanted)?;
        check_name(&wanted, name)?;
        if let Some(uid) = metadata::text(&wanted, "uid")
            && Some(uid) != metadata::text(old, "uid")
        {
            // In a whole object a uid says which object is meant; in a patch it is an edit like any other.
            if !whole {
                let cause = Cause::invalid("metadata.uid", &wanted["metadata"]["uid"], "field is immutable");
                return Err(ApiError::invalid(call.kind, name, vec![cause]));
            }
            let found = metadata::text(old, "uid").unwrap_or_default();
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {found}");
            return Err(ApiError::conflict(call.kind, name, &why));
        }
        if let Some(version) = metadata::text(&wanted, "resourceVersion")
            && Some(version) != metadata::text(old, "resourceVersion")
        {
            return Err(ApiError::modified(call.kind, name));
        }
        Ok(if call.core_form { events::from_core(wanted) } else { wanted })
    }

    fn prepare_update(&self, call: &Call<'_>, mut wanted: Value, old: &Value, scope: Scope, whole: bool) -> Result<Ready, ApiError> {
        self.around(call.identity, |around| {
            let name = metadata::text(old, "name").unwrap_or_default();
            if call.kind.is_event() {
                admission::event_write(call.kind, name, around)?;
                let object = events::ready(wanted, name, Some(old), &self.shared.clock.now())?;
                return Ok(Ready { object, warnings: Vec::new() });
            }
            let mut warnings = Vec::new();
            if whole && scope == Scope::Main {
                admission::carry_marks(&mut wanted, old, around, &mut warnings);
            }
            let mut ready = prepare::update(call.kind, wanted, old, scope, call.validation, around)?;
            ready.warnings.append(&mut warnings);
            Ok(ready)
        })
    }

    /// DELETE
    pub(super) async fn delete(&self, call: &Call<'_>, name: &str, options: &DeleteOptions) -> Result<Done, ApiError> {
        let key = Key::new(call.kind.id, name);
        if call.kind.is_event() {
            self.around(call.identity, |around| admission::event_write(call.kind, name, around))?;
        }
        let extra = garbage_finalizer(call.kind, name, options)?;
        for _ in 0..ATTEMPTS {
            let doc = self.shared.read(|state| state.get(&key).cloned()).ok_or_else(|| ApiError::not_found(call.kind, name))?;
            let mut object: Value =
                serde_json::from_slice(&doc.bytes).map_err(|error| ApiError::internal(format!("{name} is not JSON: {error}")))?;
            check_preconditions(call, name, &doc.uid, &object, options)?;
            if let Some(extra) = extra.filter(|extra| !doc.deleting && !metadata::finalizers(&object).contains(extra)) {
                let finalizers: Vec<&str> = metadata::finalizers(&object).into_iter().chain([extra]).collect();
                object["metadata"]["finalizers"] = json!(finalizers);
            }
            let at_once = metadata::finalizers(&object).is_empty();
            if doc.deleting && !at_once {
                // It is on its way already: asking again changes nothing.
                return Ok(Done { bytes: doc.bytes, warnings: Vec::new(), is_status: false });
            }
            if !at_once {
                metadata::mark_deleted(&mut object, &self.shared.clock.now());
            }
            if call.dry_run {
                return Ok(if at_once { deleted(call.kind, name, &doc.uid) } else { shown_only(Ready { object, warnings: Vec::new() }) });
            }
            let act = if at_once { Act::Remove } else { Act::Put };
            match self.commit(key.clone(), Some(doc.version), act, object).await {
                Ok(_) if at_once => return Ok(deleted(call.kind, name, &doc.uid)),
                Ok(bytes) => return Ok(Done { bytes, warnings: Vec::new(), is_status: false }),
                Err(Refusal::Changed) => {}
                Err(Refusal::Failed(error)) => return Err(error),
            }
        }
        Err(ApiError::modified(call.kind, name))
    }

    /// DELETE of a collection: every object the filter matches; the answer lists them as they were.
    pub(super) async fn delete_collection(
        &self,
        call: &Call<'_>,
        filter: &Filter,
        options: &DeleteOptions,
    ) -> Result<(u64, Vec<Bytes>), ApiError> {
        let (version, found) = self.matching(call.kind, filter);
        let mut answer = Vec::with_capacity(found.len());
        for (name, bytes) in found {
            match self.delete(call, &name, options).await {
                Ok(_) => answer.push(bytes),
                // Somebody else deleted it: as good.
                Err(error) if error.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        Ok((version, answer))
    }

    /// Runs `judge` with what admission may ask.
    fn around<T>(&self, identity: &Identity, judge: impl FnOnce(&Around<'_>) -> T) -> T {
        let find = |kind: &str, name: &str| {
            let kind = self.shared.kinds.by_name(API_VERSION, kind)?;
            let doc = self.shared.read(|state| state.get(&Key::new(kind.id, name)).map(|doc| (Arc::clone(&doc.uid), doc.deleting)));
            doc.map(|(uid, deleting)| Other { uid: uid.to_string(), deleting })
        };
        judge(&Around { identity, min_approval: self.shared.options.min_approval, find: &find })
    }
}

/// The finalizer that the wished propagation needs. Background needs none: the collector sees the owner go.
fn garbage_finalizer(kind: &Kind, name: &str, options: &DeleteOptions) -> Result<Option<&'static str>, ApiError> {
    match (options.propagation_policy.as_deref(), options.orphan_dependents) {
        (Some("Foreground"), None) => Ok(Some(FOREGROUND)),
        (Some("Orphan"), None) | (None, Some(true)) => Ok(Some(ORPHAN)),
        (Some("Background"), None) | (None, None | Some(false)) => Ok(None),
        (Some(_), Some(_)) => Err(ApiError::bad_request("propagationPolicy and orphanDependents may not both be set")),
        (Some(other), None) => {
            let message = format!("Unsupported value: {other:?}: supported values: \"Background\", \"Foreground\", \"Orphan\"");
            Err(ApiError::invalid(kind, name, vec![Cause::new("FieldValueNotSupported", "propagationPolicy", message)]))
        }
    }
}

fn check_name(object: &Value, name: &str) -> Result<(), ApiError> {
    match metadata::text(object, "name").filter(|other| *other != name) {
        Some(other) => {
            let message = format!("the name of the object ({other}) does not match the name on the URL ({name})");
            Err(ApiError::bad_request(message))
        }
        None => Ok(()),
    }
}

fn check_preconditions(call: &Call<'_>, name: &str, uid: &str, object: &Value, options: &DeleteOptions) -> Result<(), ApiError> {
    let Some(wanted) = &options.preconditions else { return Ok(()) };
    if let Some(other) = wanted.uid.as_deref().filter(|other| *other != uid) {
        let why = format!("Precondition failed: UID in precondition: {other}, UID in object meta: {uid}");
        return Err(ApiError::conflict(call.kind, name, &why));
    }
    let version = metadata::text(object, "resourceVersion").unwrap_or_default();
    if let Some(other) = wanted.resource_version.as_deref().filter(|other| *other != version) {
        let why = format!("Precondition failed: ResourceVersion in precondition: {other}, ResourceVersion in object meta: {version}");
        return Err(ApiError::conflict(call.kind, name, &why));
    }
    Ok(())
}

fn check_namespace(object: &Value) -> Result<(), ApiError> {
    match metadata::text(object, "namespace") {
        None | Some(NAMESPACE) => Ok(()),
        Some(_) => Err(ApiError::bad_request("the namespace of the provided object does not match the namespace sent on the request")),
    }
}

fn shown_only(ready: Ready) -> Done {
    Done { bytes: ready.object.to_string().into(), warnings: ready.warnings, is_status: false }
}

fn deleted(kind: &Kind, name: &str, uid: &str) -> Done {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": { "name": name, "group": kind.group, "kind": kind.plural, "uid": uid },
    });
    Done { bytes: status.to_string().into(), warnings: Vec::new(), is_status: true }
}
