//! Services over the real embedded API server in memory, for the tests of services and MCP.
//!
//! Entry point [`Kit::new`]. Between the client and the server stands a layer that counts requests and fails some on
//! purpose; [`Server::set_status`] writes what a controller would write, as the system.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::FutureExt;
use http::{Method, StatusCode};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Judge, Parts, Services, Settings};
use crate::api::approval::{Channel, Identity};
use crate::api::design::{DesignSpec, Finding, Severity};
use crate::api::{NAMESPACE, Time};
use crate::apiserver::{ApiServer, Options};
use crate::blobs::{BlobKey, Blobs, MemoryBlobs};
use crate::catalog::Catalog;
use crate::catalog::overlay::Live;
use crate::clock::Clock;
use crate::store::{If, MemoryStore, Store};
use crate::validator::Verdict;

/// The embedded server, seen from a test.
#[derive(Clone)]
pub(crate) struct Server {
    api: ApiServer,
    gate: Arc<Mutex<Gate>>,
}

#[derive(Default)]
struct Gate {
    faults: Vec<(Method, String, u16)>,
    requests: Vec<String>,
}

fn kind_of(plural: &str) -> &'static str {
    match plural {
        "sessions" => "Session",
        "designs" => "Design",
        "terraformjobs" => "TerraformJob",
        "approvals" => "Approval",
        other => panic!("no kind {other}"),
    }
}

impl Server {
    /// The next `method` on a path containing `path` answers `code`.
    pub(crate) fn fail_next(&self, method: Method, path: &str, code: u16) {
        self.gate.lock().unwrap().faults.push((method, path.to_owned(), code));
    }

    /// "METHOD path" of every writing request of the services so far.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.gate.lock().unwrap().requests.iter().filter(|line| !line.starts_with("GET")).cloned().collect()
    }

    /// How many reading requests of the services so far.
    pub(crate) fn reads(&self) -> usize {
        self.gate.lock().unwrap().requests.iter().filter(|line| line.starts_with("GET")).count()
    }

    fn documents(&self, plural: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("galley.dev", "v1alpha1", kind_of(plural)), plural);
        Api::namespaced_with(self.api.client(Identity::system()), NAMESPACE, &resource)
    }

    /// The server answers reads from memory, so they never wait.
    fn get(&self, path: &str) -> Value {
        let path = format!("/apis/galley.dev/v1alpha1/namespaces/{NAMESPACE}/{path}");
        let mut request = http::Request::get(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(Identity::system());
        let answer = async {
            let response = self.api.router().oneshot(request).await.unwrap();
            axum::body::to_bytes(response.into_body(), 16 << 20).await.unwrap()
        };
        serde_json::from_slice(&answer.now_or_never().expect("reads are from memory")).unwrap()
    }

    /// The object as stored.
    pub(crate) fn object(&self, plural: &str, name: &str) -> Option<Value> {
        let object = self.get(&format!("{plural}/{name}"));
        (object["kind"] != "Status").then_some(object)
    }

    /// Names of a kind.
    pub(crate) fn names(&self, plural: &str) -> Vec<String> {
        let list = self.get(plural);
        list["items"].as_array().unwrap().iter().map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    /// What a controller does: merges into the status.
    pub(crate) async fn set_status(&self, plural: &str, name: &str, status: Value) {
        let patch = json!({ "status": status });
        self.documents(plural).patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    /// Merges into the object, as the system.
    pub(crate) async fn patch(&self, plural: &str, name: &str, patch: Value) {
        self.documents(plural).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    /// Makes an object, as the system.
    pub(crate) async fn create(&self, plural: &str, object: Value) {
        self.documents(plural).create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }

    /// Deletes an object, as the system.
    pub(crate) async fn delete(&self, plural: &str, name: &str) {
        self.documents(plural).delete(name, &Default::default()).await.unwrap();
    }

    /// Replaces an object whole, status included, as the system.
    pub(crate) async fn put(&self, plural: &str, object: Value) {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let status = object["status"].clone();
        self.documents(plural).replace(&name, &PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        if !status.is_null() {
            self.set_status(plural, &name, status).await;
        }
    }

    /// A client that asks as `identity`, through the gate.
    pub(crate) fn client(&self, identity: Identity) -> kube::Client {
        let (router, gate) = (self.api.router(), Arc::clone(&self.gate));
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let (router, fault) = (router.clone(), enter(&gate, &request));
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(identity.clone());
            async move {
                match fault {
                    Some(code) => Ok(failed(code)),
                    None => router.oneshot(request).await,
                }
            }
        });
        kube::Client::new(service, NAMESPACE)
    }
}

/// Counts a request; gives the code it fails with.
fn enter<B>(gate: &Mutex<Gate>, request: &http::Request<B>) -> Option<u16> {
    let path = request.uri().path();
    let mut gate = gate.lock().unwrap();
    gate.requests.push(format!("{} {path}", request.method()));
    let at = gate.faults.iter().position(|(method, part, _)| method == request.method() && path.contains(part.as_str()))?;
    Some(gate.faults.remove(at).2)
}

fn failed(code: u16) -> Response {
    let body = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Injected", "message": "on purpose", "code": code });
    (StatusCode::from_u16(code).unwrap(), axum::Json(body)).into_response()
}

/// 2026-01-01 00:10:00.
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

/// Settings for tests: no controllers run here, so nothing is worth waiting long for.
pub(crate) fn settings() -> Settings {
    Settings { approval_wait: Duration::from_millis(300), preview_wait: Duration::from_millis(40), ..Settings::default() }
}

impl Kit {
    /// Services as the editor, through MCP, with the small judge.
    pub(crate) async fn new() -> Self {
        Self::with(Identity::editor(Channel::Mcp), settings()).await
    }
    /// Services with the shipped catalogue and the real judge.
    pub(crate) async fn real() -> Self {
        let catalog = Arc::new(Live::new(Catalog::embedded().unwrap()));
        let rules = crate::validator::rules::Rules::shipped();
        Self::over(
            Arc::new(MemoryStore::new()),
            Identity::editor(Channel::Mcp),
            settings(),
            (catalog, Arc::new(move |spec, catalog, defaults| crate::validator::validate(spec, catalog, &rules, defaults))),
        )
        .await
    }
    /// Services as somebody else, or with other settings.
    pub(crate) async fn with(identity: Identity, settings: Settings) -> Self {
        Self::over(Arc::new(MemoryStore::new()), identity, settings, (Arc::default(), judge())).await
    }
    /// Services over a store that holds a document already, written as it is.
    pub(crate) async fn holding(plural: &str, name: &str, document: Value) -> Self {
        let store = MemoryStore::new();
        let key = format!("registry/{plural}/{NAMESPACE}/{name}.json");
        store.put(&key, document.to_string().into(), If::Any).await.unwrap();
        Self::over(Arc::new(store), Identity::editor(Channel::Mcp), settings(), (Arc::default(), judge())).await
    }
    async fn over(store: Arc<dyn Store>, identity: Identity, settings: Settings, (catalog, judge): (Arc<Live<Catalog>>, Judge)) -> Self {
        let api = ApiServer::open(store, Arc::new(FixedClock), Options::default()).await.unwrap();
        let server = Server { api, gate: Arc::default() };
        let blobs = Arc::new(MemoryBlobs::new());
        let services = Services::new(Parts {
            client: server.client(identity.clone()),
            identity,
            blobs: Arc::clone(&blobs) as Arc<dyn Blobs>,
            catalog,
            rules: Arc::new(Live::new(crate::validator::rules::Rules::shipped())),
            judge,
            clock: Arc::new(FixedClock),
            settings,
        });
        Kit { server, blobs, services }
    }
    /// The same documents and blobs, reached as somebody else.
    pub(crate) fn seen_by(&self, identity: Identity) -> Self {
        let server = self.server.clone();
        let parts = Parts {
            client: server.client(identity.clone()),
            identity,
            blobs: Arc::clone(&self.blobs) as Arc<dyn Blobs>,
            catalog: Arc::default(),
            rules: Arc::default(),
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
        self.server.set_status("designs", &session, status).await;
        session
    }
    /// A job of a session.
    pub(crate) async fn job(&self, session: &str, name: &str, action: &str, status: Value) {
        let uid = self.server.object("designs", session).map(|design| design["metadata"]["uid"].clone()).unwrap_or_default();
        let object = json!({ "apiVersion": "galley.dev/v1alpha1", "kind": "TerraformJob", "metadata": { "name": name },
            "spec": { "designRef": session, "designUid": uid, "sessionRef": session, "action": action, "digest": "d", "generation": 1,
                "plan": { "job": "p", "planSha256": sha('a'), "approval": "x", "approvalUid": "y" } } });
        self.server.create("terraformjobs", object).await;
        self.server.set_status("terraformjobs", name, status).await;
    }
    /// Puts text into a blob of a job.
    pub(crate) async fn blob(&self, session: &str, job: &str, what: crate::blobs::JobBlob, text: &str) {
        let design = self.server.object("designs", session).unwrap();
        let uid = design["metadata"]["uid"].as_str().unwrap();
        self.blobs.put(&BlobKey::job(uid, job, what), Bytes::from(text.to_owned())).await.unwrap();
    }
}

/// A client and services that no server answers: for doors whose other rooms are tested.
pub(crate) fn unanswered() -> (kube::Client, Services) {
    let service = tower::service_fn(|_: http::Request<kube::client::Body>| async { Ok::<_, std::convert::Infallible>(failed(503)) });
    let client = kube::Client::new(service, NAMESPACE);
    let services = Services::new(Parts {
        client: client.clone(),
        identity: Identity::editor(Channel::Page),
        blobs: Arc::new(MemoryBlobs::new()),
        catalog: Arc::default(),
        rules: Arc::default(),
        judge: judge(),
        clock: Arc::new(FixedClock),
        settings: settings(),
    });
    (client, services)
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
