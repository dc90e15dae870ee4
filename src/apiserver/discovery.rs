//! Discovery: which groups, versions and resources there are. Pure; made from the kinds.

use serde_json::{Value, json};

use super::kinds::{Kind, Kinds};
use crate::api::{GROUP, NAMESPACE, VERSION};

/// Minor version of Kubernetes whose behaviour this server follows.
const MINOR: &str = "35";

/// GET /version
pub(super) fn version() -> Value {
    json!({
        "major": "1", "minor": MINOR, "gitVersion": format!("v1.{MINOR}.0+galley-{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none", "compiler": "rustc", "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// GET /api
pub(super) fn core_versions() -> Value {
    json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] })
}

/// GET /apis
pub(super) fn groups() -> Value {
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [group_members(GROUP, VERSION), group_members("events.k8s.io", "v1")] })
}

/// GET /apis/<group>
pub(super) fn group(name: &str) -> Option<Value> {
    let version = match name {
        GROUP => VERSION,
        "events.k8s.io" => "v1",
        _ => return None,
    };
    let mut group = group_members(name, version);
    group["kind"] = "APIGroup".into();
    group["apiVersion"] = "v1".into();
    Some(group)
}

fn group_members(name: &str, version: &str) -> Value {
    let version = json!({ "groupVersion": format!("{name}/{version}"), "version": version });
    json!({ "name": name, "versions": [version], "preferredVersion": version })
}

/// GET /api/v1 and /apis/<group>/<version>
pub(super) fn resources(kinds: &Kinds, group: &str, version: &str) -> Option<Value> {
    let (group_version, list) = match (group, version) {
        ("", "v1") => {
            let namespaces = json!({ "name": "namespaces", "singularName": "namespace", "namespaced": false, "kind": "Namespace", "shortNames": ["ns"], "verbs": ["get", "list"] });
            let events = kinds.events().map(resource).unwrap_or_default();
            ("v1".to_owned(), vec![namespaces, events])
        }
        ("events.k8s.io", "v1") => ("events.k8s.io/v1".to_owned(), kinds.events().map(resource).into_iter().collect()),
        (GROUP, VERSION) => {
            let documents = kinds.iter().filter(|kind| !kind.is_event());
            (format!("{GROUP}/{VERSION}"), documents.flat_map(|kind| [resource(kind), status_resource(kind)]).collect())
        }
        _ => return None,
    };
    Some(json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list }))
}

fn resource(kind: &Kind) -> Value {
    json!({
        "name": kind.plural, "singularName": kind.singular, "namespaced": true, "kind": kind.kind,
        "shortNames": kind.short_names, "categories": kind.categories,
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    })
}

fn status_resource(kind: &Kind) -> Value {
    json!({ "name": format!("{}/status", kind.plural), "singularName": "", "namespaced": true, "kind": kind.kind, "verbs": ["get", "patch", "update"] })
}

/// The one namespace.
pub(super) fn namespace() -> Value {
    json!({
        "kind": "Namespace", "apiVersion": "v1",
        "metadata": {
            "name": NAMESPACE, "uid": "00000000-0000-0000-0000-000000000000", "resourceVersion": "1",
            "creationTimestamp": "1970-01-01T00:00:00Z", "labels": { "kubernetes.io/metadata.name": NAMESPACE },
        },
        "spec": { "finalizers": ["kubernetes"] }, "status": { "phase": "Active" },
    })
}

/// All namespaces.
pub(super) fn namespaces() -> Value {
    json!({ "kind": "NamespaceList", "apiVersion": "v1", "metadata": { "resourceVersion": "1" }, "items": [namespace()] })
}
