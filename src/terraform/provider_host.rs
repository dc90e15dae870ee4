//! Where terraform gets its provider from: a process that listens already (reattach; the sandbox), or the real one that
//! `init` installs and that needs credentials from an allowlist.
//!
//! The trap (measured, see the sandbox notes): terraform SIGKILLs the pid it is told when it cannot dial the socket. So the
//! pid is always the provider's own, and the socket is dialled here before every run.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::workdir::{make_private, remove, segment, write_private};
use super::{Error, ProviderHost};
use crate::api::design::Target;
use crate::faults;
use crate::plan::canonical::sha256_hex;
use crate::process::{self, Signal};

/// Longest path of a unix socket (sun_path is 108 bytes with its NUL; unix(7)).
const SUN_PATH: usize = 107;
/// How long a dial may take: it is a local socket.
const DIAL: Duration = Duration::from_secs(2);
/// How long the dialled connection is kept: a provider that is just about to leave for want of connections stays until
/// terraform, which is started next, has its own.
const HELD: Duration = Duration::from_secs(15);
/// How long an old provider may take to go before it is killed; it has nothing to finish between runs.
const GOODBYE: Duration = Duration::from_secs(2);

/// How a reattach provider is started.
#[derive(Debug, Clone)]
pub struct ReattachOptions {
    /// the binary, absolute
    pub program: PathBuf,
    /// its arguments; the elements `{socket}`, `{cloud}`, `{types}` and `{design}` are replaced as a whole
    pub args: Vec<String>,
    /// its whole environment
    pub env: BTreeMap<String, String>,
    /// sockets and records lie here; short, because a socket path has at most 107 bytes
    pub run_dir: PathBuf,
    /// the simulated clouds lie here, one directory per design
    pub cloud_root: PathBuf,
    /// how long it may take to listen
    pub start_timeout: Duration,
    /// source address of the provider
    pub address: String,
}

impl ReattachOptions {
    /// `galley sandbox-provider` for oracle/oci.
    pub fn sandbox(program: impl Into<PathBuf>, run_dir: impl Into<PathBuf>, cloud_root: impl Into<PathBuf>) -> Self {
        let args = ["sandbox-provider", "--socket", "{socket}", "--cloud", "{cloud}", "--types", "{types}"];
        ReattachOptions {
            program: program.into(),
            args: args.map(str::to_owned).to_vec(),
            env: BTreeMap::new(),
            run_dir: run_dir.into(),
            cloud_root: cloud_root.into(),
            // It listens within 0.1 s; a loaded 1-OCPU machine may take much longer.
            start_timeout: Duration::from_secs(20),
            address: "registry.terraform.io/oracle/oci".to_owned(),
        }
    }

    /// A run directory that is short whatever the data directory is: `<temporary>/galley-<8 hex of the data directory>`.
    pub fn short_run_dir(temporary: &Path, data_dir: &Path) -> PathBuf {
        temporary.join(format!("galley-{}", &sha256_hex(data_dir.as_os_str().as_encoded_bytes())[..8]))
    }
}

/// A provider that runs, as its record file says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    pid: u32,
    start_time: u64,
    types: BTreeSet<String>,
}

/// Starts one provider process per design on demand; it outlives this server and is found again.
pub struct ReattachHost {
    options: ReattachOptions,
    /// one start at a time per design
    gates: Mutex<HashMap<String, Arc<Semaphore>>>,
    /// connections by design, kept for [`HELD`]
    held: Arc<Mutex<HashMap<String, (Instant, UnixStream)>>>,
}

impl ReattachHost {
    /// Starts nothing yet.
    pub fn new(options: ReattachOptions) -> Self {
        ReattachHost { options, gates: Mutex::default(), held: Arc::default() }
    }

    /// Socket of a design's provider.
    pub fn socket(&self, design_uid: &str) -> PathBuf {
        self.file(design_uid, "sock")
    }

    /// Directory of a design's simulated cloud.
    pub fn cloud(&self, design_uid: &str) -> PathBuf {
        self.options.cloud_root.join(segment(design_uid))
    }

    /// Stops the provider of a design, if one runs.
    pub async fn stop(&self, design_uid: &str) -> Result<(), Error> {
        self.hold(design_uid, None);
        if let Some(record) = self.record(design_uid) {
            self.end(&record).await?;
        }
        for end in ["sock", "json", "log"] {
            remove(&self.file(design_uid, end)).map_err(|error| not_ready(format!("cannot remove its {end} file: {error}")))?;
        }
        Ok(())
    }

    /// Keeps a connection for a while, or (None) lets go of the one that is kept.
    fn hold(&self, design_uid: &str, connection: Option<UnixStream>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(connection) = connection else {
            held.remove(design_uid);
            return;
        };
        let since = Instant::now();
        held.insert(design_uid.to_owned(), (since, connection));
        let (held, design_uid) = (self.held.clone(), design_uid.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(HELD).await;
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            // a newer one has a moment of its own
            if held.get(&design_uid).is_some_and(|(other, _)| *other == since) {
                held.remove(&design_uid);
            }
        });
    }

    fn file(&self, design_uid: &str, end: &str) -> PathBuf {
        self.options.run_dir.join(format!("{}.{end}", &sha256_hex(design_uid.as_bytes())[..16]))
    }

    fn record(&self, design_uid: &str) -> Option<Record> {
        serde_json::from_slice(&std::fs::read(self.file(design_uid, "json")).ok()?).ok()
    }

    fn gate(&self, design_uid: &str) -> Arc<Semaphore> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.entry(design_uid.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(1))).clone()
    }

    /// Ends a provider: SIGTERM, then SIGKILL. Never signals a stranger with a reused pid.
    async fn end(&self, record: &Record) -> Result<(), Error> {
        let Record { pid, start_time, .. } = record;
        let signal = |signal| {
            process::signal_other(*pid, *start_time, signal, false).map_err(|error| not_ready(format!("cannot stop the old one: {error}")))
        };
        signal(Signal::SIGTERM)?;
        let deadline = Instant::now() + GOODBYE;
        while process::is_alive(*pid, *start_time) {
            if Instant::now() > deadline {
                signal(Signal::SIGKILL)?;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn start(&self, design_uid: &str, types: BTreeSet<String>) -> Result<Record, Error> {
        let socket = self.socket(design_uid);
        if socket.as_os_str().len() > SUN_PATH {
            let detail = format!("the socket path {} is longer than {SUN_PATH} bytes: choose a shorter run directory", socket.display());
            return Err(not_ready(detail));
        }
        let (cloud, log) = (self.cloud(design_uid), self.file(design_uid, "log"));
        let ready = make_private(&self.options.run_dir)
            .and_then(|()| make_private(&cloud))
            .and_then(|()| remove(&socket))
            .and_then(|()| remove(&log));
        ready.map_err(|error| not_ready(format!("cannot prepare its directories: {error}")))?;
        let joined = types.iter().cloned().collect::<Vec<_>>().join(",");
        let command = process::Command {
            program: self.options.program.clone(),
            args: self.args(design_uid, &joined),
            env: self.options.env.iter().map(|(key, value)| (key.into(), value.into())).collect(),
            cwd: None,
            stdout: process::Sink::File(log.clone()),
            stderr: process::Sink::File(log.clone()),
            lifetime: process::Lifetime::Detached,
        };
        faults::pass("provider", "start", "before");
        let running = process::spawn(command)
            .await
            .map_err(|error| not_ready(format!("cannot start {}: {error}", self.options.program.display())))?;
        faults::pass("provider", "start", "started");
        let Some(start_time) = running.start_time() else { return Err(not_ready("it has no start time in /proc".to_owned())) };
        let record = Record { pid: running.pid(), start_time, types };
        let (path, bytes) = (self.file(design_uid, "json"), serde_json::to_vec(&record));
        let written = super::blocking("write its record", move || write_private(&path, &bytes?)).await;
        written.map_err(|error| not_ready(super::chain(&error)))?;
        faults::pass("provider", "start", "recorded");
        let deadline = Instant::now() + self.options.start_timeout;
        loop {
            if let Some(connection) = dial(&socket).await {
                self.hold(design_uid, Some(connection));
                return Ok(record);
            }
            let why = match running.try_wait() {
                Some(exit) => format!("it ended at once ({exit:?})"),
                None if Instant::now() > deadline => format!("it does not listen after {:?}", self.options.start_timeout),
                None => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            };
            self.end(&record).await?;
            return Err(not_ready(format!("{why}: {}", tail(&log))));
        }
    }

    fn args(&self, design_uid: &str, types: &str) -> Vec<std::ffi::OsString> {
        let replaced = self.options.args.iter().map(|arg| match arg.as_str() {
            "{socket}" => self.socket(design_uid).into(),
            "{cloud}" => self.cloud(design_uid).into(),
            "{types}" => types.into(),
            "{design}" => design_uid.into(),
            other => other.into(),
        });
        replaced.collect()
    }

    /// What terraform is told: the provider's own pid, `Test: true` (terraform must not stop it), protocol 5 as the real one.
    fn environment(&self, design_uid: &str, record: &Record) -> BTreeMap<String, String> {
        let mut providers = serde_json::Map::new();
        let socket = self.socket(design_uid).display().to_string();
        let reattach = serde_json::json!({
            "Protocol": "grpc", "ProtocolVersion": 5, "Pid": record.pid, "Test": true,
            "Addr": { "Network": "unix", "String": socket },
        });
        providers.insert(self.options.address.clone(), reattach);
        BTreeMap::from([("TF_REATTACH_PROVIDERS".to_owned(), serde_json::Value::Object(providers).to_string())])
    }
}

#[async_trait]
impl ProviderHost for ReattachHost {
    async fn prepare(&self, design_uid: &str, _target: Target, types: &BTreeSet<String>) -> Result<BTreeMap<String, String>, Error> {
        let gate = self.gate(design_uid);
        let _permit = gate.acquire().await.map_err(|_| not_ready("the host is shutting down".to_owned()))?;
        let mut wanted = types.clone();
        if let Some(record) = self.record(design_uid)
            && process::is_alive(record.pid, record.start_time)
        {
            if record.types.is_superset(types)
                && let Some(connection) = dial(&self.socket(design_uid)).await
                && process::is_alive(record.pid, record.start_time)
            {
                self.hold(design_uid, Some(connection));
                return Ok(self.environment(design_uid, &record));
            }
            self.hold(design_uid, None);
            wanted.extend(record.types.iter().cloned());
            self.end(&record).await?;
        }
        let record = self.start(design_uid, wanted).await?;
        Ok(self.environment(design_uid, &record))
    }
}

async fn dial(socket: &Path) -> Option<UnixStream> {
    tokio::time::timeout(DIAL, UnixStream::connect(socket)).await.ok()?.ok()
}

fn not_ready(detail: String) -> Error {
    Error::Provider { detail }
}

/// Last 2 KiB of a log.
fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(2048)))?;
        let mut bytes = Vec::new();
        file.take(2048).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()).unwrap_or_default()
}

/// One host per target.
pub struct TargetHosts {
    /// for the simulated cloud
    pub sandbox: Arc<dyn ProviderHost>,
    /// for a real tenancy
    pub oci: Arc<dyn ProviderHost>,
}

#[async_trait]
impl ProviderHost for TargetHosts {
    async fn prepare(&self, design_uid: &str, target: Target, types: &BTreeSet<String>) -> Result<BTreeMap<String, String>, Error> {
        match target {
            Target::Sandbox => self.sandbox.prepare(design_uid, target, types).await,
            Target::Oci => self.oci.prepare(design_uid, target, types).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not a test of its own: started by the host below as its provider, with a socket path among its arguments.
    #[test]
    fn a_listener_for_the_host() {
        let Some(socket) = std::env::args().find(|arg| arg.ends_with(".sock")) else { return };
        let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
        for connection in listener.incoming() {
            drop(connection);
        }
    }

    fn host(directory: &Path) -> ReattachHost {
        let mut options = ReattachOptions::sandbox(std::env::current_exe().unwrap(), directory.join("run"), directory.join("cloud"));
        options.args = ["a_listener_for_the_host", "{socket}", "--nocapture"].map(str::to_owned).to_vec();
        ReattachHost::new(options)
    }

    fn types(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    fn pid(env: &BTreeMap<String, String>) -> u64 {
        let told: serde_json::Value = serde_json::from_str(&env["TF_REATTACH_PROVIDERS"]).unwrap();
        let provider = &told["registry.terraform.io/oracle/oci"];
        assert_eq!((&provider["Test"], &provider["ProtocolVersion"]), (&true.into(), &5.into()));
        provider["Pid"].as_u64().unwrap()
    }

    #[tokio::test]
    async fn the_dialled_connection_stays_until_terraform_has_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let host = host(directory.path());
        let first = pid(&host.prepare("uid", Target::Sandbox, &types(&["a"])).await.unwrap());
        let held = |host: &ReattachHost| host.held.lock().unwrap().get("uid").map(|(since, _)| *since);
        let before = held(&host).expect("a connection is kept");
        assert_eq!(first, pid(&host.prepare("uid", Target::Sandbox, &types(&["a"])).await.unwrap()));
        assert!(held(&host).unwrap() > before, "each run has a connection of its own");
        host.stop("uid").await.unwrap();
        assert_eq!(held(&host), None, "nothing keeps a provider that is to go");
    }

    #[tokio::test]
    async fn a_provider_is_started_once_found_again_and_replaced_when_it_serves_too_little_or_died() {
        let directory = tempfile::tempdir().unwrap();
        let first_host = host(directory.path());
        let first = pid(&first_host.prepare("uid", Target::Sandbox, &types(&["a"])).await.unwrap());
        assert_ne!(first, u64::from(std::process::id()), "never our own pid: terraform may kill it");
        assert_eq!(first, pid(&first_host.prepare("uid", Target::Sandbox, &types(&["a"])).await.unwrap()));
        let other_host = host(directory.path());
        assert_eq!(first, pid(&other_host.prepare("uid", Target::Sandbox, &types(&["a"])).await.unwrap()), "found after a restart");
        let wider = pid(&other_host.prepare("uid", Target::Sandbox, &types(&["b"])).await.unwrap());
        assert_ne!(first, wider);
        assert_eq!(other_host.record("uid").unwrap().types, types(&["a", "b"]));
        let record = other_host.record("uid").unwrap();
        process::signal_other(record.pid, record.start_time, Signal::SIGKILL, false).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while process::is_alive(record.pid, record.start_time) {
            assert!(Instant::now() < deadline, "a killed process goes on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let next = pid(&other_host.prepare("uid", Target::Sandbox, &types(&["a"])).await.unwrap());
        assert_ne!(wider, next, "a dead one is started anew");
        other_host.stop("uid").await.unwrap();
        assert!(!other_host.socket("uid").exists());
    }

    #[tokio::test]
    async fn a_provider_that_cannot_work_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let mut broken = host(directory.path());
        broken.options.program = "/bin/false".into();
        let error = broken.prepare("uid", Target::Sandbox, &types(&[])).await.unwrap_err();
        assert!(error.to_string().contains("ended at once"), "{error}");
        let mut long = host(directory.path());
        long.options.run_dir = directory.path().join("x".repeat(120));
        let error = long.prepare("uid", Target::Sandbox, &types(&[])).await.unwrap_err();
        assert!(error.to_string().contains("longer than 107 bytes"), "{error}");
    }
}
