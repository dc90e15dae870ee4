//! What clients may rely on, one sentence each. The cases are written to hold for a real kube-apiserver with the CRDs
//! installed too: set `GALLEY_TEST_KUBECONFIG` to a kubeconfig file and they run there; `tools/real-cluster.sh` builds and
//! starts such a server and does that. (Not `KUBECONFIG`: a test run must never reach a cluster that somebody happens to be logged in
//! to.) What only the embedded server promises is tested beside it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use galley::api::approval::Identity;
use galley::api::session::{SessionPhase, SessionSpec, SessionStatus};
use galley::api::{Design, DesignSpec, Session};
use galley::apiserver::{ApiServer, Options};
use galley::clock::SystemClock;
use galley::store::MemoryStore;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy, WatchEvent, WatchParams};
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::finalizer::{Event as FinalizerEvent, finalizer};
use kube::runtime::wait::await_condition;
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(20);

struct World {
    client: Client,
    prefix: String,
}

impl World {
    async fn new() -> Self {
        let prefix = format!("t-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        if let Ok(path) = std::env::var("GALLEY_TEST_KUBECONFIG") {
            let kubeconfig = kube::config::Kubeconfig::read_from(path).unwrap();
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
            return World { client: Client::try_from(config).unwrap(), prefix };
        }
        let server = ApiServer::open(Arc::new(MemoryStore::new()), Arc::new(SystemClock), Options::default()).await.unwrap();
        World { client: server.client(Identity::system()), prefix }
    }
    fn sessions(&self) -> Api<Session> {
        Api::default_namespaced(self.client.clone())
    }
    fn name(&self, tail: &str) -> String {
        format!("{}-{tail}", self.prefix)
    }
    fn session(&self, tail: &str) -> Session {
        Session::new(&self.name(tail), SessionSpec { title: "検証".into(), ..Default::default() })
    }
    async fn created(&self, tail: &str) -> Session {
        self.sessions().create(&PostParams::default(), &self.session(tail)).await.unwrap()
    }
    /// A request as raw HTTP: status code, headers, body.
    async fn raw(&self, method: &str, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> (u16, http::HeaderMap, Value) {
        let request = http::Request::builder().method(method).uri(path).header("content-type", content_type);
        let response = self.client.send(request.body(kube::client::Body::from(body.into())).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
        (parts.status.as_u16(), parts.headers, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
    fn path(&self, tail: &str) -> String {
        format!("/apis/galley.dev/v1alpha1/namespaces/default/sessions/{}", self.name(tail))
    }
}

const COLLECTION: &str = "/apis/galley.dev/v1alpha1/namespaces/default/sessions";

fn code(error: kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("not an API error: {other}"),
    }
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = tokio::time::timeout(DEADLINE, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

#[tokio::test]
async fn a_created_object_carries_what_the_server_knows_and_its_defaults() {
    let world = World::new().await;
    let made = world.created("a").await;
    assert!(made.uid().is_some() && made.resource_version().is_some() && made.creation_timestamp().is_some());
    assert_eq!(made.metadata.generation, Some(1));
    let (_, _, raw) = world.raw("GET", &world.path("a"), "application/json", "").await;
    assert_eq!(raw["spec"]["language"], "en", "the default of the schema is in the document");
    assert_eq!(raw["kind"], "Session");
    assert_eq!(code(world.sessions().create(&PostParams::default(), &world.session("a")).await.unwrap_err()), 409);
    assert_eq!(code(world.sessions().get(&world.name("none")).await.unwrap_err()), 404);
}

#[tokio::test]
async fn generation_counts_edits_of_the_spec_alone() {
    let world = World::new().await;
    let (api, name) = (world.sessions(), world.name("a"));
    world.created("a").await;
    let merge = |patch: Value| Patch::Merge(patch);
    let labelled = api.patch(&name, &PatchParams::default(), &merge(json!({"metadata": {"labels": {"a": "b"}}}))).await.unwrap();
    assert_eq!(labelled.metadata.generation, Some(1), "a label is not the spec");
    let edited = api.patch(&name, &PatchParams::default(), &merge(json!({"spec": {"title": "other"}}))).await.unwrap();
    assert_eq!(edited.metadata.generation, Some(2));
    let status = api.patch_status(&name, &PatchParams::default(), &merge(json!({"status": {"phase": "Hearing"}}))).await.unwrap();
    assert_eq!(status.metadata.generation, Some(2), "a status is not the spec");
    let again = api.patch_status(&name, &PatchParams::default(), &merge(json!({"status": {"phase": "Hearing"}}))).await.unwrap();
    assert_eq!(again.resource_version(), status.resource_version(), "what changes nothing is not written");
}

#[tokio::test]
async fn spec_and_status_have_doors_of_their_own() {
    let world = World::new().await;
    let (api, name) = (world.sessions(), world.name("a"));
    let mut with_status = world.session("a");
    with_status.status = Some(SessionStatus { phase: Some(SessionPhase::Deployed), ..Default::default() });
    let made = api.create(&PostParams::default(), &with_status).await.unwrap();
    assert!(made.status.is_none(), "a status cannot be created");
    let both = json!({"spec": {"title": "new"}, "status": {"phase": "Hearing"}});
    let main = api.patch(&name, &PatchParams::default(), &Patch::Merge(&both)).await.unwrap();
    assert_eq!((main.spec.title.as_str(), main.status), ("new", None), "the main door drops the status");
    let both = json!({"spec": {"title": "newer"}, "status": {"phase": "Hearing"}});
    let status = api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&both)).await.unwrap();
    assert_eq!(status.spec.title, "new", "the status door drops the spec");
    assert_eq!(status.status.unwrap().phase, Some(SessionPhase::Hearing));
}

#[tokio::test]
async fn a_replace_names_the_version_it_replaces() {
    let world = World::new().await;
    let (api, name) = (world.sessions(), world.name("a"));
    let first = world.created("a").await;
    let mut edit = first.clone();
    edit.spec.title = "second".into();
    let second = api.replace(&name, &PostParams::default(), &edit).await.unwrap();
    assert_eq!(second.uid(), first.uid());
    assert_eq!(code(api.replace(&name, &PostParams::default(), &edit).await.unwrap_err()), 409, "a stale version");
    edit.metadata.resource_version = None;
    assert_eq!(code(api.replace(&name, &PostParams::default(), &edit).await.unwrap_err()), 422, "no version");
    let stale = json!({"metadata": {"resourceVersion": first.resource_version()}, "spec": {"title": "third"}});
    assert_eq!(code(api.patch(&name, &PatchParams::default(), &Patch::Merge(stale)).await.unwrap_err()), 409, "a patch may name one too");
    let other = json!({"metadata": {"uid": "11111111-1111-1111-1111-111111111111"}});
    assert_eq!(code(api.patch(&name, &PatchParams::default(), &Patch::Merge(other)).await.unwrap_err()), 422, "a uid is no field to edit");
    edit.metadata.resource_version = second.resource_version();
    edit.metadata.uid = Some("11111111-1111-1111-1111-111111111111".into());
    assert_eq!(code(api.replace(&name, &PostParams::default(), &edit).await.unwrap_err()), 409, "another object is meant");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_alike() {
    let world = World::new().await;
    world.created("a").await;
    let whole = |change: &dyn Fn(&mut Value)| {
        let mut document = json!({"apiVersion": "galley.dev/v1alpha1", "kind": "Session", "metadata": {"name": world.name("new")}, "spec": {"title": "x"}});
        change(&mut document);
        document.to_string()
    };
    let (a, none) = (world.path("a"), world.path("none"));
    let (json_type, merge) = ("application/json", "application/merge-patch+json");
    let rows: Vec<(&str, String, &str, String, u16, &str, &str)> = vec![
        ("GET", none.clone(), json_type, String::new(), 404, "NotFound", "nothing of that name"),
        ("DELETE", none.clone(), json_type, String::new(), 404, "NotFound", "nor to delete"),
        ("PATCH", none.clone(), merge, "{}".into(), 404, "NotFound", "nor to patch"),
        (
            "PUT",
            none.clone(),
            json_type,
            whole(&|d| d["metadata"]["name"] = json!(world.name("none"))),
            404,
            "NotFound",
            "a replace makes nothing",
        ),
        ("POST", COLLECTION.into(), json_type, "{".into(), 400, "BadRequest", "broken JSON"),
        ("POST", COLLECTION.into(), json_type, whole(&|d| d["kind"] = json!("Design")), 422, "Invalid", "another kind"),
        ("POST", COLLECTION.into(), json_type, whole(&|d| d["apiVersion"] = json!("v1")), 400, "BadRequest", "another group"),
        (
            "POST",
            COLLECTION.into(),
            json_type,
            whole(&|d| d["metadata"]["namespace"] = json!("other")),
            400,
            "BadRequest",
            "another namespace than the path's",
        ),
        ("POST", COLLECTION.into(), json_type, whole(&|d| d["metadata"] = json!({})), 422, "Invalid", "no name"),
        ("POST", COLLECTION.into(), json_type, whole(&|d| d["metadata"]["name"] = json!("Big_Name")), 422, "Invalid", "no DNS name"),
        ("POST", COLLECTION.into(), json_type, whole(&|d| d["metadata"]["labels"] = json!({"a": "b c"})), 422, "Invalid", "no label"),
        ("POST", COLLECTION.into(), json_type, whole(&|d| d["spec"] = json!("x")), 422, "Invalid", "a text for an object"),
        (
            "PUT",
            a.clone(),
            json_type,
            whole(&|d| d["metadata"]["name"] = json!(world.name("b"))),
            400,
            "BadRequest",
            "another name than the path's",
        ),
        ("PATCH", a.clone(), merge, "{".into(), 400, "BadRequest", "a broken patch"),
        ("PATCH", a.clone(), merge, json!({"metadata": {"name": "other"}}).to_string(), 400, "BadRequest", "a new name"),
        ("PATCH", a.clone(), merge, json!({"kind": "Design"}).to_string(), 422, "Invalid", "a new kind"),
        ("PATCH", a.clone(), "text/plain", "x".into(), 415, "UnsupportedMediaType", "no patch"),
        ("GET", format!("{COLLECTION}?labelSelector=%3D%3D"), json_type, String::new(), 400, "BadRequest", "no selector"),
        ("GET", format!("{COLLECTION}?limit=many"), json_type, String::new(), 400, "BadRequest", "no number"),
        ("GET", format!("{COLLECTION}?continue=zzz"), json_type, String::new(), 400, "BadRequest", "no token"),
        ("GET", format!("{a}/none"), json_type, String::new(), 404, "NotFound", "no subresource"),
        (
            "DELETE",
            a.clone(),
            json_type,
            json!({"preconditions": {"resourceVersion": "1"}}).to_string(),
            409,
            "Conflict",
            "another version",
        ),
        ("DELETE", a.clone(), json_type, json!({"propagationPolicy": "Slowly"}).to_string(), 422, "Invalid", "no policy"),
    ];
    let mut differences = Vec::new();
    for (method, path, kind, body, expected, why, reason) in rows {
        let (status, _, answer) = world.raw(method, &path, kind, body).await;
        if (status, answer["reason"].as_str().unwrap_or_default()) != (expected, why) {
            differences.push(format!("{reason}: {status} {answer}, not {expected} {why}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    // What is no API has no Status either; and a mistake of the client that a kube-apiserver calls its own (500).
    let (status, _, _) = world.raw("GET", "/apis/galley.dev/v9/sessions", json_type, "").await;
    assert_eq!(status, 404);
    let versioned = whole(&|d| d["metadata"]["resourceVersion"] = json!("5"));
    let (status, _, answer) = world.raw("POST", COLLECTION, json_type, versioned).await;
    assert!(matches!(status, 400 | 500) && answer["message"] == "resourceVersion should not be set on objects to be created", "{answer}");
    assert!(world.sessions().get_opt(&world.name("new")).await.unwrap().is_none(), "nothing of it was made");
}

#[tokio::test]
async fn what_only_the_server_may_say_is_not_taken_from_a_document() {
    let world = World::new().await;
    let uid = "11111111-1111-1111-1111-111111111111";
    let document = json!({"apiVersion": "galley.dev/v1alpha1", "kind": "Session", "spec": {"title": "x"}, "status": {"phase": "Deployed"},
        "metadata": {"name": world.name("a"), "uid": uid, "generation": 9, "creationTimestamp": "2001-01-01T00:00:00Z",
            "deletionTimestamp": "2001-01-01T00:00:00Z", "selfLink": "/x"}});
    let (status, _, made) = world.raw("POST", COLLECTION, "application/json", document.to_string()).await;
    assert_eq!(status, 201, "{made}");
    let metadata = &made["metadata"];
    assert_ne!(metadata["uid"], json!(uid));
    assert_ne!(metadata["creationTimestamp"], json!("2001-01-01T00:00:00Z"));
    assert_eq!((&metadata["generation"], &metadata["deletionTimestamp"], &made["status"]), (&json!(1), &Value::Null, &Value::Null));
    // and later: generation and times stay the server's
    let patch = json!({"metadata": {"generation": 40, "creationTimestamp": "2001-01-01T00:00:00Z"}});
    let (status, _, kept) = world.raw("PATCH", &world.path("a"), "application/merge-patch+json", patch.to_string()).await;
    assert!(matches!(status, 200 | 422), "{status}: {kept}");
    let (_, _, now) = world.raw("GET", &world.path("a"), "application/json", "").await;
    assert_eq!((&now["metadata"]["generation"], &now["metadata"]["creationTimestamp"]), (&json!(1), &metadata["creationTimestamp"]));
    let mut nameless: Session = world.session("");
    nameless.metadata = kube::api::ObjectMeta { generate_name: Some(world.name("g-")), ..Default::default() };
    let named = world.sessions().create(&PostParams::default(), &nameless).await.unwrap().name_any();
    assert!(named.starts_with(&world.name("g-")) && named.len() == world.name("g-").len() + 5, "{named}");
}

#[tokio::test]
async fn unknown_fields_are_refused_or_dropped_with_a_warning() {
    let world = World::new().await;
    let body = |tail: &str| {
        json!({"apiVersion": "galley.dev/v1alpha1", "kind": "Session", "metadata": {"name": world.name(tail)}, "spec": {"title": "x", "colour": "red"}}).to_string()
    };
    let (status, _, answer) = world.raw("POST", &format!("{COLLECTION}?fieldValidation=Strict"), "application/json", body("a")).await;
    assert_eq!((status, answer["reason"].as_str()), (400, Some("BadRequest")));
    assert!(answer["message"].as_str().unwrap().contains(r#"unknown field "spec.colour""#), "{answer}");
    let (status, headers, answer) = world.raw("POST", COLLECTION, "application/json", body("a")).await;
    assert_eq!(status, 201);
    assert!(answer["spec"].get("colour").is_none(), "it is not stored");
    assert_eq!(headers["warning"].to_str().unwrap(), r#"299 - "unknown field \"spec.colour\"""#);
    let (status, headers, _) = world.raw("POST", &format!("{COLLECTION}?fieldValidation=Ignore"), "application/json", body("b")).await;
    assert_eq!((status, headers.get("warning")), (201, None));
}

#[tokio::test]
async fn an_invalid_document_is_refused_with_the_field_the_value_and_what_is_allowed() {
    let world = World::new().await;
    let rows = [
        (json!({}), "spec.title", "Required value", "a title is required"),
        (json!({"title": ""}), "spec.title", "at least 1 chars long", "and not empty"),
        (json!({"title": "x".repeat(201)}), "spec.title", "may not be more than 200", "nor endless"),
        (json!({"title": 5}), "spec.title", "must be of type string", "nor a number"),
        (json!({"title": "x", "language": "fr"}), "spec.language", r#"supported values: "ja", "en""#, "an enum lists its values"),
        (
            json!({"title": "x", "answers": {"q": {"value": "v", "time": "yesterday"}}}),
            "spec.answers.q.time",
            "Invalid value",
            "times are RFC 3339",
        ),
    ];
    for (spec, field, words, reason) in rows {
        let body = json!({"apiVersion": "galley.dev/v1alpha1", "kind": "Session", "metadata": {"name": world.name("a")}, "spec": spec});
        let (status, _, answer) = world.raw("POST", COLLECTION, "application/json", body.to_string()).await;
        assert_eq!((status, answer["reason"].as_str()), (422, Some("Invalid")), "{reason}: {answer}");
        let cause = &answer["details"]["causes"][0];
        assert_eq!(cause["field"], field, "{reason}: {answer}");
        assert!(cause["message"].as_str().unwrap().contains(words), "{reason}: {answer}");
    }
}

#[tokio::test]
async fn transition_rules_hold_on_every_edit() {
    let world = World::new().await;
    world.created("a").await;
    let designs: Api<Design> = Api::default_namespaced(world.client.clone());
    let design = Design::new(&world.name("a"), DesignSpec { session_ref: world.name("a"), ..Default::default() });
    designs.create(&PostParams::default(), &design).await.unwrap();
    let moved =
        designs.patch(&world.name("a"), &PatchParams::default(), &Patch::Merge(json!({"spec": {"target": "oci"}}))).await.unwrap_err();
    let kube::Error::Api(status) = moved else { panic!() };
    assert_eq!(status.code, 422);
    assert!(status.message.contains("target is immutable"), "{}", status.message);
    let other = Design::new(&world.name("b"), DesignSpec { session_ref: world.name("a"), ..Default::default() });
    assert_eq!(code(designs.create(&PostParams::default(), &other).await.unwrap_err()), 422, "the name is the session's");
    let slow = json!({"spec": {"policy": {"driftIntervalSeconds": 5}}});
    assert_eq!(code(designs.patch(&world.name("a"), &PatchParams::default(), &Patch::Merge(slow)).await.unwrap_err()), 422);
}

#[tokio::test]
async fn patches_follow_their_rfcs() {
    let world = World::new().await;
    world.created("a").await;
    let path = world.path("a");
    let rows = [
        (
            "application/json-patch+json",
            json!([{"op": "test", "path": "/metadata/finalizers", "value": null}]),
            200,
            "an absent path tests as null",
        ),
        ("application/json-patch+json", json!([{"op": "test", "path": "/spec/title", "value": "no"}]), 422, "a failing test"),
        ("application/json-patch+json", json!([{"op": "remove", "path": "/spec/none"}]), 422, "nothing to remove"),
        ("application/json-patch+json", json!([{"op": "replace", "path": "/spec/title", "value": "two"}]), 200, "a replace"),
        ("application/json-patch+json", json!({"op": "add"}), 400, "not a list"),
        ("application/merge-patch+json", json!({"spec": {"title": "three"}}), 200, "a merge"),
        ("application/strategic-merge-patch+json", json!({"spec": {"title": "four"}}), 415, "not for custom resources"),
    ];
    for (content_type, patch, expected, reason) in rows {
        let (status, _, answer) = world.raw("PATCH", &path, content_type, patch.to_string()).await;
        assert_eq!(status, expected, "{reason}: {answer}");
    }
    assert_eq!(world.sessions().get(&world.name("a")).await.unwrap().spec.title, "three");
}

#[tokio::test]
async fn yaml_is_taken_as_well_as_json() {
    let world = World::new().await;
    let yaml = format!("apiVersion: galley.dev/v1alpha1\nkind: Session\nmetadata: {{name: {}}}\nspec: {{title: 'no'}}\n", world.name("a"));
    let (status, _, answer) = world.raw("POST", COLLECTION, "application/yaml", yaml).await;
    assert_eq!((status, answer["spec"]["title"].as_str()), (201, Some("no")));
}

#[tokio::test]
async fn a_trial_run_writes_nothing() {
    let world = World::new().await;
    let trial = PostParams { dry_run: true, field_manager: None };
    let shown = world.sessions().create(&trial, &world.session("a")).await.unwrap();
    assert!(shown.uid().is_some());
    assert!(world.sessions().get_opt(&world.name("a")).await.unwrap().is_none());
}

#[tokio::test]
async fn lists_select_by_label_and_field_and_come_in_pages() {
    let world = World::new().await;
    let api = world.sessions();
    for index in 0..7 {
        let mut session = world.session(&index.to_string());
        let labels = [("run".to_owned(), world.prefix.clone()), ("odd".to_owned(), (index % 2).to_string())];
        session.metadata.labels = Some(BTreeMap::from(labels));
        api.create(&PostParams::default(), &session).await.unwrap();
    }
    let count =
        async |labels: &str| api.list(&ListParams::default().labels(&format!("run={},{labels}", world.prefix))).await.unwrap().items.len();
    let rows = [("odd=1", 3), ("odd!=1", 4), ("odd in (0,1)", 7), ("odd notin (0)", 3), ("odd", 7), ("!odd", 0)];
    for (selector, expected) in rows {
        assert_eq!(count(selector).await, expected, "{selector}");
    }
    let one = api.list(&ListParams::default().fields(&format!("metadata.name={}", world.name("3")))).await.unwrap();
    assert_eq!(one.items.len(), 1);
    assert_eq!(code(api.list(&ListParams::default().fields("spec.title=x")).await.unwrap_err()), 400);
    let params = ListParams::default().labels(&format!("run={}", world.prefix)).limit(3);
    let first = api.list(&params).await.unwrap();
    assert_eq!(first.items.len(), 3);
    api.delete(&world.name("5"), &DeleteParams::default()).await.unwrap();
    let mut names: Vec<String> = first.items.iter().map(ResourceExt::name_any).collect();
    let mut token = first.metadata.continue_.clone();
    while let Some(next) = token.filter(|token| !token.is_empty()) {
        let page = api.list(&params.clone().continue_token(&next)).await.unwrap();
        assert_eq!(page.metadata.resource_version, first.metadata.resource_version, "all pages are of one moment");
        names.extend(page.items.iter().map(ResourceExt::name_any));
        token = page.metadata.continue_.clone();
    }
    assert_eq!(names, (0..7).map(|index| world.name(&index.to_string())).collect::<Vec<_>>(), "also what was deleted meanwhile");
}

#[tokio::test]
async fn a_watch_shows_every_change_once_and_in_order() {
    let world = World::new().await;
    let api = world.sessions();
    let start = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    world.created("a").await;
    let label = |value: &str| Patch::Merge(json!({"metadata": {"labels": {"run": value}}}));
    let name = world.name("a");
    api.patch(&name, &PatchParams::default(), &label(&world.prefix)).await.unwrap();
    api.patch(&name, &PatchParams::default(), &Patch::Merge(json!({"spec": {"title": "two"}}))).await.unwrap();
    api.patch(&name, &PatchParams::default(), &label("other")).await.unwrap();
    api.delete(&name, &DeleteParams::default()).await.unwrap();
    let words = async |params: WatchParams| {
        let stream = api.watch(&params.timeout(2), &start).await.unwrap();
        let events: Vec<_> = stream.try_collect().await.unwrap();
        let mine = events.into_iter().filter_map(|event| match event {
            WatchEvent::Added(object) => Some(("added", object)),
            WatchEvent::Modified(object) => Some(("modified", object)),
            WatchEvent::Deleted(object) => Some(("deleted", object)),
            WatchEvent::Bookmark(_) => None,
            WatchEvent::Error(error) => panic!("{error}"),
        });
        let mine: Vec<(&str, Session)> = mine.filter(|(_, object)| object.name_any() == name).collect();
        let versions: Vec<u64> = mine.iter().map(|(_, object)| object.resource_version().unwrap().parse().unwrap()).collect();
        assert!(versions.is_sorted(), "{versions:?}");
        mine.into_iter().map(|(word, _)| word).collect::<Vec<_>>()
    };
    assert_eq!(words(WatchParams::default()).await, ["added", "modified", "modified", "modified", "deleted"]);
    let selected = words(WatchParams::default().labels(&format!("run={}", world.prefix))).await;
    assert_eq!(selected, ["added", "modified", "deleted"], "what stops to match is gone for this watch");
}

#[tokio::test]
async fn a_watch_from_too_long_ago_is_told_to_list_again() {
    let world = World::new().await;
    let mut stream = world.sessions().watch(&WatchParams::default().timeout(5), "1").await.unwrap().boxed();
    let Some(Ok(WatchEvent::Error(error))) = stream.next().await else { panic!("an error was expected") };
    assert_eq!(error.code, 410);
}

#[tokio::test]
async fn a_streaming_list_ends_with_a_marked_bookmark() {
    let world = World::new().await;
    world.created("a").await;
    let config = watcher::Config::default().streaming_lists();
    let mut stream = watcher(world.sessions(), config).boxed();
    let mut names = Vec::new();
    let listed = tokio::time::timeout(DEADLINE, async {
        while let Some(event) = stream.next().await {
            match event.unwrap() {
                watcher::Event::InitApply(object) => names.push(object.name_any()),
                watcher::Event::InitDone => return,
                watcher::Event::Init | watcher::Event::Apply(_) | watcher::Event::Delete(_) => {}
            }
        }
    });
    listed.await.unwrap();
    assert!(names.contains(&world.name("a")));
}

#[tokio::test]
async fn deletion_waits_for_finalizers() {
    let world = World::new().await;
    let (api, name) = (world.sessions(), world.name("a"));
    let mut session = world.session("a");
    session.metadata.finalizers = Some(vec!["example.com/wait".into()]);
    let made = api.create(&PostParams::default(), &session).await.unwrap();
    let wrong = DeleteParams { preconditions: Some(Preconditions { uid: Some("x".into()), ..Default::default() }), ..Default::default() };
    assert_eq!(code(api.delete(&name, &wrong).await.unwrap_err()), 409);
    let deleting = api.delete(&name, &DeleteParams::default()).await.unwrap().left().expect("it is still there");
    assert!(deleting.metadata.deletion_timestamp.is_some());
    assert_eq!(deleting.metadata.generation, made.metadata.generation.map(|generation| generation + 1));
    let more = json!({"metadata": {"finalizers": ["example.com/wait", "example.com/more"]}});
    assert_eq!(code(api.patch(&name, &PatchParams::default(), &Patch::Merge(more)).await.unwrap_err()), 422, "no new ones now");
    let done = json!({"metadata": {"finalizers": null}});
    api.patch(&name, &PatchParams::default(), &Patch::Merge(done)).await.unwrap();
    assert!(api.get_opt(&name).await.unwrap().is_none());
    world.created("b").await;
    assert!(api.delete(&world.name("b"), &DeleteParams::default()).await.unwrap().is_right(), "gone at once");
}

#[tokio::test]
async fn dependents_go_with_their_owner_or_stay_when_asked() {
    let rows = [
        (PropagationPolicy::Background, true, "the owner goes, its dependents follow"),
        (PropagationPolicy::Foreground, true, "the dependents go first"),
        (PropagationPolicy::Orphan, false, "the dependents stay"),
    ];
    for (policy, goes, reason) in rows {
        let world = World::new().await;
        let api = world.sessions();
        let owner = world.created("owner").await;
        let mut dependent = world.session("dependent");
        let reference = OwnerReference { block_owner_deletion: Some(true), ..owner.owner_ref(&()).unwrap() };
        dependent.metadata.owner_references = Some(vec![reference]);
        api.create(&PostParams::default(), &dependent).await.unwrap();
        let params = DeleteParams { propagation_policy: Some(policy), ..Default::default() };
        api.delete(&world.name("owner"), &params).await.unwrap();
        until(reason, async || api.get_opt(&world.name("owner")).await.unwrap().is_none().then_some(())).await;
        if goes {
            until(reason, async || api.get_opt(&world.name("dependent")).await.unwrap().is_none().then_some(())).await;
        } else {
            let free = async || api.get(&world.name("dependent")).await.unwrap().owner_references().is_empty().then_some(());
            until(reason, free).await;
        }
    }
}

#[tokio::test]
async fn a_collection_is_deleted_by_selector() {
    let world = World::new().await;
    let api = world.sessions();
    for tail in ["a", "b", "c"] {
        let mut session = world.session(tail);
        session.metadata.labels = Some(BTreeMap::from([("run".to_owned(), format!("{}-{}", world.prefix, tail == "c"))]));
        api.create(&PostParams::default(), &session).await.unwrap();
    }
    let params = ListParams::default().labels(&format!("run={}-false", world.prefix));
    let _ = api.delete_collection(&DeleteParams::default(), &params).await.unwrap();
    until("two are gone", async || api.list(&params).await.unwrap().items.is_empty().then_some(())).await;
    assert!(api.get_opt(&world.name("c")).await.unwrap().is_some());
}

#[tokio::test]
async fn racing_editors_lose_no_edit() {
    let world = World::new().await;
    world.created("a").await;
    let (api, name) = (world.sessions(), world.name("a"));
    let writers = (0..16).map(|writer| {
        let (api, name) = (api.clone(), name.clone());
        tokio::spawn(async move {
            let answer = json!({"value": writer.to_string(), "time": "2026-01-01T00:00:00Z"});
            let patch = json!({"spec": {"answers": {format!("q{writer}"): answer}}});
            api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        })
    });
    futures::future::join_all(writers).await.into_iter().for_each(|joined| joined.unwrap());
    let end = api.get(&name).await.unwrap();
    assert_eq!((end.spec.answers.len(), end.metadata.generation), (16, Some(17)));
}

#[tokio::test]
async fn events_are_recorded_once_and_read_in_both_groups() {
    let world = World::new().await;
    let session = world.created("a").await;
    let recorder = Recorder::new(world.client.clone(), Reporter { controller: "galley".into(), instance: Some("test".into()) });
    let event = Event {
        type_: EventType::Normal,
        reason: "Synced".into(),
        note: Some("all is well".into()),
        action: "Look".into(),
        secondary: None,
    };
    for _ in 0..3 {
        recorder.publish(&event, &session.object_ref(&())).await.unwrap();
    }
    let core: Api<k8s_openapi::api::core::v1::Event> = Api::default_namespaced(world.client.clone());
    let selector = format!("involvedObject.name={},involvedObject.kind=Session", world.name("a"));
    let found = core.list(&ListParams::default().fields(&selector)).await.unwrap();
    assert_eq!(found.items.len(), 1);
    let one = &found.items[0];
    assert_eq!((one.message.as_deref(), one.reason.as_deref()), (Some("all is well"), Some("Synced")));
    assert_eq!(one.series.as_ref().and_then(|series| series.count), Some(3));
    let new: Api<k8s_openapi::api::events::v1::Event> = Api::default_namespaced(world.client.clone());
    let found = new.get(&one.name_any()).await.unwrap();
    assert_eq!(found.regarding.unwrap().uid, session.uid());
    let none = core.list(&ListParams::default().fields("involvedObject.name=nobody")).await.unwrap();
    assert!(none.items.is_empty());
}

#[derive(Debug, thiserror::Error)]
#[error("reconcile failed")]
struct Failed(#[source] Box<dyn std::error::Error + Send + Sync>);

#[tokio::test]
async fn the_stock_controller_runs_with_finalizer_and_conditions() {
    let world = World::new().await;
    let (api, name) = (world.sessions(), world.name("a"));
    let cleaned = Arc::new(AtomicUsize::new(0));
    let context = Arc::new((api.clone(), Arc::clone(&cleaned), world.prefix.clone()));
    let reconcile = |session: Arc<Session>, context: Arc<(Api<Session>, Arc<AtomicUsize>, String)>| async move {
        if !session.name_any().starts_with(&context.2) {
            return Ok(Action::await_change());
        }
        let work = |event: FinalizerEvent<Session>| async {
            match event {
                FinalizerEvent::Apply(session) => {
                    let status = json!({"status": {"phase": "Created", "observedGeneration": session.metadata.generation}});
                    context.0.patch_status(&session.name_any(), &PatchParams::default(), &Patch::Merge(status)).await?;
                }
                FinalizerEvent::Cleanup(_) => drop(context.1.fetch_add(1, Ordering::SeqCst)),
            }
            Ok::<_, kube::Error>(Action::await_change())
        };
        finalizer(&context.0, "example.com/test", session, work).await.map_err(|error| Failed(Box::new(error)))
    };
    let controller = Controller::new(api.clone(), watcher::Config::default())
        .with_config(Config::default().concurrency(2))
        .run(reconcile, |_, _: &Failed, _| Action::requeue(Duration::from_millis(50)), context)
        .for_each(|_| async {});
    let controller = tokio::spawn(controller);
    world.created("a").await;
    let observed = |generation: i64| {
        move |session: Option<&Session>| {
            session.and_then(|session| session.status.as_ref()).and_then(|status| status.observed_generation) == Some(generation)
        }
    };
    tokio::time::timeout(DEADLINE, await_condition(api.clone(), &name, observed(1))).await.unwrap().unwrap();
    api.patch(&name, &PatchParams::default(), &Patch::Merge(json!({"spec": {"title": "edited"}}))).await.unwrap();
    tokio::time::timeout(DEADLINE, await_condition(api.clone(), &name, observed(2))).await.unwrap().unwrap();
    let uid = api.get(&name).await.unwrap().uid().unwrap();
    api.delete(&name, &DeleteParams::default()).await.unwrap();
    let gone = kube::runtime::conditions::is_deleted(&uid);
    tokio::time::timeout(DEADLINE, await_condition(api.clone(), &name, gone)).await.unwrap().unwrap();
    assert!(cleaned.load(Ordering::SeqCst) >= 1);
    controller.abort();
}

#[tokio::test]
async fn a_table_has_the_printer_columns() {
    let world = World::new().await;
    world.created("a").await;
    let request = http::Request::get(world.path("a")).header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
    let text = world.client.request_text(request.body(Vec::new()).unwrap()).await.unwrap();
    let table: Value = serde_json::from_str(&text).unwrap();
    let names: Vec<&str> = table["columnDefinitions"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Name", "Title", "Phase", "Operation", "Age"]);
    assert_eq!(table["rows"][0]["cells"][0], world.name("a"));
    assert_eq!(table["rows"][0]["cells"][1], "検証");
}
