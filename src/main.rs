//! `galley`: reads the arguments and the environment, builds the application, hands both to the command line.

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use galley::cli::args::SandboxProviderArgs;
use galley::cli::{Composition, demo::Backstage};
use galley::config::{Environment, Settings};

/// The part of the program that is not a client. Each command says plainly that this build holds no application.
struct ClientOnly;

fn absent(command: &str) -> anyhow::Error {
    anyhow::anyhow!("this build holds the client commands only; `galley {command}` needs the server")
}

#[async_trait]
impl Composition for ClientOnly {
    async fn serve(&self, _: Settings) -> anyhow::Result<()> {
        Err(absent("serve"))
    }
    async fn mcp(&self, _: Settings) -> anyhow::Result<()> {
        Err(absent("mcp"))
    }
    async fn sandbox_provider(&self, _: SandboxProviderArgs) -> anyhow::Result<()> {
        Err(absent("sandbox-provider"))
    }
    fn backstage(&self, _: &Settings) -> anyhow::Result<Arc<dyn Backstage>> {
        Err(absent("demo"))
    }
}

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("galley: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(galley::cli::run(std::env::args_os().collect(), Environment::read(), Arc::new(ClientOnly)))
}
