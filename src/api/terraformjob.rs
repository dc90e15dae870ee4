//! `TerraformJob`: one run of Terraform. Created only by the design controller; its name is derived from its inputs.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::design::{Diagnostic, InFlight, PlanRecord, StateRecord};
use super::{Reason, Time, WhoActs};

/// What to run, on which inputs, against which state.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "galley.dev",
    version = "v1alpha1",
    kind = "TerraformJob",
    plural = "terraformjobs",
    shortname = "tfj",
    category = "galley",
    namespaced,
    status = "TerraformJobStatus",
    derive = "PartialEq",
    selectable = ".spec.designRef",
    printcolumn(name = "Design", type_ = "string", json_path = ".spec.designRef"),
    printcolumn(name = "Action", type_ = "string", json_path = ".spec.action"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.spec.action in ['Apply', 'Destroy'] ? has(self.spec.plan) : true").message("an Apply or Destroy names the plan it applies"),
    cel
)]
#[serde(rename_all = "camelCase")]
pub struct TerraformJobSpec {
    /// Name of the design.
    #[x_kube(validation = Rule::new("self == oldSelf").message("designRef is immutable"))]
    pub design_ref: String,
    /// uid of the design.
    #[x_kube(validation = Rule::new("self == oldSelf").message("designUid is immutable"))]
    pub design_uid: String,
    /// Name of the session.
    #[x_kube(validation = Rule::new("self == oldSelf").message("sessionRef is immutable"))]
    pub session_ref: String,
    /// What to run.
    #[x_kube(validation = Rule::new("self == oldSelf").message("action is immutable"))]
    pub action: Action,
    /// For a Plan: plan the destruction of everything.
    #[serde(default)]
    pub destroy_plan: bool,
    /// For Apply and Destroy: the plan, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanReference>,
    /// Digest of the inputs; the files are in blobs under it.
    #[x_kube(validation = Rule::new("self == oldSelf").message("digest is immutable"))]
    pub digest: String,
    /// Lineage of the state this job works on; empty when there is none.
    #[serde(default)]
    pub lineage: String,
    /// Serial of that state.
    #[serde(default)]
    pub serial: u64,
    /// Generation of the design this job serves.
    pub generation: i64,
    /// Where it runs.
    #[serde(default)]
    pub target: super::design::Target,
    /// true when a person asked for it (an edit, a request, an approval); false for a scheduled drift check.
    #[serde(default)]
    pub requested: bool,
    /// id of the request it answers, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Addresses to import with the ids that were found for them (after an interrupted apply). What the state holds there
    /// under another id is gone from the cloud and is struck out of it first.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub imports: std::collections::BTreeMap<String, String>,
    /// false → true is the only edit.
    #[serde(default)]
    #[x_kube(validation = Rule::new("!oldSelf || self").message("cancel cannot be taken back"))]
    pub cancel: bool,
}

/// What a job does.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// plan, or plan of a destroy
    Plan,
    /// apply a plan
    Apply,
    /// apply a destroy plan
    Destroy,
    /// look at the cloud (`plan -refresh-only`)
    Refresh,
}

impl Action {
    /// Lower case, as in job names and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Plan => "plan",
            Action::Apply => "apply",
            Action::Destroy => "destroy",
            Action::Refresh => "refresh",
        }
    }
    /// Apply and Destroy change the cloud.
    pub fn changes_the_cloud(self) -> bool {
        matches!(self, Action::Apply | Action::Destroy)
    }
}

/// The plan an Apply or Destroy applies.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PlanReference {
    /// job that made the plan
    pub job: String,
    /// sha256 of the plan file
    pub plan_sha256: String,
    /// name of the approval
    pub approval: String,
    /// uid of the approval
    pub approval_uid: String,
}

/// How it went.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TerraformJobStatus {
    /// where it stands
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<JobPhase>,
    /// who runs it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// when it was started
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// when it ended
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// how far it is
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// what Terraform said, bounded and without secrets
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
    /// addresses that were created, updated, replaced or deleted
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created: Vec<String>,
    /// addresses that failed
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    /// addresses that were planned and not tried
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_attempted: Vec<String>,
    /// addresses that may have been made: nobody saw their end, or a create failed without an answer that says no
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_flight: Vec<InFlight>,
    /// why it failed, as a closed word
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// one sentence for people
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// who acts next after a failure
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who_acts: Option<WhoActs>,
    /// for a Plan: the record
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanRecord>,
    /// for a Refresh: what differs from the state
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<super::design::Change>,
    /// the newest state that was mirrored
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateRecord>,
    /// keys of blobs this job wrote (log, plan, plan JSON)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<String>,
    /// why it waits, in words
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_reason: Option<String>,
}

/// Where a job stands.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobPhase {
    /// queued
    Pending,
    /// a process runs, or may run
    Running,
    /// ended well
    Succeeded,
    /// ended badly, and we know how
    Failed,
    /// nobody saw how it ended
    Interrupted,
    /// stopped before it did anything, or at a person's wish
    Cancelled,
}

impl JobPhase {
    /// No process runs any more and nothing about the job will change.
    pub fn is_terminal(self) -> bool {
        match self {
            JobPhase::Pending | JobPhase::Running => false,
            JobPhase::Succeeded | JobPhase::Failed | JobPhase::Interrupted | JobPhase::Cancelled => true,
        }
    }
}

/// Who runs a job. Dead on the same host = other boot id, or no such pid with that start time.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// host name
    pub host: String,
    /// /proc/sys/kernel/random/boot_id
    pub boot_id: String,
    /// pid of terraform; absent between the claim and the start
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// start time of that pid in clock ticks since boot (/proc/<pid>/stat field 22)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<u64>,
    /// epoch of the server that started it
    pub epoch: u64,
}

/// How far a job is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// init, plan, apply …
    pub step: String,
    /// resources to do
    pub total: usize,
    /// resources done
    pub done: usize,
    /// addresses being worked on (at most 10)
    #[serde(default)]
    pub current: Vec<String>,
}

impl TerraformJob {
    /// The phase; a job without status is Pending.
    pub fn phase(&self) -> JobPhase {
        self.status.as_ref().and_then(|status| status.phase).unwrap_or(JobPhase::Pending)
    }
}
