//! One Galley that may die at any moment, its data directory, and the simulated cloud read behind its back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use galley::faults;
use serde_json::Value;

pub const EDITOR: &str = "editor-token-6d1f0a5b2c";
pub const APPROVER: &str = "approver-token-93be77c1d4";
/// A start under load; a server that needs longer is stuck.
const START: Duration = Duration::from_secs(60);
/// Every point that any world of this run passed.
pub static PASSED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

thread_local! {
    /// What is told on this thread: the log of its worlds is kept under this name where `GALLEY_CRASH_LOGS` says.
    pub static STORY: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
}

pub struct World {
    dir: tempfile::TempDir,
    child: Option<Child>,
    base: String,
    /// a promise that every start of this world breaks on purpose
    pub mutant: Option<&'static str>,
    /// further settings of every start
    pub settings: Vec<(&'static str, String)>,
}

/// A serial of a lineage.
pub type Version = (String, u64);

/// What a start came to.
#[derive(Debug, PartialEq)]
pub enum Start {
    Ready,
    Died,
}

impl World {
    /// A world on a copy of `data`, or on nothing.
    pub fn new(data: Option<&Path>) -> std::io::Result<World> {
        let dir = tempfile::Builder::new().prefix("glc").tempdir()?;
        let world = World { dir, child: None, base: String::new(), mutant: None, settings: vec![] };
        if let Some(data) = data {
            let copied = Command::new("cp").arg("-a").arg(data).arg(world.data()).status()?;
            if !copied.success() {
                return Err(std::io::Error::other("cannot copy the data directory"));
            }
            // sockets and pids of another place
            let _ = std::fs::remove_dir_all(world.data().join("run"));
        }
        std::fs::create_dir(world.file("weather"))?;
        let real = terraform().ok_or_else(|| std::io::Error::other("there is no terraform on PATH"))?;
        world.become_terraform(&format!("exec '{}' \"$@\"\n", real.display()))?;
        Ok(world)
    }

    /// What Galley takes for terraform: a script that notes its arguments and goes on with `rest`.
    pub fn become_terraform(&self, rest: &str) -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let script = format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >> '{}'\n{rest}", self.file("runs.log").display());
        // written beside and renamed: a running script is not changed under its shell
        let fresh = self.file("terraform.new");
        std::fs::write(&fresh, script)?;
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o755))?;
        std::fs::rename(fresh, self.file("terraform"))
    }

    /// Sets the disk (`full`, `readonly`, `slow 50`, `flaky 3`) or the clock (seconds); None = as it should be.
    pub fn weather(&self, what: &str, how: Option<&str>) {
        let file = self.file("weather").join(what);
        match how {
            Some(how) => {
                let fresh = self.file("weather.new");
                std::fs::write(&fresh, how).expect("weather");
                std::fs::rename(fresh, file).expect("weather");
            }
            None => {
                let _ = std::fs::remove_file(file);
            }
        }
    }

    pub fn base(&self) -> &str {
        &self.base
    }
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    pub fn data(&self) -> PathBuf {
        self.file("data")
    }
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.file("server.log")).unwrap_or_default()
    }
    /// Points passed so far.
    pub fn recorded(&self) -> Vec<String> {
        std::fs::read_to_string(self.file("points.log")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Starts Galley and waits until it is ready or dead.
    pub async fn start(&mut self, fault: Option<&str>) -> std::io::Result<Start> {
        let _ = std::fs::remove_file(self.data().join("server.json"));
        self.child = Some(self.command(fault)?.spawn()?);
        let began = Instant::now();
        while began.elapsed() < START {
            if self.died() {
                return Ok(Start::Died);
            }
            if let Some(base) = self.read_base()
                && reqwest::get(format!("{base}/readyz")).await.is_ok_and(|answer| answer.status().is_success())
            {
                self.base = base;
                return Ok(Start::Ready);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(std::io::Error::other(format!("not ready after {START:?}")))
    }

    /// Starts Galley with `fault`, and with `then` where it died of that, and without where it died again. Gives how often
    /// it died; `then` stays what is still to be armed.
    pub async fn start_at_last(&mut self, fault: Option<&str>, then: &mut Option<&str>) -> std::io::Result<usize> {
        let mut next = fault;
        for deaths in 0..3 {
            match self.start(next).await? {
                Start::Ready => return Ok(deaths),
                Start::Died => next = then.take(),
            }
        }
        Err(std::io::Error::other("it does not start again"))
    }

    /// How long the one thread of the server that waited longest waited for a core of this machine (proc(5), schedstat: the
    /// second number, in nanoseconds). What waits for a timer or a lock waits for no core.
    pub fn starved(&self) -> Duration {
        let tasks = self.pid().map(|pid| PathBuf::from(format!("/proc/{pid}/task")));
        let waited = |entry: std::fs::DirEntry| -> Option<u64> {
            std::fs::read_to_string(entry.path().join("schedstat")).ok()?.split_whitespace().nth(1)?.parse().ok()
        };
        let all = tasks.and_then(|tasks| std::fs::read_dir(tasks).ok()).into_iter().flatten().flatten();
        Duration::from_nanos(all.filter_map(waited).max().unwrap_or(0))
    }

    /// `galley serve` on the data of this world, not started yet.
    pub fn command(&self, fault: Option<&str>) -> std::io::Result<Command> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.file("server.log"))?;
        let mut command = Command::new(binary());
        command
            .arg("serve")
            .env("GALLEY_DATA_DIR", self.data())
            .env("GALLEY_LISTEN", "127.0.0.1:0")
            .env("GALLEY_TOKEN", EDITOR)
            .env("GALLEY_APPROVER_TOKEN", APPROVER)
            .env("GALLEY_TERRAFORM_BIN", self.file("terraform"))
            .env("GALLEY_LOG_FORMAT", "json")
            .env("GALLEY_LOG", "info,galley::controllers=debug")
            .env(faults::RECORD_VARIABLE, self.file("points.log"))
            .env(faults::WEATHER_VARIABLE, self.file("weather"))
            .env_remove("TF_CLI_CONFIG_FILE")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        for (variable, order) in [(faults::VARIABLE, fault), (faults::MUTANT_VARIABLE, self.mutant)] {
            match order {
                Some(order) => command.env(variable, order),
                None => command.env_remove(variable),
            };
        }
        // what is meant for the harness is no setting
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GALLEY_CRASH_")) {
            command.env_remove(name);
        }
        command.envs(self.settings.iter().map(|(name, value)| (*name, value.as_str())));
        Ok(command)
    }

    fn read_base(&self) -> Option<String> {
        let value: Value = serde_json::from_str(&std::fs::read_to_string(self.data().join("server.json")).ok()?).ok()?;
        ["base_url", "baseUrl", "url"].iter().find_map(|key| value[*key].as_str()).map(|text| text.trim_end_matches('/').to_owned())
    }

    /// True once the process has ended.
    pub fn died(&mut self) -> bool {
        let works = self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
        if !works {
            self.child = None;
        }
        !works
    }

    /// Ends it: nothing more is wanted of it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it as an operator would.
    pub async fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), nix::sys::signal::Signal::SIGTERM);
        let began = Instant::now();
        while matches!(child.try_wait(), Ok(None)) && began.elapsed() < START {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let _ = child.kill();
        let _ = child.wait();
    }

    pub fn kube(&self, token: &str) -> Option<kube::Client> {
        let uri: http::Uri = format!("{}/k8s/{token}", self.base).parse().ok()?;
        let mut config = kube::Config::new(uri);
        config.default_namespace = "default".into();
        config.connect_timeout = Some(Duration::from_secs(5));
        config.read_timeout = Some(Duration::from_secs(20));
        kube::Client::try_from(config).ok()
    }

    /// Arguments of every `terraform apply` that was started.
    pub fn applies(&self) -> Vec<String> {
        let runs = std::fs::read_to_string(self.file("runs.log")).unwrap_or_default();
        runs.lines().filter(|line| line.starts_with("apply")).map(str::to_owned).collect()
    }

    pub fn cloud(&self, uid: &str) -> galley::sandbox::Cloud {
        galley::sandbox::Cloud::open(self.data().join("sandbox").join(uid)).expect("the cloud opens")
    }

    /// Resources of the cloud: address (or type and fingerprint where there is no tag) → ids.
    pub fn in_cloud(&self, uid: &str) -> BTreeMap<String, Vec<String>> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        if !self.data().join("sandbox").join(uid).exists() {
            return found;
        }
        for resource in self.cloud(uid).list().expect("the cloud lists") {
            let key = match resource.address() {
                Some(address) => address.to_owned(),
                None => format!("{}:{}", resource.resource_type, fingerprint(&resource.attributes)),
            };
            found.entry(key).or_default().push(resource.id);
        }
        found
    }

    fn state(&self, path: &Path) -> Option<Value> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }
    pub fn state_file(&self, uid: &str) -> PathBuf {
        self.data().join("work").join(uid).join("terraform.tfstate")
    }

    /// Addresses of the state file; None when it is torn or absent.
    pub fn in_state(&self, uid: &str) -> Option<BTreeSet<String>> {
        addresses(&self.state(&self.state_file(uid))?)
    }

    /// Addresses of the newest whole state: the file, or the mirror that takes the place of a torn one.
    pub fn known(&self, uid: &str) -> BTreeSet<String> {
        let mirrored = self.mirrored(uid);
        match (self.in_state(uid), mirrored) {
            (Some(file), Some(((_, serial), _))) if self.file_version(uid).is_some_and(|(_, newest)| newest >= serial) => file,
            (_, Some((_, held))) => held,
            (file, None) => file.unwrap_or_default(),
        }
    }

    /// Version of the state file; None when it is torn or absent.
    pub fn file_version(&self, uid: &str) -> Option<Version> {
        version(&self.state(&self.state_file(uid))?)
    }

    /// Addresses that the state held when the power was cut; None when it was not, or when terraform was just writing it.
    pub fn before_the_cut(&self, uid: &str) -> Option<BTreeSet<String>> {
        addresses(&self.state(&self.data().join(format!("before-the-cut-{uid}")))?)
    }

    /// The newest snapshot that is whole: its version and its addresses.
    pub fn mirrored(&self, uid: &str) -> Option<(Version, BTreeSet<String>)> {
        let dir = self.data().join("blobs").join("designs").join(uid).join("state");
        let mut files: Vec<PathBuf> = std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path()).collect();
        files.sort();
        files.iter().rev().filter_map(|path| self.state(path)).find_map(|state| Some((version(&state)?, addresses(&state)?)))
    }

    /// Processes that work in this world's directory, by command line.
    pub fn processes(&self) -> Vec<(i32, String)> {
        processes_in(self.dir.path())
    }
}

/// Processes that work in a directory or name it, by command line.
pub fn processes_in(dir: &Path) -> Vec<(i32, String)> {
    let here = dir.display().to_string();
    let mut found = vec![];
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let cwd = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        let command = String::from_utf8_lossy(&std::fs::read(entry.path().join("cmdline")).unwrap_or_default()).replace('\0', " ");
        if pid != std::process::id() as i32 && (cwd.starts_with(dir) || command.contains(&here)) {
            found.push((pid, command));
        }
    }
    found
}

/// The program under test: the one built with this harness, or the one that `GALLEY_CRASH_BINARY` names.
pub fn binary() -> PathBuf {
    std::env::var_os("GALLEY_CRASH_BINARY").map_or_else(|| OWN.clone(), PathBuf::from)
}

/// A name of its own for the program: a build beside a long run gives cargo's name to one without fault points.
static OWN: LazyLock<PathBuf> = LazyLock::new(|| {
    let (built, own) = (PathBuf::from(env!("CARGO_BIN_EXE_galley")), PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("galley-with-faults"));
    let _ = std::fs::remove_file(&own);
    std::fs::hard_link(&built, &own).or_else(|_| std::fs::copy(&built, &own).map(drop)).expect("the program under test");
    own
});

/// The real one.
pub fn terraform() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join("terraform")).find(|path| path.is_file())
}

fn version(state: &Value) -> Option<Version> {
    Some((state["lineage"].as_str()?.to_owned(), state["serial"].as_u64()?))
}

fn addresses(state: &Value) -> Option<BTreeSet<String>> {
    let managed = state["resources"].as_array()?.iter().filter(|resource| resource["mode"] == "managed");
    let held = managed.filter(|resource| resource["instances"].as_array().is_some_and(|list| !list.is_empty()));
    Some(held.filter_map(|resource| Some(format!("{}.{}", resource["type"].as_str()?, resource["name"].as_str()?))).collect())
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill();
        if let Ok(mut passed) = PASSED.lock() {
            passed.extend(self.recorded());
        }
        if let (Some(dir), Some(story)) = (std::env::var_os("GALLEY_CRASH_LOGS"), STORY.with_borrow(Clone::clone)) {
            let _ = std::fs::write(PathBuf::from(dir).join(format!("{}.log", story.replace(' ', "-"))), self.log());
        }
        // whatever still works in this directory belongs to this world
        for (pid, _) in self.processes() {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
    }
}

/// What makes an untagged resource the same as another: everything but ids and times.
fn fingerprint(attributes: &Value) -> String {
    let mut attributes = attributes.clone();
    if let Some(map) = attributes.as_object_mut() {
        map.retain(|key, _| key != "id" && !key.ends_with("_id") && !key.starts_with("time_"));
    }
    galley::api::names::sha256_hex(attributes.to_string())[..12].to_owned()
}
