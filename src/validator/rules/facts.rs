//! Facts that rules name: the top-level keys of `rules/validation/facts.yaml`, and `regions` from the provider's own list.
//! A fact is what OCI offers and a service file does not say: sizes of shapes, versions, regions.

use serde_json::{Map, Value};

use super::cel::Context;
use super::input;
use crate::catalog::locate;
use crate::catalog::yaml::{self, Fault};
use crate::validator::finding::quoted;

/// Regions with key, realm and domain: see `rules/provider/README.md`.
const REGIONS: &str = include_str!("../../../rules/provider/regions.json");

/// Named facts.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Facts(Map<String, Value>);

impl Facts {
    /// Reads the file of facts.
    pub(super) fn read(text: &str) -> Result<Facts, Fault> {
        Facts::of(yaml::read(text)?, text)
    }

    /// Of what the file holds; `text` is the file, for the line of what is wrong.
    pub(super) fn of(mut facts: Map<String, Value>, text: &str) -> Result<Facts, Fault> {
        let mut regions: Map<String, Value> =
            serde_json::from_str(REGIONS).map_err(|error| Fault { line: 1, message: error.to_string() })?;
        let more = facts.remove("region_facts").unwrap_or_default();
        for (region, members) in more.as_object().into_iter().flatten() {
            let known = regions.get_mut(region).and_then(Value::as_object_mut);
            let Some(known) = known else {
                let message = format!("region_facts names {}, which is not a region", quoted(region));
                return Err(Fault { line: locate(text, &["region_facts", region]), message });
            };
            known.extend(members.as_object().cloned().unwrap_or_default());
        }
        facts.insert("regions".to_owned(), Value::Object(regions));
        Ok(Facts(facts))
    }

    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Makes them names of every expression.
    pub(super) fn fill(&self, root: &mut Context<'_>) {
        for (name, fact) in &self.0 {
            root.add_variable_from_value(name.as_str(), input::value(fact));
        }
    }
}
