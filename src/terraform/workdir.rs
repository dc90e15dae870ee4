//! One working directory per design: rendered files, state, and Galley's own corner. 0700; every file 0600 and written
//! whole (temp file, fsync, rename). Blocking IO: callers move it off the async threads.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::Error;
use crate::blobs::once_more;
use crate::faults;

/// Galley's corner in a working directory; Terraform does not look into it.
pub(super) const OWN: &str = ".galley";
/// The local backend's file.
const STATE: &str = "terraform.tfstate";
/// What Terraform writes when it could not write its state: the newest truth there is.
const ERRORED: &str = "errored.tfstate";
/// The local backend's lock information; the lock itself is an flock and dies with its holder.
const LOCK_INFO: &str = ".terraform.tfstate.lock.info";
/// Variables that are not secret: read by every terraform in this directory, a person's included.
const VARIABLES: &str = "terraform.tfvars.json";
/// Import blocks, when there are any.
const IMPORTS: &str = "galley_imports.tf";
/// How many job directories are kept: the newest for recovery, a few for a person who looks.
const KEEP_JOBS: usize = 5;

/// The working directory of one design.
#[derive(Debug, Clone)]
pub(super) struct Workdir {
    path: PathBuf,
}

impl Workdir {
    /// Where it is; it need not exist.
    pub fn of(work_root: &Path, design_uid: &str) -> Self {
        Workdir { path: work_root.join(segment(design_uid)) }
    }
    pub fn path(&self) -> &Path {
        &self.path
    }
    pub fn state_file(&self) -> PathBuf {
        self.path.join(STATE)
    }
    pub fn errored_state_file(&self) -> PathBuf {
        self.path.join(ERRORED)
    }
    pub fn init_marker(&self) -> PathBuf {
        self.path.join(OWN).join("init.sha256")
    }
    pub fn lock_file(&self) -> PathBuf {
        self.path.join(".terraform.lock.hcl")
    }
    /// Directory of one job.
    pub fn job(&self, job: &str) -> JobDir {
        JobDir { workdir: self.path.clone(), relative: Path::new(OWN).join("jobs").join(segment(job)) }
    }

    /// Makes the directories.
    pub fn create(&self) -> Result<(), Error> {
        make_private(&self.path.join(OWN).join("jobs")).map_err(io_error("create the working directory"))
    }

    /// Writes the rendered files, the variables that are not secret, and the imports; removes every configuration file
    /// that is no longer rendered.
    pub fn write_inputs(
        &self,
        files: &BTreeMap<String, String>,
        variables: &BTreeMap<String, String>,
        imports: Option<String>,
    ) -> Result<(), Error> {
        let mut wanted: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for (name, text) in files {
            if !is_plain_name(name) || [STATE, ERRORED, VARIABLES, IMPORTS].contains(&name.as_str()) {
                let source = io::Error::new(io::ErrorKind::InvalidInput, "not a plain file name of a rendered design");
                return Err(Error::Io { verb: format!("write file {name:?}"), source });
            }
            wanted.insert(name, text.clone().into_bytes());
        }
        let variables = serde_json::to_vec(variables).map_err(|error| io_error("write the variables")(error.into()))?;
        wanted.insert(VARIABLES, variables);
        if let Some(text) = imports {
            wanted.insert(IMPORTS, text.into_bytes());
        }
        for (name, bytes) in &wanted {
            let path = self.path.join(name);
            if fs::read(&path).ok().as_deref() != Some(bytes) {
                // Not fsynced: a crash loses nothing that is not written again before the next run.
                once_more(|| put_whole(&path, bytes, false)).map_err(io_error(&format!("write {name}")))?;
            }
        }
        self.remove_stale(&wanted).map_err(io_error("remove stale files"))
    }

    fn remove_stale(&self, wanted: &BTreeMap<&str, Vec<u8>>) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            let is_configuration = [".tf", ".tf.json", ".tfvars", ".tfvars.json", ".tfvars.example"].iter().any(|end| name.ends_with(end));
            if is_configuration && !wanted.contains_key(name) {
                remove(&self.path.join(name))?;
            }
        }
        Ok(())
    }

    /// Removes what a killed run leaves: variable files with secrets, private plan copies, and lock information.
    pub fn clean_up(&self) -> Result<(), Error> {
        remove(&self.path.join(LOCK_INFO)).map_err(io_error("remove the lock information"))?;
        for job in self.jobs() {
            JobDir { workdir: self.path.clone(), relative: Path::new(OWN).join("jobs").join(job) }.remove_secrets()?;
        }
        Ok(())
    }

    /// Removes all but the newest job directories.
    pub fn prune_jobs(&self, current: &str) -> Result<(), Error> {
        let root = self.path.join(OWN).join("jobs");
        let mut jobs: Vec<(std::time::SystemTime, PathBuf)> = self
            .jobs()
            .into_iter()
            .filter(|name| *name != segment(current))
            .map(|name| root.join(name))
            .filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))
            .collect();
        jobs.sort();
        let surplus = (jobs.len() + 1).saturating_sub(KEEP_JOBS);
        for (_, path) in jobs.into_iter().take(surplus) {
            remove_tree(&path).map_err(io_error("remove an old job directory"))?;
        }
        Ok(())
    }

    fn jobs(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path.join(OWN).join("jobs")).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }
}

/// Directory of one job in a working directory. Paths given to terraform are relative, so that no message shows where
/// the server keeps its data.
#[derive(Debug, Clone)]
pub(super) struct JobDir {
    workdir: PathBuf,
    relative: PathBuf,
}

impl JobDir {
    pub fn path(&self) -> PathBuf {
        self.workdir.join(&self.relative)
    }
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
    pub fn relative(&self, name: &str) -> PathBuf {
        self.relative.join(name)
    }
    pub fn create(&self) -> Result<(), Error> {
        make_private(&self.path()).map_err(io_error("create the job's directory"))
    }
    pub fn exists(&self) -> bool {
        self.path().is_dir()
    }
    /// Removes what holds secrets and is in blobs or needed no more.
    pub fn remove_secrets(&self) -> Result<(), Error> {
        for name in [SECRETS, PLAN, SHOW] {
            remove(&self.file(name)).map_err(io_error("remove a file with secrets"))?;
        }
        Ok(())
    }
}

/// Secret variables of a running plan.
pub(super) const SECRETS: &str = "secrets.tfvars.json";
/// The plan file.
pub(super) const PLAN: &str = "plan.bin";
/// `show -json` of it.
pub(super) const SHOW: &str = "show.out";
/// Who runs the job.
pub(super) const OWNER: &str = "owner.json";

/// Writes a file whole and durably: 0600, fsync, rename, fsync of the directory.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    once_more(|| put_whole(path, bytes, true))
}

fn put_whole(path: &Path, bytes: &[u8], durably: bool) -> io::Result<()> {
    let (directory, name) = (path.parent().unwrap_or(Path::new("/")), name_of(path));
    if durably { faults::file("work", &name, "put.before") } else { faults::disk() }?;
    // NamedTempFile makes 0600.
    let mut file = tempfile::Builder::new().prefix(".tmp-").tempfile_in(directory)?;
    file.write_all(bytes)?;
    faults::unsynced(file.path());
    if durably {
        file.as_file().sync_all()?;
        faults::flushed(file.path());
        faults::file("work", &name, "put.written")?;
    }
    faults::replacing(path);
    file.persist(path).map_err(|error| error.error)?;
    if durably {
        faults::file("work", &name, "put.renamed")?;
        fs::File::open(directory)?.sync_all()?;
        faults::synced(directory);
        faults::file("work", &name, "put.synced")?;
    }
    Ok(())
}

/// Makes a directory and its parents, 0700. An empty one is what an absent one is, so no moment of it matters.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Removes a file; one that is not there is fine. Not synced: what comes back after a power cut is removed again.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    once_more(|| remove_now(path))
}

fn remove_now(path: &Path) -> io::Result<()> {
    if !path.try_exists()? {
        return Ok(());
    }
    faults::file("work", &name_of(path), "delete.before")?;
    faults::replacing(path);
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => faults::file("work", &name_of(path), "delete.removed"),
    }
}

/// Removes a directory with everything in it; one that is not there is fine.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    once_more(|| remove_tree_now(path))
}

fn remove_tree_now(path: &Path) -> io::Result<()> {
    if !path.try_exists()? {
        return Ok(());
    }
    faults::at("work", "tree", "delete.before")?;
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => faults::at("work", "tree", "delete.removed"),
    }
}

/// Gives a file another name in its file system, durably.
pub(super) fn put_aside(from: &Path, to: &Path) -> io::Result<()> {
    faults::file("work", &name_of(to), "put.before")?;
    faults::replacing(to);
    faults::replacing(from);
    fs::rename(from, to)?;
    faults::file("work", &name_of(to), "put.renamed")?;
    for directory in [to, from].into_iter().filter_map(Path::parent) {
        fs::File::open(directory)?.sync_all()?;
        faults::synced(directory);
    }
    faults::file("work", &name_of(to), "put.synced")
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Turns an IO error into ours.
pub(super) fn io_error(verb: &str) -> impl FnOnce(io::Error) -> Error {
    let verb = verb.to_owned();
    move |source| Error::Io { verb, source: crate::blobs::advised(source) }
}

/// One path segment of a uid or a job name, as in blob keys.
pub(super) fn segment(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    if clean.is_empty() || clean.starts_with('.') { format!("_{clean}") } else { clean }
}

fn is_plain_name(name: &str) -> bool {
    let allowed = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    allowed && !name.starts_with('.') && name.len() <= 255 && (name.ends_with(".tf") || name.ends_with(".tfvars.example"))
}
