//! A person with the approver credential who wants one thing and keeps at it: writes until the write is acknowledged,
//! approves what was read, asks for another try where the status says that a person must.

use std::time::{Duration, Instant};

use galley::api::approval::ApprovalSpec;
use galley::api::condition::{READY, condition};
use galley::api::{Approval, Design, Session, TerraformJob};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::world::{APPROVER, EDITOR, Start, World};

/// Until everything is as wanted, restarts and back-offs of 15 s included.
const PATIENCE: Duration = Duration::from_secs(150);
/// From the start of the process to the first turn of a controller.
const RECOVERY: Duration = Duration::from_secs(5);

/// One write, and where it leads.
#[derive(Clone)]
pub enum Wish {
    /// session and design
    Create(Value),
    /// merge patch of the design's spec
    Edit(Value),
    /// the session goes, with everything
    Delete,
}

pub struct Person<'a> {
    pub world: &'a mut World,
    pub name: String,
    pub uid: Option<String>,
    pub violations: Vec<String>,
    pub deaths: usize,
    pub slowest: Duration,
    /// (generation, patch) of every acknowledged edit
    acknowledged: Vec<(i64, Value)>,
    title: (u64, u64),
    requests: usize,
}

type Answer<T> = Result<T, kube::Error>;

impl<'a> Person<'a> {
    pub fn new(world: &'a mut World, name: &str, uid: Option<String>) -> Self {
        Person {
            world,
            name: name.to_owned(),
            uid,
            violations: vec![],
            deaths: 0,
            slowest: Duration::ZERO,
            acknowledged: vec![],
            title: (0, 0),
            requests: 0,
        }
    }

    fn designs(&self) -> Api<Design> {
        Api::default_namespaced(self.world.kube(EDITOR).expect("client"))
    }
    fn sessions(&self) -> Api<Session> {
        Api::default_namespaced(self.world.kube(EDITOR).expect("client"))
    }
    fn jobs(&self) -> Api<TerraformJob> {
        Api::default_namespaced(self.world.kube(EDITOR).expect("client"))
    }
    fn approvals(&self) -> Api<Approval> {
        Api::default_namespaced(self.world.kube(APPROVER).expect("client"))
    }

    fn wrong(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.violations.contains(&what) {
            self.violations.push(what);
        }
    }

    /// Carries out one wish to its end. `fault` is armed at the first start only.
    pub async fn fulfil(&mut self, wish: &Wish) {
        let began = Instant::now();
        let mut written = false;
        while began.elapsed() < PATIENCE {
            if self.world.died() {
                self.deaths += 1;
                if !self.restart().await {
                    return;
                }
            }
            match self.go_on(wish, &mut written).await {
                Ok(true) => return,
                // an answer that says no, or no answer: the world is read again
                Ok(false) | Err(_) => tokio::time::sleep(Duration::from_millis(30)).await,
            }
        }
        let state = match self.designs().get_opt(&self.name).await {
            Ok(Some(design)) => serde_json::to_string(&design.status).unwrap_or_default(),
            Ok(None) => "the design is gone".to_owned(),
            Err(error) => error.to_string(),
        };
        let jobs = self.jobs().list(&Default::default()).await.map(|list| list.items).unwrap_or_default();
        let jobs: Vec<String> = jobs.iter().map(|job| format!("{:?} {:?}", job.metadata.name, job.phase())).collect();
        self.wrong(format!("stuck: not as wanted after {PATIENCE:?}: {state} {jobs:?}"));
    }

    async fn restart(&mut self) -> bool {
        let before = self.world.log().len();
        let began = Instant::now();
        match self.world.start(None).await {
            Ok(Start::Ready(_)) => {}
            Ok(Start::Died) => {
                self.wrong("it does not start again");
                return false;
            }
            Err(error) => {
                self.wrong(format!("it does not start again: {error}"));
                return false;
            }
        }
        self.check_acknowledged().await;
        // the first turn of a controller, where there is a design to turn
        if matches!(self.designs().get_opt(&self.name).await, Ok(Some(_))) {
            while !self.world.log().get(before..).is_some_and(|log| log.contains("\"step\"")) && began.elapsed() < RECOVERY * 3 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        let took = began.elapsed();
        self.slowest = self.slowest.max(took);
        if took > RECOVERY {
            self.wrong(format!("recovery took {took:?}"));
        }
        true
    }

    /// No acknowledged edit is lost.
    async fn check_acknowledged(&mut self) {
        if let Ok(session) = self.sessions().get_opt(&self.name).await {
            let kept = session.and_then(|session| session.spec.title.rsplit(' ').next().and_then(|text| text.parse::<u64>().ok()));
            let (acknowledged, _) = self.title;
            if acknowledged > 0 && kept.is_some_and(|kept| kept < acknowledged) {
                self.wrong(format!("acknowledged title {acknowledged} was lost: {kept:?}"));
            }
        }
        let Some((generation, patch)) = self.acknowledged.last().cloned() else { return };
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

    /// One look, at most one write. True when the wish came true.
    async fn go_on(&mut self, wish: &Wish, written: &mut bool) -> Answer<bool> {
        if !*written {
            self.write(wish).await?;
            *written = true;
        }
        let Some(design) = self.designs().get_opt(&self.name).await? else {
            let gone = matches!(wish, Wish::Delete) && self.sessions().get_opt(&self.name).await?.is_none();
            return Ok(gone);
        };
        self.uid = design.metadata.uid.clone();
        self.retitle().await?;
        let status = design.status.clone().unwrap_or_default();
        let current = status.observed_generation == design.metadata.generation;
        let reason = condition(&status.conditions, READY).map(|ready| ready.reason.clone()).unwrap_or_default();
        if !current || status.active_job.is_some() {
            return Ok(false);
        }
        match (reason.as_str(), wish) {
            ("Synced", Wish::Create(_) | Wish::Edit(_)) => return Ok(true),
            ("Destroyed", Wish::Edit(_)) => return Ok(true),
            ("AwaitingApproval", _) => self.approve(&design).await?,
            ("InFlightUnconfirmed", _) => {
                self.delete_by_hand(&design);
                self.ask("Retry").await?;
            }
            ("PlanExpired", _) => self.ask("Plan").await?,
            // what only a person can mend: here a refusal that is over, or resources that a killed destroy removed
            ("JobFailed" | "ResourcesVanished" | "Internal" | "Cancelled", _) => self.ask("Retry").await?,
            ("StateUnavailable" | "OwnerUnknown", _) => self.wrong(format!("it rests at {reason}")),
            _ => {}
        }
        Ok(false)
    }

    async fn write(&mut self, wish: &Wish) -> Answer<()> {
        match wish {
            Wish::Create(spec) => {
                let session = json!({"apiVersion": "galley.dev/v1alpha1", "kind": "Session", "metadata": {"name": self.name}, "spec": {"title": "crash 0"}});
                let session: Session = serde_json::from_value(session).expect("session");
                unless_there(self.sessions().create(&PostParams::default(), &session).await)?;
                let mut spec = spec.clone();
                spec["sessionRef"] = json!(self.name);
                let design = json!({"apiVersion": "galley.dev/v1alpha1", "kind": "Design", "metadata": {"name": self.name}, "spec": spec});
                let design: Design = serde_json::from_value(design).expect("design");
                if let Some(made) = unless_there(self.designs().create(&PostParams::default(), &design).await)? {
                    self.acknowledged.push((made.metadata.generation.unwrap_or_default(), json!({})));
                }
            }
            Wish::Edit(patch) => self.edit(patch.clone()).await?,
            Wish::Delete => match self.sessions().delete(&self.name, &DeleteParams::default()).await {
                Ok(_) => self.acknowledged.clear(),
                Err(kube::Error::Api(status)) if status.code == 404 => self.acknowledged.clear(),
                Err(error) => {
                    // it may have been done all the same
                    self.acknowledged.clear();
                    return Err(error);
                }
            },
        }
        Ok(())
    }

    async fn edit(&mut self, patch: Value) -> Answer<()> {
        let edited = self.designs().patch(&self.name, &PatchParams::default(), &Patch::Merge(json!({ "spec": patch }))).await?;
        self.acknowledged.push((edited.metadata.generation.unwrap_or_default(), patch));
        Ok(())
    }

    async fn ask(&mut self, action: &str) -> Answer<()> {
        self.requests += 1;
        let id = format!("try-{}", self.requests);
        self.edit(json!({"request": {"id": id, "action": action}})).await
    }

    /// A write that nothing waits for, so that there is always one about to be acknowledged.
    async fn retitle(&mut self) -> Answer<()> {
        self.title.1 += 1;
        let title = json!({"spec": {"title": format!("crash {}", self.title.1)}});
        self.sessions().patch(&self.name, &PatchParams::default(), &Patch::Merge(title)).await?;
        self.title.0 = self.title.1;
        Ok(())
    }

    /// Approves the plan that was read, unless that was done already. Looks around first: nothing runs now.
    async fn approve(&mut self, design: &Design) -> Answer<()> {
        self.check_named(design);
        let status = design.status.clone().unwrap_or_default();
        let Some(plan) = status.plan.filter(|plan| Some(plan.generation) == design.metadata.generation) else { return Ok(()) };
        if status.outcome.is_some_and(|outcome| outcome.unknown) {
            self.wrong("it asks for approval while an outcome is unknown");
        }
        let known = self.approvals().list(&Default::default()).await?;
        let same = |approval: &&Approval| approval.spec.plan_sha256 == plan.plan_sha256 && approval.spec.generation == plan.generation;
        if known.items.iter().any(|approval| same(&approval)) {
            return Ok(());
        }
        let spec = ApprovalSpec {
            design_ref: self.name.clone(),
            design_uid: design.metadata.uid.clone().unwrap_or_default(),
            plan_sha256: plan.plan_sha256,
            generation: plan.generation,
            expires_at: plan.expires_at,
            reason: None,
        };
        let mut approval = Approval::new("", spec);
        approval.metadata.name = None;
        approval.metadata.generate_name = Some(format!("{}-", self.name));
        self.approvals().create(&PostParams::default(), &approval).await.map(|_| ())
    }

    /// Whatever is in the cloud is in the state, or named as in flight, or about to be imported.
    fn check_named(&mut self, design: &Design) {
        let Some(uid) = design.metadata.uid.clone() else { return };
        let status = design.status.clone().unwrap_or_default();
        let state = self.world.in_state(&uid).unwrap_or_default();
        let named: Vec<String> =
            status.outcome.iter().flat_map(|outcome| outcome.in_flight.iter().map(|entry| entry.address.clone())).collect();
        let imported = status.plan.map(|plan| plan.imports).unwrap_or_default();
        for address in self.world.in_cloud(&uid).keys().filter(|address| !address.contains(':')) {
            if !state.contains(address) && !named.contains(address) && !imported.contains_key(address) {
                self.wrong(format!("{address} is in the cloud, in no state and not named"));
            }
        }
    }

    /// What the status asks a person for before a destroy goes on: look for the named resources and delete them.
    fn delete_by_hand(&mut self, design: &Design) {
        self.check_named(design);
        let Some(uid) = design.metadata.uid.clone() else { return };
        let state = self.world.in_state(&uid).unwrap_or_default();
        for (address, ids) in self.world.in_cloud(&uid) {
            if !address.contains(':') && !state.contains(&address) {
                for id in ids {
                    let _ = self.world.cloud(&uid).delete(&id);
                }
            }
        }
    }

    /// What must hold when all is done.
    pub async fn check_end(&mut self, expected: Option<&std::collections::BTreeSet<String>>) {
        let began = Instant::now();
        let jobs = loop {
            let jobs = self.jobs().list(&Default::default()).await.map(|list| list.items).unwrap_or_default();
            let gate = self
                .sessions()
                .get_opt(&self.name)
                .await
                .ok()
                .flatten()
                .and_then(|session| session.status)
                .and_then(|status| status.active_operation);
            let open: Vec<String> =
                jobs.iter().filter(|job| !job.phase().is_terminal()).filter_map(|job| job.metadata.name.clone()).collect();
            if open.is_empty() && gate.is_none() {
                break jobs;
            }
            if began.elapsed() > Duration::from_secs(20) {
                self.wrong(format!("at the end the gate is {:?} and these jobs are open: {open:?}", gate.map(|gate| gate.name)));
                break jobs;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let approvals = self.approvals().list(&Default::default()).await.map(|list| list.items).unwrap_or_default();
        for job in jobs.iter().filter(|job| job.spec.action.changes_the_cloud()) {
            let name = job.metadata.name.clone().unwrap_or_default();
            let consumed = |approval: &&Approval| approval.status.as_ref().and_then(|status| status.consumed_by.as_ref()) == Some(&name);
            let used: Vec<&Approval> = approvals.iter().filter(consumed).collect();
            let wanted = job.spec.plan.as_ref().map(|plan| plan.plan_sha256.clone());
            let ran = self.world.applies().iter().any(|line| line.contains(&name));
            if ran && (used.len() != 1 || Some(&used[0].spec.plan_sha256) != wanted.as_ref()) {
                self.wrong(format!("job {name} ran with {} approvals of its plan", used.len()));
            }
        }
        let applies = self.world.applies();
        let distinct: std::collections::BTreeSet<&String> = applies.iter().collect();
        if distinct.len() != applies.len() {
            self.wrong(format!("terraform apply ran twice on one plan: {applies:?}"));
        }
        let Some(uid) = self.uid.clone() else { return };
        let cloud = self.world.in_cloud(&uid);
        for (address, ids) in cloud.iter().filter(|(_, ids)| ids.len() > 1) {
            self.wrong(format!("{address} is there {} times", ids.len()));
        }
        let found: std::collections::BTreeSet<String> = cloud.into_keys().collect();
        if let Some(expected) = expected
            && found != *expected
        {
            let (more, less): (Vec<_>, Vec<_>) = (found.difference(expected).collect(), expected.difference(&found).collect());
            self.wrong(format!("at the end the cloud has {more:?} too much and lacks {less:?}"));
        }
        if let Some(state) = self.world.in_state(&uid) {
            let tagged: std::collections::BTreeSet<&String> = found.iter().filter(|address| !address.contains(':')).collect();
            if let Some(missing) = tagged.iter().find(|address| !state.contains(**address)) {
                self.wrong(format!("at the end {missing} is in the cloud and not in the state"));
            }
        }
    }
}

fn unless_there<T>(made: Answer<T>) -> Answer<Option<T>> {
    match made {
        Ok(made) => Ok(Some(made)),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
        Err(error) => Err(error),
    }
}
