//! `galley mcp` as a host starts it: a child on two pipes, in both protocol eras; alone on its data directory, where it is
//! the whole server, and beside a running `galley serve`, where it is one more client of that one.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rmcp::model::{CallToolRequestParams, ClientConfig, ProtocolVersion};
use rmcp::service::RunningService;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::{Value, json};

use crate::world::{APPROVER, EDITOR, PATIENCE, World};

#[derive(Clone, Default)]
struct Host;

impl ClientHandler for Host {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::default()
    }
}

/// A host with its Galley.
struct Conversation {
    service: RunningService<RoleClient, Host>,
    child: tokio::process::Child,
}

fn eras() -> [(&'static str, ClientLifecycleMode); 2] {
    [
        ("initialize", ClientLifecycleMode::Initialize),
        ("discover", ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }),
    ]
}

impl Conversation {
    async fn start(data_dir: &Path, log: &Path, era: ClientLifecycleMode) -> Conversation {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("log");
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_galley"))
            .arg("mcp")
            .env("GALLEY_DATA_DIR", data_dir)
            .env("GALLEY_TOKEN", EDITOR)
            .env("GALLEY_APPROVER_TOKEN", APPROVER)
            .env_remove("TF_CLI_CONFIG_FILE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("galley mcp starts");
        let pipes = (child.stdout.take().expect("stdout"), child.stdin.take().expect("stdin"));
        let service = tokio::time::timeout(PATIENCE, Host.serve_with_lifecycle(pipes, era)).await.expect("in time").expect("handshake");
        Conversation { service, child }
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> Result<Value, Value> {
        let params = CallToolRequestParams::new(tool).with_arguments(arguments.as_object().cloned().unwrap_or_default());
        let answer = self.service.call_tool(params).await.map_err(|error| json!({"protocol": error.to_string()}))?;
        let body = answer.structured_content.clone().unwrap_or_default();
        if answer.is_error == Some(true) { Err(body) } else { Ok(body) }
    }

    async fn good(&self, tool: &'static str, arguments: Value) -> Value {
        self.call(tool, arguments).await.unwrap_or_else(|error| panic!("{tool}: {error}"))
    }

    /// Waits by `get_status` until the design is `reason`.
    async fn until(&self, session: &str, reason: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut since: Option<String> = None;
        loop {
            let mut arguments = json!({"session_id": session, "wait_seconds": 20});
            if let Some(since) = &since {
                arguments["since"] = json!(since);
            }
            let status = self.good("get_status", arguments).await;
            if status["ready_reason"] == json!(reason) {
                return status;
            }
            assert!(Instant::now() < deadline, "{reason} is not reached: {status}");
            since = status["since"].as_str().map(str::to_owned);
        }
    }

    /// The host hangs up: Galley ends by itself, with success.
    async fn hang_up(mut self) {
        self.service.cancel().await.expect("the client closes");
        let status = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await.expect("galley mcp ends").expect("status");
        assert!(status.success(), "galley mcp ended with {status}");
    }
}

const BUCKET: &str = "lake";

fn bucket(session: &str) -> Value {
    json!({"session_id": session, "components": [{"id": BUCKET, "service_type": "objectstorage", "display_name": "data-lake", "config": {}}]})
}

#[tokio::test]
async fn alone_it_is_the_whole_server_and_builds_what_it_is_told() {
    let dir = tempfile::Builder::new().prefix("gly").tempdir().expect("temp dir");
    let (data, log) = (dir.path().join("data"), dir.path().join("mcp.log"));
    let mut known = Vec::new();
    for (era, mode) in eras() {
        let host = Conversation::start(&data, &log, mode).await;
        let tools = host.service.list_all_tools().await.expect("tools");
        assert!(tools.iter().any(|tool| tool.name == "approve_plan") && tools.len() <= 20, "{era}: {} tools", tools.len());
        let session =
            host.good("create_session", json!({"title": era, "target": "sandbox"})).await["session_id"].as_str().expect("id").to_owned();
        host.good("save_architecture", bucket(&session)).await;
        host.good("set_desired_state", json!({"session_id": session, "desired_state": "Applied"})).await;
        let status = host.until(&session, "AwaitingApproval").await;
        let sha = status["plan"]["plan_sha256"].as_str().unwrap_or_else(|| panic!("{era}: a plan in {status}")).to_owned();
        host.good("approve_plan", json!({"session_id": session, "plan_sha256": sha})).await;
        host.until(&session, "Synced").await;
        known.push(session);
        // what was acknowledged is there for the next process on the same directory
        let listed = host.good("list_sessions", json!({})).await.to_string();
        assert!(known.iter().all(|session| listed.contains(session)), "{era}: {listed}");
        host.hang_up().await;
        assert!(!data.join("server.json").exists(), "{era}: it listens nowhere");
    }
}

#[tokio::test]
async fn beside_a_running_server_it_is_one_more_client_of_it() {
    let world = World::start().await;
    let log = world.dir.path().join("mcp.log");
    for (era, mode) in eras() {
        let host = Conversation::start(&world.data_dir(), &log, mode).await;
        let session =
            host.good("create_session", json!({"title": era, "target": "sandbox"})).await["session_id"].as_str().expect("id").to_owned();
        host.good("save_architecture", bucket(&session)).await;
        host.good("set_desired_state", json!({"session_id": session, "desired_state": "Applied"})).await;
        let status = host.until(&session, "AwaitingApproval").await;
        let sha = status["plan"]["plan_sha256"].clone();
        // the server's own door shows the same document
        let seen = world.status(&session).await;
        assert_eq!(json!(seen.plan.expect("plan").plan_sha256), sha, "{era}");
        let plan = host.good("get_plan", json!({"session_id": session, "detail": "changes"})).await;
        assert!(plan.to_string().contains("oci_objectstorage_bucket"), "{era}: the plan is read from the server's blobs: {plan}");
        // its approvals are stamped as the editor's by the server, and count where an agent may
        host.good("approve_plan", json!({"session_id": session, "plan_sha256": sha})).await;
        host.until(&session, "Synced").await;
        let approvals = world.approvals(EDITOR).list(&Default::default()).await.expect("approvals");
        let mine = approvals.items.iter().find(|approval| approval.spec.design_ref == session).expect("an approval");
        assert_eq!(mine.status.as_ref().and_then(|status| status.approver.as_deref()), Some("editor"), "{era}");
        assert_eq!(world.cloud(&session).await.list().expect("cloud").len(), 1, "{era}: one bucket");
        host.hang_up().await;
        assert!(world.design(&session).await.metadata.name.is_some(), "{era}: the server lives on");
    }
}

/// Hosts wait two seconds before they kill a server; one that was only asked for its tools is gone at once.
#[tokio::test]
async fn a_host_that_hangs_up_at_once_leaves_no_process_behind() {
    let dir = tempfile::Builder::new().prefix("gly").tempdir().expect("temp dir");
    let (data, log) = (dir.path().join("data"), dir.path().join("mcp.log"));
    // several times, because what used to hang was a race with the start of the controllers
    for _ in 0..6 {
        let host = Conversation::start(&data, &log, ClientLifecycleMode::Initialize).await;
        let since = Instant::now();
        host.hang_up().await;
        let took = since.elapsed();
        assert!(took < Duration::from_secs(2), "galley mcp ended after {took:?}:\n{}", std::fs::read_to_string(&log).unwrap_or_default());
    }
}

#[tokio::test]
async fn what_the_server_says_while_it_works_never_reaches_the_pipe_of_the_protocol() {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let dir = tempfile::Builder::new().prefix("gly").tempdir().expect("temp dir");
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_galley"))
        .arg("mcp")
        .env("GALLEY_DATA_DIR", dir.path().join("data"))
        .env("GALLEY_LOG", "trace")
        .env("RUST_LOG", "trace")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("galley mcp starts");
    let mut input = child.stdin.take().expect("stdin");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let talk = [
        hello,
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "create_session", "arguments": {"title": "quiet"}}}),
        json!({"jsonrpc": "2.0", "id": 3, "method": "tools/list"}),
    ];
    let mut answered = Vec::new();
    for message in talk {
        input.write_all(format!("{message}\n").as_bytes()).await.expect("write");
        if message["id"].is_null() {
            continue;
        }
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("in time").expect("line").expect("an answer");
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(answer["jsonrpc"], json!("2.0"), "{line}");
        answered.push(answer["id"].clone());
    }
    drop(input);
    while let Some(line) = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("in time").expect("line") {
        assert!(serde_json::from_str::<Value>(&line).is_ok_and(|message| message["jsonrpc"] == json!("2.0")), "not the protocol: {line}");
    }
    assert_eq!(answered, vec![json!(1), json!(2), json!(3)]);
    assert!(child.wait().await.expect("status").success());
}
