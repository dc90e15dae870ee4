//! Differences that stay, each with its reason: `explained.yaml`. One that no longer occurs is an error, too.

use std::cell::Cell;

use serde::Deserialize;

use crate::compare::{Difference, general};

/// One explained difference.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explained {
    pub resource: String,
    /// dotted, indexes as `*`, or `(actions)`, `(reason)`, `(replace)`
    pub path: String,
    /// what the simulated provider says; absent: anything
    pub sandbox: Option<String>,
    /// what the real one says; absent: anything
    pub real: Option<String>,
    pub why: String,
    #[serde(skip)]
    seen: Cell<usize>,
}

impl Explained {
    /// Every entry of the file.
    pub fn all() -> Vec<Explained> {
        let found: Vec<Explained> = serde_yaml::from_str(include_str!("explained.yaml")).expect("explained.yaml is a list of differences");
        assert!(found.iter().all(|entry| entry.why.len() > 20), "a difference without a reason is not explained");
        found
    }

    fn covers(&self, difference: &Difference) -> bool {
        let says = |wanted: &Option<String>, said: &str| wanted.as_ref().is_none_or(|wanted| wanted == said);
        self.resource == difference.resource_type
            && self.path == general(&difference.path)
            && says(&self.sandbox, &difference.sandbox)
            && says(&self.real, &difference.real)
    }

    pub fn seen(&self) -> usize {
        self.seen.get()
    }
}

/// Whether some entry explains it; that entry is marked as seen.
pub fn is_explained(entries: &[Explained], difference: &Difference) -> bool {
    let entry = entries.iter().find(|entry| entry.covers(difference));
    entry.inspect(|entry| entry.seen.set(entry.seen.get() + 1)).is_some()
}
