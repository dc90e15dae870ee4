//! Pages without a credential: `/`, health, readiness, metrics, and what is not there.

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::response::{Html, IntoResponse, Response};
use futures::future::BoxFuture;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;

use super::error::{Code, Refusal};

/// One part of the server and whether it does its work.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Part {
    /// `store`, `controllers`, …
    pub name: &'static str,
    /// does it?
    pub ok: bool,
    /// what is wrong, in words without secrets
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Asks every part; must answer within a few seconds.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Vec<Part>> + Send + Sync>;

const ROOT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Galley</title>\
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}code{background:#8882;padding:.1em .3em}</style>\
<h1>Galley</h1><p>Designs Oracle Cloud architectures with an MCP host, plans them, builds them after approval, and watches them.</p>\
<ul><li><code>/mcp</code> – Model Context Protocol (streamable HTTP, Bearer token)</li>\
<li><code>/k8s/&lt;token&gt;/</code> – Kubernetes API for kubectl; <code>galley kubeconfig</code> writes the file</li>\
<li><a href=\"/healthz\">/healthz</a> – alive · <a href=\"/readyz\">/readyz</a> – ready · <a href=\"/metrics\">/metrics</a> – Prometheus</li></ul>\
<p>On this machine: <code>galley get designs</code>, <code>galley status NAME --watch</code>, <code>galley approve NAME</code>, <code>galley --help</code>.</p></html>";

pub(super) async fn root() -> Response {
    let headers = [
        ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        ("x-content-type-options", "nosniff"),
    ];
    (headers, Html(ROOT)).into_response()
}

pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

pub(super) async fn readyz(ready: Readiness) -> Response {
    let parts = ready().await;
    let ok = parts.iter().all(|part| part.ok);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(serde_json::json!({ "ready": ok, "parts": parts }))).into_response()
}

pub(super) fn metrics(render: &(dyn Fn() -> String + Send + Sync)) -> Response {
    // the version the Prometheus text format is at
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render()).into_response()
}

pub(super) async fn not_found(request: Request) -> Refusal {
    Refusal::new(Code::NotFound, "there is nothing under this path", "GET / lists what there is").for_path(request.uri().path())
}

pub(super) async fn method_not_allowed(request: Request) -> Refusal {
    Refusal::new(Code::MethodNotAllowed, "this path has other methods", "GET / lists what there is").for_path(request.uri().path())
}
