//! What a rule file may say. Only data types; `deny_unknown_fields` everywhere, because a misspelt key in a rule must not be
//! silence. `rules/validation/README.md` explains every member to people.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api::design::Severity;
use crate::catalog::service::Text;

/// One file of `rules/validation/`: the rules of one theme.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// what the rules have in common; a heading of `docs/rules.md`
    pub theme: Text,
    /// the rules, in reading order
    pub rules: Vec<Definition>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Definition {
    /// `<theme>.<what-must-hold>`, unique in all files
    pub id: String,
    /// error only when OCI or the provider would refuse, or the result is broken
    pub severity: Severity,
    /// what it is evaluated on
    pub applies_to: AppliesTo,
    /// CEL: whether the rule has anything to say; absent = always
    pub when: Option<String>,
    /// CEL: what must be true
    pub require: String,
    /// where the finding points inside the component, such as `config.shape`; see [`AppliesTo`]
    pub at: Option<String>,
    /// named CEL expressions whose values fill `{name}` in the texts
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// CEL: the list of what would be allowed
    pub allowed: Option<String>,
    /// what is wrong
    pub message: Text,
    /// what to do
    pub recommendation: Text,
    /// source of the fact
    pub why: String,
    /// a small architecture without this finding and without errors
    pub good: Example,
    /// a small architecture with this finding
    pub bad: Example,
}

/// What a rule is evaluated on: exactly one member.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppliesTo {
    /// every component of these service types; `at` is `config.<key>` or absent
    #[serde(default)]
    pub types: Vec<String>,
    /// every connection that is one of these; `at` is `source…`, `target…` or absent for the connection itself
    #[serde(default)]
    pub pairs: Vec<Pair>,
    /// once for the design; `at` is a path of the spec, or absent
    #[serde(default)]
    pub design: bool,
}

/// Connections by service type of both ends and connection type. An empty list means any.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// service types where it starts
    #[serde(default)]
    pub from: Vec<String>,
    /// connection types
    #[serde(default)]
    pub via: Vec<String>,
    /// service types where it ends
    #[serde(default)]
    pub to: Vec<String>,
}

impl Pair {
    /// Whether a connection is one of these.
    pub fn fits(&self, from: &str, via: &str, to: &str) -> bool {
        let any_of = |list: &[String], word: &str| list.is_empty() || list.iter().any(|one| one == word);
        any_of(&self.from, from) && any_of(&self.via, via) && any_of(&self.to, to)
    }
}

/// A small architecture, written short: see `example`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Example(pub Map<String, Value>);
