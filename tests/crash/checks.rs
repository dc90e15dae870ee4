//! What must hold: after every restart, whenever it rests, and at the end. The simulated cloud and the files are the truth;
//! Galley is asked only for what it claims.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use galley::api::terraformjob::JobPhase;
use galley::api::{Approval, Design, TerraformJob};

use crate::person::Person;
use crate::world::{Version, World};

/// Terraform's `-parallelism`: more than this cannot be on its way between the cloud and the state.
const IN_FLIGHT: usize = 10;

/// What the states held when Galley died.
#[derive(Debug, Clone)]
pub struct Kept {
    /// the newest whole state, file or mirror
    version: Version,
    /// recorded by terraform and in no mirror, because the power was cut and the file is torn
    lost: BTreeSet<String>,
}

impl Kept {
    /// For who tests the checks.
    pub fn remembered(version: Version, lost: BTreeSet<String>) -> Kept {
        Kept { version, lost }
    }
    pub fn of(world: &World, uid: &str) -> Option<Kept> {
        let mirror = world.mirrored(uid);
        let version = world
            .file_version(uid)
            .into_iter()
            .chain(mirror.iter().map(|(version, _)| version.clone()))
            .max_by_key(|(_, serial)| *serial)?;
        let torn = world.file_version(uid).is_none();
        let before = world.before_the_cut(uid).filter(|_| torn).unwrap_or_default();
        let held = mirror.map(|(_, addresses)| addresses).unwrap_or_default();
        Some(Kept { version, lost: before.difference(&held).cloned().collect() })
    }
}

impl Person<'_> {
    /// No acknowledged edit is lost.
    pub async fn check_acknowledged(&mut self) {
        if let Ok(session) = self.sessions().get_opt(&self.name).await {
            let kept = session.and_then(|session| session.spec.title.rsplit(' ').next().and_then(|text| text.parse::<u64>().ok()));
            let acknowledged = self.acknowledged_title();
            if acknowledged > 0 && kept.is_some_and(|kept| kept < acknowledged) {
                self.wrong(format!("acknowledged title {acknowledged} was lost: {kept:?}"));
            }
        }
        let Some((generation, patch)) = self.acknowledged_edit() else { return };
        match self.designs().get_opt(&self.name).await {
            Ok(Some(design)) => {
                let spec = serde_json::to_value(&design.spec).unwrap_or_default();
                let mut merged = spec.clone();
                json_patch::merge(&mut merged, &patch);
                if design.metadata.generation < Some(generation) || (design.metadata.generation == Some(generation) && merged != spec) {
                    self.wrong(format!("acknowledged edit of generation {generation} was lost: {:?}", design.metadata.generation));
                }
            }
            Ok(None) => self.wrong("an acknowledged design was lost"),
            Err(_) => {}
        }
    }

    /// The first rest after a death: no state went back, and what terraform recorded in the last moment before a power cut
    /// is in the state or named.
    pub fn check_kept(&mut self, design: &Design) {
        let (Some(kept), Some(uid)) = (self.kept.take(), design.metadata.uid.clone()) else { return };
        match self.world.file_version(&uid).or(self.world.mirrored(&uid).map(|(version, _)| version)) {
            Some((lineage, serial)) if lineage == kept.version.0 && serial >= kept.version.1 => {}
            now => self.wrong(format!("the state was at {:?} and is at {now:?}", kept.version)),
        }
        if kept.lost.len() > IN_FLIGHT {
            self.wrong(format!("recorded, not mirrored and lost: {:?}", kept.lost));
        }
        let (state, named) = (self.world.known(&uid), named(design));
        let cloud: BTreeSet<String> = self.world.in_cloud(&uid).into_keys().collect();
        for address in kept.lost.iter().filter(|address| cloud.contains(*address)) {
            if !state.contains(address) && !named.contains(address) {
                self.wrong(format!("{address} was recorded before the power cut and is neither in the state nor named"));
            }
        }
    }

    /// A job that runs holds the gate of its session.
    pub async fn check_gate(&mut self) -> Result<(), kube::Error> {
        let running =
            |jobs: Vec<TerraformJob>| jobs.into_iter().find(|job| job.phase() == JobPhase::Running).and_then(|job| job.metadata.name);
        let Some(name) = running(self.jobs().list(&Default::default()).await?.items) else { return Ok(()) };
        let session = self.sessions().get_opt(&self.name).await?;
        let holder = session.and_then(|session| session.status).and_then(|status| status.active_operation).map(|active| active.name);
        // it may have ended between the two looks; the gate is given back after that
        let still = running(self.jobs().list(&Default::default()).await?.items);
        if still.as_ref() == Some(&name) && holder.as_ref() != Some(&name) {
            self.wrong(format!("job {name} runs and the gate is held by {holder:?}"));
        }
        Ok(())
    }

    /// No document claims a state that is not mirrored.
    pub fn check_mirror(&mut self, design: &Design) {
        let Some(uid) = design.metadata.uid.clone() else { return };
        let Some(claimed) = design.status.clone().and_then(|status| status.state) else { return };
        let mirrored = self.world.mirrored(&uid).map(|((_, serial), _)| serial);
        if mirrored.is_none_or(|serial| serial < claimed.serial) {
            self.wrong(format!("the status claims serial {} and the mirror holds {mirrored:?}", claimed.serial));
        }
    }

    /// Whatever is in the cloud is in the state, or named; and what is only named cannot be more than was in flight.
    /// Nothing may run meanwhile: what was seen counts only if the design still rests after the look.
    pub async fn check_named(&mut self, design: &Design) -> Result<(), kube::Error> {
        let Some(uid) = design.metadata.uid.clone() else { return Ok(()) };
        let (state, named) = (self.world.known(&uid), named(design));
        let cloud: Vec<String> = self.world.in_cloud(&uid).into_keys().filter(|address| !address.contains(':')).collect();
        let unrecorded: Vec<String> = cloud.into_iter().filter(|address| !state.contains(address)).collect();
        let unnamed: Vec<&String> = unrecorded.iter().filter(|address| !named.contains(*address)).collect();
        if unnamed.is_empty() && unrecorded.len() <= IN_FLIGHT {
            self.check_mirror(design);
            return Ok(());
        }
        let now = self.designs().get_opt(&self.name).await?;
        let rests = now
            .and_then(|now| now.status)
            .is_some_and(|now| now.active_job.is_none() && Some(&now.plan) == design.status.as_ref().map(|status| &status.plan));
        if rests && unrecorded.len() > IN_FLIGHT {
            self.wrong(format!("{} resources are in the cloud and in no state: {unrecorded:?}", unrecorded.len()));
        }
        for address in unnamed.into_iter().filter(|_| rests) {
            self.wrong(format!("{address} is in the cloud, in no state and not named"));
        }
        Ok(())
    }

    /// What must hold when all is done.
    pub async fn check_end(&mut self, expected: Option<&BTreeSet<String>>) {
        let jobs = self.check_open().await;
        self.check_classified(&jobs);
        self.check_approvals(&jobs).await;
        if let Ok(Some(design)) = self.designs().get_opt(&self.name).await {
            self.check_kept(&design);
            self.check_mirror(&design);
        }
        self.check_cloud(expected);
    }

    /// No job is open for ever and no gate held; gives the jobs.
    async fn check_open(&mut self) -> Vec<TerraformJob> {
        let began = Instant::now();
        loop {
            let jobs = self.jobs().list(&Default::default()).await.map(|list| list.items).unwrap_or_default();
            let session = self.sessions().get_opt(&self.name).await.ok().flatten();
            let gate = session.and_then(|session| session.status).and_then(|status| status.active_operation);
            let open: Vec<String> =
                jobs.iter().filter(|job| !job.phase().is_terminal()).filter_map(|job| job.metadata.name.clone()).collect();
            if open.is_empty() && gate.is_none() {
                return jobs;
            }
            if began.elapsed() > Duration::from_secs(20) {
                self.wrong(format!("at the end the gate is {:?} and these jobs are open: {open:?}", gate.map(|gate| gate.name)));
                return jobs;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Every job that did not succeed says why and who acts; none that failed is called a success.
    fn check_classified(&mut self, jobs: &[TerraformJob]) {
        for job in jobs {
            let status = job.status.clone().unwrap_or_default();
            let told = match job.phase() {
                JobPhase::Failed | JobPhase::Interrupted => status.reason.is_some() && status.who_acts.is_some(),
                JobPhase::Cancelled | JobPhase::Succeeded => status.finished_at.is_some(),
                JobPhase::Pending | JobPhase::Running => true,
            };
            if !told {
                self.wrong(format!("job {:?} is {:?} and does not say why", job.metadata.name, job.phase()));
            }
        }
    }

    /// Every apply that ran used up exactly one approval, of exactly its plan, which no other job used; and ran once.
    async fn check_approvals(&mut self, jobs: &[TerraformJob]) {
        let approvals = self.approvals().list(&Default::default()).await.map(|list| list.items).unwrap_or_default();
        let applies = self.world.applies();
        let mut spent = BTreeSet::new();
        for job in jobs.iter().filter(|job| job.spec.action.changes_the_cloud()) {
            let name = job.metadata.name.clone().unwrap_or_default();
            if !applies.iter().any(|line| line.contains(&name)) {
                continue;
            }
            let consumed = |approval: &&Approval| approval.status.as_ref().and_then(|status| status.consumed_by.as_ref()) == Some(&name);
            let used: Vec<&Approval> = approvals.iter().filter(consumed).collect();
            let wanted = job.spec.plan.as_ref().map(|plan| plan.plan_sha256.clone());
            match used.as_slice() {
                [one] if Some(&one.spec.plan_sha256) == wanted.as_ref() => {}
                [one] => self.wrong(format!("job {name} ran on an approval of another plan: {}", one.spec.plan_sha256)),
                more => self.wrong(format!("job {name} ran with {} approvals of its plan", more.len())),
            }
            if !spent.insert(job.spec.plan.as_ref().map(|plan| plan.approval_uid.clone())) {
                self.wrong(format!("job {name} ran on an approval that another job used up"));
            }
        }
        let distinct: BTreeSet<&String> = applies.iter().collect();
        if distinct.len() != applies.len() {
            self.wrong(format!("terraform apply ran twice on one plan: {applies:?}"));
        }
    }

    /// Nothing is there twice, nothing is missing, and the state holds all of it.
    fn check_cloud(&mut self, expected: Option<&BTreeSet<String>>) {
        let Some(uid) = self.uid.clone() else { return };
        let cloud = self.world.in_cloud(&uid);
        for (address, ids) in cloud.iter().filter(|(_, ids)| ids.len() > 1) {
            self.wrong(format!("{address} is there {} times", ids.len()));
        }
        let found: BTreeSet<String> = cloud.into_keys().collect();
        if let Some(expected) = expected
            && found != *expected
        {
            let (more, less): (Vec<_>, Vec<_>) = (found.difference(expected).collect(), expected.difference(&found).collect());
            self.wrong(format!("at the end the cloud has {more:?} too much and lacks {less:?}"));
        }
        if let Some(state) = self.world.in_state(&uid)
            && let Some(missing) = found.iter().find(|address| !address.contains(':') && !state.contains(*address))
        {
            self.wrong(format!("at the end {missing} is in the cloud and not in the state"));
        }
    }
}

/// Addresses that the status names: in flight, or about to be imported.
fn named(design: &Design) -> BTreeSet<String> {
    let status = design.status.clone().unwrap_or_default();
    let in_flight = status.outcome.into_iter().flat_map(|outcome| outcome.in_flight).map(|entry| entry.address);
    in_flight.chain(status.plan.map(|plan| plan.imports).unwrap_or_default().into_keys()).collect()
}
