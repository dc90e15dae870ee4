//! MCP: the only module that knows rmcp. Protocol in, services out; no document, no rule and no decision lives here.
//!
//! One handler serves stdio and streamable HTTP, protocol revisions 2024-11-05 to 2026-07-28. HTTP is stateless
//! (`legacy_session_mode` off), so a restart is invisible to a host and nothing leaks per connection.

mod handler;
mod tools;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager};
use rmcp::{ServerHandler, ServiceExt};
use tokio_util::sync::CancellationToken;

use crate::services::Services;
use handler::Handler;

/// Largest request body: arguments are refused above 1 MiB of text; JSON escapes may multiply it.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// What the HTTP door decides.
#[derive(Debug, Clone, Default)]
pub struct HttpOptions {
    /// `host` or `host:port` that requests may name beside the loopback names
    pub allowed_hosts: Vec<String>,
    /// origins of browsers that may call (`https://app.example.com:443`); none when empty
    pub allowed_origins: Vec<String>,
}

/// Why the stdio server ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// the host's first messages were no MCP handshake
    #[error("the mcp handshake failed")]
    Handshake(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// the task that served panicked or was aborted
    #[error("the mcp server ended unexpectedly")]
    Ended(#[source] tokio::task::JoinError),
}

/// `/mcp`, streamable HTTP. Tokens and rate limits are the outer router's business; Host and Origin are checked here, too.
pub fn router(services: Services, options: HttpOptions, shutdown: CancellationToken) -> axum::Router {
    door(handler(services), options, shutdown)
}

/// The handler that [`router`] and [`serve_stdio`] serve, for who wraps it: the conformance fixtures of `tests/real` do, so
/// that the suite meets the product's own handler and door.
pub fn handler(services: Services) -> impl ServerHandler + Clone {
    Handler::new(services)
}

/// `/mcp` for any handler, with every decision of the product about transport.
pub fn door<H: ServerHandler + Clone>(handler: H, options: HttpOptions, shutdown: CancellationToken) -> axum::Router {
    // An origin that is not on the list is refused also when the list is empty: no page on the web may call a server on
    // loopback.
    let mut config = StreamableHttpServerConfig::default().enforce_origin_validation();
    config.legacy_session_mode = false;
    config.json_response = true;
    config.cancellation_token = shutdown;
    config.max_request_body_bytes = MAX_BODY;
    config.allowed_origins = options.allowed_origins;
    config.allowed_hosts.extend(options.allowed_hosts);
    let service = StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config);
    axum::Router::new().route_service("/mcp", service)
}

/// Serves one host on stdin and stdout until it closes them or `shutdown` is cancelled. Nothing else may write to stdout.
///
/// # Errors
/// [`Error::Handshake`] when the host does not speak MCP, [`Error::Ended`] when serving broke down.
pub async fn serve_stdio(services: Services, shutdown: CancellationToken) -> Result<(), Error> {
    // Pipes are read without a blocking thread: a pending read of tokio's stdin would hold up the end of the process after
    // `shutdown` until the host writes or closes.
    pipe(handler(services), shutdown).await
}

/// The same for any handler.
///
/// # Errors
/// As [`serve_stdio`].
pub async fn pipe<H: ServerHandler>(handler: H, shutdown: CancellationToken) -> Result<(), Error> {
    serve(handler, rmcp::transport::stdio_pipes(), shutdown).await
}

async fn serve<H, T, E, A>(handler: H, transport: T, shutdown: CancellationToken) -> Result<(), Error>
where
    H: ServerHandler,
    T: rmcp::transport::IntoTransport<rmcp::RoleServer, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    let running = handler.serve_with_ct(transport, shutdown).await.map_err(|error| Error::Handshake(Box::new(error)))?;
    running.waiting().await.map_err(Error::Ended)?;
    Ok(())
}
