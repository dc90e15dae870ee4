//! Unmodified kubectl against the embedded server, over HTTP. Finds kubectl through `GALLEY_TEST_KUBECTL` or
//! `.cache/bin/kubectl`; without one it prints one line and passes, because no package registry of ours carries it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use galley::api::approval::{Channel, Identity};
use galley::api::{DESIGN_FINALIZER, Design, Session};
use galley::apiserver::{ApiServer, Options};
use galley::clock::SystemClock;
use galley::store::FsStore;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Resource};
use serde_json::json;

const DOCUMENTS: &str = "
apiVersion: galley.dev/v1alpha1
kind: Session
metadata: {name: s-1}
spec: {title: TITLE}
---
apiVersion: galley.dev/v1alpha1
kind: Design
metadata: {name: s-1, labels: {team: a}}
spec:
  sessionRef: s-1
  components:
  - {id: vcn, serviceType: vcn, config: {cidr_block: 10.0.0.0/16}}
";

fn kubectl_path() -> Option<PathBuf> {
    let named = std::env::var_os("GALLEY_TEST_KUBECTL").map(PathBuf::from);
    let cached = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/bin/kubectl");
    named.or_else(|| cached.is_file().then_some(cached))
}

struct Kubectl {
    path: PathBuf,
    server: String,
    home: tempfile::TempDir,
}

impl Kubectl {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        // An empty environment: somebody's kubeconfig must not be reached from here.
        command.env_clear().env("HOME", self.home.path()).env("PATH", "/usr/bin:/bin").env("KUBE_EDITOR", "sed -i s/edit-me/edited/");
        command.args(["--kubeconfig=/dev/null", "--server", &self.server, "--cache-dir"]).arg(self.home.path().join("cache"));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
    fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }
    /// Runs to its end: (succeeded, stdout and stderr).
    async fn try_run(&self, arguments: &[&str], input: &str) -> (bool, String) {
        let mut child = self.start(arguments);
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        finish(child).await
    }
    async fn run(&self, arguments: &[&str], input: &str) -> String {
        let (good, text) = self.try_run(arguments, input).await;
        assert!(good, "kubectl {arguments:?}: {text}");
        text
    }
}

async fn finish(child: Child) -> (bool, String) {
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap());
    let output = tokio::time::timeout(Duration::from_secs(60), output).await.expect("kubectl ends").unwrap();
    (output.status.success(), [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat())
}

/// Serves the API on a loopback port below a token, as the http module does.
async fn serve(server: &ApiServer) -> String {
    let layer = axum::middleware::from_fn(|mut request: axum::extract::Request, next: axum::middleware::Next| async move {
        request.extensions_mut().insert(Identity::editor(Channel::Kubernetes));
        next.run(request).await
    });
    let app = axum::Router::new().nest("/k8s/token", server.router().layer(layer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/k8s/token")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_works_unmodified() {
    let Some(path) = kubectl_path() else {
        println!("SKIPPED kubectl_works_unmodified: no kubectl (set GALLEY_TEST_KUBECTL or put it at .cache/bin/kubectl)");
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let store = Arc::new(FsStore::open(data.path()).await.unwrap());
    let server = ApiServer::open(store, Arc::new(SystemClock), Options::default()).await.unwrap();
    let kubectl = Kubectl { path, server: serve(&server).await, home: tempfile::tempdir().unwrap() };
    let client = server.client(Identity::system());

    writes(&kubectl).await;
    refusals(&kubectl).await;
    reads(&kubectl, &client).await;
    waits(&kubectl, &client).await;
}

/// apply, create, patch, label, annotate, edit, replace.
async fn writes(kubectl: &Kubectl) {
    let documents = DOCUMENTS.replace("TITLE", "検証");
    let text = kubectl.run(&["apply", "-f", "-"], &documents).await;
    assert!(text.contains("session.galley.dev/s-1 created") && text.contains("design.galley.dev/s-1 created"), "{text}");
    let text = kubectl.run(&["apply", "-f", "-"], &documents).await;
    assert!(text.contains("session.galley.dev/s-1 unchanged") && text.contains("design.galley.dev/s-1 unchanged"), "{text}");
    let text = kubectl.run(&["apply", "-f", "-"], &DOCUMENTS.replace("TITLE", "edit-me")).await;
    assert!(text.contains("session.galley.dev/s-1 configured"), "{text}");
    assert!(kubectl.run(&["edit", "session", "s-1"], "").await.contains("s-1 edited"));
    assert_eq!(kubectl.run(&["get", "session", "s-1", "-o", "jsonpath={.spec.title}"], "").await, "edited");
    let second = "{apiVersion: galley.dev/v1alpha1, kind: Session, metadata: {generateName: g-}, spec: {title: second}}";
    assert!(kubectl.run(&["create", "-f", "-"], second).await.contains("created"));
    for arguments in [
        ["patch", "dsg", "s-1", "--type=merge", "-p", r#"{"spec":{"suspend":true}}"#].as_slice(),
        &["patch", "dsg", "s-1", "--type=json", "-p", r#"[{"op":"replace","path":"/spec/suspend","value":false}]"#],
        &["label", "dsg", "s-1", "seen=yes"],
        &["annotate", "dsg", "s-1", "note=free text"],
    ] {
        kubectl.run(arguments, "").await;
    }
    let whole = kubectl.run(&["get", "dsg", "s-1", "-o", "json"], "").await.replace(r#""suspend": false"#, r#""suspend": true"#);
    assert!(kubectl.run(&["replace", "-f", "-"], &whole).await.contains("replaced"));
    assert!(kubectl.run(&["create", "--dry-run=server", "-f", "-"], second).await.contains("server dry run"));
}

/// Each refusal reaches the person with its reason.
async fn refusals(kubectl: &Kubectl) {
    let head = "apiVersion: galley.dev/v1alpha1\nkind: Session\nmetadata: {name: bad}\nspec: ";
    let unknown = format!("{head}{{title: x, colour: red}}");
    let choice = format!("{head}{{title: x, language: fr}}");
    let rows = [
        (["create", "-f", "-"].as_slice(), unknown.as_str(), r#"unknown field "spec.colour""#, "kubectl asks for strict validation"),
        (&["create", "-f", "-"], &choice, r#"supported values: "ja", "en""#, "422 names the choices"),
        (&["get", "dsg", "none"], "", r#"designs.galley.dev "none" not found"#, "404 names the object"),
        (&["get", "dsg", "-n", "other"], "", r#"serves namespace "default" alone"#, "there is one namespace"),
        (&["apply", "--server-side", "-f", "-"], DOCUMENTS, "without --server-side", "415 says what to do"),
        (&["patch", "dsg", "s-1", "-p", "{}"], "", "not supported", "custom resources take no strategic merge"),
    ];
    for (arguments, input, words, reason) in rows {
        let (good, text) = kubectl.try_run(arguments, input).await;
        assert!(!good && text.contains(words), "{reason}: {text}");
    }
}

/// get, describe with events, explain, api-resources.
async fn reads(kubectl: &Kubectl, client: &kube::Client) {
    let text = kubectl.run(&["get", "galley"], "").await;
    assert!(text.contains("session.galley.dev/s-1") && text.contains("design.galley.dev/s-1"), "{text}");
    let text = kubectl.run(&["get", "dsg", "-l", "seen=yes"], "").await;
    let header: Vec<&str> = text.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header, ["NAME", "TARGET", "DESIRED", "SYNC", "HEALTH", "READY", "REASON", "AGE"]);
    assert!(kubectl.run(&["get", "dsg", "s-1", "-o", "yaml"], "").await.contains("cidr_block: 10.0.0.0/16"));
    assert!(kubectl.run(&["api-resources", "--api-group=galley.dev"], "").await.contains("terraformjobs"));
    assert!(kubectl.run(&["explain", "design.spec.policy"], "").await.contains("enum: auto, agent, human"));
    let design = Api::<Design>::default_namespaced(client.clone()).get("s-1").await.unwrap();
    let recorder = Recorder::new(client.clone(), Reporter { controller: "galley".into(), instance: None });
    let event = Event {
        type_: EventType::Normal,
        reason: "PlanReady".into(),
        note: Some("a plan is ready".into()),
        action: "Plan".into(),
        secondary: None,
    };
    recorder.publish(&event, &design.object_ref(&())).await.unwrap();
    let text = kubectl.run(&["describe", "dsg", "s-1"], "").await;
    assert!(text.contains("PlanReady") && text.contains("a plan is ready"), "{text}");
    assert!(kubectl.run(&["get", "events"], "").await.contains("design/s-1"));
}

/// get -w, wait for a condition, delete that waits for finalizers, wait for a deletion.
async fn waits(kubectl: &Kubectl, client: &kube::Client) {
    let designs = Api::<Design>::default_namespaced(client.clone());
    let patch = async |body: serde_json::Value| designs.patch("s-1", &PatchParams::default(), &Patch::Merge(body)).await.unwrap();
    patch(json!({ "metadata": { "finalizers": [DESIGN_FINALIZER] } })).await;
    let watching = kubectl.start(&["get", "dsg", "-w", "--request-timeout=6s"]);
    let ready = kubectl.start(&["wait", "--for=condition=Ready", "dsg/s-1", "--timeout=30s"]);
    let condition =
        json!({ "type": "Ready", "status": "True", "reason": "Draft", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" });
    let status = json!({ "status": { "conditions": [condition] } });
    designs.patch_status("s-1", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    let (good, text) = finish(ready).await;
    assert!(good && text.contains("condition met"), "{text}");

    let gone = kubectl.start(&["wait", "--for=delete", "dsg/s-1", "--timeout=30s"]);
    let deleting = kubectl.start(&["delete", "dsg", "s-1", "--timeout=30s"]);
    let marked = |design: Option<&Design>| design.is_some_and(|design| design.metadata.deletion_timestamp.is_some());
    let marked = kube::runtime::wait::await_condition(designs.clone(), "s-1", marked);
    tokio::time::timeout(Duration::from_secs(30), marked).await.unwrap().unwrap();
    let strip = ["patch", "dsg", "s-1", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#];
    let (good, text) = kubectl.try_run(&strip, "").await;
    assert!(!good && text.contains("is removed by Galley"), "an editor cannot leak a cloud: {text}");
    patch(json!({ "metadata": { "finalizers": null } })).await;
    for child in [gone, deleting] {
        let (good, text) = finish(child).await;
        assert!(good, "{text}");
    }
    let (_, rows) = finish(watching).await;
    assert!(rows.lines().filter(|line| line.starts_with("s-1")).count() >= 2, "{rows}");
    kubectl.run(&["delete", "sessions", "--all"], "").await;
    assert!(Api::<Session>::default_namespaced(client.clone()).list(&Default::default()).await.unwrap().items.is_empty());
}
