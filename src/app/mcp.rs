//! `galley mcp`: MCP over stdin and stdout, for a host that starts its server itself.
//!
//! Alone on its data directory it is the whole server, loops included. Beside a running `galley serve` it is one more
//! client of that one: documents through its API, plans and logs read from the same blobs.

use std::sync::Arc;

use anyhow::Context;

use super::{Core, Library, services_with, until_signal};
use crate::api::approval::{Channel, Identity};
use crate::blobs::{Blobs, FsBlobs};
use crate::config::{Environment, ServerFile, Settings, Tokens};

/// Serves until the host hangs up or a signal comes.
pub async fn serve(settings: Settings, environment: &Environment) -> anyhow::Result<()> {
    let shutdown = until_signal()?;
    let tokens = Tokens::prepare(&settings)?;
    match Core::open(&settings, environment).await {
        Ok(core) => {
            let services = core.services(&settings, Identity::editor(Channel::Mcp));
            let talking = async {
                let result = crate::mcp::serve_stdio(services, shutdown.clone()).await;
                shutdown.cancel();
                result
            };
            let (talked, controlled) = tokio::join!(talking, core.control(shutdown.clone()));
            core.close().await;
            talked?;
            controlled?;
            Ok(())
        }
        Err(error) if is_locked(&error) => {
            let file = ServerFile::read(&settings.data_dir)?
                .with_context(|| format!("another server uses {}, but it wrote no server.json: {error:#}", settings.data_dir.display()))?;
            let client = client(&file, &tokens)?;
            let blobs: Arc<dyn Blobs> = Arc::new(FsBlobs::open(&settings.data_dir.join("blobs")).await?);
            tracing::info!(server = %file.base_url, "using the server that runs already");
            let library = Arc::new(Library::shipped()?);
            library.refresh(&*blobs).await;
            let services = services_with(client, Identity::editor(Channel::Mcp), blobs.clone(), &library, &settings);
            let talking = async {
                let result = crate::mcp::serve_stdio(services, shutdown.clone()).await;
                shutdown.cancel();
                result
            };
            let (talked, ()) = tokio::join!(talking, library.keep(&*blobs, shutdown.clone()));
            talked?;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn is_locked(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<crate::store::Error>(), Some(crate::store::Error::Locked { .. }))
}

/// A client of the running server with the editor token, which is in the path and never in an error.
fn client(file: &ServerFile, tokens: &Tokens) -> anyhow::Result<kube::Client> {
    let url = format!("{}/k8s/{}", file.base_url, tokens.editor.expose());
    let uri = url.parse().map_err(|_| anyhow::anyhow!("the base URL in server.json is not valid"))?;
    Ok(kube::Client::try_from(kube::Config::new(uri))?)
}
