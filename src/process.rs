//! The ONE place that may start a process. Never through a shell, never with an inherited environment, stdin closed,
//! umask 077, always in its own process group (or session), output to files or captured with a bound.
//!
//! Two traps are handled here once. The parent-death signal follows the *thread* that forked (prctl(2)), so every process
//! is started by one thread that lives as long as Galley; a tokio worker that ends would otherwise stop a healthy apply.
//! And a pid is only signalled while it is known not to be reaped, so that no signal ever meets a stranger with a reused pid.

#![allow(unsafe_code, reason = "pre_exec, prctl and waitid have no safe form; everything else in Galley is safe")]
#![expect(clippy::disallowed_methods, reason = "the one place that starts processes")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

/// Signals that Galley sends, by name.
pub use nix::sys::signal::Signal;

/// What to start. The environment is exactly [`Command::env`].
#[derive(Debug, Clone)]
pub struct Command {
    /// absolute path, or a name looked up in the `PATH` of `env`
    pub program: PathBuf,
    /// arguments, each one passed as it is
    pub args: Vec<OsString>,
    /// the whole environment
    pub env: BTreeMap<OsString, OsString>,
    /// working directory; `/` when absent
    pub cwd: Option<PathBuf>,
    /// where standard output goes
    pub stdout: Sink,
    /// where standard error goes
    pub stderr: Sink,
    /// whether it may outlive Galley
    pub lifetime: Lifetime,
}

impl Command {
    /// A command without arguments, environment or output, that ends with Galley.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Command {
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: None,
            stdout: Sink::Null,
            stderr: Sink::Null,
            lifetime: Lifetime::EndsWithUs,
        }
    }
    /// Appends arguments.
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }
    /// Adds environment variables.
    pub fn envs<K: Into<OsString>, V: Into<OsString>>(mut self, env: impl IntoIterator<Item = (K, V)>) -> Self {
        self.env.extend(env.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }
    /// Sets the working directory.
    pub fn cwd(mut self, cwd: impl Into<PathBuf>) -> Self {
        self.cwd = Some(cwd.into());
        self
    }
}

/// Where an output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// nowhere
    Null,
    /// appended to this file (0600): survives us, and our death gives the process no SIGPIPE
    File(PathBuf),
    /// a pipe; only [`capture`] uses it, because a pipe nobody drains stops its writer
    Pipe,
}

/// Whether a process may outlive Galley.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// own process group; the kernel sends SIGTERM when Galley dies, whatever killed it
    EndsWithUs,
    /// own session; survives Galley
    Detached,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// it said this number
    Code(i32),
    /// this signal killed it
    Signal(i32),
}

/// A process we started. Dropping it does not stop the process: stopping is always said aloud.
#[derive(Debug, Clone)]
pub struct Running {
    pid: u32,
    start_time: Option<u64>,
    reaped: Arc<Mutex<bool>>,
    exit: watch::Receiver<Option<Exit>>,
}

impl Running {
    /// Its pid; also its process group.
    pub fn pid(&self) -> u32 {
        self.pid
    }
    /// Its start time in clock ticks since boot, where /proc tells.
    pub fn start_time(&self) -> Option<u64> {
        self.start_time
    }
    /// Sends a signal to the process alone. A process that ended gets nothing; that is not an error.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        self.send(self.pid as i32, signal)
    }
    /// Sends a signal to its whole process group.
    pub fn signal_group(&self, signal: Signal) -> io::Result<()> {
        self.send(-(self.pid as i32), signal)
    }
    fn send(&self, target: i32, signal: Signal) -> io::Result<()> {
        let reaped = lock(&self.reaped);
        if *reaped {
            return Ok(());
        }
        match nix::sys::signal::kill(nix::unistd::Pid::from_raw(target), signal) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
    /// How it ended, if it did.
    pub fn try_wait(&self) -> Option<Exit> {
        *self.exit.borrow()
    }
    /// Waits for its end. Cancel safe; may be called any number of times.
    pub async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await.map(|value| *value);
        // The waiter thread always writes before it drops its end; the fallback is for a thread that was killed.
        ended.ok().flatten().unwrap_or(Exit::Signal(0))
    }
    /// SIGINT to the process, a grace, then SIGKILL to the group. Gives how it ended.
    pub async fn stop(&self, grace: Duration) -> io::Result<Exit> {
        self.signal(Signal::SIGINT)?;
        match tokio::time::timeout(grace, self.wait()).await {
            Ok(exit) => Ok(exit),
            Err(_) => {
                self.signal_group(Signal::SIGKILL)?;
                Ok(self.wait().await)
            }
        }
    }
}

/// Output of a short command.
#[derive(Debug, Clone)]
pub struct Captured {
    /// how it ended
    pub exit: Exit,
    /// at most `limit` bytes
    pub stdout: Vec<u8>,
    /// at most `limit` bytes
    pub stderr: Vec<u8>,
    /// true when something was left out
    pub truncated: bool,
    /// true when it was killed because its time was over
    pub timed_out: bool,
}

/// Starts a process. Files it writes to are opened (and made, 0600) before it starts.
pub async fn spawn(command: Command) -> io::Result<Running> {
    start(command).await.map(|started| started.running)
}

/// Runs a short command to its end and gives at most `limit` bytes of each output. Its pipes are drained whatever the
/// limit; after `timeout` its group is killed.
pub async fn capture(mut command: Command, limit: usize, timeout: Duration) -> io::Result<Captured> {
    command.stdout = Sink::Pipe;
    command.stderr = Sink::Pipe;
    let Started { running, stdout, stderr } = start(command).await?;
    let stdout = drain(stdout, limit)?;
    let stderr = drain(stderr, limit)?;
    let (exit, timed_out) = match tokio::time::timeout(timeout, running.wait()).await {
        Ok(exit) => (exit, false),
        Err(_) => {
            running.signal_group(Signal::SIGKILL)?;
            (running.wait().await, true)
        }
    };
    let (stdout, cut_out) = stdout.await.unwrap_or_default();
    let (stderr, cut_err) = stderr.await.unwrap_or_default();
    Ok(Captured { exit, stdout, stderr, truncated: cut_out || cut_err, timed_out })
}

type Pipe = Option<Box<dyn Read + Send>>;

struct Started {
    running: Running,
    stdout: Pipe,
    stderr: Pipe,
}

/// Reads a pipe to its end on its own thread and keeps the first `limit` bytes.
fn drain(pipe: Pipe, limit: usize) -> io::Result<oneshot::Receiver<(Vec<u8>, bool)>> {
    let (done, kept) = oneshot::channel();
    std::thread::Builder::new().name("drain".to_owned()).spawn(move || {
        let mut bytes = Vec::new();
        let mut cut = false;
        if let Some(mut pipe) = pipe {
            let mut chunk = [0_u8; 8192];
            while let Ok(read) = pipe.read(&mut chunk) {
                if read == 0 {
                    break;
                }
                let room = limit.saturating_sub(bytes.len()).min(read);
                bytes.extend_from_slice(&chunk[..room]);
                cut |= room < read;
            }
        }
        let _ = done.send((bytes, cut));
    })?;
    Ok(kept)
}

struct Request {
    command: Command,
    answer: oneshot::Sender<io::Result<Started>>,
}

/// The way to the starting thread; made at the first start.
static STARTER: Mutex<Option<mpsc::Sender<Request>>> = Mutex::new(None);

fn starter() -> io::Result<mpsc::Sender<Request>> {
    let mut slot = lock(&STARTER);
    if let Some(sender) = slot.as_ref() {
        return Ok(sender.clone());
    }
    let (sender, requests) = mpsc::channel::<Request>();
    std::thread::Builder::new().name("process-starter".to_owned()).spawn(move || {
        for Request { command, answer } in requests {
            let _ = answer.send(start_here(command));
        }
    })?;
    *slot = Some(sender.clone());
    Ok(sender)
}

async fn start(command: Command) -> io::Result<Started> {
    let (answer, started) = oneshot::channel();
    starter()?.send(Request { command, answer }).map_err(|_| io::Error::other("the starting thread is gone"))?;
    started.await.map_err(|_| io::Error::other("the starting thread is gone"))?
}

/// Where an instrumented process counts what it runs; set by tools/rustc-coverage.sh, absent in every other build.
const COVERAGE_PROFILE: Option<&str> = option_env!("GALLEY_COVERAGE_PROFILE");

/// Gives a child of this very program, whose environment is made from nothing, the place for its counters: without one it
/// would leave a `default_*.profraw` in its working directory. Only in the instrumented build of `make cover`.
fn count_coverage(program: &Path, env: &mut BTreeMap<OsString, OsString>) {
    let Some(profile) = COVERAGE_PROFILE.filter(|profile| !profile.is_empty()) else { return };
    let ours = std::env::current_exe().ok().and_then(|path| path.file_name().map(OsString::from));
    if program.file_name().is_some_and(|name| name == "galley" || Some(name) == ours.as_deref()) {
        env.entry("LLVM_PROFILE_FILE".into()).or_insert_with(|| profile.into());
    }
}

/// Forks and execs on the calling thread, which must live as long as Galley.
fn start_here(command: Command) -> io::Result<Started> {
    let Command { program, args, mut env, cwd, stdout, stderr, lifetime } = command;
    count_coverage(&program, &mut env);
    let mut builder = std::process::Command::new(&program);
    builder.args(args).env_clear().envs(env).current_dir(cwd.unwrap_or_else(|| PathBuf::from("/")));
    builder.stdin(Stdio::null()).stdout(sink(stdout)?).stderr(sink(stderr)?);
    if lifetime == Lifetime::EndsWithUs {
        builder.process_group(0);
    }
    let us = std::process::id();
    // SAFETY: only async-signal-safe calls (umask, setsid, prctl, getppid) between fork and exec; no allocation, no locks.
    unsafe {
        builder.pre_exec(move || {
            libc::umask(0o077);
            match lifetime {
                Lifetime::Detached => {
                    if libc::setsid() == -1 {
                        return Err(io::Error::last_os_error());
                    }
                }
                Lifetime::EndsWithUs => die_with_parent(us)?,
            }
            Ok(())
        });
    }
    let mut child = builder.spawn()?;
    let stdout = child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    let stderr = child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    let pid = child.id();
    // A child that ended already is a zombie until the waiter reaps it: its start time can still be read here.
    let start_time = start_time(pid);
    let reaped = Arc::new(Mutex::new(false));
    let (done, exit) = watch::channel(None);
    let running = Running { pid, start_time, reaped: reaped.clone(), exit };
    std::thread::Builder::new().name(format!("wait-{pid}")).stack_size(128 * 1024).spawn(move || {
        let ended = reap(child, &reaped, lifetime);
        let _ = done.send(Some(ended));
    })?;
    Ok(Started { running, stdout, stderr })
}

#[cfg(target_os = "linux")]
fn die_with_parent(parent: u32) -> io::Result<()> {
    // SAFETY: plain system calls without memory arguments.
    unsafe {
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) == -1 {
            return Err(io::Error::last_os_error());
        }
        // The parent may have died between fork and prctl; then no signal would ever come.
        if libc::getppid() as u32 != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_parent: u32) -> io::Result<()> {
    Ok(())
}

fn sink(sink: Sink) -> io::Result<Stdio> {
    Ok(match sink {
        Sink::Null => Stdio::null(),
        Sink::Pipe => Stdio::piped(),
        Sink::File(path) => Stdio::from(append(&path)?),
    })
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Waits without reaping, ends what is left of the group while the zombie still holds its id, then reaps under the lock
/// that signalling takes.
fn reap(mut child: Child, reaped: &Mutex<bool>, lifetime: Lifetime) -> Exit {
    let pid = child.id();
    loop {
        // SAFETY: `info` outlives the call; zeroed siginfo_t is valid.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let result = unsafe { libc::waitid(libc::P_PID, pid, &mut info, libc::WEXITED | libc::WNOWAIT) };
        if result == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            break;
        }
    }
    let mut flag = lock(reaped);
    if lifetime == Lifetime::EndsWithUs {
        // Plugins and provisioners whose terraform is gone: nobody would ever stop them. ESRCH = there are none.
        let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(pid as i32), Signal::SIGKILL);
    }
    let status = child.wait();
    *flag = true;
    match status {
        Ok(status) => status.code().map(Exit::Code).or(status.signal().map(Exit::Signal)).unwrap_or(Exit::Signal(0)),
        Err(_) => Exit::Signal(0),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// ------------------------------------------------------------------------------------------- what /proc says of others

/// State letter, parent pid and start time (field 22, clock ticks since boot; proc(5)) of a pid.
fn stat(pid: u32) -> Option<(char, u32, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in parentheses and may hold spaces and parentheses itself.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let start = fields.nth(17)?.parse().ok()?;
    Some((state, parent, start))
}

/// Start time of a pid in clock ticks since boot; None when there is no such pid.
pub fn start_time(pid: u32) -> Option<u64> {
    stat(pid).map(|(_, _, start)| start)
}

/// True when `pid` is the process that started at `start_time` and still runs. A zombie does not run.
pub fn is_alive(pid: u32, start_time: u64) -> bool {
    matches!(stat(pid), Some((state, _, start)) if start == start_time && !matches!(state, 'Z' | 'X'))
}

/// True when `pid` is a child of this very process.
pub fn is_our_child(pid: u32) -> bool {
    matches!(stat(pid), Some((_, parent, _)) if parent == std::process::id())
}

/// Signals a process that an earlier Galley started, if it still is the one that started at `start_time`.
pub fn signal_other(pid: u32, start_time: u64, signal: Signal, group: bool) -> io::Result<()> {
    if !is_alive(pid, start_time) {
        return Ok(());
    }
    let target = if group { -(pid as i32) } else { pid as i32 };
    match nix::sys::signal::kill(nix::unistd::Pid::from_raw(target), signal) {
        Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Bytes resident of one process (`/proc/<pid>/statm`, second field, pages; proc(5)); 0 when there is none.
pub fn resident(pid: u32) -> u64 {
    let pages = |text: String| text.split_whitespace().nth(1)?.parse::<u64>().ok();
    std::fs::read_to_string(format!("/proc/{pid}/statm")).ok().and_then(pages).unwrap_or(0) * page_size()
}

/// Bytes resident of every process of a group: terraform and the plugins it started.
pub fn resident_of_group(group: u32) -> u64 {
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let same = |pid: &u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // pid (comm) state ppid pgrp …
        text.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(2)?.parse::<u32>().ok()) == Some(group)
    };
    pids.filter(same).map(resident).sum()
}

/// Most arenas of glibc's allocator: as many as can allocate at once here. Left to itself it makes up to eight a core, one
/// for each of the threads that come and go for blocking work, and each keeps what its busiest moment took: a server with
/// 1,000 sessions held 30 MiB that nobody used. False where there is another allocator. Call it before there are threads.
pub fn bound_arenas() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // SAFETY: mallopt takes two numbers and only changes how later allocations are served.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, i32::try_from(cores).unwrap_or(1)) == 1 }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

fn page_size() -> u64 {
    // SAFETY: sysconf takes a number and touches no memory of ours.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}

/// Bytes this container or machine may use: the limit of the control group where there is one, else all memory.
pub fn memory_limit() -> Option<u64> {
    let limit = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let total = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:").map(str::to_owned))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    });
    let group = limit("/sys/fs/cgroup/memory.max").or_else(|| limit("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    // version 1 says "no limit" as a number larger than any machine
    match (group, total) {
        (Some(group), Some(total)) => Some(group.min(total)),
        (group, total) => group.or(total),
    }
}

/// Id of this boot of the kernel; empty where the system does not tell.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// Name of this host.
pub fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// Processes whose working directory is `directory` or lies in it and whose environment holds `marker` (`NAME=value`), as
/// far as we may look: the proof of life that needs no record. The marker keeps a person's shell there out of it.
pub fn processes_in(directory: &Path, marker: &str) -> Vec<u32> {
    let is_marked = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
    };
    let Ok(directory) = directory.canonicalize() else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != std::process::id())
        .filter(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(&directory)))
        .filter(|pid| matches!(stat(*pid), Some((state, _, _)) if !matches!(state, 'Z' | 'X')))
        .filter(is_marked)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        Command::new("/bin/sh").args(["-c", script]).envs([("PATH", "/usr/bin:/bin")])
    }

    #[test]
    fn the_allocator_takes_the_bound() {
        assert_eq!(bound_arenas(), cfg!(all(target_os = "linux", target_env = "gnu")));
    }

    #[tokio::test]
    async fn a_process_sees_exactly_the_environment_it_is_given() {
        let seen = capture(Command::new("/usr/bin/env").envs([("ONLY", "this")]), 4096, Duration::from_secs(5)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&seen.stdout), "ONLY=this\n");
        assert_eq!(seen.exit, Exit::Code(0));
    }

    #[tokio::test]
    async fn captured_output_is_bounded_and_its_writer_is_not_stopped() {
        let seen = capture(shell("head -c 300000 /dev/zero; exit 3"), 1000, Duration::from_secs(10)).await.unwrap();
        assert_eq!((seen.stdout.len(), seen.truncated, seen.exit), (1000, true, Exit::Code(3)));
    }

    #[tokio::test]
    async fn a_command_that_takes_too_long_is_killed_with_its_group() {
        let seen = capture(shell("sleep 60 & sleep 60"), 10, Duration::from_millis(100)).await.unwrap();
        assert!(seen.timed_out);
        assert_eq!(seen.exit, Exit::Signal(9));
    }

    #[tokio::test]
    async fn files_written_by_a_process_are_private() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = shell("echo out; echo err >&2; echo x > made").cwd(directory.path());
        command.stdout = Sink::File(directory.path().join("out"));
        command.stderr = Sink::File(directory.path().join("err"));
        assert_eq!(spawn(command).await.unwrap().wait().await, Exit::Code(0));
        for (name, text) in [("out", "out\n"), ("err", "err\n"), ("made", "x\n")] {
            let path = directory.path().join(name);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
    }

    #[tokio::test]
    async fn a_stop_is_gentle_first_and_a_kill_after_the_grace() {
        let polite = spawn(shell("trap 'exit 7' INT; while :; do sleep 0.02; done")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(polite.stop(Duration::from_secs(5)).await.unwrap(), Exit::Code(7));
        let deaf = spawn(shell("trap '' INT; while :; do sleep 0.02; done")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(deaf.stop(Duration::from_millis(100)).await.unwrap(), Exit::Signal(9));
        deaf.signal(Signal::SIGKILL).unwrap();
    }

    #[tokio::test]
    async fn a_process_is_known_by_pid_and_start_time_and_by_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let running = spawn(shell("exec sleep 60").cwd(directory.path()).envs([("MARK", "1")])).await.unwrap();
        let start = running.start_time().unwrap();
        assert!(is_alive(running.pid(), start));
        assert!(!is_alive(running.pid(), start + 1), "another process with a reused pid");
        assert!(is_our_child(running.pid()));
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while processes_in(directory.path(), "MARK=1") != [running.pid()] && std::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(processes_in(directory.path(), "MARK=1"), [running.pid()]);
        assert!(processes_in(directory.path(), "MARK=2").is_empty(), "somebody else's");
        running.signal_group(Signal::SIGKILL).unwrap();
        running.wait().await;
        assert!(!is_alive(running.pid(), start));
        assert!(processes_in(directory.path(), "MARK=1").is_empty());
    }

    /// The death signal follows the thread that forked; were it a worker of this runtime, ending the runtime would end the child.
    #[test]
    fn a_process_outlives_the_runtime_thread_that_asked_for_it() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let running = runtime.block_on(async { tokio::spawn(spawn(shell("exec sleep 60"))).await.unwrap().unwrap() });
        drop(runtime);
        std::thread::sleep(Duration::from_millis(100));
        assert!(is_alive(running.pid(), running.start_time().unwrap()));
        running.signal_group(Signal::SIGKILL).unwrap();
    }

    /// Not a test of its own: the parent of the next one, killed by it.
    #[test]
    fn a_parent_that_will_be_killed() {
        let Some(path) = std::env::args().find(|arg| arg.ends_with(".children")) else { return };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let tied = runtime.block_on(spawn(shell("exec sleep 60"))).unwrap();
        let mut command = shell("exec sleep 60");
        command.lifetime = Lifetime::Detached;
        let free = runtime.block_on(spawn(command)).unwrap();
        std::fs::write(format!("{path}.new"), format!("{} {}", tied.pid(), free.pid())).unwrap();
        std::fs::rename(format!("{path}.new"), path).unwrap();
        std::thread::sleep(Duration::from_secs(60));
    }

    #[tokio::test]
    async fn a_killed_parent_takes_its_children_along_but_not_the_detached_ones() {
        let directory = tempfile::tempdir().unwrap();
        let note = directory.path().join("pids.children");
        let parent =
            Command::new(std::env::current_exe().unwrap()).args(["a_parent_that_will_be_killed".into(), note.clone().into_os_string()]);
        let parent = spawn(parent).await.unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while !note.exists() && std::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let text = std::fs::read_to_string(&note).unwrap();
        let pids: Vec<u32> = text.split(' ').map(|pid| pid.parse().unwrap()).collect();
        let starts: Vec<u64> = pids.iter().map(|pid| start_time(*pid).unwrap()).collect();
        parent.signal(Signal::SIGKILL).unwrap();
        while is_alive(pids[0], starts[0]) && std::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!is_alive(pids[0], starts[0]), "the kernel told it");
        assert!(is_alive(pids[1], starts[1]), "a detached one goes on");
        signal_other(pids[1], starts[1], Signal::SIGKILL, true).unwrap();
    }

    #[tokio::test]
    async fn a_detached_process_has_its_own_session() {
        let mut command = shell("exec sleep 60");
        command.lifetime = Lifetime::Detached;
        let running = spawn(command).await.unwrap();
        let session = nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(running.pid() as i32))).unwrap();
        assert_eq!(session.as_raw() as u32, running.pid());
        running.signal_group(Signal::SIGKILL).unwrap();
        assert_eq!(running.wait().await, Exit::Signal(9));
    }

    #[tokio::test]
    async fn the_memory_of_a_group_is_that_of_its_processes() {
        let running = spawn(shell("sleep 60 & exec sleep 60")).await.unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        let (mut one, mut all) = (0, 0);
        while (one == 0 || all <= one) && std::time::Instant::now() < deadline {
            (one, all) = (resident(running.pid()), resident_of_group(running.pid()));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        running.signal_group(Signal::SIGKILL).unwrap();
        assert!(one > 0 && all > one, "{one} of {all}");
        assert!(memory_limit().is_some_and(|limit| limit > 64 << 20));
    }

    #[tokio::test]
    async fn what_cannot_be_started_says_so() {
        assert_eq!(spawn(Command::new("/does/not/exist")).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
