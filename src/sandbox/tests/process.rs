//! The provider as a process: sharing, dying, leaving.

use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;
use crate::sandbox::provider::Error;
use crate::sandbox::{FaultOperation, Operation};

/// Not a test by itself: the body of a child process that `spawn_provider` starts from this very binary.
#[test]
fn provider_process() {
    let Ok(socket) = std::env::var("GALLEY_TEST_SOCKET") else { return };
    let cloud_dir = PathBuf::from(std::env::var("GALLEY_TEST_CLOUD").unwrap());
    let idle_exit = Duration::from_millis(std::env::var("GALLEY_TEST_IDLE_MS").unwrap().parse().unwrap());
    let exit = provider::serve(Options { socket: socket.into(), cloud_dir, types: BTreeSet::new(), idle_exit }).unwrap();
    std::process::exit(match exit {
        Exit::Stopped => 10,
        Exit::Idle => 11,
        Exit::Replaced => 12,
    });
}

fn spawn_provider(world: &World, idle: Duration) -> Child {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sandbox::tests::process::provider_process", "--nocapture", "--test-threads=1"])
        .env("GALLEY_TEST_SOCKET", world.socket())
        .env("GALLEY_TEST_CLOUD", world.cloud_dir())
        .env("GALLEY_TEST_IDLE_MS", idle.as_millis().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let socket = world.socket();
    wait_for("the child's socket", || UnixStream::connect(&socket).is_ok());
    child
}

/// A world without a provider in this process.
fn bare() -> World {
    let mut world = World::new();
    drop(world.stop.take());
    assert_eq!(world.thread.take().unwrap().join().unwrap(), Exit::Stopped);
    assert!(!world.socket().exists(), "a provider removes its socket");
    world
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

#[test]
fn a_provider_killed_during_an_apply_loses_nothing_that_was_acknowledged() {
    let world = bare();
    copy_minimal(&world.work());
    world.write(
        "terraform.tfvars",
        "region = \"ap-osaka-1\"\ntenancy_ocid = \"ocid1.tenancy.oc1..t\"\ncompartment_ocid = \"ocid1.compartment.oc1..c\"\nadmin_password = \"Galley-Sandbox-01\"\n",
    );
    let cloud = world.cloud();
    cloud.delay(FaultOperation::One(Operation::Create), "*", Duration::from_millis(150)).unwrap();
    let mut process = spawn_provider(&world, DEADLINE);
    let mut terraform = world.command(&["apply", "-auto-approve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("40 resources", || cloud.list().unwrap().len() >= 40);
    signal(&process, Signal::SIGKILL);
    process.wait().unwrap();
    assert!(!terraform.wait().unwrap().success());
    let state: Json = serde_json::from_slice(&fs::read(world.work().join("terraform.tfstate")).unwrap()).unwrap();
    let recorded: BTreeSet<&str> = state["resources"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|r| r["mode"] == "managed")
        .flat_map(|r| r["instances"].as_array().unwrap())
        .map(|i| i["attributes"]["id"].as_str().unwrap())
        .collect();
    let here = cloud.list().unwrap();
    let held: BTreeSet<&str> = here.iter().filter_map(|r| r.text("id")).collect();
    assert!(recorded.len() >= 20 && recorded.is_subset(&held), "acknowledged but lost: {:?}", recorded.difference(&held));
    // Whatever was in flight is in the cloud and not in the state: the next provider still has it.
    cloud.clear_faults().unwrap();
    let mut again = spawn_provider(&world, DEADLINE);
    assert_eq!(world.cloud().list().unwrap().len(), here.len());
    world.expect(2, &["plan", "-detailed-exitcode"]);
    signal(&again, Signal::SIGTERM);
    assert_eq!(again.wait().unwrap().code(), Some(10));
}

#[test]
fn two_processes_on_one_cloud_see_the_same_truth() {
    let world = World::new();
    world.write("main.tf", SMALL);
    world.apply();
    // The server's side: another handle on the same directory, as `galley sandbox` has it.
    let other = world.cloud();
    let vcn = world.resources("oci_core_vcn").remove(0);
    other.set(&vcn.id, "display_name", "from the other side".into()).unwrap();
    world.expect(0, &["apply", "-auto-approve", "-refresh-only"]);
    let shown = world.expect(0, &["state", "show", "oci_core_vcn.main"]);
    assert!(shown.contains("from the other side"), "{shown}");
    other.compact().unwrap();
    world.expect(0, &["destroy", "-auto-approve"]);
    assert_eq!(other.list().unwrap(), []);
}

#[test]
fn an_interrupted_apply_waits_for_what_runs_and_records_it() {
    let world = World::new();
    world.write("main.tf", SMALL);
    let cloud = world.cloud();
    cloud.delay(FaultOperation::One(Operation::Create), "*", Duration::from_millis(700)).unwrap();
    let mut terraform = world.command(&["apply", "-auto-approve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the first resources", || cloud.list().unwrap().len() >= 2);
    signal(&terraform, Signal::SIGINT);
    assert_eq!(terraform.wait().unwrap().code(), Some(1));
    assert_eq!(world.state().len(), cloud.list().unwrap().len(), "everything that was made is recorded");
    assert!(cloud.list().unwrap().len() < 9, "and the rest was not started");
}

#[test]
fn the_process_leaves_when_nobody_is_connected() {
    let world = bare();
    let mut process = spawn_provider(&world, Duration::from_millis(300));
    assert_eq!(process.wait().unwrap().code(), Some(11));
    assert!(!world.socket().exists());
}

#[test]
fn the_process_leaves_when_its_socket_is_replaced_or_removed_and_ignores_the_terminal() {
    let world = bare();
    let mut first = spawn_provider(&world, DEADLINE);
    assert_eq!(fs::metadata(world.socket()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(world.socket().parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    signal(&first, Signal::SIGINT);
    signal(&first, Signal::SIGHUP);
    let mut second = spawn_provider(&world, DEADLINE);
    assert_eq!(first.wait().unwrap().code(), Some(12));
    assert!(UnixStream::connect(world.socket()).is_ok(), "the successor's socket was left alone");
    fs::remove_file(world.socket()).unwrap();
    assert_eq!(second.wait().unwrap().code(), Some(12));
}

#[test]
fn a_path_that_no_socket_can_have_is_refused_with_its_length() {
    let world = bare();
    let mut options = world.options(&[]);
    options.socket = world.dir.path().join("x".repeat(120));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let error = runtime.block_on(provider::run(options, std::future::pending())).unwrap_err();
    assert!(matches!(error, Error::PathTooLong { length, most: 107, .. } if length > 120), "{error}");
}

#[test]
fn only_the_types_of_the_design_are_served_and_those_that_the_cloud_holds() {
    let world = World::serving(&["oci_core_vcn", "oci_core_services"]);
    world.write("main.tf", "terraform {\n  required_providers {\n    oci = { source = \"oracle/oci\" }\n  }\n}\nprovider \"oci\" {}\n");
    let served = |world: &World, kind: &str| -> Vec<String> {
        let output = world.run(&["providers", "schema", "-json"]);
        let schema: Json = serde_json::from_slice(&output.stdout).unwrap();
        schema["provider_schemas"]["registry.terraform.io/oracle/oci"][kind]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(k, _)| k.clone())
            .collect()
    };
    assert_eq!(served(&world, "resource_schemas"), ["oci_core_vcn"]);
    // A name may be both: a data source that is not used costs nothing.
    assert_eq!(served(&world, "data_source_schemas"), ["oci_core_services", "oci_core_vcn"]);
    let resource = CloudResource {
        id: "b".into(),
        resource_type: "oci_objectstorage_bucket".into(),
        attributes: serde_json::json!({"id": "b"}),
        created_at: String::new(),
        tags: Default::default(),
    };
    world.cloud().transact(|t| t.put(resource)).unwrap();
    assert_eq!(served(&world, "resource_schemas"), ["oci_core_vcn", "oci_objectstorage_bucket"]);
}
