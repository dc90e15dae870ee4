//! What the scenarios stand on: a client, a world, and words to tell a story with. To run them on another API server,
//! swap [`House::client`].
#![allow(
    missing_docs,
    clippy::new_without_default,
    clippy::type_complexity,
    reason = "hands of the scenarios: their names say what they do"
)]

pub mod server;
pub mod world;

use std::sync::Arc;
use std::time::Duration;

use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::server::Server;
use self::world::{FakeRunner, MemoryBlobs, TestClock, Words, World};
use super::{Ctx, Host, Parts, Settings, run};
use crate::api::approval::{Channel, Identity};
use crate::api::condition::{READY, condition};
use crate::api::design::{Component, DesiredState};
use crate::api::session::Language;
use crate::api::terraformjob::Action;
use crate::api::{Approval, ApprovalSpec, Design, DesignSpec, DesignStatus, Session, SessionSpec, TerraformJob};
use crate::validator::Defaults;

/// Longer than anything takes on a loaded machine; reached only when something is wrong.
const DEADLINE: Duration = Duration::from_secs(20);

/// A whole Galley without doors.
pub struct House {
    pub server: Server,
    pub runner: FakeRunner,
    pub clock: Arc<TestClock>,
    pub blobs: Arc<MemoryBlobs>,
    pub shutdown: CancellationToken,
    pub settings: fn(&mut Settings),
    pub disk: Option<Arc<dyn Fn() -> std::io::Result<super::retention::DiskUse> + Send + Sync>>,
    task: Option<JoinHandle<()>>,
}

impl House {
    /// A house that is not running yet.
    pub fn new() -> Self {
        let clock = Arc::new(TestClock::new());
        let runner = FakeRunner { world: Arc::default(), release: Arc::default(), clock: clock.clone() };
        let shutdown = CancellationToken::new();
        House { server: Server::new(), runner, clock, blobs: Arc::default(), shutdown, settings: |_| {}, disk: None, task: None }
    }
    /// The same with other numbers.
    pub fn with(settings: fn(&mut Settings)) -> Self {
        House { settings, ..House::new() }
    }
    /// The client of the controllers.
    pub fn client(&self) -> kube::Client {
        self.server.client(Identity::system())
    }
    /// Starts the controllers.
    pub fn open(mut self) -> Self {
        let defaults = Defaults { region: "ap-osaka-1".into(), compartment_id: "c".into(), language: Language::En };
        let mut settings = Settings::new(defaults);
        (self.settings)(&mut settings);
        let ctx = Ctx::new(Parts {
            client: self.client(),
            blobs: self.blobs.clone(),
            runner: Arc::new(self.runner.clone()),
            lookup: Arc::new(self.runner.clone()),
            knowledge: Arc::new(Words),
            clock: self.clock.clone(),
            settings,
            host: Host { name: "host".into(), boot_id: "boot".into(), epoch: 1 },
        });
        let ctx = match &self.disk {
            Some(look) => ctx.with_disk(super::retention::Disk::bounded(100, look.clone())),
            None => ctx,
        };
        self.shutdown = CancellationToken::new();
        let shutdown = self.shutdown.clone();
        self.task = Some(tokio::spawn(async move { Box::pin(run(Arc::new(ctx), shutdown)).await.unwrap() }));
        self
    }
    /// Stops the controllers and waits until they are gone.
    pub async fn close(&mut self) {
        self.shutdown.cancel();
        tokio::time::timeout(DEADLINE, self.task.take().unwrap()).await.unwrap().unwrap();
    }
    /// The machine goes down: nothing is recorded any more.
    pub async fn crash(&mut self) {
        self.server.cut(&mut self.runner);
        let task = self.task.take().unwrap();
        task.abort();
        let _ = task.await;
    }
    pub async fn set_gate(&self, session: &str, holder: Option<&crate::api::session::ActiveOperation>) {
        let body = json!({ "status": { "activeOperation": holder } });
        self.api::<Session>().patch_status(session, &PatchParams::default(), &Patch::Merge(&body)).await.unwrap();
    }
    pub async fn cancel_job(&self, job: &str) {
        let body = json!({ "spec": { "cancel": true } });
        self.api::<TerraformJob>().patch(job, &PatchParams::default(), &Patch::Merge(&body)).await.unwrap();
    }
    /// Waits until a design that does not decode says why.
    pub async fn raw_condition(&self, name: &str, reason: &str) {
        let end = tokio::time::Instant::now() + DEADLINE;
        while self.server.raw("designs", name)["status"]["conditions"][0]["reason"] != reason {
            assert!(tokio::time::Instant::now() < end, "never said {reason}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    pub fn world<T>(&self, with: impl FnOnce(&mut World) -> T) -> T {
        with(&mut self.runner.world.lock().unwrap())
    }
    pub fn runs(&self, action: Action) -> usize {
        self.world(|world| world.runs.iter().filter(|(ran, _)| *ran == action).count())
    }
    pub fn api<K: super::documents::Document>(&self) -> Api<K> {
        super::documents::documents(&self.client())
    }

    /// Makes a session with a design of the named components, owned by it as everybody who makes one does: a session that is
    /// deleted before its controller has seen it takes the design along.
    pub async fn design(&self, name: &str, desired: DesiredState, components: &[&str]) -> Design {
        let session = Session::new(name, SessionSpec { title: name.into(), ..SessionSpec::default() });
        let session = self.api::<Session>().create(&PostParams::default(), &session).await.unwrap();
        let spec = DesignSpec { session_ref: name.into(), desired_state: desired, components: parts(components), ..DesignSpec::default() };
        let mut design = Design::new(name, spec);
        design.metadata.owner_references = kube::Resource::controller_owner_ref(&session, &()).map(|owner| vec![owner]);
        self.api::<Design>().create(&PostParams::default(), &design).await.unwrap()
    }
    /// Edits the spec.
    pub async fn edit(&self, name: &str, spec: Value) -> Design {
        let body = json!({ "spec": spec });
        self.api::<Design>().patch(name, &PatchParams::default(), &Patch::Merge(&body)).await.unwrap()
    }
    pub async fn components(&self, name: &str, components: &[&str]) -> Design {
        self.edit(name, json!({ "components": parts(components) })).await
    }
    pub async fn request(&self, name: &str, id: &str, action: &str) {
        self.edit(name, json!({ "request": { "id": id, "action": action } })).await;
    }
    /// What a person with the approver credential writes.
    pub async fn rescue(&self, name: &str, rescue: Value) {
        self.edit(name, json!({ "rescue": null })).await;
        self.edit(name, json!({ "rescue": rescue })).await;
    }
    /// Waits until a rescue was handled and gives what became of it.
    pub async fn rescued(&self, name: &str, id: &str) -> crate::api::design::RescueRecord {
        let handled = |status: &DesignStatus, _: &Design| status.rescue.as_ref().is_some_and(|record| record.id == id);
        self.until(name, "the rescue is handled", handled).await.status.unwrap().rescue.unwrap()
    }
    /// Waits for an Event of this reason.
    pub async fn told(&self, reason: &str) -> bool {
        let events: Api<k8s_openapi::api::events::v1::Event> = super::documents::documents(&self.client());
        let end = tokio::time::Instant::now() + DEADLINE;
        while tokio::time::Instant::now() < end {
            let list = events.list(&Default::default()).await.unwrap();
            if list.items.iter().any(|event| event.reason.as_deref() == Some(reason)) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        false
    }
    /// Rings without a message.
    pub async fn ring(&self, name: &str, nonce: usize) {
        let body = json!({ "metadata": { "annotations": { "bell": nonce.to_string() } } });
        self.api::<Design>().patch(name, &PatchParams::default(), &Patch::Merge(&body)).await.unwrap();
    }
    pub async fn delete<K: super::documents::Document>(&self, name: &str) {
        self.api::<K>().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until the design is as told and gives it.
    pub async fn until(&self, name: &str, what: &str, holds: impl Fn(&DesignStatus, &Design) -> bool) -> Design {
        let api = self.api::<Design>();
        let end = tokio::time::Instant::now() + DEADLINE;
        loop {
            let design = api.get(name).await.unwrap();
            if holds(&design.status.clone().unwrap_or_default(), &design) {
                return design;
            }
            if tokio::time::Instant::now() > end {
                let status = serde_json::to_string_pretty(&design.status).unwrap();
                let jobs: Vec<_> = self
                    .api::<TerraformJob>()
                    .list(&Default::default())
                    .await
                    .unwrap()
                    .items
                    .into_iter()
                    .map(|job| (job.name_any(), job.status))
                    .collect();
                panic!("never came: {what}\n{status}\n{jobs:?}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    /// Waits until `Ready` has the reason for the newest generation and no job is open.
    pub async fn rests(&self, name: &str, reason: &str) -> Design {
        self.until(name, reason, |status, design| {
            status.observed_generation == design.metadata.generation
                && status.active_job.is_none()
                && condition(&status.conditions, READY).is_some_and(|ready| ready.reason == reason)
        })
        .await
    }
    pub async fn gone<K: super::documents::Document>(&self, name: &str) {
        let end = tokio::time::Instant::now() + DEADLINE;
        while let Some(object) = self.api::<K>().get_opt(name).await.unwrap() {
            assert!(tokio::time::Instant::now() < end, "never went: {object:#?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    /// Waits until any condition of the world holds.
    pub async fn world_until(&self, what: &str, holds: impl Fn(&mut World) -> bool) {
        let end = tokio::time::Instant::now() + DEADLINE;
        while !self.world(&holds) {
            assert!(tokio::time::Instant::now() < end, "never came: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Approves the newest plan as the editor.
    pub async fn approve(&self, design: &Design) -> String {
        self.approve_as(design, Identity::editor(Channel::Mcp)).await
    }
    pub async fn approve_as(&self, design: &Design, identity: Identity) -> String {
        let plan = design.status.clone().unwrap().plan.unwrap();
        let name = format!("apv-{}", &plan.plan_sha256[..12]);
        let spec = ApprovalSpec {
            design_ref: design.name_any(),
            design_uid: design.uid().unwrap(),
            plan_sha256: plan.plan_sha256,
            generation: plan.generation,
            expires_at: plan.expires_at,
            reason: None,
        };
        let api: Api<Approval> = super::documents::documents(&self.server.client(identity));
        api.create(&PostParams::default(), &Approval::new(&name, spec)).await.unwrap();
        name
    }
    /// Waits until the approval says why it is refused.
    pub async fn refusal(&self, approval: &str) -> crate::api::approval::RefusedReason {
        let end = tokio::time::Instant::now() + DEADLINE;
        loop {
            let held = self.api::<Approval>().get(approval).await.unwrap();
            if let Some(refused) = held.status.and_then(|status| status.refused) {
                return refused.reason;
            }
            assert!(tokio::time::Instant::now() < end, "never refused: {approval}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    /// Brings a design to Synced by plan, approval and apply.
    pub async fn build(&self, name: &str, components: &[&str]) -> Design {
        self.design(name, DesiredState::Applied, components).await;
        let design = self.rests(name, "AwaitingApproval").await;
        self.approve(&design).await;
        self.rests(name, "Synced").await
    }
}

fn parts(ids: &[&str]) -> Vec<Component> {
    ids.iter()
        .map(|id| Component {
            id: (*id).into(),
            service_type: if *id == "bad" { "bad".into() } else { "vcn".into() },
            ..Component::default()
        })
        .collect()
}
