//! What Galley adds to a plan: edit accepted → job Succeeded, beside init + plan + show by hand on the same files, one
//! after the other in turns. Both start their provider process and both run `init` in an empty directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use futures::StreamExt;
use galley::api::design::Target;
use galley::api::terraformjob::JobPhase;
use galley::controllers::inputs::Inputs;
use galley::terraform::{ProviderHost, ReattachHost, ReattachOptions};
use kube::api::{WatchEvent, WatchParams};
use serde_json::json;

use crate::Found;
use crate::measure::{Figure, spread};
use crate::server::{PATIENCE, design, until_judged};
use crate::world::World;

/// Pairs.
const PAIRS: usize = 12;

pub async fn measure() -> Found {
    let terraform = galley::config::Environment::read()
        .get("PATH")
        .and_then(|path| std::env::split_paths(path).map(|dir| dir.join("terraform")).find(|path| path.is_file()));
    let terraform = terraform.expect("terraform on PATH");
    let world = World::start_with(&[("GALLEY_TERRAFORM_BIN", terraform.to_str().expect("text"))]).await;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for number in 0..PAIRS {
        let name = world.create(design(19)).await;
        until_judged(&world, &name).await;
        ours.push(planned(&world, &name).await);
        bare.push(by_hand(&world, &terraform, &name, number).await);
    }
    let (ours, bare) = (spread(ours).expect("samples"), spread(bare).expect("samples"));
    let mut found = Found::default();
    found.figure("plan over bare init + plan + show", Figure::Measured(ours.p50 - bare.p50));
    found.note(format!("plan of 19 components, median of {PAIRS}: {:.0} ms through Galley, {:.0} ms by hand", ours.p50, bare.p50));
    found
}

/// Edit accepted → job Succeeded, as a watch tells it.
async fn planned(world: &World, name: &str) -> Duration {
    let jobs = world.jobs();
    let version = jobs.list(&Default::default()).await.expect("jobs").metadata.resource_version.expect("a version");
    let mut events = jobs.watch(&WatchParams::default(), &version).await.expect("a watch").boxed();
    world.edit(name, json!({"desiredState": "Planned"})).await;
    let start = Instant::now();
    loop {
        let event = tokio::time::timeout(PATIENCE, events.next()).await.expect("in time").expect("the watch goes on").expect("an event");
        let (WatchEvent::Added(job) | WatchEvent::Modified(job)) = event else { continue };
        if job.spec.design_ref == name && job.phase().is_terminal() {
            assert_eq!(job.phase(), JobPhase::Succeeded, "{:?}", job.status);
            return start.elapsed();
        }
    }
}

/// The same files in another directory, with a provider process of their own.
async fn by_hand(world: &World, terraform: &Path, name: &str, number: usize) -> Duration {
    let uid = world.uid(name).await;
    let design = world.until(name, "a plan", |design| design.status.as_ref().is_some_and(|status| status.plan.is_some())).await;
    let digest = design.status.and_then(|status| status.plan).map(|plan| plan.digest);
    let blob = world.data_dir().join("blobs/designs").join(&uid).join("rendered").join(digest.expect("a plan")).join("files.json");
    let inputs: Inputs = serde_json::from_slice(&std::fs::read(blob).expect("inputs")).expect("inputs");
    let dir: PathBuf = world.dir.path().join(format!("hand{number}"));
    std::fs::create_dir_all(&dir).expect("directory");
    for (file, text) in &inputs.files {
        std::fs::write(dir.join(file), text).expect("file");
    }
    std::fs::write(dir.join("own.tfrc"), "").expect("file");
    let mut env: BTreeMap<String, String> = [
        ("CHECKPOINT_DISABLE", "1"),
        ("TF_IN_AUTOMATION", "1"),
        ("TF_INPUT", "0"),
        ("TF_CLI_CONFIG_FILE", "own.tfrc"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    env.insert("HOME".into(), dir.display().to_string());
    env.extend(inputs.variables.iter().map(|(name, value)| (format!("TF_VAR_{name}"), value.clone())));
    env.extend(inputs.secrets.iter().map(|name| (format!("TF_VAR_{name}"), "Made-up_1234567890".to_owned())));
    let mut options = ReattachOptions::sandbox(env!("CARGO_BIN_EXE_galley"), world.dir.path().join("hands"), dir.join("cloud"));
    options.args.extend(["--idle".to_owned(), "60".to_owned()]);
    let host = ReattachHost::new(options);

    let start = Instant::now();
    env.extend(host.prepare(&format!("hand{number}"), Target::Sandbox, &inputs.types).await.expect("provider"));
    for arguments in [
        &["init", "-input=false", "-no-color"][..],
        &["plan", "-input=false", "-no-color", "-out=plan.bin"],
        &["show", "-json", "plan.bin"],
    ] {
        let output = Command::new(terraform).args(arguments).current_dir(&dir).env_clear().envs(&env).output().expect("terraform");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let took = start.elapsed();
    host.stop(&format!("hand{number}")).await.expect("the provider stops");
    took
}
