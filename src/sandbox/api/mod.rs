//! The simulated OCI API: create, read, update, delete over the cloud, one durable transaction each. Takes planned values,
//! gives final ones or an [`OciError`]. Blocking; knows nothing of gRPC.
//!
//! A slow create (a fault with a delay) is in the cloud before the answer is, as a real one is while it is provisioned: a
//! process that is killed meanwhile leaves it there to be found by its tags.

use std::time::Duration;

use crate::render::schema::Block;

use super::cloud::{Cloud, CloudResource, Error, Operation, Transaction, tags_of};
use super::conform::conform;
use super::value::Value;

mod compute;
mod database;
mod edge;
mod error;
mod fill;
mod identity;
mod network;
mod refuse;
mod refuse_network;
mod region;

pub(crate) use error::Call;
pub use error::OciError;
pub(crate) use identity::{digest, import_id, imported, namespace, stable_ocid};
pub(crate) use region::{DEFAULT_REGION, Region, availability_domains};

use fill::Context;
use refuse::Check;

/// What a call is about.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) resource_type: &'a str,
    pub(crate) block: &'a Block,
    pub(crate) region: &'a Region,
}

/// The answer of the API and how long it takes to come.
pub(crate) struct Answer<T> {
    pub(crate) result: Result<T, OciError>,
    pub(crate) delay: Duration,
}

/// Makes a resource; the answer is the value with every unknown filled.
pub(crate) fn create(cloud: &Cloud, subject: Subject<'_>, planned: &Value) -> Result<Answer<Value>, Error> {
    cloud.transact(|transaction| {
        let verdict = transaction.judge(Operation::Create, subject.resource_type);
        let result = match verdict.error {
            Some(error) => Err(error),
            None => make(transaction, subject, planned),
        };
        let (id, outcome) = match &result {
            Ok((id, _)) => (id.clone(), "ok".to_owned()),
            Err(error) => (String::new(), error.outcome()),
        };
        transaction.audit(Operation::Create, subject.resource_type, &id, &outcome);
        Answer { result: result.map(|(_, value)| value), delay: verdict.delay }
    })
}

fn make(transaction: &mut Transaction<'_>, subject: Subject<'_>, planned: &Value) -> Result<(String, Value), OciError> {
    let Subject { resource_type, block, region } = subject;
    let state = &*transaction.state;
    refuse::write(&Check { resource_type, block, region, state, value: planned, own: None })?;
    let identity = identity::mint(resource_type, planned, region);
    let mut value = planned.clone();
    let now = transaction.now();
    fill::fill(&Context { resource_type, block, region, state, now, id: &identity.id }, &mut value);
    // A part of a composite id may have been unknown until now.
    let import = identity::import_id(resource_type, &value, &identity.id);
    if state.get(&import).is_some() {
        return Err(OciError::conflict(format!("The resource {import} already exists.")));
    }
    transaction.put(stored(import.clone(), resource_type, &value, now.to_string()));
    Ok((import, value))
}

fn stored(id: String, resource_type: &str, value: &Value, created_at: String) -> CloudResource {
    let mut attributes = value.to_json();
    if let Some(members) = attributes.as_object_mut() {
        // Timeouts are Terraform's, not the cloud's.
        members.remove("timeouts");
    }
    let tags = tags_of(&attributes);
    CloudResource { id, resource_type: resource_type.to_owned(), attributes, created_at, tags }
}

/// What a read gives.
pub(crate) enum Seen {
    /// the resource as the cloud has it
    There(Value),
    /// 404: gone or forbidden, nobody can tell
    Gone,
}

/// Reads a resource by the attributes that Terraform knows of it.
pub(crate) fn read(cloud: &Cloud, subject: Subject<'_>, current: &Value) -> Result<Answer<Seen>, Error> {
    let id = import_id(subject.resource_type, current, current.get("id").as_str().unwrap_or_default());
    // Reading leaves no trace unless a bounded fault is used up, so the usual case writes nothing.
    cloud.transact(|transaction| {
        let verdict = transaction.judge(Operation::Read, subject.resource_type);
        let found = transaction.state.get(&id).filter(|resource| resource.resource_type == subject.resource_type);
        let result = match (verdict.error, found) {
            (Some(error), _) if error.status == 404 => Ok(Seen::Gone),
            (Some(error), _) => Err(error),
            (None, None) => Ok(Seen::Gone),
            (None, Some(resource)) => Ok(Seen::There(conform(subject.block, &Value::from_json(&resource.attributes)))),
        };
        Answer { result, delay: verdict.delay }
    })
}

/// Changes a resource in place; the answer is the planned value, unknowns filled.
pub(crate) fn update(cloud: &Cloud, subject: Subject<'_>, prior: &Value, planned: &Value) -> Result<Answer<Value>, Error> {
    let Subject { resource_type, block, region } = subject;
    let id = import_id(resource_type, prior, prior.get("id").as_str().unwrap_or_default());
    cloud.transact(|transaction| {
        let verdict = transaction.judge(Operation::Update, resource_type);
        let mut change = |error: Option<OciError>| -> Result<Value, OciError> {
            if let Some(error) = error {
                return Err(error);
            }
            let state = &*transaction.state;
            let old = state.get(&id).cloned().ok_or_else(OciError::not_found)?;
            refuse::write(&Check { resource_type, block, region, state, value: planned, own: Some(&id) })?;
            let mut value = planned.clone();
            let own = prior.get("id").as_str().unwrap_or_default();
            fill::fill(&Context { resource_type, block, region, state, now: transaction.now(), id: own }, &mut value);
            transaction.put(stored(old.id, resource_type, &value, old.created_at));
            Ok(value)
        };
        let result = change(verdict.error);
        let outcome = result.as_ref().err().map_or_else(|| "ok".to_owned(), OciError::outcome);
        transaction.audit(Operation::Update, resource_type, &id, &outcome);
        Answer { result, delay: verdict.delay }
    })
}

/// Removes a resource. One that is gone, or that the service answers 404 for, is taken as removed: the real provider does so.
pub(crate) fn delete(cloud: &Cloud, subject: Subject<'_>, prior: &Value) -> Result<Answer<()>, Error> {
    let resource_type = subject.resource_type;
    let id = import_id(resource_type, prior, prior.get("id").as_str().unwrap_or_default());
    cloud.transact(|transaction| {
        let verdict = transaction.judge(Operation::Delete, resource_type);
        let mut remove = |error: Option<OciError>| -> Result<(), OciError> {
            match error {
                Some(error) if error.status == 404 => return Ok(()),
                Some(error) => return Err(error),
                None => {}
            }
            let Some(resource) = transaction.state.get(&id).cloned() else { return Ok(()) };
            refuse::delete(transaction.state, &resource)?;
            for part in parts(transaction, &id) {
                transaction.remove(&part);
            }
            transaction.remove(&id);
            Ok(())
        };
        let result = remove(verdict.error);
        let outcome = result.as_ref().err().map_or_else(|| "ok".to_owned(), OciError::outcome);
        transaction.audit(Operation::Delete, resource_type, &id, &outcome);
        Answer { result, delay: verdict.delay }
    })
}

/// Parts that go with the whole: security rules with their group, listeners with their balancer.
fn parts(transaction: &Transaction<'_>, id: &str) -> Vec<String> {
    let inside = format!("/{id}/");
    transaction.state.resources().filter(|part| part.id.contains(&inside)).map(|part| part.id.clone()).collect()
}
