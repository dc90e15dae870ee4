//! `Design`: the desired state of one session's architecture, and everything known about the real one.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Reason, Time, WhoActs};

/// Most components of a design.
pub const MAX_COMPONENTS: usize = 200;
/// Most connections of a design.
pub const MAX_CONNECTIONS: usize = 600;
/// Most bytes of all override files together.
pub const MAX_FILES_BYTES: usize = 256 * 1024;
/// Longest text in a spec that the schema does not bound: a summary of a hearing is the longest honest one.
pub const MAX_TEXT: usize = 64 * 1024;
/// How many findings and resources a status lists; the counts are always whole.
pub const STATUS_LIST_LIMIT: usize = 50;

/// What the person wants built. One session, one design, one name.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "galley.dev",
    version = "v1alpha1",
    kind = "Design",
    plural = "designs",
    shortname = "dsg",
    category = "galley",
    namespaced,
    status = "DesignStatus",
    derive = "PartialEq",
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.target"),
    printcolumn(name = "Desired", type_ = "string", json_path = ".spec.desiredState"),
    printcolumn(name = "Sync", type_ = "string", json_path = ".status.sync"),
    printcolumn(name = "Health", type_ = "string", json_path = ".status.health"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name == self.spec.sessionRef").message("a design has the name of its session: metadata.name must equal spec.sessionRef"),
    cel
)]
#[serde(rename_all = "camelCase")]
pub struct DesignSpec {
    /// Name of the session this design belongs to; immutable.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("sessionRef is immutable"))]
    pub session_ref: String,
    /// Where it is built: the simulated cloud or a real tenancy. Immutable, because the Terraform state belongs to one of them.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("target is immutable: create another session for another target"))]
    pub target: Target,
    /// OCI region identifier such as `ap-osaka-1`; the server's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// OCID of the compartment; the server's work compartment when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compartment_id: Option<String>,
    /// What there is. Ids are chosen by the caller and stay.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub components: Vec<Component>,
    /// How the components belong together.
    #[serde(default)]
    #[schemars(length(max = 600))]
    pub connections: Vec<Connection>,
    /// Values of Terraform variables that are not secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Secret variables: only their names and where the value comes from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_variables: Vec<SecretVariable>,
    /// Override files by name (`[a-z0-9_-]+\.tf`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// How far Galley goes.
    #[serde(default)]
    pub desired_state: DesiredState,
    /// true: nothing is started for this design, not even a destroy.
    #[serde(default)]
    pub suspend: bool,
    /// How it is treated.
    #[serde(default)]
    pub policy: Policy,
    /// A one-off request; handled once per id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// A person's way out where nothing goes on by itself; only the approver credential may set it. Handled once per id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescue: Option<Rescue>,
    /// Which runner holds Terraform.
    #[serde(default)]
    pub runner: Runner,
}

/// Where a design is built.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// the simulated cloud
    #[default]
    Sandbox,
    /// a real tenancy
    Oci,
}

/// One component.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Id chosen by the caller, unique in the design: `[A-Za-z0-9_-]`, 1–63 characters.
    #[schemars(length(min = 1, max = 63))]
    pub id: String,
    /// Service type of the catalogue, such as `vcn` or `adb`.
    #[schemars(length(min = 1, max = 63))]
    pub service_type: String,
    /// Free text in any language; the id when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub display_name: Option<String>,
    /// Configuration as the catalogue describes it for the service type.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub config: BTreeMap<String, Value>,
}

/// One connection.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Id of the component it starts at.
    #[schemars(length(min = 1, max = 63))]
    pub source_id: String,
    /// Id of the component it ends at.
    #[schemars(length(min = 1, max = 63))]
    pub target_id: String,
    /// Connection type of the catalogue, such as `deployed_in` or `private_endpoint`.
    #[schemars(length(min = 1, max = 63))]
    pub connection_type: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
}

/// A secret variable by name.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SecretVariable {
    /// Name of the Terraform variable.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Where its value comes from.
    pub source: SecretSource,
}

/// Where a secret value comes from.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// Galley makes it and keeps it in the secrets blob.
    Generate,
    /// A person puts it into the secrets blob.
    Supplied,
}

/// How far Galley goes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DesiredState {
    /// findings and structural preview only
    #[default]
    Draft,
    /// a plan to read
    Planned,
    /// built, after approval
    Applied,
    /// torn down, after approval
    Destroyed,
}

/// How a design is treated.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Who may let a plan be applied. The server's minimum holds when it is stricter.
    #[serde(default)]
    pub approval: ApprovalPolicy,
    /// Seconds between drift checks of an applied design; 0 = only on request. The server's setting when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == 0 || self >= 60").message("driftIntervalSeconds is 0 (only on request) or at least 60"))]
    pub drift_interval_seconds: Option<i64>,
    /// What deleting the document does with the resources.
    #[serde(default)]
    pub on_delete: OnDelete,
}

/// Who may let a plan be applied, from loose to strict.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalPolicy {
    /// harmless plans by themselves, else as `agent`
    Auto,
    /// the `approve_plan` tool; the host asks the person
    #[default]
    Agent,
    /// only the approver credential
    Human,
}

/// What deleting the document does with the resources.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDelete {
    /// destroy them, after approval
    #[default]
    Destroy,
    /// leave them
    Orphan,
}

/// A one-off request.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Chosen by the caller; each id is handled once.
    #[schemars(length(min = 1, max = 63))]
    pub id: String,
    /// What is asked.
    pub action: RequestAction,
}

/// What can be asked once.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestAction {
    /// a fresh plan
    Plan,
    /// look at the cloud (`plan -refresh-only`)
    Refresh,
    /// try the failed operation again with a fresh plan
    Retry,
}

/// What a person with the approver credential tells Galley to take as true. Being an edit of the spec, it makes a new
/// generation, so that no approval given before holds after it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Rescue {
    /// Chosen by the caller; each id is handled once.
    #[schemars(length(min = 1, max = 63))]
    pub id: String,
    /// What is to be done.
    pub action: RescueAction,
    /// For RestoreState: serial of the kept state that is to hold again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<u64>,
    /// For Adopt: Terraform address → id in the cloud; when empty, resources are looked for by their tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, String>,
}

/// The ways out.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RescueAction {
    /// take over resources that are in the cloud and in no state: the next plan imports them
    Adopt,
    /// put an earlier state back; the cloud is looked at before anything is planned
    RestoreState,
    /// give up on a job whose owner cannot be proven dead
    ForceUnlock,
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

/// Which runner holds Terraform.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Runner {
    /// a child process of this server
    #[default]
    Local,
}

// ---------------------------------------------------------------------------------------------------------- status

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
    /// addresses whose making was cut off and that are in no state
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
    pub action: super::terraformjob::Action,
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

/// Schema of an object with any members: configuration whose meaning the catalogue gives, outputs.
pub(crate) fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}
