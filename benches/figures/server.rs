//! A Galley to measure: the real binary as a child process, reached by plain JSON-RPC on one kept-alive connection, so
//! that what is timed is the server and not a client library. Every other need is `tests/acceptance/world.rs`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::measure;
use crate::world::{EDITOR, World};

/// Longest wait for anything that is not itself the figure.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// MCP by hand: one connection, one request at a time.
pub struct Rpc {
    http: reqwest::Client,
    url: String,
    next: u64,
    /// transport session, as an older host has one
    session: Option<String>,
}

impl Rpc {
    pub fn to(base: &str) -> Self {
        let http = reqwest::Client::builder().pool_max_idle_per_host(1).build().expect("a client");
        Rpc { http, url: format!("{base}/mcp"), next: 0, session: None }
    }

    /// The same as a host that shakes hands and keeps a session, which is how the revisions before 2026-07-28 talk.
    pub async fn in_session(base: &str) -> Self {
        let mut rpc = Rpc::to(base);
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "figures", "version": "1"}}});
        let answer = rpc.request(&hello).send().await.expect("an answer");
        rpc.session = Some(answer.headers()["mcp-session-id"].to_str().expect("ASCII").to_owned());
        answer.bytes().await.expect("a body");
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert!(rpc.request(&ready).send().await.expect("an answer").status().is_success());
        rpc
    }

    fn request(&self, body: &Value) -> reqwest::RequestBuilder {
        let request = self
            .http
            .post(&self.url)
            .bearer_auth(EDITOR)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-06-18")
            .json(body);
        match &self.session {
            Some(session) => request.header("mcp-session-id", session),
            None => request,
        }
    }

    /// One tool call; the structured content and the wall time from the first byte sent to the last byte read.
    pub async fn timed(&mut self, tool: &str, arguments: &Value) -> (Value, Duration) {
        let (answer, took) = self.ask(tool, arguments).await;
        assert!(answer["result"]["isError"] != json!(true) && answer.get("error").is_none(), "{tool} {arguments}: {answer}");
        (answer["result"]["structuredContent"].clone(), took)
    }

    /// One tool call that may be refused; `Err` is the structured error.
    pub async fn asked(&mut self, tool: &str, arguments: &Value) -> Result<Value, Value> {
        let answer = self.ask(tool, arguments).await.0;
        assert!(answer.get("error").is_none(), "{tool} {arguments}: {answer}");
        let content = answer["result"]["structuredContent"].clone();
        if answer["result"]["isError"] == json!(true) { Err(content) } else { Ok(content) }
    }

    async fn ask(&mut self, tool: &str, arguments: &Value) -> (Value, Duration) {
        self.next += 1;
        let body = json!({"jsonrpc": "2.0", "id": self.next, "method": "tools/call", "params": {"name": tool, "arguments": arguments}});
        let request = self.request(&body);
        let start = Instant::now();
        let bytes = request.send().await.expect("an answer").bytes().await.expect("a body");
        let took = start.elapsed();
        // Within a session an answer is an event stream of one message.
        let text = std::str::from_utf8(&bytes).expect("text");
        let message = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or(text);
        (serde_json::from_str(message).expect("JSON-RPC"), took)
    }

    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.timed(tool, &arguments).await.0
    }
}

/// A bare `galley serve` on a port chosen here, for what [`World`] is too patient for: the moment of the first answer.
pub struct Bare {
    child: Child,
    pub base: String,
}

impl Bare {
    /// Starts it on `data`; logs go to `log`.
    pub fn start(data: &Path, log: &Path, environment: &[(&str, &str)]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("log");
        let child = Command::new(env!("CARGO_BIN_EXE_galley"))
            .arg("serve")
            .env("GALLEY_DATA_DIR", data)
            .env("GALLEY_LISTEN", format!("127.0.0.1:{port}"))
            .env("GALLEY_TOKEN", EDITOR)
            .env("GALLEY_LOG_FORMAT", "json")
            .env_remove("TF_CLI_CONFIG_FILE")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .expect("galley serve starts");
        Bare { child, base: format!("http://127.0.0.1:{port}") }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a tool call is answered. Looks twice a millisecond whether the port is open.
    pub async fn answer(&mut self) -> Rpc {
        let address = self.base.trim_start_matches("http://").to_owned();
        let deadline = Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(&address).await.is_err() {
            assert!(self.child.try_wait().expect("wait").is_none(), "galley serve ended");
            assert!(Instant::now() < deadline, "galley serve does not listen");
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        let mut rpc = Rpc::to(&self.base);
        rpc.call("list_sessions", json!({"limit": 1})).await;
        rpc
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a process has used less than 2 % of a core for a second, twice in a row. The time it took to become so.
pub async fn until_idle(pid: u32) -> Duration {
    let start = Instant::now();
    let mut quiet_since = start;
    let mut before = measure::cpu_time_of(pid).expect("the server runs");
    let mut quiet = 0;
    while quiet < 2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = measure::cpu_time_of(pid).expect("the server runs");
        if now.saturating_sub(before) <= Duration::from_millis(20) {
            quiet += 1;
        } else {
            quiet = 0;
            quiet_since = Instant::now();
        }
        before = now;
        assert!(start.elapsed() < PATIENCE, "the server does not come to rest");
    }
    quiet_since - start
}

/// A terraform that only says when it was started, and fails at once. One line each: seconds since the epoch, arguments.
pub fn stopwatch(dir: &Path) -> (PathBuf, PathBuf) {
    let (path, log) = (dir.join("terraform-stopwatch"), dir.join("starts.log"));
    let version = r#"{"terraform_version":"1.11.4"}"#;
    let script = format!(
        "#!/bin/bash\nif [ \"$1\" = version ]; then echo '{version}'; exit 0; fi\nprintf '%s %s\\n' \"$EPOCHREALTIME\" \"$1\" >> '{}'\nexit 1\n",
        log.display()
    );
    std::fs::write(&path, script).expect("script");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
    (path, log)
}

/// A design of `count` components that the catalogue of today can build: one VCN, subnets, and in them servers,
/// databases and buckets that talk to each other.
pub fn design(count: usize) -> Value {
    let subnets = (count / 8).max(2);
    let mut components =
        vec![json!({"id": "vcn", "serviceType": "vcn", "displayName": "Platform VCN", "config": {"cidr_block": "10.0.0.0/16"}})];
    let mut connections = Vec::new();
    for number in 0..subnets {
        let id = format!("subnet{number}");
        components.push(json!({"id": id, "serviceType": "subnet", "displayName": format!("Subnet {number}"),
            "config": {"cidr_block": format!("10.0.{number}.0/24"), "prohibit_public_ip": true}}));
        connections.push(json!({"sourceId": id, "targetId": "vcn", "connectionType": "deployed_in"}));
    }
    let mut number = 0;
    while components.len() < count {
        let (id, subnet) = (format!("part{number}"), format!("subnet{}", number % subnets));
        match number % 4 {
            0 => {
                components.push(json!({"id": id, "serviceType": "adb", "displayName": format!("Database {number}"), "config": {"workload_type": "ATP"}}));
                connections.push(json!({"sourceId": id, "targetId": subnet, "connectionType": "deployed_in"}));
            }
            1 => components
                .push(json!({"id": id, "serviceType": "objectstorage", "displayName": format!("data-lake-{number}"), "config": {}})),
            _ => {
                components.push(json!({"id": id, "serviceType": "compute", "displayName": format!("App server {number}"),
                    "config": {"shape": "VM.Standard.E4.Flex", "ocpus": 1, "memory_in_gbs": 8, "image_os": "Oracle Linux 9"}}));
                connections.push(json!({"sourceId": id, "targetId": subnet, "connectionType": "deployed_in"}));
                connections.push(
                    json!({"sourceId": id, "targetId": format!("part{}", number - number % 4), "connectionType": "private_endpoint"}),
                );
            }
        }
        number += 1;
    }
    json!({"target": "sandbox", "components": components, "connections": connections})
}

/// The same as the tool `save_architecture` takes it.
pub fn as_arguments(session: &Value, design: &Value) -> Value {
    let renamed = |items: &Value, names: &[(&str, &str)]| -> Vec<Value> {
        let rename = |item: &Value| {
            names.iter().filter(|(from, _)| !item[*from].is_null()).map(|(from, to)| ((*to).to_owned(), item[*from].clone())).collect()
        };
        items.as_array().expect("a list").iter().map(rename).map(Value::Object).collect()
    };
    json!({
        "session_id": session,
        "components": renamed(&design["components"], &[("id", "id"), ("serviceType", "service_type"), ("displayName", "display_name"), ("config", "config")]),
        "connections": renamed(&design["connections"], &[("sourceId", "source_id"), ("targetId", "target_id"), ("connectionType", "connection_type")]),
    })
}

/// Waits until the design was judged in its present generation.
pub async fn until_judged(world: &World, name: &str) {
    world
        .until(name, "judged", |design| {
            design.status.as_ref().is_some_and(|status| status.observed_generation == design.metadata.generation)
        })
        .await;
}

/// How fast the disk under the world is at this moment, in words.
pub fn medium(world: &World) -> String {
    let alone = measure::medium(world.dir.path()).expect("the disk takes a write");
    format!("the disk alone: one durable write at that moment, median {:.2} ms, p99 {:.2} ms", alone.p50, alone.p99)
}
