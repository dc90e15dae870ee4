//! What the demo looks at behind the server's back: the simulated cloud's own files, and terraform run by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;

use super::run_dir_of;
use crate::api::design::Target;
use crate::blobs::FsBlobs;
use crate::cli::demo::{Backstage, CloudResource, Launch, ServerProcess};
use crate::process::{self, Captured, Command, Exit, Running, Signal, Sink};
use crate::sandbox::Cloud;
use crate::terraform::{ProviderHost, ReattachHost, ReattachOptions, secrets};

/// A plan of the demo takes half a second; a loaded machine may need far longer.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Most bytes of an answer.
const LIMIT: usize = 4 << 20;
/// From SIGTERM to SIGKILL of the demo's server.
const STOP_GRACE: Duration = Duration::from_secs(30);

/// The hands of the demo.
pub struct Stage {
    terraform: PathBuf,
}

impl Stage {
    /// `terraform` is the binary the server uses, too.
    pub fn new(terraform: PathBuf) -> Self {
        Stage { terraform }
    }

    async fn terraform(&self, dir: &Path, args: &[&str], env: Vec<(String, String)>) -> anyhow::Result<Captured> {
        // the server's own CLI configuration file: an absent one makes terraform warn on stderr
        let config = dir.parent().map(|root| root.join("terraform.rc")).unwrap_or_default();
        let own = [
            ("CHECKPOINT_DISABLE".to_owned(), "1".to_owned()),
            ("TF_IN_AUTOMATION".to_owned(), "1".to_owned()),
            ("TF_CLI_CONFIG_FILE".to_owned(), config.display().to_string()),
            ("HOME".to_owned(), dir.display().to_string()),
            ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ];
        let command = Command::new(&self.terraform).args(args.iter().copied()).envs(own).envs(env).cwd(dir);
        process::capture(command, LIMIT, TIMEOUT).await.with_context(|| format!("cannot start {}", self.terraform.display()))
    }
}

fn work_dir(data_dir: &Path, design_uid: &str) -> PathBuf {
    data_dir.join("work").join(design_uid)
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes).lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[async_trait]
impl Backstage for Stage {
    async fn start(&self, launch: Launch) -> anyhow::Result<Box<dyn ServerProcess>> {
        let Launch { program, arguments, environment, log } = launch;
        let mut command = Command::new(program).args(arguments).envs(environment);
        command.stdout = Sink::File(log.clone());
        command.stderr = Sink::File(log);
        Ok(Box::new(Server(process::spawn(command).await?)))
    }

    async fn cloud(&self, data_dir: &Path, design_uid: &str) -> anyhow::Result<Vec<CloudResource>> {
        let dir = data_dir.join("sandbox").join(design_uid);
        if !dir.exists() {
            return Ok(Vec::new());
        }
        let resources = tokio::task::spawn_blocking(move || Cloud::open(dir)?.list()).await??;
        // a part of another resource has a composite import id; Terraform knows it by its own
        let own_id = |resource: &crate::sandbox::CloudResource| resource.text("id").unwrap_or(&resource.id).to_owned();
        let seen = resources.into_iter().map(|resource| CloudResource {
            id: own_id(&resource),
            kind: resource.resource_type,
            attributes: resource.attributes,
        });
        Ok(seen.collect())
    }

    async fn rendered(&self, data_dir: &Path, design_uid: &str) -> anyhow::Result<BTreeMap<String, String>> {
        let dir = work_dir(data_dir, design_uid);
        let mut files = BTreeMap::new();
        let mut entries = tokio::fs::read_dir(&dir).await.with_context(|| format!("cannot read {}", dir.display()))?;
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".tf") {
                files.insert(name, tokio::fs::read_to_string(entry.path()).await?);
            }
        }
        Ok(files)
    }

    async fn state_list(&self, data_dir: &Path, design_uid: &str) -> anyhow::Result<Vec<String>> {
        let dir = work_dir(data_dir, design_uid);
        if !dir.join("terraform.tfstate").exists() {
            return Ok(Vec::new());
        }
        let output = self.terraform(&dir, &["state", "list"], Vec::new()).await?;
        if output.exit != Exit::Code(0) {
            bail!("terraform state list: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(lines(&output.stdout).into_iter().filter(|address| !address.starts_with("data.")).collect())
    }

    async fn unformatted(&self, data_dir: &Path, design_uid: &str) -> anyhow::Result<Vec<String>> {
        let output = self.terraform(&work_dir(data_dir, design_uid), &["fmt", "-check", "-list=true"], Vec::new()).await?;
        Ok(lines(&output.stdout))
    }

    async fn bare_plan(&self, data_dir: &Path, design_uid: &str) -> anyhow::Result<i32> {
        let dir = work_dir(data_dir, design_uid);
        // the provider that the server started serves this design's types already, or is started again here
        let program = std::path::absolute(std::env::current_exe()?)?;
        let mut options = ReattachOptions::sandbox(program, run_dir_of(data_dir), data_dir.join("sandbox"));
        options.args.extend(["--idle".to_owned(), "60".to_owned()]);
        let host: Arc<dyn ProviderHost> = Arc::new(ReattachHost::new(options));
        let env = host.prepare(design_uid, Target::Sandbox, &BTreeSet::new()).await?;
        // what lies in the working directory is everything but the secrets
        let blobs = FsBlobs::open(&data_dir.join("blobs")).await?;
        let secrets = secrets::read(&blobs, design_uid).await?;
        let mut env: Vec<(String, String)> = env.into_iter().collect();
        env.extend(secrets.into_iter().map(|(name, stored)| (format!("TF_VAR_{name}"), stored.value.0)));
        let output = self.terraform(&dir, &["plan", "-detailed-exitcode", "-input=false", "-no-color"], env).await?;
        match output.exit {
            Exit::Code(code) => Ok(code),
            Exit::Signal(signal) => bail!("terraform plan was killed by signal {signal}"),
        }
    }

    async fn terraform_version(&self) -> anyhow::Result<String> {
        let output = self.terraform(Path::new("/"), &["version", "-json"], Vec::new()).await?;
        let value: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        Ok(value["terraform_version"].as_str().unwrap_or("?").to_owned())
    }
}

struct Server(Running);

#[async_trait]
impl ServerProcess for Server {
    fn pid(&self) -> u32 {
        self.0.pid()
    }
    fn ended(&mut self) -> Option<String> {
        self.0.try_wait().map(|exit| format!("{exit:?}"))
    }
    async fn stop(&mut self) -> anyhow::Result<()> {
        self.0.signal(Signal::SIGTERM)?;
        if tokio::time::timeout(STOP_GRACE, self.0.wait()).await.is_err() {
            self.0.signal_group(Signal::SIGKILL)?;
            self.0.wait().await;
        }
        Ok(())
    }
}
