//! Settings: read once, checked once, never read again.
//!
//! Takes defaults, one TOML file (`GALLEY_CONFIG`), `GALLEY_*` variables and command line flags, the later one winning,
//! and gives [`Settings`]. Every refusal names the full variable, the value and what is allowed. The only module that
//! reads the environment: everybody else is handed an [`Environment`] or a value made from it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::api::design::{ApprovalPolicy, Target};

pub mod environment;
pub mod files;
mod sources;
#[cfg(test)]
mod tests;

pub use environment::Environment;
pub use files::{ServerFile, Tokens};
use sources::Layers;
pub use sources::Origin;

/// Compartment of every sandbox design: OCID shape, of no tenancy.
pub const SANDBOX_COMPARTMENT: &str = "ocid1.compartment.oc1..galleysandbox";
/// Header by which the CLI says that a person types; it chooses a word for the record, never a right.
pub const CHANNEL_HEADER: &str = "x-galley-channel";
/// Services of OCI whose endpoint can be set.
pub const OCI_SERVICES: [&str; 2] = ["search", "objectstorage"];
/// Where the server listens when nobody says otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8470";

/// Why the settings cannot be used. Each message is one line a person can act on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// a value that is not allowed
    #[error("{setting} (from {origin}) is {value:?}: {allowed}")]
    Invalid {
        /// full name of the variable
        setting: String,
        /// where the value came from
        origin: Origin,
        /// the value, `(hidden)` for a secret
        value: String,
        /// what is allowed
        allowed: String,
    },
    /// a value that is needed and not given
    #[error("{setting} is not set: {needed}")]
    Missing {
        /// full name of the variable
        setting: String,
        /// why it is needed and what it looks like
        needed: String,
    },
    /// the file names a setting that does not exist
    #[error("{path}: there is no setting {key:?}; the settings are {known}")]
    UnknownKey {
        /// the file
        path: PathBuf,
        /// the key
        key: String,
        /// all settings
        known: String,
    },
    /// the file cannot be read or is not TOML
    #[error("GALLEY_CONFIG is {path:?}: {reason}")]
    File {
        /// the file
        path: PathBuf,
        /// why
        reason: String,
    },
    /// the data directory or a file in it cannot be used
    #[error("cannot {verb} {path:?}")]
    DataDir {
        /// what was tried
        verb: &'static str,
        /// on what
        path: PathBuf,
        /// why
        #[source]
        source: std::io::Error,
    },
}

/// A secret text: a token. Neither Debug nor anything else prints it; [`Secret::expose`] is the one way to its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }
    /// The value, for a header, a URL of a client or a comparison; never for a log line.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// for people; colours on a terminal only
    Text,
    /// one JSON object a line
    Json,
}

/// Flags that overlay the environment; one field per setting that makes sense on a command line. Tokens have none:
/// a command line can be read by every user of the machine.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingsArgs {
    /// TOML file with settings [env: GALLEY_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory with documents, state and tokens [env: GALLEY_DATA_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address the server listens on [env: GALLEY_LISTEN]
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Terraform binary [env: GALLEY_TERRAFORM_BIN]
    #[arg(long, global = true, value_name = "FILE")]
    pub terraform_bin: Option<PathBuf>,
    /// Most Terraform processes at once [env: GALLEY_MAX_TERRAFORM]
    #[arg(long, global = true, value_name = "N")]
    pub max_terraform: Option<String>,
    /// text or json [env: GALLEY_LOG_FORMAT]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Log filter such as `info` or `galley=debug,warn` [env: GALLEY_LOG]
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,
}

/// Everything that can be set, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// documents, blobs, working directories, tokens
    pub data_dir: PathBuf,
    /// address of the HTTP server
    pub listen: SocketAddr,
    /// editor token as given; made once in the data directory when absent
    pub token: Option<Secret>,
    /// approver token as given; made once in the data directory when absent
    pub approver_token: Option<Secret>,
    /// terraform, an executable file
    pub terraform_bin: PathBuf,
    /// most Terraform processes at once, 1–64
    pub max_terraform: usize,
    /// loosest approval policy a design may have
    pub min_approval: ApprovalPolicy,
    /// OCI region of designs that name none
    pub region: String,
    /// OCID that nothing is ever created outside of; None where only the sandbox is used
    pub work_compartment_id: Option<String>,
    /// target of designs that name none
    pub default_target: Target,
    /// how long a plan may be applied
    pub plan_ttl: Duration,
    /// seconds between drift checks of designs that name none; 0 = only on request
    pub drift_interval_seconds: i64,
    /// how log lines look
    pub log_format: LogFormat,
    /// `tracing_subscriber` filter
    pub log: String,
    /// names besides loopback that the `Host` header may carry, with or without port
    pub allowed_hosts: Vec<String>,
    /// origins besides the server's own that may write
    pub allowed_origins: Vec<String>,
    /// how long running Terraform may finish at shutdown
    pub shutdown_grace: Duration,
    /// how long an unused simulated cloud keeps its process
    pub sandbox_idle: Duration,
    /// longest run of an apply or destroy
    pub job_time_limit: Duration,
    /// memory for the server and all it starts, in bytes; what the container or machine has when absent
    pub memory: Option<u64>,
    /// bound of the data directory in bytes
    pub disk: u64,
    /// other endpoints of OCI's services, by name: for tests and private endpoints; a document never names one
    pub oci_endpoints: BTreeMap<String, String>,
    /// where each setting came from, for the first log line
    pub origins: BTreeMap<&'static str, Origin>,
    /// things that look like mistakes and stop nothing
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads every source and checks the result. Touches no file but the TOML file and the terraform binary.
    pub fn load(environment: &Environment, args: &SettingsArgs) -> Result<Self, Error> {
        let mut layers = Layers::read(environment, args)?;
        let data_dir = data_dir(environment, &mut layers)?;
        let listen: SocketAddr = layers.parse("listen", |text| {
            text.parse().map_err(|_| "an IP address and a port such as 127.0.0.1:8470, or port 0 for any free one".to_owned())
        })?;
        let token = layers.secret("token")?;
        let approver_token = layers.secret("approver_token")?;
        if let (Some(editor), Some(approver)) = (&token, &approver_token)
            && editor == approver
        {
            return Err(layers.invalid(
                "approver_token",
                "(hidden)",
                "it must differ from GALLEY_TOKEN: whoever holds the editor token could approve".into(),
            ));
        }
        if !listen.ip().is_loopback() && token.is_none() {
            return Err(Error::Missing {
                setting: "GALLEY_TOKEN".into(),
                needed: format!(
                    "GALLEY_LISTEN is {listen}, which other machines reach; give a token of 16 to 256 characters, or listen on 127.0.0.1"
                ),
            });
        }
        let default_target = layers.parse("default_target", |text| match text {
            "sandbox" => Ok(Target::Sandbox),
            "oci" => Ok(Target::Oci),
            _ => Err("sandbox or oci".to_owned()),
        })?;
        let work_compartment_id = layers.optional("work_compartment_id", check_compartment)?;
        if default_target == Target::Oci && work_compartment_id.is_none() {
            return Err(work_compartment_missing());
        }
        let seconds = |least: u64, most: u64| {
            move |text: &str| match text.parse::<u64>() {
                Ok(value) if (least..=most).contains(&value) => Ok(Duration::from_secs(value)),
                _ => Err(format!("a whole number of seconds from {least} to {most}")),
            }
        };
        let megabytes = |least: u64| {
            move |text: &str| match text.trim().parse::<u64>() {
                Ok(value) if (least..=1 << 30).contains(&value) => Ok(value << 20),
                _ => Err(format!("a whole number of megabytes from {least} on")),
            }
        };
        Ok(Settings {
            terraform_bin: terraform_bin(environment, &mut layers)?,
            max_terraform: layers.parse("max_terraform", |text| match text.parse::<usize>() {
                Ok(value) if (1..=64).contains(&value) => Ok(value),
                _ => Err("a whole number from 1 to 64; one process needs several hundred MB".to_owned()),
            })?,
            min_approval: layers.parse("min_approval", |text| match text {
                "auto" => Ok(ApprovalPolicy::Auto),
                "agent" => Ok(ApprovalPolicy::Agent),
                "human" => Ok(ApprovalPolicy::Human),
                _ => Err("auto, agent or human".to_owned()),
            })?,
            region: layers.parse("region", check_region)?,
            // A plan older than a day describes a world nobody remembers.
            plan_ttl: layers.parse("plan_ttl_seconds", seconds(60, 86_400))?,
            drift_interval_seconds: layers.parse("drift_interval_seconds", |text| match text.parse::<i64>() {
                Ok(0) => Ok(0),
                Ok(value) if (60..=604_800).contains(&value) => Ok(value),
                _ => Err("0 (only on request) or a whole number of seconds from 60 to 604800".to_owned()),
            })?,
            log_format: layers.parse("log_format", |text| match text {
                "text" => Ok(LogFormat::Text),
                "json" => Ok(LogFormat::Json),
                _ => Err("text or json".to_owned()),
            })?,
            log: layers.parse("log", |text| {
                tracing_subscriber::EnvFilter::try_new(text)
                    .map(|_| text.to_owned())
                    .map_err(|_| "a filter such as info, debug or galley=debug,warn".to_owned())
            })?,
            allowed_hosts: layers.list("allowed_hosts", check_host)?,
            allowed_origins: layers.list("allowed_origins", check_origin)?,
            shutdown_grace: layers.parse("shutdown_grace", seconds(1, 600))?,
            sandbox_idle: layers.parse("sandbox_idle", seconds(1, 86_400))?,
            // A day: beyond it nobody waits. Ten seconds: for whoever tries the limit out.
            job_time_limit: layers.parse("job_time_limit", seconds(10, 86_400))?,
            memory: layers
                .optional("memory_mb", |text| megabytes(256)(text).map(|_| text.to_owned()))?
                .and_then(|text| megabytes(256)(&text).ok()),
            disk: layers.parse("disk_mb", megabytes(256))?,
            oci_endpoints: layers
                .list("oci_endpoints", check_endpoint)?
                .iter()
                .filter_map(|item| item.split_once('='))
                .map(|(service, url)| (service.to_owned(), url.to_owned()))
                .collect(),
            warnings: layers.warnings(),
            origins: layers.origins(),
            data_dir,
            listen,
            token,
            approver_token,
            work_compartment_id,
            default_target,
        })
    }

    /// Compartment that designs of `target` are built in.
    pub fn work_compartment(&self, target: Target) -> Result<&str, Error> {
        match (target, &self.work_compartment_id) {
            (Target::Sandbox, None) => Ok(SANDBOX_COMPARTMENT),
            (Target::Sandbox | Target::Oci, Some(id)) => Ok(id),
            (Target::Oci, None) => Err(work_compartment_missing()),
        }
    }

    /// Setting → value, for the first log line: no secret, only whether one was given.
    pub fn describe(&self) -> BTreeMap<&'static str, String> {
        let Settings { data_dir, listen, token, approver_token, terraform_bin, max_terraform, min_approval, region, .. } = self;
        let given = |secret: &Option<Secret>| if secret.is_some() { "given" } else { "kept in the data directory" }.to_owned();
        BTreeMap::from([
            ("data_dir", data_dir.display().to_string()),
            ("listen", listen.to_string()),
            ("token", given(token)),
            ("approver_token", given(approver_token)),
            ("terraform_bin", terraform_bin.display().to_string()),
            ("max_terraform", max_terraform.to_string()),
            ("min_approval", format!("{min_approval:?}").to_lowercase()),
            ("region", region.clone()),
            ("work_compartment_id", self.work_compartment_id.clone().unwrap_or_else(|| "none (sandbox only)".to_owned())),
            ("default_target", format!("{:?}", self.default_target).to_lowercase()),
            ("plan_ttl_seconds", self.plan_ttl.as_secs().to_string()),
            ("drift_interval_seconds", self.drift_interval_seconds.to_string()),
            ("log_format", format!("{:?}", self.log_format).to_lowercase()),
            ("log", self.log.clone()),
            ("allowed_hosts", self.allowed_hosts.join(",")),
            ("allowed_origins", self.allowed_origins.join(",")),
            ("shutdown_grace", self.shutdown_grace.as_secs().to_string()),
            ("sandbox_idle", self.sandbox_idle.as_secs().to_string()),
            ("job_time_limit", self.job_time_limit.as_secs().to_string()),
            ("memory_mb", self.memory.map_or_else(|| "what there is".to_owned(), |bytes| (bytes >> 20).to_string())),
            ("disk_mb", (self.disk >> 20).to_string()),
            ("oci_endpoints", self.oci_endpoints.iter().map(|(service, url)| format!("{service}={url}")).collect::<Vec<_>>().join(",")),
        ])
    }
}

/// What a client (the CLI) needs: nothing that only a server has to have right.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// data directory of the server, where `server.json` and the tokens are
    pub data_dir: PathBuf,
    /// base URL of a server elsewhere; `server.json` decides when absent
    pub url: Option<url::Url>,
    /// editor token; the file in the data directory when absent
    pub token: Option<Secret>,
    /// approver token; the file in the data directory when absent
    pub approver_token: Option<Secret>,
}

impl ClientSettings {
    /// Reads the sources; a wrong server-only setting is no reason to refuse `galley get`.
    pub fn load(environment: &Environment, args: &SettingsArgs) -> Result<Self, Error> {
        let mut layers = Layers::read(environment, args)?;
        Ok(ClientSettings {
            data_dir: data_dir(environment, &mut layers)?,
            url: layers
                .optional("url", check_url)?
                .map(|text| url::Url::parse(&text))
                .transpose()
                .map_err(|_| layers.invalid("url", "", "an http or https URL".into()))?,
            token: layers.secret("token")?,
            approver_token: layers.secret("approver_token")?,
        })
    }
}

fn work_compartment_missing() -> Error {
    Error::Missing {
        setting: "GALLEY_WORK_COMPARTMENT_ID".into(),
        needed: "target oci builds inside this compartment only; give its OCID, such as ocid1.compartment.oc1..aaaa".into(),
    }
}

fn data_dir(environment: &Environment, layers: &mut Layers) -> Result<PathBuf, Error> {
    if let Some(text) =
        layers.optional("data_dir", |text| if text.is_empty() { Err("a directory".to_owned()) } else { Ok(text.to_owned()) })?
    {
        return std::path::absolute(&text).map_err(|source| Error::DataDir { verb: "resolve", path: text.into(), source });
    }
    // XDG Base Directory Specification: a relative XDG_DATA_HOME is to be ignored.
    let xdg = environment.get("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = environment.get("HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    match (xdg, home) {
        (Some(xdg), _) => Ok(xdg.join("galley")),
        (None, Some(home)) => Ok(home.join(".local/share/galley")),
        (None, None) => Err(Error::Missing {
            setting: "GALLEY_DATA_DIR".into(),
            needed: "neither XDG_DATA_HOME nor HOME says where documents may be kept; give a directory".into(),
        }),
    }
}

fn terraform_bin(environment: &Environment, layers: &mut Layers) -> Result<PathBuf, Error> {
    if let Some(given) = layers.optional("terraform_bin", |text| {
        if is_executable(Path::new(text)) {
            Ok(text.to_owned())
        } else {
            Err("an executable file; this one does not exist or cannot be executed".to_owned())
        }
    })? {
        return std::path::absolute(&given).map_err(|source| Error::DataDir { verb: "resolve", path: given.into(), source });
    }
    let path = environment.get("PATH").unwrap_or_default();
    std::env::split_paths(path)
        .map(|directory| directory.join("terraform"))
        .find(|candidate| candidate.is_absolute() && is_executable(candidate))
        .ok_or_else(|| Error::Missing {
            setting: "GALLEY_TERRAFORM_BIN".into(),
            needed: "there is no terraform on PATH; install Terraform 1.5.7 or later, or give the path of its binary".into(),
        })
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn check_compartment(text: &str) -> Result<String, String> {
    let shaped = ["ocid1.compartment.", "ocid1.tenancy."].iter().any(|prefix| text.starts_with(prefix))
        && text.len() <= 255
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if shaped { Ok(text.to_owned()) } else { Err("the OCID of a compartment or tenancy, such as ocid1.compartment.oc1..aaaa".to_owned()) }
}

fn check_region(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('-').collect();
    let words = parts.len() >= 3
        && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    if words && parts.last().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
        Ok(text.to_owned())
    } else {
        Err("an OCI region identifier such as ap-osaka-1".to_owned())
    }
}

fn check_endpoint(text: &str) -> Result<String, String> {
    let allowed =
        || "search=URL or objectstorage=URL, separated by commas; a URL begins with http:// or https:// and has no path".to_owned();
    let (service, address) = text.split_once('=').ok_or_else(allowed)?;
    let url = url::Url::parse(address).map_err(|_| allowed())?;
    let plain = matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none() && url.username().is_empty();
    // the same words as oci::client::Service::ALL, which a test compares
    if plain && OCI_SERVICES.contains(&service) { Ok(format!("{service}={}", address.trim_end_matches('/'))) } else { Err(allowed()) }
}

fn check_host(text: &str) -> Result<String, String> {
    match text.parse::<http::uri::Authority>() {
        Ok(authority) if !text.contains('@') && !authority.host().is_empty() => Ok(text.to_ascii_lowercase()),
        Ok(_) | Err(_) => Err("host names or host:port, separated by commas".to_owned()),
    }
}

fn check_origin(text: &str) -> Result<String, String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && matches!(url.path(), "" | "/") && url.query().is_none() => {
            Ok(url.origin().ascii_serialization())
        }
        Ok(_) | Err(_) => Err("origins such as https://galley.example.com, separated by commas".to_owned()),
    }
}

fn check_url(text: &str) -> Result<String, String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text.trim_end_matches('/').to_owned()),
        Ok(_) | Err(_) => Err("the base URL of a server such as http://127.0.0.1:8470".to_owned()),
    }
}

/// A token travels in headers and, for kubectl, in a path: only characters that need no escaping there.
fn check_token(text: &str) -> Result<(), String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    if plain && (16..=256).contains(&text.len()) { Ok(()) } else { Err("16 to 256 characters of A-Z a-z 0-9 - . _ ~".to_owned()) }
}
