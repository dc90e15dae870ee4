//! `Session`: one customer conversation. Holds what was heard, and the gate that lets one heavy operation run at a time.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Time;

/// What the person wants to keep of the conversation.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "galley.dev",
    version = "v1alpha1",
    kind = "Session",
    plural = "sessions",
    shortname = "ses",
    category = "galley",
    namespaced,
    status = "SessionStatus",
    derive = "PartialEq",
    printcolumn(name = "Title", type_ = "string", json_path = ".spec.title"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Operation", type_ = "string", json_path = ".status.activeOperation.name"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    cel
)]
#[serde(rename_all = "camelCase")]
pub struct SessionSpec {
    /// Free text in any language.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// Language of findings, hints and summaries.
    #[serde(default)]
    pub language: Language,
    /// Answers of the hearing by question id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<String, Answer>,
    /// Result of the hearing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hearing: Option<Hearing>,
}

/// Language of texts for people.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Language {
    /// Japanese
    Ja,
    /// English
    #[default]
    En,
}

/// One answer.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The answer as given.
    pub value: String,
    /// When it was given.
    pub time: Time,
}

/// What was made of the answers.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Hearing {
    /// true once completed; reopening sets it back.
    #[serde(default)]
    pub completed: bool,
    /// Markdown summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Requirements, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<String>,
    /// Constraints, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
}

/// Where the session stands.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SessionStatus {
    /// Phase of the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<SessionPhase>,
    /// The gate: the one heavy operation of this session, or nothing. Claimed by compare-and-swap on resourceVersion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_operation: Option<ActiveOperation>,
    /// Generation this status was computed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Phase of a session.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionPhase {
    /// created, nothing heard
    Created,
    /// at least one answer
    Hearing,
    /// hearing completed
    HearingCompleted,
    /// a design exists
    Designing,
    /// the design has no errors
    Validated,
    /// a job runs or a plan waits
    Building,
    /// applied
    Deployed,
    /// a destroy is wanted and not finished
    Destroying,
    /// destroyed
    Destroyed,
}

/// Who holds the gate of a session.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ActiveOperation {
    /// Kind of the document that works: TerraformJob or OciCommand.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What it does: Plan, Apply, Destroy, Refresh, Command.
    pub action: String,
    /// uid of the design (TerraformJob) it works for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// true when a person asked for it; false for a background drift check.
    pub requested: bool,
    /// When the gate was claimed.
    pub since: Time,
}
