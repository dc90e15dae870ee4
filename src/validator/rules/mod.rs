//! Rules as data: CEL over a design that the structural judge has passed. One file per theme under `rules/validation/`,
//! embedded at build, overlaid by whoever runs the server. Pure: no IO, no clock; a stopwatch is handed in.
//!
//! A rule is compiled once and evaluated only on what it applies to: components of its types, connections of its pairs, or
//! the design as a whole. What an expression sees is in `input`, what it may call in `functions`, what it must not do in
//! `program`. Loading is strict: an unknown key, an expression that does not compile, a service type that is not in the
//! catalogue, an id that stands twice are errors with file and line.

mod definition;
mod evaluate;
mod example;
mod facts;
mod functions;
mod input;
mod load;
mod program;
mod text;
mod timing;
mod weight;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod docs_tests;
#[cfg(test)]
mod field_tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kube::core::cel::cel;

use cel::{Context, Program};
pub use definition::{AppliesTo, Definition, Example, Pair};
pub use evaluate::Judgement;
use facts::Facts;
pub use input::Case;

use crate::catalog::Catalog;
use crate::catalog::service::Text;

/// Files of `rules/validation/` as they were at build time: (name, text).
pub const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/validation.rs"));

/// The same files as compact JSON without the examples, in the same order.
const COMPACT: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/validation-compact.rs"));

/// The file that holds facts instead of rules.
const FACTS: &str = "facts.yaml";

/// Time since some moment, for the loader to see how long a rule takes.
pub type Stopwatch<'a> = &'a dyn Fn() -> Duration;

/// Why rules could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file is not YAML, or has a key or type that a rule cannot have.
    #[error("read rule file {file}, line {line}: {message}")]
    Read {
        /// file name
        file: String,
        /// line, from 1
        line: usize,
        /// what is wrong
        message: String,
    },
    /// The file is readable, but a rule in it cannot be used.
    #[error("check rule file {file}, line {line}: rule {rule} {message}")]
    Check {
        /// file name
        file: String,
        /// line, from 1
        line: usize,
        /// id of the rule
        rule: String,
        /// what is wrong
        message: String,
    },
}

/// One rule in force.
struct Rule {
    definition: Definition,
    file: Arc<str>,
    theme: Arc<Text>,
    judging: OnceLock<Result<Judging, String>>,
    telling: OnceLock<Result<Telling, String>>,
}

/// What decides.
struct Judging {
    when: Option<Program>,
    require: Program,
}

/// What fills the texts; compiled when the rule speaks for the first time.
struct Telling {
    values: BTreeMap<String, Program>,
    allowed: Option<Program>,
}

/// Rules with everything they are evaluated with.
struct Shelf {
    rules: Vec<Arc<Rule>>,
    /// service type → rules of its components, as positions in `rules`
    by_type: BTreeMap<String, Vec<usize>>,
    pairs: Vec<usize>,
    design: Vec<usize>,
    facts: Facts,
    /// functions and facts
    root: Context<'static>,
    /// why there are no rules, when they could not be read
    fault: Option<String>,
}

/// The rules in force. Cheap to clone. `default()` has none.
#[derive(Clone, Default)]
pub struct Rules {
    shelf: Arc<OnceLock<Shelf>>,
    shipped: bool,
    problems: Arc<Vec<String>>,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("rules", &self.shelf.get().map(|shelf| shelf.rules.len())).field("problems", &self.problems).finish()
    }
}

impl Rules {
    /// The rules that ship with this build, read when they are first needed and each compiled when it is first evaluated:
    /// starting up waits for neither. That they load strictly is what their own tests say of this build.
    pub fn shipped() -> Rules {
        Rules { shipped: true, ..Rules::default() }
    }

    /// Loads rule files strictly: (name, text). Every expression is compiled and checked, and with a stopwatch each rule is
    /// timed on a synthetic design.
    pub fn load<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
        catalog: &Catalog,
        stopwatch: Option<Stopwatch<'_>>,
    ) -> Result<Rules, Error> {
        let files: Vec<(&str, &str)> = files.into_iter().collect();
        let shelf = load::shelf(&files)?;
        load::check(&shelf, &files, catalog)?;
        if let Some(stopwatch) = stopwatch {
            timing::check(&shelf, &files, catalog, stopwatch)?;
        }
        Ok(Rules { shelf: Arc::new(OnceLock::from(shelf)), ..Rules::default() })
    }

    /// The same rules, and what is wrong with those that somebody wanted instead: every judgement says it.
    pub fn with_problems(&self, problems: Vec<String>) -> Rules {
        Rules { problems: Arc::new(problems), ..self.clone() }
    }

    /// What is wrong with rules or services that are not in force.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        self.problems.iter().chain(&self.shelf().fault).map(String::as_str)
    }

    /// Every rule: file, theme, definition, in the order of files and rules.
    pub fn definitions(&self) -> impl Iterator<Item = (&str, &Text, &Definition)> {
        self.shelf().rules.iter().map(|rule| (&*rule.file, &*rule.theme, &rule.definition))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.shelf().rules.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Judges a design.
    pub fn judge(&self, case: Case<'_>, language: crate::api::session::Language) -> Judgement {
        evaluate::judge(self.shelf(), case, language)
    }

    /// The same rules but one, for the mutation run.
    #[cfg(test)]
    pub(crate) fn without(&self, id: &str) -> Rules {
        let shelf = self.shelf();
        let kept = shelf.rules.iter().filter(|rule| rule.definition.id != id).cloned();
        Rules { shelf: Arc::new(OnceLock::from(Shelf::new(kept.collect(), shelf.facts.clone()))), ..Rules::default() }
    }

    /// The rules, read now if they were not yet.
    fn shelf(&self) -> &Shelf {
        self.shelf.get_or_init(|| {
            let files = if self.shipped { COMPACT } else { &[] };
            let nothing = |error: Error| Shelf { fault: Some(error.to_string()), ..Shelf::new(Vec::new(), Facts::default()) };
            load::compact(files).unwrap_or_else(nothing)
        })
    }
}

impl Rule {
    fn judging(&self) -> Result<&Judging, &str> {
        let compiled = self.judging.get_or_init(|| {
            let when = self.definition.when.as_deref().map(program::compile).transpose()?;
            Ok(Judging { when, require: program::compile(&self.definition.require)? })
        });
        compiled.as_ref().map_err(String::as_str)
    }

    fn telling(&self) -> Result<&Telling, &str> {
        let compiled = self.telling.get_or_init(|| {
            let one = |(name, source): (&String, &String)| Ok((name.clone(), program::compile(source)?));
            let values = self.definition.values.iter().map(one).collect::<Result<_, String>>()?;
            Ok(Telling { values, allowed: self.definition.allowed.as_deref().map(program::compile).transpose()? })
        });
        compiled.as_ref().map_err(String::as_str)
    }
}
