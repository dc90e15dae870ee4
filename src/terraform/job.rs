//! One job while it runs: starts terraform's processes one after the other, follows what they write, keeps log, progress
//! and outcome, and stops them when asked: SIGINT to terraform, a grace, SIGKILL to the group.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::follow::{Follow, Follower, Written};
use super::footprint::Footprint;
use super::local::LocalOptions;
use super::log::JobLog;
use super::mirror::Mirror;
use super::workdir::{JobDir, OWNER, Workdir, io_error, remove, write_private};
use super::{Control, Error, RunEvent, owner};
use crate::api::condition::clip;
use crate::api::design::{Diagnostic, Severity};
use crate::api::terraformjob::{JobPhase, Progress};
use crate::blobs::{BlobKey, JobBlob};
use crate::faults;
use crate::plan::events::{Event, Line, parse_line};
use crate::plan::{Tracker, diagnostics};
use crate::process::{self, Exit, Running, Signal};

/// Most addresses named in a progress.
const CURRENT_LIMIT: usize = 10;
/// 5 progress events per second: enough for an eye, little for a document store.
const PROGRESS_PAUSE: Duration = Duration::from_millis(200);
/// How long a log write may hold up the loop that also passes on signals.
const LOG_PATIENCE: Duration = Duration::from_secs(5);
/// Last lines of standard error kept for a failure that gave no diagnostic.
const STDERR_LINES: usize = 40;
/// When the memory of the process group is looked at first: a plan takes half a second, and a look through /proc a
/// millisecond. Then ever less often, because an apply of hours changes little.
const MEASURE: Duration = Duration::from_millis(150);
/// How often at the least.
const MEASURE_AT_LEAST: Duration = Duration::from_secs(10);

/// One process of a job.
pub(super) struct Stage {
    /// names its files; also the step of the progress
    pub name: &'static str,
    pub args: Vec<OsString>,
    pub env: std::collections::BTreeMap<OsString, OsString>,
    /// read its standard output as events
    pub reads_events: bool,
    /// mirror the state while it runs
    pub mirrors_from: Option<Option<u64>>,
    /// tell the owner, to be recorded durably
    pub tells_owner: bool,
}

/// How a process of a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StageEnd {
    pub exit: Exit,
    /// we asked it to stop, and why
    pub stopped: Option<Stop>,
    /// we killed it after the grace
    pub killed: bool,
}

/// Why we stopped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Cancelled,
    TooMuchOutput,
}

/// What an exit means: Terraform's numbers, translated here and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// 0, and 2 of `-detailed-exitcode`
    Done,
    /// 1: errors, told as diagnostics
    Refused,
    /// a signal, or Terraform's own panic (11): nobody knows how far it came
    Broken,
}

impl StageEnd {
    pub fn meaning(self) -> Meaning {
        match self.exit {
            Exit::Code(0 | 2) => Meaning::Done,
            Exit::Code(11) | Exit::Signal(_) => Meaning::Broken,
            Exit::Code(_) => Meaning::Refused,
        }
    }
}

/// A running job.
pub(super) struct Job<'a> {
    pub options: &'a LocalOptions,
    pub work: Workdir,
    pub dir: JobDir,
    pub design_uid: String,
    pub name: String,
    pub control: Control,
    pub events: mpsc::Sender<RunEvent>,
    pub log: JobLog,
    pub tracker: Tracker,
    pub diagnostics: Vec<Diagnostic>,
    pub stderr: Vec<String>,
    pub progress: Progress,
    pub refreshed: usize,
    pub told: Option<(Instant, Progress)>,
    pub footprint: &'a Footprint,
}

impl Job<'_> {
    /// Runs one process to its end. `Err` = it did not start.
    pub async fn run(&mut self, stage: Stage, mirror: &Mirror) -> Result<StageEnd, Error> {
        let (out, err) = (self.dir.file(&format!("{}.out", stage.name)), self.dir.file(&format!("{}.err", stage.name)));
        for stale in [&out, &err] {
            // Appended to: what an earlier run of the same name left would be read as this one's.
            remove(stale).map_err(io_error("remove old output"))?;
        }
        let program = self.options.binary.display().to_string();
        let command = process::Command {
            program: self.options.binary.clone(),
            args: stage.args,
            env: stage.env,
            cwd: Some(self.work.path().to_owned()),
            stdout: process::Sink::File(out.clone()),
            stderr: process::Sink::File(err.clone()),
            lifetime: process::Lifetime::EndsWithUs,
        };
        faults::pass("terraform", stage.name, "before");
        let running = process::spawn(command).await.map_err(|source| Error::Start { program, source })?;
        faults::pass("terraform", stage.name, "started");
        self.mark_owner(&running, stage.tells_owner).await;
        faults::pass("terraform", stage.name, "owned");
        self.progress.step = stage.name.to_owned();
        let (line_sender, lines) = mpsc::channel(1024);
        let (state_sender, states) = mpsc::channel(64);
        let state = stage.mirrors_from.map(|serial| (self.work.state_file(), serial));
        let follow = Follow { stdout: out, stderr: err, state, output_limit: self.options.output_limit, poll: self.options.poll };
        let mirroring = tokio::spawn(mirror.clone().follow(states, self.events.clone()));
        let follower = match Follower::start(follow, line_sender, state_sender) {
            Ok(follower) => Some(follower),
            Err(error) => {
                // No thread to be had: terraform still runs to its end, and its state is settled afterwards.
                self.note("error", &format!("cannot follow terraform: {error}"));
                None
            }
        };
        let end = self.attend(&running, follower, lines, stage.reads_events).await;
        faults::pass("terraform", stage.name, "ended");
        let _ = mirroring.await;
        self.flush_log().await;
        Ok(end)
    }

    /// The owner, in the job's directory first: it must be there when we die right now.
    async fn mark_owner(&mut self, running: &Running, tell: bool) {
        let owner = owner::of(running, self.options.epoch);
        let (path, record) = (self.dir.file(OWNER), serde_json::to_vec(&owner));
        let written = super::blocking("write the owner", move || write_private(&path, &record?)).await;
        if let Err(error) = written {
            self.note("warn", &super::chain(&error));
        }
        if tell {
            super::tell(&self.events, RunEvent::Started(owner)).await;
        }
    }

    /// Follows until the process ended and everything it wrote is read.
    ///
    /// Cancel safety of the arms: `recv`, `wait`, `cancelled`, `sleep_until` and `tick` lose nothing when another wins.
    async fn attend(
        &mut self,
        running: &Running,
        follower: Option<Follower>,
        mut lines: mpsc::Receiver<Written>,
        reads_events: bool,
    ) -> StageEnd {
        let mut exit = None;
        let mut is_open = true;
        let mut stopped = None;
        let mut killed = false;
        let mut deadline = Instant::now();
        let mut flush = interval(self.options.log_flush);
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut pause, mut peak) = (MEASURE, 0);
        let mut measure = Instant::now() + pause;
        let cancel = self.control.cancel.clone();
        let grace = self.control.grace;
        while exit.is_none() || is_open {
            let mut stop = None;
            tokio::select! {
                written = lines.recv(), if is_open => match written {
                    Some(Written::TooMuch) => stop = Some(Stop::TooMuchOutput),
                    Some(written) => self.take(written, reads_events).await,
                    None => is_open = false,
                },
                ended = running.wait(), if exit.is_none() => {
                    exit = Some(ended);
                    if let Some(follower) = &follower { follower.finish(); }
                }
                () = cancel.cancelled(), if exit.is_none() && stopped.is_none() => stop = Some(Stop::Cancelled),
                () = tokio::time::sleep_until(deadline), if exit.is_none() && stopped.is_some() && !killed => {
                    killed = true;
                    self.note("error", "terraform did not stop in time and was killed");
                    self.send(running.signal_group(Signal::SIGKILL));
                }
                _ = flush.tick() => self.flush_log().await,
                () = tokio::time::sleep_until(measure), if exit.is_none() => {
                    peak = process::resident_of_group(running.pid()).max(peak);
                    pause = pause.mul_f64(1.5).min(MEASURE_AT_LEAST);
                    measure = Instant::now() + pause;
                }
            }
            if let (Some(why), None, None) = (stop, stopped, exit) {
                stopped = Some(why);
                deadline = Instant::now() + grace;
                // To terraform alone: its plugins must go on until what they have begun is done.
                self.send(running.signal(Signal::SIGINT));
                self.note(
                    "warn",
                    match why {
                        Stop::Cancelled => "asked terraform to stop",
                        Stop::TooMuchOutput => "terraform writes too much output: asked it to stop",
                    },
                );
            }
        }
        self.footprint.note(peak);
        StageEnd { exit: exit.unwrap_or(Exit::Signal(0)), stopped, killed }
    }

    fn send(&mut self, sent: std::io::Result<()>) {
        if let Err(error) = sent {
            self.note("error", &format!("cannot signal terraform: {error}"));
        }
    }

    async fn take(&mut self, written: Written, reads_events: bool) {
        match written {
            Written::Out(line) if reads_events => self.take_line(parse_line(&line, self.log.redactor())).await,
            Written::Err(text) => {
                let text = self.log.redactor().text(&text);
                self.note("warn", &clip(&text, 2048));
                if self.stderr.len() == STDERR_LINES {
                    self.stderr.remove(0);
                }
                self.stderr.push(clip(&text, 512));
            }
            Written::Out(_) | Written::TooMuch => {}
        }
    }

    async fn take_line(&mut self, line: Line) {
        self.tracker.observe(&line.event);
        match &line.event {
            Event::Refreshed { .. } => self.refreshed += 1,
            Event::Diagnostic(diagnostic) => self.keep((**diagnostic).clone()),
            Event::Version(_) | Event::PlannedChange { .. } | Event::Drift { .. } => {}
            Event::Start { .. } | Event::Progress { .. } | Event::Complete { .. } | Event::Errored { .. } | Event::Other => {}
        }
        if line.time.is_empty() {
            self.note(&line.level, &line.message);
        } else {
            self.log.push(&line.time, &line.level, &line.message, line.address.as_deref());
        }
        self.tell_progress(false).await;
    }

    /// Keeps a diagnostic; when there are too many, an error takes the place of a warning.
    fn keep(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < diagnostics::LIMIT {
            self.diagnostics.push(diagnostic);
        } else if diagnostic.severity == Severity::Error
            && let Some(warning) = self.diagnostics.iter_mut().find(|kept| kept.severity != Severity::Error)
        {
            *warning = diagnostic;
        }
    }

    /// A line of our own.
    pub fn note(&mut self, level: &str, message: &str) {
        let now = self.options.clock.now().0.to_string();
        self.log.push(&now, level, message, None);
    }

    /// Tells how far it is, when that changed; at the end (`is_last`) always.
    pub async fn tell_progress(&mut self, is_last: bool) {
        if self.progress.step == "apply" {
            self.progress.total = self.tracker.total();
            self.progress.done = self.tracker.done();
            self.progress.current = self.tracker.current(CURRENT_LIMIT);
        } else {
            self.progress.done = self.refreshed;
            self.progress.total = self.progress.total.max(self.refreshed);
        }
        let now = Instant::now();
        match &self.told {
            Some((_, last)) if *last == self.progress && !is_last => return,
            Some((at, _)) if now.duration_since(*at) < PROGRESS_PAUSE && !is_last => return,
            Some(_) | None => {}
        }
        self.told = Some((now, self.progress.clone()));
        let event = RunEvent::Progress(self.progress.clone());
        if is_last {
            super::tell(&self.events, event).await;
        } else {
            // A listener that is behind misses a step of the progress, and terraform is not held up.
            let _ = self.events.try_send(event);
        }
    }

    /// Writes the log when it changed. A failure is tried again with the next flush.
    pub async fn flush_log(&mut self) {
        let Some(bytes) = self.log.take_changed() else { return };
        let key = BlobKey::job(&self.design_uid, &self.name, JobBlob::Log);
        let written = tokio::time::timeout(LOG_PATIENCE, self.options.blobs.put(&key, bytes)).await;
        if !matches!(written, Ok(Ok(()))) {
            self.log.mark_changed();
        }
    }

    /// True when terraform named an error.
    pub fn has_error(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Errors of the run; when terraform failed without any, what it wrote to standard error.
    pub fn explained(&mut self) -> Vec<Diagnostic> {
        if !self.has_error() {
            let text = self.stderr.join("\n");
            let (who_acts, next_action) = diagnostics::classify(None, &text, "");
            let summary = if text.trim().is_empty() { "terraform ended without saying why" } else { "terraform failed" };
            self.diagnostics.push(diagnostics::own(summary, &text, who_acts, &next_action));
        }
        std::mem::take(&mut self.diagnostics)
    }
}

/// The phase of a run that was asked to stop or broke, before anything in the cloud is considered.
pub(super) fn phase_of_stop(end: StageEnd) -> JobPhase {
    match (end.stopped, end.meaning()) {
        (Some(Stop::Cancelled), _) => JobPhase::Cancelled,
        (None, Meaning::Broken) => JobPhase::Interrupted,
        (Some(Stop::TooMuchOutput), _) | (None, Meaning::Done | Meaning::Refused) => JobPhase::Failed,
    }
}

/// Keeps `Arc` of a mirror usable in a job.
pub(super) fn mirror(options: &LocalOptions, design_uid: &str) -> Mirror {
    Mirror { blobs: Arc::clone(&options.blobs), design_uid: design_uid.to_owned(), keep: options.keep_states }
}
