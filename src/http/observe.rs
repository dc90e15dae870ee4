//! What is written down about a request: method, route, status, time. Stands behind the gate, so there is no token left;
//! Kubernetes paths are reduced to their prefix, because names in them are nobody's business in a metric.

use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::error::{Code, Refusal};
use super::gate::{KUBERNETES, MCP};
use crate::trace::{self, TraceId};

/// Closed set of route labels: a label never grows with what clients send.
fn route(path: &str) -> &'static str {
    match path {
        "/" => "/",
        MCP => MCP,
        "/healthz" => "/healthz",
        "/readyz" => "/readyz",
        "/metrics" => "/metrics",
        "/login" => "/login",
        "/logout" => "/logout",
        "/favicon.svg" => "/favicon.svg",
        _ if path.starts_with("/designs/") => "/designs",
        _ if path.starts_with(KUBERNETES) => KUBERNETES,
        _ if path.starts_with("/admin/sandbox/") => "/admin/sandbox",
        _ if path.starts_with("/admin/secrets/") => "/admin/secrets",
        _ if path.starts_with("/logs/") => "/logs",
        _ => "other",
    }
}

fn method(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

/// One span and two metrics per request.
pub(super) async fn trace(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(trace::HEADER).and_then(|value| value.to_str().ok());
    let id = given.and_then(TraceId::of_header).unwrap_or_else(TraceId::generate);
    // where the request is served by a task of its own (MCP), the scope below does not reach: it is found here
    request.extensions_mut().insert(id.clone());
    let (method, route, started) = (method(request.method()), route(request.uri().path()), Instant::now());
    let span = tracing::debug_span!("http", method, route, trace = %id);
    let response = trace::scope(id, next.run(request).instrument(span.clone())).await;
    let (status, took) = (response.status().as_u16(), started.elapsed());
    metrics::counter!("galley_http_requests_total", "route" => route, "method" => method, "status" => status.to_string()).increment(1);
    metrics::histogram!("galley_http_request_seconds", "route" => route).record(took.as_secs_f64());
    span.in_scope(|| {
        if response.status().is_server_error() {
            tracing::warn!(status, milliseconds = took.as_millis() as u64, "request failed");
        } else {
            tracing::debug!(status, milliseconds = took.as_millis() as u64, "request");
        }
    });
    response
}

/// Bounds the time to the first byte of an answer; a streaming body goes on as long as it likes.
pub(super) async fn limit_time(limit: Duration, request: Request, next: Next) -> Response {
    let refusal = Refusal::new(Code::Timeout, format!("no answer within {} s", limit.as_secs()), "ask again; see /readyz for what is slow")
        .for_path(request.uri().path());
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => refusal.into_response(),
    }
}
