//! Embedded Kubernetes-style API over the document store.
//!
//! One [`ApiServer`] per process holds every document in memory as the bytes it serves, writes through to the store, and is
//! reached in two ways that are the same code: [`ApiServer::client`] (a `kube::Client` without a socket) and
//! [`ApiServer::router`] (for kubectl). Unmodified kube runtime and kubectl work on it.
//!
//! `resourceVersion` is one u64 for the whole server, `epoch << 40 | counter`; the epoch is durably increased at every start,
//! so no version ever comes back and a watch from before the start is told 410 Gone. A change becomes visible only after it
//! is durable, and changes are published in the order of their versions. Knows `api` and `store`; knows no controller.
//!
//! Reading order: [`routes`] → [`operations`] → [`prepare`] → [`admission`] → [`writer`] → [`registry`] → [`watch`].

mod admission;
mod body;
mod collector;
mod discovery;
mod events;
mod kinds;
mod list;
mod metadata;
mod openapi;
mod operations;
mod patch;
mod prepare;
mod registry;
mod routes;
mod schema;
mod selector;
mod status;
mod table;
mod watch;
mod writer;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use self::collector::Hint;
use self::events::EventLog;
use self::kinds::Kinds;
use self::registry::{COUNTER_BITS, Head, Key, State};
use self::writer::{Act, Commit, Refusal};
use crate::api::NAMESPACE;
use crate::api::approval::Identity;
use crate::api::design::ApprovalPolicy;
use crate::clock::Clock;
use crate::store::{self, If, Store, Stored};

/// Key of the record of the epoch.
const EPOCH_KEY: &str = "registry/servers/default/epoch.json";

/// How the server behaves. Checked by nobody else: give it what the settings say.
#[derive(Debug, Clone)]
pub struct Options {
    /// loosest `policy.approval` a design may have
    pub min_approval: ApprovalPolicy,
    /// largest request body in bytes; beyond it 413
    pub max_body_bytes: usize,
    /// how many changes the watch history holds; older watches are told 410
    pub watch_history: usize,
    /// how many bytes the watch history holds
    pub watch_history_bytes: usize,
    /// how long an Event is kept after its last write
    pub event_ttl: Duration,
    /// how many Events are kept
    pub max_events: usize,
    /// how long an Event may be in memory only
    pub event_flush: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            min_approval: ApprovalPolicy::Auto,
            // A design of 200 components with its 256 KiB of files fits several times; etcd refuses beyond 1.5 MiB.
            max_body_bytes: 3 << 20,
            // Minutes of a busy server, seconds of a storm: whoever is slower lists again.
            watch_history: 4096,
            // The history shares bytes with live documents; this bounds what it alone keeps alive.
            watch_history_bytes: 8 << 20,
            event_ttl: Duration::from_secs(3600),
            max_events: 10_000,
            event_flush: Duration::from_secs(5),
        }
    }
}

/// Why the server does not open.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// the store failed
    #[error("cannot load the documents")]
    Load {
        /// why
        #[source]
        source: store::Error,
    },
    /// the epoch could not be increased durably
    #[error("cannot record the start of the server")]
    Epoch {
        /// why
        #[source]
        source: store::Error,
    },
    /// a generated schema cannot be served
    #[error("the schema of {kind} cannot be served: {detail}")]
    Schema {
        /// which
        kind: String,
        /// what is wrong
        detail: String,
    },
}

/// uid of an object and the uids of its owners.
type Lineage = (Arc<str>, Box<[Arc<str>]>);

/// What every part of the server shares.
struct Shared {
    kinds: Kinds,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    options: Options,
    epoch: u64,
    state: RwLock<State>,
    event_log: Mutex<EventLog>,
    snapshots: Mutex<list::Snapshots>,
    signal: tokio::sync::watch::Sender<u64>,
    hints: mpsc::UnboundedSender<Hint>,
    stop: CancellationToken,
}

impl Shared {
    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
    fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }
    fn events<T>(&self, change: impl FnOnce(&mut EventLog) -> T) -> T {
        change(&mut self.event_log.lock().unwrap_or_else(PoisonError::into_inner))
    }
    fn note_event(&self, key: &Key, version: u64, bytes: Option<Bytes>) {
        let now = self.clock.now();
        self.events(|log| log.note(&key.name, version, bytes, now));
    }
    fn hint(&self, hint: Hint) {
        // The collector ends with the server: then nothing is collected any more, and the next start looks at everything.
        let _ = self.hints.send(hint);
    }
    /// `fresh`: (has no owners, is being deleted) of what is there now; `old`: uid and owners of what was there.
    fn tell_collector(&self, key: &Key, fresh: Option<(bool, bool)>, old: Option<Lineage>) {
        match (fresh, old) {
            (Some((ownerless, deleting)), _) if deleting || !ownerless => self.hint(Hint::Look(key.clone())),
            (Some(_), _) | (None, None) => {}
            (None, Some((uid, owners))) => self.hint(Hint::Gone(uid, owners)),
        }
    }
}

/// The shared parts and the way to the writer.
#[derive(Clone)]
struct Core {
    shared: Arc<Shared>,
    writer: mpsc::Sender<Commit>,
}

impl Core {
    /// Hands a write to the writer and waits until it is durable and visible. Returns the bytes as stored.
    async fn commit(&self, key: Key, expected: Option<u64>, act: Act, object: Value) -> Result<Bytes, Refusal> {
        let (reply, answer) = oneshot::channel();
        let stopped = || Refusal::Failed(status::ApiError::new(503, "ServiceUnavailable", "the server is stopping"));
        self.writer.send(Commit { key, expected, act, object, reply }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// The embedded API server. Clones share it; it stops when the last clone, router and client are gone, or at
/// [`ApiServer::shutdown`].
#[derive(Clone)]
pub struct ApiServer {
    core: Core,
    tasks: TaskTracker,
    _guard: Arc<DropGuard>,
}

impl ApiServer {
    /// Loads every document into memory, durably increases the epoch and starts the writer. Needs a tokio runtime.
    ///
    /// A document that does not decode as its kind is served as it is; one that is no JSON object of its name is skipped with
    /// a warning and stays in the store.
    pub async fn open(store: Arc<dyn Store>, clock: Arc<dyn Clock>, options: Options) -> Result<Self, Error> {
        let kinds = Kinds::load()?;
        let stored = store.list("registry/").await.map_err(|source| Error::Load { source })?;
        let (state, event_segments) = load(&kinds, stored);
        let epoch = bump_epoch(store.as_ref(), state.version >> COUNTER_BITS).await?;
        let (hints, hinted) = mpsc::unbounded_channel();
        let (writer, inbox) = mpsc::channel(writer::QUEUE);
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            kinds,
            store,
            clock,
            options,
            epoch,
            state: RwLock::new(state),
            event_log: Mutex::default(),
            snapshots: Mutex::default(),
            signal: tokio::sync::watch::Sender::new(epoch << COUNTER_BITS),
            hints,
            stop: stop.clone(),
        });
        let event_kind = shared.kinds.events().map_or(u8::MAX, |kind| kind.id);
        events::load(&shared, event_kind, &event_segments);
        shared.write(|state| {
            state.version = epoch << COUNTER_BITS;
            state.oldest = epoch << COUNTER_BITS;
        });
        let tasks = TaskTracker::new();
        let core = Core { shared: Arc::clone(&shared), writer };
        tasks.spawn(writer::run(shared, inbox));
        tasks.spawn(collector::run(core.clone(), hinted));
        tasks.spawn(events::housekeeping(core.clone(), event_kind));
        Ok(ApiServer { core, tasks, _guard: Arc::new(stop.drop_guard()) })
    }

    /// The API as routes. Each request must carry an [`Identity`] in its extensions, else it is answered 401.
    pub fn router(&self) -> axum::Router {
        let server = self.clone();
        axum::Router::new().fallback(move |request: axum::extract::Request| {
            let server = server.clone();
            async move { routes::serve(&server.core, request).await }
        })
    }

    /// A client whose transport is the router itself: no socket. Everything it asks is asked as `identity`.
    pub fn client(&self, identity: Identity) -> kube::Client {
        let service = self.router().map_request(move |mut request: http::Request<kube::client::Body>| {
            request.extensions_mut().insert(identity.clone());
            request.map(axum::body::Body::new)
        });
        kube::Client::new(service, NAMESPACE)
    }

    /// Number of this start, greater than that of every earlier one.
    pub fn epoch(&self) -> u64 {
        self.core.shared.epoch
    }

    /// Ends watches, brings Events to the store and waits for the tasks that serve; writes that wait are finished.
    pub async fn shutdown(self) {
        self.core.shared.stop.cancel();
        self.tasks.close();
        let ApiServer { core, tasks, _guard } = self;
        let shared = Arc::clone(&core.shared);
        // Without our sender the writer ends as soon as nobody else can write.
        drop(core);
        // Somebody may hold a client for ever: five seconds are enough for every write that was accepted.
        if tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await.is_err() {
            tracing::debug!("clients are still open; the writer ends with them");
        }
        events::flush(&shared).await;
    }
}

/// Sorts what the store holds: documents into memory, segments of events aside, everything else is left alone.
fn load(kinds: &Kinds, stored: Vec<Stored>) -> (State, Vec<Stored>) {
    let mut state = State::default();
    let mut segments = Vec::new();
    for object in stored {
        if object.key == EPOCH_KEY {
            continue;
        }
        let parts: Vec<&str> = object.key.split('/').collect();
        let (plural, name) = match parts.as_slice() {
            ["registry", "events", ..] => {
                segments.push(object);
                continue;
            }
            ["registry", plural, NAMESPACE, file] => (*plural, file.strip_suffix(".json").unwrap_or(file)),
            _ => {
                tracing::warn!(key = object.key, "skipped an object of another namespace or layout");
                continue;
            }
        };
        let Some(kind) = kinds.document(plural) else {
            tracing::warn!(key = object.key, "skipped an object of an unknown kind");
            continue;
        };
        match Head::read(&object.bytes) {
            Ok(head) if head.name == name && head.namespace.as_deref().is_none_or(|namespace| namespace == NAMESPACE) => {
                let version = head.resource_version.parse().unwrap_or(0);
                state.version = state.version.max(version);
                let key = Key::new(kind.id, name);
                state.load(key, head.into_doc(object.bytes, version, Some(object.etag)));
            }
            Ok(head) => tracing::warn!(key = object.key, name = head.name, "skipped an object that is stored under another name"),
            Err(error) => tracing::warn!(key = object.key, %error, "skipped an object that is not a document"),
        }
    }
    (state, segments)
}

/// Increases the epoch durably. `seen` is the newest epoch in any document, in case the record was lost.
async fn bump_epoch(store: &dyn Store, seen: u64) -> Result<u64, Error> {
    let failed = |source| Error::Epoch { source };
    let found = store.get(EPOCH_KEY).await.map_err(failed)?;
    let recorded =
        found.as_ref().and_then(|stored| serde_json::from_slice::<Value>(&stored.bytes).ok()).and_then(|value| value["epoch"].as_u64());
    let epoch = recorded.unwrap_or(0).max(seen) + 1;
    let condition = found.map_or(If::Absent, |stored| If::Match(stored.etag));
    store.put(EPOCH_KEY, json!({ "epoch": epoch }).to_string().into(), condition).await.map_err(failed)?;
    Ok(epoch)
}
