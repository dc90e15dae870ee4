//! Facts that rules name: the top-level keys of `rules/validation/facts.yaml`, and `regions` from the provider's own list.
//! A fact is what OCI offers and a service file does not say: sizes of shapes, versions, regions.

use serde_json::{Map, Value};

use super::cel::Context;
use super::input;

/// Regions with key, realm and domain: see `rules/provider/README.md`.
const REGIONS: &str = include_str!("../../../rules/provider/regions.json");

/// Named facts.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Facts(Map<String, Value>);

impl Facts {
    /// Reads the file of facts. Parsed as a plain value first: that refuses a key that stands twice.
    pub(super) fn read(text: &str) -> Result<Facts, String> {
        let plain: serde_yaml::Value = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        Facts::of(serde_yaml::from_value(plain).map_err(|error| error.to_string())?)
    }

    /// Of what the file holds.
    pub(super) fn of(mut facts: Map<String, Value>) -> Result<Facts, String> {
        let mut regions: Map<String, Value> = serde_json::from_str(REGIONS).map_err(|error| error.to_string())?;
        let more = facts.remove("region_facts").unwrap_or_default();
        for (region, members) in more.as_object().into_iter().flatten() {
            let known = regions.get_mut(region).and_then(Value::as_object_mut);
            let Some(known) = known else { return Err(format!("region_facts names `{region}`, which is not a region")) };
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
