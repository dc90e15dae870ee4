//! Pure reading of Terraform's JSON: plans, states, events, diagnostics, and the structural diff. No IO, no clock.
//!
//! Values never leave this module unmasked: views carry addresses and attribute *paths*; values only where asked for and
//! never where the schema or Terraform marks them sensitive.

use std::collections::BTreeMap;

use crate::api::design::{Change, Counts};

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
