//! The command line: a client of the server, except for the commands that are the server.
//!
//! Takes arguments, an [`Environment`] and a [`Composition`] (the application, built elsewhere); gives an exit code. It
//! reads and edits documents through `kube::Client` like any other client and never waits on anything but documents.

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use clap::FromArgMatches;

use crate::config::{ClientSettings, Environment, Settings};
use crate::telemetry;

mod admin;
mod apply;
pub mod args;
pub mod client;
pub mod demo;
mod documents;
pub mod expect;
mod export;
pub mod failure;
mod hints;
mod kinds;
mod plan;
mod rescue;
pub mod screen;
mod status;
pub mod text;
#[cfg(test)]
mod tests;

use args::{Cli, Command, SandboxProviderArgs};
use client::Server;
use failure::{Exit, Failure};
use screen::{Screen, say};
use text::Lang;

/// What the composition root puts behind the commands that are not clients.
#[async_trait]
pub trait Composition: Send + Sync + 'static {
    /// `galley serve`: runs until SIGINT or SIGTERM.
    async fn serve(&self, settings: Settings) -> anyhow::Result<()>;
    /// `galley mcp`: MCP over stdin and stdout until the host hangs up.
    async fn mcp(&self, settings: Settings) -> anyhow::Result<()>;
    /// `galley sandbox-provider`: the simulated provider of one design.
    async fn sandbox_provider(&self, args: SandboxProviderArgs) -> anyhow::Result<()>;
    /// What the demo looks at behind the server's back.
    fn backstage(&self, settings: &Settings) -> anyhow::Result<Arc<dyn demo::Backstage>>;
}

/// Parses the arguments and does what they say. Prints one line on stderr when it does not work out.
pub async fn run(arguments: Vec<std::ffi::OsString>, environment: Environment, composition: Arc<dyn Composition>) -> ExitCode {
    let screen = Screen::of(&environment);
    let cli = match parse(arguments, screen.lang) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            // clap's own code for wrong usage is 2, which here means "waits for a person"
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    match dispatch(cli, environment, composition, screen).await {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("galley: {}", failure.message);
            failure.exit.into()
        }
    }
}

/// The command line as types.
pub fn parse(arguments: Vec<std::ffi::OsString>, lang: Lang) -> Result<Cli, clap::Error> {
    let mut command = text::localise(lang);
    let matches = command.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

async fn dispatch(cli: Cli, environment: Environment, composition: Arc<dyn Composition>, screen: Screen) -> Result<Exit, Failure> {
    let Cli { command, settings: flags } = cli;
    let usage = |error: crate::config::Error| Failure::new(Exit::Usage, client::chain(&error));
    let failed = |error: anyhow::Error| Failure::new(Exit::Failed, format!("{error:#}"));
    let server_settings = || Settings::load(&environment, &flags).map_err(usage);
    let server = || -> Result<Server, Failure> { Server::find(ClientSettings::load(&environment, &flags).map_err(usage)?, screen) };
    let start = || -> Result<Settings, Failure> {
        let settings = server_settings()?;
        telemetry::init_logs(&settings, &environment).map_err(|error| Failure::new(Exit::Failed, client::chain(&error)))?;
        telemetry::announce(&settings);
        Ok(settings)
    };
    match command {
        Command::Serve => composition.serve(start()?).await.map(|()| Exit::Done).map_err(failed),
        Command::Mcp => composition.mcp(start()?).await.map(|()| Exit::Done).map_err(failed),
        Command::SandboxProvider(args) => composition.sandbox_provider(args).await.map(|()| Exit::Done).map_err(failed),
        Command::Demo(args) => {
            let settings = server_settings()?;
            let backstage = composition.backstage(&settings).map_err(failed)?;
            demo::run(args, &flags, &settings, backstage, screen).await
        }
        Command::Kubeconfig(args) => {
            let settings = ClientSettings::load(&environment, &flags).map_err(usage)?;
            admin::kubeconfig(&Server::find(settings.clone(), screen)?, &settings.data_dir, args)
        }
        Command::Apply(args) => apply::run(&server()?, args, screen).await,
        Command::Get(args) => documents::get(&server()?, args, screen).await,
        Command::Status(args) => status::run(&server()?, args, screen).await,
        Command::Plan(args) => plan::show(&server()?, args, screen).await,
        Command::Diff(args) => plan::diff(&server()?, args, screen).await,
        Command::Export(args) => export::run(&server()?, args, screen).await,
        Command::Approve(args) => plan::approve(&server()?, args, screen).await,
        Command::Delete(args) => documents::delete(&server()?, args, screen).await,
        Command::Logs(args) => admin::logs(&server()?, args, screen).await,
        Command::Adopt(args) => rescue::adopt(&server()?, args, screen).await,
        Command::State(command) => rescue::state(&server()?, command, screen).await,
        Command::ForceUnlock(args) => rescue::force_unlock(&server()?, args, screen).await,
        Command::Secret(command) => admin::secret(&server()?, command, screen).await,
        Command::Sandbox(command) => admin::sandbox(&server()?, command, screen).await,
        Command::Crds => print_crds(),
        Command::Completion { shell } => print_completion(shell, screen),
        Command::Version => {
            say!("{}", telemetry::build());
            Ok(Exit::Done)
        }
    }
}

/// Every CRD as YAML documents, as `crds/` holds them.
pub fn crds_yaml() -> Result<String, Failure> {
    let mut text = String::new();
    for crd in crate::api::crds() {
        let yaml = serde_saphyr::to_string(&crd).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        text.push_str("---\n");
        text.push_str(yaml.trim_end());
        text.push('\n');
    }
    Ok(text)
}

/// The completion script of a shell, descriptions in the language of the help.
pub fn completion(shell: clap_complete::Shell, lang: Lang) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut text::localise(lang), "galley", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

fn print_completion(shell: clap_complete::Shell, screen: Screen) -> Result<Exit, Failure> {
    say!("{}", completion(shell, screen.lang).trim_end());
    Ok(Exit::Done)
}

fn print_crds() -> Result<Exit, Failure> {
    say!("{}", crds_yaml()?.trim_end());
    Ok(Exit::Done)
}
