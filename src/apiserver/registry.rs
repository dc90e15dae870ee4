//! Documents in memory: what is there, in which order it changed, who owns whom.
//!
//! Holds each object once, as the bytes that are served and stored. Changed by the writer alone, after durability; read by
//! everybody under a short lock that is never held across an await.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::store::Etag;

/// Bits of the counter below the epoch in a resourceVersion.
pub(super) const COUNTER_BITS: u32 = 40;

/// Names an object: number of its kind, and its name (there is one namespace).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    /// number in [`super::kinds::Kinds`]
    pub kind: u8,
    /// metadata.name
    pub name: Arc<str>,
}

impl Key {
    pub(super) fn new(kind: u8, name: &str) -> Self {
        Key { kind, name: name.into() }
    }
}

/// Labels, sorted by key.
pub(super) type Labels = Arc<[(Box<str>, Box<str>)]>;

/// One object.
#[derive(Debug, Clone)]
pub(super) struct Doc {
    /// the JSON as served and stored
    pub bytes: Bytes,
    /// its resourceVersion
    pub version: u64,
    /// version in the store; None for Events
    pub etag: Option<Etag>,
    /// metadata.uid
    pub uid: Arc<str>,
    /// for selectors
    pub labels: Labels,
    /// uids of metadata.ownerReferences
    pub owners: Box<[Arc<str>]>,
    /// metadata.deletionTimestamp is set
    pub deleting: bool,
    /// spec.designRef: the objects of one design are found without looking at all the others
    pub design: Option<Arc<str>>,
}

/// The few members of metadata that memory knows beside the bytes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Head {
    pub name: String,
    pub namespace: Option<String>,
    pub uid: String,
    pub resource_version: String,
    pub deletion_timestamp: Option<String>,
    pub labels: Option<BTreeMap<String, String>>,
    pub owner_references: Option<Vec<OwnerUid>>,
    /// spec.designRef
    #[serde(skip)]
    pub design: Option<String>,
}

/// An owner.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OwnerUid {
    uid: String,
}

impl Head {
    /// Reads them from an object's bytes without building the object.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Whole<'a> {
            metadata: Head,
            #[serde(borrow)]
            spec: Option<&'a serde_json::value::RawValue>,
        }
        #[derive(Deserialize)]
        struct Spec {
            #[serde(rename = "designRef", default)]
            design: Value,
        }
        let Whole { metadata, spec } = serde_json::from_slice(bytes)?;
        // A spec of another shape refers to no design; its object is served all the same.
        let spec = spec
            .map(|raw| raw.get())
            .filter(|text| text.contains("\"designRef\""))
            .and_then(|text| serde_json::from_str::<Spec>(text).ok());
        Ok(metadata.about(spec.as_ref().map_or(&Value::Null, |spec| &spec.design)))
    }
    /// Reads them from an object.
    pub(super) fn of(object: &Value) -> Result<Self, serde_json::Error> {
        Ok(Head::deserialize(&object["metadata"])?.about(&object["spec"]["designRef"]))
    }
    fn about(self, design: &Value) -> Self {
        Head { design: design.as_str().map(str::to_owned), ..self }
    }
    /// The object for memory.
    pub(super) fn into_doc(self, bytes: Bytes, version: u64, etag: Option<Etag>) -> Doc {
        let labels = self.labels.unwrap_or_default().into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let owners = self.owner_references.unwrap_or_default().into_iter().map(|owner| owner.uid.into()).collect();
        let (deleting, design) = (self.deletion_timestamp.is_some(), self.design.map(Arc::from));
        Doc { bytes, version, etag, uid: self.uid.into(), labels, owners, deleting, design }
    }
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// One entry of the watch history.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub version: u64,
    pub key: Key,
    pub kind: ChangeKind,
    pub bytes: Bytes,
    pub labels: Labels,
    /// labels before the change, for watches whose selector stops or starts to match
    pub old_labels: Option<Labels>,
}

/// Everything in memory.
#[derive(Debug, Default)]
pub(super) struct State {
    docs: BTreeMap<Key, Doc>,
    uids: HashMap<Arc<str>, Key>,
    dependents: HashMap<Arc<str>, BTreeSet<Key>>,
    of_design: HashMap<Arc<str>, BTreeSet<Key>>,
    history: VecDeque<Change>,
    history_bytes: usize,
    /// the newest published resourceVersion
    pub version: u64,
    /// a watch from before this has missed something
    pub oldest: u64,
}

impl State {
    /// Puts a loaded object in; no history.
    pub(super) fn load(&mut self, key: Key, doc: Doc) {
        self.link(&key, &doc);
        self.docs.insert(key, doc);
    }
    /// One object.
    pub(super) fn get(&self, key: &Key) -> Option<&Doc> {
        self.docs.get(key)
    }
    /// The objects of a kind in name order.
    pub(super) fn of_kind(&self, kind: u8) -> impl Iterator<Item = (&Key, &Doc)> {
        self.docs.range(Key::new(kind, "")..).take_while(move |(key, _)| key.kind == kind)
    }
    /// The objects of a kind whose spec.designRef is this design, in name order.
    pub(super) fn of_design(&self, kind: u8, design: &str) -> impl Iterator<Item = (&Key, &Doc)> {
        let keys = self.of_design.get(design).into_iter().flatten().filter(move |key| key.kind == kind);
        keys.filter_map(|key| self.docs.get_key_value(key))
    }
    /// Every object.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Key, &Doc)> {
        self.docs.iter()
    }
    /// Who has this uid.
    pub(super) fn by_uid(&self, uid: &str) -> Option<&Key> {
        self.uids.get(uid)
    }
    /// Who names this uid as an owner.
    pub(super) fn dependents(&self, uid: &str) -> Vec<Key> {
        self.dependents.get(uid).map(|keys| keys.iter().cloned().collect()).unwrap_or_default()
    }

    /// Makes a durable write visible. `doc` None: the object is gone and `last` are its last bytes.
    pub(super) fn publish(&mut self, key: &Key, version: u64, doc: Option<Doc>, last: &Bytes, limits: (usize, usize)) {
        let old = self.docs.remove(key);
        if let Some(old) = &old {
            self.unlink(key, old);
        }
        let empty: Labels = Arc::from([]);
        let (kind, bytes, labels) = match &doc {
            Some(doc) if old.is_none() => (ChangeKind::Added, doc.bytes.clone(), doc.labels.clone()),
            Some(doc) => (ChangeKind::Modified, doc.bytes.clone(), doc.labels.clone()),
            None => (ChangeKind::Deleted, last.clone(), old.as_ref().map_or(empty, |old| old.labels.clone())),
        };
        if let Some(doc) = doc {
            self.link(key, &doc);
            self.docs.insert(key.clone(), doc);
        }
        self.version = version;
        self.history_bytes += bytes.len();
        self.history.push_back(Change { version, key: key.clone(), kind, bytes, labels, old_labels: old.map(|old| old.labels) });
        let (most, most_bytes) = limits;
        while self.history.len() > most || (self.history_bytes > most_bytes && self.history.len() > 1) {
            if let Some(dropped) = self.history.pop_front() {
                self.history_bytes -= dropped.bytes.len();
                self.oldest = dropped.version;
            }
        }
    }

    /// What happened to a kind after `version`, oldest first; None when the history no longer reaches back that far.
    pub(super) fn since(&self, version: u64, kind: u8) -> Option<Vec<Change>> {
        if version < self.oldest || version > self.version {
            return None;
        }
        let start = self.history.partition_point(|change| change.version <= version);
        Some(self.history.range(start..).filter(|change| change.key.kind == kind).cloned().collect())
    }

    fn link(&mut self, key: &Key, doc: &Doc) {
        self.uids.insert(doc.uid.clone(), key.clone());
        for owner in &doc.owners {
            self.dependents.entry(owner.clone()).or_default().insert(key.clone());
        }
        if let Some(design) = &doc.design {
            self.of_design.entry(design.clone()).or_default().insert(key.clone());
        }
    }

    fn unlink(&mut self, key: &Key, doc: &Doc) {
        self.uids.remove(&doc.uid);
        for owner in &doc.owners {
            if let Some(keys) = self.dependents.get_mut(owner) {
                keys.remove(key);
                if keys.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
        if let Some(design) = &doc.design
            && let Some(keys) = self.of_design.get_mut(design)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.of_design.remove(design);
            }
        }
    }
}
