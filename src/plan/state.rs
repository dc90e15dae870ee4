//! Reading a Terraform state (format 4) and telling a whole one from a torn one. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::api::design::StateRecord;

/// A Terraform state, read. Values stay inside; views give addresses, ids and outputs that are not sensitive.
#[derive(Clone, PartialEq, Default)]
pub struct StateView {
    /// lineage, serial, count
    pub record: StateRecord,
    /// managed resources: address → (type, id)
    pub resources: BTreeMap<String, (String, Option<String>)>,
    /// outputs that are not sensitive
    pub outputs: BTreeMap<String, serde_json::Value>,
    /// the parsed state, for the structural diff; never shown
    pub raw: Arc<serde_json::Value>,
}

impl std::fmt::Debug for StateView {
    /// Without `raw`: a state holds every secret in clear.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("StateView").field("record", &self.record).field("resources", &self.resources).finish_non_exhaustive()
    }
}

/// Why bytes are not a state.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StateError {
    /// no bytes: what a kill leaves in most cases (the file is written in place)
    #[error("the state file is empty")]
    Empty,
    /// not whole
    #[error("the state file is torn: {detail}")]
    Torn {
        /// what is missing; never a piece of the state
        detail: String,
    },
    /// whole, but of another format
    #[error("the state has format version {found}, known is 4")]
    Version {
        /// the version found
        found: u64,
    },
}

impl StateView {
    /// Reads a state file.
    pub fn parse(bytes: &[u8]) -> Result<Self, StateError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(StateError::Empty);
        }
        let raw: Value = serde_json::from_slice(bytes).map_err(|error| StateError::Torn {
            // serde_json's own text can quote the input; category and position cannot.
            detail: format!("{:?} at line {} column {}", error.classify(), error.line(), error.column()),
        })?;
        match raw["version"].as_u64() {
            Some(4) => {}
            Some(found) => return Err(StateError::Version { found }),
            None => return Err(torn("no version")),
        }
        let serial = raw["serial"].as_u64().ok_or_else(|| torn("no serial"))?;
        let lineage = raw["lineage"].as_str().filter(|lineage| !lineage.is_empty()).ok_or_else(|| torn("no lineage"))?.to_owned();
        if !raw["resources"].is_array() {
            return Err(torn("no resources"));
        }
        let resources: BTreeMap<String, (String, Option<String>)> = instances(&raw)
            .map(|instance| (instance.address, (instance.resource_type.to_owned(), instance.attributes["id"].as_str().map(str::to_owned))))
            .collect();
        let outputs = super::members(&raw["outputs"])
            .filter(|(_, output)| output["sensitive"].as_bool() != Some(true))
            .map(|(name, output)| (name.clone(), output["value"].clone()))
            .collect();
        let record = StateRecord { lineage, serial, resources: resources.len() };
        Ok(StateView { record, resources, outputs, raw: Arc::new(raw) })
    }

    /// Every resource and data source type in the state: a provider must serve these too, also when the files no longer
    /// name them.
    pub fn types(&self) -> BTreeSet<String> {
        super::items(&self.raw["resources"]).filter_map(|resource| resource["type"].as_str()).map(str::to_owned).collect()
    }
}

fn torn(detail: &str) -> StateError {
    StateError::Torn { detail: detail.to_owned() }
}

/// A state without any resource: what is there before the first apply, so that an absent state is never an empty one.
/// Terraform keeps the lineage and goes on from serial 0; a plan made on no state at all applies to it (measured, 1.11.4).
pub fn empty_state(lineage: &str, terraform_version: &str) -> Vec<u8> {
    let state = serde_json::json!({
        "version": 4, "terraform_version": terraform_version, "serial": 0, "lineage": lineage,
        "outputs": {}, "resources": [], "check_results": null,
    });
    state.to_string().into_bytes()
}

/// The same state under another serial: what a state that is put back becomes.
pub fn with_serial(bytes: &[u8], serial: u64) -> Result<Vec<u8>, serde_json::Error> {
    let mut state: Value = serde_json::from_slice(bytes)?;
    state["serial"] = serial.into();
    serde_json::to_vec(&state)
}

/// The same state without some addresses, under the next serial. What is only kept to be destroyed (deposed) stays.
pub fn without(raw: &Value, gone: &BTreeSet<String>) -> Result<Vec<u8>, serde_json::Error> {
    let mut state = raw.clone();
    state["serial"] = (raw["serial"].as_u64().unwrap_or_default() + 1).into();
    if let Some(resources) = state["resources"].as_array_mut() {
        for resource in resources.iter_mut().filter(|resource| resource["mode"].as_str() == Some("managed")) {
            let base = base_of(resource);
            if let Some(instances) = resource["instances"].as_array_mut() {
                instances.retain(|instance| !gone.contains(&address_of(&base, instance)));
            }
        }
        resources.retain(|resource| resource["mode"].as_str() != Some("managed") || super::items(&resource["instances"]).next().is_some());
    }
    serde_json::to_vec(&state)
}

/// One managed object of a state.
pub(crate) struct Instance<'a> {
    /// full address; a deposed object says so
    pub address: String,
    /// resource type
    pub resource_type: &'a str,
    /// its attributes
    pub attributes: &'a Value,
    /// true for an object that is only kept to be destroyed
    pub deposed: bool,
}

/// Every managed object, in the order of the state.
pub(crate) fn instances(raw: &Value) -> impl Iterator<Item = Instance<'_>> {
    let managed = super::items(&raw["resources"]).filter(|resource| resource["mode"].as_str() == Some("managed"));
    managed.flat_map(|resource| {
        let resource_type = resource["type"].as_str().unwrap_or_default();
        let base = base_of(resource);
        super::items(&resource["instances"]).map(move |instance| Instance {
            address: address_of(&base, instance),
            resource_type,
            attributes: &instance["attributes"],
            deposed: instance["deposed"].as_str().is_some(),
        })
    })
}

/// Address of a resource, without the key of an instance.
fn base_of(resource: &Value) -> String {
    let text = |member: &str| resource[member].as_str().unwrap_or_default();
    let module = resource["module"].as_str().map(|module| format!("{module}.")).unwrap_or_default();
    format!("{module}{}.{}", text("type"), text("name"))
}

/// Full address of one object of a resource.
fn address_of(base: &str, instance: &Value) -> String {
    let key = match &instance["index_key"] {
        Value::Null => String::new(),
        // JSON quoting is HCL quoting but for `${`; Terraform prints `$${` there.
        Value::String(key) => format!("[{}]", Value::from(key.as_str()).to_string().replace("${", "$${").replace("%{", "%%{")),
        other => format!("[{other}]"),
    };
    let suffix = instance["deposed"].as_str().map(|key| format!("{}{key})", super::DEPOSED)).unwrap_or_default();
    format!("{base}{key}{suffix}")
}
