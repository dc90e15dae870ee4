//! Refusals as Kubernetes `Status` objects: code, reason, message, details with causes.
//!
//! The words follow a real API server, because kubectl, kube and people read them. Every refusal names the field, the
//! value and what is allowed.

use axum::body::Body;
use axum::response::Response;
use serde_json::{Value, json};

use super::kinds::Kind;
use crate::store;

/// How many causes one Status lists; the rest is counted.
const MAX_CAUSES: usize = 50;

/// One refused field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    /// `FieldValueInvalid` and its kin
    pub reason: &'static str,
    /// path such as `spec.components[3].id`
    pub field: String,
    /// what is wrong and what is allowed, without the field
    pub message: String,
}

impl Cause {
    pub(super) fn new(reason: &'static str, field: impl Into<String>, message: impl Into<String>) -> Self {
        Cause { reason, field: field.into(), message: message.into() }
    }
    pub(super) fn invalid(field: impl Into<String>, value: &Value, why: impl std::fmt::Display) -> Self {
        Cause::new("FieldValueInvalid", field, format!("Invalid value: {}: {why}", shown(value)))
    }
    pub(super) fn required(field: impl Into<String>) -> Self {
        Cause::new("FieldValueRequired", field, "Required value")
    }
    pub(super) fn forbidden(field: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Cause::new("FieldValueForbidden", field, format!("Forbidden: {why}"))
    }
}

/// A value as it stands in a message: JSON, at most 120 bytes.
pub(super) fn shown(value: &Value) -> String {
    crate::api::condition::clip(&value.to_string(), 120)
}

/// A refusal.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    /// HTTP status
    pub code: u16,
    /// machine-readable reason of the Kubernetes API conventions
    pub reason: &'static str,
    /// for people
    pub message: String,
    details: Option<Value>,
}

impl ApiError {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        ApiError { code, reason, message: message.into(), details: None }
    }
    fn about(mut self, kind: &Kind, name: &str) -> Self {
        self.details = Some(json!({ "name": name, "group": kind.group, "kind": kind.plural }));
        self
    }
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }
    pub(super) fn unknown_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }
    pub(super) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {name:?} not found", kind.qualified())).about(kind, name)
    }
    pub(super) fn already_exists(kind: &Kind, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {name:?} already exists", kind.qualified())).about(kind, name)
    }
    pub(super) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        Self::new(409, "Conflict", format!("Operation cannot be fulfilled on {} {name:?}: {why}", kind.qualified())).about(kind, name)
    }
    pub(super) fn modified(kind: &Kind, name: &str) -> Self {
        Self::conflict(kind, name, "the object has been modified; please apply your changes to the latest version and try again")
    }
    pub(super) fn forbidden(kind: &Kind, name: &str, why: impl std::fmt::Display) -> Self {
        Self::new(403, "Forbidden", format!("{} {name:?} is forbidden: {why}", kind.qualified())).about(kind, name)
    }
    /// Too old to be continued: the client lists again.
    pub(super) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }
    pub(super) fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(415, "UnsupportedMediaType", message)
    }
    pub(super) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message)
    }

    /// 422 with its causes.
    pub(super) fn invalid(kind: &Kind, name: &str, mut causes: Vec<Cause>) -> Self {
        let more = causes.len().saturating_sub(MAX_CAUSES);
        causes.truncate(MAX_CAUSES);
        let mut lines: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        let list = if lines.len() == 1 { lines.remove(0) } else { format!("[{}]", lines.join(", ")) };
        let title = if kind.group.is_empty() { kind.kind.clone() } else { format!("{}.{}", kind.kind, kind.group) };
        let causes: Vec<Value> =
            causes.into_iter().map(|cause| json!({ "reason": cause.reason, "message": cause.message, "field": cause.field })).collect();
        let details = json!({ "name": name, "group": kind.group, "kind": kind.kind, "causes": causes });
        ApiError { code: 422, reason: "Invalid", message: format!("{title} {name:?} is invalid: {list}"), details: Some(details) }
    }

    /// The store did not take a write. Nothing changed in memory; the message says what to free.
    pub(super) fn store(error: &store::Error) -> Self {
        match error {
            store::Error::Precondition { key } => {
                Self::new(409, "Conflict", format!("{key} was changed in the store behind this server; it was read again, please retry"))
            }
            store::Error::Locked { .. } | store::Error::InvalidKey { .. } => Self::internal(error.to_string()),
            store::Error::Io { verb, key, source } => {
                let advice = match source.kind() {
                    std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                        "the disk is full: free space in the data directory (old plans and logs under designs/*/jobs are safe to remove)"
                    }
                    std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => {
                        "the data directory cannot be written: mount it writable and owned by the user that runs the server"
                    }
                    _ => "the data directory did not take the write: check the disk and try again",
                };
                Self::new(503, "ServiceUnavailable", format!("cannot {verb} {key}: {advice} ({source}); nothing was changed"))
            }
        }
    }

    /// The Status object.
    pub(super) fn to_value(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }

    /// The Status as a response.
    pub(super) fn into_response(self) -> Response {
        json_response(self.code, self.to_value().to_string())
    }
}

/// A JSON response.
pub(super) fn json_response(code: u16, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
