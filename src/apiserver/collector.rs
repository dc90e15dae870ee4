//! Garbage collection by ownerReferences: background, foreground and orphan, as in kube-controller-manager.
//!
//! Takes hints from the writer and re-reads everything; a lost or repeated hint changes nothing. Judges only owners of kinds
//! this server holds, and goes by uid, so that a re-created owner never adopts its predecessor's dependents.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Core;
use super::metadata;
use super::registry::{Doc, Key};
use super::writer::{Act, Refusal};

/// Finalizer of an owner that goes after its dependents.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// Finalizer of an owner whose dependents are to stay.
pub(super) const ORPHAN: &str = "orphan";
/// How often a write that lost a race is tried again before the next hint has to do it.
const ATTEMPTS: usize = 8;

/// What happened.
#[derive(Debug)]
pub(super) enum Hint {
    /// an object with this uid is gone; it had these owners
    Gone(Arc<str>, Box<[Arc<str>]>),
    /// look at this object: it is being deleted or has owners
    Look(Key),
}

/// Runs until the server stops.
pub(super) async fn run(core: Core, mut hints: mpsc::UnboundedReceiver<Hint>) {
    let all: Vec<Key> = core
        .shared
        .read(|state| state.all().filter(|(_, doc)| !doc.owners.is_empty() || doc.deleting).map(|(key, _)| key.clone()).collect());
    for key in all {
        look(&core, &key).await;
    }
    loop {
        // Both arms are cancel safe: a token, and a receive that takes nothing when it loses.
        let hint = tokio::select! {
            () = core.shared.stop.cancelled() => return,
            hint = hints.recv() => hint,
        };
        match hint {
            None => return,
            Some(Hint::Look(key)) => look(&core, &key).await,
            Some(Hint::Gone(uid, owners)) => {
                for key in core.shared.read(|state| state.dependents(&uid)) {
                    look(&core, &key).await;
                }
                // An owner that waits for its dependents may be done now.
                let waiting: Vec<Key> = core.shared.read(|state| owners.iter().filter_map(|owner| state.by_uid(owner).cloned()).collect());
                for key in waiting {
                    look(&core, &key).await;
                }
            }
        }
    }
}

/// Brings one object nearer to what its owners and finalizers say.
async fn look(core: &Core, key: &Key) {
    for _ in 0..ATTEMPTS {
        let Some(doc) = core.shared.read(|state| state.get(key).cloned()) else { return };
        let Ok(object) = serde_json::from_slice::<Value>(&doc.bytes) else { return };
        let outcome = match next(core, &doc, object) {
            Next::Nothing => return,
            Next::Write(object) => core.commit(key.clone(), Some(doc.version), Act::Put, object).await,
            Next::Remove(object) => core.commit(key.clone(), Some(doc.version), Act::Remove, object).await,
            Next::Dependents(keys) => {
                for dependent in keys {
                    delete_dependent(core, &dependent).await;
                }
                return;
            }
        };
        match outcome {
            Ok(_) | Err(Refusal::Changed) => {}
            Err(Refusal::Failed(error)) => {
                tracing::error!(name = %key.name, error = error.message, "garbage collection could not write; the next start looks again");
                return;
            }
        }
    }
}

enum Next {
    Nothing,
    Write(Value),
    Remove(Value),
    /// delete these first
    Dependents(Vec<Key>),
}

fn next(core: &Core, doc: &Doc, mut object: Value) -> Next {
    let finalizers: Vec<String> = metadata::finalizers(&object).into_iter().map(str::to_owned).collect();
    if doc.deleting && finalizers.iter().any(|name| name == ORPHAN) {
        let keys = core.shared.read(|state| state.dependents(&doc.uid));
        return if keys.is_empty() { without_finalizer(object, ORPHAN) } else { Next::Dependents(keys) };
    }
    if doc.deleting && finalizers.iter().any(|name| name == FOREGROUND) {
        let keys = core.shared.read(|state| state.dependents(&doc.uid));
        let blocking = keys.iter().any(|key| blocks(core, key, &doc.uid));
        return if blocking { Next::Dependents(keys) } else { without_finalizer(object, FOREGROUND) };
    }
    let Some(owners) = object["metadata"]["ownerReferences"].as_array() else { return Next::Nothing };
    let alive: Vec<Value> = owners.iter().filter(|owner| is_alive(core, owner)).cloned().collect();
    if alive.len() == owners.len() {
        return Next::Nothing;
    }
    if alive.is_empty() {
        return if doc.deleting { Next::Nothing } else { deletion(core, object) };
    }
    object["metadata"]["ownerReferences"] = Value::Array(alive);
    Next::Write(object)
}

/// Owners of kinds this server does not hold cannot be judged and count as alive.
fn is_alive(core: &Core, owner: &Value) -> bool {
    let text = |member: &str| owner[member].as_str().unwrap_or_default();
    let held = core.shared.kinds.by_name(text("apiVersion"), text("kind")).is_some();
    !held || core.shared.read(|state| state.by_uid(text("uid")).is_some())
}

fn blocks(core: &Core, key: &Key, uid: &str) -> bool {
    let Some(doc) = core.shared.read(|state| state.get(key).cloned()) else { return false };
    let object: Value = serde_json::from_slice(&doc.bytes).unwrap_or_default();
    let owners = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
    owners.iter().any(|owner| owner["uid"] == uid && owner["blockOwnerDeletion"] == true)
}

fn without_finalizer(mut object: Value, name: &str) -> Next {
    let rest: Vec<&str> = metadata::finalizers(&object).into_iter().filter(|finalizer| *finalizer != name).collect();
    if rest.is_empty() {
        metadata::of(&mut object).remove("finalizers");
        return Next::Remove(object);
    }
    object["metadata"]["finalizers"] = json!(rest);
    Next::Write(object)
}

/// What deleting an object means: gone at once, or marked and left to its finalizers.
fn deletion(core: &Core, mut object: Value) -> Next {
    if metadata::finalizers(&object).is_empty() {
        return Next::Remove(object);
    }
    metadata::mark_deleted(&mut object, &core.shared.clock.now());
    Next::Write(object)
}

/// For an owner that waits: deletes a dependent, or frees it when the owner's dependents are to stay.
async fn delete_dependent(core: &Core, key: &Key) {
    for _ in 0..ATTEMPTS {
        let Some(doc) = core.shared.read(|state| state.get(key).cloned()) else { return };
        let Ok(mut object) = serde_json::from_slice::<Value>(&doc.bytes) else { return };
        let owners = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        let (orphaning, rest): (Vec<Value>, Vec<Value>) = owners.into_iter().partition(|owner| orphans(core, owner));
        let next = if !orphaning.is_empty() {
            match rest.is_empty() {
                true => drop(metadata::of(&mut object).remove("ownerReferences")),
                false => object["metadata"]["ownerReferences"] = Value::Array(rest),
            }
            Next::Write(object)
        } else if doc.deleting {
            return;
        } else {
            deletion(core, object)
        };
        let outcome = match next {
            Next::Write(object) => core.commit(key.clone(), Some(doc.version), Act::Put, object).await,
            Next::Remove(object) => core.commit(key.clone(), Some(doc.version), Act::Remove, object).await,
            Next::Nothing | Next::Dependents(_) => return,
        };
        match outcome {
            Ok(_) => {
                // The owner may have nothing left to wait for.
                for owner in &doc.owners {
                    if let Some(owner) = core.shared.read(|state| state.by_uid(owner).cloned()) {
                        core.shared.hint(Hint::Look(owner));
                    }
                }
                return;
            }
            Err(Refusal::Changed) => {}
            Err(Refusal::Failed(_)) => return,
        }
    }
}

fn orphans(core: &Core, owner: &Value) -> bool {
    let uid = owner["uid"].as_str().unwrap_or_default();
    let doc = core.shared.read(|state| state.by_uid(uid).and_then(|key| state.get(key)).filter(|doc| doc.deleting).cloned());
    let object: Option<Value> = doc.and_then(|doc| serde_json::from_slice(&doc.bytes).ok());
    object.is_some_and(|object| metadata::finalizers(&object).contains(&ORPHAN))
}
