//! Documents as bytes: get, put, delete, list with etags. Knows keys and etags, not meaning.
//!
//! Keys are `registry/<resource>/<namespace>/<name>.json`. An acknowledged write is durable. Etags never leave this
//! module's callers in `apiserver`.

mod files;
mod fs;
mod measured;
mod memory;
#[cfg(test)]
mod tests;

pub(crate) use files::{Guard, Tree, off_thread};
pub use fs::FsStore;
pub use measured::Measured;
pub use memory::MemoryStore;

use async_trait::async_trait;
use bytes::Bytes;

/// Version of one stored object, opaque.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Etag(pub String);

/// When a write may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum If {
    /// always
    Any,
    /// only when there is nothing under the key
    Absent,
    /// only when the stored object has this etag
    Match(Etag),
}

/// One stored object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// its key
    pub key: String,
    /// its bytes
    pub bytes: Bytes,
    /// its version
    pub etag: Etag,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// the condition of [`If`] does not hold
    #[error("precondition failed for {key}")]
    Precondition {
        /// the key
        key: String,
    },
    /// another server writes here
    #[error("the data directory is used by another server: {detail}")]
    Locked {
        /// who, as far as known
        detail: String,
    },
    /// a key with characters that no key has
    #[error("invalid key {key}")]
    InvalidKey {
        /// the key
        key: String,
    },
    /// the medium failed (full, read-only, unreachable)
    #[error("cannot {verb} {key}")]
    Io {
        /// what was tried
        verb: &'static str,
        /// on what
        key: String,
        /// why
        #[source]
        source: std::io::Error,
    },
}

/// Where documents live.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The object under `key`, if any.
    async fn get(&self, key: &str) -> Result<Option<Stored>, Error>;
    /// Writes durably and returns the new etag.
    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Etag, Error>;
    /// Deletes durably; deleting what is not there is `Ok` with `If::Any` and `Precondition` with `If::Match`.
    async fn delete(&self, key: &str, condition: If) -> Result<(), Error>;
    /// Every object whose key starts with `prefix`, in key order.
    async fn list(&self, prefix: &str) -> Result<Vec<Stored>, Error>;
}

/// Keys are paths of plain segments: no text of a user can leave the store's directory.
fn check_key(key: &str) -> Result<(), Error> {
    if files::is_key(key) { Ok(()) } else { Err(Error::InvalidKey { key: key.to_owned() }) }
}

/// Whether `condition` allows a write on what is there.
fn holds(condition: &If, there: Option<&Etag>) -> bool {
    match condition {
        If::Any => true,
        If::Absent => there.is_none(),
        If::Match(wanted) => there == Some(wanted),
    }
}
