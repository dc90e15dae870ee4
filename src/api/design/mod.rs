//! `Design`: the desired state of one session's architecture. What is known about the real one is in [`status`].

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod status;

pub use status::*;

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

/// Which runner holds Terraform.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Runner {
    /// a child process of this server
    #[default]
    Local,
}

/// Schema of an object with any members: configuration whose meaning the catalogue gives, outputs.
pub(crate) fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}
