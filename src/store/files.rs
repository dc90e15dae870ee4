//! Durable files under one directory: what the `fs` back ends of `store` and `blobs` share.
//!
//! Takes a root directory and relative keys; every write is temp file → fsync → rename → fsync of the directory, files are
//! 0600 and directories 0700. Blocking: callers go through [`off_thread`]. Knows nothing of documents, etags or blobs.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::faults::{self, Mutant};

/// Writers of different keys rarely share one of these; writers of one key always do, which makes compare-and-swap atomic.
const STRIPES: usize = 64;
/// Longest file name of the usual Linux file systems, in bytes.
const LONGEST_SEGMENT: usize = 255;

/// When a file may be replaced or removed.
pub(crate) enum Guard<'a> {
    /// always
    Always,
    /// only when there is none
    Absent,
    /// only when there is one and this accepts its bytes
    Content(&'a (dyn Fn(&[u8]) -> bool + Send + Sync)),
}

/// A directory whose files are written durably.
pub(crate) struct Tree {
    root: PathBuf,
    label: &'static str,
    stripes: Vec<Mutex<()>>,
    counter: AtomicU64,
}

impl Tree {
    /// Opens `root`, making it when it is not there. `label` keeps the temp files of two trees in one directory apart.
    pub(crate) fn open(root: &Path, label: &'static str) -> io::Result<Self> {
        make_directory(root)?;
        let stripes = (0..STRIPES).map(|_| Mutex::new(())).collect();
        Ok(Tree { root: root.to_owned(), label, stripes, counter: AtomicU64::new(0) })
    }

    /// Removes temp files that a crash left, if they are older than `age`.
    pub(crate) fn sweep(&self, age: Duration) -> io::Result<usize> {
        let mut removed = 0;
        let marker = self.temporary_prefix();
        visit(&self.root, &mut |path, name| {
            if name.starts_with(&marker) && is_older_than(path, age) && fs::remove_file(path).is_ok() {
                removed += 1;
            }
        })?;
        Ok(removed)
    }

    /// The bytes under `key`, if any.
    pub(crate) fn read(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        read_file(&self.root.join(key))
    }

    /// Writes durably when `guard` holds; false when it does not.
    pub(crate) fn write(&self, key: &str, bytes: &[u8], guard: Guard<'_>) -> io::Result<bool> {
        let path = self.root.join(key);
        let _stripe = self.stripe(key);
        if !holds(&path, &guard)? {
            return Ok(false);
        }
        let directory = path.parent().unwrap_or(&self.root);
        make_directory(directory)?;
        faults::file(self.label, key, "put.before")?;
        let temporary =
            directory.join(format!("{}{}-{}", self.temporary_prefix(), std::process::id(), self.counter.fetch_add(1, Ordering::Relaxed)));
        let written = write_synced(&temporary, bytes).and_then(|()| faults::file(self.label, key, "put.written")).and_then(|()| {
            faults::replacing(&path);
            fs::rename(&temporary, &path)
        });
        if let Err(error) = written {
            // Best effort: on a full disk the leftover would make things worse.
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        faults::file(self.label, key, "put.renamed")?;
        sync_directory(directory)?;
        faults::file(self.label, key, "put.synced")?;
        Ok(true)
    }

    /// Removes durably when `guard` holds; false when it does not. Removing what is not there succeeds.
    pub(crate) fn remove(&self, key: &str, guard: Guard<'_>) -> io::Result<bool> {
        let path = self.root.join(key);
        let _stripe = self.stripe(key);
        if !holds(&path, &guard)? {
            return Ok(false);
        }
        faults::file(self.label, key, "delete.before")?;
        faults::replacing(&path);
        match fs::remove_file(&path) {
            Ok(()) => {
                faults::file(self.label, key, "delete.removed")?;
                sync_directory(path.parent().unwrap_or(&self.root))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Keys that start with `prefix`, in key order; files with foreign names are left out.
    pub(crate) fn keys(&self, prefix: &str) -> io::Result<Vec<String>> {
        let start = match prefix.rfind('/') {
            Some(slash) if is_key(&prefix[..slash]) => self.root.join(&prefix[..slash]),
            _ => self.root.clone(),
        };
        let mut keys = Vec::new();
        visit(&start, &mut |path, _| {
            let Some(key) = path.strip_prefix(&self.root).ok().and_then(Path::to_str) else {
                tracing::warn!(path = %path.display(), "skipped a file whose name is not text");
                return;
            };
            if is_key(key) && key.starts_with(prefix) {
                keys.push(key.to_owned());
            }
        })?;
        keys.sort_unstable();
        Ok(keys)
    }

    fn temporary_prefix(&self) -> String {
        format!(".tmp-{}-", self.label)
    }

    fn stripe(&self, key: &str) -> MutexGuard<'_, ()> {
        let hash = key.bytes().fold(0usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(byte)));
        self.stripes[hash % STRIPES].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Segments of letters, digits, `.`, `_` and `-`, none of them empty, hidden or too long for a file name.
pub(crate) fn is_key(key: &str) -> bool {
    key.split('/').all(|segment| {
        !segment.is_empty()
            && segment.len() <= LONGEST_SEGMENT
            && !segment.starts_with('.')
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    })
}

/// Runs blocking file work away from the async threads.
pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Writes a file of mode 0600 and returns when its bytes are on the medium.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    faults::unsynced(path);
    if faults::is_broken(Mutant::NoFsync) || faults::is_broken(Mutant::NoDataSync) {
        return Ok(());
    }
    file.sync_all()?;
    faults::flushed(path);
    Ok(())
}

fn holds(path: &Path, guard: &Guard<'_>) -> io::Result<bool> {
    Ok(match guard {
        Guard::Always => true,
        Guard::Absent => !path.try_exists()?,
        Guard::Content(accepts) => read_file(path)?.is_some_and(|bytes| accepts(&bytes)),
    })
}

fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::with_capacity(file.metadata().map_or(0, |metadata| usize::try_from(metadata.len()).unwrap_or(0)));
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Makes a directory and its parents, each 0700 and durable in its parent.
fn make_directory(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directory(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => path.parent().map_or(Ok(()), sync_directory),
        // Somebody made it in between: as good as ours.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    if faults::is_broken(Mutant::NoFsync) {
        return Ok(());
    }
    File::open(path)?.sync_all()?;
    faults::synced(path);
    Ok(())
}

fn is_older_than(path: &Path, age: Duration) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|time| age.is_zero() || SystemTime::now().duration_since(time).is_ok_and(|passed| passed >= age))
}

/// Calls `found` for every regular file below `directory`. A directory that cannot be read is a warning, not the end.
fn visit(directory: &Path, found: &mut dyn FnMut(&Path, &str)) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            if let Err(error) = visit(&path, found) {
                tracing::warn!(path = %path.display(), %error, "skipped a directory that cannot be read");
            }
        } else if kind.is_file() {
            found(&path, entry.file_name().to_str().unwrap_or_default());
        }
    }
    Ok(())
}
