//! Documents as files under one directory. One server per directory: a lock file refuses the second.
//!
//! The etag is the sha256 of the content, so an edit made by hand under a running server is noticed as a failed
//! precondition instead of being overwritten. Files that are not ours are skipped with a warning, never deleted.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::files::{Guard, Tree, off_thread};
use super::{Error, Etag, If, Store, Stored, check_key};

/// Every document's key begins with this; other directories beside it belong to others.
const ROOT: &str = "registry/";
/// Name of the lock file in the directory.
const LOCK_FILE: &str = "lock";

/// A store in a directory.
pub struct FsStore {
    tree: Arc<Tree>,
    /// Held for the life of the store; the kernel releases it when the process dies, however it dies.
    _lock: File,
}

impl FsStore {
    /// Opens `directory` (made with mode 0700 when absent), takes its lock and removes what a crash left half-written.
    ///
    /// Errors: [`Error::Locked`] naming the holder when another server has it, [`Error::Io`] when the medium refuses.
    pub async fn open(directory: &Path) -> Result<Self, Error> {
        let owned = directory.to_owned();
        let opened = off_thread(move || {
            let tree = Tree::open(&owned, "store")?;
            let lock = match take_lock(&owned)? {
                Ok(lock) => lock,
                Err(detail) => return Ok(Err(detail)),
            };
            // We hold the lock, so no temp file of ours is in use, however young.
            let leftovers = tree.sweep(Duration::ZERO)?;
            if leftovers > 0 {
                tracing::info!(leftovers, "removed half-written files of an earlier run");
            }
            Ok(Ok((tree, lock)))
        });
        match opened.await.map_err(|source| Error::Io { verb: "open", key: directory.display().to_string(), source })? {
            Ok((tree, lock)) => Ok(FsStore { tree: Arc::new(tree), _lock: lock }),
            Err(detail) => Err(Error::Locked { detail }),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        verb: &'static str,
        key: &str,
        work: impl FnOnce(&Tree) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let tree = Arc::clone(&self.tree);
        off_thread(move || work(&tree)).await.map_err(|source| Error::Io { verb, key: key.to_owned(), source })
    }
}

/// Ok(Err(detail)) when somebody else holds it.
fn take_lock(directory: &Path) -> io::Result<Result<File, String>> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = directory.join(LOCK_FILE);
    let mut file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            write!(file, "pid {} on host {}", std::process::id(), host())?;
            Ok(Ok(file))
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The name of the holder is a courtesy: without it the refusal stands all the same.
            let _ = file.take(200).read_to_string(&mut holder);
            let holder = if holder.is_empty() { "a process that did not leave its name".to_owned() } else { holder };
            Ok(Err(format!("{holder} holds {}; stop it or choose another data directory", directory.join(LOCK_FILE).display())))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

fn etag(bytes: &[u8]) -> Etag {
    use std::fmt::Write;
    let digest = Sha256::digest(bytes);
    Etag(digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// Runs `work` with the guard that `condition` means for files.
fn guarded<T>(condition: &If, work: impl FnOnce(Guard<'_>) -> io::Result<T>) -> io::Result<T> {
    match condition {
        If::Any => work(Guard::Always),
        If::Absent => work(Guard::Absent),
        If::Match(wanted) => work(Guard::Content(&|bytes| etag(bytes) == *wanted)),
    }
}

#[async_trait]
impl Store for FsStore {
    async fn get(&self, key: &str) -> Result<Option<Stored>, Error> {
        check_key(key)?;
        let owned = key.to_owned();
        let bytes = self.run("read", key, move |tree| tree.read(&owned)).await?;
        Ok(bytes.map(|bytes| Stored { key: key.to_owned(), etag: etag(&bytes), bytes: bytes.into() }))
    }

    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Etag, Error> {
        check_key(key)?;
        let owned = key.to_owned();
        let written = self.run("write", key, move |tree| {
            let done = guarded(&condition, |guard| tree.write(&owned, &bytes, guard))?;
            Ok(done.then(|| etag(&bytes)))
        });
        written.await?.ok_or_else(|| Error::Precondition { key: key.to_owned() })
    }

    async fn delete(&self, key: &str, condition: If) -> Result<(), Error> {
        check_key(key)?;
        let owned = key.to_owned();
        let removed = self.run("delete", key, move |tree| guarded(&condition, |guard| tree.remove(&owned, guard)));
        if removed.await? { Ok(()) } else { Err(Error::Precondition { key: key.to_owned() }) }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Stored>, Error> {
        let owned = if prefix.starts_with(ROOT) { prefix.to_owned() } else { ROOT.to_owned() };
        let wanted = prefix.to_owned();
        self.run("list", prefix, move |tree| {
            let mut found = Vec::new();
            for key in tree.keys(&owned)? {
                if !key.starts_with(&wanted) {
                    continue;
                }
                if !key.ends_with(".json") {
                    tracing::warn!(key, "skipped a file that is not a document");
                    continue;
                }
                match tree.read(&key) {
                    Ok(Some(bytes)) => found.push(Stored { etag: etag(&bytes), bytes: bytes.into(), key }),
                    Ok(None) => {}
                    Err(error) => tracing::warn!(key, %error, "skipped a document that cannot be read"),
                }
            }
            Ok(found)
        })
        .await
    }
}
