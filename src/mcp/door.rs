//! `/mcp`, streamable HTTP: which of two ways a request goes.
//!
//! From 2026-07-28 on every request stands alone. Before that a host may have a session, which it needs to be asked
//! something in the middle of a call, to subscribe, and to cancel ([`Sessions`]). A host that does without is served all
//! the same, one request at a time. Decides about transport only; who may come in is the outer router's business.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use rmcp::ServerHandler;
use rmcp::model::{InitializeRequestParams, ProtocolVersion};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::sessions::{Id, Sessions, VISIT, Visit};

/// Largest request body: arguments are refused above 1 MiB of text; JSON escapes may multiply it.
pub(super) const MAX_BODY: usize = 4 * 1024 * 1024;
/// Header that carries the id of a session.
pub(super) const SESSION: &str = "mcp-session-id";
/// Header that names the revision.
const REVISION: &str = "mcp-protocol-version";

/// What the HTTP door decides.
#[derive(Debug, Clone, Default)]
pub struct HttpOptions {
    /// `host` or `host:port` that requests may name beside the loopback names
    pub allowed_hosts: Vec<String>,
    /// origins of browsers that may call (`https://app.example.com:443`); none when empty
    pub allowed_origins: Vec<String>,
}

/// Marks a request that has a connection behind it: the host can be asked, and told.
#[derive(Clone, Copy)]
pub(super) struct Connected;

/// Both ways, over one handler.
struct Doors<H> {
    alone: StreamableHttpService<H, NeverSessionManager>,
    together: StreamableHttpService<H, Sessions>,
    sessions: Sessions,
}

/// `/mcp` for any handler, with every decision of the product about transport.
pub fn door<H: ServerHandler + Clone>(handler: H, options: HttpOptions, shutdown: CancellationToken) -> axum::Router {
    with_sessions(handler, options, shutdown, Sessions::default())
}

pub(super) fn with_sessions<H: ServerHandler + Clone>(
    handler: H,
    options: HttpOptions,
    shutdown: CancellationToken,
    sessions: Sessions,
) -> axum::Router {
    sessions.keep_swept(shutdown.clone());
    // An origin that is not on the list is refused also when the list is empty: no page on the web may call a server on
    // loopback.
    let mut config = StreamableHttpServerConfig::default().enforce_origin_validation();
    config.legacy_session_mode = false;
    // A plain answer is plain JSON. A call that sends progress, and a subscription, turn into an event stream by themselves:
    // nothing is lost (tested).
    config.json_response = true;
    // Hosts before 2025-11-25 know no empty events.
    config.sse_retry = None;
    config.cancellation_token = shutdown;
    config.max_request_body_bytes = MAX_BODY;
    config.allowed_origins = options.allowed_origins;
    config.allowed_hosts.extend(options.allowed_hosts);
    let mut kept = config.clone();
    kept.legacy_session_mode = true;
    kept.session_store = Some(Arc::new(sessions.clone()));
    let first = handler.clone();
    let doors = Arc::new(Doors {
        alone: StreamableHttpService::new(move || Ok(first.clone()), Arc::default(), config),
        together: StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(sessions.clone()), kept),
        sessions,
    });
    axum::Router::new().route("/mcp", any(move |request: Request| enter(doors.clone(), request)))
}

async fn enter<H: ServerHandler + Clone>(doors: Arc<Doors<H>>, request: Request) -> Response {
    if request.headers().contains_key(SESSION) {
        if request.method() != Method::DELETE {
            return doors.together(Visit::Goes, request).await;
        }
        let mut response = doors.together(Visit::Ends, request).await;
        // rmcp says 202, which common clients take for a failure: it is done, and there is nothing to say.
        if response.status() == StatusCode::ACCEPTED {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        return response;
    }
    if request.method() != Method::POST || stands_alone(request.headers()) {
        return doors.alone.handle(request).await.map(Body::new);
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or ended early").into_response();
    };
    let body = body.to_bytes();
    let handshake = handshake(&body);
    let request = Request::from_parts(parts, Body::from(body));
    match handshake {
        // With every session in the middle of a call a new host is served without one: it cannot be asked, and works.
        Some(params) if doors.sessions.make_room() => doors.together(Visit::Begins(Id::mint(&params)), request).await,
        Some(_) | None => doors.alone.handle(request).await.map(Body::new),
    }
}

impl<H: ServerHandler + Clone> Doors<H> {
    async fn together(&self, visit: Visit, mut request: Request) -> Response {
        request.extensions_mut().insert(Connected);
        VISIT.scope(visit, self.together.handle(request)).await.map(Body::new)
    }
}

/// Is this of a revision without sessions?
fn stands_alone(headers: &HeaderMap) -> bool {
    let revision = headers.get(REVISION).and_then(|value| value.to_str().ok());
    revision.is_some_and(|revision| revision >= ProtocolVersion::V_2026_07_28.as_str())
}

/// How a host introduces itself, if this is where it does. What is no message at all is refused further in.
fn handshake(body: &[u8]) -> Option<InitializeRequestParams> {
    #[derive(Deserialize)]
    struct Method<'a> {
        #[serde(borrow)]
        method: std::borrow::Cow<'a, str>,
    }
    #[derive(Deserialize)]
    struct Params {
        params: Value,
    }
    if serde_json::from_slice::<Method<'_>>(body).ok()?.method != "initialize" {
        return None;
    }
    let Params { params } = serde_json::from_slice(body).ok()?;
    serde_json::from_value(params).ok()
}
