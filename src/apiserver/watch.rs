//! Watches: the history from a version on, then every change as it is published.
//!
//! A watch keeps no queue of its own. It remembers the version it has sent and reads on from the shared history when the
//! writer signals; one that falls behind the history is told 410 Gone and lists again. So slow clients cost nothing.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures::Stream;
use serde_json::json;
use tokio::sync::watch::Receiver;
use tokio::time::{Duration, Instant, sleep_until};

use super::Shared;
use super::list::{Filter, Shape, View};
use super::registry::{Change, ChangeKind};
use super::status::ApiError;
use super::{Core, table};

/// How often an idle watch tells where it stands, so that its client can resume close by.
const BOOKMARK_EVERY: Duration = Duration::from_secs(30);
/// Longest watch; clients resume. A real API server ends them between 30 and 60 minutes.
const LONGEST: Duration = Duration::from_secs(3600);
/// Changes in one chunk of the answer.
const CHUNK: usize = 256;

/// What a watch request asks.
pub(super) struct WatchRequest {
    pub filter: Filter,
    pub shape: Shape,
    pub core_form: bool,
    /// version the client has seen; None: everything that is there comes first
    pub since: Option<u64>,
    pub bookmarks: bool,
    /// sendInitialEvents: what is there comes first and ends with a marked bookmark
    pub initial: bool,
    pub timeout: Option<Duration>,
}

impl Core {
    /// The body of a watch.
    pub(super) fn watch(&self, kind: u8, request: WatchRequest) -> Body {
        let now = Instant::now();
        let life = request.timeout.unwrap_or(LONGEST).min(LONGEST);
        let signal = self.shared.signal.subscribe();
        let mut cursor = Cursor {
            shared: Arc::clone(&self.shared),
            signal,
            kind,
            sent: request.since.unwrap_or(0),
            first: true,
            ended: false,
            end: now + life,
            bookmark: now + BOOKMARK_EVERY,
            waiting: Vec::new(),
            request,
        };
        if cursor.request.since.is_none() || cursor.request.initial {
            cursor.begin(self);
        }
        Body::from_stream(cursor.stream())
    }
}

struct Cursor {
    shared: Arc<Shared>,
    signal: Receiver<u64>,
    kind: u8,
    request: WatchRequest,
    sent: u64,
    /// no row was sent yet: the first Table carries the columns
    first: bool,
    ended: bool,
    end: Instant,
    bookmark: Instant,
    waiting: Vec<u8>,
}

impl Cursor {
    /// What is there now, as ADDED.
    fn begin(&mut self, core: &Core) {
        let Some(kind) = core.shared.kinds.get(self.kind) else { return };
        let (version, found) = core.matching(kind, &self.request.filter);
        for (_, bytes) in found {
            self.write("ADDED", &bytes);
        }
        self.sent = version;
        if self.request.initial && self.request.bookmarks {
            self.write_bookmark(true);
        }
    }

    fn stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        futures::stream::unfold(self, |mut cursor| async move {
            loop {
                if !cursor.waiting.is_empty() {
                    let chunk = Bytes::from(std::mem::take(&mut cursor.waiting));
                    return Some((Ok(chunk), cursor));
                }
                if cursor.ended {
                    return None;
                }
                cursor.signal.mark_unchanged();
                cursor.read_on();
                if cursor.waiting.is_empty() && !cursor.ended {
                    cursor.wait().await;
                }
            }
        })
    }

    /// Takes what the history has after `sent`.
    fn read_on(&mut self) {
        let (changes, newest) = self.shared.read(|state| (state.since(self.sent, self.kind), state.version));
        let Some(changes) = changes else {
            let error = ApiError::expired(format!("too old resource version: {} ({newest}): list again", self.sent));
            self.waiting.extend_from_slice(format!("{}\n", json!({ "type": "ERROR", "object": error.to_value() })).as_bytes());
            self.ended = true;
            return;
        };
        let more = changes.len() > CHUNK;
        for change in changes.into_iter().take(CHUNK) {
            self.sent = change.version;
            if let Some(word) = self.word(&change) {
                self.write(word, &change.bytes);
            }
        }
        if !more {
            self.sent = newest;
        }
    }

    /// What a change is for this watch: an object that stops to match its selector is gone for it.
    fn word(&self, change: &Change) -> Option<&'static str> {
        let filter = &self.request.filter;
        let matched = filter.matched(change);
        let matches = change.kind != ChangeKind::Deleted && filter.matches(&change.key.name, &change.labels, &change.bytes);
        match (matched, matches) {
            (false, false) => None,
            (false, true) => Some("ADDED"),
            (true, true) => Some("MODIFIED"),
            (true, false) => Some("DELETED"),
        }
    }

    async fn wait(&mut self) {
        let stop = self.shared.stop.clone();
        // Every arm is cancel safe: a version signal that is read again, a token, and two moments.
        tokio::select! {
            changed = self.signal.changed() => self.ended = changed.is_err(),
            () = stop.cancelled() => self.ended = true,
            () = sleep_until(self.end) => {
                self.ended = true;
                if self.request.bookmarks {
                    self.write_bookmark(false);
                }
            }
            () = sleep_until(self.bookmark), if self.request.bookmarks => {
                self.bookmark = Instant::now() + BOOKMARK_EVERY;
                self.write_bookmark(false);
            }
        }
    }

    fn write(&mut self, word: &str, bytes: &Bytes) {
        let shared = Arc::clone(&self.shared);
        let Some(kind) = shared.kinds.get(self.kind) else { return };
        let view = View { kind, shape: self.request.shape, core_form: self.request.core_form };
        let object = match self.request.shape {
            Shape::Table(include) => {
                let served = view.served(bytes);
                table::render(kind, std::slice::from_ref(&served), include, self.first, &shared.clock.now(), json!({})).to_string().into()
            }
            Shape::Full | Shape::Partial => view.one(bytes, &shared.clock.now()),
        };
        self.first = false;
        self.waiting.extend_from_slice(format!(r#"{{"type":"{word}","object":"#).as_bytes());
        self.waiting.extend_from_slice(&object);
        self.waiting.extend_from_slice(b"}\n");
    }

    fn write_bookmark(&mut self, initial_end: bool) {
        let Some(kind) = self.shared.kinds.get(self.kind) else { return };
        let view = View { kind, shape: self.request.shape, core_form: self.request.core_form };
        let mut metadata = json!({ "resourceVersion": self.sent.to_string() });
        if initial_end {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let object = match self.request.shape {
            Shape::Full => json!({ "kind": kind.kind, "apiVersion": view.api_version(), "metadata": metadata }),
            Shape::Partial => json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata }),
            Shape::Table(_) => {
                json!({ "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": [], "rows": [] })
            }
        };
        self.waiting.extend_from_slice(format!("{}\n", json!({ "type": "BOOKMARK", "object": object })).as_bytes());
    }
}
