//! The services against an API server in memory: what each tool writes, refuses and says.

mod architecture;
mod editing;
mod hearing;
mod lifecycle;
mod reading;
mod sessions;

use serde_json::{Value, json};

use super::architecture::{ComponentInput, ConnectionInput, SaveArchitecture};
use super::lifecycle::{ApprovePlan, SetDesiredState};
use super::{Code, Error};
use crate::api::design::DesiredState;

pub(super) fn component(id: &str, service_type: &str, config: Value) -> ComponentInput {
    ComponentInput { id: id.into(), service_type: service_type.into(), display_name: None, config: serde_json::from_value(config).unwrap() }
}

pub(super) fn connection(source: &str, target: &str) -> ConnectionInput {
    ConnectionInput { source_id: source.into(), target_id: target.into(), connection_type: "deployed_in".into(), description: None }
}

pub(super) fn save(session: &str, components: Vec<ComponentInput>, connections: Vec<ConnectionInput>) -> SaveArchitecture {
    SaveArchitecture { session_id: session.into(), components, connections, ..SaveArchitecture::default() }
}

pub(super) fn desired(session: &str, state: DesiredState) -> SetDesiredState {
    SetDesiredState { session_id: session.into(), desired_state: Some(state), ..SetDesiredState::default() }
}

pub(super) fn approve(session: &str, sha: String) -> ApprovePlan {
    ApprovePlan { session_id: session.into(), plan_sha256: sha, ..ApprovePlan::default() }
}

pub(super) fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> Code {
    result.unwrap_err().code
}

pub(super) fn operation(requested: bool, action: &str, name: &str) -> Value {
    json!({ "activeOperation": { "kind": "TerraformJob", "name": name, "action": action, "requested": requested, "since": "2026-01-01T00:08:00Z" } })
}
