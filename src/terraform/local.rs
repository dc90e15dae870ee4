//! The local runner: Terraform as a child process of this server.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::{Semaphore, mpsc};

use super::args::{self, Places};
use super::footprint::Footprint;
use super::job::{self, Job};
use super::log::JobLog;
use super::mirror::{File, Settled, read_file};
use super::owner::OtherHosts;
use super::workdir::{Workdir, io_error, make_private, remove_tree, write_private};
use super::{Completed, Control, Error, ProviderHost, Recovered, Restored, Room, RunEvent, RunInput, Runner, inputs, version};
use crate::api::design::StateRecord;
use crate::api::terraformjob::{Action, Owner, Progress};
use crate::blobs::Blobs;
use crate::clock::Clock;
use crate::plan::mask::Redactor;
use crate::plan::{StateView, Tracker};

/// How the local runner works.
#[derive(Clone)]
pub struct LocalOptions {
    /// terraform: an absolute path, or a name found in `path`
    pub binary: PathBuf,
    /// working directories lie here, one per design
    pub work_root: PathBuf,
    /// states, plans and logs
    pub blobs: Arc<dyn Blobs>,
    /// gives terraform its provider
    pub provider: Arc<dyn ProviderHost>,
    /// what time it is
    pub clock: Arc<dyn Clock>,
    /// epoch of this server
    pub epoch: u64,
    /// most bytes of a job's public log; default 1 MiB
    pub log_limit: usize,
    /// most bytes terraform may write in one run before it is stopped; default 64 MiB
    pub output_limit: u64,
    /// how often the log is written while it changes; default 1 s
    pub log_flush: Duration,
    /// how often outputs and state file are looked at; default 20 ms
    pub poll: Duration,
    /// how many serials of the state are kept; default 20
    pub keep_states: usize,
    /// text of terraform's CLI configuration (a provider mirror, say); default empty
    pub cli_config: String,
    /// PATH of terraform; default the usual directories
    pub path: String,
    /// `-parallelism`; Terraform's default (10) when absent
    pub parallelism: Option<u16>,
    /// what proves an owner on another host dead
    pub other_hosts: OtherHosts,
    /// how long a terraform whose server died may take to stop before it is killed; default 15 minutes
    pub orphan_grace: Duration,
    /// bytes of memory for this server and all it starts; the container's limit, else the machine's memory, when absent
    pub memory: Option<u64>,
}

impl LocalOptions {
    /// With every default.
    pub fn new(
        binary: impl Into<PathBuf>,
        work_root: impl Into<PathBuf>,
        blobs: Arc<dyn Blobs>,
        provider: Arc<dyn ProviderHost>,
        clock: Arc<dyn Clock>,
        epoch: u64,
    ) -> Self {
        LocalOptions {
            binary: binary.into(),
            work_root: work_root.into(),
            blobs,
            provider,
            clock,
            epoch,
            log_limit: 1024 * 1024,
            output_limit: 64 * 1024 * 1024,
            log_flush: Duration::from_secs(1),
            poll: Duration::from_millis(20),
            keep_states: 20,
            cli_config: String::new(),
            path: "/usr/local/bin:/usr/bin:/bin".to_owned(),
            parallelism: None,
            other_hosts: OtherHosts::default(),
            // An OKE node pool takes 12 minutes and is not stopped in the middle.
            orphan_grace: Duration::from_secs(15 * 60),
            memory: None,
        }
    }
}

/// Terraform as a child process.
pub struct LocalRunner {
    pub(super) options: LocalOptions,
    /// one `init` at a time: they share the plugin cache, which Terraform does not lock
    pub(super) init_gate: Semaphore,
    pub(super) footprint: Footprint,
    views: Mutex<HashMap<String, Cached>>,
}

/// A state as it was read last, and the file's stamp then.
struct Cached {
    stamp: Option<(SystemTime, u64)>,
    view: Option<Arc<StateView>>,
}

/// How many states are kept parsed. Each holds its whole JSON (hundreds of KiB), so this bounds memory, not speed.
const CACHED_VIEWS: usize = 32;

impl LocalRunner {
    /// Makes the work root and what is shared in it.
    pub fn new(mut options: LocalOptions) -> Result<Self, Error> {
        // Terraform runs in another directory than this server.
        options.work_root = std::path::absolute(&options.work_root).map_err(io_error("find the work root"))?;
        make_private(&options.work_root).map_err(io_error("create the work root"))?;
        let footprint = Footprint::new(options.memory);
        let runner = LocalRunner { options, init_gate: Semaphore::new(1), footprint, views: Mutex::default() };
        make_private(&runner.plugin_cache()).map_err(io_error("create the plugin cache"))?;
        write_private(&runner.cli_config(), runner.options.cli_config.as_bytes()).map_err(io_error("write the CLI configuration"))?;
        Ok(runner)
    }

    fn plugin_cache(&self) -> PathBuf {
        self.options.work_root.join("plugin-cache")
    }
    fn cli_config(&self) -> PathBuf {
        self.options.work_root.join("terraform.rc")
    }
    pub(super) fn workdir(&self, design_uid: &str) -> Workdir {
        Workdir::of(&self.options.work_root, design_uid)
    }

    /// The whole environment of terraform in a working directory.
    pub(super) fn environment(&self, work: &Workdir, provider: &BTreeMap<String, String>) -> BTreeMap<OsString, OsString> {
        let (cli_config, plugin_cache) = (self.cli_config(), self.plugin_cache());
        let places = Places { workdir: work.path(), cli_config: &cli_config, plugin_cache: &plugin_cache, path: &self.options.path };
        args::environment(places, provider)
    }

    /// Types the provider must serve: those in the files and those in the state.
    pub(super) fn types(input: &RunInput, state: Option<&StateView>) -> BTreeSet<String> {
        input.types.iter().cloned().chain(state.map(StateView::types).unwrap_or_default()).collect()
    }

    /// Brings file and mirror together and remembers the result.
    pub(super) async fn settle(&self, design_uid: &str) -> Result<Settled, Error> {
        let settled = job::mirror(&self.options, design_uid).settle(&self.workdir(design_uid)).await?;
        self.remember(design_uid, settled.view.clone());
        Ok(settled)
    }

    /// Refuses a state that the decision was not made on.
    pub(super) fn check(input: &RunInput, found: Option<&StateView>) -> Result<(), Error> {
        let changed = |expected: &StateRecord, found: &StateRecord| Error::StateChanged {
            lineage: expected.lineage.clone(),
            serial: expected.serial,
            found_lineage: found.lineage.clone(),
            found_serial: found.serial,
        };
        match (&input.expected_state, found) {
            (None, None) => Ok(()),
            (None, Some(found)) => Err(changed(&StateRecord::default(), &found.record)),
            (Some(_), None) => Err(Error::StateUnavailable { design_uid: input.design_uid.clone() }),
            (Some(expected), Some(found)) if expected.lineage == found.record.lineage && expected.serial == found.record.serial => Ok(()),
            (Some(expected), Some(found)) => Err(changed(expected, &found.record)),
        }
    }

    /// A job that is about to start: directories, files, log.
    pub(super) async fn open<'a>(
        &'a self,
        input: &RunInput,
        state: Option<&StateView>,
        control: Control,
        events: mpsc::Sender<RunEvent>,
    ) -> Result<Job<'a>, Error> {
        let work = self.workdir(&input.design_uid);
        let dir = work.job(&input.job);
        let held: BTreeSet<&str> = state.map(|view| view.resources.keys().map(String::as_str).collect()).unwrap_or_default();
        let imports = inputs::imports(&input.imports, &held)?;
        let (files, variables) = (input.files.clone(), input.variables.clone());
        let (place, here, job) = (work.clone(), dir.clone(), input.job.clone());
        super::blocking_ours(move || {
            place.create()?;
            place.clean_up()?;
            place.prune_jobs(&job)?;
            here.create()?;
            place.write_inputs(&files, &variables, imports)
        })
        .await?;
        let redactor = Redactor::new(input.secrets.values().map(|secret| secret.0.as_str()));
        Ok(Job {
            options: &self.options,
            work,
            dir,
            design_uid: input.design_uid.clone(),
            name: input.job.clone(),
            control,
            events,
            log: JobLog::new(self.options.log_limit, redactor),
            tracker: Tracker::default(),
            diagnostics: Vec::new(),
            stderr: Vec::new(),
            progress: Progress { total: state.map(|view| view.record.resources).unwrap_or_default(), ..Progress::default() },
            refreshed: 0,
            told: None,
            footprint: &self.footprint,
        })
    }

    fn stamp(&self, design_uid: &str) -> Option<(SystemTime, u64)> {
        let meta = std::fs::metadata(self.workdir(design_uid).state_file()).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    }

    pub(super) fn remember(&self, design_uid: &str, view: Option<Arc<StateView>>) {
        let stamp = self.stamp(design_uid);
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        if views.len() >= CACHED_VIEWS && !views.contains_key(design_uid) {
            // Any will do: what is asked for again is read again.
            if let Some(some) = views.keys().next().cloned() {
                views.remove(&some);
            }
        }
        views.insert(design_uid.to_owned(), Cached { stamp, view });
    }

    pub(super) fn forget_view(&self, design_uid: &str) {
        self.views.lock().unwrap_or_else(PoisonError::into_inner).remove(design_uid);
    }
}

#[async_trait]
impl Runner for LocalRunner {
    async fn run(&self, input: RunInput, control: Control, events: mpsc::Sender<RunEvent>) -> Result<Completed, Error> {
        let design_uid = input.design_uid.clone();
        let result = match input.action {
            Action::Plan | Action::Refresh => self.plan(input, control, events).await,
            Action::Apply | Action::Destroy => self.apply(input, control, events).await,
        };
        self.forget_view(&design_uid);
        result
    }

    async fn recover(&self, design_uid: &str, job: &str, action: Action, owner: Option<&Owner>) -> Result<Recovered, Error> {
        self.forget_view(design_uid);
        self.look_after_crash(design_uid, job, action, owner).await
    }

    async fn state(&self, design_uid: &str) -> Result<Option<Arc<StateView>>, Error> {
        let stamp = self.stamp(design_uid);
        {
            let views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(cached) = views.get(design_uid).filter(|cached| cached.stamp == stamp) {
                return Ok(cached.view.clone());
            }
        }
        let file = read_file(self.workdir(design_uid).state_file()).await?;
        let mirrored = job::mirror(&self.options, design_uid).newest().await?;
        let mut unmirrored = None;
        let view = match (file, mirrored) {
            (File::Absent, None) => None,
            (File::Torn(_), None) => return Err(Error::StateUnavailable { design_uid: design_uid.to_owned() }),
            (File::Absent | File::Torn(_), Some((view, _))) => Some(Arc::new(view)),
            (File::Whole(view, bytes), None) => {
                unmirrored = Some(bytes);
                Some(Arc::from(view))
            }
            (File::Whole(file, bytes), Some((mirror, _))) => {
                // A file of another lineage is not ours; a run refuses it.
                let is_newer = file.record.lineage == mirror.record.lineage && file.record.serial >= mirror.record.serial;
                unmirrored = (is_newer && file.record.serial > mirror.record.serial).then_some(bytes);
                Some(if is_newer { Arc::from(file) } else { Arc::new(mirror) })
            }
        };
        if let (Some(bytes), Some(view)) = (unmirrored, &view)
            && let Err(error) = job::mirror(&self.options, design_uid).store(view, bytes).await
        {
            // The disk was full, say, when the apply ended. Not remembered: the next look tries again.
            tracing::warn!(design = %design_uid, error = %super::chain(&error), "the newest state is not mirrored yet");
            return Ok(Some(view.clone()));
        }
        // While an apply writes, the file may have changed since it was read: then it is read again next time.
        if self.stamp(design_uid) == stamp {
            self.remember(design_uid, view.clone());
        }
        Ok(view)
    }

    async fn seize(&self, design_uid: &str, job: &str, action: Action) -> Result<Recovered, Error> {
        self.forget_view(design_uid);
        self.take_as_dead(design_uid, job, action).await
    }

    async fn restore(&self, design_uid: &str, serial: u64, known: u64) -> Result<Restored, Error> {
        let work = self.workdir(design_uid);
        if !super::owner::leftovers(work.path()).is_empty() {
            return Ok(Restored::InUse);
        }
        self.forget_view(design_uid);
        job::mirror(&self.options, design_uid).put_back(&work, serial, known).await
    }

    fn room(&self) -> Option<Room> {
        self.footprint.room()
    }

    async fn version(&self) -> Result<String, Error> {
        let work = self.workdir("version");
        version::version(&self.options, self.environment(&work, &BTreeMap::new())).await
    }

    async fn forget(&self, design_uid: &str) -> Result<(), Error> {
        self.forget_view(design_uid);
        let path = self.workdir(design_uid).path().to_owned();
        super::blocking("remove the working directory", move || {
            if !super::owner::leftovers(&path).is_empty() {
                return Err(std::io::Error::new(std::io::ErrorKind::ResourceBusy, "a process works in it"));
            }
            remove_tree(&path)
        })
        .await
    }
}
