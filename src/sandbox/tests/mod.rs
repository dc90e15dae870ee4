//! Real Terraform against the sandbox: the harness. Every test has its own directory, socket, cloud and provider.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tokio::sync::oneshot;

use super::provider::{self, Exit, Options, reattach_environment};
use super::{Cloud, CloudResource};

mod faults;
mod life;
mod process;
mod random;
mod services;

const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for a condition; panics with what was waited for.
fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A provider in this process. Terraform is given the pid of an idle child: it kills that pid when the socket is dead.
struct World {
    dir: tempfile::TempDir,
    anchor: Child,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Exit>>,
}

impl World {
    /// A provider that serves all types, and an empty cloud.
    fn new() -> World {
        World::serving(&[])
    }

    fn serving(types: &[&str]) -> World {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("work")).unwrap();
        fs::write(dir.path().join("terraform.rc"), "disable_checkpoint = true\n").unwrap();
        let anchor = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
        let mut world = World { dir, anchor, stop: None, thread: None };
        world.start(types);
        world
    }

    fn options(&self, types: &[&str]) -> Options {
        let types: BTreeSet<String> = types.iter().map(|name| (*name).to_owned()).collect();
        Options { socket: self.socket(), cloud_dir: self.cloud_dir(), types, idle_exit: Duration::from_secs(600) }
    }

    fn start(&mut self, types: &[&str]) {
        let options = self.options(types);
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(provider::run(options, async { drop(stopped.await) })).unwrap()
        });
        self.stop = Some(stop);
        self.thread = Some(thread);
        let socket = self.socket();
        wait_for("the socket", || UnixStream::connect(&socket).is_ok());
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("s/p.sock")
    }

    fn cloud_dir(&self) -> PathBuf {
        self.dir.path().join("cloud")
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    fn cloud(&self) -> Cloud {
        Cloud::open(self.cloud_dir()).unwrap()
    }

    /// The resources of a type.
    fn resources(&self, resource_type: &str) -> Vec<CloudResource> {
        self.cloud().list().unwrap().into_iter().filter(|r| r.resource_type == resource_type).collect()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.work().join(name), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("terraform");
        command.args(args).arg("-no-color").current_dir(self.work()).env_clear().stdin(Stdio::null());
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.dir.path()).env("TF_IN_AUTOMATION", "1").env("TF_INPUT", "0");
        command.env("TF_CLI_CONFIG_FILE", self.dir.path().join("terraform.rc"));
        command.envs(reattach_environment(&self.socket(), self.anchor.id()));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs Terraform, which must end with this code; gives what it printed.
    fn expect(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "terraform {args:?}\n{text}");
        text
    }

    fn apply(&self) -> String {
        self.expect(0, &["apply", "-auto-approve"])
    }

    /// A plan that finds nothing to do.
    fn expect_no_changes(&self) {
        self.expect(0, &["plan", "-detailed-exitcode"]);
    }

    /// A plan with changes, as JSON.
    fn plan(&self) -> Json {
        self.expect(2, &["plan", "-detailed-exitcode", "-out=p"]);
        self.shown_plan()
    }

    fn shown_plan(&self) -> Json {
        let output = self.run(&["show", "-json", "p"]);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Addresses in the state, sorted.
    fn state(&self) -> Vec<String> {
        let output = self.run(&["state", "list"]);
        let mut lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        lines.retain(|line| !line.starts_with("data."));
        lines.sort();
        lines
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = self.anchor.kill();
        let _ = self.anchor.wait();
    }
}

/// `action address` of every planned change, sorted.
fn actions(plan: &Json) -> Vec<String> {
    let changes = plan["resource_changes"].as_array().into_iter().flatten();
    let mut found: Vec<String> = changes
        .filter(|change| change["mode"] == "managed")
        .map(|change| {
            let actions: Vec<&str> = change["change"]["actions"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
            format!("{} {}", actions.join("/"), change["address"].as_str().unwrap())
        })
        .filter(|line| !line.starts_with("no-op"))
        .collect();
    found.sort();
    found
}

/// `action address` of everything that drifted.
fn drift(plan: &Json) -> Vec<String> {
    let changes = plan["resource_drift"].as_array().into_iter().flatten();
    changes.map(|c| format!("{} {}", c["change"]["actions"][0].as_str().unwrap(), c["address"].as_str().unwrap())).collect()
}

/// Copies the known-good configuration of every service.
fn copy_minimal(to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sandbox/testdata/tf-minimal");
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// A small design: network, a VM, a rule, a bucket, a database; tagged as Galley tags.
const SMALL: &str = r#"
terraform {
  required_providers {
    oci = { source = "oracle/oci" }
  }
}
provider "oci" {
  region = "ap-tokyo-1"
}
variable "name" { default = "web" }
variable "label" { default = "pub" }
variable "password" {
  default   = "Galley-Sandbox-01"
  sensitive = true
}
locals { compartment = "ocid1.compartment.oc1..aaaaaaaawork" }
data "oci_identity_availability_domains" "ads" { compartment_id = local.compartment }
data "oci_core_images" "linux" {
  compartment_id           = local.compartment
  operating_system         = "Oracle Linux"
  operating_system_version = "9"
  shape                    = "VM.Standard.E4.Flex"
}
data "oci_objectstorage_namespace" "ns" { compartment_id = local.compartment }
resource "oci_core_vcn" "main" {
  compartment_id = local.compartment
  cidr_blocks    = ["10.0.0.0/16"]
  dns_label      = "galley"
  freeform_tags  = { galley-session = "s-1", galley-design = "uid-1", galley-address = "oci_core_vcn.main" }
}
resource "oci_core_internet_gateway" "igw" {
  compartment_id = local.compartment
  vcn_id         = oci_core_vcn.main.id
}
resource "oci_core_route_table" "public" {
  compartment_id = local.compartment
  vcn_id         = oci_core_vcn.main.id
  route_rules {
    destination       = "0.0.0.0/0"
    network_entity_id = oci_core_internet_gateway.igw.id
  }
}
resource "oci_core_subnet" "public" {
  compartment_id = local.compartment
  vcn_id         = oci_core_vcn.main.id
  cidr_block     = "10.0.1.0/24"
  dns_label      = var.label
  route_table_id = oci_core_route_table.public.id
}
resource "oci_core_network_security_group" "web" {
  compartment_id = local.compartment
  vcn_id         = oci_core_vcn.main.id
}
resource "oci_core_network_security_group_security_rule" "https" {
  network_security_group_id = oci_core_network_security_group.web.id
  direction                 = "INGRESS"
  protocol                  = "6"
  source                    = "0.0.0.0/0"
  source_type               = "CIDR_BLOCK"
  tcp_options {
    destination_port_range {
      min = 443
      max = 443
    }
  }
}
resource "oci_core_instance" "vm" {
  compartment_id      = local.compartment
  availability_domain = data.oci_identity_availability_domains.ads.availability_domains[0].name
  shape               = "VM.Standard.E4.Flex"
  display_name        = var.name
  shape_config { ocpus = 1 }
  source_details {
    source_type = "image"
    source_id   = data.oci_core_images.linux.images[0].id
  }
  create_vnic_details {
    subnet_id = oci_core_subnet.public.id
    nsg_ids   = [oci_core_network_security_group.web.id]
  }
}
resource "oci_objectstorage_bucket" "data" {
  compartment_id = local.compartment
  namespace      = data.oci_objectstorage_namespace.ns.namespace
  name           = "galley-data"
}
resource "oci_database_autonomous_database" "db" {
  compartment_id           = local.compartment
  db_name                  = "GALLEY"
  compute_model            = "ECPU"
  compute_count            = 2
  data_storage_size_in_tbs = 1
  admin_password           = var.password
}
output "address" { value = oci_core_instance.vm.public_ip }
output "private" { value = oci_core_instance.vm.private_ip }
"#;
