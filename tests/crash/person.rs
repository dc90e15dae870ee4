//! A person with the approver credential who wants one thing and keeps at it: writes until the write is acknowledged,
//! approves what was read, asks for another try where the status says that a person must.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use galley::api::approval::ApprovalSpec;
use galley::api::condition::{READY, condition};
use galley::api::{Approval, Design, Session, TerraformJob};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::checks::Kept;
use crate::world::{APPROVER, EDITOR, Start, World};

/// Until everything is as wanted, restarts and back-offs of 15 s included. What is stuck is stuck for ever, so a loaded
/// machine may take its time.
const PATIENCE: Duration = Duration::from_secs(300);
/// From the start of the process to the first turn of a controller.
pub const RECOVERY: Duration = Duration::from_secs(5);
/// A create that takes a moment is in the cloud before it is in any state: that is where a kill hurts.
const SLOW_CREATE: Duration = Duration::from_millis(80);
/// No plan has this digest.
const NO_PLAN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One write, and where it leads.
#[derive(Clone)]
pub enum Wish {
    /// session and design
    Create(Value),
    /// merge patch of the design's spec
    Edit(Value),
    /// the same, and nobody waits for what comes of it
    Nudge(Value),
    /// the session goes, with everything
    Delete,
}

pub struct Person<'a> {
    pub world: &'a mut World,
    pub name: String,
    pub uid: Option<String>,
    pub violations: Vec<String>,
    pub deaths: usize,
    /// from each restart to the first turn of a controller
    pub recoveries: Vec<Duration>,
    /// what the states held when Galley died, until it is compared
    pub kept: Option<Kept>,
    /// (generation, patch) of every acknowledged edit
    acknowledged: Vec<(i64, Value)>,
    title: (u64, u64),
    requests: usize,
    /// how long a wish may take
    pub patience: Duration,
    /// armed at the next restart
    pub then: Option<String>,
    slowed: BTreeSet<String>,
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
            recoveries: vec![],
            kept: None,
            acknowledged: vec![],
            title: (0, 0),
            requests: 0,
            patience: PATIENCE,
            then: None,
            slowed: BTreeSet::new(),
        }
    }

    pub fn designs(&self) -> Api<Design> {
        Api::default_namespaced(self.world.kube(EDITOR).expect("client"))
    }
    pub fn sessions(&self) -> Api<Session> {
        Api::default_namespaced(self.world.kube(EDITOR).expect("client"))
    }
    pub fn jobs(&self) -> Api<TerraformJob> {
        Api::default_namespaced(self.world.kube(EDITOR).expect("client"))
    }
    pub fn approvals(&self) -> Api<Approval> {
        Api::default_namespaced(self.world.kube(APPROVER).expect("client"))
    }

    pub fn acknowledged_title(&self) -> u64 {
        self.title.0
    }
    pub fn acknowledged_edit(&self) -> Option<(i64, Value)> {
        self.acknowledged.last().cloned()
    }

    /// For who tests the checks: what was never acknowledged is taken as acknowledged.
    pub fn believe_title(&mut self, number: u64) {
        self.title = (number, number);
    }
    /// See [`Person::believe_title`].
    pub fn believe_edit(&mut self, generation: i64, patch: Value) {
        self.acknowledged.push((generation, patch));
    }

    pub fn wrong(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.violations.contains(&what) {
            self.violations.push(what);
        }
    }

    /// Carries out one wish to its end. `fault` is armed at the first start only.
    pub async fn fulfil(&mut self, wish: &Wish) {
        let began = Instant::now();
        let mut written = false;
        while began.elapsed() < self.patience {
            if self.world.died() {
                self.deaths += 1;
                if !self.restart().await {
                    return;
                }
            }
            match self.go_on(wish, &mut written).await {
                Ok(true) => return,
                Ok(false) => {}
                // an answer that says no, or no answer: the world is read again
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        let state = match self.designs().get_opt(&self.name).await {
            Ok(Some(design)) => serde_json::to_string(&design.status).unwrap_or_default(),
            Ok(None) => "the design is gone".to_owned(),
            Err(error) => error.to_string(),
        };
        let jobs = self.jobs().list(&Default::default()).await.map(|list| list.items).unwrap_or_default();
        let jobs: Vec<String> = jobs.iter().map(|job| format!("{:?} {:?}", job.metadata.name, job.phase())).collect();
        self.wrong(format!("stuck: not as wanted after {:?}: {state} {jobs:?}", self.patience));
    }

    /// Waits until the design rests as wanted, asking for nothing.
    pub async fn settle(&mut self) {
        let began = Instant::now();
        while began.elapsed() < self.patience {
            if let Ok(Some(design)) = self.designs().get_opt(&self.name).await {
                let status = design.status.clone().unwrap_or_default();
                let reason = condition(&status.conditions, READY).map(|ready| ready.reason.clone()).unwrap_or_default();
                if reason == "Synced" && status.active_job.is_none() && status.observed_generation == design.metadata.generation {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        self.wrong("it does not come to rest");
    }

    async fn restart(&mut self) -> bool {
        self.kept = self.kept.take().or(self.uid.as_ref().and_then(|uid| Kept::of(self.world, uid)));
        let mut then = self.then.take();
        loop {
            match self.recover(then.take()).await {
                Ok(Start::Ready) => return true,
                // it died again in its recovery, as ordered
                Ok(Start::Died) => self.deaths += 1,
                Err(error) => {
                    self.wrong(format!("it does not start again: {error}"));
                    return false;
                }
            }
        }
    }

    /// One start, to the first turn of a controller.
    pub async fn recover(&mut self, fault: Option<String>) -> std::io::Result<Start> {
        let before = self.world.log().len();
        let began = Instant::now();
        if self.world.start(fault.as_deref()).await? == Start::Died {
            return match fault {
                Some(_) => Ok(Start::Died),
                None => Err(std::io::Error::other("it died, and nothing was ordered")),
            };
        }
        self.check_acknowledged().await;
        // the first turn of a controller, where there is a design to turn
        if matches!(self.designs().get_opt(&self.name).await, Ok(Some(_))) {
            while !self.world.log().get(before..).is_some_and(|log| log.contains("\"step\"")) && began.elapsed() < RECOVERY * 3 {
                if fault.is_some() && self.world.died() {
                    return Ok(Start::Died);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        // what others took of the machine is not the server's: it waited for a core and not for itself
        let took = began.elapsed().saturating_sub(self.world.starved());
        self.recoveries.push(took);
        if took > RECOVERY {
            self.wrong(format!("recovery took {took:?}"));
        }
        Ok(Start::Ready)
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
        self.meet(&design);
        if matches!(wish, Wish::Nudge(_)) {
            return Ok(true);
        }
        self.retitle().await?;
        self.check_gate().await?;
        let status = design.status.clone().unwrap_or_default();
        let current = status.observed_generation == design.metadata.generation;
        let reason = condition(&status.conditions, READY).map(|ready| ready.reason.clone()).unwrap_or_default();
        if !current || status.active_job.is_some() {
            return Ok(false);
        }
        self.check_kept(&design);
        match (reason.as_str(), wish) {
            ("Synced", Wish::Create(_) | Wish::Edit(_)) => return Ok(true),
            ("Destroyed", Wish::Edit(_)) => return Ok(true),
            // suspended by an edit that nobody waited for; the one that ends it was not written yet
            ("Suspended" | "PlanReady", _) => {}
            ("AwaitingApproval", _) => self.approve(&design).await?,
            ("InFlightUnconfirmed", _) => {
                self.delete_by_hand(&design).await?;
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

    /// The uid is known from here on; the first time, creates become slow.
    fn meet(&mut self, design: &Design) {
        let Some(uid) = design.metadata.uid.clone() else { return };
        if self.slowed.insert(uid.clone()) {
            let create = galley::sandbox::FaultOperation::parse("create").expect("an operation");
            let cloud = self.world.cloud(&uid);
            if cloud.faults().is_ok_and(|faults| faults.iter().all(|fault| fault.delay_ms == 0)) {
                let _ = cloud.delay(create, "*", SLOW_CREATE);
            }
        }
        self.uid = Some(uid);
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
            Wish::Edit(patch) | Wish::Nudge(patch) => self.edit(patch.clone()).await?,
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
        // only the approver may lower a policy
        let designs =
            if patch["policy"].is_null() { self.designs() } else { Api::default_namespaced(self.world.kube(APPROVER).expect("client")) };
        let edited = designs.patch(&self.name, &PatchParams::default(), &Patch::Merge(json!({ "spec": patch }))).await?;
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

    /// Approves the plan that was read, unless that was done already. Looks around first: nothing runs now. Before the
    /// very first approval one of another plan is given, which must be refused.
    async fn approve(&mut self, design: &Design) -> Answer<()> {
        self.check_named(design).await?;
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
        let wrong = known.items.iter().find(|approval| approval.spec.plan_sha256 == NO_PLAN);
        match wrong.map(|approval| approval.status.clone().unwrap_or_default()) {
            None => {
                let approval = Approval::new(&format!("{}-wrong", self.name), ApprovalSpec { plan_sha256: NO_PLAN.into(), ..spec });
                unless_there(self.approvals().create(&PostParams::default(), &approval).await).map(|_| ())
            }
            Some(status) if status.refused.is_none() && status.consumed_by.is_none() => Ok(()),
            Some(_) => {
                let mut approval = Approval::new("", spec);
                approval.metadata.name = None;
                approval.metadata.generate_name = Some(format!("{}-", self.name));
                self.approvals().create(&PostParams::default(), &approval).await.map(|_| ())
            }
        }
    }

    /// What the status asks a person for before a destroy goes on: look for the named resources and delete them.
    async fn delete_by_hand(&mut self, design: &Design) -> Answer<()> {
        self.check_named(design).await?;
        let Some(uid) = design.metadata.uid.clone() else { return Ok(()) };
        let state = self.world.known(&uid);
        for (address, ids) in self.world.in_cloud(&uid) {
            if !address.contains(':') && !state.contains(&address) {
                for id in ids {
                    let _ = self.world.cloud(&uid).delete(&id);
                }
            }
        }
        Ok(())
    }
}

fn unless_there<T>(made: Answer<T>) -> Answer<Option<T>> {
    match made {
        Ok(made) => Ok(Some(made)),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
        Err(error) => Err(error),
    }
}
