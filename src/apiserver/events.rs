//! Events: one stored form (`events.k8s.io/v1`), served in two groups; kept an hour, bounded, written in batches.
//!
//! Events are a record for people, not desired state: nothing is decided from them. So a write is acknowledged from memory
//! and reaches the store within [`Options::event_flush`](super::Options) as one segment of what changed since the last, and
//! at a clean stop. A crash loses at most those seconds; a full disk never holds a controller up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::registry::{Head, Key};
use super::status::ApiError;
use super::{Shared, metadata, writer};
use crate::api::Time;
use crate::api::condition::clip;
use crate::store::{If, Stored};

/// Longest note of an event, as in a real API server; longer ones are cut, because a lost event helps nobody.
const MAX_NOTE: usize = 1024;
/// Where segments live in the store.
const PREFIX: &str = "registry/events/default/";

/// (name in events.k8s.io/v1, name in core v1)
const MEMBERS: [(&str, &str); 6] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];
/// Differently named on both sides, but by prefix only.
const CONTROLLER: (&str, &str) = ("reportingController", "reportingComponent");

/// The stored form of an event that came in through core v1.
pub(super) fn from_core(mut event: Value) -> Value {
    rename(&mut event, |(stored, core)| (core, stored));
    event["apiVersion"] = "events.k8s.io/v1".into();
    event
}

/// The core v1 form of a stored event.
pub(super) fn to_core(mut event: Value) -> Value {
    rename(&mut event, |(stored, core)| (stored, core));
    event["apiVersion"] = "v1".into();
    // kubectl sorts and prints by these; a real server leaves them null for new-style events, and kubectl prints <unknown>.
    let first = event["eventTime"].as_str().map(seconds);
    let last = event["series"]["lastObservedTime"].as_str().map(seconds).or_else(|| first.clone());
    for (member, value) in [("firstTimestamp", first), ("lastTimestamp", last)] {
        if event[member].is_null()
            && let Some(value) = value
        {
            event[member] = value.into();
        }
    }
    if event["count"].is_null() {
        event["count"] = event["series"]["count"].as_i64().unwrap_or(1).into();
    }
    event
}

fn rename(event: &mut Value, order: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str)) {
    let Some(members) = event.as_object_mut() else { return };
    for pair in MEMBERS.into_iter().chain([CONTROLLER]) {
        let (from, to) = order(pair);
        if let Some(value) = members.remove(from) {
            members.insert(to.to_owned(), value);
        }
    }
}

/// RFC 3339 without the fraction: core v1 times are seconds.
fn seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => time.to_owned(),
    }
}

/// Checks and bounds an event; fills its metadata. `old` is what it replaces.
pub(super) fn ready(mut event: Value, name: &str, old: Option<&Value>, now: &Time) -> Result<Value, ApiError> {
    if !event.is_object() {
        return Err(ApiError::bad_request("the body must be a JSON object"));
    }
    event["apiVersion"] = "events.k8s.io/v1".into();
    event["kind"] = "Event".into();
    metadata::clean(&mut event, &mut Vec::new());
    match old {
        None => metadata::begin(&mut event, name, now),
        Some(old) => metadata::keep(&mut event, old),
    }
    metadata::of(&mut event).remove("generation");
    if let Some(note) = event["note"].as_str().map(|note| clip(note, MAX_NOTE)) {
        event["note"] = note.into();
    }
    event.as_object_mut().map(drop_nulls);
    Ok(event)
}

fn drop_nulls(members: &mut Map<String, Value>) {
    members.retain(|_, member| !member.is_null());
}

/// What changed since the last segment, and how old events are.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    changed: BTreeMap<Arc<str>, Option<Bytes>>,
    /// writes in order: (resourceVersion, name, when), for expiry
    written: std::collections::VecDeque<(u64, Arc<str>, Time)>,
    segments: BTreeMap<u64, Time>,
}

impl EventLog {
    /// Remembers a write or a deletion.
    pub(super) fn note(&mut self, name: &Arc<str>, version: u64, bytes: Option<Bytes>, now: Time) {
        if bytes.is_some() {
            self.written.push_back((version, name.clone(), now));
        }
        self.changed.insert(name.clone(), bytes);
    }
}

/// A stored segment.
#[derive(Serialize, Deserialize)]
struct Segment<'a> {
    written: Time,
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
    deleted: Vec<String>,
}

/// Puts the events of all segments back into memory; the newest write of each wins, what is too old stays out.
pub(super) fn load(shared: &Shared, kind: u8, stored: &[Stored]) {
    let now = shared.clock.now();
    let mut newest: BTreeMap<String, (u64, Bytes, Time)> = BTreeMap::new();
    let mut log = EventLog::default();
    for object in stored {
        let number = object.key.strip_prefix(PREFIX).and_then(|name| name.strip_prefix("segment-")?.strip_suffix(".json")?.parse().ok());
        let segment = serde_json::from_slice::<Segment<'_>>(&object.bytes);
        let (Some(number), Ok(segment)) = (number, segment) else {
            tracing::warn!(key = object.key, "skipped events that cannot be read");
            continue;
        };
        log.segments.insert(number, segment.written.clone());
        for name in &segment.deleted {
            newest.remove(name);
        }
        if is_older(&segment.written, &now, shared.options.event_ttl) {
            continue;
        }
        for event in &segment.events {
            if let Ok(head) = Head::read(event.get().as_bytes()) {
                let version = head.resource_version.parse().unwrap_or(0);
                newest.insert(head.name, (version, Bytes::copy_from_slice(event.get().as_bytes()), segment.written.clone()));
            }
        }
    }
    let mut loaded: Vec<_> = newest.into_values().collect();
    loaded.sort_by_key(|(version, ..)| *version);
    shared.write(|state| {
        for (version, bytes, written) in loaded {
            if let Ok(head) = Head::read(&bytes) {
                let key = Key::new(kind, &head.name);
                log.written.push_back((version, key.name.clone(), written));
                state.load(key, head.into_doc(bytes, version, None));
            }
        }
    });
    shared.events(|mine| *mine = log);
}

fn is_older(time: &Time, now: &Time, age: Duration) -> bool {
    now.0.duration_since(time.0).unsigned_abs() > age && now.0 > time.0
}

/// Writes what changed since the last segment and removes segments that only hold what is too old.
pub(super) async fn flush(shared: &Shared) {
    let now = shared.clock.now();
    let (changed, stale) = shared.events(|log| {
        let age = shared.options.event_ttl;
        let stale: Vec<u64> = log.segments.iter().filter(|(_, written)| is_older(written, &now, age)).map(|(number, _)| *number).collect();
        (std::mem::take(&mut log.changed), stale)
    });
    if !changed.is_empty() {
        let number = shared.read(|state| state.version);
        let texts: Vec<&str> = changed.values().flatten().filter_map(|bytes| std::str::from_utf8(bytes).ok()).collect();
        let events = texts.into_iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        let deleted = changed.iter().filter(|(_, bytes)| bytes.is_none()).map(|(name, _)| name.to_string()).collect();
        let segment = Segment { written: now.clone(), events, deleted };
        let stored = match serde_json::to_vec(&segment) {
            Ok(bytes) => shared.store.put(&segment_key(number), bytes.into(), If::Any).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match stored {
            Ok(_) => shared.events(|log| log.segments.insert(number, now.clone())),
            Err(error) => {
                tracing::warn!(error, "events could not be stored; tried again with the next ones");
                shared.events(|log| {
                    for (name, bytes) in changed {
                        log.changed.entry(name).or_insert(bytes);
                    }
                    None
                })
            }
        };
    }
    for number in stale {
        match shared.store.delete(&segment_key(number), If::Any).await {
            Ok(()) => shared.events(|log| log.segments.remove(&number)),
            // It stays on the list and is tried again.
            Err(_) => None,
        };
    }
}

fn segment_key(number: u64) -> String {
    format!("{PREFIX}segment-{number:020}.json")
}

/// Names and versions of the events that are too old or too many.
pub(super) fn expired(shared: &Shared, kind: u8) -> Vec<(Key, u64)> {
    let now = shared.clock.now();
    let current = |name: &Arc<str>| shared.read(|state| state.get(&Key { kind, name: name.clone() }).map(|doc| doc.version));
    let mut surplus = shared.read(|state| state.of_kind(kind).count()).saturating_sub(shared.options.max_events);
    let mut gone = Vec::new();
    while let Some((version, name, written)) = shared.events(|log| log.written.front().cloned()) {
        // A newer write of the same event stands further back in the queue.
        if current(&name) == Some(version) {
            if surplus == 0 && !is_older(&written, &now, shared.options.event_ttl) {
                break;
            }
            surplus = surplus.saturating_sub(1);
            gone.push((Key { kind, name }, version));
        }
        shared.events(|log| log.written.pop_front());
    }
    gone
}

/// Keeps events bounded in time and number and brings them to the store, until the server stops.
pub(super) async fn housekeeping(core: super::Core, kind: u8) {
    let mut tick = tokio::time::interval(core.shared.options.event_flush);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        // Both arms are cancel safe: a token and an interval lose nothing.
        tokio::select! {
            () = core.shared.stop.cancelled() => break,
            _ = tick.tick() => {}
        }
        for (key, version) in expired(&core.shared, kind) {
            let doc = core.shared.read(|state| state.get(&key).cloned());
            if let Some(object) = doc.and_then(|doc| serde_json::from_slice(&doc.bytes).ok()) {
                // An event that changed meanwhile is not expired any more.
                let _ = core.commit(key, Some(version), writer::Act::Remove, object).await;
            }
        }
        flush(&core.shared).await;
    }
    flush(&core.shared).await;
}
