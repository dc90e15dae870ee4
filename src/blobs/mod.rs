//! The bytes beside the documents: state, plans, logs, rendered files, secrets. Same back ends as the store, no meaning.
//!
//! Everything hangs on the design's uid, so that a re-created design never inherits its predecessor's state. Every file
//! is 0600.

mod fs;
mod memory;
#[cfg(test)]
mod tests;

pub use fs::FsBlobs;
pub use memory::MemoryBlobs;

use async_trait::async_trait;
use bytes::Bytes;

/// Key of one blob. Made only by the functions below, so that no text of a user becomes a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobKey(String);

impl BlobKey {
    /// `designs/<uid>/state/<serial>.tfstate`, the serial padded to 20 digits so that key order is serial order
    pub fn state(design_uid: &str, serial: u64) -> Self {
        Self(format!("{}{serial:020}.tfstate", Self::state_prefix(design_uid)))
    }
    /// Prefix of all states of a design.
    pub fn state_prefix(design_uid: &str) -> String {
        format!("designs/{}/state/", segment(design_uid))
    }
    /// `designs/<uid>/rendered/<digest>/files.json`: a JSON object file name → text, written before the job exists
    pub fn rendered(design_uid: &str, digest: &str) -> Self {
        Self(format!("designs/{}/rendered/{}/files.json", segment(design_uid), segment(digest)))
    }
    /// `designs/<uid>/applied/files.json`: the files of the last started apply, for a destroy
    pub fn applied(design_uid: &str) -> Self {
        Self(format!("designs/{}/applied/files.json", segment(design_uid)))
    }
    /// `designs/<uid>/secrets.json`: see [`crate::terraform`]
    pub fn secrets(design_uid: &str) -> Self {
        Self(format!("designs/{}/secrets.json", segment(design_uid)))
    }
    /// `designs/<uid>/jobs/<job>/<what>`; `what` is one of log.jsonl, plan.bin, plan.json
    pub fn job(design_uid: &str, job: &str, what: JobBlob) -> Self {
        Self(format!("designs/{}/jobs/{}/{}", segment(design_uid), segment(job), what.file()))
    }
    /// Prefix of what is kept for the hosts of MCP.
    pub const HOSTS: &str = "mcp/";
    /// `mcp/<transport session>.json`: a JSON list of what it subscribed to
    pub fn host(session: &str) -> Self {
        Self(format!("{}{}.json", Self::HOSTS, segment(session)))
    }
    /// Prefix of everything of a design.
    pub fn design_prefix(design_uid: &str) -> String {
        format!("designs/{}/", segment(design_uid))
    }
    /// A key as listed by the back end, for back ends alone.
    pub(crate) fn listed(key: String) -> Self {
        Self(key)
    }
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The serial of a state key.
    pub fn serial(&self) -> Option<u64> {
        self.0.rsplit('/').next()?.strip_suffix(".tfstate")?.parse().ok()
    }
}

/// The blobs of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobBlob {
    /// JSON lines for people: bounded, without secrets
    Log,
    /// the plan file, exactly
    Plan,
    /// `terraform show -json` of it
    PlanJson,
}

impl JobBlob {
    fn file(self) -> &'static str {
        match self {
            JobBlob::Log => "log.jsonl",
            JobBlob::Plan => "plan.bin",
            JobBlob::PlanJson => "plan.json",
        }
    }
}

/// One path segment: only characters that names, uids and digests have; everything else becomes `_`.
fn segment(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    if clean.is_empty() || clean.starts_with('.') { format!("_{clean}") } else { clean }
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// the medium failed (full, read-only, unreachable)
    #[error("cannot {verb} blob {key}")]
    Io {
        /// what was tried
        verb: &'static str,
        /// on what
        key: String,
        /// why
        #[source]
        source: std::io::Error,
    },
    /// a create-only write met an existing blob
    #[error("blob {key} exists already")]
    Exists {
        /// the key
        key: String,
    },
}

/// The same error with what a person can do about it, where that is known.
pub fn advised(source: std::io::Error) -> std::io::Error {
    let advice = match source.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            "the disk is full: free space in the data directory (old plans and logs under designs/*/jobs are safe to remove); Galley goes on by itself"
        }
        std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => {
            "the data directory cannot be written: mount it writable and owned by the user that runs the server"
        }
        _ => return source,
    };
    std::io::Error::new(source.kind(), format!("{advice} ({source})"))
}

/// Does a step once more when the medium said EIO: a network volume says it in passing, and a job that fails for it waits out a
/// back-off. Only for steps that may be done twice, and whole: what a failed fsync left in memory is not written by another
/// one of the same file.
pub fn once_more<T>(step: impl Fn() -> std::io::Result<T>) -> std::io::Result<T> {
    match step() {
        Err(error) if error.raw_os_error() == Some(libc::EIO) => step(),
        done => done,
    }
}

/// Where bytes live.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// The bytes, if any.
    async fn get(&self, key: &BlobKey) -> Result<Option<Bytes>, Error>;
    /// Writes durably, replacing what is there.
    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), Error>;
    /// Writes durably, only when nothing is there.
    async fn create(&self, key: &BlobKey, bytes: Bytes) -> Result<(), Error>;
    /// Deletes; deleting what is not there is Ok.
    async fn delete(&self, key: &BlobKey) -> Result<(), Error>;
    /// Keys that start with `prefix`, in key order.
    async fn list(&self, prefix: &str) -> Result<Vec<BlobKey>, Error>;
}
