//! Config keys of a service: the type of a value, what it may be, and how people spell it. Only data types; see
//! `rules/services/README.md`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::mapping::When;
use super::service::Text;

/// A config key.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigKey {
    /// type of the value
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// value when none is given
    pub default: Option<Value>,
    /// another default when a condition on other keys holds; the first that does
    #[serde(default)]
    pub default_when: Vec<DefaultWhen>,
    /// closed set of values
    #[serde(default)]
    pub choices: Vec<Value>,
    /// least number
    pub minimum: Option<f64>,
    /// greatest number
    pub maximum: Option<f64>,
    /// regular expression a text must match as a whole
    pub pattern: Option<String>,
    /// what a text means, checked by code
    pub format: Option<Format>,
    /// most characters of a text, most members of a list
    pub max_length: Option<usize>,
    /// most characters of each member of a list of texts
    pub max_item_length: Option<usize>,
    /// whether a design must say it
    #[serde(default)]
    pub required: bool,
    /// whether two components may not have the same value
    #[serde(default)]
    pub unique: bool,
    /// other names people use for it
    #[serde(default)]
    pub aliases: Vec<String>,
    /// other words people write for a value → the value
    #[serde(default)]
    pub spelled: BTreeMap<String, Value>,
    /// what a text gets in front when it lacks it and fits with it
    pub prefix: Option<String>,
    /// names in a text `name=value,…`, in the order of the pattern; it may also be written as an object, or name by name
    #[serde(default)]
    pub parts: Vec<String>,
    /// values that show what it takes; the tests of the catalogue try them
    #[serde(default)]
    pub examples: Vec<Value>,
    /// what it means
    pub description: Text,
}

/// A default under a condition.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultWhen {
    /// condition on keys that stand before this one
    pub when: When,
    /// the default then
    pub value: Value,
}

/// Types of config values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// text
    String,
    /// whole number
    Integer,
    /// number
    Number,
    /// true or false
    Boolean,
    /// list of whole numbers
    Integers,
    /// list of texts; `choices`, `pattern` and `format` hold for each
    Strings,
}

/// What a text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// IPv4 network in CIDR notation
    Cidr,
    /// IPv4 network of a VCN: /16 to /28
    VcnCidr,
}
