//! One Galley under test: the real binary on its own data directory, real terraform behind a recording wrapper, a real
//! MCP client and a real Kubernetes client, and the simulated cloud read directly, never through Galley.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use galley::api::design::DesignStatus;
use galley::api::{Approval, ApprovalSpec, Design, Session, TerraformJob};
use kube::api::{Api, Patch, PatchParams, PostParams};
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest wait for anything in these tests: a plan takes half a second here, a loaded machine ten times that.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Tokens of every world; fixed so that leak searches know what to look for.
pub const EDITOR: &str = "editor-token-6d1f0a5b2c";
/// See [`EDITOR`].
pub const APPROVER: &str = "approver-token-93be77c1d4";

/// Worlds at once, each a server with its Terraform processes: one a core, so that plain `cargo test` on a small machine
/// waits its turn here and not, with everybody else, for an answer within [`PATIENCE`].
static ROOM: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    Arc::new(Semaphore::new(cores.clamp(1, 8)))
});

pub struct World {
    pub dir: tempfile::TempDir,
    /// Given back after the last process of this world is gone.
    _room: OwnedSemaphorePermit,
    child: Option<Child>,
    base: String,
    env: Vec<(String, String)>,
}

impl World {
    /// A fresh server on a fresh data directory.
    pub async fn start() -> World {
        World::start_with(&[]).await
    }

    /// The same, with `GALLEY_*` settings.
    pub async fn start_with(env: &[(&str, &str)]) -> World {
        let dir = tempfile::Builder::new().prefix("gly").tempdir().expect("temp dir");
        let mut world = World {
            dir,
            _room: ROOM.clone().acquire_owned().await.expect("the semaphore is never closed"),
            child: None,
            base: String::new(),
            env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        world.write_wrapper();
        world.launch().await;
        world
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A wrapper that writes down each start and then *becomes* terraform, so that pids and signals are terraform's.
    fn write_wrapper(&self) {
        let real = which("terraform").expect("terraform on PATH");
        let log = self.dir.path().join("runs.log");
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$*\" >> '{}'\ncase \"$1\" in apply) while [ -e '{}' ]; do sleep 0.1; done ;; esac\nexec '{}' \"$@\"\n",
            log.display(),
            self.gate().display(),
            real.display()
        );
        let path = self.wrapper();
        std::fs::write(&path, script).expect("wrapper");
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
    }

    fn wrapper(&self) -> PathBuf {
        self.dir.path().join("terraform-recorded")
    }

    /// While this file is there, a started `terraform apply` waits before it does anything.
    fn gate(&self) -> PathBuf {
        self.dir.path().join("hold-applies")
    }

    /// Lets no apply go on until [`World::release_applies`]: what is seen meanwhile is seen for certain, however slow the
    /// machine is.
    #[allow(dead_code, reason = "the page's tests watch an apply; the others do not")]
    pub fn hold_applies(&self) {
        std::fs::write(self.gate(), "").expect("gate");
    }

    /// See [`World::hold_applies`].
    #[allow(dead_code, reason = "the page's tests watch an apply; the others do not")]
    pub fn release_applies(&self) {
        std::fs::remove_file(self.gate()).expect("gate");
    }

    /// Argument lines of every terraform that was started, in order.
    pub fn runs(&self) -> Vec<String> {
        std::fs::read_to_string(self.dir.path().join("runs.log")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// How many `terraform apply` were started.
    pub fn apply_runs(&self) -> usize {
        self.runs().iter().filter(|line| line.starts_with("apply")).count()
    }

    /// Starts the server (again) on the same data directory and waits until it is ready.
    pub async fn launch(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.path().join("server.log")).expect("log");
        let _ = std::fs::remove_file(self.data_dir().join("server.json"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_galley"));
        command
            .arg("serve")
            .env("GALLEY_DATA_DIR", self.data_dir())
            .env("GALLEY_LISTEN", "127.0.0.1:0")
            .env("GALLEY_TOKEN", EDITOR)
            .env("GALLEY_APPROVER_TOKEN", APPROVER)
            .env("GALLEY_TERRAFORM_BIN", self.wrapper())
            .env("GALLEY_LOG_FORMAT", "json")
            .env_remove("TF_CLI_CONFIG_FILE")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log);
        for (name, value) in &self.env {
            command.env(name, value);
        }
        self.child = Some(command.spawn().expect("galley serve starts"));
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(base) = self.read_base()
                && reqwest::get(format!("{base}/readyz")).await.is_ok_and(|answer| answer.status().is_success())
            {
                self.base = base;
                return;
            }
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten()) {
                panic!("galley serve ended with {status}:\n{}", self.server_log());
            }
            assert!(Instant::now() < deadline, "galley serve is not ready:\n{}", self.server_log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn read_base(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.data_dir().join("server.json")).ok()?;
        let value: Value = serde_json::from_str(&text).ok()?;
        ["base_url", "baseUrl", "url"].iter().find_map(|key| value[*key].as_str()).map(|text| text.trim_end_matches('/').to_owned())
    }

    pub fn server_log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default()
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    /// The server's process id, for who measures it.
    #[allow(dead_code, reason = "the benchmarks share this world and read it")]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("running").id()
    }

    /// `kill -9` of Galley alone.
    pub fn kill_galley(&mut self) {
        let mut child = self.child.take().expect("running");
        child.kill().expect("kill");
        child.wait().expect("wait");
    }

    /// `kill -9` of Galley and of every terraform of this world, in that order and at once.
    pub fn kill_galley_and_terraform(&mut self) {
        let terraforms = self.terraform_pids();
        let mut child = self.child.take().expect("running");
        for pid in &terraforms {
            kill9(*pid);
        }
        child.kill().expect("kill");
        child.wait().expect("wait");
        for pid in self.terraform_pids() {
            kill9(pid);
        }
    }

    /// Stops the server as an operator would.
    pub async fn stop(&mut self) {
        let mut child = self.child.take().expect("running");
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), nix::sys::signal::Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(40);
        while child.try_wait().expect("wait").is_none() {
            assert!(Instant::now() < deadline, "galley serve does not stop:\n{}", self.server_log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Terraform processes whose working directory is inside this world.
    pub fn terraform_pids(&self) -> Vec<u32> {
        processes_in(&self.data_dir())
            .into_iter()
            .filter(|(_, command)| command.contains("terraform") && !command.contains("sandbox-provider"))
            .map(|(pid, _)| pid)
            .collect()
    }

    // ------------------------------------------------------------------------------------------------ documents

    /// A Kubernetes client with the given token, as kubectl would use it.
    pub fn kube(&self, token: &str) -> kube::Client {
        let uri: http::Uri = format!("{}/k8s/{token}", self.base).parse().expect("uri");
        let mut config = kube::Config::new(uri);
        config.default_namespace = "default".into();
        kube::Client::try_from(config).expect("client")
    }

    pub fn designs(&self) -> Api<Design> {
        Api::default_namespaced(self.kube(EDITOR))
    }

    pub fn jobs(&self) -> Api<TerraformJob> {
        Api::default_namespaced(self.kube(EDITOR))
    }

    pub fn approvals(&self, token: &str) -> Api<Approval> {
        Api::default_namespaced(self.kube(token))
    }

    /// Creates a Session and its Design directly, as kubectl would, and gives their name.
    pub async fn create(&self, spec: Value) -> String {
        let sessions: Api<Session> = Api::default_namespaced(self.kube(EDITOR));
        let name = galley::api::names::session_name(ulid::Ulid::generate());
        let session: Session = serde_json::from_value(json!({
            "apiVersion": "galley.dev/v1alpha1", "kind": "Session", "metadata": {"name": name}, "spec": {"title": "acceptance"}
        }))
        .expect("session");
        sessions.create(&PostParams::default(), &session).await.expect("session is created");
        let mut spec = spec;
        spec["sessionRef"] = json!(name);
        let design: Design = serde_json::from_value(json!({
            "apiVersion": "galley.dev/v1alpha1", "kind": "Design", "metadata": {"name": name}, "spec": spec
        }))
        .expect("design");
        self.designs().create(&PostParams::default(), &design).await.expect("design is created");
        name
    }

    /// Merge-patches the spec of a design with the editor token.
    pub async fn edit(&self, name: &str, spec: Value) -> Design {
        self.designs().patch(name, &PatchParams::default(), &Patch::Merge(json!({ "spec": spec }))).await.expect("edit is accepted")
    }

    pub async fn design(&self, name: &str) -> Design {
        self.designs().get(name).await.expect("design")
    }

    pub async fn status(&self, name: &str) -> DesignStatus {
        self.design(name).await.status.unwrap_or_default()
    }

    pub async fn uid(&self, name: &str) -> String {
        self.design(name).await.metadata.uid.expect("uid")
    }

    /// Waits until the design satisfies `want`; on failure prints what it is instead.
    pub async fn until(&self, name: &str, what: &str, want: impl Fn(&Design) -> bool) -> Design {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let design = self.design(name).await;
            if want(&design) {
                return design;
            }
            if Instant::now() >= deadline {
                panic!(
                    "{what}: not reached; the design is\n{}\njobs:\n{}\nlog:\n{}",
                    serde_json::to_string_pretty(&design).unwrap_or_default(),
                    self.jobs_text().await,
                    tail(&self.server_log(), 60),
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn jobs_text(&self) -> String {
        match self.jobs().list(&Default::default()).await {
            Ok(list) => list.items.iter().map(|job| format!("{:?} {:?} {:?}\n", job.metadata.name, job.spec.action, job.status)).collect(),
            Err(error) => error.to_string(),
        }
    }

    /// Waits until the reason of `Ready` is this one for the present generation.
    pub async fn until_reason(&self, name: &str, reason: &str) -> Design {
        self.until(name, &format!("Ready reason {reason}"), |design| {
            let status = design.status.clone().unwrap_or_default();
            status.observed_generation == design.metadata.generation && ready_reason(design) == reason
        })
        .await
    }

    /// Waits for a plan of the present generation that waits for approval and gives its sha256.
    pub async fn until_plan(&self, name: &str) -> String {
        let design = self
            .until(name, "a plan that waits for approval", |design| {
                let status = design.status.clone().unwrap_or_default();
                ready_reason(design) == "AwaitingApproval"
                    && status.plan.is_some_and(|plan| Some(plan.generation) == design.metadata.generation)
            })
            .await;
        design.status.and_then(|status| status.plan).map(|plan| plan.plan_sha256).expect("plan")
    }

    /// Approves the newest plan with `token`.
    pub async fn approve(&self, name: &str, token: &str) -> Approval {
        let approval = self.approval_for(name).await;
        self.approvals(token).create(&PostParams::default(), &approval).await.expect("approval is created")
    }

    /// An approval document for exactly the newest plan.
    pub async fn approval_for(&self, name: &str) -> Approval {
        let design = self.design(name).await;
        let plan = design.status.clone().and_then(|status| status.plan).expect("a plan");
        let mut approval = Approval::new(
            "",
            ApprovalSpec {
                design_ref: name.to_owned(),
                design_uid: design.metadata.uid.clone().expect("uid"),
                plan_sha256: plan.plan_sha256.clone(),
                generation: plan.generation,
                expires_at: plan.expires_at.clone(),
                reason: Some("acceptance".into()),
            },
        );
        approval.metadata.name = None;
        approval.metadata.generate_name = Some(format!("{name}-"));
        approval
    }

    /// Plans, approves and applies; ends at Synced.
    pub async fn apply(&self, name: &str) -> Design {
        self.edit(name, json!({"desiredState": "Applied"})).await;
        self.until_plan(name).await;
        self.approve(name, EDITOR).await;
        self.until_reason(name, "Synced").await
    }

    // ---------------------------------------------------------------------------------------------------- cloud

    /// The simulated cloud of a design, read directly.
    pub async fn cloud(&self, name: &str) -> galley::sandbox::Cloud {
        let uid = self.uid(name).await;
        self.cloud_of(&uid)
    }

    pub fn cloud_of(&self, uid: &str) -> galley::sandbox::Cloud {
        galley::sandbox::Cloud::open(self.data_dir().join("sandbox").join(uid)).expect("cloud")
    }

    /// What a person adds to the environment to run terraform by hand in the working directory of a sandbox design: the
    /// provider that listens, and the secrets that do not lie there.
    pub async fn by_hand(&self, uid: &str) -> Vec<(String, String)> {
        use galley::terraform::{ProviderHost, ReattachHost, ReattachOptions, secrets};
        let mut options =
            ReattachOptions::sandbox(env!("CARGO_BIN_EXE_galley"), self.data_dir().join("run"), self.data_dir().join("sandbox"));
        options.args.extend(["--idle".to_owned(), "60".to_owned()]);
        let host = ReattachHost::new(options);
        let env = host.prepare(uid, galley::api::design::Target::Sandbox, &Default::default()).await.expect("provider");
        let blobs = galley::blobs::FsBlobs::open(&self.data_dir().join("blobs")).await.expect("blobs");
        let secrets = secrets::read(&blobs, uid).await.expect("secrets");
        let variables = secrets.into_iter().map(|(name, stored)| (format!("TF_VAR_{name}"), stored.value.0));
        env.into_iter().chain(variables).collect()
    }

    pub fn work_dir(&self, uid: &str) -> PathBuf {
        self.data_dir().join("work").join(uid)
    }

    // ------------------------------------------------------------------------------------------------------ MCP

    /// A real MCP client over HTTP with the editor token.
    pub async fn mcp(&self) -> Mcp {
        let mut config = StreamableHttpClientTransportConfig::with_uri(format!("{}/mcp", self.base));
        config.auth_header = Some(EDITOR.to_owned());
        let transport = StreamableHttpClientTransport::from_config(config);
        Mcp { service: ().serve(transport).await.expect("MCP client connects") }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        for (pid, _) in processes_in(self.dir.path()) {
            kill9(pid);
        }
    }
}

/// A connected MCP client.
pub struct Mcp {
    service: rmcp::service::RunningService<rmcp::RoleClient, ()>,
}

impl Mcp {
    /// Calls a tool; `Ok` = its structured content, `Err` = the structured error.
    pub async fn call(&self, tool: &'static str, arguments: Value) -> Result<Value, Value> {
        let params = CallToolRequestParams::new(tool).with_arguments(arguments.as_object().cloned().unwrap_or_default());
        let answer = self.service.call_tool(params).await.map_err(|error| json!({"protocol": error.to_string()}))?;
        let body = answer
            .structured_content
            .clone()
            .unwrap_or_else(|| json!({"content": serde_json::to_value(&answer.content).unwrap_or_default()}));
        if answer.is_error == Some(true) { Err(body) } else { Ok(body) }
    }
}

/// The reason of the condition Ready.
pub fn ready_reason(design: &Design) -> String {
    design
        .status
        .as_ref()
        .and_then(|status| galley::api::condition::condition(&status.conditions, "Ready"))
        .map(|condition| condition.reason.clone())
        .unwrap_or_default()
}

/// The message of a condition.
pub fn message(design: &Design, kind: &str) -> String {
    design
        .status
        .as_ref()
        .and_then(|status| galley::api::condition::condition(&status.conditions, kind))
        .map(|condition| condition.message.clone())
        .unwrap_or_default()
}

/// Components and connections of one of the committed designs, as a Design spec.
pub fn spec_of(design_json: &str) -> Value {
    let design: Value = serde_json::from_str(design_json).expect("design JSON");
    let components: Vec<Value> = design["components"]
        .as_array()
        .expect("components")
        .iter()
        .map(|component| {
            json!({
                "id": component["id"], "serviceType": component["service_type"],
                "displayName": component["display_name"], "config": component["config"]
            })
        })
        .collect();
    let connections: Vec<Value> = design["connections"]
        .as_array()
        .expect("connections")
        .iter()
        .map(|connection| {
            json!({
                "sourceId": connection["source_id"], "targetId": connection["target_id"],
                "connectionType": connection["connection_type"], "description": connection["description"]
            })
        })
        .collect();
    json!({"target": "sandbox", "components": components, "connections": connections})
}

/// The small verification design: a VCN, a VM and a Free Tier ATP.
pub fn small() -> Value {
    spec_of(include_str!("../designs/compute-adb-verify.json"))
}

/// The last `lines` lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

pub fn which(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(program)).find(|path| path.is_file())
}

fn kill9(pid: u32) {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL);
}

/// Processes whose working directory or command line lies under `dir`: (pid, command line).
fn processes_in(dir: &Path) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir("/proc") else { return found };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if pid == std::process::id() {
            continue;
        }
        let cwd = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if cwd.starts_with(dir) || command.contains(&dir.display().to_string()) {
            found.push((pid, command));
        }
    }
    found
}

/// A design of more than 15 resources: private application servers, a private database, buckets.
pub fn large() -> Value {
    let mut components = vec![
        json!({"id": "net", "serviceType": "vcn", "displayName": "Platform VCN", "config": {"cidr_block": "10.20.0.0/16"}}),
        json!({"id": "app", "serviceType": "subnet", "displayName": "App", "config": {"cidr_block": "10.20.1.0/24", "prohibit_public_ip": true}}),
        json!({"id": "data", "serviceType": "subnet", "displayName": "Data", "config": {"cidr_block": "10.20.2.0/24", "prohibit_public_ip": true}}),
        json!({"id": "db", "serviceType": "adb", "displayName": "Orders DB", "config": {"workload_type": "ATP", "db_name": "orders", "endpoint_type": "private"}}),
    ];
    let mut connections = vec![
        json!({"sourceId": "app", "targetId": "net", "connectionType": "deployed_in"}),
        json!({"sourceId": "data", "targetId": "net", "connectionType": "deployed_in"}),
        json!({"sourceId": "db", "targetId": "data", "connectionType": "deployed_in"}),
    ];
    for number in 1..=3 {
        let id = format!("vm{number}");
        components.push(json!({"id": id, "serviceType": "compute", "displayName": format!("App server {number}"), "config": {"shape": "VM.Standard.E4.Flex", "ocpus": 1, "memory_in_gbs": 8, "image_os": "Oracle Linux 9"}}));
        connections.push(json!({"sourceId": id, "targetId": "app", "connectionType": "deployed_in"}));
        connections.push(json!({"sourceId": id, "targetId": "db", "connectionType": "private_endpoint"}));
    }
    for number in 1..=3 {
        components.push(json!({"id": format!("lake{number}"), "serviceType": "objectstorage", "displayName": format!("data-lake-{number}"), "config": {}}));
    }
    json!({"target": "sandbox", "components": components, "connections": connections})
}

/// An operation of the simulated API by name.
pub fn on(operation: &str) -> galley::sandbox::FaultOperation {
    galley::sandbox::FaultOperation::parse(operation).expect("an operation")
}

/// A named error for one resource type; `times` = how often, for ever when absent.
pub fn fault(name: &str, operation: &str, resource_type: &str, times: Option<u64>) -> galley::sandbox::Fault {
    let mut fault = match name {
        "not-authorized" => galley::sandbox::Fault::error(
            on(operation),
            resource_type,
            galley::sandbox::OciError::new(
                401,
                "NotAuthenticated",
                "The required information to complete authentication was not provided.",
            ),
        ),
        name => galley::sandbox::CannedFault::parse(name).expect("a canned fault").on(resource_type),
    };
    fault.operation = on(operation);
    fault.times = times;
    fault
}
