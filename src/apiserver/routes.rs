//! From HTTP to operations: paths, query parameters, content types, answers. Decides nothing about documents.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};
use tokio::time::Duration;

use super::kinds::Kind;
use super::list::{Filter, Shape, View};
use super::operations::{Call, DeleteOptions, Done};
use super::patch::PatchKind;
use super::prepare::{FieldValidation, Scope};
use super::selector::{FieldSelector, LabelSelector};
use super::status::{ApiError, json_response};
use super::table::Include;
use super::watch::WatchRequest;
use super::{Core, body, discovery, openapi};
use crate::api::approval::Identity;
use crate::api::{GROUP, NAMESPACE, VERSION};

/// Answers one request.
pub(super) async fn serve(core: &Core, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(identity) = parts.extensions.get::<Identity>().cloned() else {
        return ApiError::new(401, "Unauthorized", "Unauthorized: the request carries no credential").into_response();
    };
    let body = match body::read(body, core.shared.options.max_body_bytes).await {
        Ok(body) => body,
        Err(error) => return error.into_response(),
    };
    let incoming = Incoming { core, identity, query: Query::parse(parts.uri.query()), parts, body };
    incoming.answer().await.unwrap_or_else(ApiError::into_response)
}

struct Incoming<'a> {
    core: &'a Core,
    identity: Identity,
    query: Query,
    parts: http::request::Parts,
    body: Bytes,
}

/// What a path names among the objects.
struct Target<'a> {
    kind: &'a Kind,
    core_form: bool,
    name: Option<String>,
    status: bool,
    /// the path has no namespace: only lists and watches go there
    everywhere: bool,
}

impl Incoming<'_> {
    async fn answer(&self) -> Result<Response, ApiError> {
        let segments: Vec<&str> = self.parts.uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
        let kinds = &self.core.shared.kinds;
        let fixed = match segments.as_slice() {
            ["version"] => Some(discovery::version()),
            ["api"] => Some(discovery::core_versions()),
            ["apis"] => Some(discovery::groups()),
            ["apis", group] => Some(discovery::group(group).ok_or_else(ApiError::unknown_path)?),
            ["api", "v1"] => discovery::resources(kinds, "", "v1"),
            ["apis", group, version] => Some(discovery::resources(kinds, group, version).ok_or_else(ApiError::unknown_path)?),
            ["openapi", "v3"] => Some(openapi::index()),
            ["openapi", "v3", rest @ ..] => Some(openapi::document(kinds, &rest.join("/")).ok_or_else(ApiError::unknown_path)?),
            ["api", "v1", "namespaces"] => return self.namespaces(None),
            ["api", "v1", "namespaces", name] => return self.namespaces(Some(name)),
            ["healthz" | "livez" | "readyz"] => return Ok(text("ok")),
            _ => None,
        };
        if let Some(fixed) = fixed {
            self.only_get()?;
            return Ok(json_response(200, fixed.to_string()));
        }
        let target = self.target(&segments)?;
        self.objects(target).await
    }

    fn only_get(&self) -> Result<(), ApiError> {
        if self.parts.method == Method::GET { Ok(()) } else { Err(ApiError::method_not_allowed()) }
    }

    fn namespaces(&self, name: Option<&str>) -> Result<Response, ApiError> {
        self.only_get()?;
        if name.is_some_and(|name| name != NAMESPACE) {
            return Err(no_such_namespace(name.unwrap_or_default()));
        }
        if let Shape::Table(include) = self.shape() {
            let object = discovery::namespace();
            let column =
                |name: &str, format: &str| json!({ "name": name, "type": "string", "format": format, "description": "", "priority": 0 });
            let mut row = json!({ "cells": [NAMESPACE, "Active", "<unknown>"] });
            if include != Include::None {
                row["object"] = object;
            }
            let columns = [column("Name", "name"), column("Status", ""), column("Age", "")];
            let table = json!({ "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": { "resourceVersion": "1" }, "columnDefinitions": columns, "rows": [row] });
            return Ok(json_response(200, table.to_string()));
        }
        let answer = if name.is_some() { discovery::namespace() } else { discovery::namespaces() };
        Ok(json_response(200, answer.to_string()))
    }

    fn target(&self, segments: &[&str]) -> Result<Target<'_>, ApiError> {
        let kinds = &self.core.shared.kinds;
        let (group, rest) = match segments {
            ["api", "v1", rest @ ..] => ("", rest),
            ["apis", GROUP, VERSION, rest @ ..] => (GROUP, rest),
            ["apis", "events.k8s.io", "v1", rest @ ..] => ("events.k8s.io", rest),
            _ => return Err(ApiError::unknown_path()),
        };
        let (everywhere, plural, rest) = match rest {
            ["namespaces", namespace, plural, rest @ ..] => {
                if *namespace != NAMESPACE {
                    return Err(no_such_namespace(namespace));
                }
                (false, *plural, rest)
            }
            [plural] => (true, *plural, &[][..]),
            _ => return Err(ApiError::unknown_path()),
        };
        let kind = if group == GROUP { kinds.document(plural) } else { kinds.events().filter(|kind| kind.plural == plural) };
        let kind = kind.ok_or_else(ApiError::unknown_path)?;
        let (name, status) = match rest {
            [] => (None, false),
            [name] => (Some((*name).to_owned()), false),
            [name, "status"] if !kind.is_event() => (Some((*name).to_owned()), true),
            _ => return Err(ApiError::unknown_path()),
        };
        Ok(Target { kind, core_form: group.is_empty(), name, status, everywhere })
    }

    async fn objects(&self, target: Target<'_>) -> Result<Response, ApiError> {
        let Target { kind, core_form, name, status, everywhere } = target;
        let scope = if status { Scope::Status } else { Scope::Main };
        let call = Call { kind, identity: &self.identity, validation: self.query.validation()?, dry_run: self.query.dry_run()?, core_form };
        match (&self.parts.method, name) {
            (&Method::GET, None) => self.list_or_watch(kind, core_form),
            (&Method::GET, Some(name)) => {
                let bytes = self.core.get(kind, &name)?;
                Ok(json_response(200, self.view(kind, core_form).one(&bytes, &self.core.shared.clock.now())))
            }
            (&Method::POST, None) if !everywhere => {
                let object = self.read(call.validation)?;
                let done = self.core.create(&call, object).await?;
                Ok(self.written(201, kind, core_form, done))
            }
            (&Method::PUT, Some(name)) => {
                let object = self.read(call.validation)?;
                let done = self.core.replace(&call, &name, scope, object).await?;
                Ok(self.written(200, kind, core_form, done))
            }
            (&Method::PATCH, Some(name)) => {
                let patch_kind = PatchKind::of(self.content_type())?;
                let patch = self.read(FieldValidation::Ignore)?;
                let done = self.core.patch(&call, &name, scope, patch_kind, &patch).await?;
                Ok(self.written(200, kind, core_form, done))
            }
            (&Method::DELETE, Some(name)) if !status => {
                let options = self.delete_options()?;
                let call = Call { dry_run: call.dry_run || options.dry_run.as_ref().is_some_and(|dry| !dry.is_empty()), ..call };
                let done = self.core.delete(&call, &name, &options).await?;
                Ok(self.written(200, kind, core_form, done))
            }
            (&Method::DELETE, None) if !everywhere => {
                let options = self.delete_options()?;
                let call = Call { dry_run: call.dry_run || options.dry_run.as_ref().is_some_and(|dry| !dry.is_empty()), ..call };
                let (version, items) = self.core.delete_collection(&call, &self.filter(kind)?, &options).await?;
                let metadata = json!({ "resourceVersion": version.to_string() });
                Ok(json_response(200, self.view(kind, core_form).many(&items, metadata, &self.core.shared.clock.now())))
            }
            _ => Err(ApiError::method_not_allowed()),
        }
    }

    fn list_or_watch(&self, kind: &Kind, core_form: bool) -> Result<Response, ApiError> {
        let filter = self.filter(kind)?;
        if self.query.flag("watch") {
            let request = self.watch_request(filter, core_form)?;
            return Ok(json_response(200, self.core.watch(kind.id, request)));
        }
        let limit = self.query.number("limit")?.unwrap_or(0);
        self.check_list_version()?;
        let page =
            self.core.page(kind, &filter, usize::try_from(limit).unwrap_or(usize::MAX), self.query.get("continue").unwrap_or_default())?;
        Ok(json_response(200, self.view(kind, core_form).many(&page.items, page.metadata, &self.core.shared.clock.now())))
    }

    /// A list is always of now; a client that names another moment is told so.
    fn check_list_version(&self) -> Result<(), ApiError> {
        let (wanted, newest) = (self.query.number("resourceVersion")?.unwrap_or(0), self.core.shared.read(|state| state.version));
        match self.query.get("resourceVersionMatch") {
            Some("Exact") if wanted != newest => {
                Err(ApiError::expired(format!("The resourceVersion for the provided list is too old: {wanted}")))
            }
            _ if wanted > newest => Err(ApiError::new(504, "Timeout", format!("Too large resource version: {wanted}, current: {newest}"))),
            _ => Ok(()),
        }
    }

    fn watch_request(&self, filter: Filter, core_form: bool) -> Result<WatchRequest, ApiError> {
        let initial = self.query.flag("sendInitialEvents");
        if initial && self.query.get("resourceVersionMatch") != Some("NotOlderThan") {
            let message = "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            return Err(ApiError::new(422, "Invalid", message));
        }
        let since = self.query.number("resourceVersion")?.filter(|version| *version != 0 && !initial);
        Ok(WatchRequest {
            filter,
            shape: self.shape(),
            core_form,
            since,
            bookmarks: self.query.flag("allowWatchBookmarks"),
            initial,
            timeout: self.query.number("timeoutSeconds")?.map(Duration::from_secs),
        })
    }

    fn filter(&self, kind: &Kind) -> Result<Filter, ApiError> {
        Ok(Filter {
            labels: LabelSelector::parse(self.query.get("labelSelector").unwrap_or_default())?,
            fields: FieldSelector::parse(self.query.get("fieldSelector").unwrap_or_default(), kind)?,
        })
    }

    fn view<'k>(&self, kind: &'k Kind, core_form: bool) -> View<'k> {
        View { kind, shape: self.shape(), core_form }
    }

    /// The first media range of Accept that this server makes.
    fn shape(&self) -> Shape {
        let accept = self.parts.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        for range in accept.split(',').map(str::trim) {
            let has = |parameter: &str| range.split(';').any(|part| part.trim() == parameter);
            if !range.starts_with("application/json") && !range.starts_with("*/*") {
                continue;
            }
            if has("as=Table") && has("v=v1") {
                return Shape::Table(match self.query.get("includeObject") {
                    Some("None") => Include::None,
                    Some("Object") => Include::Object,
                    _ => Include::Metadata,
                });
            }
            if has("as=PartialObjectMetadata") || has("as=PartialObjectMetadataList") {
                return Shape::Partial;
            }
            if !range.contains("as=") {
                return Shape::Full;
            }
        }
        Shape::Full
    }

    fn content_type(&self) -> &str {
        self.parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("application/json")
    }

    /// The body as a value. Duplicate members are unknown fields' siblings: refused under Strict.
    fn read(&self, validation: FieldValidation) -> Result<Value, ApiError> {
        let parsed = body::parse(&self.body, self.content_type())?;
        if validation == FieldValidation::Strict && !parsed.duplicates.is_empty() {
            let lines: Vec<String> = parsed.duplicates.iter().map(|name| format!("duplicate field {name:?}")).collect();
            return Err(ApiError::bad_request(format!("strict decoding error: {}", lines.join(", "))));
        }
        Ok(parsed.value)
    }

    fn delete_options(&self) -> Result<DeleteOptions, ApiError> {
        let mut options = if self.body.is_empty() {
            DeleteOptions::default()
        } else {
            let value = body::parse(&self.body, self.content_type())?.value;
            serde_json::from_value(value).map_err(|error| ApiError::bad_request(format!("the body is no DeleteOptions: {error}")))?
        };
        if let Some(policy) = self.query.get("propagationPolicy") {
            options.propagation_policy = Some(policy.to_owned());
        }
        Ok(options)
    }

    /// The answer to a write: the object in the form it was asked for, with warnings.
    fn written(&self, code: u16, kind: &Kind, core_form: bool, done: Done) -> Response {
        let bytes = if done.is_status { done.bytes } else { self.view(kind, core_form).one(&done.bytes, &self.core.shared.clock.now()) };
        let mut response = json_response(code, bytes);
        for warning in &done.warnings {
            let visible = warning.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' });
            let quoted = visible.collect::<String>().replace('\\', r"\\").replace('"', "\\\"");
            if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
                response.headers_mut().append(header::WARNING, value);
            }
        }
        response
    }
}

fn no_such_namespace(name: &str) -> ApiError {
    ApiError::new(404, "NotFound", format!("namespaces {name:?} not found: this server serves namespace {NAMESPACE:?} alone"))
}

fn text(text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Query parameters.
struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: Option<&str>) -> Self {
        Query(url::form_urlencoded::parse(text.unwrap_or_default().as_bytes()).into_owned().collect())
    }
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
    fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value, "1" | "true" | "True" | "TRUE" | "t" | "T"))
    }
    fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let parse = |value: &str| value.parse().map_err(|_| ApiError::bad_request(format!("{name} is not a number: {value:?}")));
        self.get(name).map(parse).transpose()
    }
    fn validation(&self) -> Result<FieldValidation, ApiError> {
        match self.get("fieldValidation") {
            None | Some("Warn") => Ok(FieldValidation::Warn),
            Some("Ignore") => Ok(FieldValidation::Ignore),
            Some("Strict") => Ok(FieldValidation::Strict),
            Some(other) => Err(ApiError::bad_request(format!("fieldValidation {other:?} is not one of Ignore, Warn, Strict"))),
        }
    }
    /// A client that asks for a trial must never get a write.
    fn dry_run(&self) -> Result<bool, ApiError> {
        match self.get("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => Err(ApiError::bad_request(format!("dryRun {other:?} is not supported: use All"))),
        }
    }
}
