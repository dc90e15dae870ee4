//! What Galley adds to an operation of Terraform, beside the same files by hand, one after the other in turns: a plan (edit
//! accepted → job Succeeded, beside init + plan + show) and an apply (approval accepted → job Succeeded, beside init +
//! apply of the saved plan: whoever applies without one plans once more, which would be counted in our favour). Both sides
//! start a provider process of their own for the plan and find it running at the apply.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use futures::StreamExt;
use galley::api::design::Target;
use galley::api::terraformjob::{Action, JobPhase};
use galley::controllers::inputs::Inputs;
use galley::terraform::{ProviderHost, ReattachHost, ReattachOptions};
use kube::api::{WatchEvent, WatchParams};
use serde_json::json;

use crate::Found;
use crate::measure::{Figure, spread};
use crate::server::{PATIENCE, design, until_judged};
use crate::world::{EDITOR, World};

/// Designs that are planned and applied through Galley and by hand.
const PAIRS: usize = 20;

pub async fn measure() -> Found {
    let terraform = galley::config::Environment::read()
        .get("PATH")
        .and_then(|path| std::env::split_paths(path).map(|dir| dir.join("terraform")).find(|path| path.is_file()));
    let terraform = terraform.expect("terraform on PATH");
    let world = World::start_with(&[("GALLEY_TERRAFORM_BIN", terraform.to_str().expect("text"))]).await;
    let (mut planned, mut applied) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for number in 0..PAIRS {
        let name = world.create(design(19)).await;
        until_judged(&world, &name).await;
        planned[0].push(until_done(&world, &name, Action::Plan, world.edit(&name, json!({"desiredState": "Applied"}))).await);
        let hand = Hand::of(&world, &terraform, &name, number).await;
        planned[1].push(hand.plan().await);
        world.until_plan(&name).await;
        applied[0].push(until_done(&world, &name, Action::Apply, world.approve(&name, EDITOR)).await);
        applied[1].push(hand.apply().await);
    }
    let mut found = Found::default();
    for (bar, what, [ours, bare]) in
        [("plan over bare init + plan + show", "plan", planned), ("apply over bare init + apply", "apply", applied)]
    {
        let (ours, bare) = (spread(ours).expect("samples"), spread(bare).expect("samples"));
        found.figure(bar, Figure::Measured(ours.p50 - bare.p50));
        found.note(format!("{what} of 19 components, median of {PAIRS}: {:.0} ms through Galley, {:.0} ms by hand", ours.p50, bare.p50));
    }
    found
}

/// From the moment in which what was wanted is accepted to the job's success, as a watch tells it.
async fn until_done<T>(world: &World, name: &str, action: Action, accepted: impl Future<Output = T>) -> Duration {
    let jobs = world.jobs();
    let version = jobs.list(&Default::default()).await.expect("jobs").metadata.resource_version.expect("a version");
    let mut events = jobs.watch(&WatchParams::default(), &version).await.expect("a watch").boxed();
    accepted.await;
    let start = Instant::now();
    loop {
        let event = tokio::time::timeout(PATIENCE, events.next()).await.expect("in time").expect("the watch goes on").expect("an event");
        let (WatchEvent::Added(job) | WatchEvent::Modified(job)) = event else { continue };
        if job.spec.design_ref == name && job.spec.action == action && job.phase().is_terminal() {
            assert_eq!(job.phase(), JobPhase::Succeeded, "{:?}", job.status);
            return start.elapsed();
        }
    }
}

/// The same files in another directory, with a provider process and a cloud of their own.
struct Hand {
    terraform: PathBuf,
    dir: PathBuf,
    env: BTreeMap<String, String>,
    host: ReattachHost,
    label: String,
    inputs: Inputs,
}

impl Hand {
    async fn of(world: &World, terraform: &Path, name: &str, number: usize) -> Hand {
        let uid = world.uid(name).await;
        let design = world.until(name, "a plan", |design| design.status.as_ref().is_some_and(|status| status.plan.is_some())).await;
        let digest = design.status.and_then(|status| status.plan).map(|plan| plan.digest);
        let blob = world.data_dir().join("blobs/designs").join(&uid).join("rendered").join(digest.expect("a plan")).join("files.json");
        let inputs: Inputs = serde_json::from_slice(&std::fs::read(blob).expect("inputs")).expect("inputs");
        let label = format!("hand{number}");
        let dir = world.dir.path().join(&label);
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
        Hand { terraform: terraform.to_owned(), dir, env, host: ReattachHost::new(options), label, inputs }
    }

    async fn plan(&self) -> Duration {
        let start = Instant::now();
        self.run(&[
            &["init", "-input=false", "-no-color"],
            &["plan", "-input=false", "-no-color", "-out=plan.bin"],
            &["show", "-json", "plan.bin"],
        ])
        .await;
        start.elapsed()
    }

    async fn apply(self) -> Duration {
        let start = Instant::now();
        self.run(&[&["init", "-input=false", "-no-color"], &["apply", "-input=false", "-no-color", "plan.bin"]]).await;
        let took = start.elapsed();
        self.host.stop(&self.label).await.expect("the provider stops");
        took
    }

    async fn run(&self, commands: &[&[&str]]) {
        let mut env = self.env.clone();
        env.extend(self.host.prepare(&self.label, Target::Sandbox, &self.inputs.types).await.expect("provider"));
        for arguments in commands {
            let output =
                Command::new(&self.terraform).args(*arguments).current_dir(&self.dir).env_clear().envs(&env).output().expect("terraform");
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
