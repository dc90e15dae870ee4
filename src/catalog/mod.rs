//! Service definitions: load, check, look up. One YAML file per service type under `rules/services/`, embedded at build.

/// The catalogue in force.
#[derive(Debug, Clone, Default)]
pub struct Catalog {}
