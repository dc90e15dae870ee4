//! Refusals as people and programs read them: `{code, message, hint}`; under `/k8s` the `Status` object that kubectl and
//! kube show. No refusal repeats what was sent.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::gate::KUBERNETES;

/// Closed set of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// no or an unknown token
    Unauthorized,
    /// a token that does not open this
    Forbidden,
    /// the Host header names another server
    HostNotAllowed,
    /// the Origin header names another site
    OriginNotAllowed,
    /// neither JSON nor a patch type
    UnsupportedMediaType,
    /// more than the body limit
    BodyTooLarge,
    /// no such route or object
    NotFound,
    /// the route has other methods
    MethodNotAllowed,
    /// the request is not understood
    InvalidArgument,
    /// the answer took too long
    Timeout,
    /// a part is not there at the moment
    Unavailable,
}

impl Code {
    /// As it stands in the answer.
    pub fn as_str(self) -> &'static str {
        self.parts().0
    }
    /// HTTP status.
    pub fn status(self) -> StatusCode {
        self.parts().1
    }
    /// Code, status, and Kubernetes' word for it.
    fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Code::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "Unauthorized"),
            Code::Forbidden => ("not_permitted", StatusCode::FORBIDDEN, "Forbidden"),
            Code::HostNotAllowed => ("host_not_allowed", StatusCode::FORBIDDEN, "Forbidden"),
            Code::OriginNotAllowed => ("origin_not_allowed", StatusCode::FORBIDDEN, "Forbidden"),
            Code::UnsupportedMediaType => ("unsupported_media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType"),
            Code::BodyTooLarge => ("body_too_large", StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
            Code::NotFound => ("not_found", StatusCode::NOT_FOUND, "NotFound"),
            Code::MethodNotAllowed => ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
            Code::InvalidArgument => ("invalid_argument", StatusCode::BAD_REQUEST, "BadRequest"),
            Code::Timeout => ("timeout", StatusCode::GATEWAY_TIMEOUT, "Timeout"),
            Code::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
        }
    }
}

/// One refusal.
#[derive(Debug, Clone)]
pub struct Refusal {
    code: Code,
    message: String,
    hint: String,
    kubernetes: bool,
}

impl Refusal {
    /// `message`: what is wrong; `hint`: what to do.
    pub fn new(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Refusal { code, message: message.into(), hint: hint.into(), kubernetes: false }
    }
    /// In the form that clients of `path` read.
    pub fn for_path(mut self, path: &str) -> Self {
        self.kubernetes = path.starts_with(KUBERNETES);
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refusal { code, message, hint, kubernetes } = self;
        let (word, status, reason) = code.parts();
        let body = if kubernetes {
            json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "code": status.as_u16(),
                    "message": format!("{message}: {hint}") })
        } else {
            json!({ "code": word, "message": message, "hint": hint })
        };
        let mut response = (status, Json(body)).into_response();
        if code == Code::Unauthorized {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"galley\""));
        }
        response
    }
}
