//! Every committed design with an `expect` block, applied: the rendered Terraform and the simulated cloud are exactly what
//! the file says, and its findings are there. And what is exported stands alone, outside Galley.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use galley::cli::demo::CloudResource;
use galley::cli::expect::{Expectation, Flag, World as Seen};
use galley::render::export::archive::{Caps, read_zip};
use serde_json::Value;

use crate::world::{EDITOR, PATIENCE, World, spec_of};

#[tokio::test]
async fn every_design_file_is_built_exactly_as_it_expects() {
    let world = World::start().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/designs");
    let mut played = 0;
    for entry in std::fs::read_dir(folder).expect("designs") {
        let path = entry.expect("entry").path();
        let text = std::fs::read_to_string(&path).expect("text");
        let file: Value = serde_json::from_str(&text).expect("JSON");
        let Some(expectation) = Expectation::of(&file).expect("every member is known") else { continue };
        played += 1;
        let name = world.create(spec_of(&text)).await;
        let design = world.apply(&name).await;
        let uid = world.uid(&name).await;

        let findings = design.status.and_then(|status| status.findings).unwrap_or_default();
        let flags: Vec<Flag> = findings.items.into_iter().map(|finding| Flag { rule: finding.rule, path: finding.path }).collect();
        expectation.flagged(&flags).unwrap_or_else(|wrong| panic!("{}: {wrong:#?}", path.display()));
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(world.work_dir(&uid)).expect("working directory") {
            let entry = entry.expect("entry");
            if let Ok(text) = std::fs::read_to_string(entry.path()) {
                files.insert(entry.file_name().to_string_lossy().into_owned(), text);
            }
        }
        let rendered = Seen::rendered(&files).expect("HCL");
        let own_id = |found: &galley::sandbox::CloudResource| found.text("id").unwrap_or(&found.id).to_owned();
        let list = world.cloud_of(&uid).list().expect("cloud");
        let cloud: Vec<CloudResource> = list
            .into_iter()
            .map(|found| CloudResource { id: own_id(&found), kind: found.resource_type, attributes: found.attributes })
            .collect();
        assert_eq!(rendered.parts.len(), cloud.len(), "{}: as many in the files as in the cloud", path.display());
        for seen in [rendered, Seen::cloud(&cloud)] {
            let confirmed = expectation.check(&seen).unwrap_or_else(|wrong| panic!("{}: {wrong:#?}", path.display()));
            assert!(!confirmed.is_empty(), "{}: something is held against {}", path.display(), seen.view.as_str());
        }
    }
    assert!(played >= 2, "the verification environment and the platform have an `expect`");
}

/// A provider for `terraform init`: a file in a mirror whose program tells where the simulated provider listens.
fn mirror(root: &Path, socket: &Path) {
    let machine = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    };
    let folder = root.join("mirror/registry.terraform.io/oracle/oci/8.28.0").join(format!("linux_{machine}"));
    std::fs::create_dir_all(&folder).expect("mirror");
    let program = folder.join("terraform-provider-oci_v8.28.0");
    // go-plugin's handshake: protocol, version of the provider protocol, network, address, wire
    let script = format!("#!/bin/sh\nprintf '1|5|unix|%s|grpc|\\n' '{}'\nexec sleep 600\n", socket.display());
    std::fs::write(&program, script).expect("program");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let config = format!(
        "provider_installation {{\n  filesystem_mirror {{\n    path = \"{}\"\n  }}\n}}\ndisable_checkpoint = true\n",
        root.join("mirror").display()
    );
    std::fs::write(root.join("terraform.rc"), config).expect("configuration");
}

#[tokio::test]
async fn an_exported_archive_is_initialised_and_valid_outside_galley() {
    let world = World::start().await;
    let name = world.create(spec_of(include_str!("../designs/iot-platform-19.json"))).await;
    world.until_reason(&name, "Draft").await;
    let root = tempfile::Builder::new().prefix("glyx").tempdir().expect("folder");
    let zip = root.path().join("design.zip");
    let output = Command::new(env!("CARGO_BIN_EXE_galley"))
        .args(["export", &name, "terraform", "-o"])
        .arg(&zip)
        .env("GALLEY_DATA_DIR", world.data_dir())
        .env("GALLEY_TOKEN", EDITOR)
        .output()
        .expect("galley export");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // an empty folder, the files, and nothing of Galley's environment
    let stack = root.path().join("stack");
    std::fs::create_dir(&stack).expect("folder");
    let files = read_zip(&std::fs::read(&zip).expect("zip"), Caps::default()).expect("an archive");
    for (name, text) in &files {
        std::fs::write(stack.join(name), text).expect("file");
    }
    let socket = root.path().join("s/p.sock");
    let mut provider = Command::new(env!("CARGO_BIN_EXE_galley"))
        .arg("sandbox-provider")
        .arg("--socket")
        .arg(&socket)
        .arg("--cloud")
        .arg(root.path().join("cloud"))
        .args(["--idle", "600"])
        .stdin(Stdio::null())
        .spawn()
        .expect("a provider");
    let deadline = Instant::now() + PATIENCE;
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(Instant::now() < deadline, "the provider does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    mirror(root.path(), &socket);
    // as its README says: the example is copied, secrets come from the environment; every variable has a value then
    let example = &files["terraform.tfvars.example"];
    std::fs::write(stack.join("terraform.tfvars"), example).expect("file");
    let secrets: Vec<&str> = example.lines().filter_map(|line| line.strip_prefix("#   ")?.split_whitespace().next()).collect();
    assert_eq!(secrets, ["TF_VAR_transaction_db_admin_password"], "{example}");
    for arguments in [
        ["fmt", "-check", "-diff", "-recursive"].as_slice(),
        &["init", "-input=false", "-no-color"],
        &["validate", "-no-color"],
        &["plan", "-input=false", "-no-color"],
    ] {
        let output = Command::new("terraform")
            .args(arguments)
            .current_dir(&stack)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", root.path())
            .env("TF_CLI_CONFIG_FILE", root.path().join("terraform.rc"))
            .env("TF_DISABLE_PLUGIN_TLS", "1")
            .envs(secrets.iter().map(|name| (*name, "Example-Passw0rd_12")))
            .output()
            .expect("terraform");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "terraform {arguments:?}:\n{text}");
    }
    provider.kill().expect("kill");
    provider.wait().expect("wait");

    // Terraform 1.5.7, which Resource Manager runs: the constraint lets it in, and no block came after it
    assert!(files["main.tf"].contains("required_version = \">= 1.5.0\""), "{}", files["main.tf"]);
    for newer in ["\nremoved {", "\nephemeral ", "provider::", "templatestring("] {
        assert!(files.values().all(|text| !text.contains(newer)), "{newer:?} is not in Terraform 1.5.7");
    }
}
