//! The HTTP door: who may come in, and to whom the request is handed. Protocol only.
//!
//! Takes the routers of MCP and of the Kubernetes API and a few narrow traits ([`HttpParts`]); gives one
//! [`axum::Router`]. Order of the checks: credential taken out of the URL ([`gate`]) → traced → Host → Origin → content
//! type → body size → credential judged → handed on. Nothing behind `gate` ever sees a token.
//!
//! | route | credential |
//! |---|---|
//! | `/healthz`, `/readyz`, `/metrics` | none |
//! | `/`, `/designs/…` | the page: a session that a token opened; see [`page`] |
//! | `/mcp` | editor token: Bearer or `?token=` |
//! | `/k8s/<token>/…` | editor or approver token, in the path: kubectl drops credentials on plain http |
//! | `/exports/<design>/<file>` | editor or approver token: Bearer |
//! | `/logs/<design uid>/<job>` | editor or approver token: Bearer |
//! | `/admin/secrets/<design uid>/<name>` | editor or approver token: Bearer |
//! | `/admin/sandbox/<design uid>/…` | approver token: Bearer |

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get, post, put};
use axum::serve::{Listener, ListenerExt};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::config::Tokens;

pub mod access;
pub mod admin;
pub mod credentials;
pub mod error;
mod exports;
pub mod gate;
mod observe;
pub mod page;
mod pages;
#[cfg(test)]
mod tests;

pub use access::Access;
pub use admin::{AdminError, Fault, LogSource, LogStream, SandboxAdmin, SecretStore};
pub use credentials::Credentials;
pub use page::PageParts;
pub use pages::{Part, Readiness};

/// Most bytes of a request body: 200 components with 256 KiB of override files stay far below it.
pub const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// Until the first byte of an answer of a route that never waits.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The same for /mcp, whose `get_status` may wait for a change.
const MCP_TIMEOUT: Duration = Duration::from_secs(120);
/// How long open answers (watches, logs) may go on once shutdown is asked for.
const DRAIN: Duration = Duration::from_secs(2);

/// What can go wrong while serving.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// the listener failed
    #[error("cannot serve http")]
    Serve {
        /// why
        #[source]
        source: std::io::Error,
    },
}

/// Everything the door hands requests to.
#[derive(Clone)]
pub struct HttpParts {
    /// MCP for the editor identity; sees the path `/mcp` unchanged
    pub mcp: Router,
    /// Kubernetes API (`/api`, `/apis`, `/openapi`, `/version`); finds an `api::approval::Identity` in the extensions
    pub kubernetes: Router,
    /// the two tokens
    pub tokens: Tokens,
    /// hosts and origins that are let in
    pub access: Access,
    /// is the store reachable, do the controllers run
    pub ready: Readiness,
    /// Prometheus text
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// hands in the simulated clouds
    pub sandbox: Arc<dyn SandboxAdmin>,
    /// takes secret values
    pub secrets: Arc<dyn SecretStore>,
    /// gives logs
    pub logs: Arc<dyn LogSource>,
    /// the page at `/`
    pub page: PageParts,
}

/// The whole door as one router.
pub fn router(parts: HttpParts) -> Router {
    let HttpParts { mcp, kubernetes, tokens, access, ready, metrics, sandbox, secrets, logs, page } = parts;
    let credentials = Arc::new(Credentials::new(&tokens));

    let open = Router::new()
        .route("/healthz", get(pages::healthz))
        .route("/readyz", get(move || pages::readyz(ready.clone())))
        .route("/metrics", get(move || std::future::ready(pages::metrics(metrics.as_ref()))));
    let exports = Router::new()
        .route("/exports/{design}/{file}", get(exports::get))
        .route_layer(from_fn_with_state(credentials.clone(), credentials::require_any))
        .with_state(page.reader.services.clone());
    let page = page::router(page, credentials.clone());
    let sandbox = Router::new()
        .route("/admin/sandbox/{design}/list", get(admin::sandbox_list))
        .route("/admin/sandbox/{design}/set", post(admin::sandbox_set))
        .route("/admin/sandbox/{design}/delete", post(admin::sandbox_delete))
        .route("/admin/sandbox/{design}/fail", post(admin::sandbox_fail))
        .route("/admin/sandbox/{design}/clear", post(admin::sandbox_clear))
        .route_layer(from_fn_with_state(credentials.clone(), credentials::require_approver))
        .with_state(sandbox);
    let secrets = Router::new()
        .route("/admin/secrets/{design}/{name}", put(admin::secret_put))
        .route_layer(from_fn_with_state(credentials.clone(), credentials::require_any))
        .with_state(secrets);
    let logs = Router::new()
        .route("/logs/{design}/{job}", get(admin::logs))
        .route_layer(from_fn_with_state(credentials.clone(), credentials::require_any))
        .with_state(logs);
    let mcp = Router::new()
        .route(gate::MCP, any(move |request: Request| mcp.clone().oneshot(request)))
        .route_layer(from_fn_with_state(credentials.clone(), credentials::require_editor))
        .layer(from_fn(|request, next| observe::limit_time(MCP_TIMEOUT, request, next)));
    // the prefix is stripped here; the token in the path was taken out by the gate
    let kubernetes = Router::new()
        .nest_service(gate::KUBERNETES, kubernetes)
        .layer(from_fn_with_state(credentials, credentials::identify))
        .layer(from_fn(|request, next| observe::limit_time(REQUEST_TIMEOUT, request, next)));
    let inner = open
        .merge(page)
        .merge(sandbox)
        .merge(secrets)
        .merge(logs)
        .merge(exports)
        .layer(from_fn(|request, next| observe::limit_time(REQUEST_TIMEOUT, request, next)))
        .merge(mcp)
        .merge(kubernetes)
        .method_not_allowed_fallback(pages::method_not_allowed)
        .fallback(pages::not_found)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(access::limit_body))
        .layer(from_fn(access::check_content_type))
        .layer(from_fn_with_state(Arc::new(access), access::check_host_and_origin))
        .layer(from_fn(observe::trace));
    // A layer runs after routing, and the gate changes the path: so the routes stand behind an outer router.
    Router::new().fallback_service(tower::ServiceBuilder::new().layer(from_fn(gate::take_token)).service(inner))
}

/// A listener whose connections send what there is at once. An event stream ends with a small segment of its own: held back for
/// the client's acknowledgement of the one before (Nagle, RFC 1122 §4.2.3.4), every answer of that kind takes 40 ms.
fn prompt(listener: tokio::net::TcpListener) -> impl Listener<Io = tokio::net::TcpStream, Addr = std::net::SocketAddr> {
    listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection may be slow");
        }
    })
}

/// Serves until `shutdown`, then lets open answers end for a moment.
pub async fn serve(listener: tokio::net::TcpListener, router: Router, shutdown: CancellationToken) -> Result<(), Error> {
    let graceful = axum::serve(prompt(listener), router).with_graceful_shutdown(shutdown.clone().cancelled_owned()).into_future();
    tokio::pin!(graceful);
    // both arms are cancel safe: dropping the server closes the listener
    tokio::select! {
        ended = &mut graceful => ended.map_err(|source| Error::Serve { source }),
        () = async { shutdown.cancelled().await; tokio::time::sleep(DRAIN).await } => Ok(()),
    }
}
