//! Unmodified kubectl against a live server with its controllers: a design is applied as YAML, planned, approved, built,
//! looked at in every way kubectl has, and taken down. Finds kubectl through `GALLEY_TEST_KUBECTL` or `.cache/bin/kubectl`;
//! without one it prints one line and passes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::world::{EDITOR, World};

fn kubectl_path() -> Option<PathBuf> {
    let named = std::env::var_os("GALLEY_TEST_KUBECTL").map(PathBuf::from).filter(|path| path.is_file());
    let cached = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/bin/kubectl");
    named.or_else(|| cached.is_file().then_some(cached))
}

struct Kubectl {
    path: PathBuf,
    config: PathBuf,
    home: PathBuf,
}

impl Kubectl {
    /// A kubectl that knows only what `galley kubeconfig` wrote.
    fn of(world: &World, path: PathBuf) -> Kubectl {
        let output = Command::new(env!("CARGO_BIN_EXE_galley"))
            .arg("kubeconfig")
            .env("GALLEY_DATA_DIR", world.data_dir())
            .env("GALLEY_TOKEN", EDITOR)
            .output()
            .expect("galley kubeconfig");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let config = PathBuf::from(String::from_utf8(output.stdout).expect("text").trim());
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&config).expect("kubeconfig").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "the kubeconfig holds a credential");
        Kubectl { path, config, home: world.dir.path().join("home") }
    }

    /// Runs to its end off the runtime: (succeeded, stdout, stderr).
    async fn try_run(&self, arguments: &[&str], input: &str) -> (bool, String, String) {
        let mut command = Command::new(&self.path);
        command.env_clear().env("HOME", &self.home).env("PATH", "/usr/bin:/bin");
        command.arg("--kubeconfig").arg(&self.config).args(["--request-timeout=90s"]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let input = input.to_owned();
        let run = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().expect("kubectl starts");
            child.stdin.take().expect("stdin").write_all(input.as_bytes()).expect("input");
            child.wait_with_output().expect("kubectl ends")
        });
        let output = run.await.expect("joined");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }

    async fn run(&self, arguments: &[&str]) -> String {
        self.with(arguments, "").await
    }

    async fn with(&self, arguments: &[&str], input: &str) -> String {
        let (good, out, error) = self.try_run(arguments, input).await;
        assert!(good, "kubectl {arguments:?}: {error}{out}");
        out
    }
}

fn documents(name: &str, state: &str) -> String {
    format!(
        "apiVersion: galley.dev/v1alpha1
kind: Session
metadata: {{name: {name}}}
spec: {{title: kubectl}}
---
apiVersion: galley.dev/v1alpha1
kind: Design
metadata: {{name: {name}, labels: {{team: a}}}}
spec:
  sessionRef: {name}
  target: sandbox
  desiredState: {state}
  components:
  - {{id: lake, serviceType: objectstorage, displayName: data-lake, config: {{}}}}
  connections: []
"
    )
}

#[tokio::test]
async fn kubectl_alone_plans_approves_builds_and_takes_down_a_design() {
    let Some(path) = kubectl_path() else {
        println!("SKIPPED: no kubectl; tools/fetch.sh kubectl puts one into .cache/bin");
        return;
    };
    let world = World::start().await;
    let kubectl = Kubectl::of(&world, path);
    let name = "s-kubectl";
    let design = format!("design/{name}");

    // apply -f, and again with a change: what is the same is said to be the same
    kubectl.with(&["apply", "-f", "-"], &documents(name, "Planned")).await;
    assert!(kubectl.with(&["apply", "-f", "-"], &documents(name, "Planned")).await.contains("unchanged"), "a second apply changes nothing");
    kubectl.run(&["wait", &design, "--for=condition=Ready", "--timeout=60s"]).await;
    let table = kubectl.run(&["get", "designs", "-l", "team=a"]).await;
    assert!(table.contains(name) && table.to_lowercase().contains("planned"), "{table}");
    let galley = kubectl.run(&["get", "galley"]).await;
    assert!(
        galley.contains("session.galley.dev/s-kubectl") && galley.contains("terraformjob.galley.dev/"),
        "every kind by its category: {galley}"
    );
    assert_eq!(kubectl.run(&["get", &design, "-o", "jsonpath={.status.plan.counts.create}"]).await, "1");

    // patch, and watch until what follows from it
    kubectl.run(&["patch", &design, "--type=merge", "-p", r#"{"spec":{"desiredState":"Applied"}}"#]).await;
    kubectl
        .run(&["wait", &design, r#"--for=jsonpath={.status.conditions[?(@.type=="Ready")].reason}=AwaitingApproval"#, "--timeout=60s"])
        .await;
    let plan = kubectl
        .run(&[
            "get",
            &design,
            "-o",
            "jsonpath={.metadata.uid} {.status.plan.planSha256} {.status.plan.generation} {.status.plan.expiresAt}",
        ])
        .await;
    let [uid, sha, generation, expires] = plan.split(' ').collect::<Vec<_>>()[..] else { panic!("{plan}") };
    let approval = format!(
        "{{apiVersion: galley.dev/v1alpha1, kind: Approval, metadata: {{generateName: {name}-}}, spec: {{designRef: {name}, designUid: {uid}, planSha256: {sha}, generation: {generation}, expiresAt: \"{expires}\"}}}}"
    );
    let created = kubectl.with(&["create", "-f", "-", "-o", "name"], &approval).await;
    kubectl.run(&["wait", &design, r#"--for=jsonpath={.status.conditions[?(@.type=="Ready")].reason}=Synced"#, "--timeout=60s"]).await;
    assert_eq!(world.cloud(name).await.list().expect("cloud").len(), 1, "the bucket is in the cloud");
    assert_eq!(kubectl.run(&["get", created.trim(), "-o", "jsonpath={.status.approver}/{.status.channel}"]).await, "editor/kubernetes");

    // describe shows conditions and events; --watch ends when it was told to; a wrong document is refused with its place
    let described = kubectl.run(&["describe", &design]).await;
    assert!(described.contains("Conditions:") && described.contains("Events:") && described.contains("Synced"), "{described}");
    let (_, watched, _) = kubectl.try_run(&["get", &design, "--watch", "-o", "name", "--request-timeout=1s"], "").await;
    assert!(watched.contains(name), "the watch begins with what is there: {watched}");
    let (good, _, error) = kubectl.try_run(&["apply", "-f", "-"], &documents(name, "Flying")).await;
    assert!(!good && error.contains("desiredState") && error.contains("Planned"), "the choices are named: {error}");
    let (good, _, error) = kubectl.try_run(&["delete", created.trim(), "--dry-run=server"], "").await;
    assert!(good, "{error}");

    // delete waits for the destroy, the destroy for its approval
    kubectl.run(&["delete", &design, "--wait=false"]).await;
    kubectl.run(&["wait", &design, r#"--for=jsonpath={.status.plan.destroy}=true"#, "--timeout=60s"]).await;
    kubectl
        .run(&["wait", &design, r#"--for=jsonpath={.status.conditions[?(@.type=="Ready")].reason}=AwaitingApproval"#, "--timeout=60s"])
        .await;
    assert_eq!(world.cloud(name).await.list().expect("cloud").len(), 1, "nothing is destroyed before the approval");
    let uid = uid.to_owned();
    world.approve(name, EDITOR).await;
    kubectl.run(&["wait", &design, "--for=delete", "--timeout=60s"]).await;
    assert!(world.cloud_of(&uid).list().expect("cloud").is_empty(), "the cloud is empty");
    kubectl.run(&["delete", &format!("session/{name}"), "--timeout=60s"]).await;
    let left = kubectl.run(&["get", "sessions,designs"]).await;
    assert!(!left.contains(name), "{left}");
}
