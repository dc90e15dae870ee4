//! After a crash: prove the owner dead, settle the state, and say which addresses nobody saw the end of. Applies nothing.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::Path;
use std::time::Duration;

use super::local::LocalRunner;
use super::mirror::{File, Settled, read_file};
use super::owner::{self, Life};
use super::workdir::{JobDir, OWNER, Workdir, put_aside, write_private};
use super::{Error, Recovered, job};
use crate::api::terraformjob::{Action, Owner};
use crate::blobs::{BlobKey, JobBlob};
use crate::faults::{self, Mutant};
use crate::plan::events::parse_line;
use crate::plan::mask::Redactor;
use crate::plan::outcome::Ended;
use crate::plan::{PlanView, Tracker};
use crate::process::{self, Signal};

/// Marks when a leftover terraform was seen first; its age decides about the kill.
const SEEN: &str = "orphan-seen";
/// A look that was told to stop and does not is killed after this: nothing in the cloud hangs on it, and somebody waits.
const LOOK_GRACE: Duration = Duration::from_secs(2);

impl LocalRunner {
    pub(super) async fn look_after_crash(
        &self,
        design_uid: &str,
        job: &str,
        action: Action,
        owner: Option<&Owner>,
    ) -> Result<Recovered, Error> {
        let work = self.workdir(design_uid);
        let dir = work.job(job);
        if faults::is_broken(Mutant::NoFence) {
            let state = self.settle(design_uid).await?.view.map(|view| view.record.clone());
            return Ok(Recovered::Dead { state, restored: false, in_flight: vec![], created: vec![], not_attempted: vec![] });
        }
        // Our own note is written before anybody records the owner: it fills the gap between start and record.
        let noted: Option<Owner> = std::fs::read(dir.file(OWNER)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let owners: Vec<&Owner> = owner.into_iter().chain(noted.as_ref()).collect();
        let lives: Vec<Life> = owners.iter().map(|owner| owner::judge(owner, self.options.epoch, self.options.other_hosts)).collect();
        if lives.contains(&Life::Alive) {
            let known = owners.iter().filter_map(|owner| Some((owner.pid?, owner.start_time?)));
            self.calm_down(&dir, &known.collect(), action)?;
            return Ok(Recovered::StillAlive);
        }
        if lives.contains(&Life::Unknown) {
            return Ok(Recovered::OwnerUnknown);
        }
        let left: BTreeSet<(u32, u64)> =
            owner::leftovers(work.path()).into_iter().filter_map(|pid| Some((pid, process::start_time(pid)?))).collect();
        if !left.is_empty() {
            if owners.iter().any(|owner| owner.pid.is_some()) {
                // Terraform itself is gone: nobody records what its plugins still do, so the sooner they end the better.
                left.iter().try_for_each(|(pid, start)| stop(*pid, *start, Signal::SIGKILL, false))?;
            } else {
                self.calm_down(&dir, &left, action)?;
            }
            return Ok(Recovered::StillAlive);
        }
        self.account_for_the_dead(design_uid, job, action).await
    }

    /// As after a crash, with no record of an owner believed: a person says that it is dead.
    pub(super) async fn take_as_dead(&self, design_uid: &str, job: &str, action: Action) -> Result<Recovered, Error> {
        if !owner::leftovers(self.workdir(design_uid).path()).is_empty() {
            return Ok(Recovered::StillAlive);
        }
        self.account_for_the_dead(design_uid, job, action).await
    }

    async fn account_for_the_dead(&self, design_uid: &str, job: &str, action: Action) -> Result<Recovered, Error> {
        let work = self.workdir(design_uid);
        let dir = work.job(job);
        let tidy = work.clone();
        super::blocking_ours(move || tidy.clean_up()).await?;
        faults::pass("terraform", "recover", "before");
        let settled = self.settle_after_crash(&work, design_uid, job).await?;
        self.remember(design_uid, settled.view.clone());
        let mut ended = self.reconstruct(design_uid, job, action, &dir, &settled).await?;
        // Whoever killed terraform may have killed its provider first: then it still said that a create failed.
        ended.in_flight.append(&mut ended.unanswered);
        Ok(Recovered::Dead {
            state: settled.view.map(|view| view.record.clone()),
            restored: settled.restored,
            in_flight: ended.in_flight,
            created: ended.created,
            not_attempted: ended.not_attempted,
        })
    }

    /// Asks a leftover terraform to stop, once. A second interrupt makes Terraform exit at once and lose what is in
    /// flight, and one whose server died got its first from the kernel (the death signal): only our own child is asked.
    fn calm_down(&self, dir: &JobDir, alive: &BTreeSet<(u32, u64)>, action: Action) -> Result<(), Error> {
        let grace = if action.changes_the_cloud() { self.options.orphan_grace } else { self.options.orphan_grace.min(LOOK_GRACE) };
        let seen = dir.file(SEEN);
        let age = std::fs::metadata(&seen).and_then(|meta| meta.modified()).ok().map(|time| time.elapsed().unwrap_or(Duration::ZERO));
        for (pid, start_time) in alive {
            match age {
                None if process::is_our_child(*pid) => stop(*pid, *start_time, Signal::SIGINT, false)?,
                Some(age) if age > grace => stop(*pid, *start_time, Signal::SIGKILL, true)?,
                None | Some(_) => {}
            }
        }
        if age.is_none() && dir.exists() {
            write_private(&seen, b"").map_err(super::workdir::io_error("mark a leftover terraform"))?;
        }
        Ok(())
    }

    /// As every settling; and a torn file without any mirror is put aside, because every address it may have held is
    /// reported in flight.
    async fn settle_after_crash(&self, work: &Workdir, design_uid: &str, job: &str) -> Result<Settled, Error> {
        let mirror = job::mirror(&self.options, design_uid);
        match mirror.settle(work).await {
            Err(Error::StateUnavailable { design_uid }) => {
                if let File::Torn(_) = read_file(work.state_file()).await? {
                    let (from, to) = (work.state_file(), work.job(job).file("torn.tfstate"));
                    if work.job(job).exists() {
                        super::blocking("put the torn state aside", move || put_aside(&from, &to)).await?;
                        return Ok(Settled { view: None, restored: false });
                    }
                }
                Err(Error::StateUnavailable { design_uid })
            }
            settled => settled,
        }
    }

    async fn reconstruct(&self, design_uid: &str, job: &str, action: Action, dir: &JobDir, settled: &Settled) -> Result<Ended, Error> {
        if !action.changes_the_cloud() {
            return Ok(Ended::default());
        }
        let json = self.options.blobs.get(&BlobKey::job(design_uid, job, JobBlob::PlanJson)).await?;
        let planned = json.and_then(|json| PlanView::parse(&json).ok()).map(|view| view.planned());
        let state = settled.view.as_deref();
        let path = dir.file("apply.out");
        if path.exists() {
            let mut tracker = Tracker::new(planned.unwrap_or_default());
            super::blocking("read the events", move || read_events(&path, &mut tracker).map(|()| tracker))
                .await
                .map(|tracker| tracker.end(state))
        } else if dir.exists() {
            // The directory of the job is there and terraform wrote nothing: it was never started.
            Ok(Ended { not_attempted: planned.unwrap_or_default().into_keys().collect(), ..Ended::default() })
        } else {
            // The disk is another one: whatever was planned may have been begun.
            Ok(Tracker::unseen(planned.unwrap_or_default(), state))
        }
    }
}

fn stop(pid: u32, start_time: u64, signal: Signal, group: bool) -> Result<(), Error> {
    let sent = process::signal_other(pid, start_time, signal, group);
    sent.map_err(|source| Error::Io { verb: "signal a leftover process".into(), source })
}

fn read_events(path: &Path, tracker: &mut Tracker) -> std::io::Result<()> {
    let mut reader = std::io::BufReader::new(std::fs::File::open(path)?);
    // only what happened is read here, and nothing of what was said is kept
    let (mut line, nothing) = (Vec::new(), Redactor::default());
    while reader.read_until(b'\n', &mut line)? > 0 {
        tracker.observe(&parse_line(String::from_utf8_lossy(&line).trim_end(), &nothing).event);
        line.clear();
    }
    Ok(())
}
