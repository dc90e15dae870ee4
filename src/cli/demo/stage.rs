//! What the demo holds in its hands: the server as a child, the cloud and Terraform as they really are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde_json::Value;

/// How to start the real server.
#[derive(Debug, Clone)]
pub struct Launch {
    /// this very binary
    pub program: PathBuf,
    /// its arguments
    pub arguments: Vec<String>,
    /// its whole environment
    pub environment: Vec<(String, String)>,
    /// file that takes its stdout and stderr
    pub log: PathBuf,
}

/// A started server.
#[async_trait]
pub trait ServerProcess: Send + Sync {
    /// Its process id.
    fn pid(&self) -> u32;
    /// Some, with a word about it, once it has ended.
    fn ended(&mut self) -> Option<String>;
    /// SIGTERM, then waits for its end.
    async fn stop(&mut self) -> anyhow::Result<()>;
}

/// One resource in the simulated cloud.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudResource {
    /// OCID
    pub id: String,
    /// Terraform type such as `oci_core_instance`
    pub kind: String,
    /// attributes as the cloud keeps them
    pub attributes: Value,
}

/// Everything the demo knows that Galley does not tell: read from the simulated cloud's own file and from Terraform run
/// by hand in the working directory. Built by the composition root.
#[async_trait]
pub trait Backstage: Send + Sync + 'static {
    /// Starts a server.
    async fn start(&self, launch: Launch) -> anyhow::Result<Box<dyn ServerProcess>>;
    /// Every resource in the cloud of a design; empty when there is no cloud yet.
    async fn cloud(&self, data_dir: &Path, design_uid: &str) -> anyhow::Result<Vec<CloudResource>>;
    /// The files that Terraform reads in the working directory of a design, by name.
    async fn rendered(&self, data_dir: &Path, design_uid: &str) -> anyhow::Result<BTreeMap<String, String>>;
    /// `terraform state list` in the working directory; empty when there is no state.
    async fn state_list(&self, data_dir: &Path, design_uid: &str) -> anyhow::Result<Vec<String>>;
    /// `terraform fmt -check`: files that are not formatted.
    async fn unformatted(&self, data_dir: &Path, design_uid: &str) -> anyhow::Result<Vec<String>>;
    /// `terraform plan -detailed-exitcode` with `TF_REATTACH_PROVIDERS` set to the sandbox: its exit code.
    async fn bare_plan(&self, data_dir: &Path, design_uid: &str) -> anyhow::Result<i32>;
    /// Version of terraform, for the title.
    async fn terraform_version(&self) -> anyhow::Result<String>;
}
