//! Plans, refreshes, versions, secrets.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::super::*;
use super::fakes::*;
use crate::api::design::Severity;
use crate::blobs::{BlobKey, Blobs, JobBlob};

const TWO: &str = r#"
resource "terraform_data" "a" {
  input = "a"
}
resource "terraform_data" "b" {
  input = terraform_data.a.output
}
output "id" {
  value = terraform_data.a.id
}
"#;

#[tokio::test]
async fn a_plan_is_recorded_with_both_digests_and_is_in_blobs_before_anybody_hears_of_it() {
    let bench = Bench::new();
    let done = bench.run(bench.input("u1", "plan-1", Action::Plan, TWO).await).await.unwrap();
    assert_eq!(done.phase, JobPhase::Succeeded, "{done:?}");
    let plan = done.plan.unwrap();
    assert_eq!((plan.counts.create, plan.counts.total(), plan.lineage.as_str(), plan.serial), (2, 2, "", 0));
    assert!(plan.output_changes && plan.is_harmless() && !plan.is_empty());
    assert_eq!(plan.expires_at.0.duration_since(plan.created_at.0).as_secs(), 3600);
    let bytes = bench.blob(&BlobKey::job("u1", "plan-1", JobBlob::Plan)).unwrap();
    assert_eq!(crate::plan::canonical::sha256_hex(&bytes), plan.plan_sha256);
    assert!(bench.blob(&BlobKey::job("u1", "plan-1", JobBlob::PlanJson)).is_some());
    assert!(bench.log("u1", "plan-1").contains("terraform_data.a: Plan to create"));
    let again = bench.run(bench.input("u1", "plan-2", Action::Plan, TWO).await).await.unwrap().plan.unwrap();
    assert_eq!(again.semantic_sha256, plan.semantic_sha256, "people see the same plan");
    assert!(!bench.state_file("u1").exists(), "planning writes no state");
}

#[tokio::test]
async fn a_plan_that_terraform_refuses_says_where_and_who_acts() {
    let bench = Bench::new();
    let text = "resource \"terraform_data\" \"a\" {\n  input = var.missing\n}\n";
    let done = bench.run(bench.input("u1", "plan", Action::Plan, text).await).await.unwrap();
    assert_eq!((done.phase, done.reason, done.who_acts), (JobPhase::Failed, Some(Reason::JobFailed), Some(WhoActs::Stalled)));
    let diagnostic = &done.diagnostics[0];
    assert_eq!((diagnostic.severity, diagnostic.file.as_deref(), diagnostic.line), (Severity::Error, Some("main.tf"), Some(2)));
    assert!(done.message.unwrap().contains("undeclared"));
}

#[tokio::test]
async fn a_secret_is_in_the_plan_and_in_no_log_no_view_and_no_file_left_behind() {
    let bench = Bench::new();
    let text = "variable \"password\" {\n  type = string\n  sensitive = true\n}\nresource \"terraform_data\" \"a\" {\n  input = var.password\n  provisioner \"local-exec\" {\n    command = \"echo 'It is ${nonsensitive(var.password)}'\"\n  }\n}\n";
    let mut input = bench.input("u1", "plan", Action::Plan, text).await;
    input.secrets.insert("password".into(), Secret("hunter2&\"x".into()));
    assert!(!format!("{input:?}").contains("hunter2"));
    let apply = bench.planned_with(input).await;
    let done = bench.run(apply).await.unwrap();
    assert_eq!(done.phase, JobPhase::Succeeded, "{done:?}");
    let state = bench.runner.state("u1").await.unwrap().unwrap();
    assert!(state.raw.to_string().contains("hunter2"), "it did arrive");
    assert!(!format!("{done:?} {state:?}").contains("hunter2"));
    for job in ["plan", "apply"] {
        assert!(!bench.log("u1", job).is_empty() && !bench.log("u1", job).contains("hunter2"), "{job}");
    }
    let json = bench.blob(&BlobKey::job("u1", "plan", JobBlob::PlanJson)).unwrap();
    let details = crate::plan::PlanDetails::parse(&json).unwrap();
    let shown = serde_json::to_string(&details.resource("terraform_data.a").unwrap()).unwrap();
    assert!(shown.contains("(sensitive)") && !shown.contains("hunter2"), "{shown}");
    let jobs = bench.work("u1").join(".galley/jobs");
    for (job, name) in [("plan", "secrets.tfvars.json"), ("plan", "plan.bin"), ("plan", "show.out"), ("apply", "plan.bin")] {
        assert!(jobs.join(job).is_dir() && !jobs.join(job).join(name).exists(), "{job}/{name}");
    }
    assert_eq!(mode(&bench.work("u1")), 0o700);
    for file in ["terraform.tfstate", "terraform.tfstate.backup", "main.tf", ".galley/jobs/apply/apply.out"] {
        assert_eq!(mode(&bench.work("u1").join(file)), 0o600, "{file}");
    }
}

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn files_that_are_no_longer_rendered_are_removed_and_hostile_names_refused() {
    let bench = Bench::new();
    let mut input = bench.input("u1", "plan-1", Action::Plan, TWO).await;
    input.files.insert("old.tf".into(), "resource \"terraform_data\" \"old\" {}".into());
    assert_eq!(bench.run(input.clone()).await.unwrap().plan.unwrap().counts.create, 3);
    std::fs::write(bench.work("u1").join("foreign.tf.json"), "{}").unwrap();
    input.files.remove("old.tf");
    input.job = "plan-2".into();
    assert_eq!(bench.run(input.clone()).await.unwrap().plan.unwrap().counts.create, 2);
    assert!(!bench.work("u1").join("foreign.tf.json").exists());
    for name in ["../x.tf", "a/b.tf", ".hidden.tf", "x.tf.json", "terraform.tfstate", "x.sh", "terraform.tfvars.json"] {
        let mut hostile = input.clone();
        hostile.files.insert(name.into(), String::new());
        assert!(matches!(bench.run(hostile).await, Err(Error::Io { .. })), "{name}");
    }
}

#[tokio::test]
async fn variables_reach_a_bare_terraform_in_the_directory_too() {
    let bench = Bench::new();
    let mut input =
        bench.input("u1", "plan", Action::Plan, "variable \"v\" {}\nresource \"terraform_data\" \"a\" {\n  input = var.v\n}\n").await;
    input.variables.insert("v".into(), "日本 ${x}".into());
    let apply = bench.planned_with(input).await;
    assert_eq!(bench.run(apply).await.unwrap().phase, JobPhase::Succeeded);
    let bare = std::process::Command::new("terraform")
        .args(["plan", "-detailed-exitcode", "-input=false"])
        .current_dir(bench.work("u1"))
        .env("TF_CLI_CONFIG_FILE", bench.directory.path().join("work/terraform.rc"))
        .output()
        .unwrap();
    assert_eq!(bare.status.code(), Some(0), "{}", String::from_utf8_lossy(&bare.stdout));
}

#[tokio::test]
async fn a_refresh_of_what_is_unchanged_finds_no_drift_and_writes_nothing() {
    let bench = Bench::new();
    bench.applied("u1", TWO).await;
    let before = std::fs::read(bench.state_file("u1")).unwrap();
    let done = bench.run(bench.input("u1", "refresh", Action::Refresh, TWO).await).await.unwrap();
    assert_eq!((done.phase, done.drift.len(), done.plan), (JobPhase::Succeeded, 0, None));
    assert_eq!(std::fs::read(bench.state_file("u1")).unwrap(), before);
}

#[tokio::test]
async fn an_import_that_the_state_holds_already_is_left_out() {
    let bench = Bench::new();
    bench.applied("u1", TWO).await;
    let mut input = bench.input("u1", "plan-2", Action::Plan, TWO).await;
    let id = bench.runner.state("u1").await.unwrap().unwrap().resources["terraform_data.a"].1.clone().unwrap();
    input.imports.insert("terraform_data.a".into(), id);
    let done = bench.run(input).await.unwrap();
    let plan = done.plan.unwrap();
    assert!(plan.is_empty() && plan.imports.is_empty() && plan.is_harmless());
    assert!(!bench.work("u1").join("galley_imports.tf").exists());
}

#[tokio::test]
async fn an_import_takes_the_place_of_a_dead_object_of_its_address() {
    let bench = Bench::new();
    bench.applied("u1", TWO).await;
    let before = bench.runner.state("u1").await.unwrap().unwrap();
    let mut input = bench.input("u1", "plan-2", Action::Plan, TWO).await;
    let new = "00000000-0000-0000-0000-000000000001".to_owned();
    input.imports.insert("terraform_data.a".into(), new.clone());
    let mut apply = bench.planned_with(input).await;
    let struck = bench.runner.state("u1").await.unwrap().unwrap();
    assert_eq!((struck.record.serial, struck.record.resources), (before.record.serial + 1, before.record.resources - 1));
    assert!(!struck.resources.contains_key("terraform_data.a") && struck.resources.contains_key("terraform_data.b"));
    let mirrored = bench.blobs.get(&BlobKey::state("u1", struck.record.serial)).await.unwrap().unwrap();
    assert_eq!(StateView::parse(&mirrored).unwrap().resources, struck.resources, "what was struck out of the file is out of the mirror");
    apply.expected_state = Some(struck.record.clone());
    let done = bench.run(apply).await.unwrap();
    assert_eq!(done.phase, JobPhase::Succeeded, "{done:?}");
    let state = bench.runner.state("u1").await.unwrap().unwrap();
    assert_eq!(state.resources["terraform_data.a"].1, Some(new));
    assert_eq!(state.resources["terraform_data.b"], before.resources["terraform_data.b"], "nothing else is touched");
}

#[tokio::test]
async fn an_import_is_planned_as_one() {
    let bench = Bench::new();
    let mut input = bench.input("u1", "plan", Action::Plan, "resource \"terraform_data\" \"a\" {}\n").await;
    input.imports.insert("terraform_data.a".into(), "00000000-0000-0000-0000-000000000001".into());
    let apply = bench.planned_with(input).await;
    let done = bench.run(apply).await.unwrap();
    assert_eq!((done.phase, done.created), (JobPhase::Succeeded, vec!["terraform_data.a".to_owned()]));
    let state = bench.runner.state("u1").await.unwrap().unwrap();
    assert_eq!(state.resources["terraform_data.a"].1.as_deref(), Some("00000000-0000-0000-0000-000000000001"));
}

#[tokio::test]
async fn the_version_is_asked_once_per_binary_also_over_restarts() {
    let bench = Bench::new();
    let count = bench.directory.path().join("count");
    let wrapper = script(bench.directory.path(), &format!("echo run >> {}\nexec /usr/local/bin/terraform \"$@\"\n", count.display()));
    let runs = || std::fs::read_to_string(&count).unwrap_or_default().lines().count();
    for _ in 0..2 {
        let with = Bench::with(|options| {
            options.binary = wrapper.clone();
            options.work_root = bench.directory.path().join("work");
        });
        assert_eq!(with.runner.version().await.unwrap(), "1.11.4");
        assert_eq!(with.runner.version().await.unwrap(), "1.11.4");
        assert_eq!(runs(), 1);
    }
    script(bench.directory.path(), &format!("echo another >> {}\nexec /usr/local/bin/terraform \"$@\"\n", count.display()));
    let with = Bench::with(|options| {
        options.binary = wrapper.clone();
        options.work_root = bench.directory.path().join("work");
    });
    assert_eq!(with.runner.version().await.unwrap(), "1.11.4");
    assert_eq!(runs(), 2, "another binary under the same name");
    let absent = Bench::with(|options| options.binary = "/no/terraform".into());
    assert!(matches!(absent.runner.version().await, Err(Error::Start { .. })));
}

#[tokio::test]
async fn a_cancelled_plan_changes_nothing_and_says_so() {
    let scripts = tempfile::tempdir().unwrap();
    let wrapper = script(scripts.path(), "exec sleep 60\n");
    let hanging = Bench::with(|options| options.binary = wrapper);
    let mut started = hanging.start(hanging.input("u1", "plan", Action::Plan, TWO).await);
    let owner = started.owner().await;
    assert!(crate::process::is_alive(owner.pid.unwrap(), owner.start_time.unwrap()));
    started.cancel.cancel();
    let done = started.task.await.unwrap().unwrap();
    assert_eq!((done.phase, done.reason, done.plan), (JobPhase::Cancelled, Some(Reason::Cancelled), None));
}

#[tokio::test]
async fn a_run_that_floods_its_output_is_stopped_and_its_log_stays_bounded() {
    let bench = Bench::with(|options| {
        options.output_limit = 3_000_000;
        options.log_limit = 20_000;
        options.log_flush = Duration::from_millis(20);
    });
    let text = "resource \"terraform_data\" \"a\" {\n  provisioner \"local-exec\" {\n    command = \"yes 0123456789012345678901234567890123456789 | head -c 40000000; sleep 30\"\n  }\n}\n";
    let apply = bench.planned("u1", text).await;
    let done = tokio::time::timeout(Duration::from_secs(30), bench.run(apply)).await.unwrap().unwrap();
    assert!(matches!(done.phase, JobPhase::Failed | JobPhase::Interrupted), "{done:?}");
    assert!(bench.log("u1", "apply").len() < 25_000);
    assert!(bench.log("u1", "apply").contains("lines are left out here"));
}

/// A zip as a provider mirror holds it; the "provider" is a program that runs for as long as it is told.
fn packed_provider(mirror: &std::path::Path) {
    use std::io::Write;
    let place = mirror.join("registry.terraform.io/acme/fake");
    std::fs::create_dir_all(&place).unwrap();
    let mut zip = zip::ZipWriter::new(std::fs::File::create(place.join("terraform-provider-fake_1.0.0_linux_amd64.zip")).unwrap());
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    zip.start_file("terraform-provider-fake_v1.0.0", options).unwrap();
    zip.write_all(&std::fs::read("/bin/sleep").unwrap()).unwrap();
    zip.finish().unwrap();
}

fn files_below(directory: &std::path::Path, name: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => files_below(&entry.path(), name),
            Ok(kind) if kind.is_file() && entry.file_name().to_string_lossy().starts_with(name) => vec![entry.path()],
            _ => vec![],
        })
        .collect()
}

#[tokio::test]
async fn many_designs_share_one_copy_of_a_provider_also_while_it_runs() {
    let mirror = tempfile::tempdir().unwrap();
    packed_provider(mirror.path());
    let cli_config = format!("provider_installation {{\n  filesystem_mirror {{\n    path = {:?}\n  }}\n}}\n", mirror.path());
    let bench = Bench::with(|options| options.cli_config = cli_config);
    let text =
        "terraform {\n  required_providers {\n    fake = {\n      source = \"acme/fake\"\n    }\n  }\n}\nresource \"fake_thing\" \"a\" {}";
    // what is planned afterwards fails, because the provider speaks no protocol; init is what is looked at
    let init = async |uid: &str| {
        let done = bench.run(bench.input(uid, "plan", Action::Plan, text).await).await.unwrap();
        let marker = bench.work(uid).join(".galley/init.sha256");
        assert!(marker.exists(), "{uid}: init failed: {done:?}");
    };
    init("u0").await;
    let copies = files_below(bench.directory.path(), "terraform-provider-fake");
    assert_eq!(copies.len(), 1, "{copies:?}");
    let running = crate::process::spawn(crate::process::Command::new(&copies[0]).args(["60"])).await.unwrap();
    futures::join!(init("u1"), init("u2"), init("u3"), init("u4"));
    assert_eq!(running.try_wait(), None, "the copy that runs is left alone");
    running.signal(crate::process::Signal::SIGKILL).unwrap();
    assert_eq!(files_below(bench.directory.path(), "terraform-provider-fake"), copies, "still one copy on disk");
}
