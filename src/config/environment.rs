//! The environment as a value: read once in `main`, handed on, made up by tests.

use std::collections::BTreeMap;

/// Variables of the process that are valid UTF-8.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads the process's environment: the only place in Galley that does.
    #[allow(clippy::disallowed_methods, reason = "the one reader of the environment")]
    pub fn read() -> Self {
        Environment(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect())
    }
    /// A made-up environment.
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Environment(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
    /// Everything, for those who pass an allowlisted part of it on.
    pub fn all(&self) -> BTreeMap<String, String> {
        self.0.clone()
    }
    /// The value of a variable; an empty one counts as unset, as shells and compose files write it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
    /// Names that start with `GALLEY_`.
    pub(super) fn galley_names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|name| name.starts_with("GALLEY_"))
    }
    /// True when texts are to be Japanese: `LC_ALL`, then `LC_MESSAGES`, then `LANG` (POSIX order) starts with `ja`.
    pub fn is_japanese(&self) -> bool {
        ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| self.get(name)).is_some_and(|value| value.starts_with("ja"))
    }
    /// False when `NO_COLOR` is set (no-color.org) or the terminal is dumb.
    pub fn allows_colour(&self) -> bool {
        self.get("NO_COLOR").is_none() && self.get("TERM") != Some("dumb")
    }
}

/// Values may be secrets: only names are shown.
impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}
