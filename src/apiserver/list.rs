//! Lists: filtering, pages that belong to one moment, and the shapes a client may ask for.
//!
//! A list is the stored bytes of its objects, joined; nothing is parsed unless a selector or a shape needs it.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use base64::Engine;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::kinds::Kind;
use super::registry::{Change, Doc, Labels};
use super::selector::{FieldSelector, LabelSelector};
use super::status::ApiError;
use super::{Core, events, table};

/// Lists that can be continued at the same time; the oldest gives way and its client lists again.
const MAX_SNAPSHOTS: usize = 16;
/// How long a list can be continued.
const SNAPSHOT_LIFE: Duration = Duration::from_secs(120);

/// Which objects.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    pub labels: LabelSelector,
    pub fields: FieldSelector,
}

impl Filter {
    /// Does an object satisfy both selectors?
    pub(super) fn matches(&self, name: &str, labels: &Labels, bytes: &Bytes) -> bool {
        (self.labels.is_empty() || self.labels.matches(labels)) && self.matches_fields(name, bytes)
    }
    fn matches_fields(&self, name: &str, bytes: &Bytes) -> bool {
        self.fields.is_empty() || self.fields.matches(name, || serde_json::from_slice(bytes).ok())
    }
    /// Did an object satisfy both before a change?
    pub(super) fn matched(&self, change: &Change) -> bool {
        let before = change.old_labels.as_ref().is_some_and(|labels| self.labels.is_empty() || self.labels.matches(labels));
        before && self.matches_fields(&change.key.name, &change.bytes)
    }
}

/// How a client wants objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// as they are
    Full,
    /// rows for people
    Table(table::Include),
    /// metadata alone
    Partial,
}

/// Objects in the form a request asks for.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub kind: &'a Kind,
    pub shape: Shape,
    /// Events as core v1
    pub core_form: bool,
}

impl View<'_> {
    /// apiVersion of what is answered.
    pub(super) fn api_version(&self) -> String {
        if self.core_form { "v1".to_owned() } else { self.kind.api_version() }
    }
    /// The stored object in its served form, without a shape.
    pub(super) fn served(&self, bytes: &Bytes) -> Bytes {
        if !self.core_form {
            return bytes.clone();
        }
        match serde_json::from_slice(bytes) {
            Ok(event) => events::to_core(event).to_string().into(),
            Err(_) => bytes.clone(),
        }
    }
    /// One object in its shape.
    pub(super) fn one(&self, bytes: &Bytes, now: &crate::api::Time) -> Bytes {
        match self.shape {
            Shape::Full => self.served(bytes),
            Shape::Partial => partial(&self.served(bytes)).to_string().into(),
            Shape::Table(include) => {
                let version = super::registry::Head::read(bytes).map(|head| head.resource_version).unwrap_or_default();
                table::render(
                    self.kind,
                    std::slice::from_ref(&self.served(bytes)),
                    include,
                    true,
                    now,
                    json!({ "resourceVersion": version }),
                )
                .to_string()
                .into()
            }
        }
    }
    /// Many objects in their shape, with list metadata.
    pub(super) fn many(&self, items: &[Bytes], metadata: Value, now: &crate::api::Time) -> Bytes {
        match self.shape {
            Shape::Table(include) => {
                let served: Vec<Bytes> = items.iter().map(|bytes| self.served(bytes)).collect();
                table::render(self.kind, &served, include, true, now, metadata).to_string().into()
            }
            Shape::Partial => {
                let items: Vec<Value> = items.iter().map(|bytes| partial(&self.served(bytes))).collect();
                json!({ "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items })
                    .to_string()
                    .into()
            }
            Shape::Full => self.join(items, &metadata),
        }
    }

    fn join(&self, items: &[Bytes], metadata: &Value) -> Bytes {
        let head = format!(r#"{{"kind":"{}List","apiVersion":"{}","metadata":{metadata},"items":["#, self.kind.kind, self.api_version());
        let mut text = Vec::with_capacity(head.len() + items.iter().map(|item| item.len() + 1).sum::<usize>() + 2);
        text.extend_from_slice(head.as_bytes());
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                text.push(b',');
            }
            text.extend_from_slice(&self.served(item));
        }
        text.extend_from_slice(b"]}");
        text.into()
    }
}

fn partial(bytes: &Bytes) -> Value {
    let object: Value = serde_json::from_slice(bytes).unwrap_or_default();
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] })
}

/// Lists that have more pages.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    next: u64,
    kept: VecDeque<Snapshot>,
}

#[derive(Debug)]
struct Snapshot {
    id: u64,
    version: u64,
    made: Instant,
    items: Arc<Vec<Bytes>>,
}

/// One page.
pub(super) struct Page {
    pub items: Vec<Bytes>,
    pub metadata: Value,
}

impl Core {
    /// The objects of a kind that match, in name order, and the version they belong to.
    pub(super) fn matching(&self, kind: &Kind, filter: &Filter) -> (u64, Vec<(Arc<str>, Bytes)>) {
        let only = (filter.fields.only_name(), filter.fields.only_design());
        let (version, docs) = self.shared.read(|state| {
            let pick = |(key, doc): (&super::registry::Key, &Doc)| (Arc::clone(&key.name), doc.bytes.clone(), doc.labels.clone());
            let docs: Vec<_> = match only {
                (Some(name), _) => {
                    let key = super::registry::Key::new(kind.id, name);
                    state.get(&key).map(|doc| pick((&key, doc))).into_iter().collect()
                }
                (None, Some(design)) => state.of_design(kind.id, design).map(pick).collect(),
                (None, None) => state.of_kind(kind.id).map(pick).collect(),
            };
            (state.version, docs)
        });
        // Fields of Events are parsed here, outside the lock.
        let found = docs.into_iter().filter(|(name, bytes, labels)| filter.matches(name, labels, bytes));
        (version, found.map(|(name, bytes, _)| (name, bytes)).collect())
    }

    /// A page of a list. `after` is the continue token of the page before.
    pub(super) fn page(&self, kind: &Kind, filter: &Filter, limit: usize, after: &str) -> Result<Page, ApiError> {
        let (id, version, start, items) = if after.is_empty() {
            let (version, found) = self.matching(kind, filter);
            (None, version, 0, Arc::new(found.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>()))
        } else {
            self.continued(after)?
        };
        let end = if limit == 0 { items.len() } else { items.len().min(start.saturating_add(limit)) };
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if end < items.len() {
            let id = id.unwrap_or_else(|| self.keep(version, Arc::clone(&items)));
            let token = format!("{}:{id}:{end}", self.shared.epoch);
            metadata["continue"] = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(token).into();
            metadata["remainingItemCount"] = (items.len() - end).into();
        }
        Ok(Page { items: items.get(start..end).unwrap_or_default().to_vec(), metadata })
    }

    fn keep(&self, version: u64, items: Arc<Vec<Bytes>>) -> u64 {
        let mut snapshots = self.shared.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        snapshots.kept.retain(|snapshot| snapshot.made.elapsed() < SNAPSHOT_LIFE);
        if snapshots.kept.len() >= MAX_SNAPSHOTS {
            snapshots.kept.pop_front();
        }
        snapshots.next += 1;
        let id = snapshots.next;
        snapshots.kept.push_back(Snapshot { id, version, made: Instant::now(), items });
        id
    }

    #[allow(clippy::type_complexity, reason = "one use, taken apart at once")]
    fn continued(&self, token: &str) -> Result<(Option<u64>, u64, usize, Arc<Vec<Bytes>>), ApiError> {
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let numbers: Vec<u64> = text.as_deref().unwrap_or_default().split(':').filter_map(|part| part.parse().ok()).collect();
        let [epoch, id, start] = numbers.as_slice() else {
            return Err(ApiError::bad_request("continue key is not valid: it did not come from this server"));
        };
        let snapshots = self.shared.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        let found = snapshots.kept.iter().find(|snapshot| snapshot.id == *id && *epoch == self.shared.epoch);
        let found = found.ok_or_else(|| {
            ApiError::expired("The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.")
        })?;
        Ok((Some(*id), found.version, usize::try_from(*start).unwrap_or(usize::MAX), Arc::clone(&found.items)))
    }
}
