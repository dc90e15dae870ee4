//! The simulated cloud of one design: resources, faults and an audit journal in one directory (0700, files 0600).
//!
//! Durable before it is acknowledged; readable after a kill at any point; shared by the provider process and the admin
//! functions of the server, which see the same truth because every operation locks, catches up and only then looks.
//! Blocking (file locks, fsync): call it from a blocking thread. Knows nothing of Terraform's protocol.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value as Json;

mod fault;
mod journal;
mod state;

pub use fault::{CannedFault, Fault, FaultOperation, Operation, Verdict};
pub use state::{AuditEntry, CloudResource};

pub(crate) use state::State;

use journal::Journal;
use state::{Batch, Change};

/// Freeform tag: name of the session.
pub const TAG_SESSION: &str = "galley-session";
/// Freeform tag: uid of the design.
pub const TAG_DESIGN: &str = "galley-design";
/// Freeform tag: Terraform address.
pub const TAG_ADDRESS: &str = "galley-address";

/// Why the cloud cannot be used or refuses an edit.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// the file system refuses
    #[error("could not {action} {}", path.display())]
    Io {
        /// verb
        action: &'static str,
        /// what
        path: PathBuf,
        /// why
        #[source]
        source: std::io::Error,
    },
    /// a line in the middle of the journal is not readable
    #[error("line {line} of {} is not readable", path.display())]
    Corrupt {
        /// the journal
        path: PathBuf,
        /// from 1
        line: usize,
        /// why
        #[source]
        source: serde_json::Error,
    },
    /// a change could not be written as JSON
    #[error("could not encode a change of the cloud")]
    Encode {
        /// why
        #[source]
        source: serde_json::Error,
    },
    /// the journal is not open; the next use opens it
    #[error("the journal of the cloud is closed")]
    Closed,
    /// no such resource
    #[error("no resource {id} in this cloud")]
    NotFound {
        /// what was asked for
        id: String,
    },
    /// the path leads nowhere
    #[error("{resource_type} has no attribute at {path}; it has {allowed}")]
    UnknownPath {
        /// type of the resource
        resource_type: String,
        /// what was asked for
        path: String,
        /// names that exist where the path ends
        allowed: String,
    },
    /// the value does not fit
    #[error("{path} of {resource_type} takes a {expected}")]
    WrongType {
        /// type of the resource
        resource_type: String,
        /// where
        path: String,
        /// the type
        expected: String,
    },
    /// the attribute may not be edited
    #[error("{path} of {resource_type} cannot be set: {reason}")]
    NotEditable {
        /// type of the resource
        resource_type: String,
        /// where
        path: String,
        /// why
        reason: &'static str,
    },
    /// a fault names a type that the provider does not have
    #[error("no resource type {resource_type}; allowed are * and the types of the provider schema{hint}")]
    UnknownType {
        /// what was asked for
        resource_type: String,
        /// near ones
        hint: String,
    },
    /// a word that is none of a few
    #[error("{value} is no {what}; allowed are {allowed}")]
    UnknownWord {
        /// of what
        what: &'static str,
        /// what was asked for
        value: String,
        /// all of them
        allowed: String,
    },
}

pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}

/// A simulated cloud. Cheap to share behind an `Arc`.
pub struct Cloud {
    dir: PathBuf,
    inner: Mutex<(Journal, State)>,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cloud").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// A change under way: sees the state, collects changes that are written as one.
pub(crate) struct Transaction<'a> {
    pub(crate) state: &'a mut State,
    batch: Batch,
    now: jiff::Timestamp,
}

impl Transaction<'_> {
    /// When this transaction happens.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.now
    }

    fn change(&mut self, change: Change) {
        self.state.apply(change.clone());
        self.batch.changes.push(change);
    }

    /// A resource is now this.
    pub(crate) fn put(&mut self, resource: CloudResource) {
        self.change(Change::Put(resource));
    }

    /// A resource is gone.
    pub(crate) fn remove(&mut self, id: &str) {
        self.change(Change::Remove(id.to_owned()));
    }

    /// An API call happened.
    pub(crate) fn audit(&mut self, operation: Operation, resource_type: &str, id: &str, outcome: &str) {
        let entry = AuditEntry {
            seq: self.state.next_seq(),
            at: self.now.to_string(),
            operation,
            resource_type: resource_type.to_owned(),
            id: id.to_owned(),
            outcome: outcome.to_owned(),
        };
        self.change(Change::Audit(entry));
    }

    /// What the faults say to an operation; a bounded fault is used up by one.
    pub(crate) fn judge(&mut self, operation: Operation, resource_type: &str) -> Verdict {
        self.judge_by(|fault| fault.covers(operation, resource_type))
    }

    /// What the faults say to a data source. Only faults that name it: a lost permission on resources (`*`) leaves what a
    /// tenancy lets everybody read, so that Terraform gets as far as it does in real life.
    pub(crate) fn judge_data_source(&mut self, name: &str) -> Verdict {
        self.judge_by(|fault| fault.resource_type == name && fault.covers(Operation::Read, name))
    }

    fn judge_by(&mut self, covers: impl Fn(&Fault) -> bool) -> Verdict {
        let mut verdict = Verdict::default();
        let mut faults = self.state.faults().to_vec();
        let mut used = false;
        for fault in faults.iter_mut().filter(|fault| covers(fault)) {
            if fault.error.is_some() && verdict.error.is_some() {
                continue;
            }
            verdict.delay = verdict.delay.max(Duration::from_millis(fault.delay_ms));
            verdict.error = verdict.error.take().or_else(|| fault.error.clone());
            if let Some(times) = &mut fault.times {
                *times -= 1;
                used = true;
            }
        }
        if used {
            faults.retain(|fault| fault.times != Some(0));
            self.change(Change::Faults(faults));
        }
        verdict
    }
}

impl Cloud {
    /// Opens the cloud in `dir`, empty when there is none yet.
    pub fn open(dir: impl AsRef<Path>) -> Result<Cloud, Error> {
        let dir = dir.as_ref().to_owned();
        let journal = Journal::open(&dir)?;
        let cloud = Cloud { dir, inner: Mutex::new((journal, State::default())) };
        cloud.look(|_| ())?;
        Ok(cloud)
    }

    /// Looks at the state.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> Result<T, Error> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (journal, state) = &mut *inner;
        journal.with_lock(state, |_, state| Ok(look(state)))
    }

    /// Changes the state: what the closure does is on disk, as one line, when this returns `Ok`.
    pub(crate) fn transact<T>(&self, work: impl FnOnce(&mut Transaction<'_>) -> T) -> Result<T, Error> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (journal, state) = &mut *inner;
        journal.with_lock(state, |journal, state| {
            let mut transaction = Transaction { state, batch: Batch::default(), now: jiff::Timestamp::now() };
            let result = work(&mut transaction);
            let batch = transaction.batch;
            if !batch.changes.is_empty() {
                journal.append(&batch, state)?;
            }
            Ok(result)
        })
    }

    /// Every resource, by id.
    pub fn list(&self) -> Result<Vec<CloudResource>, Error> {
        self.look(|state| state.resources().cloned().collect())
    }

    /// A resource by its id (the one that `terraform import` takes).
    pub fn get(&self, id: &str) -> Result<Option<CloudResource>, Error> {
        self.look(|state| state.get(id).cloned())
    }

    /// Edits an attribute behind Terraform's back; `path` is dotted (`route_rules.0.destination`). Returns the old value.
    /// Type checks are the caller's ([`super::admin::set`] does them).
    pub fn set(&self, id: &str, path: &str, value: Json) -> Result<Json, Error> {
        self.transact(|transaction| {
            let mut resource = transaction.state.get(id).cloned().ok_or_else(|| Error::NotFound { id: id.to_owned() })?;
            let unknown =
                Error::UnknownPath { resource_type: resource.resource_type.clone(), path: path.to_owned(), allowed: String::new() };
            let place = place(&mut resource.attributes, path).ok_or(unknown)?;
            let old = std::mem::replace(place, value);
            resource.tags = tags_of(&resource.attributes);
            transaction.put(resource);
            Ok(old)
        })?
    }

    /// Deletes a resource behind Terraform's back, whatever refers to it.
    pub fn delete(&self, id: &str) -> Result<CloudResource, Error> {
        self.transact(|transaction| {
            let resource = transaction.state.get(id).cloned().ok_or_else(|| Error::NotFound { id: id.to_owned() })?;
            transaction.remove(id);
            Ok(resource)
        })?
    }

    /// Adds a fault.
    pub fn fail(&self, fault: Fault) -> Result<(), Error> {
        self.transact(|transaction| {
            let mut faults = transaction.state.faults().to_vec();
            faults.push(fault);
            transaction.change(Change::Faults(faults));
        })
    }

    /// Makes an operation on a type slow (`*` = every type).
    pub fn delay(&self, operation: FaultOperation, resource_type: &str, delay: Duration) -> Result<(), Error> {
        self.fail(Fault::delay(operation, resource_type, delay))
    }

    /// The faults in force.
    pub fn faults(&self) -> Result<Vec<Fault>, Error> {
        self.look(|state| state.faults().to_vec())
    }

    /// Removes all faults and delays; says how many there were.
    pub fn clear_faults(&self) -> Result<usize, Error> {
        self.transact(|transaction| {
            let count = transaction.state.faults().len();
            transaction.change(Change::Faults(Vec::new()));
            count
        })
    }

    /// The latest calls that wrote or tried to, oldest first.
    pub fn audit(&self) -> Result<Vec<AuditEntry>, Error> {
        self.look(|state| state.audit().cloned().collect())
    }

    /// How many calls of an operation on a type (`*` = all types) there ever were; `only_ok` leaves the refused ones out.
    pub fn count(&self, operation: Operation, resource_type: &str, only_ok: bool) -> Result<u64, Error> {
        self.look(|state| state.count(operation, resource_type, only_ok))
    }

    /// Resources that carry the tags of this design and Terraform address.
    pub fn find_by_tags(&self, design_uid: &str, address: &str) -> Result<Vec<CloudResource>, Error> {
        let tagged = |resource: &&CloudResource| {
            resource.tags.get(TAG_DESIGN).is_some_and(|uid| uid == design_uid) && resource.address() == Some(address)
        };
        self.look(|state| state.resources().filter(tagged).cloned().collect())
    }

    /// Import ids of resources of a type that have every value that is known in `planned`, in id order. For types without
    /// tags (security rules, backends). `excluding` are import ids or `id` attributes that are accounted for already.
    pub fn find_like(&self, resource_type: &str, planned: &Json, excluding: &[String]) -> Result<Vec<String>, Error> {
        let mut wanted = planned.clone();
        if let Json::Object(members) = &mut wanted {
            members.retain(|name, _| name != "timeouts" && name != "id");
        }
        self.look(|state| {
            let same_type = state.resources().filter(|resource| resource.resource_type == resource_type);
            let free = same_type.filter(|resource| {
                let is = |excluded: &String| *excluded == resource.id || resource.text("id") == Some(excluded);
                !excluding.iter().any(is)
            });
            free.filter(|resource| covers(&resource.attributes, &wanted)).map(|resource| resource.id.clone()).collect()
        })
    }

    /// Rewrites the journal as its snapshot. Happens by itself when it pays; here for tests and for a tidy archive.
    pub fn compact(&self) -> Result<(), Error> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (journal, state) = &mut *inner;
        journal.with_lock(state, |journal, state| journal.compact(state))
    }
}

/// The freeform tags in attributes.
pub(crate) fn tags_of(attributes: &Json) -> std::collections::BTreeMap<String, String> {
    let tags = attributes.get("freeform_tags").and_then(Json::as_object);
    tags.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn place<'a>(attributes: &'a mut Json, path: &str) -> Option<&'a mut Json> {
    path.split('.').try_fold(attributes, |value, step| match value {
        Json::Array(elements) => elements.get_mut(step.parse::<usize>().ok()?),
        Json::Object(members) => Some(members.entry(step).or_insert(Json::Null)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    })
}

/// Whether `value` has everything that `wanted` says; null and empty say nothing.
fn covers(value: &Json, wanted: &Json) -> bool {
    match (value, wanted) {
        (_, Json::Null) => true,
        (Json::Object(have), Json::Object(want)) => want.iter().all(|(name, want)| covers(have.get(name).unwrap_or(&Json::Null), want)),
        (Json::Array(have), Json::Array(want)) => {
            want.is_empty() || have.len() == want.len() && want.iter().all(|want| have.iter().any(|have| covers(have, want)))
        }
        (Json::Number(have), Json::Number(want)) => have.as_f64() == want.as_f64(),
        (have, want) => {
            have == want || want.as_object().is_some_and(serde_json::Map::is_empty) || want.as_array().is_some_and(Vec::is_empty)
        }
    }
}

#[cfg(test)]
mod tests;
