//! The command line as types. Parsing only; texts in Japanese are laid over it by [`super::text`].

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::SettingsArgs;

/// `galley`
#[derive(Debug, Parser)]
#[command(name = "galley", disable_version_flag = true, about = "Designs, plans, builds and watches Oracle Cloud architectures", after_help = EXIT_CODES, max_term_width = 120)]
pub struct Cli {
    /// what to do
    #[command(subcommand)]
    pub command: Command,
    /// settings as flags
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// Printed under `--help`: scripts depend on it.
pub const EXIT_CODES: &str = "Exit codes:
   0  done: what was asked for is so
   1  failed
   2  waits for a person (an approval, a secret, a decision)
   3  still in progress
   4  not found
  64  wrong usage or settings
  69  the server cannot be reached
  77  refused: the credential, or what is there, does not allow it
 130  interrupted";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the server: MCP, Kubernetes API, controllers
    Serve,
    /// Serve MCP over stdin and stdout, for a host that starts Galley itself
    Mcp,
    /// Write a kubeconfig for the running server and print its path
    Kubeconfig(KubeconfigArgs),
    /// Create or replace documents, or a session from an architecture file
    Apply(ApplyArgs),
    /// List documents
    Get(GetArgs),
    /// Show where a design stands; with --watch, until it gets there
    Status(StatusArgs),
    /// Show the newest plan
    Plan(PlanArgs),
    /// Show what the design as it is now would change, without running Terraform
    Diff(DiffArgs),
    /// Write a design as summary, diagram or Terraform files
    Export(ExportArgs),
    /// Approve exactly one plan, with the approver credential
    Approve(ApproveArgs),
    /// Delete a session or design; resources are destroyed after approval
    Delete(DeleteArgs),
    /// Print the log of a job, or of a design's newest job
    Logs(LogsArgs),
    /// Take over resources that are in the cloud and in no state; without addresses, show what is unaccounted for
    Adopt(AdoptArgs),
    /// Put an earlier Terraform state of a design back
    #[command(subcommand)]
    State(StateCommand),
    /// Give up on a job whose owner cannot be proven dead
    ForceUnlock(ForceUnlockArgs),
    /// Give the value of a secret variable
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Look into a simulated cloud and change it behind Terraform's back
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// Show the whole path on a simulated cloud: plan, approve, apply, drift, repair, replace, destroy
    Demo(DemoArgs),
    /// Print the custom resource definitions
    Crds,
    /// Print a script that completes commands and options in a shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print version and build
    Version,
    /// Simulated provider process, started by the server
    #[command(hide = true)]
    SandboxProvider(SandboxProviderArgs),
}

/// `galley kubeconfig`
#[derive(Debug, Args)]
pub struct KubeconfigArgs {
    /// Where to write it; `kubeconfig` in the data directory by default
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Use the approver credential instead of the editor's
    #[arg(long)]
    pub approver: bool,
}

/// `galley apply`
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// YAML or JSON documents, or an architecture file; `-` reads stdin. Without it, only what the other options say is changed
    #[arg(short, long = "filename", value_name = "FILE", required_unless_present = "session")]
    pub file: Option<PathBuf>,
    /// For an architecture file: the session to put it into, or `new`; without a file: the session that is meant
    #[arg(long, value_name = "NAME|new")]
    pub session: Option<String>,
    /// Where it is built
    #[arg(long, value_enum)]
    pub target: Option<TargetArg>,
    /// How far to go
    #[arg(long, value_enum)]
    pub desired_state: Option<DesiredStateArg>,
    /// Print what was written as KIND/NAME or as data instead
    #[arg(short, long, value_enum)]
    pub output: Option<Written>,
}

/// Where a design is built.
#[derive(Debug, Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum TargetArg {
    /// the simulated cloud
    Sandbox,
    /// a real tenancy
    Oci,
}

/// How far to go.
#[derive(Debug, Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum DesiredStateArg {
    /// findings only
    Draft,
    /// a plan to read
    Planned,
    /// built, after approval
    Applied,
    /// torn down, after approval
    Destroyed,
}

/// `galley get`
#[derive(Debug, Args)]
pub struct GetArgs {
    /// sessions, designs, terraformjobs, approvals, events, or a short name
    pub kind: String,
    /// Name of one document
    pub name: Option<String>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table")]
    pub output: Output,
    /// Go on and print changes
    #[arg(short, long)]
    pub watch: bool,
}

/// Form of the output of `get`.
#[derive(Debug, Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum Output {
    /// columns
    Table,
    /// more columns
    Wide,
    /// kind/name
    Name,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// `galley status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Name of the design (and of its session)
    pub name: String,
    /// Keep watching until it is there, fails, or waits for a person
    #[arg(short, long)]
    pub watch: bool,
    /// What "there" means; by default what desiredState asks for
    #[arg(long, value_enum)]
    pub until: Option<Until>,
    /// With --watch: give up after so many seconds (exit code 3)
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Print the design's status as data instead; the exit code is the same
    #[arg(short, long, value_enum)]
    pub output: Option<Data>,
}

/// Form of an answer for programs.
#[derive(Debug, Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum Data {
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// Form in which `apply` prints what it wrote.
#[derive(Debug, Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum Written {
    /// kind/name
    Name,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// `galley export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Name of the design (and of its session)
    pub name: String,
    /// What to write
    #[arg(value_enum, default_value = "summary")]
    pub what: What,
    /// File to write; `-` is stdout. Text goes to stdout by default, an archive into a file named after the design
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What `export` writes.
#[derive(Debug, Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum What {
    /// Markdown
    Summary,
    /// Mermaid flowchart
    Mermaid,
    /// SVG diagram
    Svg,
    /// Terraform files, a zip that stands alone
    Terraform,
    /// all of these, a tar.gz
    All,
}

impl What {
    /// Name of the file at the server.
    pub fn file(self) -> &'static str {
        match self {
            What::Summary => "summary.md",
            What::Mermaid => "diagram.mmd",
            What::Svg => "diagram.svg",
            What::Terraform => "terraform.zip",
            What::All => "design.tar.gz",
        }
    }
    /// Is it an archive, which a terminal cannot show?
    pub fn packed(self) -> bool {
        match self {
            What::Terraform | What::All => true,
            What::Summary | What::Mermaid | What::Svg => false,
        }
    }
}

/// What `status` waits for.
#[derive(Debug, Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum Until {
    /// the Ready condition is true
    Ready,
    /// a plan for this very design is there
    Plan,
    /// Synced and Healthy
    Synced,
    /// nothing is left
    Destroyed,
}

/// `galley plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Name of the design
    pub name: String,
    /// Print the plan's record as data instead
    #[arg(short, long, value_enum)]
    pub output: Option<Data>,
}

/// `galley diff`
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Name of the design
    pub name: String,
    /// Print the preview as data instead
    #[arg(short, long, value_enum)]
    pub output: Option<Data>,
}

/// `galley approve`
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// Name of the design
    pub name: String,
    /// sha256 of the plan (at least 8 digits): refused when the newest plan is another
    #[arg(long, value_name = "SHA256")]
    pub plan: Option<String>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `galley delete`
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Name of the session; `KIND/NAME` for another document
    pub name: String,
    /// Wait until it is gone
    #[arg(long)]
    pub wait: bool,
}

/// `galley logs`
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Name of a job or of a design
    pub name: String,
    /// Go on until the job ends
    #[arg(short, long)]
    pub follow: bool,
    /// Print the JSON lines as they are kept
    #[arg(long)]
    pub raw: bool,
}

/// `galley adopt`
#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// Name of the design
    pub name: String,
    /// ADDRESS=ID: Terraform address in the design, id in the cloud
    #[arg(value_name = "ADDRESS=ID", conflicts_with = "search")]
    pub resources: Vec<String>,
    /// Adopt every resource that carries the tags of this design
    #[arg(long)]
    pub search: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// `galley state`
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Make a kept state the newest one; the cloud is looked at next
    Restore {
        /// Name of the design
        name: String,
        /// Serial of the kept state; a wrong one is answered with those that are kept
        #[arg(long)]
        serial: u64,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// `galley force-unlock`
#[derive(Debug, Args)]
pub struct ForceUnlockArgs {
    /// Name of the design
    pub name: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// `galley secret`
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Read a value from stdin and keep it for a variable
    Set {
        /// Name of the design
        name: String,
        /// Name of the Terraform variable
        variable: String,
    },
}

/// `galley sandbox`
#[derive(Debug, Subcommand)]
pub enum SandboxCommand {
    /// List what is in the simulated cloud
    List {
        /// Name of the design
        name: String,
        /// Print JSON with every attribute
        #[arg(long)]
        json: bool,
    },
    /// Set an attribute of a resource, as somebody at a console would
    Set {
        /// Name of the design
        name: String,
        /// OCID of the resource
        id: String,
        /// ATTRIBUTE=VALUE; VALUE is JSON, else text
        assignment: String,
    },
    /// Delete a resource, as somebody at a console would
    Delete {
        /// Name of the design
        name: String,
        /// OCID of the resource
        id: String,
    },
    /// Make requests for a resource type fail
    Fail {
        /// Name of the design
        name: String,
        /// Resource type such as oci_core_instance, or *
        resource_type: String,
        /// STATUS-CODE as OCI says it, such as 400-LimitExceeded or 429-TooManyRequests
        error: String,
        /// create, read, update, delete, plan or *
        #[arg(long, default_value = "*")]
        operation: String,
        /// How many requests fail; every one until cleared by default
        #[arg(long)]
        times: Option<u32>,
    },
    /// Take all faults back
    Clear {
        /// Name of the design
        name: String,
    },
}

/// `galley demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Leave the demo's data directory behind, to look at
    #[arg(long)]
    pub keep: bool,
    /// Play this design file alone and hold its `expect` block against what is built
    #[arg(long, value_name = "FILE")]
    pub design: Option<PathBuf>,
}

/// `galley sandbox-provider`
#[derive(Debug, Args, Clone)]
pub struct SandboxProviderArgs {
    /// Unix socket to listen on
    #[arg(long)]
    pub socket: PathBuf,
    /// File the simulated cloud is kept in
    #[arg(long)]
    pub cloud: PathBuf,
    /// Resource and data source types to serve, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub types: Vec<String>,
    /// Seconds without a connection after which it ends
    #[arg(long)]
    pub idle: u64,
}
