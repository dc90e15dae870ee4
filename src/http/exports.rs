//! Exports over plain HTTP: the whole of a summary, diagram or archive, for the command line and for the page's links.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::error::{Code as RefusalCode, Refusal};
use crate::services::export::{Body, What};
use crate::services::{Code, Error, Services};

/// Names of the exports, for the message that says what there is.
fn names() -> String {
    What::ALL.iter().map(|what| what.file()).collect::<Vec<_>>().join(", ")
}

/// One export as a response with its media type; archives carry a file name.
///
/// # Errors
/// `invalid_argument` for a file that is no export, and what the export tool refuses.
pub(super) async fn answer(services: &Services, design: &str, file: &str) -> Result<Response, Error> {
    let Some(what) = What::ALL.iter().find(|what| what.file() == file) else {
        let message = format!("there is no export of this name; there are {}", names());
        return Err(Error::new(Code::InvalidArgument, message, "see `galley export --help`"));
    };
    // the name is a part of an address of its own, so it is looked at before
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
    if !design.chars().all(plain) {
        return Err(Error::new(Code::SessionNotFound, "there is no session of this name", "see `galley get sessions`"));
    }
    let resource = services.read_resource(&format!("galley://designs/{design}/{file}")).await?;
    let bytes = match resource.body {
        Body::Text(text) => text.into_bytes(),
        Body::Bytes(bytes) => bytes,
    };
    let kind = match what {
        What::Summary => "text/markdown; charset=utf-8",
        What::Mermaid => "text/plain; charset=utf-8",
        What::Svg => "image/svg+xml; charset=utf-8",
        What::Terraform => "application/zip",
        What::All => "application/gzip",
    };
    let named = format!("attachment; filename=\"{design}-{file}\"");
    let mut response = (StatusCode::OK, [(header::CONTENT_TYPE, HeaderValue::from_static(kind))], bytes).into_response();
    if let Ok(named) = HeaderValue::from_str(&named) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, named);
    }
    Ok(response)
}

/// `GET /exports/{design}/{file}`
pub(super) async fn get(State(services): State<Services>, Path((design, file)): Path<(String, String)>) -> Response {
    match answer(&services, &design, &file).await {
        Ok(response) => response,
        Err(error) => {
            let code = match error.code {
                Code::SessionNotFound | Code::TemplateNotFound => RefusalCode::NotFound,
                Code::NotPermitted => RefusalCode::Forbidden,
                Code::StorageUnavailable | Code::Internal => RefusalCode::Unavailable,
                Code::SessionBusy
                | Code::InvalidArgument
                | Code::InvalidDesign
                | Code::Conflict
                | Code::ProtectedPath
                | Code::ApprovalRequired
                | Code::ApprovalRefused
                | Code::PlanExpired => RefusalCode::InvalidArgument,
            };
            Refusal::new(code, error.message, error.hint).into_response()
        }
    }
}
