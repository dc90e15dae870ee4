//! Pure reading of Terraform's JSON: plans, states, events, diagnostics, and the structural diff. No IO, no clock.
//!
//! Values never leave this module unmasked: views carry addresses and attribute *paths*; values only where asked for and
//! never where the schema or Terraform marks them sensitive.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::api::design::{Change, ChangeAction, Counts};

pub mod canonical;
pub mod details;
pub mod diagnostics;
pub mod diff;
pub mod events;
pub mod graph;
pub mod looked_up;
pub mod mask;
pub mod outcome;
pub mod paths;
pub mod state;

pub use details::PlanDetails;
pub use diff::structural_diff;
pub use outcome::Tracker;
pub use state::{StateError, StateView};

/// A plan as `terraform show -json` prints it, reduced to what Galley decides and shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlanView {
    /// counts, each resource once
    pub counts: Counts,
    /// every change, deletes and replaces first, then by address
    pub changes: Vec<Change>,
    /// `resource_drift` entries that are deletes (gone or forbidden: a 404 never tells)
    pub drift_deletes: Vec<String>,
    /// `resource_drift` entries that are updates
    pub drift_updates: Vec<Change>,
    /// true when an output changes
    pub output_changes: bool,
    /// sha256 of the canonical JSON without timestamps
    pub semantic_sha256: String,
    /// address → addresses it depends on (configuration references, transitive data and locals resolved), for
    /// notAttempted and for people
    pub depends_on: BTreeMap<String, Vec<String>>,
}

/// What can go wrong while reading.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// not JSON
    #[error("the plan is not valid JSON")]
    Json(#[source] serde_json::Error),
    /// JSON, but not a plan that this reader knows
    #[error("the plan has format version {found:?}, known is 1.x")]
    Format {
        /// what `format_version` says
        found: String,
    },
}

impl PlanView {
    /// Reads `terraform show -json <plan file>` (format 1.x).
    pub fn parse(show_json: &[u8]) -> Result<Self, Error> {
        Self::parse_with_files(show_json, &BTreeMap::new())
    }

    /// As [`PlanView::parse`], and resolves references through `locals`, which the plan's JSON leaves out, by reading the
    /// files (name → text) the plan was made of.
    pub fn parse_with_files(show_json: &[u8], files: &BTreeMap<String, String>) -> Result<Self, Error> {
        Ok(Self::of(&read(show_json)?, files))
    }

    /// From JSON that was parsed already.
    fn of(plan: &Value, files: &BTreeMap<String, String>) -> Self {
        let mut view = PlanView {
            output_changes: members(&plan["output_changes"]).any(|(_, change)| !is_noop(change)),
            semantic_sha256: canonical::semantic_sha256(plan),
            ..PlanView::default()
        };
        for entry in items(&plan["resource_changes"]) {
            let Some(change) = change_of(entry) else { continue };
            count(&mut view.counts, change.action);
            view.changes.push(change);
        }
        for entry in items(&plan["resource_drift"]) {
            match change_of(entry) {
                Some(change) if change.action == ChangeAction::Delete => view.drift_deletes.push(change.address),
                Some(change) => view.drift_updates.push(change),
                None => {}
            }
        }
        // ChangeAction orders Delete before Replace before the rest: what hurts is read first.
        view.changes.sort_by(|a, b| (a.action, &a.address).cmp(&(b.action, &b.address)));
        view.drift_deletes.sort();
        view.drift_updates.sort_by(|a, b| a.address.cmp(&b.address));
        let addresses: BTreeSet<&str> = items(&plan["resource_changes"]).filter_map(|entry| entry["address"].as_str()).collect();
        view.depends_on = graph::depends_on(&plan["configuration"], &addresses, &graph::locals(files));
        view
    }

    /// What is planned per address, for [`Tracker`]. A deposed object counts with its resource.
    pub fn planned(&self) -> BTreeMap<String, ChangeAction> {
        self.changes.iter().filter(|change| !change.address.contains(DEPOSED)).map(|c| (c.address.clone(), c.action)).collect()
    }

    /// The planned changes that cannot be made when `failed` fails: everything that depends on it, transitively. In a
    /// destroy the arrows point the other way: what the failed one depends on stays.
    pub fn blocked_by(&self, failed: &[String], destroy: bool) -> BTreeSet<String> {
        let planned: BTreeSet<&str> = self.changes.iter().map(|change| change.address.as_str()).collect();
        let mut blocked: BTreeSet<String> = failed.iter().cloned().collect();
        loop {
            let before = blocked.len();
            for (address, needs) in &self.depends_on {
                for need in needs {
                    let (cause, effect) = if destroy { (address, need) } else { (need, address) };
                    if blocked.contains(cause) {
                        blocked.insert(effect.clone());
                    }
                }
            }
            if blocked.len() == before {
                break;
            }
        }
        blocked.into_iter().filter(|address| planned.contains(address.as_str()) && !failed.contains(address)).collect()
    }

    /// Drift as one list, deletes first.
    pub fn drift(&self) -> Vec<Change> {
        let deletes = self.drift_deletes.iter().map(|address| Change {
            address: address.clone(),
            action: ChangeAction::Delete,
            replace_paths: Vec::new(),
            changed_paths: Vec::new(),
        });
        deletes.chain(self.drift_updates.iter().cloned()).collect()
    }
}

/// Parses and checks that it is a plan of format 1.x (Terraform promises compatibility within a major version).
pub(crate) fn read(show_json: &[u8]) -> Result<Value, Error> {
    let plan: Value = serde_json::from_slice(show_json).map_err(Error::Json)?;
    match plan["format_version"].as_str() {
        Some(version) if version.starts_with("1.") => Ok(plan),
        found => Err(Error::Format { found: found.unwrap_or_default().to_owned() }),
    }
}

/// What stands in the address of a deposed object, which no configuration address can hold.
const DEPOSED: &str = " (deposed ";

/// One managed resource's change; None for data sources and for no-ops.
fn change_of(entry: &Value) -> Option<Change> {
    if entry["mode"].as_str() == Some("data") {
        return None;
    }
    let change = &entry["change"];
    let action = action_of(change)?;
    let mut address = entry["address"].as_str()?.to_owned();
    if let Some(key) = entry["deposed"].as_str() {
        address = format!("{address}{DEPOSED}{key})");
    }
    let replace_paths = items(&change["replace_paths"]).map(paths::dotted).collect();
    let changed_paths = match action {
        ChangeAction::Update | ChangeAction::Replace | ChangeAction::Import => paths::changed(change),
        ChangeAction::Create | ChangeAction::Delete => Vec::new(),
    };
    Some(Change { address, action, replace_paths, changed_paths })
}

/// The action of a change, each resource once: an import that also destroys is a replace, one that updates is an import.
fn action_of(change: &Value) -> Option<ChangeAction> {
    let actions: Vec<&str> = items(&change["actions"]).filter_map(Value::as_str).collect();
    let importing = !change["importing"].is_null();
    match actions.as_slice() {
        // `forget` drops a resource from the state and leaves it in the cloud: nobody looks after it any more.
        ["delete"] | ["forget"] => Some(ChangeAction::Delete),
        ["delete", "create"] | ["create", "delete"] | ["create", "forget"] => Some(ChangeAction::Replace),
        _ if importing => Some(ChangeAction::Import),
        ["create"] => Some(ChangeAction::Create),
        ["update"] => Some(ChangeAction::Update),
        _ => None,
    }
}

fn is_noop(change: &Value) -> bool {
    items(&change["actions"]).all(|action| action == "no-op")
}

/// Adds one change to the counts.
pub(crate) fn count(counts: &mut Counts, action: ChangeAction) {
    match action {
        ChangeAction::Delete => counts.delete += 1,
        ChangeAction::Replace => counts.replace += 1,
        ChangeAction::Create => counts.create += 1,
        ChangeAction::Update => counts.update += 1,
        ChangeAction::Import => counts.import += 1,
    }
}

/// Elements of an array; nothing for anything else.
pub(crate) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Members of an object; nothing for anything else.
pub(crate) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

#[cfg(test)]
mod tests;
