//! The layers under one setting: default, file, environment, flag. Knows texts and where they came from, not meaning.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use figment::Provider;
use figment::providers::{Format, Toml};
use figment::value::Value;

use super::{Environment, Error, Secret, SettingsArgs, check_token};

/// Setting → default. None: there is no default, or it is worked out.
const KNOWN: &[(&str, Option<&str>)] = &[
    ("data_dir", None),
    ("listen", Some(super::DEFAULT_LISTEN)),
    ("token", None),
    ("approver_token", None),
    ("terraform_bin", None),
    ("max_terraform", Some("2")),
    ("min_approval", Some("auto")),
    ("region", Some("ap-osaka-1")),
    ("work_compartment_id", None),
    ("default_target", Some("sandbox")),
    ("plan_ttl_seconds", Some("3600")),
    ("drift_interval_seconds", Some("3600")),
    ("log_format", Some("text")),
    ("log", Some("info")),
    ("allowed_hosts", Some("")),
    ("allowed_origins", Some("")),
    // Container platforms send SIGKILL 30 s after SIGTERM; 5 s stay for the final writes.
    ("shutdown_grace", Some("25")),
    ("sandbox_idle", Some("300")),
    // An Exadata or a large database system takes hours; what takes longer hangs.
    ("job_time_limit", Some("14400")),
    ("memory_mb", None),
    // The disk of the product: 10 GB.
    ("disk_mb", Some("10240")),
    ("oci_endpoints", Some("")),
    ("url", None),
];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// nobody set it
    Default,
    /// the TOML file
    File(PathBuf),
    /// the environment
    Environment,
    /// the command line
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => formatter.write_str("the default"),
            Origin::File(path) => write!(formatter, "{}", path.display()),
            Origin::Environment => formatter.write_str("the environment"),
            Origin::Flag => formatter.write_str("the command line"),
        }
    }
}

/// The winning text of every setting.
pub(super) struct Layers {
    values: BTreeMap<&'static str, (String, Origin)>,
    warnings: Vec<String>,
}

impl Layers {
    /// Reads every source, the later one winning. An empty variable counts as unset.
    pub(super) fn read(environment: &Environment, args: &SettingsArgs) -> Result<Self, Error> {
        let mut values = BTreeMap::new();
        for (key, default) in KNOWN {
            if let Some(default) = default {
                values.insert(*key, ((*default).to_owned(), Origin::Default));
            }
        }
        if let Some(path) = args.config.clone().or_else(|| environment.get("GALLEY_CONFIG").map(PathBuf::from)) {
            for (key, text) in read_file(&path)? {
                values.insert(key, (text, Origin::File(path.clone())));
            }
        }
        for (key, _) in KNOWN {
            if let Some(value) = environment.get(&variable(key)) {
                values.insert(*key, (value.to_owned(), Origin::Environment));
            }
        }
        let SettingsArgs { config: _, data_dir, listen, terraform_bin, max_terraform, log_format, log } = args;
        let path_text = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let flags = [
            ("data_dir", path_text(data_dir)),
            ("listen", listen.clone()),
            ("terraform_bin", path_text(terraform_bin)),
            ("max_terraform", max_terraform.clone()),
            ("log_format", log_format.clone()),
            ("log", log.clone()),
        ];
        for (key, value) in flags {
            if let Some(value) = value {
                values.insert(key, (value, Origin::Flag));
            }
        }
        Ok(Layers { values, warnings: unknown_variables(environment) })
    }

    /// The checked value of a setting that has a default.
    pub(super) fn parse<T>(&mut self, key: &'static str, check: impl FnOnce(&str) -> Result<T, String>) -> Result<T, Error> {
        let (text, _) = self.values.get(key).cloned().unwrap_or_else(|| (String::new(), Origin::Default));
        check(text.trim()).map_err(|allowed| self.invalid(key, &text, format!("allowed is {allowed}")))
    }

    /// The checked text of a setting that may be absent.
    pub(super) fn optional(
        &mut self,
        key: &'static str,
        check: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<Option<String>, Error> {
        match self.values.get(key) {
            None => Ok(None),
            Some(_) => self.parse(key, check).map(Some),
        }
    }

    /// A list: an array in the file, commas elsewhere.
    pub(super) fn list(&mut self, key: &'static str, check: impl Fn(&str) -> Result<String, String>) -> Result<Vec<String>, Error> {
        self.parse(key, |text| text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(&check).collect())
    }

    /// A token; the value never stands in an error.
    pub(super) fn secret(&mut self, key: &'static str) -> Result<Option<Secret>, Error> {
        let Some((text, _)) = self.values.get(key) else { return Ok(None) };
        match check_token(text) {
            Ok(()) => Ok(Some(Secret::new(text.clone()))),
            Err(allowed) => Err(self.invalid(key, "(hidden)", format!("allowed is {allowed}"))),
        }
    }

    /// The refusal of a value.
    pub(super) fn invalid(&self, key: &str, value: &str, allowed: String) -> Error {
        let origin = self.values.get(key).map_or(Origin::Default, |(_, origin)| origin.clone());
        Error::Invalid { setting: variable(key), origin, value: value.to_owned(), allowed }
    }

    pub(super) fn origins(&self) -> BTreeMap<&'static str, Origin> {
        self.values.iter().map(|(key, (_, origin))| (*key, origin.clone())).collect()
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}

fn variable(key: &str) -> String {
    format!("GALLEY_{}", key.to_uppercase())
}

fn known_names() -> String {
    KNOWN.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", ")
}

/// Variables that look like settings and are none. Not an error: Kubernetes puts `GALLEY_PORT_8470_TCP…` and
/// `GALLEY_SERVICE_HOST` into every pod beside a Service named galley.
fn unknown_variables(environment: &Environment) -> Vec<String> {
    environment
        .galley_names()
        .filter(|name| *name != "GALLEY_CONFIG" && !KNOWN.iter().any(|(key, _)| variable(key) == **name))
        .filter(|name| !cfg!(feature = "faults") || !name.starts_with(crate::faults::VARIABLE))
        .filter(|name| !name.starts_with("GALLEY_SERVICE_") && *name != "GALLEY_PORT" && !name.starts_with("GALLEY_PORT_"))
        .map(|name| format!("{name} is no setting and is ignored; the settings are GALLEY_ and one of: {}", known_names()))
        .collect()
}

fn read_file(path: &std::path::Path) -> Result<Vec<(&'static str, String)>, Error> {
    let refuse = |reason: String| Error::File { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| refuse(format!("cannot read it: {error}")))?;
    // figment's message quotes no line of the file, so a token in it stays where it is
    let data = Toml::string(&text).data().map_err(|error| refuse(format!("it is not TOML: {}", first_line(&error.to_string()))))?;
    let mut found = Vec::new();
    for (name, value) in data.into_values().flatten() {
        let Some((key, _)) = KNOWN.iter().find(|(key, _)| *key == name) else {
            return Err(Error::UnknownKey { path: path.to_owned(), key: name, known: known_names() });
        };
        found.push((*key, text_of(&value).ok_or_else(|| refuse(format!("{name} is neither a text, a number nor a list of texts")))?));
    }
    Ok(found)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Array(_, items) => items.iter().map(text_of).collect::<Option<Vec<_>>>().map(|items| items.join(",")),
        Value::Num(_, number) => {
            number.to_i128().map(|number| number.to_string()).or_else(|| number.to_u128().map(|number| number.to_string()))
        }
        Value::String(..) | Value::Char(..) => value.as_str().map(str::to_owned).or_else(|| value.to_char().map(String::from)),
        Value::Bool(_, flag) => Some(flag.to_string()),
        Value::Dict(..) | Value::Empty(..) => None,
    }
}
