//! The schema of the types that the shipped services use, embedded: the part of provider 8.28.0's
//! `terraform providers schema -json` that concerns them, with the enums of the provider's source.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use super::{SchemaBlock, SchemaIndex};
use crate::render::tree::Mode;

/// 90 KiB of JSON.
const TEXT: &str = include_str!("core.json");

/// The embedded index.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CoreIndex {
    resources: BTreeMap<String, SchemaBlock>,
    data_sources: BTreeMap<String, SchemaBlock>,
    known_resources: BTreeSet<String>,
    known_data_sources: BTreeSet<String>,
}

impl CoreIndex {
    /// Reads the embedded text.
    pub fn read() -> Result<CoreIndex, serde_json::Error> {
        serde_json::from_str(TEXT)
    }
    /// The embedded index, read once per process: it is constant, and rendering happens on every reconcile.
    pub fn shared() -> Result<&'static CoreIndex, &'static serde_json::Error> {
        static INDEX: LazyLock<Result<CoreIndex, serde_json::Error>> = LazyLock::new(CoreIndex::read);
        INDEX.as_ref()
    }
}

impl SchemaIndex for CoreIndex {
    fn block(&self, mode: Mode, resource_type: &str) -> Option<&SchemaBlock> {
        match mode {
            Mode::Managed => self.resources.get(resource_type),
            Mode::Data => self.data_sources.get(resource_type),
        }
    }
    fn knows(&self, mode: Mode, resource_type: &str) -> bool {
        match mode {
            Mode::Managed => self.known_resources.contains(resource_type) || self.resources.contains_key(resource_type),
            Mode::Data => self.known_data_sources.contains(resource_type) || self.data_sources.contains_key(resource_type),
        }
    }
}
