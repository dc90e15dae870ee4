//! The single writer: gives each write its resourceVersion, stores it, and only then makes it visible, in order.
//!
//! Takes commits from a bounded queue. Commits to different objects that wait together are stored at the same time (their
//! fsyncs overlap) and published in the order of their versions; two commits to one object never share a round. A write
//! that the store refuses leaves memory as it was; its resourceVersion is never used again.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::registry::{COUNTER_BITS, Doc, Head, Key};
use super::status::ApiError;
use crate::store::{Etag, If};

/// Commits stored at the same time: enough to overlap fsyncs, few enough that one slow disk write delays few others.
const ROUND: usize = 32;
/// Commits that may wait; beyond it callers wait for a place.
pub(super) const QUEUE: usize = 1024;

/// What a commit does.
pub(super) enum Act {
    /// creates or replaces
    Put,
    /// removes; the object is its last state
    Remove,
}

/// One write.
pub(super) struct Commit {
    pub key: Key,
    /// resourceVersion that must be there; None: nothing may be there
    pub expected: Option<u64>,
    pub act: Act,
    pub object: Value,
    pub reply: oneshot::Sender<Result<Bytes, Refusal>>,
}

/// Why a commit was not made.
#[derive(Debug)]
pub(super) enum Refusal {
    /// the object is not as expected (any more)
    Changed,
    /// the store or the object refuses
    Failed(ApiError),
}

/// A commit with its version and bytes, on its way to the store.
struct Prepared {
    key: Key,
    store_key: Option<String>,
    version: u64,
    head: Head,
    bytes: Bytes,
    act: Act,
    condition: If,
    reply: oneshot::Sender<Result<Bytes, Refusal>>,
}

/// Runs until every sender is gone.
pub(super) async fn run(shared: Arc<Shared>, mut inbox: mpsc::Receiver<Commit>) {
    let mut counter = shared.epoch << COUNTER_BITS;
    let mut waiting: VecDeque<Commit> = VecDeque::new();
    loop {
        if waiting.is_empty() {
            match inbox.recv().await {
                Some(commit) => waiting.push_back(commit),
                None => return,
            }
        }
        while waiting.len() < ROUND {
            match inbox.try_recv() {
                Ok(commit) => waiting.push_back(commit),
                Err(_) => break,
            }
        }
        let round = take_round(&shared, &mut waiting, &mut counter);
        let stored = join_all(round.iter().map(|prepared| store(&shared, prepared))).await;
        let mut refused = Vec::new();
        for (prepared, outcome) in round.into_iter().zip(stored) {
            match outcome {
                Ok(etag) => publish(&shared, prepared, etag),
                Err(error) => refused.push((prepared, error)),
            }
        }
        // After the others: what is read again gets a newer version than theirs, and versions are published in order.
        for (prepared, error) in refused {
            refuse(&shared, prepared, &error, &mut counter).await;
        }
    }
}

/// The commits that can be stored together: one per object; the others keep their places.
fn take_round(shared: &Shared, waiting: &mut VecDeque<Commit>, counter: &mut u64) -> Vec<Prepared> {
    let mut keys = HashSet::new();
    let mut round = Vec::new();
    let mut later = VecDeque::new();
    while let Some(commit) = waiting.pop_front() {
        if !keys.insert(commit.key.clone()) {
            later.push_back(commit);
            continue;
        }
        if let Some(prepared) = prepare(shared, commit, counter) {
            round.push(prepared);
        }
    }
    *waiting = later;
    round
}

/// Checks what is expected, gives the version and makes the bytes; answers at once when that fails.
fn prepare(shared: &Shared, commit: Commit, counter: &mut u64) -> Option<Prepared> {
    let Commit { key, expected, act, mut object, reply } = commit;
    let (there, etag) = shared.read(|state| state.get(&key).map(|doc| (doc.version, doc.etag.clone()))).unzip();
    if there != expected {
        // The caller may be gone: then nobody has to know.
        let _ = reply.send(Err(Refusal::Changed));
        return None;
    }
    let version = *counter + 1;
    object["metadata"]["resourceVersion"] = Value::String(version.to_string());
    let made = serde_json::to_vec(&object).and_then(|bytes| Head::of(&object).map(|head| (bytes, head)));
    let (bytes, head) = match made {
        // boxed: what a buffer that grew has too much would stay in memory for as long as the document does
        Ok((bytes, head)) => (Bytes::from(bytes.into_boxed_slice()), head),
        Err(error) => {
            let _ = reply.send(Err(Refusal::Failed(ApiError::bad_request(format!("metadata does not decode: {error}")))));
            return None;
        }
    };
    *counter = version;
    let condition = match (expected, etag.flatten()) {
        (None, _) => If::Absent,
        (Some(_), Some(etag)) => If::Match(etag),
        (Some(_), None) => If::Any,
    };
    let store_key = shared.kinds.get(key.kind).filter(|kind| !kind.is_event()).map(|kind| kind.store_key(&key.name));
    Some(Prepared { key, store_key, version, head, bytes, act, condition, reply })
}

async fn store(shared: &Shared, prepared: &Prepared) -> Result<Option<Etag>, crate::store::Error> {
    let Some(key) = &prepared.store_key else { return Ok(None) };
    match prepared.act {
        Act::Put => shared.store.put(key, prepared.bytes.clone(), prepared.condition.clone()).await.map(Some),
        Act::Remove => shared.store.delete(key, prepared.condition.clone()).await.map(|()| None),
    }
}

fn publish(shared: &Shared, prepared: Prepared, etag: Option<Etag>) {
    let Prepared { key, store_key, version, head, bytes, act, condition: _, reply } = prepared;
    let doc = match act {
        Act::Put => Some(head.into_doc(bytes.clone(), version, etag)),
        Act::Remove => None,
    };
    if store_key.is_none() {
        shared.note_event(&key, version, doc.as_ref().map(|doc| doc.bytes.clone()));
    }
    make_visible(shared, &key, version, doc, &bytes);
    let _ = reply.send(Ok(bytes));
}

fn make_visible(shared: &Shared, key: &Key, version: u64, doc: Option<Doc>, last: &Bytes) {
    let limits = (shared.options.watch_history, shared.options.watch_history_bytes);
    let fresh = doc.as_ref().map(|doc| (doc.owners.is_empty(), doc.deleting));
    let old = shared.write(|state| {
        let old = state.get(key).map(|doc| (doc.uid.clone(), doc.owners.clone()));
        state.publish(key, version, doc, last, limits);
        old
    });
    shared.signal.send_replace(version);
    shared.tell_collector(key, fresh, old);
}

/// A refused write: memory stays. When the store holds something else than memory thinks, it is read again, so that the
/// next try meets the truth instead of failing for ever.
async fn refuse(shared: &Shared, prepared: Prepared, error: &crate::store::Error, counter: &mut u64) {
    tracing::error!(key = prepared.store_key, error = %error, source = ?std::error::Error::source(error), "the store refused a write");
    if let (crate::store::Error::Precondition { .. }, Some(store_key)) = (error, &prepared.store_key)
        && let Ok(found) = shared.store.get(store_key).await
    {
        *counter += 1;
        let version = *counter;
        match found {
            Some(stored) => match reread(&stored.bytes, version) {
                Some((head, bytes)) if *head.name == *prepared.key.name => {
                    let doc = head.into_doc(bytes.clone(), version, Some(stored.etag));
                    make_visible(shared, &prepared.key, version, Some(doc), &bytes);
                }
                Some(_) | None => tracing::warn!(key = store_key, "the stored object is not a document of that name; move it away"),
            },
            None => make_visible(shared, &prepared.key, version, None, &prepared.bytes),
        }
    }
    let _ = prepared.reply.send(Err(Refusal::Failed(ApiError::store(error))));
}

/// The object as the store holds it, with the version it gets here.
fn reread(bytes: &[u8], version: u64) -> Option<(Head, Bytes)> {
    let mut object: Value = serde_json::from_slice(bytes).ok()?;
    let head = Head::of(&object).ok()?;
    object["metadata"]["resourceVersion"] = Value::String(version.to_string());
    Some((head, serde_json::to_vec(&object).ok()?.into_boxed_slice().into()))
}
