//! Service definitions: load, check, look up. One YAML file per service type under `rules/services/`, embedded at build
//! (`build.rs`), so that adding a service is adding a file. Pure after loading: no IO, no clock.
//!
//! What a file may say is documented in `rules/services/README.md`; the types are in [`service`] and [`mapping`]. Loading
//! is strict: an unknown key, a default that its own schema refuses, a config key that nothing uses, a reference to a
//! resource that is not in the file are errors with file and line. Terraform arguments are compared with the provider
//! schema by `render::schema_check::check_catalog`. What ships was loaded strictly by the tests of this build; a server reads
//! it as JSON that the build has made of it, and checks nothing again.

mod check;
mod ends;
pub mod expression;
mod keys;
pub mod nesting;
pub mod functions;
pub mod mapping;
pub mod overlay;
pub mod questions;
pub mod service;
pub mod spelling;
#[cfg(test)]
mod tests;
pub mod yaml;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use regex::Regex;

use crate::api::condition::one_line;

pub(crate) use check::has_type;
pub use check::{TENANCY, locate};
pub use service::{Config, Service};

/// Files of `rules/services/` as they were at build time: (name, text).
pub const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/services.rs"));

/// The same files as compact JSON, in the same order.
const COMPACT: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/services-compact.rs"));

/// The connection type every service has.
pub const DEPENDS_ON: &str = "depends_on";

/// Largest service file: they are a few KiB; the cap keeps a bad overlay from being parsed at all.
const MAX_FILE_BYTES: usize = 256 * 1024;

/// Why the catalogue could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file is not YAML, or has a key or type that a service cannot have.
    #[error("read service file {file}, line {line}: {message}")]
    Read {
        /// file name
        file: String,
        /// line, from 1
        line: usize,
        /// what is wrong
        message: String,
    },
    /// The file is readable but contradicts itself.
    #[error("check service file {file}, line {line}: {message}")]
    Check {
        /// file name
        file: String,
        /// line, from 1
        line: usize,
        /// what is wrong
        message: String,
    },
    /// Two files define one service type.
    #[error("check service file {file}, line {line}: service type {service_type} is defined by {first} already")]
    Twice {
        /// the type
        service_type: String,
        /// the file that came first
        first: String,
        /// the one too many
        file: String,
        /// line in it, from 1
        line: usize,
    },
}

/// Longest message of a check in characters: it quotes what the file says, and lists what is allowed.
pub const MAX_CHECK: usize = 2_000;

impl Error {
    /// What a check says of the place `path` of a file. What it quotes may be as long as the file; what it says is not.
    pub fn check(file: &str, text: &str, path: &[&str], message: &str) -> Error {
        Error::Check { file: file.to_owned(), line: locate(text, path), message: one_line(message, MAX_CHECK) }
    }
}

/// The catalogue in force. Cheap to clone. `default()` is empty; [`Catalog::embedded`] is what ships.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    services: Arc<BTreeMap<String, Service>>,
    files: Arc<Sources>,
    patterns: Arc<Patterns>,
    spellings: Arc<BTreeMap<String, String>>,
}

/// Service type → file name and text.
type Sources = BTreeMap<String, (Cow<'static, str>, Cow<'static, str>)>;

/// Patterns of config keys. Those that a file was checked with are compiled; those that ship are compiled when something
/// is first compared with them, and most designs meet few of them.
type Patterns = BTreeMap<String, OnceLock<Option<Regex>>>;

impl Catalog {
    /// The services that ship with this build. An error here is a build that its own tests would have refused.
    pub fn embedded() -> Result<Catalog, Error> {
        let (mut services, mut sources, mut patterns) = (BTreeMap::new(), Sources::new(), Patterns::new());
        for ((file, text), (_, compact)) in EMBEDDED.iter().zip(COMPACT) {
            let service = read_compact(file, compact)?;
            let used = service.config.iter().filter_map(|(_, key)| key.pattern.clone());
            patterns.extend(used.map(|pattern| (pattern, OnceLock::new())));
            sources.insert(service.service_type.clone(), (Cow::Borrowed(*file), Cow::Borrowed(*text)));
            services.insert(service.service_type.clone(), service);
        }
        join(&mut services);
        let spellings = Arc::new(spelling::service_types(&services));
        Ok(Catalog { services: Arc::new(services), files: Arc::new(sources), patterns: Arc::new(patterns), spellings })
    }

    /// Loads service files: (name, text). Every file is checked alone, then all together.
    pub fn from_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Catalog, Error> {
        let (mut services, mut sources, mut patterns) = (BTreeMap::new(), Sources::new(), BTreeMap::new());
        for (file, text) in files {
            let service = read(file, text)?;
            check::service(file, text, &service, &mut patterns)?;
            let service_type = service.service_type.clone();
            if let Some((first, _)) = sources.get(&service_type) {
                let (first, line) = (first.clone().into_owned(), locate(text, &["type"]));
                return Err(Error::Twice { service_type, first, file: file.to_owned(), line });
            }
            sources.insert(service_type.clone(), (file.to_owned().into(), text.to_owned().into()));
            services.insert(service_type, service);
        }
        join(&mut services);
        ends::check(&services, &sources)?;
        let spellings = Arc::new(spelling::service_types(&services));
        let patterns: Patterns = patterns.into_iter().map(|(pattern, regex)| (pattern, OnceLock::from(Some(regex)))).collect();
        Ok(Catalog { services: Arc::new(services), files: Arc::new(sources), patterns: Arc::new(patterns), spellings })
    }

    /// Every service type, sorted.
    pub fn service_types(&self) -> Vec<&str> {
        self.services.keys().map(String::as_str).collect()
    }

    /// The service of that type.
    pub fn service(&self, service_type: &str) -> Option<&Service> {
        self.services.get(service_type)
    }

    /// The service type that a person's word stands for: see [`spelling`].
    pub fn named(&self, written: &str) -> Option<&str> {
        self.spellings.get(&spelling::bare(written)).map(String::as_str)
    }

    /// The connection type that a person's word stands for, and whether its ends are turned round.
    pub fn connection_named(&self, written: &str) -> Option<(&str, bool)> {
        spelling::connection(written, self.connection_types().into_iter())
    }

    /// Every service, sorted by type.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// File name and text a service was read from.
    pub fn source(&self, service_type: &str) -> Option<(&str, &str)> {
        self.files.get(service_type).map(|(file, text)| (&**file, &**text))
    }

    /// Every connection type any service knows, sorted.
    pub fn connection_types(&self) -> Vec<&str> {
        let mut types: Vec<&str> = self.services.values().flat_map(|s| s.connections.iter().map(|(name, _)| name)).collect();
        types.sort_unstable();
        types.dedup();
        types
    }

    /// Whether a text matches a pattern of the catalogue as a whole; a pattern that is not of the catalogue matches nothing.
    pub fn matches(&self, pattern: &str, text: &str) -> bool {
        let Some(regex) = self.patterns.get(pattern) else { return false };
        regex.get_or_init(|| check::compiled(pattern).ok()).as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

/// What services say of each other.
fn join(services: &mut BTreeMap<String, Service>) {
    what_is_accepted_is_a_connection(services);
    every_type_may_wait(services);
}

/// `depends_on` says only an order, so anything may say it of anything: no file lists it.
fn every_type_may_wait(services: &mut BTreeMap<String, Service>) {
    let types: Vec<String> = services.keys().cloned().collect();
    for service in services.values_mut().filter(|s| s.connections.get(DEPENDS_ON).is_none()) {
        service.connections.0.push((DEPENDS_ON.to_owned(), types.clone()));
    }
}

/// `accepts` of one file stands in `connections` of the others. A type that is not there is left to the check.
fn what_is_accepted_is_a_connection(services: &mut BTreeMap<String, Service>) {
    let said: Vec<(String, String, String)> = services
        .values()
        .flat_map(|s| s.accepts.iter().flat_map(|(name, from)| from.iter().map(|f| (f.clone(), name.to_owned(), s.service_type.clone()))))
        .collect();
    for (from, name, to) in said {
        let Some(source) = services.get_mut(&from) else { continue };
        match source.connections.0.iter_mut().find(|(n, _)| *n == name) {
            Some((_, targets)) if targets.contains(&to) => {}
            Some((_, targets)) => targets.push(to),
            None => source.connections.0.push((name, vec![to])),
        }
    }
}

/// Reads what the build made of a file: it refused a key that stands twice, and the tests have checked the rest.
fn read_compact(file: &str, json: &str) -> Result<Service, Error> {
    serde_json::from_str(json).map_err(|error| Error::Read { file: file.to_owned(), line: error.line(), message: error.to_string() })
}

/// Reads one file, strictly.
fn read(file: &str, text: &str) -> Result<Service, Error> {
    let fail = |line: usize, message: String| Error::Read { file: file.to_owned(), line, message };
    if text.len() > MAX_FILE_BYTES {
        return Err(fail(1, format!("{} bytes are more than {MAX_FILE_BYTES}", text.len())));
    }
    yaml::read(text).map_err(|fault| fail(fault.line, fault.message))
}
