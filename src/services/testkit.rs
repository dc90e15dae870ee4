//! A small Kubernetes-style API server in memory, for the tests of services and MCP alone.
//!
//! Entry point [`Kit::new`]; [`client`] gives the `kube::Client` whose transport is the server itself. It knows what the
//! services call: get, list with paging and `metadata.name` selector, watch, create with generateName, merge patch with
//! resourceVersion, status patch, delete with finalizers. It stamps approvals as the real server does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::{Judge, Parts, Services, Settings};
use crate::api::approval::{Channel, Identity};
use crate::api::design::{DesignSpec, Finding, Severity};
use crate::api::{Design, Time};
use crate::blobs::{BlobKey, Blobs};
use crate::clock::Clock;
use crate::validator::Verdict;

/// Plural and name.
type Key = (String, String);

#[derive(Clone)]
pub(crate) struct Server {
    inner: Arc<Mutex<Inner>>,
    events: broadcast::Sender<(u64, &'static str, Key, Value)>,
    identity: Identity,
}

#[derive(Default)]
struct Inner {
    version: u64,
    objects: BTreeMap<Key, Value>,
    history: Vec<(u64, &'static str, Key, Value)>,
    faults: Vec<(Method, String, u16)>,
    requests: Vec<String>,
}

struct Failure(u16, String, String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Failure(code, reason, message) = self;
        let body = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "message": message, "code": code });
        (StatusCode::from_u16(code).unwrap(), axum::Json(body)).into_response()
    }
}

fn missing(name: &str) -> Failure {
    Failure(404, "NotFound".into(), format!("{name} not found"))
}

impl Server {
    fn new(identity: Identity) -> Self {
        Server { inner: Arc::default(), events: broadcast::channel(1024).0, identity }
    }

    /// The next `method` on a path containing `path` answers `code`.
    pub(crate) fn fail_next(&self, method: Method, path: &str, code: u16) {
        self.inner.lock().unwrap().faults.push((method, path.to_owned(), code));
    }

    /// "METHOD path" of every writing request so far.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.inner.lock().unwrap().requests.iter().filter(|line| !line.starts_with("GET")).cloned().collect()
    }

    /// How many reading requests so far.
    pub(crate) fn reads(&self) -> usize {
        self.inner.lock().unwrap().requests.iter().filter(|line| line.starts_with("GET")).count()
    }

    /// The object as stored.
    pub(crate) fn object(&self, plural: &str, name: &str) -> Option<Value> {
        self.inner.lock().unwrap().objects.get(&(plural.to_owned(), name.to_owned())).cloned()
    }

    /// Names of a kind.
    pub(crate) fn names(&self, plural: &str) -> Vec<String> {
        self.inner.lock().unwrap().objects.keys().filter(|key| key.0 == plural).map(|key| key.1.clone()).collect()
    }

    /// What a controller does: merges into the status.
    pub(crate) fn set_status(&self, plural: &str, name: &str, status: Value) {
        let key = (plural.to_owned(), name.to_owned());
        let mut inner = self.inner.lock().unwrap();
        let mut object = inner.objects.get(&key).cloned().unwrap();
        let mut merged = object.get("status").cloned().unwrap_or(json!({}));
        json_patch::merge(&mut merged, &status);
        object["status"] = merged;
        self.commit(&mut inner, key, object, "MODIFIED");
    }

    /// Stores an object as it is, with the metadata a server gives.
    pub(crate) fn put(&self, plural: &str, mut object: Value) {
        let mut inner = self.inner.lock().unwrap();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        stamp(&mut object, inner.version, &name);
        self.commit(&mut inner, (plural.to_owned(), name), object, "ADDED");
    }

    fn commit(&self, inner: &mut Inner, key: Key, mut object: Value, event: &'static str) -> Value {
        inner.version += 1;
        object["metadata"]["resourceVersion"] = json!(inner.version.to_string());
        match event {
            "DELETED" => inner.objects.remove(&key),
            _ => inner.objects.insert(key.clone(), object.clone()),
        };
        inner.history.push((inner.version, event, key.clone(), object.clone()));
        let _ = self.events.send((inner.version, event, key, object.clone()));
        object
    }

    async fn handle(self, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 16 << 20).await.unwrap();
        let path = head.uri.path().to_owned();
        let query: BTreeMap<String, String> = url::form_urlencoded::parse(head.uri.query().unwrap_or("").as_bytes()).into_owned().collect();
        {
            let mut inner = self.inner.lock().unwrap();
            inner.requests.push(format!("{} {path}", head.method));
            if let Some(at) = inner.faults.iter().position(|(method, part, _)| *method == head.method && path.contains(part.as_str())) {
                let (_, _, code) = inner.faults.remove(at);
                return Failure(code, "Injected".into(), "injected fault".into()).into_response();
            }
        }
        let parts: Vec<&str> = path.trim_start_matches("/apis/galley.dev/v1alpha1/namespaces/default/").split('/').collect();
        let body = || serde_json::from_slice::<Value>(&body).unwrap();
        let result = match (head.method.clone(), parts.as_slice()) {
            (Method::GET, [plural]) if query.get("watch").is_some_and(|watch| watch == "true" || watch == "1") => {
                return self.watch(plural, &query);
            }
            (Method::GET, [plural]) => Ok(self.list(plural, &query)),
            (Method::POST, [plural]) => self.create(plural, body()),
            (Method::GET, [plural, name]) => self.object(plural, name).ok_or_else(|| missing(name)),
            (Method::PATCH, [plural, name]) => self.patch(plural, name, &body(), false),
            (Method::PATCH, [plural, name, "status"]) => self.patch(plural, name, &body(), true),
            (Method::DELETE, [plural, name]) => self.delete(plural, name),
            _ => Err(Failure(405, "MethodNotAllowed".into(), path.clone())),
        };
        result.map(axum::Json).into_response()
    }

    fn create(&self, plural: &str, mut object: Value) -> Result<Value, Failure> {
        let mut inner = self.inner.lock().unwrap();
        let generated = format!("{}{:05}", object["metadata"]["generateName"].as_str().unwrap_or("x-"), inner.version);
        let name = object["metadata"]["name"].as_str().map_or(generated, str::to_owned);
        let key = (plural.to_owned(), name.clone());
        if inner.objects.contains_key(&key) {
            return Err(Failure(409, "AlreadyExists".into(), format!("{name} already exists")));
        }
        if plural == "designs" {
            let design: Design =
                serde_json::from_value(object.clone()).map_err(|error| Failure(422, "Invalid".into(), error.to_string()))?;
            design.validate_cel().map_err(|error| Failure(422, "Invalid".into(), format!("{error:?}")))?;
        }
        object.as_object_mut().unwrap().remove("status");
        if plural == "approvals" {
            let Identity { name, role, channel } = &self.identity;
            object["status"] = json!({ "approver": name, "role": role, "channel": channel });
        }
        stamp(&mut object, inner.version, &name);
        Ok(self.commit(&mut inner, key, object, "ADDED"))
    }

    fn patch(&self, plural: &str, name: &str, patch: &Value, status: bool) -> Result<Value, Failure> {
        let mut inner = self.inner.lock().unwrap();
        let key = (plural.to_owned(), name.to_owned());
        let old = inner.objects.get(&key).cloned().ok_or_else(|| missing(name))?;
        if patch["metadata"]["resourceVersion"].as_str().is_some_and(|version| Some(version) != old["metadata"]["resourceVersion"].as_str())
        {
            return Err(Failure(409, "Conflict".into(), "the object has been modified".into()));
        }
        let mut new = old.clone();
        json_patch::merge(&mut new, patch);
        if !status {
            new["status"] = old["status"].clone();
        }
        if new["spec"] != old["spec"] {
            new["metadata"]["generation"] = json!(old["metadata"]["generation"].as_i64().unwrap() + 1);
        }
        Ok(self.commit(&mut inner, key, new, "MODIFIED"))
    }

    fn delete(&self, plural: &str, name: &str) -> Result<Value, Failure> {
        let mut inner = self.inner.lock().unwrap();
        let key = (plural.to_owned(), name.to_owned());
        let mut object = inner.objects.get(&key).cloned().ok_or_else(|| missing(name))?;
        let held = object["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
        if held {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        Ok(self.commit(&mut inner, key, object, if held { "MODIFIED" } else { "DELETED" }))
    }

    fn list(&self, plural: &str, query: &BTreeMap<String, String>) -> Value {
        let inner = self.inner.lock().unwrap();
        let after = query.get("continue").cloned().unwrap_or_default();
        let limit: usize = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
        let matching: Vec<(&Key, &Value)> =
            inner.objects.iter().filter(|(key, _)| key.0 == plural && selected(query, &key.1) && key.1 > after).collect();
        let items: Vec<&Value> = matching.iter().take(limit).map(|(_, object)| *object).collect();
        let next = if matching.len() > limit { matching[limit - 1].0.1.clone() } else { String::new() };
        json!({ "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": inner.version.to_string(), "continue": next }, "items": items })
    }

    fn watch(&self, plural: &str, query: &BTreeMap<String, String>) -> Response {
        let mut events = self.events.subscribe();
        let since: u64 = query.get("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or(0);
        let (plural, query) = (plural.to_owned(), query.clone());
        let missed: Vec<_> = self.inner.lock().unwrap().history.iter().filter(|event| event.0 > since).cloned().collect();
        let (sender, lines) = tokio::sync::mpsc::channel::<Result<String, std::convert::Infallible>>(64);
        tokio::spawn(async move {
            let mut last = since;
            let mut missed = missed.into_iter();
            loop {
                let (version, event, key, object) = match missed.next() {
                    Some(event) => event,
                    None => tokio::select! {
                        () = sender.closed() => return,
                        event = events.recv() => match event { Ok(event) => event, Err(_) => return },
                    },
                };
                if version <= last || key.0 != plural || !selected(&query, &key.1) {
                    continue;
                }
                last = version;
                if sender.send(Ok(format!("{}\n", json!({ "type": event, "object": object })))).await.is_err() {
                    return;
                }
            }
        });
        let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(lines));
        Response::builder().header("content-type", "application/json").body(body).unwrap()
    }
}

fn stamp(object: &mut Value, version: u64, name: &str) {
    let meta = &mut object["metadata"];
    meta["name"] = json!(name);
    meta["namespace"] = json!("default");
    meta["uid"] = json!(format!("00000000-0000-0000-0000-{version:012}"));
    meta["generation"] = json!(1);
    meta["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
}

fn selected(query: &BTreeMap<String, String>, name: &str) -> bool {
    query.get("fieldSelector").is_none_or(|selector| selector == &format!("metadata.name={name}"))
}

/// A client whose transport is the server.
pub(crate) fn client(server: &Server) -> kube::Client {
    let server = server.clone();
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let server = server.clone();
        async move { Ok::<_, std::convert::Infallible>(server.handle(request.map(Body::new)).await) }
    });
    kube::Client::new(service, "default")
}

/// Blobs in memory.
#[derive(Default)]
pub(crate) struct MemoryBlobs(Mutex<BTreeMap<BlobKey, Bytes>>);

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn get(&self, key: &BlobKey) -> Result<Option<Bytes>, crate::blobs::Error> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }
    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), crate::blobs::Error> {
        self.0.lock().unwrap().insert(key.clone(), bytes);
        Ok(())
    }
    async fn create(&self, key: &BlobKey, bytes: Bytes) -> Result<(), crate::blobs::Error> {
        self.put(key, bytes).await
    }
    async fn delete(&self, key: &BlobKey) -> Result<(), crate::blobs::Error> {
        self.0.lock().unwrap().remove(key);
        Ok(())
    }
    async fn list(&self, prefix: &str) -> Result<Vec<BlobKey>, crate::blobs::Error> {
        Ok(self.0.lock().unwrap().keys().filter(|key| key.as_str().starts_with(prefix)).cloned().collect())
    }
}

/// 2026-01-01 00:10:00, ten minutes after everything was created.
pub(crate) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Time {
        k8s_openapi::apimachinery::pkg::apis::meta::v1::Time("2026-01-01T00:10:00Z".parse().unwrap())
    }
}

/// A judge that knows four types; enough to be refused in every way the real one refuses.
pub(crate) fn judge() -> Judge {
    Arc::new(|spec: &DesignSpec, _, defaults| {
        let mut findings = Vec::new();
        let mut add = |rule: &str, severity, path: String, allowed: &[&str]| {
            findings.push(Finding {
                rule: rule.to_owned(),
                severity,
                message: format!("{rule} ({:?})", defaults.language),
                recommendation: Some("mend it".to_owned()),
                allowed: allowed.iter().map(|word| (*word).to_owned()).collect(),
                path,
            });
        };
        let ids: Vec<&str> = spec.components.iter().map(|component| component.id.as_str()).collect();
        for component in &spec.components {
            let path = format!("components[{}]", component.id);
            if ids.iter().filter(|id| **id == component.id).count() > 1 {
                add("structure.duplicate-id", Severity::Error, format!("{path}.id"), &[]);
            }
            let keys: &[&str] = match component.service_type.as_str() {
                "vcn" | "subnet" => &["cidr_block"],
                "compute" => &["shape", "ocpus", "memory_in_gbs", "image_os"],
                "adb" => &["workload_type", "is_free_tier", "db_name", "endpoint_type"],
                _ => {
                    add("structure.unknown-type", Severity::Error, format!("{path}.service_type"), &["adb", "compute", "subnet", "vcn"]);
                    continue;
                }
            };
            for (key, value) in &component.config {
                if !keys.contains(&key.as_str()) {
                    add("structure.unknown-key", Severity::Error, format!("{path}.config.{key}"), keys);
                } else if key == "workload_type" && value != "ATP" && value != "ADW" {
                    add("structure.choice", Severity::Error, format!("{path}.config.{key}"), &["ATP", "ADW"]);
                }
            }
            if component.service_type == "subnet" && component.config.get("cidr_block") == Some(&json!("192.168.0.0/24")) {
                add("network.cidr-outside", Severity::Error, format!("{path}.config.cidr_block"), &[]);
            }
        }
        for (index, connection) in spec.connections.iter().enumerate() {
            if !ids.contains(&connection.target_id.as_str()) {
                add("structure.dangling", Severity::Error, format!("connections[{index}].target_id"), &ids);
            }
        }
        Verdict { findings, design: None }
    })
}

/// A server, its blobs, and services over them.
pub(crate) struct Kit {
    pub(crate) server: Server,
    pub(crate) blobs: Arc<MemoryBlobs>,
    pub(crate) services: Services,
}

impl Kit {
    /// Services as the editor, through MCP.
    pub(crate) fn new() -> Self {
        Self::with(Identity::editor(Channel::Mcp), Settings::default())
    }
    /// Services as somebody else, or with other settings.
    pub(crate) fn with(identity: Identity, settings: Settings) -> Self {
        let server = Server::new(identity.clone());
        let blobs = Arc::new(MemoryBlobs::default());
        let services = Services::new(Parts {
            client: client(&server),
            identity,
            blobs: Arc::clone(&blobs) as Arc<dyn Blobs>,
            catalog: Arc::default(),
            judge: judge(),
            clock: Arc::new(FixedClock),
            settings,
        });
        Kit { server, blobs, services }
    }
    /// The same documents and blobs, reached as somebody else.
    pub(crate) fn seen_by(&self, identity: Identity) -> Self {
        let server = Server { identity: identity.clone(), ..self.server.clone() };
        let parts = Parts {
            client: client(&server),
            identity,
            blobs: Arc::clone(&self.blobs) as Arc<dyn Blobs>,
            catalog: Arc::default(),
            judge: judge(),
            clock: Arc::new(FixedClock),
            settings: self.services.parts().settings.clone(),
        };
        Kit { server, blobs: self.blobs.clone(), services: Services::new(parts) }
    }
    /// A session with the given title.
    pub(crate) async fn session(&self) -> String {
        let input = super::session::CreateSession { title: "検証".into(), ..Default::default() };
        self.services.create_session(input).await.unwrap().session_id
    }
    /// A session with a small design; `status` is what a controller wrote for it.
    pub(crate) async fn design(&self, status: Value) -> String {
        let session = self.session().await;
        let components = vec![super::architecture::ComponentInput { id: "vcn".into(), service_type: "vcn".into(), ..Default::default() }];
        let input = super::architecture::SaveArchitecture { session_id: session.clone(), components, ..Default::default() };
        self.services.save_architecture(input).await.unwrap();
        self.server.set_status("designs", &session, status);
        session
    }
    /// A job of a session.
    pub(crate) fn job(&self, session: &str, name: &str, action: &str, status: Value) {
        let uid = self.server.object("designs", session).map(|design| design["metadata"]["uid"].clone()).unwrap_or_default();
        self.server.put(
            "terraformjobs",
            json!({ "apiVersion": "galley.dev/v1alpha1", "kind": "TerraformJob", "metadata": { "name": name },
                "spec": { "designRef": session, "designUid": uid, "sessionRef": session, "action": action, "digest": "d", "generation": 1,
                    "plan": { "job": "p", "planSha256": sha('a'), "approval": "x", "approvalUid": "y" } },
                "status": status }),
        );
    }
    /// Puts text into a blob of a job.
    pub(crate) async fn blob(&self, session: &str, job: &str, what: crate::blobs::JobBlob, text: &str) {
        let design = self.server.object("designs", session).unwrap();
        let uid = design["metadata"]["uid"].as_str().unwrap();
        self.blobs.put(&BlobKey::job(uid, job, what), Bytes::from(text.to_owned())).await.unwrap();
    }
}

/// 64 times one digit.
pub(crate) fn sha(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// A plan record of generation 1 with one replace and one delete.
pub(crate) fn plan() -> Value {
    json!({ "job": "plan-1", "destroy": false, "digest": "d", "lineage": "l", "serial": 3, "generation": 1,
        "planSha256": sha('a'), "semanticSha256": sha('b'), "counts": { "create": 1, "update": 0, "replace": 1, "delete": 1 },
        "changes": [
            { "address": "oci_core_instance.old", "action": "delete" },
            { "address": "oci_core_subnet.app", "action": "replace", "replacePaths": ["cidr_block"] },
            { "address": "oci_core_vcn.vcn", "action": "create" },
        ],
        "createdAt": "2026-01-01T00:05:00Z", "expiresAt": "2026-01-01T01:05:00Z" })
}

/// A status that waits for the approval of [`plan`].
pub(crate) fn awaiting() -> Value {
    json!({ "observedGeneration": 1, "plan": plan(), "state": { "lineage": "l", "serial": 3, "resources": 2 }, "sync": "OutOfSync", "health": "Missing",
        "conditions": [condition("False", "AwaitingApproval")] })
}

/// A Ready condition.
pub(crate) fn condition(status: &str, reason: &str) -> Value {
    json!({ "type": "Ready", "status": status, "reason": reason, "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z" })
}
