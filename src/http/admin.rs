//! Routes for people: hands in the simulated cloud, secret values, job logs. Each behind a narrow trait.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::BoxStream;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::{Code, Refusal};
use crate::config::Secret;

/// Why an administrative request was not done. Messages are for people and hold no secret.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// no such design, resource, job or variable
    #[error("{0}")]
    NotFound(String),
    /// the request makes no sense
    #[error("{0}")]
    Invalid(String),
    /// not now
    #[error("{0}")]
    Unavailable(String),
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let (code, message, hint) = match self {
            AdminError::NotFound(message) => (Code::NotFound, message, "check the name with `galley get`"),
            AdminError::Invalid(message) => (Code::InvalidArgument, message, "see `galley --help`"),
            AdminError::Unavailable(message) => (Code::Unavailable, message, "try again; see /readyz"),
        };
        Refusal::new(code, message, hint).into_response()
    }
}

/// An error the simulated cloud is to answer with.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Fault {
    /// resource type such as `oci_core_instance`, or `*`
    pub resource_type: String,
    /// `create`, `read`, `update`, `delete`, `plan` or `*`
    #[serde(default = "any_operation")]
    pub operation: String,
    /// HTTP status, 400–599
    pub status: u16,
    /// OCI error code such as `LimitExceeded`
    pub code: String,
    /// message; the code's usual one when absent
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// how many requests fail; every one until cleared when absent
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// milliseconds before the answer
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
}

fn any_operation() -> String {
    "*".to_owned()
}

/// Hands in the simulated cloud of one design (by uid): behind Terraform's back, as a person at a console.
#[async_trait]
pub trait SandboxAdmin: Send + Sync + 'static {
    /// `{"resources": [{"id", "type", "attributes"}], "faults": [...]}`
    async fn list(&self, design_uid: &str) -> Result<Value, AdminError>;
    /// Sets one attribute (dotted path) of one resource; answers the resource as it is now.
    async fn set(&self, design_uid: &str, id: &str, attribute: &str, value: Value) -> Result<Value, AdminError>;
    /// Deletes one resource.
    async fn delete(&self, design_uid: &str, id: &str) -> Result<Value, AdminError>;
    /// Makes requests fail.
    async fn fail(&self, design_uid: &str, fault: Fault) -> Result<Value, AdminError>;
    /// Takes every fault back.
    async fn clear(&self, design_uid: &str) -> Result<Value, AdminError>;
}

/// Takes the value of a supplied secret variable.
#[async_trait]
pub trait SecretStore: Send + Sync + 'static {
    /// Keeps `value` for variable `name` of the design with this uid.
    async fn put(&self, design_uid: &str, name: &str, value: Secret) -> Result<(), AdminError>;
}

/// JSON lines of a log.
pub type LogStream = BoxStream<'static, std::io::Result<Bytes>>;

/// Gives the bounded log of a job.
#[async_trait]
pub trait LogSource: Send + Sync + 'static {
    /// The log so far; with `follow`, also what comes until the job ends.
    async fn open(&self, design_uid: &str, job: &str, follow: bool) -> Result<LogStream, AdminError>;
}

/// A uid, job or variable name out of a path: nothing that could be a path itself.
fn segment(text: &str) -> Result<&str, AdminError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if plain && !text.is_empty() && text.len() <= 253 && !text.starts_with('.') {
        Ok(text)
    } else {
        Err(AdminError::Invalid("a name in the path has characters other than A-Z a-z 0-9 - _ .".to_owned()))
    }
}

/// The body, or a refusal that does not quote it.
fn body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Refusal> {
    match body {
        Ok(Json(value)) => Ok(value),
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(Refusal::new(Code::BodyTooLarge, "the body is too large", "send less"))
        }
        Err(_) => Err(Refusal::new(Code::InvalidArgument, "the body is not the JSON object this route takes", "see `galley --help`")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetBody {
    id: String,
    attribute: String,
    value: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteBody {
    id: String,
}

type Sandbox = State<Arc<dyn SandboxAdmin>>;

fn answer(result: Result<Value, AdminError>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => error.into_response(),
    }
}

pub(super) async fn sandbox_list(State(sandbox): Sandbox, Path(design): Path<String>) -> Result<Response, AdminError> {
    Ok(answer(sandbox.list(segment(&design)?).await))
}

pub(super) async fn sandbox_set(
    State(sandbox): Sandbox,
    Path(design): Path<String>,
    json: Result<Json<SetBody>, JsonRejection>,
) -> Response {
    let SetBody { id, attribute, value } = match body(json) {
        Ok(found) => found,
        Err(refusal) => return refusal.into_response(),
    };
    match segment(&design) {
        Ok(design) => answer(sandbox.set(design, &id, &attribute, value).await),
        Err(error) => error.into_response(),
    }
}

pub(super) async fn sandbox_delete(
    State(sandbox): Sandbox,
    Path(design): Path<String>,
    json: Result<Json<DeleteBody>, JsonRejection>,
) -> Response {
    let DeleteBody { id } = match body(json) {
        Ok(found) => found,
        Err(refusal) => return refusal.into_response(),
    };
    match segment(&design) {
        Ok(design) => answer(sandbox.delete(design, &id).await),
        Err(error) => error.into_response(),
    }
}

pub(super) async fn sandbox_fail(
    State(sandbox): Sandbox,
    Path(design): Path<String>,
    json: Result<Json<Fault>, JsonRejection>,
) -> Response {
    let fault = match body(json) {
        Ok(found) => found,
        Err(refusal) => return refusal.into_response(),
    };
    if !(400..=599).contains(&fault.status) {
        return AdminError::Invalid(format!("status is {}: allowed is 400 to 599", fault.status)).into_response();
    }
    match segment(&design) {
        Ok(design) => answer(sandbox.fail(design, fault).await),
        Err(error) => error.into_response(),
    }
}

pub(super) async fn sandbox_clear(State(sandbox): Sandbox, Path(design): Path<String>) -> Result<Response, AdminError> {
    Ok(answer(sandbox.clear(segment(&design)?).await))
}

pub(super) async fn secret_put(
    State(secrets): State<Arc<dyn SecretStore>>,
    Path((design, name)): Path<(String, String)>,
    value: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Response, Response> {
    let (design, name) = (segment(&design).map_err(IntoResponse::into_response)?, segment(&name).map_err(IntoResponse::into_response)?);
    let bytes =
        value.map_err(|_| Refusal::new(Code::BodyTooLarge, "the body is too large", "a secret has at most 64 KiB").into_response())?;
    // Terraform takes variables on its command line's behalf from one file; 64 KiB is far more than any key or password
    if bytes.is_empty() || bytes.len() > 64 * 1024 {
        return Err(AdminError::Invalid("a secret has 1 to 65536 bytes".to_owned()).into_response());
    }
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| AdminError::Invalid("a secret is UTF-8 text".to_owned()).into_response())?;
    secrets.put(design, name, Secret::new(text)).await.map_err(IntoResponse::into_response)?;
    Ok(Json(json!({ "name": name, "kept": true })).into_response())
}

#[derive(Deserialize)]
pub(super) struct LogQuery {
    follow: Option<String>,
}

pub(super) async fn logs(
    State(logs): State<Arc<dyn LogSource>>,
    Path((design, job)): Path<(String, String)>,
    Query(LogQuery { follow }): Query<LogQuery>,
) -> Result<Response, AdminError> {
    let follow = matches!(follow.as_deref(), Some("1" | "true"));
    let stream = logs.open(segment(&design)?, segment(&job)?, follow).await?;
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(stream)).into_response())
}
