//! The journal file: one JSON line per batch, appended and synced before anybody is told. Knows bytes, not meaning.
//!
//! Two processes share it: every use happens under the lock file, and starts by reading what the other one appended (same
//! file, longer) or everything (the file was replaced by a compaction). A last line that is torn was never acknowledged and
//! is cut off before the next append.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::state::{Batch, State};
use super::{Error, io};

const JOURNAL: &str = "cloud.jsonl";
const COMPACTED: &str = "cloud.jsonl.new";
const LOCK: &str = "cloud.lock";
/// Lines beyond twice the snapshot's size before the journal is rewritten: rare enough not to matter, soon enough that
/// reading it stays a matter of milliseconds.
const SLACK: usize = 2_000;

/// The file and what was read of it.
pub(super) struct Journal {
    dir: PathBuf,
    lock: File,
    file: Option<Open>,
}

struct Open {
    file: File,
    inode: u64,
    /// bytes of complete lines
    good: u64,
    lines: usize,
}

impl Journal {
    /// Makes the directory (0700) and the lock file (0600) where they are missing.
    pub(super) fn open(dir: &Path) -> Result<Journal, Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io("create", dir))?;
        let path = dir.join(LOCK);
        let lock = private().create(true).truncate(false).read(true).write(true).open(&path).map_err(io("open", &path))?;
        Ok(Journal { dir: dir.to_owned(), lock, file: None })
    }

    /// Runs `work` with the state brought up to date. Exclusive over all processes.
    pub(super) fn with_lock<T>(
        &mut self,
        state: &mut State,
        work: impl FnOnce(&mut Journal, &mut State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.lock.lock().map_err(io("lock", &self.dir.join(LOCK)))?;
        let result = self.refresh(state).and_then(|()| work(self, state));
        if result.is_err() {
            // What is in memory may be ahead of or behind the file: read it anew next time.
            self.file = None;
        }
        self.lock.unlock().map_err(io("unlock", &self.dir.join(LOCK)))?;
        result
    }

    fn refresh(&mut self, state: &mut State) -> Result<(), Error> {
        let path = self.dir.join(JOURNAL);
        let on_disk = match fs::metadata(&path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(io("read", &path)(error)),
        };
        if let (Some(open), Some(metadata)) = (&self.file, &on_disk)
            && (open.inode, open.good) == (metadata.ino(), metadata.len())
        {
            return Ok(());
        }
        let fits = matches!((&self.file, &on_disk), (Some(open), Some(now)) if open.inode == now.ino() && open.good <= now.len());
        if !fits {
            *state = State::default();
            let file = private().create(true).read(true).append(true).open(&path).map_err(io("open", &path))?;
            let inode = file.metadata().map_err(io("read", &path))?.ino();
            if on_disk.is_none() {
                sync_dir(&self.dir)?;
            }
            self.file = Some(Open { file, inode, good: 0, lines: 0 });
        }
        let Some(open) = &mut self.file else { return Ok(()) };
        let mut bytes = Vec::new();
        open.file.seek(SeekFrom::Start(open.good)).and_then(|_| open.file.read_to_end(&mut bytes)).map_err(io("read", &path))?;
        let mut rest = bytes.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end + 1);
            match serde_json::from_slice::<Batch>(line) {
                Ok(batch) => batch.changes.into_iter().for_each(|change| state.apply(change)),
                // A torn write can end in anything, a line end included, but nothing readable follows it.
                Err(_) if after.iter().all(|byte| *byte != b'\n') => break,
                Err(source) => return Err(Error::Corrupt { path, line: open.lines + 1, source }),
            }
            open.good += line.len() as u64;
            open.lines += 1;
            rest = after;
        }
        Ok(())
    }

    /// Appends one line and syncs it. The state already holds it; on an error the caller reads everything anew.
    pub(super) fn append(&mut self, batch: &Batch, state: &State) -> Result<(), Error> {
        let path = self.dir.join(JOURNAL);
        let mut line = serde_json::to_vec(batch).map_err(|source| Error::Encode { source })?;
        line.push(b'\n');
        let Some(open) = &mut self.file else { return Err(Error::Closed) };
        let length = open.file.metadata().map_err(io("read", &path))?.len();
        if length > open.good {
            open.file.set_len(open.good).map_err(io("cut the torn end of", &path))?;
        }
        open.file.write_all(&line).and_then(|()| open.file.sync_data()).map_err(io("write", &path))?;
        open.good += line.len() as u64;
        open.lines += 1;
        if open.lines > 2 * state.size() + SLACK {
            self.compact(state)?;
        }
        Ok(())
    }

    /// Rewrites the journal as its snapshot: new file, sync, rename, sync of the directory.
    pub(super) fn compact(&mut self, state: &State) -> Result<(), Error> {
        let (new, path) = (self.dir.join(COMPACTED), self.dir.join(JOURNAL));
        let mut bytes = Vec::new();
        let batches = state.snapshot();
        for batch in &batches {
            serde_json::to_writer(&mut bytes, batch).map_err(|source| Error::Encode { source })?;
            bytes.push(b'\n');
        }
        // A left-over of a compaction that was killed is of no use to anybody.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io("remove", &new)(error)),
            Ok(()) | Err(_) => {}
        }
        let mut file = private().create_new(true).read(true).append(true).open(&new).map_err(io("create", &new))?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(io("write", &new))?;
        fs::rename(&new, &path).map_err(io("replace", &path))?;
        sync_dir(&self.dir)?;
        let inode = file.metadata().map_err(io("read", &path))?.ino();
        self.file = Some(Open { file, inode, good: bytes.len() as u64, lines: batches.len() });
        Ok(())
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io("sync", dir))
}
