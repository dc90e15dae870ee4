//! The state, twice: the file that Terraform rewrites in place (and that a kill can tear), and its whole snapshots in
//! blobs. Restores the first from the second, and never the other way round with anything torn.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::follow::Snapshot;
use super::workdir::{Workdir, io_error, remove, write_private};
use super::{Error, Restored, RunEvent};
use crate::api::design::StateRecord;
use crate::blobs::{BlobKey, Blobs};
use crate::faults::{self, Mutant};
use crate::plan::{StateError, StateView};

/// The mirror of one design.
#[derive(Clone)]
pub(super) struct Mirror {
    pub blobs: Arc<dyn Blobs>,
    pub design_uid: String,
    /// how many serials are kept
    pub keep: usize,
}

/// A state after file and mirror were compared.
#[derive(Debug, Clone, Default)]
pub(super) struct Settled {
    /// the newest state; None = there is none anywhere and never was
    pub view: Option<Arc<StateView>>,
    /// true when the file was torn, gone or older, and a mirror took its place
    pub restored: bool,
}

impl Mirror {
    /// The newest whole snapshot. A snapshot that cannot be read is passed over: an older one is better than none.
    pub async fn newest(&self) -> Result<Option<Snapshot>, Error> {
        let mut keys = self.keys().await?;
        while let Some(key) = keys.pop() {
            if let Some(bytes) = self.blobs.get(&key).await?
                && let Ok(view) = StateView::parse(&bytes)
            {
                return Ok(Some((view, bytes)));
            }
        }
        Ok(None)
    }

    async fn keys(&self) -> Result<Vec<BlobKey>, Error> {
        let keys = self.blobs.list(&BlobKey::state_prefix(&self.design_uid)).await?;
        let mut keys: Vec<BlobKey> = keys.into_iter().filter(|key| key.serial().is_some()).collect();
        keys.sort_by_key(BlobKey::serial);
        Ok(keys)
    }

    /// Stores a snapshot durably.
    pub async fn store(&self, view: &StateView, bytes: Bytes) -> Result<(), Error> {
        if faults::is_broken(Mutant::NoMirror) {
            return Ok(());
        }
        Ok(self.blobs.put(&BlobKey::state(&self.design_uid, view.record.serial), bytes).await?)
    }

    /// Removes a snapshot that was made for nothing.
    pub async fn withdraw(&self, serial: u64) -> Result<(), Error> {
        Ok(self.blobs.delete(&BlobKey::state(&self.design_uid, serial)).await?)
    }

    /// Removes all but the newest snapshots.
    pub async fn prune(&self) -> Result<(), Error> {
        let keys = self.keys().await?;
        let surplus = keys.len().saturating_sub(self.keep);
        for key in keys.iter().take(surplus) {
            self.blobs.delete(key).await?;
        }
        Ok(())
    }

    /// Makes a kept snapshot the newest state. Its serial becomes larger than every other, so that nothing that was seen
    /// later takes its place again.
    pub async fn put_back(&self, work: &Workdir, serial: u64, known: u64) -> Result<Restored, Error> {
        let kept: Vec<u64> = self.keys().await?.iter().filter_map(BlobKey::serial).collect();
        let found = if kept.contains(&serial) { self.blobs.get(&BlobKey::state(&self.design_uid, serial)).await? } else { None };
        let on_disk = match read_file(work.state_file()).await? {
            File::Whole(view, _) => view.record.serial,
            File::Absent | File::Torn(_) => 0,
        };
        let above = kept.iter().copied().chain([known, on_disk]).max().unwrap_or(0) + 1;
        let renumbered = found.and_then(|bytes| crate::plan::state::with_serial(&bytes, above).ok());
        let Some((view, bytes)) = renumbered.and_then(|bytes| Some((StateView::parse(&bytes).ok()?, Bytes::from(bytes)))) else {
            return Ok(Restored::Absent { kept });
        };
        self.store(&view, bytes.clone()).await?;
        self.restore(work, bytes).await?;
        Ok(Restored::Done(view.record))
    }

    /// Strikes addresses out of a state, durably. Nothing in the cloud is touched.
    pub async fn strike_out(&self, work: &Workdir, state: &StateView, gone: &BTreeSet<String>) -> Result<StateView, Error> {
        let wrong = |error: std::io::Error| io_error("strike an address out of the state")(error);
        let bytes = Bytes::from(crate::plan::state::without(&state.raw, gone).map_err(|error| wrong(error.into()))?);
        let view = StateView::parse(&bytes).map_err(|error| wrong(std::io::Error::other(error)))?;
        self.store(&view, bytes.clone()).await?;
        self.restore(work, bytes).await?;
        Ok(view)
    }

    /// Compares file and mirror, and makes both the newest whole state of one lineage.
    ///
    /// Errors: [`Error::StateUnavailable`] for a torn file that no mirror can replace, [`Error::StateChanged`] for a file of
    /// another lineage than the mirror's, which nobody but a person may judge.
    pub async fn settle(&self, work: &Workdir) -> Result<Settled, Error> {
        self.adopt_errored(work).await?;
        let file = read_file(work.state_file()).await?;
        let mirrored = self.newest().await?;
        match (file, mirrored) {
            (File::Absent, None) => Ok(Settled::default()),
            (File::Torn(_), None) => Err(Error::StateUnavailable { design_uid: self.design_uid.clone() }),
            (absent_or_torn @ (File::Absent | File::Torn(_)), Some((view, bytes))) => {
                if let File::Torn(why) = absent_or_torn {
                    tracing::warn!(design = %self.design_uid, %why, serial = view.record.serial, "restoring the state from its mirror");
                }
                self.restore(work, bytes).await?;
                Ok(Settled { view: Some(Arc::new(view)), restored: true })
            }
            (File::Whole(view, bytes), None) => {
                self.store(&view, bytes).await?;
                Ok(Settled { view: Some(Arc::new(*view)), restored: false })
            }
            (File::Whole(file, _), Some((mirror, _))) if file.record.lineage != mirror.record.lineage => Err(Error::StateChanged {
                lineage: mirror.record.lineage,
                serial: mirror.record.serial,
                found_lineage: file.record.lineage,
                found_serial: file.record.serial,
            }),
            (File::Whole(file, _), Some((mirror, bytes))) if file.record.serial < mirror.record.serial => {
                self.restore(work, bytes).await?;
                Ok(Settled { view: Some(Arc::new(mirror)), restored: true })
            }
            (File::Whole(file, bytes), Some((mirror, _))) => {
                if file.record.serial > mirror.record.serial {
                    self.store(&file, bytes).await?;
                }
                Ok(Settled { view: Some(Arc::new(*file)), restored: false })
            }
        }
    }

    /// `errored.tfstate` is what Terraform writes when it could not write its state. Newer and of the same lineage, it is
    /// the truth: it takes the place of the state.
    async fn adopt_errored(&self, work: &Workdir) -> Result<(), Error> {
        let path = work.errored_state_file();
        let File::Whole(errored, bytes) = read_file(path.clone()).await? else { return Ok(()) };
        let fits = match (read_file(work.state_file()).await?, self.newest().await?) {
            (File::Whole(file, _), _) => file.record.lineage == errored.record.lineage && file.record.serial < errored.record.serial,
            (File::Absent | File::Torn(_), Some((mirror, _))) => {
                mirror.record.lineage == errored.record.lineage && mirror.record.serial < errored.record.serial
            }
            (File::Absent | File::Torn(_), None) => true,
        };
        if fits {
            self.store(&errored, bytes.clone()).await?;
            self.restore(work, bytes).await?;
        }
        super::blocking("remove errored.tfstate", move || remove(&path)).await
    }

    async fn restore(&self, work: &Workdir, bytes: Bytes) -> Result<(), Error> {
        work.create()?;
        let path = work.state_file();
        super::blocking("restore the state", move || write_private(&path, &bytes)).await
    }

    /// Stores every snapshot that arrives, in order, until the sender is gone; tries again while blobs do not answer.
    /// Gives the newest state that is durably stored.
    pub async fn follow(self, mut states: mpsc::Receiver<Snapshot>, events: mpsc::Sender<RunEvent>) -> Option<StateRecord> {
        let mut stored = None;
        let mut waiting: Option<Snapshot> = None;
        loop {
            // While one snapshot cannot be stored, newer ones replace it: only the newest matters then.
            let next = match waiting.take() {
                None => states.recv().await,
                Some(old) => match tokio::time::timeout(RETRY, states.recv()).await {
                    Ok(Some(newer)) => Some(newer),
                    Ok(None) => return self.last_try(old, &events).await.or(stored),
                    Err(_) => Some(old),
                },
            };
            let Some((view, bytes)) = next else { break };
            match self.store(&view, bytes.clone()).await {
                Ok(()) => {
                    stored = Some(view.record.clone());
                    super::tell(&events, RunEvent::StateMirrored(view.record)).await;
                }
                Err(error) => {
                    tracing::warn!(design = %self.design_uid, error = %super::chain(&error), "cannot mirror the state, trying again");
                    waiting = Some((view, bytes));
                }
            }
        }
        if let Err(error) = self.prune().await {
            tracing::warn!(design = %self.design_uid, error = %super::chain(&error), "cannot remove old states");
        }
        stored
    }

    async fn last_try(&self, (view, bytes): Snapshot, events: &mpsc::Sender<RunEvent>) -> Option<StateRecord> {
        self.store(&view, bytes).await.ok()?;
        super::tell(events, RunEvent::StateMirrored(view.record.clone())).await;
        Some(view.record)
    }
}

/// Pause between two tries to store a snapshot: short, because every moment without a mirror is a moment a kill can use.
const RETRY: Duration = Duration::from_millis(500);

/// What a state file is.
pub(super) enum File {
    Absent,
    Torn(StateError),
    Whole(Box<StateView>, Bytes),
}

/// Reads a state file.
pub(super) async fn read_file(path: PathBuf) -> Result<File, Error> {
    let bytes = tokio::task::spawn_blocking(move || std::fs::read(path)).await.map_err(|error| std::io::Error::other(error.to_string()));
    match bytes.and_then(|read| read) {
        Ok(bytes) => Ok(match StateView::parse(&bytes) {
            Ok(view) => File::Whole(Box::new(view), bytes.into()),
            Err(error) => File::Torn(error),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(File::Absent),
        Err(error) => Err(io_error("read the state")(error)),
    }
}
