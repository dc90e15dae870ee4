//! The two providers and Terraform before them. The real one is started once, as Terraform would start it, and every run
//! finds it there: its schema of a thousand types is built once. Its credentials are thrown away, its endpoints and its
//! proxy are the stub on loopback, and its environment holds nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use galley::render::schema::PROVIDER_VERSION;
use galley::sandbox::provider::{Exit, Options, reattach_environment, run};
use serde_json::Value;
use tokio::sync::oneshot;

/// What Terraform sets for a plugin it starts (go-plugin's handshake of terraform-plugin-go): without it the program only
/// says that it is a plugin.
const COOKIE: (&str, &str) = ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");
/// Clients of the provider that rendered designs use. Any other one goes to the proxy, which is the stub, too.
const CLIENTS: &[&str] = &[
    "oci_identity.IdentityClient",
    "oci_core.ComputeClient",
    "oci_core.ComputeManagementClient",
    "oci_core.VirtualNetworkClient",
    "oci_core.BlockstorageClient",
    "oci_object_storage.ObjectStorageClient",
    "oci_containerengine.ContainerEngineClient",
];
/// Form of a fingerprint; nobody checks it.
const FINGERPRINT: &str = "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34";
/// Longer than the slowest start that was seen (0.4 s of processor time) on a machine with other work.
const START: Duration = Duration::from_secs(120);

/// Environment of a real provider: variables, and the key file they name.
fn credentials(home: &Path, stub: SocketAddr) -> BTreeMap<String, String> {
    let key = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&key).unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let file = home.join("key.pem");
    fs::write(&file, format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))).unwrap();
    let overrides: Vec<String> = CLIENTS.iter().map(|client| format!("{client}=http://{stub}")).collect();
    // In the environment and not only in a file: the provider looks into the home of the *user* before it asks HOME.
    let given = [
        ("OCI_TENANCY_OCID", "ocid1.tenancy.oc1..aaaaaaaathrowaway".to_owned()),
        ("OCI_USER_OCID", "ocid1.user.oc1..aaaaaaaathrowaway".to_owned()),
        ("OCI_FINGERPRINT", FINGERPRINT.to_owned()),
        ("OCI_PRIVATE_KEY_PATH", file.display().to_string()),
        ("OCI_DISABLE_AUTO_RETRIES", "true".to_owned()),
        ("CLIENT_HOST_OVERRIDES", overrides.join(";")),
        ("HTTPS_PROXY", format!("http://{stub}")),
        ("HTTP_PROXY", format!("http://{stub}")),
        ("HOME", home.display().to_string()),
        ("TMPDIR", home.display().to_string()),
    ];
    given.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A directory for everything that one worker writes.
pub fn furnish(home: &Path) {
    fs::create_dir_all(home).unwrap();
    fs::write(home.join("empty.tfrc"), "disable_checkpoint = true\n").unwrap();
}

/// The real provider, running and ready for every Terraform that comes.
pub struct Real {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
    /// for a Terraform that starts the provider itself
    pub environment: BTreeMap<String, String>,
    /// CLI configuration with the mirror that holds this provider and nothing else
    pub mirrored: PathBuf,
}

impl Real {
    pub fn start(binary: &Path, home: &Path, stub: SocketAddr) -> Real {
        let environment = credentials(home, stub);
        let platform = home.join(format!("mirror/registry.terraform.io/oracle/oci/{PROVIDER_VERSION}/linux_amd64"));
        fs::create_dir_all(&platform).unwrap();
        drop(fs::remove_file(platform.join(format!("terraform-provider-oci_v{PROVIDER_VERSION}"))));
        symlink(binary, platform.join(format!("terraform-provider-oci_v{PROVIDER_VERSION}"))).unwrap();
        let mirrored = home.join("mirror.tfrc");
        let mirror = home.join("mirror");
        let text =
            format!("disable_checkpoint = true\nprovider_installation {{\n  filesystem_mirror {{\n    path = {mirror:?}\n  }}\n}}\n");
        fs::write(&mirrored, text).unwrap();
        let log = home.join("provider.log");
        let file = fs::File::create(&log).unwrap();
        let mut command = Command::new(binary);
        command.env_clear().envs(&environment).env(COOKIE.0, COOKIE.1).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", binary.display()));
        // `1|5|unix|<socket>|grpc|`, once it listens.
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let parts: Vec<&str> = line.trim().split('|').collect();
        assert!(parts.len() >= 5 && parts[1] == "5" && parts[2] == "unix", "the provider says {line:?}");
        Real { child, socket: PathBuf::from(parts[3]), log, environment, mirrored }
    }

    /// What it says of itself when it starts.
    pub fn version(&self) -> String {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let word = said.lines().find_map(|line| line.split_once("terraform-provider-oci ")).map(|(_, rest)| rest.trim().to_owned());
        word.unwrap_or_else(|| format!("of no known version, it says {said:?}"))
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn reattach(&self, anchor: u32) -> BTreeMap<String, String> {
        reattach_environment(&self.socket, anchor)
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A simulated cloud of its own, with the provider that serves it.
pub struct Sandbox {
    socket: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<Exit>>,
}

impl Sandbox {
    pub fn start(dir: &Path, types: BTreeSet<String>) -> Sandbox {
        let socket = dir.join("s.sock");
        let options = Options { socket: socket.clone(), cloud_dir: dir.join("cloud"), types, idle_exit: Duration::from_secs(3600) };
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(run(options, async { drop(stopped.await) })).unwrap()
        });
        let since = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            assert!(since.elapsed() < START, "the sandbox does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Sandbox { socket, stop: Some(stop), thread: Some(thread) }
    }

    pub fn reattach(&self, anchor: u32) -> BTreeMap<String, String> {
        reattach_environment(&self.socket, anchor)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).unwrap_or(());
        }
        drop(self.thread.take().map(std::thread::JoinHandle::join));
    }
}

/// An idle child whose pid Terraform may kill when a socket is dead (see `sandbox::provider`).
pub struct Anchor(Child);

impl Anchor {
    pub fn start() -> Anchor {
        Anchor(Command::new("sleep").arg("86400").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Anchor {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Terraform in one directory, before one provider.
pub struct Terraform<'a> {
    pub work: &'a Path,
    pub home: &'a Path,
    pub config: PathBuf,
    pub environment: &'a BTreeMap<String, String>,
}

/// How a run ended.
pub struct Ran {
    pub done: bool,
    pub stdout: Vec<u8>,
    pub text: String,
}

/// An error that Terraform said, with where it is.
#[derive(Debug, Clone)]
pub struct Fault {
    /// address, or file, or nothing
    pub place: String,
    pub text: String,
}

impl Terraform<'_> {
    pub fn run(&self, args: &[&str]) -> Ran {
        let program = std::env::var("GALLEY_TERRAFORM_BIN").unwrap_or_else(|_| "terraform".to_owned());
        let mut command = Command::new(program);
        command.args(args).current_dir(self.work).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.home);
        command.env("TF_IN_AUTOMATION", "1").env("TF_INPUT", "0").env("CHECKPOINT_DISABLE", "1").env("TF_CLI_CONFIG_FILE", &self.config);
        let output = command.envs(self.environment).output().unwrap_or_else(|error| panic!("cannot start terraform: {error}"));
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ran { done: output.status.success(), stdout: output.stdout, text }
    }

    /// `terraform show -json` of a plan file.
    pub fn show(&self, plan: &str) -> Value {
        let ran = self.run(&["show", "-json", plan]);
        assert!(ran.done, "terraform show {plan}\n{}", ran.text);
        serde_json::from_slice(&ran.stdout).unwrap()
    }
}

/// Errors in what `terraform … -json` printed: `validate` prints one object, the others a line for each event.
pub fn faults(ran: &Ran) -> Vec<Fault> {
    let mut found = Vec::new();
    let mut take = |diagnostic: &Value| {
        if diagnostic["severity"] == "error" {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let place = [&diagnostic["address"], &diagnostic["range"]["filename"]].into_iter().map(text).find(|place| !place.is_empty());
            let text = format!("{} {}", text(&diagnostic["summary"]), text(&diagnostic["detail"])).trim().to_owned();
            found.push(Fault { place: place.unwrap_or_default(), text });
        }
    };
    if let Ok(whole) = serde_json::from_slice::<Value>(&ran.stdout) {
        whole["diagnostics"].as_array().into_iter().flatten().for_each(&mut take);
        if whole["@level"].is_null() {
            return found;
        }
    }
    let lines = ran.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    lines.for_each(|line| take(&line["diagnostic"]));
    if found.is_empty() && !ran.done {
        found.push(Fault { place: String::new(), text: ran.text.clone() });
    }
    found
}
