//! Builders for the tables: desired and observed worlds that chain.
#![allow(missing_docs, reason = "builders of tests: their names are their sentences")]

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::observe::{Job, Observed, Seen};
use super::validate::{Desired, Goal};
use crate::api::approval::{ApprovalSpec, ApprovalStatus, Role};
use crate::api::condition::{READY, set_condition};
use crate::api::design::*;
use crate::api::terraformjob::{Action, JobPhase};
use crate::api::{Approval, Reason, TerraformJob, TerraformJobSpec, TerraformJobStatus, Time, WhoActs};
use crate::terraform::StateView;

pub const DIGEST: &str = "digest";
pub const SHA: &str = "sha";

/// Minutes after the beginning of the story.
pub fn at(minutes: i64) -> Time {
    k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes))
}

pub fn wanted(goal: Goal) -> Desired {
    Desired {
        generation: 3,
        suspended: false,
        policy: ApprovalPolicy::Agent,
        drift_interval: Some(3600),
        started: None,
        request: None,
        request_key: None,
        rescue: None,
        goal,
        findings: None,
        built: None,
    }
}
pub fn present(apply: bool) -> Desired {
    wanted(Goal::Present { digest: DIGEST.into(), apply })
}
pub fn absent(deleted: bool) -> Desired {
    wanted(Goal::Absent { deleted, orphan: false })
}

impl Desired {
    pub fn suspended(self) -> Self {
        Desired { suspended: true, ..self }
    }
    pub fn policy(self, policy: ApprovalPolicy) -> Self {
        Desired { policy, ..self }
    }
    pub fn requesting(self, id: &str, action: RequestAction) -> Self {
        Desired { request: Some(Request { id: id.into(), action }), request_key: Some(id.into()), ..self }
    }
    pub fn handled(self, id: &str) -> Self {
        Desired { request: None, request_key: Some(id.into()), ..self }
    }
}

/// Nothing was ever done.
pub fn fresh() -> Observed {
    Observed {
        name: "s-1".into(),
        uid: "uid".into(),
        status: DesignStatus::default(),
        job: Job::None,
        state: Seen::Never,
        view: None,
        approvals: vec![],
        secrets_missing: vec![],
    }
}

pub fn plan(digest: &str, lineage: &str, serial: u64) -> PlanRecord {
    PlanRecord {
        job: "plan-job".into(),
        destroy: false,
        digest: digest.into(),
        lineage: lineage.into(),
        serial,
        generation: 3,
        plan_sha256: SHA.into(),
        semantic_sha256: SHA.into(),
        counts: Counts { create: 1, ..Counts::default() },
        changes: vec![],
        drift_deletes: vec![],
        drift_updates: vec![],
        imports: Default::default(),
        output_changes: false,
        created_at: at(0),
        expires_at: at(60),
    }
}

pub fn failure(class: WhoActs) -> LastFailure {
    LastFailure {
        job: "failed".into(),
        action: Action::Apply,
        class,
        reason: Reason::JobFailed,
        diagnostics: vec![],
        next_actions: vec![],
        attempts: 2,
        retry_at: (class == WhoActs::Retry).then(|| at(10)),
        key: FailureKey { digest: DIGEST.into(), serial: 5, request: None, destroy: false },
        created: vec![],
        failed: vec![],
        not_attempted: vec![],
    }
}

pub fn job(action: Action, phase: JobPhase) -> TerraformJob {
    let spec = TerraformJobSpec {
        design_ref: "s-1".into(),
        design_uid: "uid".into(),
        session_ref: "s-1".into(),
        action,
        destroy_plan: false,
        plan: None,
        digest: DIGEST.into(),
        lineage: "l".into(),
        serial: 5,
        generation: 3,
        target: Target::Sandbox,
        requested: true,
        request_id: None,
        imports: Default::default(),
        cancel: false,
    };
    let mut job = TerraformJob::new("job", spec);
    job.status = Some(TerraformJobStatus { phase: Some(phase), ..TerraformJobStatus::default() });
    job
}

impl Observed {
    pub fn job(self, job: TerraformJob) -> Self {
        Observed { job: Job::There(Box::new(job)), ..self }
    }
    pub fn void(self) -> Self {
        Observed { job: Job::Void, ..self }
    }
    /// State of lineage `l`, serial 5.
    pub fn state(mut self, resources: usize) -> Self {
        self.status.apply_started = true;
        self.state = Seen::Held(StateRecord { lineage: "l".into(), serial: 5, resources });
        self
    }
    /// What that state holds: address and id.
    pub fn holds(mut self, address: &str, id: &str) -> Self {
        let Seen::Held(record) = &self.state else { return self };
        let view = StateView {
            record: record.clone(),
            resources: [(address.to_owned(), ("a".to_owned(), Some(id.to_owned())))].into(),
            outputs: Default::default(),
            raw: std::sync::Arc::new(serde_json::Value::Null),
        };
        self.view = Some(std::sync::Arc::new(view));
        self
    }
    pub fn state_lost(mut self) -> Self {
        self.status.apply_started = true;
        self.state = Seen::Unavailable;
        self
    }
    /// Applied at minute 0 on that state.
    pub fn applied(mut self, digest: &str) -> Self {
        let applied = Applied { digest: digest.into(), lineage: "l".into(), serial: 5, generation: 2, time: at(0), checked_at: at(0) };
        self.status.applied = Some(applied);
        self
    }
    pub fn plan(mut self, plan: PlanRecord) -> Self {
        self.status.plan = Some(plan);
        self
    }
    pub fn failed(mut self, failure: LastFailure) -> Self {
        self.status.last_failure = Some(failure);
        self
    }
    pub fn outcome(mut self, unknown: bool, in_flight: Vec<InFlight>) -> Self {
        self.status.outcome = Some(Outcome { unknown, job: Some("job".into()), in_flight });
        self
    }
    /// The status of an earlier generation asks a person about what is in flight.
    pub fn told(mut self) -> Self {
        set_condition(&mut self.status.conditions, READY, false, Reason::InFlightUnconfirmed, "look for them", Some(2), at(0));
        self
    }
    /// A look found the object of an address gone.
    pub fn found_gone(mut self, address: &str) -> Self {
        let change = Change { address: address.into(), action: ChangeAction::Delete, replace_paths: vec![], changed_paths: vec![] };
        self.status.drift = Some(Drift { checked_at: Some(at(0)), items: vec![change] });
        self
    }
    pub fn drift(mut self, checked: i64) -> Self {
        let change = Change { address: "a".into(), action: ChangeAction::Update, replace_paths: vec![], changed_paths: vec![] };
        self.status.drift = Some(Drift { checked_at: Some(at(checked)), items: vec![change] });
        self
    }
    pub fn secret_missing(mut self) -> Self {
        self.secrets_missing = vec!["pw".into()];
        self
    }
    pub fn approved(mut self, role: Role) -> Self {
        let spec = ApprovalSpec {
            design_ref: "s-1".into(),
            design_uid: "uid".into(),
            plan_sha256: SHA.into(),
            generation: 3,
            expires_at: at(60),
            reason: None,
        };
        let mut approval = Approval::new("yes", spec);
        approval.metadata.uid = Some("yes-uid".into());
        approval.status = Some(ApprovalStatus { role: Some(role), ..ApprovalStatus::default() });
        self.approvals.push(approval);
        self
    }
}
