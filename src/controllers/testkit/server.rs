//! A small API server for the scenarios: documents in memory behind the router that `kube::Client` talks to. It knows
//! optimistic concurrency, generations, the status subresource, finalizers, owner garbage collection, watches, and the
//! stamp on approvals. Only for tests; the real one is `crate::apiserver`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::api::approval::Identity;

type Key = (String, String);
type Event = (u64, String, &'static str, Value);

#[derive(Clone)]
pub struct Server {
    inner: Arc<Mutex<Inner>>,
    events: broadcast::Sender<Event>,
    identity: Identity,
    /// clients of an earlier life write nothing
    life: Arc<std::sync::atomic::AtomicU64>,
    born: u64,
}

#[derive(Default)]
struct Inner {
    version: u64,
    objects: BTreeMap<Key, Value>,
    log: Vec<Event>,
}

pub struct Refused(StatusCode, &'static str, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Refused(code, reason, message) = self;
        let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "message": message, "code": code.as_u16()});
        (code, Json(body)).into_response()
    }
}

fn missing(name: &str) -> Refused {
    Refused(StatusCode::NOT_FOUND, "NotFound", format!("{name} not found"))
}

impl Server {
    pub fn new() -> Self {
        Server { inner: Arc::default(), events: broadcast::channel(4096).0, identity: Identity::system(), life: Arc::default(), born: 0 }
    }

    /// A client whose requests come from `identity`.
    pub fn client(&self, identity: Identity) -> kube::Client {
        use tower::ServiceExt;
        let born = self.life.load(std::sync::atomic::Ordering::SeqCst);
        let server = Server { identity, born, ..self.clone() };
        let service = server.router().map_request(|request: axum::http::Request<kube::client::Body>| request.map(Body::new));
        kube::Client::new(service, "default")
    }

    /// Ends the life of every client there is: what they still send is refused, as after a crash.
    pub fn cut(&self, runner: &mut super::world::FakeRunner) {
        self.life.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        runner.release = Arc::default();
    }

    /// Any object as it is stored.
    pub fn raw(&self, plural: &str, name: &str) -> Value {
        self.inner.lock().unwrap().objects.get(&(plural.to_owned(), name.to_owned())).cloned().unwrap_or_default()
    }

    /// Everything that was ever written, as text.
    pub fn everything(&self) -> String {
        let inner = self.inner.lock().unwrap();
        inner.log.iter().map(|(_, _, _, object)| object.to_string()).collect()
    }

    fn alive(&self) -> Result<(), Refused> {
        match self.life.load(std::sync::atomic::Ordering::SeqCst) == self.born {
            true => Ok(()),
            false => Err(Refused(StatusCode::FORBIDDEN, "Forbidden", "the server was cut off".into())),
        }
    }

    /// Puts any object, decodable or not, past every rule.
    pub fn put_raw(&self, plural: &str, name: &str, object: Value) {
        let mut inner = self.inner.lock().unwrap();
        self.commit(&mut inner, (plural.into(), name.into()), object, "MODIFIED");
    }

    fn commit(&self, inner: &mut Inner, key: Key, mut object: Value, event: &'static str) -> Value {
        inner.version += 1;
        object["metadata"]["resourceVersion"] = json!(inner.version.to_string());
        if event == "DELETED" {
            inner.objects.remove(&key);
        } else {
            inner.objects.insert(key.clone(), object.clone());
        }
        let entry = (inner.version, key.0, event, object.clone());
        inner.log.push(entry.clone());
        let _ = self.events.send(entry);
        object
    }

    fn create(&self, plural: &str, mut object: Value) -> Result<Value, Refused> {
        self.alive()?;
        let mut inner = self.inner.lock().unwrap();
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = (plural.to_owned(), name.clone());
        if inner.objects.contains_key(&key) {
            return Err(Refused(StatusCode::CONFLICT, "AlreadyExists", format!("{name} already exists")));
        }
        let uid = format!("uid-{}", inner.version);
        let meta = &mut object["metadata"];
        meta["uid"] = json!(uid);
        meta["namespace"] = json!("default");
        meta["generation"] = json!(1);
        meta["creationTimestamp"] = json!(k8s_openapi::jiff::Timestamp::now().to_string());
        if plural != "events" {
            object.as_object_mut().unwrap().remove("status");
        }
        if plural == "approvals" {
            object["status"] = json!({"approver": self.identity.name, "channel": self.identity.channel, "role": self.identity.role});
        }
        Ok(self.commit(&mut inner, key, object, "ADDED"))
    }

    fn patch(&self, plural: &str, name: &str, status: bool, patch: &Value) -> Result<Value, Refused> {
        self.alive()?;
        let mut inner = self.inner.lock().unwrap();
        let key = (plural.to_owned(), name.to_owned());
        let old = inner.objects.get(&key).cloned().ok_or_else(|| missing(name))?;
        if let Some(version) = patch["metadata"]["resourceVersion"].as_str()
            && old["metadata"]["resourceVersion"] != *version
        {
            return Err(Refused(StatusCode::CONFLICT, "Conflict", format!("{name} was modified")));
        }
        let mut new = old.clone();
        json_patch::merge(&mut new, patch);
        if status {
            let held = new["status"].take();
            new = old.clone();
            new["status"] = held;
        } else {
            match old.get("status") {
                Some(held) => new["status"] = held.clone(),
                None => drop(new.as_object_mut().unwrap().remove("status")),
            }
        }
        let changed = i64::from(new["spec"] != old["spec"]);
        new["metadata"]["generation"] = json!(old["metadata"]["generation"].as_i64().unwrap_or(1) + changed);
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
        if new == old {
            return Ok(old);
        }
        let held = new["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
        let dying = new["metadata"]["deletionTimestamp"].is_string() && !held;
        let written = self.commit(&mut inner, key, new, if dying { "DELETED" } else { "MODIFIED" });
        if dying {
            self.collect(&mut inner, &written);
        }
        Ok(written)
    }

    fn delete(&self, plural: &str, name: &str) -> Result<Value, Refused> {
        self.alive()?;
        let mut inner = self.inner.lock().unwrap();
        self.remove(&mut inner, (plural.to_owned(), name.to_owned()))
    }

    fn remove(&self, inner: &mut Inner, key: Key) -> Result<Value, Refused> {
        let mut object = inner.objects.get(&key).cloned().ok_or_else(|| missing(&key.1))?;
        if object["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty()) {
            if object["metadata"]["deletionTimestamp"].is_string() {
                return Ok(object);
            }
            object["metadata"]["deletionTimestamp"] = json!(k8s_openapi::jiff::Timestamp::now().to_string());
            let generation = object["metadata"]["generation"].as_i64().unwrap_or(1) + 1;
            object["metadata"]["generation"] = json!(generation);
            return Ok(self.commit(inner, key, object, "MODIFIED"));
        }
        let gone = self.commit(inner, key, object, "DELETED");
        self.collect(inner, &gone);
        Ok(gone)
    }

    /// Deletes what the object owned.
    fn collect(&self, inner: &mut Inner, owner: &Value) {
        let owned = |object: &Value| {
            object["metadata"]["ownerReferences"]
                .as_array()
                .is_some_and(|list| list.iter().any(|entry| entry["uid"] == owner["metadata"]["uid"]))
        };
        let keys: Vec<Key> = inner.objects.iter().filter(|(_, object)| owned(object)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            let _ = self.remove(inner, key);
        }
    }

    fn router(&self) -> Router {
        Router::new()
            .route("/apis/{group}/{version}/namespaces/{namespace}/{plural}", get(list).post(create))
            .route("/apis/{group}/{version}/namespaces/{namespace}/{plural}/{name}", get(read).patch(patch_object).delete(delete))
            .route("/apis/{group}/{version}/namespaces/{namespace}/{plural}/{name}/status", axum::routing::patch(patch_status))
            .with_state(self.clone())
    }
}

type Collection = Path<(String, String, String, String)>;
type Object = Path<(String, String, String, String, String)>;

fn parse(body: &[u8]) -> Result<Value, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused(StatusCode::BAD_REQUEST, "BadRequest", error.to_string()))
}

async fn create(State(server): State<Server>, Path((_, _, _, plural)): Collection, body: Bytes) -> Result<Response, Refused> {
    Ok((StatusCode::CREATED, Json(server.create(&plural, parse(&body)?)?)).into_response())
}
async fn read(State(server): State<Server>, Path((_, _, _, plural, name)): Object) -> Result<Json<Value>, Refused> {
    let inner = server.inner.lock().unwrap();
    inner.objects.get(&(plural, name.clone())).cloned().map(Json).ok_or_else(|| missing(&name))
}
async fn delete(State(server): State<Server>, Path((_, _, _, plural, name)): Object) -> Result<Json<Value>, Refused> {
    server.delete(&plural, &name).map(Json)
}
async fn patch_object(
    State(server): State<Server>,
    Path((_, _, _, plural, name)): Object,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    assert!(headers["content-type"].to_str().unwrap().contains("merge-patch"), "controllers use merge patches");
    server.patch(&plural, &name, false, &parse(&body)?).map(Json)
}
async fn patch_status(State(server): State<Server>, Path((_, _, _, plural, name)): Object, body: Bytes) -> Result<Json<Value>, Refused> {
    server.patch(&plural, &name, true, &parse(&body)?).map(Json)
}

async fn list(
    State(server): State<Server>,
    Path((group, version, _, plural)): Collection,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let mut events = server.events.subscribe();
    let label = query.get("labelSelector").and_then(|text| text.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned()));
    let wanted = move |object: &Value| label.as_ref().is_none_or(|(key, value)| object["metadata"]["labels"][key] == **value);
    let since: u64 = query.get("resourceVersion").and_then(|text| text.parse().ok()).unwrap_or(0);
    let (now, items, backlog) = {
        let inner = server.inner.lock().unwrap();
        let items: Vec<Value> =
            inner.objects.iter().filter(|(key, object)| key.0 == plural && wanted(object)).map(|(_, object)| object.clone()).collect();
        let backlog: Vec<Event> = inner.log.iter().filter(|entry| entry.0 > since && entry.1 == plural).cloned().collect();
        (inner.version, items, backlog)
    };
    if query.get("watch").is_none_or(|watch| watch != "true" && watch != "1") {
        let body = json!({"kind": "List", "apiVersion": format!("{group}/{version}"), "metadata": {"resourceVersion": now.to_string()}, "items": items});
        return Json(body).into_response();
    }
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<String, std::convert::Infallible>>(64);
    tokio::spawn(async move {
        let line = |event: &str, object: &Value| Ok(json!({"type": event, "object": object}).to_string() + "\n");
        let mut last = since;
        for (version, _, event, object) in backlog {
            last = version;
            if sender.send(line(event, &object)).await.is_err() {
                return;
            }
        }
        loop {
            tokio::select! {
                _ = sender.closed() => return,
                entry = events.recv() => match entry {
                    Ok((version, kind, event, object)) if kind == plural && version > last => {
                        last = version;
                        if sender.send(line(event, &object)).await.is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    Err(_) => return,
                },
            }
        }
    });
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    Response::builder().header("content-type", "application/json").body(Body::from_stream(stream)).unwrap()
}
