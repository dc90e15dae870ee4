//! Resources and completions in the protocol's words; `services::resources` knows what they are.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::ErrorData;
use rmcp::model::{
    CompleteRequestParams, CompleteResult, CompletionInfo, ErrorCode, ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult,
    Reference, Resource, ResourceContents, ResourceTemplate,
};
use serde_json::json;

use crate::services::export::Body;
use crate::services::resources::{FIXED, TEMPLATES};
use crate::services::{Code, Error, Services};

/// What is there without asking (first page), then the sessions, newest first.
pub(super) async fn list(services: &Services, cursor: Option<String>) -> Result<ListResourcesResult, ErrorData> {
    let fixed = FIXED.iter().map(|(uri, name, text, media)| Resource::new(*uri, *name).with_description(*text).with_mime_type(*media));
    let mut resources: Vec<Resource> = if cursor.is_none() { fixed.collect() } else { Vec::new() };
    let (sessions, next_cursor) = services.session_resources(cursor).await.map_err(|error| protocol_error(&error))?;
    resources.extend(sessions.into_iter().map(|(uri, title)| {
        let name = uri.rsplit('/').next().unwrap_or_default().to_owned();
        Resource::new(uri, name).with_title(title).with_mime_type("application/json")
    }));
    Ok(ListResourcesResult { next_cursor, ..ListResourcesResult::with_all_items(resources) })
}

/// What is there for every session, job, type.
pub(super) fn templates() -> ListResourceTemplatesResult {
    let all =
        TEMPLATES.iter().map(|(uri, name, text, media)| ResourceTemplate::new(*uri, *name).with_description(*text).with_mime_type(*media));
    ListResourceTemplatesResult::with_all_items(all.collect())
}

/// One resource, whole.
pub(super) async fn read(services: &Services, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let resource = services.read_resource(uri).await.map_err(|error| protocol_error(&error))?;
    let contents = match resource.body {
        Body::Text(text) => ResourceContents::text(text, uri),
        Body::Bytes(bytes) => ResourceContents::blob(STANDARD.encode(bytes), uri),
    };
    Ok(ReadResourceResult::new(vec![contents.with_mime_type(resource.media_type)]))
}

/// Values for an argument of a prompt or a template.
pub(super) async fn complete(services: &Services, request: CompleteRequestParams) -> CompleteResult {
    let CompleteRequestParams { r#ref, argument, context, .. } = request;
    let known: BTreeMap<String, String> = context.and_then(|context| context.arguments).unwrap_or_default().into_iter().collect();
    let name = match &r#ref {
        // An argument of a template is completed only where the template has it.
        Reference::Resource(template) if !template.uri.contains(&format!("{{{}}}", argument.name)) => "",
        Reference::Resource(_) | Reference::Prompt(_) => argument.name.as_str(),
        // A kind of reference that a later revision may add.
        _ => "",
    };
    let values = services.complete(name, &argument.value, &known).await;
    let more = values.len() >= CompletionInfo::MAX_VALUES;
    CompleteResult::new(CompletionInfo::with_pagination(values, None, more).unwrap_or_default())
}

/// A refusal outside of tools is a protocol error; the same facts are in its data.
pub(super) fn protocol_error(error: &Error) -> ErrorData {
    let code = match error.code {
        Code::SessionNotFound | Code::InvalidArgument | Code::TemplateNotFound => ErrorCode::RESOURCE_NOT_FOUND,
        Code::InvalidDesign | Code::Conflict | Code::ProtectedPath | Code::NotPermitted => ErrorCode::INVALID_PARAMS,
        Code::SessionBusy
        | Code::ApprovalRequired
        | Code::ApprovalRefused
        | Code::PlanExpired
        | Code::StorageUnavailable
        | Code::Internal => ErrorCode::INTERNAL_ERROR,
    };
    let data = json!({ "code": error.code, "hint": error.hint, "details": error.details });
    ErrorData::new(code, error.message.clone(), Some(data))
}
