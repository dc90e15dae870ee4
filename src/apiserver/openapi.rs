//! OpenAPI v3 of the served groups, from the generated CRDs. Pure.
//!
//! kubectl reads three things here: for `explain` the schemas with their `x-kubernetes-group-version-kind`; for `create` and
//! `apply` whether PATCH of the kind takes `fieldValidation` (then it leaves validation to the server), and whether it takes
//! strategic merge patches (it does not, so kubectl sends merge patches).

use serde_json::{Map, Value, json};

use super::kinds::{Kind, Kinds};
use crate::api::{GROUP, VERSION};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// GET /openapi/v3
pub(super) fn index() -> Value {
    let entry = |path: &str| json!({ "serverRelativeURL": format!("/openapi/v3/{path}?hash={}", env!("CARGO_PKG_VERSION")) });
    let mut paths = Map::new();
    for path in ["api/v1".to_owned(), format!("apis/{GROUP}/{VERSION}"), "apis/events.k8s.io/v1".to_owned()] {
        paths.insert(path.clone(), entry(&path));
    }
    json!({ "paths": paths })
}

/// GET /openapi/v3/<path>
pub(super) fn document(kinds: &Kinds, path: &str) -> Option<Value> {
    let documents = format!("apis/{GROUP}/{VERSION}");
    let (base, served): (String, Vec<&Kind>) = match path {
        "api/v1" => ("/api/v1".to_owned(), kinds.events().into_iter().collect()),
        "apis/events.k8s.io/v1" => (format!("/{path}"), kinds.events().into_iter().collect()),
        other if other == documents => (format!("/{documents}"), kinds.iter().filter(|kind| !kind.is_event()).collect()),
        _ => return None,
    };
    let (group, version) = if path == "api/v1" { (String::new(), "v1".to_owned()) } else { split(path) };
    let mut schemas = Map::from_iter([(META.to_owned(), object_meta())]);
    let mut paths = Map::new();
    for kind in served {
        let identity = json!({ "group": group, "version": version, "kind": kind.kind });
        let name = format!("dev.galley.{}.{}", if group.is_empty() { "core" } else { &version }, kind.kind);
        schemas.insert(name.clone(), schema(kind, &identity));
        let collection = format!("{base}/namespaces/{{namespace}}/{}", kind.plural);
        paths
            .insert(collection.clone(), json!({ "get": operation(&identity, "list", &name), "post": operation(&identity, "post", &name) }));
        let one = json!({
            "get": operation(&identity, "get", &name), "put": operation(&identity, "put", &name),
            "patch": operation(&identity, "patch", &name), "delete": operation(&identity, "delete", &name),
        });
        paths.insert(format!("{collection}/{{name}}"), one);
    }
    let info = json!({ "title": "Galley", "version": env!("CARGO_PKG_VERSION") });
    Some(json!({ "openapi": "3.0.0", "info": info, "paths": paths, "components": { "schemas": schemas } }))
}

fn split(path: &str) -> (String, String) {
    let mut parts = path.trim_start_matches("apis/").split('/');
    (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default().to_owned())
}

fn schema(kind: &Kind, identity: &Value) -> Value {
    let mut schema = kind.schema.clone();
    if kind.is_event() {
        schema = json!({ "type": "object", "description": "Event is a report of something Galley did or met.", "x-kubernetes-preserve-unknown-fields": true });
    }
    schema["properties"]["metadata"] = json!({ "description": "Standard object's metadata.", "default": {}, "allOf": [{ "$ref": format!("#/components/schemas/{META}") }] });
    schema["x-kubernetes-group-version-kind"] = json!([identity]);
    schema
}

fn operation(identity: &Value, action: &str, name: &str) -> Value {
    let reference = json!({ "schema": { "$ref": format!("#/components/schemas/{name}") } });
    let mut operation = json!({
        "x-kubernetes-action": action, "x-kubernetes-group-version-kind": identity,
        "responses": { "200": { "description": "OK", "content": { "application/json": reference } } },
    });
    let query = |name: &str, text: &str| json!({ "name": name, "in": "query", "description": text, "schema": { "type": "string", "uniqueItems": true } });
    if matches!(action, "post" | "put" | "patch") {
        operation["parameters"] = json!([
            query("dryRun", "All: compute and validate, write nothing."),
            query("fieldManager", "Accepted and ignored: there is no field ownership yet."),
            query("fieldValidation", "Ignore, Warn (default) or Strict."),
        ]);
        let body = match action {
            "patch" => {
                json!({ "application/json-patch+json": { "schema": { "type": "array" } }, "application/merge-patch+json": { "schema": { "type": "object" } } })
            }
            _ => json!({ "application/json": reference, "application/yaml": reference }),
        };
        operation["requestBody"] = json!({ "content": body, "required": true });
    }
    operation
}

/// The members of ObjectMeta that people meet.
fn object_meta() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let map = |description: &str| json!({ "type": "object", "additionalProperties": { "type": "string", "default": "" }, "description": description });
    let list = |description: &str, items: Value| json!({ "type": "array", "items": items, "description": description });
    json!({
        "type": "object",
        "description": "ObjectMeta is metadata that all persisted resources must have, which includes all objects users must create.",
        "properties": {
            "name": text("Name must be unique within a namespace."),
            "generateName": text("Prefix of a name the server makes, when name is not given."),
            "namespace": text("The namespace: default."),
            "uid": text("Identity of this very object; a re-created one has another."),
            "resourceVersion": text("Changes with every write of the object."),
            "generation": { "type": "integer", "format": "int64", "description": "Changes with every edit of the spec." },
            "creationTimestamp": text("When it was created."),
            "deletionTimestamp": text("When its deletion was asked for; it goes when its finalizers are gone."),
            "labels": map("Labels for selectors."),
            "annotations": map("Free annotations."),
            "finalizers": list("What must be done before it may go.", json!({ "type": "string", "default": "" })),
            "ownerReferences": list("Objects it goes with.", json!({ "type": "object", "description": "An owner, by kind, name and uid." })),
        },
    })
}
