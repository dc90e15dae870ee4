//! Answers without a credential: health, readiness, metrics, and what is not there.

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
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

pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

pub(super) async fn readyz(ready: Readiness) -> Response {
    let parts = ready().await;
    let ok = parts.iter().all(|part| part.ok);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(serde_json::json!({ "ready": ok, "parts": parts }))).into_response()
}

pub(super) async fn metrics(render: Arc<dyn Fn() -> String + Send + Sync>) -> Response {
    // the version the Prometheus text format is at
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render()).into_response()
}

pub(super) async fn not_found(request: Request) -> Refusal {
    Refusal::new(Code::NotFound, "there is nothing under this path", "GET / is the page; /mcp and /k8s are for programs")
        .for_path(request.uri().path())
}

pub(super) async fn method_not_allowed(request: Request) -> Refusal {
    Refusal::new(Code::MethodNotAllowed, "this path has other methods", "GET / is the page; /mcp and /k8s are for programs")
        .for_path(request.uri().path())
}
