//! Step 5, IO: does exactly one step and says what came of it. Writes intent before every side effect.
//!
//! A job is issued in this order: inputs under their digest, the session gate, the intent in the status, the job. Each of
//! them may be repeated; a crash between any two leaves something the next turn recognises.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::super::documents::{create, delete, edit, get, patch_status, set_finalizer, unless_gone, value};
use super::super::gate::{self, Claim};
use super::super::inputs::Inputs;
use super::super::secrets::SecretBook;
use super::super::{Ctx, DESIGN_LABEL, Error, SESSION_LABEL, SUPERSEDED, backoff, retention};
use super::fetch::{Fetched, Tools};
use super::memo::rendered;
use super::notes;
use super::observe::{Job, Observed};
use super::settle::{Settling, drop_intent, settle};
use super::step::{ApprovalRef, Order, Rest, Step};
use super::validate::Desired;
use crate::api::approval::{Channel, Role};
use crate::api::design::{DesignStatus, InFlight, StateRecord};
use crate::api::terraformjob::Action;
use crate::api::{
    Approval, ApprovalSpec, ApprovalStatus, DESIGN_FINALIZER, Design, JOB_FINALIZER, MANAGER, NAMESPACE, TerraformJob, TerraformJobSpec,
};
use crate::blobs::{BlobKey, JobBlob};
use crate::faults;
use crate::terraform::Whose;
use crate::trace::{self, TraceId};

/// What came of a turn: everything report needs.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// the design as this turn last wrote it; None = it is being forgotten
    pub base: Option<Box<Design>>,
    /// the facts of the status after the step, before the fold
    pub status: DesignStatus,
    /// where it rests
    pub rest: Rest,
    /// what was wanted and seen, unless the turn failed before
    pub seen: Option<Box<(Desired, Observed)>>,
}

impl Outcome {
    /// A turn that failed: facts as they were, the error says who acts next.
    pub fn failed(fetched: &Fetched, error: &Error) -> Self {
        if !error.is_conflict() {
            tracing::warn!(error = %error.chain(), "the turn failed");
        }
        let rest = if error.is_conflict() {
            Rest::Continue
        } else {
            Rest::Error { reason: error.reason(), who: error.who_acts(), message: error.chain() }
        };
        Outcome { base: Some(Box::new(fetched.design.clone())), status: fetched.status.clone(), rest, seen: None }
    }
}

/// One turn's hands.
pub(super) struct Hands<'a> {
    pub ctx: &'a Ctx,
    pub fetched: &'a Fetched,
    tools: &'a Tools,
    pub desired: &'a Desired,
    pub observed: &'a Observed,
}

/// What a step changed.
pub(super) struct Done {
    base: Option<Design>,
    status: DesignStatus,
    rest: Rest,
}

/// Does the step.
pub async fn act(ctx: &Ctx, fetched: &Fetched, known: (&Tools, &Desired, &Observed), step: Step) -> Result<Outcome, Error> {
    let (tools, desired, observed) = known;
    let hands = Hands { ctx, fetched, tools, desired, observed };
    tracing::debug!(step = step.name(), "step");
    let done = match step {
        Step::Settle => hands.settle().await?,
        Step::DropIntent => hands.noted(drop_intent(&fetched.status)),
        Step::CancelJob { why } => hands.cancel(why).await?,
        Step::IssueRefresh(order) => hands.issue_look(Action::Refresh, order).await?,
        Step::LookUpInFlight => hands.look_up().await?,
        Step::Rescue => Box::pin(hands.rescue()).await?,
        Step::ConfirmInFlight { addresses } => {
            let request = desired.request.as_ref().map(|request| request.id.as_str());
            hands.noted(notes::confirmed(&fetched.status, request, &addresses))
        }
        Step::IssuePlan(order) => hands.issue_look(Action::Plan, order).await?,
        Step::Restamp => hands.noted(notes::restamped(&fetched.status, desired.generation)),
        Step::RecordSynced => {
            let (version, now) = (observed.state.version(), ctx.clock.now());
            hands.noted(notes::synced(&fetched.status, desired.digest(), version, desired.generation, &now))
        }
        Step::IssueApply { approval } => hands.issue_change(Action::Apply, approval).await?,
        Step::IssueDestroy { approval } => hands.issue_change(Action::Destroy, approval).await?,
        Step::CreatePolicyApproval => hands.approve_by_policy().await?,
        Step::Forget { orphan } => hands.forget(orphan).await?,
        Step::Rest(rest) => Done { base: Some(fetched.design.clone()), status: fetched.status.clone(), rest },
    };
    let Done { base, status, rest } = done;
    Ok(Outcome { base: base.map(Box::new), status, rest, seen: Some(Box::new((desired.clone(), observed.clone()))) })
}

impl Hands<'_> {
    pub fn noted(&self, status: DesignStatus) -> Done {
        Done { base: Some(self.fetched.design.clone()), status, rest: Rest::Continue }
    }

    async fn settle(&self) -> Result<Done, Error> {
        let Job::There(job) = &self.observed.job else { return Ok(self.noted(self.fetched.status.clone())) };
        let now = self.ctx.clock.now();
        let with = Settling {
            request: self.fetched.design.spec.request.as_ref().map(|request| (request.id.as_str(), request.action)),
            digest: self.desired.digest(),
            serial: self.observed.state.version().1,
            superseded: job.annotations().contains_key(SUPERSEDED),
            base: self.ctx.settings.backoff_base,
            cap: self.ctx.settings.backoff_cap,
            uid: &self.fetched.uid,
            now: &now,
        };
        let status = settle(&self.fetched.status, job, &with);
        retention::prune_jobs(self.ctx, &self.observed.name, &self.fetched.uid, &self.fetched.status).await?;
        Ok(self.noted(status))
    }

    async fn cancel(&self, why: &'static str) -> Result<Done, Error> {
        let Job::There(job) = &self.observed.job else { return Ok(self.noted(self.fetched.status.clone())) };
        let name = job.name_any();
        let body = json!({ "metadata": { "annotations": { SUPERSEDED: why } }, "spec": { "cancel": true } });
        unless_gone(edit::<TerraformJob>(&self.ctx.client, &name, "cancel", &body).await.map(|_| ()))?;
        let rest =
            Rest::Job { name, action: job.spec.action, requested: job.spec.requested, waits: Some(format!("it is being stopped: {why}")) };
        Ok(Done { base: Some(self.fetched.design.clone()), status: self.fetched.status.clone(), rest })
    }

    /// Plan or refresh.
    async fn issue_look(&self, action: Action, order: Order) -> Result<Done, Error> {
        let (uid, spec) = (&self.fetched.uid, &self.fetched.design.spec);
        let mut book = self.tools.secrets.clone();
        let (inputs, fresh_secrets) = match &self.desired.built {
            Some(built) if action == Action::Plan && !order.destroy => {
                // services were replaced in this very moment, and it has errors by the new ones: the next turn says so
                let Some(rendered) = rendered(self.ctx, self.fetched, built).await? else {
                    return Ok(self.noted(self.fetched.status.clone()));
                };
                let fresh = book.generate(&rendered.secrets);
                (Inputs::of(&rendered), fresh)
            }
            Some(_) | None => (self.applied_inputs(&book).await?, false),
        };
        let digest = inputs.digest(&book, spec.target, &self.tools.toolchain);
        let (blobs, place) = (&*self.ctx.blobs, BlobKey::rendered(uid, &digest));
        // Both are there before the gate is asked for; neither needs the other.
        let secrets = async { if fresh_secrets { book.store(blobs, uid).await } else { Ok(()) } };
        futures::try_join!(secrets, inputs.store(blobs, &place))?;
        let imports = match action {
            Action::Plan if !order.destroy => notes::imports(self.observed),
            Action::Plan | Action::Refresh | Action::Apply | Action::Destroy => BTreeMap::new(),
        };
        let job = TerraformJobSpec { imports, destroy_plan: order.destroy, ..self.job_spec(action, digest, &order) };
        self.issue(job, &order).await
    }

    /// Inputs the state was made with, runnable whatever became of the variables.
    async fn applied_inputs(&self, book: &SecretBook) -> Result<Inputs, Error> {
        let stored = Inputs::load(&*self.ctx.blobs, &BlobKey::applied(&self.fetched.uid)).await?;
        let inputs = match stored {
            Some(inputs) => inputs,
            None => Inputs::provider_only(self.fetched.design.spec.region.as_deref().unwrap_or(&self.ctx.settings.defaults.region))?,
        };
        inputs.without_values(book)
    }

    /// Apply or destroy of the newest plan.
    async fn issue_change(&self, action: Action, approval: ApprovalRef) -> Result<Done, Error> {
        let Some(plan) = self.fetched.status.plan.clone() else { return Ok(self.noted(self.fetched.status.clone())) };
        let digest = plan.digest.clone();
        let (order, reference) = notes::change_of(plan, &approval);
        let job = TerraformJobSpec { plan: Some(reference), ..self.job_spec(action, digest, &order) };
        self.issue(job, &order).await
    }

    fn job_spec(&self, action: Action, digest: String, order: &Order) -> TerraformJobSpec {
        let (lineage, serial) = self.observed.state.version();
        TerraformJobSpec {
            design_ref: self.observed.name.clone(),
            design_uid: self.fetched.uid.clone(),
            session_ref: self.fetched.design.spec.session_ref.clone(),
            action,
            destroy_plan: false,
            plan: None,
            digest,
            lineage: lineage.to_owned(),
            serial,
            generation: self.desired.generation,
            target: self.fetched.design.spec.target,
            requested: order.requested,
            request_id: order.request.clone(),
            imports: BTreeMap::new(),
            cancel: false,
        }
    }

    /// Gate, intent, job: in this order.
    async fn issue(&self, spec: TerraformJobSpec, order: &Order) -> Result<Done, Error> {
        let (ctx, fetched) = (self.ctx, self.fetched);
        let name = notes::name_of(&spec, order);
        let wanted = gate::operation(&name, &spec, ctx.clock.now());
        if let Claim::Busy(active) = gate::claim(ctx, &spec.session_ref, &wanted).await? {
            return Ok(Done { base: Some(fetched.design.clone()), status: fetched.status.clone(), rest: Rest::Busy(*active) });
        }
        let status = notes::intended(&fetched.status, &name, spec.action.changes_the_cloud());
        let base =
            patch_status(&ctx.client, &fetched.design, &value(&fetched.design.status.clone().unwrap_or_default())?, &value(&status)?, true)
                .await;
        let base = match base {
            Ok(base) => base,
            Err(error) => {
                // the intent is not written, so nobody would look for the job: give the gate back
                gate::release(ctx, &spec.session_ref, &name).await?;
                return Err(error);
            }
        };
        let rest = Rest::Job { name: name.clone(), action: spec.action, requested: spec.requested, waits: None };
        faults::pass("job", "intent", "after");
        self.create_job(&name, spec).await?;
        Ok(Done { base: Some(base), status, rest })
    }

    async fn create_job(&self, name: &str, spec: TerraformJobSpec) -> Result<(), Error> {
        let client = &self.ctx.client;
        let labels = [(DESIGN_LABEL, &spec.design_ref), (SESSION_LABEL, &spec.session_ref)];
        let looks_only = !spec.action.changes_the_cloud();
        let mut job = TerraformJob::new(name, spec.clone());
        job.metadata = ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(NAMESPACE.to_owned()),
            annotations: self.trace_of(&spec).map(|trace| BTreeMap::from([(trace::ANNOTATION.to_owned(), trace)])),
            labels: Some(labels.into_iter().map(|(key, label)| (key.to_owned(), label.clone())).collect()),
            finalizers: Some(vec![JOB_FINALIZER.to_owned()]),
            owner_references: self.fetched.design.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        };
        match create(client, &job).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_already_exists() => {
                let old = get::<TerraformJob>(client, name).await?;
                // An apply is never run twice. A look whose result was read long ago may be: it is made anew.
                if looks_only && old.is_some_and(|old| old.phase().is_terminal()) {
                    unless_gone(delete::<TerraformJob>(client, name).await)?;
                    create(client, &job).await?;
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The request that led to a job: the approval it uses up, else the newest edit. A drift check is nobody's.
    fn trace_of(&self, spec: &TerraformJobSpec) -> Option<String> {
        let by = spec.plan.as_ref().and_then(|plan| {
            self.observed.approvals.iter().find(|approval| approval.metadata.name.as_deref() == Some(plan.approval.as_str()))
        });
        let of_approval = by.and_then(|approval| approval.annotations().get(trace::ANNOTATION));
        let of_design = self.fetched.design.annotations().get(trace::ANNOTATION).filter(|_| spec.requested);
        of_approval.or(of_design).filter(|text| TraceId::parse(text).is_some()).cloned()
    }

    async fn look_up(&self) -> Result<Done, Error> {
        let status = &self.fetched.status;
        let planned = match status.outcome.as_ref().and_then(|outcome| outcome.job.as_deref()) {
            Some(job) => self.planned_values(job).await?,
            None => BTreeMap::new(),
        };
        let resources = self.observed.view.as_ref().map(|view| view.resources.clone()).unwrap_or_default();
        let known = resources.values().filter_map(|(_, id)| id.clone()).collect();
        let mut found = BTreeMap::new();
        for InFlight { address, .. } in notes::to_look_up(status) {
            let attributes = planned.get(address).cloned().unwrap_or_default();
            let id = self.ctx.lookup.find(self.whose(), address, &attributes, &known).await?;
            found.insert(address.clone(), id);
        }
        Ok(self.noted(notes::looked_up(status, &found, |address| self.observed.held(address))))
    }

    /// Whose resources are looked for.
    pub(super) fn whose(&self) -> Whose<'_> {
        let spec = &self.fetched.design.spec;
        let region = spec.region.as_deref().unwrap_or(&self.ctx.settings.defaults.region);
        Whose { design: &self.observed.name, design_uid: &self.fetched.uid, target: spec.target, region }
    }

    /// Planned attributes by address, from the plan the job applied.
    async fn planned_values(&self, job: &str) -> Result<BTreeMap<String, serde_json::Value>, Error> {
        let Some(reference) = get::<TerraformJob>(&self.ctx.client, job).await?.and_then(|job| job.spec.plan) else {
            return Ok(BTreeMap::new());
        };
        let Some(bytes) = self.ctx.blobs.get(&BlobKey::job(&self.fetched.uid, &reference.job, JobBlob::PlanJson)).await? else {
            return Ok(BTreeMap::new());
        };
        let plan: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| Error::Decode { what: "the plan" })?;
        let changes = plan["resource_changes"].as_array().cloned().unwrap_or_default();
        Ok(changes
            .into_iter()
            .filter_map(|mut change| Some((change["address"].as_str()?.to_owned(), change["change"]["after"].take())))
            .collect())
    }

    async fn approve_by_policy(&self) -> Result<Done, Error> {
        let Some(plan) = &self.fetched.status.plan else { return Ok(self.noted(self.fetched.status.clone())) };
        let name = format!("{}-policy-{}-{}", self.observed.name, &plan.plan_sha256.get(..8).unwrap_or("plan"), self.desired.generation);
        let spec = ApprovalSpec {
            design_ref: self.observed.name.clone(),
            design_uid: self.fetched.uid.clone(),
            plan_sha256: plan.plan_sha256.clone(),
            generation: self.desired.generation,
            expires_at: plan.expires_at.clone(),
            reason: Some("policy.approval is auto and the plan deletes and replaces nothing".to_owned()),
        };
        let mut approval = Approval::new(&name, spec);
        approval.metadata.namespace = Some(NAMESPACE.to_owned());
        approval.metadata.owner_references = self.fetched.design.controller_owner_ref(&()).map(|owner| vec![owner]);
        let made = match create(&self.ctx.client, &approval).await {
            Ok(made) => Some(made),
            Err(error) if error.is_already_exists() => get::<Approval>(&self.ctx.client, &name).await?,
            Err(error) => return Err(error),
        };
        // The embedded server stamps this at create; a cluster without our admission does not, and then it is done here.
        if let Some(made) = made.filter(|made| made.status.as_ref().is_none_or(|status| status.approver.is_none())) {
            let old = made.status.clone().unwrap_or_default();
            let stamped = ApprovalStatus {
                approver: Some(MANAGER.to_owned()),
                channel: Some(Channel::Policy),
                role: Some(Role::System),
                ..old.clone()
            };
            patch_status(&self.ctx.client, &made, &value(&old)?, &value(&stamped)?, true).await?;
        }
        Ok(self.noted(self.fetched.status.clone()))
    }

    async fn forget(&self, orphan: bool) -> Result<Done, Error> {
        let (ctx, uid) = (self.ctx, &self.fetched.uid);
        let mut design = self.fetched.design.clone();
        if !orphan {
            // First that there is nothing to keep: a crash after the state is removed would else read as its loss.
            let (old, forgotten) = (&self.fetched.status, notes::forgotten(&self.fetched.status));
            design = match patch_status(&ctx.client, &design, &value(old)?, &value(&forgotten)?, true).await {
                Ok(design) => design,
                Err(error) if error.is_not_found() => design,
                Err(error) => return Err(error),
            };
            faults::pass("design", "forget", "noted");
            ctx.runner.forget(uid).await?;
            for key in ctx.blobs.list(&BlobKey::design_prefix(uid)).await? {
                ctx.blobs.delete(&key).await?;
            }
        }
        ctx.memo.forget(uid);
        ctx.census.note(&self.observed.name, None);
        match set_finalizer(&ctx.client, &design, DESIGN_FINALIZER, false).await {
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        tracing::info!(orphan, "the design is forgotten");
        Ok(Done { base: None, status: self.fetched.status.clone(), rest: Rest::Destroyed })
    }
}

/// Type of the resource at a Terraform address such as `module.a.oci_core_vcn.main["x"]`.
pub fn resource_type(address: &str) -> &str {
    let plain = address.split('[').next().unwrap_or(address);
    let mut parts = plain.rsplit('.');
    parts.next();
    parts.next().unwrap_or("")
}

/// When a drift check or a retry rings by itself.
pub fn wake(now: &crate::api::Time, at: &crate::api::Time) -> std::time::Duration {
    // a little later rather than a little too early: an early bell would only ring again
    backoff::until(now, at) + std::time::Duration::from_millis(5)
}

/// The record of a state that was seen.
pub fn record_of(observed: &Observed) -> Option<StateRecord> {
    match &observed.state {
        super::observe::Seen::Held(record) => Some(record.clone()),
        super::observe::Seen::Never => None,
        super::observe::Seen::Unavailable => observed.status.state.clone(),
    }
}
