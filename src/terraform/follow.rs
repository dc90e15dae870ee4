//! Follows what a running terraform writes: its output files, line by line, and its state file, snapshot by snapshot.
//! One thread per running process; polling, because a state file is rewritten in place and any snapshot may be torn.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::plan::StateView;

/// Longest line taken; a longer one is cut. Terraform's own are a few KiB, a provider's error may quote a body.
const LINE_LIMIT: usize = 256 * 1024;

/// What was written.
#[derive(Debug)]
pub(super) enum Written {
    /// a line of standard output
    Out(String),
    /// a line of standard error
    Err(String),
    /// both together are longer than allowed; said once
    TooMuch,
}

/// A whole state with a higher serial than the one before.
pub(super) type Snapshot = (StateView, Bytes);

/// What to follow.
pub(super) struct Follow {
    pub stdout: PathBuf,
    pub stderr: PathBuf,
    /// state file, and the serial that is known already
    pub state: Option<(PathBuf, Option<u64>)>,
    /// most bytes of both outputs
    pub output_limit: u64,
    /// how often it looks
    pub poll: Duration,
}

/// The following thread. Ends when told, after a last look, or when nobody listens any more.
pub(super) struct Follower {
    ended: Arc<AtomicBool>,
    thread: std::thread::Thread,
}

impl Follower {
    /// Starts to follow. `lines` and `states` are closed after the last look.
    pub fn start(follow: Follow, lines: mpsc::Sender<Written>, states: mpsc::Sender<Snapshot>) -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let flag = ended.clone();
        let handle = std::thread::Builder::new().name("follow".to_owned()).spawn(move || {
            let Follow { stdout, stderr, state, output_limit, poll } = follow;
            let mut out = Tail::new(stdout);
            let mut err = Tail::new(stderr);
            let mut state = state.map(|(path, serial)| StateFile { path, serial, looked: None });
            let mut told = false;
            loop {
                let is_last = flag.load(Ordering::Acquire);
                let mut alive = true;
                out.read(is_last, |line| alive &= lines.blocking_send(Written::Out(line)).is_ok());
                err.read(is_last, |line| alive &= lines.blocking_send(Written::Err(line)).is_ok());
                if let Some(snapshot) = state.as_mut().and_then(StateFile::newer) {
                    alive &= states.blocking_send(snapshot).is_ok();
                }
                if out.offset + err.offset > output_limit && !told {
                    told = true;
                    alive &= lines.blocking_send(Written::TooMuch).is_ok();
                }
                if is_last || !alive || lines.is_closed() {
                    break;
                }
                // `finish` wakes it up, so that the end of a short run is not waited for.
                std::thread::park_timeout(poll);
            }
        })?;
        Ok(Follower { ended, thread: handle.thread().clone() })
    }

    /// The process ended: one last look, then the channels close.
    pub fn finish(&self) {
        self.ended.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A file that grows.
struct Tail {
    path: PathBuf,
    offset: u64,
    rest: Vec<u8>,
    is_cut: bool,
}

impl Tail {
    fn new(path: PathBuf) -> Self {
        Tail { path, offset: 0, rest: Vec::new(), is_cut: false }
    }

    /// Gives every new whole line; at the end also an unfinished one.
    fn read(&mut self, is_last: bool, mut give: impl FnMut(String)) {
        let mut chunk = [0_u8; 64 * 1024];
        if let Ok(mut file) = File::open(&self.path)
            && file.seek(SeekFrom::Start(self.offset)).is_ok()
        {
            while let Ok(read) = file.read(&mut chunk) {
                if read == 0 {
                    break;
                }
                self.offset += read as u64;
                self.take(&chunk[..read], &mut give);
            }
        }
        if is_last && !self.rest.is_empty() {
            give(String::from_utf8_lossy(&std::mem::take(&mut self.rest)).into_owned());
        }
    }

    fn take(&mut self, bytes: &[u8], give: &mut impl FnMut(String)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_whole) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = LINE_LIMIT.saturating_sub(self.rest.len());
            self.is_cut |= text.len() > room;
            self.rest.extend_from_slice(&text[..text.len().min(room)]);
            if is_whole {
                let mut line = String::from_utf8_lossy(&std::mem::take(&mut self.rest)).into_owned();
                if std::mem::take(&mut self.is_cut) {
                    line.push('…');
                }
                if !line.trim().is_empty() {
                    give(line);
                }
            }
        }
    }
}

/// The state file.
struct StateFile {
    path: PathBuf,
    serial: Option<u64>,
    looked: Option<(SystemTime, u64)>,
}

impl StateFile {
    /// A whole state with a higher serial, if there is one. A torn one is looked at again next time.
    fn newer(&mut self) -> Option<Snapshot> {
        let meta = std::fs::metadata(&self.path).ok()?;
        let stamp = (meta.modified().ok()?, meta.len());
        if self.looked == Some(stamp) {
            return None;
        }
        let bytes = std::fs::read(&self.path).ok()?;
        let Ok(view) = StateView::parse(&bytes) else {
            self.looked = None;
            return None;
        };
        self.looked = Some(stamp);
        if self.serial.is_some_and(|serial| view.record.serial <= serial) {
            return None;
        }
        self.serial = Some(view.record.serial);
        Some((view, bytes.into()))
    }
}
