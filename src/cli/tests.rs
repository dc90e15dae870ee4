//! The command line as a table, and the CLI as a client of the real door.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::{FutureExt, StreamExt};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::args::*;
use super::client::As;
use super::*;
use crate::api::approval::Identity;
use crate::config::{Secret, ServerFile, Tokens};
use crate::http::{Access, AdminError, Fault, HttpParts, LogSource, LogStream, Part, SandboxAdmin, SecretStore};

fn parsed(line: &str) -> Result<Command, clap::Error> {
    parse(std::iter::once("galley").chain(line.split_whitespace()).map(Into::into).collect(), Lang::En).map(|cli| cli.command)
}

#[test]
fn the_command_line_is_well_formed() {
    <Cli as clap::CommandFactory>::command().debug_assert();
    text::localise(Lang::Ja).debug_assert();
}

#[test]
fn every_documented_line_parses() {
    for line in [
        "serve",
        "serve --listen 0.0.0.0:8470 --data-dir /d --max-terraform 1",
        "mcp",
        "kubeconfig",
        "kubeconfig --approver --output /tmp/k",
        "apply -f -",
        "apply -f a.json --session new --target sandbox --desired-state applied",
        "apply --session s-1 --desired-state applied",
        "get designs",
        "get dsg s-1 -o yaml",
        "get sessions -w",
        "status s-1",
        "status s-1 --watch --until synced --timeout 60",
        "approve s-1 --plan 0123456789ab --yes",
        "status s-1 -o json",
        "plan s-1",
        "plan s-1 -o yaml",
        "diff s-1",
        "diff s-1 -o json",
        "completion bash",
        "completion zsh",
        "completion fish",
        "delete s-1 --wait",
        "logs s-1 -f",
        "crds",
        "demo --data-dir /d",
        "demo --keep",
        "sandbox list s-1",
        "sandbox set s-1 ocid1.x display_name=y",
        "sandbox delete s-1 ocid1.x",
        "sandbox fail s-1 oci_core_instance 400-LimitExceeded --operation create --times 2",
        "sandbox clear s-1",
        "secret set s-1 admin_password",
        "sandbox-provider --socket /s --cloud /c --types oci_core_vcn,oci_core_subnet --idle 60",
        "version",
    ] {
        if let Err(error) = parsed(line) {
            panic!("galley {line}: {error}");
        }
    }
    let Command::SandboxProvider(args) = parsed("sandbox-provider --socket /s --cloud /c --types a,b --idle 60").unwrap() else {
        panic!("another command")
    };
    assert_eq!((args.types, args.idle), (vec!["a".to_owned(), "b".to_owned()], 60));
}

#[test]
fn wrong_lines_are_refused_and_help_is_not_an_error() {
    for line in [
        "",
        "frobnicate",
        "get",
        "status",
        "apply",
        "get designs -o xml",
        "status s-1 --until never",
        "approve",
        "secret set s-1",
        "sandbox set s-1 id",
        "plan s-1 -o name",
        "completion cmd.exe",
    ] {
        assert!(parsed(line).unwrap_err().use_stderr(), "galley {line}");
    }
    for line in ["--help", "help", "get --help"] {
        assert!(!parsed(line).unwrap_err().use_stderr(), "galley {line}");
    }
    assert!(parsed("--help").unwrap_err().to_string().contains("waits for a person"), "exit codes are in the help");
}

#[test]
fn every_shell_completes_every_command_that_help_shows() {
    for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish] {
        for lang in [Lang::En, Lang::Ja] {
            let script = completion(shell, lang);
            for command in ["serve", "status", "approve", "sandbox", "--data-dir"] {
                assert!(script.contains(command.trim_start_matches("--")), "{shell} {lang:?}: {command}");
            }
        }
    }
}

#[test]
fn the_crds_are_four_yaml_documents() {
    let text = crds_yaml().unwrap();
    let kinds: Vec<String> =
        serde_yaml_documents(&text).iter().map(|crd| crd["spec"]["names"]["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["Session", "Design", "TerraformJob", "Approval"]);
}

fn serde_yaml_documents(text: &str) -> Vec<Value> {
    use serde::Deserialize;
    serde_yaml::Deserializer::from_str(text)
        .map(|document| serde_json::to_value(serde_yaml::Value::deserialize(document).unwrap()).unwrap())
        .collect()
}

/// Documents and hands of a server that knows one design.
struct Fake;

#[async_trait::async_trait]
impl SandboxAdmin for Fake {
    async fn list(&self, uid: &str) -> Result<Value, AdminError> {
        Ok(json!({ "resources": [], "uid": uid }))
    }
    async fn set(&self, _: &str, _: &str, _: &str, _: Value) -> Result<Value, AdminError> {
        Err(AdminError::NotFound("no such resource".into()))
    }
    async fn delete(&self, _: &str, id: &str) -> Result<Value, AdminError> {
        Ok(json!({ "deleted": id }))
    }
    async fn fail(&self, _: &str, _: Fault) -> Result<Value, AdminError> {
        Ok(json!({}))
    }
    async fn clear(&self, _: &str) -> Result<Value, AdminError> {
        Ok(json!({}))
    }
}

#[async_trait::async_trait]
impl SecretStore for Fake {
    async fn put(&self, _: &str, _: &str, _: Secret) -> Result<(), AdminError> {
        Ok(())
    }
}

#[async_trait::async_trait]
impl LogSource for Fake {
    async fn open(&self, _: &str, _: &str, _: bool) -> Result<LogStream, AdminError> {
        Ok(futures::stream::empty().boxed())
    }
}

fn status(code: u16, reason: &str) -> Response {
    let body = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": format!("{reason} says the server"), "reason": reason, "code": code });
    (http::StatusCode::from_u16(code).unwrap(), axum::Json(body)).into_response()
}

async fn kubernetes(request: Request) -> Response {
    let identity = request.extensions().get::<Identity>().cloned().unwrap();
    let path = request.uri().path().to_owned();
    let design = json!({ "apiVersion": "galley.dev/v1alpha1", "kind": "Design", "metadata": { "name": "s-1", "uid": "u-1", "generation": 2, "resourceVersion": "9",
            "annotations": { "who": format!("{}/{:?}", identity.name, identity.channel) } },
        "spec": { "sessionRef": "s-1", "desiredState": "Applied" },
        "status": { "observedGeneration": 2, "sync": "Synced", "health": "Healthy",
            "preview": { "counts": { "create": 1, "update": 0, "replace": 0, "delete": 0 }, "changes": [{ "address": "oci_core_vcn.vcn", "action": "create" }] },
            "conditions": [{ "type": "Ready", "status": "True", "reason": "Synced", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" }] } });
    match (request.method().as_str(), path.strip_prefix("/apis/galley.dev/v1alpha1/namespaces/default/").unwrap_or(&path)) {
        ("GET", "designs/s-1") => axum::Json(design).into_response(),
        ("GET", "designs") => axum::Json(
            json!({ "apiVersion": "galley.dev/v1alpha1", "kind": "DesignList", "metadata": { "resourceVersion": "9" }, "items": [design] }),
        )
        .into_response(),
        ("GET", "sessions/s-gone") => status(404, "NotFound"),
        ("DELETE", _) => status(403, "Forbidden"),
        _ => status(404, "NotFound"),
    }
}

struct Running {
    data: tempfile::TempDir,
    stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The real door with fakes behind it, and a data directory in which the CLI finds it.
async fn start() -> Running {
    let data = tempfile::tempdir().unwrap();
    let (editor, approver) = ("editor-token-0123456789", "approver-token-0123456789");
    std::fs::write(data.path().join("editor.token"), editor).unwrap();
    std::fs::write(data.path().join("approver.token"), approver).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    ServerFile::of(listener.local_addr().unwrap()).write(data.path()).unwrap();
    let fake = Arc::new(Fake);
    let parts = HttpParts {
        mcp: Router::new(),
        kubernetes: Router::new().fallback(kubernetes),
        tokens: Tokens { editor: Secret::new(editor), approver: Secret::new(approver) },
        access: Access::default(),
        ready: Arc::new(|| async { vec![Part { name: "store", ok: true, detail: None }] }.boxed()),
        metrics: Arc::new(String::new),
        sandbox: fake.clone(),
        secrets: fake.clone(),
        logs: fake,
        page: crate::http::page::tests::unanswered(),
    };
    let stop = CancellationToken::new();
    tokio::spawn(crate::http::serve(listener, crate::http::router(parts), stop.clone()));
    Running { data, stop }
}

fn environment(running: &Running, more: &[(&str, &str)]) -> Environment {
    let mut variables = vec![("GALLEY_DATA_DIR", running.data.path().to_str().unwrap())];
    variables.extend_from_slice(more);
    Environment::of(variables)
}

fn server(running: &Running, more: &[(&str, &str)]) -> Server {
    let settings = ClientSettings::load(&environment(running, more), &crate::config::SettingsArgs::default()).unwrap();
    Server::find(settings, Screen::plain(Lang::En)).unwrap()
}

#[tokio::test]
async fn the_cli_comes_in_by_the_path_and_says_that_a_person_types() {
    let running = start().await;
    for (who, expected) in [(As::Editor, "editor/Cli"), (As::Approver, "approver/Cli")] {
        let client = server(&running, &[]).kube(who).unwrap();
        let designs: kube::Api<crate::api::Design> = kube::Api::namespaced(client, crate::api::NAMESPACE);
        assert_eq!(designs.get("s-1").await.unwrap().metadata.annotations.unwrap()["who"], expected);
    }
}

struct Nothing;

#[async_trait]
impl Composition for Nothing {
    async fn serve(&self, _: Settings) -> anyhow::Result<()> {
        anyhow::bail!("not here")
    }
    async fn mcp(&self, _: Settings) -> anyhow::Result<()> {
        anyhow::bail!("not here")
    }
    async fn sandbox_provider(&self, _: SandboxProviderArgs) -> anyhow::Result<()> {
        anyhow::bail!("not here")
    }
    fn backstage(&self, _: &Settings) -> anyhow::Result<Arc<dyn demo::Backstage>> {
        anyhow::bail!("not here")
    }
}

async fn exit(running: &Running, more: &[(&str, &str)], line: &str) -> Result<Exit, Failure> {
    let cli = parse(std::iter::once("galley").chain(line.split_whitespace()).map(Into::into).collect(), Lang::En).unwrap();
    dispatch(cli, environment(running, more), Arc::new(Nothing), Screen::plain(Lang::En)).await
}

#[tokio::test]
async fn every_outcome_has_the_exit_code_that_help_promises() {
    let running = start().await;
    let empty = tempfile::tempdir().unwrap();
    let nowhere = empty.path().to_str().unwrap();
    for (why, more, line, code) in [
        ("there", vec![], "get design s-1", 0),
        ("a list", vec![], "get designs -o wide", 0),
        ("as YAML", vec![], "get designs -o yaml", 0),
        ("built as wanted", vec![], "status s-1", 0),
        ("also when watched", vec![], "status s-1 --watch --until synced --timeout 5", 0),
        ("not that yet", vec![], "status s-1 --until destroyed", 3),
        ("an empty cloud", vec![], "sandbox list s-1", 0),
        ("a fault", vec![], "sandbox fail s-1 * 429-TooManyRequests", 0),
        ("no such design", vec![], "status s-2", 4),
        ("as data", vec![], "status s-1 -o json", 0),
        ("as data once it is there", vec![], "status s-1 --watch --until synced --timeout 5 -o yaml", 0),
        ("what would change", vec![], "diff s-1", 0),
        ("what would change, as data", vec![], "diff s-1 -o yaml", 0),
        ("nothing that could change", vec![], "diff s-2", 4),
        ("no plan yet", vec![], "plan s-1", 4),
        ("no such resource", vec![], "sandbox set s-1 ocid1.x a=b", 4),
        ("no such job", vec![], "logs s-2", 4),
        ("no such kind", vec![], "get pods", 64),
        ("a fault that is none", vec![], "sandbox fail s-1 * Limit", 64),
        ("no such file", vec![], "apply -f /nonexistent.yaml", 64),
        ("a wrong setting of the client", vec![("GALLEY_TOKEN", "short")], "get designs", 64),
        ("forbidden", vec![], "delete s-1", 77),
        ("an unknown token", vec![("GALLEY_TOKEN", "unknown-token-0123456789")], "get designs", 77),
        ("an editor at the sandbox", vec![("GALLEY_APPROVER_TOKEN", "editor-token-0123456789")], "sandbox list s-1", 77),
        ("no server.json", vec![("GALLEY_DATA_DIR", nowhere)], "get designs", 69),
        ("nobody listens", vec![("GALLEY_URL", "http://127.0.0.1:1")], "get designs", 69),
        ("the server itself fails", vec![("GALLEY_TERRAFORM_BIN", "/bin/sh")], "demo", 1),
    ] {
        let (found, message) = match exit(&running, &more, line).await {
            Ok(exit) => (exit.code(), String::new()),
            Err(failure) => (failure.exit.code(), failure.message),
        };
        assert_eq!(found, code, "{why}: galley {line}: {message}");
        assert!(!message.contains("-token-0123456789"), "{why}: {message}");
        assert!(!message.contains('\n'), "{why}: one line: {message}");
    }
}

#[tokio::test]
async fn a_kubeconfig_is_for_its_owner_alone_and_leads_to_the_server() {
    let running = start().await;
    for (line, file, user) in [("kubeconfig", "kubeconfig", "editor"), ("kubeconfig --approver", "kubeconfig.approver", "approver")] {
        assert_eq!(exit(&running, &[], line).await.unwrap(), Exit::Done);
        let path = running.data.path().join(file);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let config =
            kube::Config::from_custom_kubeconfig(kube::config::Kubeconfig::read_from(&path).unwrap(), &Default::default()).await.unwrap();
        let designs: kube::Api<crate::api::Design> = kube::Api::default_namespaced(kube::Client::try_from(config).unwrap());
        let who = designs.get("s-1").await.unwrap().metadata.annotations.unwrap()["who"].clone();
        assert_eq!(who, format!("{user}/Kubernetes"), "kubectl is not the CLI");
    }
}
