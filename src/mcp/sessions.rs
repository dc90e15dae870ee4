//! Transport sessions of the revisions before 2026-07-28 (`Mcp-Session-Id`): the connection that a question in the middle of
//! a call, a subscription and a cancellation need over HTTP. Nothing here is a document: a [`crate::api::Session`] is another
//! thing and outlives all of these.
//!
//! A session costs memory and a process ends, so none is worth keeping: **its id says everything that a server must know to
//! go on with it** ([`Id`]). A session that was idle, that gave way to others, or that a restart took, is made again from
//! the id by the request that names it, and the host never knows (docs/adr/0013). Only a host's own DELETE is final.
//!
//! Takes ids from the door, which mints them; holds at most [`LIMIT`] sessions, each with the worker that rmcp has for it.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::Stream;
use rmcp::RoleServer;
use rmcp::model::{
    ClientCapabilities, ClientJsonRpcMessage, Implementation, InitializeRequestParams, ProtocolVersion, ServerJsonRpcMessage,
};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionHandle, LocalSessionWorker, LocalSessionWorkerError, SessionConfig, SessionError, create_local_session,
};
use rmcp::transport::streamable_http_server::session::store::SessionStoreError;
use rmcp::transport::streamable_http_server::session::{
    RestoreOutcome, ServerSseMessage, SessionId, SessionManager, SessionState, SessionStore,
};
use rmcp::transport::{Transport, WorkerTransport};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::approvals::{HANDLE, handle};

/// Sessions in memory at once; beyond it who is silent gives way. One is a host that spoke within [`IDLE`] or listens; each takes
/// about 60 KiB.
pub(super) const LIMIT: usize = 256;
/// Most there can be: hosts that are in the middle of a conversation when the server restarts all come back.
const MOST: usize = 2 * LIMIT;
/// How long a session without an open stream stays. Making it again costs a host less than a millisecond.
pub(super) const IDLE: Duration = Duration::from_secs(300);
/// How often idle ones are looked for.
const SWEEP: Duration = Duration::from_secs(30);
/// Ids that hosts ended and that must stay ended: DELETE is rare, and a host that ended a session does not ask for it again.
const ENDED: usize = 1024;

tokio::task_local! {
    /// What the request that is served wants of its session: rmcp asks for a session without saying for whom.
    pub(super) static VISIT: Visit;
}

/// Why a request comes.
pub(super) enum Visit {
    /// a handshake: this id is to be given
    Begins(SessionId),
    /// anything within a session
    Goes,
    /// DELETE
    Ends,
}

/// What the id of a session says: `<random>.<revision>.<form|mute>`; the random part begins with a ULID, so that ids sort by age. It is no credential (the editor token is) and hides nothing:
/// a host that changes it only changes how it is spoken to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Id {
    revision: String,
    /// the host can show a form to the person
    form: bool,
}

impl Id {
    /// A new id for a host that introduces itself like this.
    pub(super) fn mint(params: &InitializeRequestParams) -> SessionId {
        let asked = params.protocol_version.as_str();
        // What is not known is negotiated down to the newest revision with a handshake, now and when it is made again.
        let known = ProtocolVersion::KNOWN_VERSIONS.iter().any(|version| version.as_str() == asked);
        let revision = if known { asked } else { ProtocolVersion::LATEST_WITH_INITIALIZE.as_str() };
        let form = super::handler::shows_forms(&params.capabilities);
        let born = ulid::Ulid::generate().to_string().to_lowercase();
        format!("{born}{}.{revision}.{}", &handle()[born.len()..], if form { "form" } else { "mute" }).into()
    }

    fn parse(id: &str) -> Option<Self> {
        let mut parts = id.split('.');
        let (random, revision, form) = (parts.next()?, parts.next()?, parts.next()?);
        let minted = random.len() == HANDLE
            && random.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            && parts.next().is_none();
        let known = ProtocolVersion::KNOWN_VERSIONS.iter().any(|version| version.as_str() == revision);
        let form = match form {
            "form" => true,
            "mute" => false,
            _ => return None,
        };
        (minted && known).then(|| Id { revision: revision.to_owned(), form })
    }

    /// The handshake that this id stands for, as far as anything here depends on it.
    fn params(&self) -> Option<InitializeRequestParams> {
        let revision: ProtocolVersion = serde_json::from_value(serde_json::Value::String(self.revision.clone())).ok()?;
        let capabilities = match self.form {
            true => ClientCapabilities::builder().enable_elicitation().build(),
            false => ClientCapabilities::default(),
        };
        Some(InitializeRequestParams::new(capabilities, Implementation::new("recalled", "")).with_protocol_version(revision))
    }
}

/// What can go wrong with a session.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// there is none of this id
    #[error("no session of this id")]
    Absent,
    /// rmcp asked for a session outside of a handshake
    #[error("a session is begun by a handshake")]
    NoHandshake,
    /// the worker is gone or refused
    #[error("the session does not answer")]
    Worker(#[from] SessionError),
}

struct Live {
    handle: LocalSessionHandle,
    used: Instant,
    /// calls that are being answered
    calls: usize,
    /// streams on which the host listens
    listening: usize,
    /// tells this one from another of the same id, before or after it
    number: u64,
}

impl Live {
    /// Nothing is open: to forget it costs its host nothing.
    fn is_silent(&self) -> bool {
        self.calls == 0 && self.listening == 0
    }
}

#[derive(Default)]
struct Held {
    live: HashMap<SessionId, Live>,
    ended: VecDeque<SessionId>,
    made: u64,
}

/// The sessions of one door. A clone is the same table.
#[derive(Clone, Default)]
pub(super) struct Sessions(Arc<Mutex<Held>>);

/// What a stream is for.
#[derive(Clone, Copy)]
enum Use {
    Call,
    Listen,
}

impl Sessions {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for one more, at the cost of the session that has been silent longest; false when every host calls or
    /// listens. (A listener that gave way would be back within a second, at the cost of another one.)
    pub(super) fn make_room(&self) -> bool {
        let gone = {
            let mut held = self.held();
            if held.live.len() < LIMIT {
                return true;
            }
            let silent = held.live.iter().filter(|(_, live)| live.is_silent());
            let Some(id) = silent.min_by_key(|(_, live)| live.used).map(|(id, _)| id.clone()) else { return false };
            held.live.remove(&id)
        };
        close(gone.into_iter(), "crowded");
        true
    }

    /// Lets go of what nobody used for [`IDLE`] before `now`.
    pub(super) fn sweep(&self, now: Instant) {
        let gone: Vec<Live> = {
            let mut held = self.held();
            let idle = |live: &Live| live.is_silent() && now.saturating_duration_since(live.used) >= IDLE;
            held.live.extract_if(|_, live| idle(live)).map(|(_, live)| live).collect()
        };
        close(gone.into_iter(), "idle");
        self.measure();
    }

    /// Sweeps until `shutdown`, or until the table is gone.
    pub(super) fn keep_swept(&self, shutdown: CancellationToken) {
        let table: Weak<Mutex<Held>> = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                // cancel safe: both only wait
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(SWEEP) => {}
                }
                let Some(table) = table.upgrade() else { return };
                Sessions(table).sweep(Instant::now());
            }
        });
    }

    #[expect(clippy::cast_precision_loss, reason = "at most a few hundred")]
    fn measure(&self) {
        metrics::gauge!("galley_mcp_sessions").set(self.held().live.len() as f64);
    }

    fn begin(&self, id: SessionId, event: &'static str) -> Tracked {
        // The door decides about idle sessions. Nothing is sent before the first message of a stream: hosts before
        // 2025-11-25 know no empty events.
        let mut config = SessionConfig::default();
        (config.keep_alive, config.sse_retry) = (None, None);
        let (handle, worker) = create_local_session(id.clone(), config);
        let number = {
            let mut held = self.held();
            held.made += 1;
            let number = held.made;
            held.live.insert(id.clone(), Live { handle, used: Instant::now(), calls: 0, listening: 0, number });
            number
        };
        metrics::counter!("galley_mcp_sessions_total", "event" => event).increment(1);
        self.measure();
        Tracked { worker: WorkerTransport::spawn(worker), table: Arc::downgrade(&self.0), id, number }
    }

    /// The worker of a session that is used now.
    fn touch(&self, id: &str) -> Result<LocalSessionHandle, Error> {
        let mut held = self.held();
        let live = held.live.get_mut(id).ok_or(Error::Absent)?;
        live.used = Instant::now();
        Ok(live.handle.clone())
    }

    /// The same for as long as a stream is open.
    fn open(&self, id: &SessionId, what: Use) -> Result<(LocalSessionHandle, Open), Error> {
        let mut held = self.held();
        let live = held.live.get_mut(id).ok_or(Error::Absent)?;
        live.used = Instant::now();
        *count(live, what) += 1;
        let open = Open { table: Arc::downgrade(&self.0), id: id.clone(), number: live.number, what };
        Ok((live.handle.clone(), open))
    }

    fn was_ended(&self, id: &str) -> bool {
        self.held().ended.iter().any(|ended| **ended == *id)
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn present(&self) -> usize {
        self.held().live.len()
    }

    /// As if a restart had taken every session.
    #[cfg(test)]
    pub(super) fn forget(&self) {
        let all: Vec<Live> = self.held().live.drain().map(|(_, live)| live).collect();
        close(all.into_iter(), "idle");
    }
}

fn count(live: &mut Live, what: Use) -> &mut usize {
    match what {
        Use::Call => &mut live.calls,
        Use::Listen => &mut live.listening,
    }
}

/// Ends workers that are in the table no more. Their open streams end with them.
fn close(gone: impl Iterator<Item = Live>, event: &'static str) {
    for live in gone {
        metrics::counter!("galley_mcp_sessions_total", "event" => event).increment(1);
        tokio::spawn(async move {
            // A worker that is gone already is what was wanted.
            let _ = live.handle.close().await;
        });
    }
}

/// rmcp's transport of one session; when it is dropped the session is over, whoever ended it.
pub(super) struct Tracked {
    worker: WorkerTransport<LocalSessionWorker>,
    table: Weak<Mutex<Held>>,
    id: SessionId,
    number: u64,
}

impl Transport<RoleServer> for Tracked {
    type Error = LocalSessionWorkerError;

    fn send(&mut self, item: TxJsonRpcMessage<RoleServer>) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.worker.send(item)
    }
    fn receive(&mut self) -> impl Future<Output = Option<RxJsonRpcMessage<RoleServer>>> + Send {
        self.worker.receive()
    }
    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.worker.close()
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let Some(table) = self.table.upgrade() else { return };
        let table = Sessions(table);
        {
            let mut held = table.held();
            // Another session of the same id may be there already.
            if held.live.get(&self.id).is_some_and(|live| live.number == self.number) {
                held.live.remove(&self.id);
            }
        }
        table.measure();
    }
}

/// Counts a stream as long as it is open.
struct Open {
    table: Weak<Mutex<Held>>,
    id: SessionId,
    number: u64,
    what: Use,
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(table) = self.table.upgrade() else { return };
        let table = Sessions(table);
        let mut held = table.held();
        if let Some(live) = held.live.get_mut(&self.id).filter(|live| live.number == self.number) {
            live.used = Instant::now();
            *count(live, self.what) -= 1;
        }
    }
}

/// Messages to the host, and what the table must know while they come.
struct Counted {
    messages: ReceiverStream<ServerSseMessage>,
    open: Open,
}

impl Counted {
    fn new(messages: mpsc::Receiver<ServerSseMessage>, open: Open) -> Self {
        Counted { messages: ReceiverStream::new(messages), open }
    }
}

impl Stream for Counted {
    type Item = ServerSseMessage;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.messages).poll_next(context);
        match (polled, self.open.what) {
            // The stream of a call cannot be taken up again, so it has no ids: after a restart a host would wait on it for ever,
            // and a broken call it can make again at once.
            (Poll::Ready(Some(mut message)), Use::Call) => {
                message.event_id = None;
                Poll::Ready(Some(message))
            }
            (polled, _) => polled,
        }
    }
}

impl SessionManager for Sessions {
    type Error = Error;
    type Transport = Tracked;

    async fn create_session(&self) -> Result<(SessionId, Tracked), Error> {
        let id = VISIT.try_with(|visit| match visit {
            Visit::Begins(id) => Some(id.clone()),
            Visit::Goes | Visit::Ends => None,
        });
        let id = id.ok().flatten().ok_or(Error::NoHandshake)?;
        Ok((id.clone(), self.begin(id, "begun")))
    }

    async fn initialize_session(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<ServerJsonRpcMessage, Error> {
        let (handle, _open) = self.open(id, Use::Call)?;
        Ok(handle.initialize(message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Error> {
        Ok(self.held().live.contains_key(id))
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Error> {
        // rmcp calls this, too, when a worker has ended; that one is out of the table already ([`Tracked`]).
        if !VISIT.try_with(|visit| matches!(visit, Visit::Ends)).unwrap_or(false) {
            return Ok(());
        }
        let gone = {
            let mut held = self.held();
            if held.ended.len() >= ENDED {
                held.ended.pop_front();
            }
            held.ended.push_back(id.clone());
            held.live.remove(id)
        };
        close(gone.into_iter(), "ended");
        self.measure();
        Ok(())
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Error> {
        let (handle, open) = self.open(id, Use::Call)?;
        let receiver = handle.establish_request_wise_channel().await?;
        handle.push_message(message, receiver.http_request_id).await?;
        Ok(Counted::new(receiver.inner, open))
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Error> {
        Ok(self.touch(id)?.push_message(message, None).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Error> {
        let (handle, open) = self.open(id, Use::Listen)?;
        let receiver = handle.establish_common_channel().await?;
        Ok(Counted::new(receiver.inner, open))
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Error> {
        let (handle, open) = self.open(id, Use::Listen)?;
        let place = last_event_id.parse().ok();
        let resumed = match place {
            Some(place) => handle.resume(place).await.ok(),
            None => None,
        };
        // A place of before a restart is no place of this session: the host listens from now on.
        let receiver = match resumed {
            Some(receiver) => receiver,
            None => handle.establish_common_channel().await?,
        };
        Ok(Counted::new(receiver.inner, open))
    }

    async fn restore_session(&self, id: SessionId) -> Result<RestoreOutcome<Tracked>, Error> {
        if self.held().live.contains_key(&id) {
            return Ok(RestoreOutcome::AlreadyPresent);
        }
        // A host that is told 404 shakes hands again, and is then served without a session.
        if !self.make_room() && self.held().live.len() >= MOST {
            return Ok(RestoreOutcome::NotSupported);
        }
        Ok(RestoreOutcome::Restored(self.begin(id, "recalled")))
    }
}

/// Where rmcp looks a session up that is not in memory: in its id. Nothing is stored.
#[async_trait]
impl SessionStore for Sessions {
    async fn load(&self, id: &str) -> Result<Option<SessionState>, SessionStoreError> {
        if self.was_ended(id) {
            return Ok(None);
        }
        Ok(Id::parse(id).and_then(|id| id.params()).map(SessionState::new))
    }
    async fn store(&self, _: &str, _: &SessionState) -> Result<(), SessionStoreError> {
        Ok(())
    }
    async fn delete(&self, _: &str) -> Result<(), SessionStoreError> {
        Ok(())
    }
}
