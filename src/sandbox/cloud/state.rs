//! The cloud in memory: what the journal says when it is read from the start. A [`Batch`] is one line of the journal; all of
//! it happened or nothing.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::fault::{Fault, Operation};

/// Audit entries kept in memory and through compaction; counters are kept for all.
const AUDIT_KEPT: usize = 2_000;

/// A resource in the cloud.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct CloudResource {
    /// what `terraform import` takes; unique in the cloud. The OCID, or for parts of another resource a composite
    /// (`networkSecurityGroups/<nsg>/securityRules/<rule>`)
    pub id: String,
    /// Terraform resource type
    pub resource_type: String,
    /// every attribute, **secret ones included**
    pub attributes: Json,
    /// RFC 3339, UTC
    pub created_at: String,
    /// its freeform tags
    pub tags: BTreeMap<String, String>,
}

impl fmt::Debug for CloudResource {
    /// Attributes may be secret and are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudResource").field("id", &self.id).field("resource_type", &self.resource_type).finish_non_exhaustive()
    }
}

impl CloudResource {
    /// The Terraform address it was made for (freeform tag `galley-address`), if it says.
    pub fn address(&self) -> Option<&str> {
        self.tags.get(super::TAG_ADDRESS).map(String::as_str)
    }

    /// A top-level attribute as text.
    pub fn text(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).and_then(Json::as_str)
    }
}

/// One call of the simulated API, done or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// position, from 1, never reused
    pub seq: u64,
    /// RFC 3339, UTC
    pub at: String,
    /// what was asked
    pub operation: Operation,
    /// Terraform resource type
    pub resource_type: String,
    /// id of the resource; empty for a create that was refused
    pub id: String,
    /// `ok`, or `<status>-<code>`
    pub outcome: String,
}

/// One change.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// a resource is now this
    Put(CloudResource),
    /// a resource is gone
    Remove(String),
    /// an API call happened
    Audit(AuditEntry),
    /// these are the faults now
    Faults(Vec<Fault>),
    /// compaction: how often each operation on each type happened, `<operation> <type> <outcome>` → count
    Counters(BTreeMap<String, u64>),
    /// compaction: the last position given out
    Seq(u64),
}

/// One line of the journal.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Batch {
    pub(super) changes: Vec<Change>,
}

/// The cloud at one moment.
#[derive(Clone, Default)]
pub(crate) struct State {
    resources: BTreeMap<String, CloudResource>,
    faults: Vec<Fault>,
    counters: BTreeMap<String, u64>,
    audit: VecDeque<AuditEntry>,
    seq: u64,
}

impl State {
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Put(resource) => {
                self.resources.insert(resource.id.clone(), resource);
            }
            Change::Remove(id) => {
                self.resources.remove(&id);
            }
            Change::Audit(entry) => {
                self.seq = self.seq.max(entry.seq);
                *self.counters.entry(format!("{} {} {}", entry.operation, entry.resource_type, entry.outcome)).or_default() += 1;
                self.audit.push_back(entry);
                if self.audit.len() > AUDIT_KEPT {
                    self.audit.pop_front();
                }
            }
            Change::Faults(faults) => self.faults = faults,
            Change::Counters(counters) => self.counters = counters,
            Change::Seq(seq) => self.seq = seq,
        }
    }

    /// The shortest list of batches that gives this state again: one per resource, so that no line grows without bound.
    pub(super) fn snapshot(&self) -> Vec<Batch> {
        let one = |change| Batch { changes: vec![change] };
        let mut batches: Vec<Batch> = self.resources.values().cloned().map(|resource| one(Change::Put(resource))).collect();
        batches.extend(self.audit.iter().cloned().map(|entry| one(Change::Audit(entry))));
        batches.push(Batch {
            changes: vec![Change::Faults(self.faults.clone()), Change::Counters(self.counters.clone()), Change::Seq(self.seq)],
        });
        batches
    }

    /// Lines a snapshot has.
    pub(super) fn size(&self) -> usize {
        self.resources.len() + self.audit.len() + 1
    }

    pub(crate) fn resources(&self) -> impl Iterator<Item = &CloudResource> {
        self.resources.values()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&CloudResource> {
        self.resources.get(id)
    }

    pub(super) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    pub(super) fn audit(&self) -> impl Iterator<Item = &AuditEntry> {
        self.audit.iter()
    }

    pub(super) fn next_seq(&self) -> u64 {
        self.seq + 1
    }

    /// Calls of an operation on a type (`*` = all types), successful ones only or all.
    pub(super) fn count(&self, operation: Operation, resource_type: &str, only_ok: bool) -> u64 {
        let wanted = |key: &str| {
            let mut parts = key.splitn(3, ' ');
            parts.next() == Some(operation.as_str())
                && parts.next().is_some_and(|name| resource_type == "*" || name == resource_type)
                && (!only_ok || parts.next() == Some("ok"))
        };
        self.counters.iter().filter(|(key, _)| wanted(key)).map(|(_, count)| count).sum()
    }
}
