//! Which requests are let in whatever their credential: Host, Origin, content type, size.
//!
//! Host and Origin keep a web page in the person's browser from talking to a server on the person's machine (DNS
//! rebinding, cross-site requests); the content type keeps HTML forms out.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, Method};
use http_body_util::Limited;

use super::BODY_LIMIT;
use super::error::{Code, Refusal};
use super::gate::{KUBERNETES, MCP};
use super::page::takes_form;

/// Hosts and origins besides loopback and the server itself.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// host names, with or without a port
    pub allowed_hosts: Vec<String>,
    /// origins such as `https://galley.example.com`
    pub allowed_origins: Vec<String>,
}

/// Read-only pages that probes and scrapers ask for by pod address.
const PROBES: &[&str] = &["/healthz", "/readyz", "/metrics"];

impl Access {
    /// Is this the name of this server? Loopback names carry any port (the server may listen on any).
    fn allows_host(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let Ok(authority) = host.parse::<http::uri::Authority>() else { return false };
        matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]")
            || self.allowed_hosts.iter().any(|allowed| *allowed == host || allowed == authority.host())
    }

    /// Same origin as the server was addressed by, or listed. A page on another port of this machine is another site.
    fn allows_origin(&self, origin: &str, host: &str) -> bool {
        if self.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
            return true;
        }
        origin
            .split_once("://")
            .is_some_and(|(scheme, authority)| matches!(scheme, "http" | "https") && authority.eq_ignore_ascii_case(host))
    }
}

fn writes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn header<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

pub(super) async fn check_host_and_origin(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // HTTP/1.1 clients send Host; the URI carries it in absolute form
    let host =
        header(request.headers(), &HOST).or_else(|| request.uri().authority().map(|authority| authority.as_str())).unwrap_or_default();
    if !PROBES.contains(&path) && !access.allows_host(host) {
        return Refusal::new(
            Code::HostNotAllowed,
            "this server does not answer under that host name",
            "use http://127.0.0.1:<port>, or add the name to GALLEY_ALLOWED_HOSTS",
        )
        .for_path(path)
        .into_response();
    }
    // MCP 2025-06-18 transports: servers MUST validate Origin on all incoming connections
    let guarded = writes(request.method()) || path == MCP;
    let origin = request.headers().get(ORIGIN);
    if guarded && origin.is_some_and(|origin| !origin.to_str().is_ok_and(|origin| access.allows_origin(origin, host))) {
        return Refusal::new(
            Code::OriginNotAllowed,
            "a page of another site may not send this",
            "add its origin to GALLEY_ALLOWED_ORIGINS if it is yours",
        )
        .for_path(path)
        .into_response();
    }
    next.run(request).await
}

/// JSON on every writing route but the page's forms; the patch types of Kubernetes under /k8s; anything for a secret, which is raw bytes.
pub(super) async fn check_content_type(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let kind = header(request.headers(), &CONTENT_TYPE).map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let has_body = !axum::body::HttpBody::is_end_stream(request.body());
    let kubernetes = path.starts_with(KUBERNETES);
    let allowed = match kind.as_deref() {
        _ if !writes(request.method()) || path.starts_with("/admin/secrets/") => true,
        Some("application/json") => true,
        // The page's own forms: each carries a CSRF token, and its cookie never comes with another site's request.
        Some("application/x-www-form-urlencoded") => takes_form(path),
        Some(
            "application/json-patch+json"
            | "application/merge-patch+json"
            | "application/strategic-merge-patch+json"
            | "application/apply-patch+yaml",
        ) => kubernetes && request.method() == Method::PATCH,
        // kubectl deletes without a body and without a type; MCP ends a session so
        None => request.method() == Method::DELETE && !has_body,
        Some(_) => false,
    };
    if allowed {
        return next.run(request).await;
    }
    Refusal::new(Code::UnsupportedMediaType, "the content type is not accepted here", "send `Content-Type: application/json`")
        .for_path(path)
        .into_response()
}

/// Refuses by Content-Length at once, and by counting where there is none.
pub(super) async fn limit_body(request: Request, next: Next) -> Response {
    let announced = header(request.headers(), &CONTENT_LENGTH).and_then(|text| text.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > BODY_LIMIT) {
        return Refusal::new(
            Code::BodyTooLarge,
            format!("the body is larger than {BODY_LIMIT} bytes"),
            "send less: a design has at most 200 components and 256 KiB of files",
        )
        .for_path(request.uri().path())
        .into_response();
    }
    let (parts, body) = request.into_parts();
    next.run(Request::from_parts(parts, Body::new(Limited::new(body, BODY_LIMIT)))).await
}
