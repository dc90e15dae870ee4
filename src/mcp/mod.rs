//! MCP: the only module that knows rmcp. Protocol in, services out; no document, no rule and no decision lives here.
//!
//! One handler serves stdio and streamable HTTP, protocol revisions 2024-11-05 to 2026-07-28. Over HTTP a request stands
//! alone, or belongs to a session that is made again whenever it is missed: a restart is invisible to a host, and nothing
//! leaks per connection.

mod approvals;
mod door;
mod handler;
mod prompts;
mod reading;
mod sessions;
mod subscriptions;
mod tools;

#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod surface_tests;
#[cfg(test)]
mod tests;

use rmcp::{ServerHandler, ServiceExt};
use tokio_util::sync::CancellationToken;

use crate::services::Services;
pub use door::{HttpOptions, door};
use handler::Handler;

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
    door(handler(services, shutdown.clone()), options, shutdown)
}

/// The handler that [`router`] and [`serve_stdio`] serve, for who wraps it: the conformance fixtures of `tests/real` do, so
/// that the suite meets the product's own handler and door. A clone serves another connection.
pub fn handler(services: Services, shutdown: CancellationToken) -> impl ServerHandler + Clone {
    Handler::new(services, shutdown)
}

/// Serves one host on stdin and stdout until it closes them or `shutdown` is cancelled. Nothing else may write to stdout.
///
/// # Errors
/// [`Error::Handshake`] when the host does not speak MCP, [`Error::Ended`] when serving broke down.
pub async fn serve_stdio(services: Services, shutdown: CancellationToken) -> Result<(), Error> {
    // Pipes are read without a blocking thread: a pending read of tokio's stdin would hold up the end of the process after
    // `shutdown` until the host writes or closes.
    pipe(handler(services, shutdown.clone()), shutdown).await
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
