//! The two kinds of patch a real API server takes for custom resources: JSON Patch and JSON merge patch. Pure.

use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use super::status::ApiError;

/// Most operations of one JSON Patch; a real API server stops at the same number.
const MAX_OPERATIONS: usize = 10_000;
/// Most bytes that all `copy` operations of one patch copy together: the size of the largest object.
const MAX_COPIED: usize = 3 << 20;

/// How a patch is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PatchKind {
    /// RFC 6902
    Json,
    /// RFC 7386
    Merge,
}

impl PatchKind {
    /// From the content type. Errors: 415 naming what is taken.
    pub(super) fn of(content_type: &str) -> Result<Self, ApiError> {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Ok(PatchKind::Json),
            "application/merge-patch+json" => Ok(PatchKind::Merge),
            "application/apply-patch+yaml" | "application/apply-patch+cbor" => Err(ApiError::unsupported_media_type(
                "server-side apply is not supported by this server: use `kubectl apply` without --server-side, or application/merge-patch+json",
            )),
            other => Err(ApiError::unsupported_media_type(format!(
                "the body of the request was in an unknown format {other:?} - accepted media types include: application/json-patch+json, application/merge-patch+json"
            ))),
        }
    }
}

/// The object after the patch.
pub(super) fn apply(kind: PatchKind, patch: &Value, old: &Value) -> Result<Value, ApiError> {
    let mut object = old.clone();
    match kind {
        PatchKind::Merge => {
            if !patch.is_object() {
                return Err(ApiError::bad_request("a merge patch is a JSON object"));
            }
            json_patch::merge(&mut object, patch);
        }
        PatchKind::Json => apply_operations(patch, &mut object)?,
    }
    Ok(object)
}

fn apply_operations(patch: &Value, object: &mut Value) -> Result<(), ApiError> {
    let operations: Patch = serde::Deserialize::deserialize(patch)
        .map_err(|error| ApiError::bad_request(format!("the body is not a JSON Patch of RFC 6902: {error}")))?;
    if operations.0.len() > MAX_OPERATIONS {
        return Err(ApiError::new(413, "RequestEntityTooLarge", format!("a JSON Patch has at most {MAX_OPERATIONS} operations")));
    }
    let mut copied = 0;
    for operation in &operations.0 {
        // `copy` onto itself doubles the object each time; a real API server bounds the sum as well.
        if let PatchOperation::Copy(copy) = operation {
            copied += object.pointer(copy.from.as_str()).map_or(0, |value| value.to_string().len());
            if copied > MAX_COPIED {
                return Err(ApiError::new(
                    413,
                    "RequestEntityTooLarge",
                    format!("the copy operations of a JSON Patch copy at most {MAX_COPIED} bytes"),
                ));
            }
        }
        // A real API server reads an absent path as null; kube's finalizer() relies on it.
        if let PatchOperation::Test(test) = operation
            && test.value.is_null()
            && object.pointer(test.path.as_str()).is_none()
        {
            continue;
        }
        json_patch::patch_unsafe(object, std::slice::from_ref(operation)).map_err(|error| {
            ApiError::new(422, "Invalid", format!("the server rejected our request due to an error in our request: {}", error.kind))
        })?;
    }
    Ok(())
}
