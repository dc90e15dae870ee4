//! The MCP door with rmcp's own client: both lifecycle eras, over a pipe (as stdio is one) and over HTTP.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, ClientRequest, Implementation, ProgressNotificationParam,
    ProtocolVersion, Request,
};
use rmcp::service::{NotificationContext, PeerRequestOptions, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{HttpOptions, router, serve, tools};
use crate::services::testkit::{Kit, awaiting, sha};
use crate::services::{Code, arguments};

#[derive(Clone, Default)]
struct Host {
    progress: Arc<Mutex<Vec<ProgressNotificationParam>>>,
}

impl ClientHandler for Host {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(ClientCapabilities::default(), Implementation::new("host", "1"))
    }
    async fn on_progress(&self, note: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.progress.lock().unwrap().push(note);
    }
}

type Client = RunningService<RoleClient, Host>;

fn eras() -> [(&'static str, ClientLifecycleMode); 2] {
    let versions = vec![ProtocolVersion::V_2026_07_28];
    [("initialize", ClientLifecycleMode::Initialize), ("discover", ClientLifecycleMode::Discover { preferred_versions: versions })]
}

async fn over_pipe(kit: &Kit, era: ClientLifecycleMode) -> Client {
    let (near, far) = tokio::io::duplex(1 << 16);
    let services = kit.services.clone();
    tokio::spawn(async move { serve(super::handler(services, CancellationToken::new()), far, CancellationToken::new()).await });
    Host::default().serve_with_lifecycle(near, era).await.unwrap()
}

async fn listen(kit: &Kit, options: HttpOptions) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = router(kit.services.clone(), options, CancellationToken::new());
    tokio::spawn(async move { axum::serve(listener, router).await });
    address.to_string()
}

async fn over_http(kit: &Kit, era: ClientLifecycleMode) -> Client {
    let address = listen(kit, HttpOptions::default()).await;
    Host::default().serve_with_lifecycle(StreamableHttpClientTransport::from_uri(format!("http://{address}/mcp")), era).await.unwrap()
}

/// One client per route: pipe and HTTP, each in both eras.
async fn routes(kit: &Kit) -> Vec<(String, Client)> {
    let mut clients = Vec::new();
    for (name, era) in eras() {
        clients.push((format!("pipe, {name}"), over_pipe(kit, era.clone()).await));
        clients.push((format!("http, {name}"), over_http(kit, era).await));
    }
    clients
}

fn request(tool: &'static str, arguments: Value) -> CallToolRequestParams {
    CallToolRequestParams::new(tool).with_arguments(arguments.as_object().unwrap().clone())
}

async fn call(client: &Client, tool: &'static str, arguments: Value) -> CallToolResult {
    client.call_tool(request(tool, arguments)).await.unwrap()
}

/// The structured answer of a call that must succeed; it is valid under the tool's outputSchema and has one short text.
async fn good(client: &Client, tool: &'static str, arguments: Value) -> Value {
    let result = call(client, tool, arguments).await;
    assert_ne!(result.is_error, Some(true), "{tool}: {result:?}");
    checked(tool, result)
}

/// The structured error of a call that must be refused.
async fn bad(client: &Client, tool: &'static str, arguments: Value) -> Value {
    let result = call(client, tool, arguments).await;
    assert_eq!(result.is_error, Some(true), "{tool}: {result:?}");
    let error = checked(tool, result);
    let code: Code = serde_json::from_value(error["code"].clone()).expect("a closed code");
    assert!(Code::ALL.contains(&code));
    assert!(error["message"].is_string() && error["hint"].is_string() && error["details"].is_object(), "{error}");
    error
}

fn checked(tool: &str, result: CallToolResult) -> Value {
    let structured = result.structured_content.expect("structured content");
    let schema = tools::table().into_iter().find(|entry| entry.model.name == tool).unwrap().model.output_schema.unwrap();
    let schema = Value::Object((*schema).clone());
    arguments::decode::<Value>(&schema, structured.as_object().unwrap().clone(), crate::api::session::Language::En)
        .unwrap_or_else(|error| panic!("{tool} breaks its outputSchema: {error:?}"));
    assert_eq!(result.content.len(), 1, "{tool}: one text");
    let text = serde_json::to_value(&result.content[0]).unwrap()["text"].as_str().unwrap().to_owned();
    assert!(!text.is_empty() && text.len() < 4_000, "{tool}: {} bytes of text", text.len());
    assert!(serde_json::from_str::<Value>(&text).is_err(), "{tool}: the text is not the JSON again");
    structured
}

fn design() -> Value {
    json!([{ "id": "vcn", "service_type": "vcn", "display_name": "Dev VCN", "config": { "cidr_block": "10.0.0.0/16" } }])
}

#[tokio::test]
async fn every_tool_answers_on_every_route_in_both_eras() {
    let kit = Kit::new().await;
    for (route, client) in routes(&kit).await {
        let tools = client.list_all_tools().await.unwrap();
        assert_eq!(tools.len(), 18, "{route}");
        assert!(client.peer_info().unwrap().instructions.as_deref().unwrap_or("").contains("ASK THE PERSON"), "{route}");
        let created = good(&client, "create_session", json!({ "title": format!("検証 {route}"), "language": "en" })).await;
        let session = created["session_id"].as_str().unwrap().to_owned();
        let id = || json!({ "session_id": session });
        assert!(good(&client, "list_sessions", json!({ "title_contains": route })).await["total"] == json!(1), "{route}");
        good(&client, "validate_architecture", json!({ "session_id": session, "components": design() })).await;
        let saved = good(&client, "save_architecture", json!({ "session_id": session, "components": design(), "target": "sandbox" })).await;
        assert_eq!(saved["generation"], json!(1), "{route}");
        good(&client, "validate_architecture", id()).await;
        assert_eq!(good(&client, "get_session", id()).await["design"]["components"], json!(1), "{route}");
        let set = good(&client, "set_desired_state", json!({ "session_id": session, "desired_state": "Applied", "request": "Plan" })).await;
        assert_eq!((&set["generation"], &set["desired_state"]), (&json!(2), &json!("Applied")), "{route}");
        let mut status = awaiting();
        status["observedGeneration"] = json!(2);
        status["plan"]["generation"] = json!(2);
        status["activeJob"] = json!(format!("{session}-apply"));
        kit.server.set_status("designs", &session, status).await;
        kit.job(&session, &format!("{session}-apply"), "Apply", json!({ "phase": "Running" })).await;
        kit.blob(&session, &format!("{session}-apply"), crate::blobs::JobBlob::Log, "one\ntwo\n").await;
        assert_eq!(good(&client, "get_status", id()).await["plan"]["plan_sha256"], json!(sha('a')), "{route}");
        assert_eq!(
            good(&client, "get_plan", json!({ "session_id": session, "detail": "changes" })).await["changes"].as_array().unwrap().len(),
            3,
            "{route}"
        );
        assert_eq!(good(&client, "get_job_log", id()).await["lines"], json!(["one", "two"]), "{route}");
        assert_eq!(
            good(&client, "approve_plan", json!({ "session_id": session, "plan_sha256": sha('a'), "reason": "yes" })).await["state"],
            json!("recorded"),
            "{route}"
        );
        assert_eq!(good(&client, "cancel_job", id()).await["cancelling"], json!(true), "{route}");
        assert_eq!(
            good(&client, "delete_session", json!({ "session_id": session, "confirm": session })).await["deleted"],
            json!(true),
            "{route}"
        );
        client.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn errors_have_one_shape_and_unknown_tools_are_protocol_errors() {
    let kit = Kit::new().await;
    for (route, client) in routes(&kit).await {
        let error = client.call_tool(request("rm_rf", json!({}))).await.unwrap_err().to_string();
        assert!(error.contains("unknown tool rm_rf"), "{route}: {error}");
        let error = bad(&client, "create_session", json!({ "title": "x", "titel": "y" })).await;
        assert_eq!(error["code"], json!("invalid_argument"), "{route}");
        assert_eq!(error["details"]["problems"][0]["path"], json!("titel"), "{route}");
        assert_eq!(error["details"]["problems"][0]["allowed"], json!(["language", "target", "title"]), "{route}");
        assert_eq!(bad(&client, "get_status", json!({ "session_id": "s-none" })).await["code"], json!("session_not_found"), "{route}");
        client.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn hostile_arguments_are_refused_with_their_path_and_nothing_is_written() {
    let kit = Kit::new().await;
    let client = over_pipe(&kit, ClientLifecycleMode::Initialize).await;
    let session = kit.session().await;
    let before = kit.server.writes().len();
    let many: Vec<Value> = (0..201).map(|n| json!({ "id": format!("c{n}"), "service_type": "vcn" })).collect();
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let one = |component: Value| json!({ "session_id": session, "components": [component] });
    let rows: Vec<(&'static str, Value, &str, &str, &str)> = vec![
        ("save_architecture", json!({ "session_id": session, "components": many }), "invalid_design", "components", "201 components"),
        ("save_architecture", json!({ "session_id": session }), "invalid_argument", "components", "components are missing"),
        ("save_architecture", json!({ "components": [] }), "invalid_argument", "session_id", "session is missing"),
        ("save_architecture", json!({ "session_id": 7, "components": [] }), "invalid_argument", "session_id", "wrong type"),
        (
            "save_architecture",
            one(json!({ "id": "a b", "service_type": "vcn" })),
            "invalid_argument",
            "components[a b].id",
            "an id with a space",
        ),
        (
            "save_architecture",
            one(json!({ "id": "a", "service_type": "vcn", "configg": {} })),
            "invalid_argument",
            "components[a].configg",
            "a misspelt field",
        ),
        (
            "save_architecture",
            one(json!({ "id": "a", "service_type": "vcn", "config": "x" })),
            "invalid_argument",
            "components[a].config",
            "config is text",
        ),
        (
            "save_architecture",
            one(json!({ "id": "a", "service_type": "vcn", "config": { "x": deep } })),
            "invalid_argument",
            "",
            "deep JSON",
        ),
        (
            "save_architecture",
            one(json!({ "id": "a", "service_type": "vcn", "config": { "x": "y".repeat(2 << 20) } })),
            "invalid_argument",
            "",
            "two megabytes",
        ),
        (
            "save_architecture",
            one(json!({ "id": "a", "service_type": "vcn", "display_name": "n".repeat(256) })),
            "invalid_argument",
            "components[a].display_name",
            "a long name",
        ),
        (
            "save_architecture",
            one(json!({ "id": "a", "service_type": "vcn", "display_name": "a\u{0}b" })),
            "invalid_argument",
            "components[a].display_name",
            "NUL",
        ),
        (
            "save_architecture",
            json!({ "session_id": session, "components": [], "target": "aws" }),
            "invalid_argument",
            "target",
            "another cloud",
        ),
        (
            "save_architecture",
            json!({ "session_id": session, "components": [], "region": "../x" }),
            "invalid_argument",
            "region",
            "no region",
        ),
        (
            "save_architecture",
            json!({ "session_id": session, "components": [], "compartment_id": "root" }),
            "invalid_argument",
            "compartment_id",
            "no OCID",
        ),
        (
            "save_architecture",
            json!({ "session_id": session, "components": [], "variables": { "a": 1 } }),
            "invalid_argument",
            "variables.a",
            "a number as variable",
        ),
        (
            "save_architecture",
            json!({ "session_id": session, "components": [], "variables": { "admin_password": "x" } }),
            "invalid_argument",
            "variables.admin_password",
            "a secret",
        ),
        (
            "set_desired_state",
            json!({ "session_id": session, "desired_state": "applied" }),
            "invalid_argument",
            "desired_state",
            "words are exact",
        ),
        (
            "set_desired_state",
            json!({ "session_id": session, "request": { "id": "x", "action": "Plan" } }),
            "invalid_argument",
            "request",
            "ids are the server's",
        ),
        (
            "approve_plan",
            json!({ "session_id": session, "plan_sha256": sha('a'), "approver": "me" }),
            "invalid_argument",
            "approver",
            "a client-sent approver",
        ),
        ("get_status", json!({ "session_id": session, "wait_seconds": 3600 }), "invalid_argument", "wait_seconds", "an hour"),
        ("get_job_log", json!({ "session_id": session, "job": "../../etc/passwd" }), "invalid_argument", "job", "a path"),
    ];
    for (tool, arguments, code, path, reason) in rows {
        let error = bad(&client, tool, arguments).await;
        assert_eq!(error["code"], json!(code), "{reason}: {error}");
        assert_eq!(error["details"]["problems"][0]["path"], json!(path), "{reason}: {error}");
        assert!(serde_json::to_string(&error).unwrap().len() < 8_000, "{reason}");
    }
    assert_eq!(kit.server.writes().len(), before);
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn a_host_that_shows_only_text_sees_what_to_do_about_every_problem_and_each_advice_once() {
    let kit = Kit::new().await;
    let client = over_pipe(&kit, ClientLifecycleMode::Initialize).await;
    let wrong = json!({ "session": "s", "sessionId": "s", "desired_state": "done" });
    let result = call(&client, "set_desired_state", wrong).await;
    let text = result.content.iter().find_map(|block| block.as_text()).map(|text| text.text.clone()).unwrap();
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start} in {text}")).to_owned();
    assert!(line("desired_state: ").contains("Draft, Planned, Applied, Destroyed"), "{text}");
    assert!(line("session: ").contains("Known fields: ") && line("sessionId: ").ends_with("unknown field"), "said once: {text}");
    assert!(text.len() < 2_000, "{text}");
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_said_in_the_language_of_the_session_it_names() {
    let kit = Kit::new().await;
    let client = over_pipe(&kit, ClientLifecycleMode::Initialize).await;
    let session = good(&client, "create_session", json!({ "title": "x", "language": "ja" })).await["session_id"].clone();
    let error = bad(&client, "get_status", json!({ "session_id": session, "wait": 3 })).await;
    assert!(error["message"].as_str().unwrap().contains("不明な項目です"), "{error}");
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn a_waiting_status_sends_progress_when_the_host_asked_for_it() {
    for over in ["pipe", "http"] {
        for (era_name, era) in eras() {
            let kit = Kit::new().await;
            let session = kit.design(json!({ "observedGeneration": 1, "activeJob": "job-1" })).await;
            kit.job(
                &session,
                "job-1",
                "Apply",
                json!({ "phase": "Running", "progress": { "step": "apply", "total": 9, "done": 2, "current": [] } }),
            )
            .await;
            let client = if over == "pipe" { over_pipe(&kit, era).await } else { over_http(&kit, era).await };
            // rmcp's client adds a progress token to every request
            let server = kit.server.clone();
            let seen = Arc::clone(&client.service().progress);
            let name = session.clone();
            let controller = tokio::spawn(async move {
                let deadline = Instant::now() + Duration::from_secs(15);
                while seen.lock().unwrap().is_empty() && Instant::now() < deadline {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                server
                    .set_status(
                        "designs",
                        &name,
                        json!({ "activeJob": null, "conditions": [crate::services::testkit::condition("True", "Synced")] }),
                    )
                    .await;
            });
            let status = good(&client, "get_status", json!({ "session_id": session, "wait_seconds": 20 })).await;
            controller.await.unwrap();
            assert_eq!(status["ready_reason"], json!("Synced"), "{over}, {era_name}");
            let notes = client.service().progress.lock().unwrap().clone();
            assert!(notes.iter().any(|note| note.message.as_deref().unwrap_or("").contains("2/9")), "{over}, {era_name}: {notes:?}");
            client.cancel().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_cancelled_wait_ends_at_once_and_the_connection_lives_on() {
    for (over, (era_name, era)) in ["pipe", "http"].into_iter().flat_map(|over| eras().map(|era| (over, era))) {
        let kit = Kit::new().await;
        let session = kit.design(json!({ "observedGeneration": 1, "activeJob": "job-1" })).await;
        let client = if over == "pipe" { over_pipe(&kit, era).await } else { over_http(&kit, era).await };
        let call = request("get_status", json!({ "session_id": session, "wait_seconds": 50 }));
        let handle = client
            .send_cancellable_request(ClientRequest::CallToolRequest(Request::new(call)), PeerRequestOptions::no_options())
            .await
            .unwrap();
        let reads = || kit.server.reads();
        wait_until(|| reads() > 4).await;
        handle.cancel(Some("enough".into())).await.unwrap();
        good(&client, "list_sessions", json!({})).await;
        // the wait looks every second; after a cancellation nobody looks any more
        tokio::time::sleep(Duration::from_millis(200)).await;
        let after = reads();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(reads(), after, "{over}, {era_name}: a cancelled wait still reads");
        client.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn a_host_that_hangs_up_leaves_no_wait_behind() {
    use tokio::io::AsyncWriteExt;
    let kit = Kit::new().await;
    let session = kit.design(json!({ "observedGeneration": 1, "activeJob": "job-1" })).await;
    let address = listen(&kit, HttpOptions::default()).await;
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "get_status", "arguments": { "session_id": session, "wait_seconds": 50 } } }).to_string();
    let length = body.len();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAccept: application/json, text/event-stream\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let before = kit.server.reads();
    wait_until(|| kit.server.reads() > before + 3).await;
    drop(stream);
    // a wait looks every second: three quiet seconds in a row mean that nobody waits any more
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut last = (kit.server.reads(), Instant::now());
    while last.1.elapsed() < Duration::from_secs(3) {
        assert!(Instant::now() < deadline, "the wait goes on without a host");
        tokio::time::sleep(Duration::from_millis(100)).await;
        if kit.server.reads() != last.0 {
            last = (kit.server.reads(), Instant::now());
        }
    }
}

async fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !condition() {
        assert!(Instant::now() < deadline, "timed out");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Status line of a POST as some HTTP client would send it.
async fn post(address: &str, host: &str, headers: &str, body: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nAccept: application/json, text/event-stream\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn http_refuses_foreign_hosts_and_origins_and_other_media_types() {
    let kit = Kit::new().await;
    let options = HttpOptions { allowed_origins: vec!["https://page.example:443".into()], ..HttpOptions::default() };
    let strict = listen(&kit, HttpOptions::default()).await;
    let listed = listen(&kit, options).await;
    let json_type = "Content-Type: application/json\r\n";
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let rows = [
        (&strict, strict.as_str(), json_type.to_owned(), "200", "a host on loopback"),
        (&strict, "evil.example", json_type.to_owned(), "403", "DNS rebinding"),
        (&strict, strict.as_str(), format!("{json_type}Origin: https://evil.example\r\n"), "403", "a page on the web, no list"),
        (&listed, listed.as_str(), format!("{json_type}Origin: https://evil.example\r\n"), "403", "a page that is not listed"),
        (&listed, listed.as_str(), format!("{json_type}Origin: https://page.example\r\n"), "200", "a page that is listed"),
        (&strict, strict.as_str(), "Content-Type: text/plain\r\n".to_owned(), "415", "a form post needs no preflight"),
    ];
    for (address, host, headers, status, reason) in rows {
        let answer = post(address, host, &headers, ping).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{reason}: {}", answer.lines().next().unwrap_or(""));
    }
    let answer = post(&strict, &strict, json_type, &"x".repeat(super::door::MAX_BODY + 1)).await;
    assert!(answer.starts_with("HTTP/1.1 413") || answer.is_empty(), "{}", answer.lines().next().unwrap_or(""));
}

#[tokio::test]
async fn every_protocol_revision_is_served() {
    let kit = Kit::new().await;
    let address = listen(&kit, HttpOptions::default()).await;
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
        let answer = post(&address, &address, "Content-Type: application/json\r\n", &body.to_string()).await;
        assert!(answer.contains(&format!("\"protocolVersion\":\"{version}\"")), "{version}: {answer}");
        assert!(answer.to_lowercase().contains("mcp-session-id"), "a host of these revisions gets a session");
    }
}

#[tokio::test]
async fn shutting_down_ends_the_pipe() {
    let kit = Kit::new().await;
    let (near, far) = tokio::io::duplex(1 << 16);
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(serve(super::handler(kit.services.clone(), shutdown.clone()), far, shutdown.clone()));
    let client = Host::default().serve_with_lifecycle(near, ClientLifecycleMode::Initialize).await.unwrap();
    good(&client, "list_sessions", json!({})).await;
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(10), server).await.expect("ends").unwrap().unwrap();
}

/// About four bytes are a token.
fn tokens(value: &Value) -> usize {
    value.to_string().len() / 4
}

#[test]
fn the_tool_list_fits_the_budget_and_is_the_golden_one() {
    let list: Vec<Value> = tools::table().into_iter().map(|entry| serde_json::to_value(entry.model).unwrap()).collect();
    let list = json!({ "tools": list });
    if tokens(&list) > 4_200 {
        for tool in list["tools"].as_array().unwrap() {
            println!("{} {} in {} out {}", tool["name"], tokens(tool), tokens(&tool["inputSchema"]), tokens(&tool["outputSchema"]));
        }
    }
    // 5,000 are allowed for twenty tools: the two that are planned need about 400 each.
    assert!(tokens(&list) <= 4_200, "tools/list has {} tokens", tokens(&list));
    assert!(super::handler::instructions().len() / 4 <= 400);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tools.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&list).unwrap());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(text, golden, "tools changed: look at the difference and run with UPDATE_GOLDEN=1");
}

#[test]
fn every_tool_is_annotated_and_every_parameter_described() {
    fn walk(tool: &str, schema: &Value, seen: &AtomicUsize) {
        for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let described = inner.get("description").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
            assert!(described, "{tool}.{name} is not described");
            seen.fetch_add(1, Ordering::Relaxed);
            walk(tool, inner, seen);
        }
        if let Some(items) = schema.get("items") {
            walk(tool, items, seen);
        }
    }
    let seen = AtomicUsize::new(0);
    for entry in tools::table() {
        let tool = entry.model;
        let annotations = tool.annotations.clone().unwrap();
        assert!(annotations.title.is_some() && annotations.read_only_hint.is_some(), "{}", tool.name);
        assert!(annotations.destructive_hint.is_some() && annotations.idempotent_hint.is_some(), "{}", tool.name);
        assert_eq!(annotations.open_world_hint, Some(false), "{}", tool.name);
        assert!(tool.description.is_some_and(|text| text.len() > 15), "{}", tool.name);
        assert_eq!(tool.output_schema.unwrap().get("type"), Some(&json!("object")), "{}", tool.name);
        let schema = Value::Object((*tool.input_schema).clone());
        assert_eq!(schema["additionalProperties"], json!(false), "{}: unknown fields are refused", tool.name);
        walk(&tool.name, &schema, &seen);
    }
    assert!(seen.load(Ordering::Relaxed) > 30);
}

#[test]
fn a_prompt_says_the_same_in_both_languages() {
    let places = |text: &str| -> std::collections::BTreeSet<String> {
        text.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name.to_owned())).collect()
    };
    for (name, en, ja) in super::prompts::texts() {
        assert_eq!(places(en), places(ja), "{name}");
        assert!(en.is_ascii() && !ja.is_ascii(), "{name}");
        assert_eq!(en.matches('\n').count(), ja.matches('\n').count(), "{name}: as many steps");
        for tool in tools::table().iter().map(|entry| entry.model.name.to_string()) {
            assert_eq!(en.contains(&tool), ja.contains(&tool), "{name}: {tool}");
        }
    }
}
