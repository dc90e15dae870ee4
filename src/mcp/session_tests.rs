//! Sessions of the older revisions over HTTP: what a host may rely on, and what it never notices.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction, Implementation,
    InitializeRequestParams, ProtocolVersion, ResourceUpdatedNotificationParam,
};
use rmcp::service::{NotificationContext, RequestContext, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_server::SessionManager;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, ErrorData, RoleClient};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::door::{SESSION, with_sessions};
use super::sessions::{IDLE, Id, LIMIT, Sessions, VISIT, Visit};
use super::{HttpOptions, handler};
use crate::services::testkit::{Kit, awaiting, sha};

/// A host that can ask a person, who says yes.
#[derive(Clone, Default)]
struct Host {
    asked: Arc<Mutex<usize>>,
    updated: Arc<Mutex<Vec<String>>>,
}

impl ClientHandler for Host {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(ClientCapabilities::builder().enable_elicitation().build(), Implementation::new("host", "1"))
    }
    async fn create_elicitation(&self, _: ElicitRequestParams, _: RequestContext<RoleClient>) -> Result<ElicitResult, ErrorData> {
        *self.asked.lock().unwrap() += 1;
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({ "approve": true })))
    }
    async fn on_resource_updated(&self, note: ResourceUpdatedNotificationParam, _: NotificationContext<RoleClient>) {
        self.updated.lock().unwrap().push(note.uri);
    }
}

/// A door over a table of sessions that the test can look into. Every door of one `Served` is one server to its hosts.
struct Served {
    url: String,
    sessions: Sessions,
    http: reqwest::Client,
}

async fn served(kit: &Kit) -> Served {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let sessions = Sessions::default();
    let token = CancellationToken::new();
    let router = with_sessions(handler(kit.services.clone(), token.clone()), HttpOptions::default(), token, sessions.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Served { url, sessions, http: reqwest::Client::new() }
}

impl Served {
    async fn host(&self) -> RunningService<RoleClient, Host> {
        let transport = StreamableHttpClientTransport::from_uri(self.url.clone());
        Host::default().serve_with_lifecycle(transport, ClientLifecycleMode::Initialize).await.unwrap()
    }
    /// One POST: status, session id, text of the body.
    async fn post(&self, session: Option<&str>, body: Value) -> (u16, Option<String>, String) {
        let mut request = self.http.post(&self.url).header("accept", "application/json, text/event-stream").json(&body);
        if let Some(session) = session {
            request = request.header(SESSION, session);
        }
        let answer = request.send().await.unwrap();
        let given = answer.headers().get(SESSION).map(|id| id.to_str().unwrap().to_owned());
        (answer.status().as_u16(), given, answer.text().await.unwrap())
    }
    async fn begin(&self) -> Option<String> {
        let (status, session, _) = self.post(None, initialize("2025-11-25")).await;
        assert_eq!(status, 200);
        session
    }
}

fn initialize(revision: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": revision,
        "capabilities": { "elicitation": {} }, "clientInfo": { "name": "t", "version": "1" } } })
}

fn list_tools() -> Value {
    json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" })
}

fn approve(session: &str) -> CallToolRequestParams {
    let arguments = json!({ "session_id": session, "plan_sha256": sha('a') });
    CallToolRequestParams::new("approve_plan").with_arguments(arguments.as_object().unwrap().clone())
}

async fn waiting(kit: &Kit) -> String {
    let session = kit.design(json!({})).await;
    kit.server.patch("designs", &session, json!({ "spec": { "desiredState": "Applied" } })).await;
    let mut status = awaiting();
    status["observedGeneration"] = json!(2);
    status["plan"]["generation"] = json!(2);
    kit.server.set_status("designs", &session, status).await;
    session
}

#[tokio::test]
async fn a_restart_takes_every_session_and_no_host_notices() {
    let kit = Kit::new().await;
    let served = served(&kit).await;
    let host = served.host().await;
    assert!(!host.list_all_tools().await.unwrap().is_empty());
    let session = waiting(&kit).await;
    served.sessions.forget();
    assert_eq!(served.sessions.present(), 0);
    let result = host.call_tool(approve(&session)).await.unwrap();
    assert_ne!(result.is_error, Some(true), "{result:?}");
    assert_eq!(*host.service().asked.lock().unwrap(), 1, "that the host can ask the person is known from the id");
    assert_eq!(kit.server.names("approvals").len(), 1);
    assert_eq!(served.sessions.present(), 1, "one session, made once");
    host.cancel().await.unwrap();
}

#[tokio::test]
async fn a_server_that_never_met_the_host_goes_on_where_another_one_stopped() {
    let kit = Kit::new().await;
    let (before, after) = (served(&kit).await, served(&kit).await);
    let id = before.begin().await.unwrap();
    let asked = (0..8).map(|number| after.post(Some(&id), json!({ "jsonrpc": "2.0", "id": number, "method": "tools/list" })));
    for (status, _, body) in futures::future::join_all(asked).await {
        assert!(status == 200 && body.contains("create_session"), "{status}: {body}");
    }
    assert_eq!(after.sessions.present(), 1, "eight at once, one session");
}

#[tokio::test]
async fn only_the_host_ends_a_session_for_good_and_made_up_ids_are_nobodys() {
    let kit = Kit::new().await;
    let served = served(&kit).await;
    let id = served.begin().await.unwrap();
    let (random, tail) = id.split_once('.').unwrap();
    for (made_up, reason) in [
        ("00000000-0000-0000-0000-000000000000".to_owned(), "an id of another server"),
        (format!("{}.{tail}", &random[1..]), "too short to be random"),
        (format!("{random}.2031-01-01.form"), "a revision that is not there"),
        (format!("{random}.2025-11-25.loud"), "a way to be asked that is not there"),
        (format!("{id}.more"), "something behind it"),
    ] {
        assert_eq!(served.post(Some(&made_up), list_tools()).await.0, 404, "{reason}");
    }
    let ended = served.http.delete(&served.url).header(SESSION, &id).send().await.unwrap();
    assert_eq!(ended.status().as_u16(), 204);
    assert_eq!(served.post(Some(&id), list_tools()).await.0, 404, "ended");
    assert_eq!(served.sessions.present(), 0);
    let (status, _, body) = served.post(None, list_tools()).await;
    assert!(status == 200 && body.starts_with('{'), "without a session a request stands alone and its answer is plain JSON: {body}");
}

#[tokio::test]
async fn hosts_that_never_say_goodbye_do_not_add_up() {
    let kit = Kit::new().await;
    let served = served(&kit).await;
    let first = served.begin().await.unwrap();
    for _ in 0..LIMIT + 20 {
        served.begin().await.unwrap();
    }
    assert_eq!(served.sessions.present(), LIMIT);
    assert_eq!(served.post(Some(&first), list_tools()).await.0, 200, "the one that gave way comes back when it is named");
    assert_eq!(served.sessions.present(), LIMIT);
}

/// A session as the door makes it, without its handler: what is tested is the table.
async fn begun(sessions: &Sessions) -> (Arc<str>, super::sessions::Tracked) {
    let params = InitializeRequestParams::new(ClientCapabilities::default(), Implementation::new("t", "1"));
    VISIT.scope(Visit::Begins(Id::mint(&params)), sessions.create_session()).await.unwrap()
}

#[tokio::test]
async fn who_is_silent_is_forgotten_and_who_listens_is_not() {
    let sessions = Sessions::default();
    let (silent, _silent_worker) = begun(&sessions).await;
    let (listener, mut worker) = begun(&sessions).await;
    shake_hands(&sessions, &listener, &mut worker).await;
    let stream = sessions.create_standalone_stream(&listener).await.unwrap();
    sessions.sweep(Instant::now());
    assert_eq!(sessions.present(), 2, "both spoke just now");
    sessions.sweep(Instant::now() + IDLE);
    assert!(!sessions.has_session(&silent).await.unwrap() && sessions.has_session(&listener).await.unwrap());
    let stopped = Instant::now();
    drop(stream);
    sessions.sweep(stopped + IDLE - Duration::from_millis(1));
    assert_eq!(sessions.present(), 1, "the time counts from when it stopped to listen");
    sessions.sweep(Instant::now() + IDLE);
    assert_eq!(sessions.present(), 0);
}

/// Answers the handshake in place of a handler.
async fn shake_hands(sessions: &Sessions, id: &Arc<str>, worker: &mut super::sessions::Tracked) {
    use rmcp::transport::Transport;
    let request = serde_json::from_value(initialize("2025-11-25")).unwrap();
    let answer = async {
        worker.receive().await.unwrap();
        let result = json!({ "jsonrpc": "2.0", "id": 1, "result": { "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": { "name": "g", "version": "1" } } });
        worker.send(serde_json::from_value(result).unwrap()).await.unwrap();
    };
    let (answered, ()) = tokio::join!(sessions.initialize_session(id, request), answer);
    answered.unwrap();
}

#[tokio::test]
async fn a_full_table_takes_who_is_silent_and_nobody_else() {
    let sessions = Sessions::default();
    let (mut workers, mut calls, mut listening) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..LIMIT {
        let (id, mut worker) = begun(&sessions).await;
        shake_hands(&sessions, &id, &mut worker).await;
        match number % 2 {
            0 => calls.push(sessions.create_stream(&id, serde_json::from_value(list_tools()).unwrap()).await.unwrap().boxed()),
            _ => listening.push(sessions.create_standalone_stream(&id).await.unwrap().boxed()),
        }
        workers.push(worker);
    }
    assert!(!sessions.make_room(), "every host calls or listens: a new one is served without a session");
    assert_eq!(sessions.present(), LIMIT);
    calls.pop();
    assert!(sessions.make_room(), "one has fallen silent");
    assert_eq!(sessions.present(), LIMIT - 1);
}

#[tokio::test]
async fn a_subscription_over_http_is_its_hosts_alone_and_outlives_a_restart() {
    let kit = Kit::new().await;
    let served = served(&kit).await;
    let (host, other) = (served.host().await, served.host().await);
    assert_eq!(host.peer_info().unwrap().capabilities.resources.as_ref().unwrap().subscribe, Some(true));
    let session = kit.design(awaiting()).await;
    let uri = format!("galley://designs/{session}");
    subscribe(&host, &uri).await;
    let seen = Arc::clone(&host.service().updated);
    for serial in 10..500 {
        if !seen.lock().unwrap().is_empty() {
            break;
        }
        kit.server.set_status("designs", &session, json!({ "state": { "serial": serial } })).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(seen.lock().unwrap().first(), Some(&uri));
    assert!(other.service().updated.lock().unwrap().is_empty(), "nobody else subscribed");
    // a restart: the host's stream breaks, it listens again by itself, and is told that it may have missed something
    served.sessions.forget();
    seen.lock().unwrap().clear();
    let deadline = Instant::now() + Duration::from_secs(30);
    while seen.lock().unwrap().is_empty() {
        assert!(Instant::now() < deadline, "the subscription did not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(seen.lock().unwrap().first(), Some(&uri));
    other.cancel().await.unwrap();
    host.cancel().await.unwrap();
}

#[expect(deprecated, reason = "older hosts still subscribe like this")]
async fn subscribe(host: &RunningService<RoleClient, Host>, uri: &str) {
    host.subscribe(rmcp::model::SubscribeRequestParams::new(uri)).await.unwrap();
}

#[test]
fn an_id_says_how_its_host_is_spoken_to() {
    for (revision, capabilities, tail, reason) in [
        ("2025-06-18", json!({ "elicitation": {} }), "2025-06-18.form", "an empty capability means forms"),
        ("2025-11-25", json!({ "elicitation": { "form": {} } }), "2025-11-25.form", "it says so"),
        ("2025-11-25", json!({ "elicitation": { "url": {} } }), "2025-11-25.mute", "it opens pages, and shows no form"),
        ("2024-11-05", json!({}), "2024-11-05.mute", "it cannot ask"),
        ("2099-01-01", json!({}), "2025-11-25.mute", "what is not known is negotiated down"),
    ] {
        let params = json!({ "protocolVersion": revision, "capabilities": capabilities, "clientInfo": { "name": "t", "version": "1" } });
        let id = Id::mint(&serde_json::from_value(params).unwrap());
        assert_eq!(id.split_once('.').unwrap().1, tail, "{reason}");
        assert!(id.bytes().all(|byte| (0x21..=0x7e).contains(&byte)), "visible ASCII, as the revision asks");
    }
    assert_eq!(ProtocolVersion::LATEST_WITH_INITIALIZE, ProtocolVersion::V_2025_11_25);
}
