//! The status of a design: everything known about it and about what is built. Written by controllers alone.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RescueAction, any_object};
use crate::api::terraformjob::Action;
use crate::api::{Reason, Time, WhoActs};

/// What is known.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DesignStatus {
    /// Generation this status was computed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Findings of the validator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<Findings>,
    /// sha256 over rendered files, variables, target, provider and terraform version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What the structural diff (no Terraform) expects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// The newest plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanRecord>,
    /// What was applied last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// The newest known state, whoever wrote it; `resources: 0` is the proof of emptiness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateRecord>,
    /// true once any apply was started: from then on an absent state is never read as an empty one.
    #[serde(default)]
    pub apply_started: bool,
    /// Whether the end of the last apply is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Drift found by the last check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// What is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Outputs that are not sensitive.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "any_object")]
    pub outputs: BTreeMap<String, Value>,
    /// The last failure, kept until something succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
    /// The last request that was handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_request_id: Option<String>,
    /// The last rescue that was handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescue: Option<RescueRecord>,
    /// The job that is open, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_job: Option<String>,
    /// Why it waits, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_reason: Option<String>,
    /// Is the world as wanted?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<Sync>,
    /// How is it?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Ready, Reconciling, Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// Findings, bounded.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// how many errors
    pub errors: usize,
    /// how many warnings
    pub warnings: usize,
    /// how many notes
    pub infos: usize,
    /// the first 50, errors first
    #[serde(default)]
    pub items: Vec<Finding>,
}

/// One finding of the validator.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// id of the rule, such as `structure.duplicate-id`
    pub rule: String,
    /// how bad
    pub severity: Severity,
    /// path in the spec, such as `components[vm].config.shape`
    pub path: String,
    /// what is wrong, in the session's language
    pub message: String,
    /// what to do, in the session's language
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommendation: Option<String>,
    /// what would be allowed, when that is a closed set
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
}

/// How bad a finding or a diagnostic is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// nothing is planned until it is mended
    Error,
    /// it works, but look
    Warning,
    /// good to know
    Info,
}

/// What the structural diff expects, before Terraform runs.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// expected counts
    pub counts: Counts,
    /// the first 50 changes
    #[serde(default)]
    pub changes: Vec<Change>,
}

/// Counts of a plan, each resource counted once.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// to create
    pub create: usize,
    /// to update in place
    pub update: usize,
    /// to destroy and create again
    pub replace: usize,
    /// to destroy
    pub delete: usize,
    /// to import
    #[serde(default)]
    pub import: usize,
}

impl Counts {
    /// How many resources change at all.
    pub fn total(&self) -> usize {
        let Counts { create, update, replace, delete, import } = self;
        create + update + replace + delete + import
    }
}

/// What happens to one resource.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Terraform address
    pub address: String,
    /// what is done
    pub action: ChangeAction,
    /// attributes that force a replace, as dotted paths
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replace_paths: Vec<String>,
    /// attributes that differ, as dotted paths (no values)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_paths: Vec<String>,
}

/// What is done to one resource.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum ChangeAction {
    /// destroyed
    Delete,
    /// destroyed and created again
    Replace,
    /// created
    Create,
    /// changed in place
    Update,
    /// taken over
    Import,
}

/// A plan, as approvals name it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PlanRecord {
    /// job that made it
    pub job: String,
    /// true for a destroy plan
    pub destroy: bool,
    /// digest of the inputs (for a destroy plan: of the files it was planned with)
    pub digest: String,
    /// lineage of the state it was planned on; empty when there was none
    #[serde(default)]
    pub lineage: String,
    /// serial of that state
    #[serde(default)]
    pub serial: u64,
    /// generation of the design it was made for
    pub generation: i64,
    /// sha256 of the bytes of the plan file: what an approval names
    pub plan_sha256: String,
    /// sha256 of the canonical `show -json` without timestamps: what people compare
    pub semantic_sha256: String,
    /// what it does
    pub counts: Counts,
    /// the first 50 changes, deletes and replaces first
    #[serde(default)]
    pub changes: Vec<Change>,
    /// addresses whose deletion the plan found in the cloud (`resource_drift`)
    #[serde(default)]
    pub drift_deletes: Vec<String>,
    /// addresses that were changed behind Terraform's back
    #[serde(default)]
    pub drift_updates: Vec<Change>,
    /// addresses in flight that the plan imports, with the id found
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub imports: BTreeMap<String, String>,
    /// true when outputs change although no resource does
    #[serde(default)]
    pub output_changes: bool,
    /// when it was made
    pub created_at: Time,
    /// when it becomes too old to be applied
    pub expires_at: Time,
}

impl PlanRecord {
    /// Nothing would change: no resource, no output, no drift to write down.
    pub fn is_empty(&self) -> bool {
        self.counts.total() == 0 && !self.output_changes
    }
    /// No delete, no replace, no delete found as drift, nothing in flight: what `policy.approval: auto` may apply.
    pub fn is_harmless(&self) -> bool {
        !self.destroy && self.counts.delete == 0 && self.counts.replace == 0 && self.drift_deletes.is_empty() && self.imports.is_empty()
    }
}

/// What was applied last.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// digest of the inputs
    pub digest: String,
    /// lineage of the state after it
    pub lineage: String,
    /// serial of the state after it
    pub serial: u64,
    /// generation of the design
    pub generation: i64,
    /// when
    pub time: Time,
    /// when the world was last compared with it
    pub checked_at: Time,
}

/// The newest state that is known.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StateRecord {
    /// lineage
    pub lineage: String,
    /// serial
    pub serial: u64,
    /// how many managed resources it holds
    pub resources: usize,
}

/// Whether the end of the last apply is known.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// true: nobody saw how it ended and no refresh finished since
    pub unknown: bool,
    /// job whose end was not seen
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// addresses whose making was cut off, or failed unanswered, and that are in no state
    #[serde(default)]
    pub in_flight: Vec<InFlight>,
}

/// One address whose making was cut off.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InFlight {
    /// Terraform address
    pub address: String,
    /// what was being done
    pub action: ChangeAction,
    /// id in the cloud, when it was found by its tags; the next plan imports it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_id: Option<String>,
    /// true when it was looked up and nothing was found: the approver confirms, or a new plan creates it
    #[serde(default)]
    pub looked_up: bool,
}

/// Drift found by the last check.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// when it was looked for
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Time>,
    /// what differs: updates and deletes made behind Terraform's back
    #[serde(default)]
    pub items: Vec<Change>,
}

/// What is built, bounded.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// how many
    pub total: usize,
    /// by resource type
    #[serde(default)]
    pub by_type: BTreeMap<String, usize>,
    /// the first 50
    #[serde(default)]
    pub items: Vec<ResourceItem>,
}

/// One resource.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ResourceItem {
    /// Terraform address
    pub address: String,
    /// id in the cloud
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// The last failure.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastFailure {
    /// job that failed
    pub job: String,
    /// what it was doing
    pub action: Action,
    /// who acts next
    pub class: WhoActs,
    /// closed reason
    pub reason: Reason,
    /// what Terraform or OCI said, bounded and without secrets
    #[serde(default)]
    pub diagnostics: Vec<Diagnostic>,
    /// what to do, in words
    #[serde(default)]
    pub next_actions: Vec<String>,
    /// how often it was tried
    pub attempts: u32,
    /// when it is tried again by itself
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Time>,
    /// digest, lineage, serial and request it failed for: a change of any of them ends the failure
    #[serde(default)]
    pub key: FailureKey,
    /// addresses that were made before it failed
    #[serde(default)]
    pub created: Vec<String>,
    /// addresses that failed
    #[serde(default)]
    pub failed: Vec<String>,
    /// addresses that were planned and not tried
    #[serde(default)]
    pub not_attempted: Vec<String>,
}

/// What a failure belongs to.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FailureKey {
    /// digest of the inputs
    pub digest: String,
    /// serial of the state *after* the failed job: what the next look sees
    pub serial: u64,
    /// id of the request, if any
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// true when absence was wanted
    #[serde(default)]
    pub destroy: bool,
}

/// One diagnostic of Terraform, for people.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// how bad
    pub severity: Severity,
    /// `<status>-<Code>` of OCI such as `400-LimitExceeded`, when it has one
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// first line
    pub summary: String,
    /// the rest
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Terraform address
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// file of the rendered design
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// line in it, from 1
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// who acts next
    pub who_acts: WhoActs,
    /// what to do, in words
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_action: Option<String>,
}

/// Is the world as wanted?
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// yes
    Synced,
    /// no
    OutOfSync,
    /// not known
    Unknown,
}

/// How is it?
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// built and complete
    Healthy,
    /// being worked on
    Progressing,
    /// something failed or vanished
    Degraded,
    /// a person suspended it
    Suspended,
    /// nothing is built
    Missing,
}

/// What became of a rescue.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RescueRecord {
    /// id of the rescue
    pub id: String,
    /// what was to be done
    pub action: RescueAction,
    /// false: it was refused and nothing was changed
    pub done: bool,
    /// what was done, or why not, ending in what to do next
    pub message: String,
    /// when
    pub time: Time,
}
