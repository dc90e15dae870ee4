//! The few things every controller does to a document: read it, patch its status only where it differs and only if
//! nobody was faster, add and remove a finalizer, make it, ask something of it, delete it.
//!
//! The one file of the controllers that writes documents (tests/architecture.rs), so that no write is without its moments
//! for `make crash`.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::Error;
use crate::api::{MANAGER, NAMESPACE};
use crate::faults;

/// A document of ours.
pub trait Document: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Serialize + Debug {}
impl<K> Document for K where K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Serialize + Debug {}

/// Documents of one kind.
pub fn documents<K: Document>(client: &Client) -> Api<K> {
    Api::namespaced(client.clone(), NAMESPACE)
}

/// The document, if it is there.
pub async fn get<K: Document>(client: &Client, name: &str) -> Result<Option<K>, Error> {
    documents::<K>(client).get_opt(name).await.map_err(|source| Error::api("read", K::kind(&()), name, source))
}

/// Writes the difference between two statuses, if there is one. `fenced`: only on the version that was read.
/// Gives the document as it is now.
pub async fn patch_status<K: Document>(client: &Client, read: &K, old: &Value, new: &Value, fenced: bool) -> Result<K, Error> {
    let Some(difference) = merge_patch(old, new) else { return Ok(read.clone()) };
    let mut body = json!({ "status": difference });
    if fenced {
        body["metadata"] = json!({ "resourceVersion": read.resource_version() });
    }
    let name = read.name_any();
    faults::pass("status", &K::plural(&()), "before");
    let written = documents::<K>(client)
        .patch_status(&name, &PatchParams::apply(MANAGER), &Patch::Merge(&body))
        .await
        .map_err(|source| Error::api("write the status of", K::kind(&()), &name, source));
    faults::pass("status", &K::plural(&()), "after");
    written
}

/// Adds or removes a finalizer, on the version that was read.
pub async fn set_finalizer<K: Document>(client: &Client, read: &K, finalizer: &str, present: bool) -> Result<K, Error> {
    if read.finalizers().iter().any(|held| held == finalizer) == present {
        return Ok(read.clone());
    }
    let mut finalizers: Vec<String> = read.finalizers().iter().filter(|held| *held != finalizer).cloned().collect();
    if present {
        finalizers.push(finalizer.to_owned());
    }
    let name = read.name_any();
    let body = json!({ "metadata": { "resourceVersion": read.resource_version(), "finalizers": finalizers } });
    faults::pass("finalizer", &K::plural(&()), "before");
    let written = documents::<K>(client)
        .patch(&name, &PatchParams::apply(MANAGER), &Patch::Merge(&body))
        .await
        .map_err(|source| Error::api("write the finalizers of", K::kind(&()), &name, source));
    faults::pass("finalizer", &K::plural(&()), "after");
    written
}

/// Makes a document. Errors: `is_already_exists` when one of that name is there.
pub async fn create<K: Document>(client: &Client, wanted: &K) -> Result<K, Error> {
    let name = wanted.name_any();
    faults::pass("create", &K::plural(&()), "before");
    let made = documents::<K>(client).create(&PostParams::default(), wanted).await;
    let made = made.map_err(|source| Error::api("create", K::kind(&()), &name, source));
    faults::pass("create", &K::plural(&()), "after");
    made
}

/// Merges `body` into a document, whatever version it has: for what only ever is asked for, such as `spec.cancel`.
pub async fn edit<K: Document>(client: &Client, name: &str, verb: &'static str, body: &Value) -> Result<K, Error> {
    faults::pass("edit", &K::plural(&()), "before");
    let written = documents::<K>(client).patch(name, &PatchParams::apply(MANAGER), &Patch::Merge(body)).await;
    faults::pass("edit", &K::plural(&()), "after");
    written.map_err(|source| Error::api(verb, K::kind(&()), name, source))
}

/// Asks for a document to go. Errors: `is_not_found` when it is gone.
pub async fn delete<K: Document>(client: &Client, name: &str) -> Result<(), Error> {
    faults::pass("delete", &K::plural(&()), "before");
    let deleted = documents::<K>(client).delete(name, &DeleteParams::default()).await;
    faults::pass("delete", &K::plural(&()), "after");
    deleted.map(|_| ()).map_err(|source| Error::api("delete", K::kind(&()), name, source))
}

/// Writes into the status of a document that does not decode as its type: read as whatever it is.
pub async fn patch_raw_status(api: &Api<DynamicObject>, name: &str, status: &Value) -> Result<(), kube::Error> {
    faults::pass("status", "undecodable", "before");
    let written = api.patch_status(name, &PatchParams::apply(MANAGER), &Patch::Merge(&json!({ "status": status }))).await;
    faults::pass("status", "undecodable", "after");
    written.map(|_| ())
}

/// Gone already is as good as deleted or written.
pub fn unless_gone(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

/// The value of a status as JSON; what does not encode does not exist in our types, so this cannot fail in practice.
pub fn value(status: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(status).map_err(|source| Error::Encode { what: "a status", source })
}

/// RFC 7386 merge patch that turns `old` into `new`; None when they are equal.
pub fn merge_patch(old: &Value, new: &Value) -> Option<Value> {
    if old == new {
        return None;
    }
    let (Value::Object(before), Value::Object(after)) = (old, new) else { return Some(new.clone()) };
    let mut patch = Map::new();
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, wanted) in after {
        let held = before.get(key).unwrap_or(&Value::Null);
        if let Some(difference) = merge_patch(held, wanted) {
            patch.insert(key.clone(), difference);
        }
    }
    Some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_turns_the_old_value_into_the_new_one() {
        let rows = [
            ("equal needs nothing", json!({"a": 1}), json!({"a": 1})),
            ("a key that went is nulled", json!({"a": 1, "b": {"c": 2}}), json!({"b": {}})),
            ("lists are replaced whole", json!({"a": [1, 2]}), json!({"a": [2]})),
            ("a status from nothing", Value::Null, json!({"a": {"b": 1}})),
            ("nested change", json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": 3, "c": 2}})),
        ];
        for (reason, old, new) in rows {
            let mut patched = old.clone();
            if let Some(patch) = merge_patch(&old, &new) {
                json_patch::merge(&mut patched, &patch);
            }
            assert_eq!(patched, new, "{reason}");
        }
    }
}
