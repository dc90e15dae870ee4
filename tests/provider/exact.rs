//! One design exactly as a tenancy gets it: `init` from a mirror, the provider started by Terraform itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use galley::render::schema::{PROVIDER_SOURCE, Schema};
use serde_json::Value;

use crate::batch::{Ground, Outcome, changes, variables};
use crate::rows::Example;
use crate::stage::{Sandbox, Terraform, faults};

/// Initialises, validates and plans a design with the real provider, and plans it with the simulated one.
pub fn run(ground: &Ground<'_>, dir: &Path, example: &Example) -> Outcome {
    let work = dir.join("work");
    fs::create_dir_all(&work).unwrap();
    example.rendered.files.iter().for_each(|(name, text)| fs::write(work.join(name), text).unwrap());
    fs::write(work.join("terraform.tfvars.json"), Value::from(variables(&example.rendered)).to_string()).unwrap();
    let sandbox = Sandbox::start(dir, BTreeSet::new());
    let simulated = sandbox.reattach(ground.anchor.pid());
    let of = |config, environment| Terraform { work: &work, home: ground.home, config, environment };
    let before_sandbox = of(ground.home.join("empty.tfrc"), &simulated);
    let before_real = of(ground.real.mirrored.clone(), &ground.real.environment);
    let mut outcome = Outcome::default();
    let mut step = |terraform: &Terraform<'_>, name: &'static str, args: &[&str]| {
        let ran = terraform.run(args);
        if !ran.done {
            outcome
                .faults
                .extend(faults(&ran).into_iter().map(|fault| (example.name.clone(), name, format!("{}: {}", fault.place, fault.text))));
        }
        ran.done
    };
    if step(&before_sandbox, "plan of the sandbox", &["plan", "-json", "-input=false", "-out=sandbox.plan"]) {
        let plan = before_sandbox.show("sandbox.plan");
        ground.stub.learn(&plan);
        let done = step(&before_real, "init", &["init", "-no-color", "-input=false"])
            && step(&before_real, "validate", &["validate", "-json"])
            && step(&before_real, "plan", &["plan", "-json", "-input=false", "-out=real.plan"]);
        if done {
            outcome.created = (changes(&plan), changes(&before_real.show("real.plan")));
        }
    }
    for call in ground.stub.unanswered() {
        outcome.faults.push((example.name.clone(), "plan", format!("a call that nobody answers: {call}")));
    }
    outcome
}

/// Types of the core set whose committed schema is not the provider's own (`terraform providers schema -json` in a
/// directory that was initialised).
pub fn stale_types(ground: &Ground<'_>, dir: &Path) -> Vec<String> {
    let work = dir.join("work");
    let config = ground.real.mirrored.clone();
    let terraform = Terraform { work: &work, home: ground.home, config, environment: &ground.real.environment };
    let ran = terraform.run(&["providers", "schema", "-json"]);
    assert!(ran.done, "terraform providers schema\n{}", ran.text);
    let text: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let real = &text["provider_schemas"][PROVIDER_SOURCE];
    let index = Schema::builtin();
    let own =
        |raw: Option<&serde_json::value::RawValue>| raw.map(|raw| serde_json::from_str::<Value>(raw.get()).unwrap()).unwrap_or_default();
    let differs = |kind: &str, name: &str, own: Value| bare(&real[kind][name]) != bare(&own);
    let resources = index.resource_types().filter(|name| differs("resource_schemas", name, own(index.raw_resource(name))));
    let sources = index.data_sources().filter(|name| differs("data_source_schemas", name, own(index.raw_data_source(name))));
    resources.chain(sources).map(str::to_owned).collect()
}

/// A schema without its texts for people.
fn bare(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, value)| !(name.starts_with("description") && value.is_string()));
            Value::Object(kept.map(|(name, value)| (name.clone(), bare(value))).collect())
        }
        Value::Array(items) => items.iter().map(bare).collect(),
        other => other.clone(),
    }
}
