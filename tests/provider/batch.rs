//! Many designs in one run of Terraform: each is a module of its own, with its files exactly as Galley renders them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use galley::render::Rendered;
use serde_json::{Map, Value, json};

use crate::designs::password;
use crate::stage::{Anchor, Fault, Real, Sandbox, Terraform, faults};
use crate::stub::Stub;

/// A design under the name of its module.
pub struct Part<'a> {
    pub name: String,
    pub base: Option<&'a Rendered>,
    pub wanted: &'a Rendered,
}

/// What both providers planned, by module, and what went wrong.
#[derive(Default)]
pub struct Outcome {
    /// (module, step, error)
    pub faults: Vec<(String, &'static str, String)>,
    /// resource changes of the simulated and of the real provider, when everything is made
    pub created: (Changes, Changes),
    /// when the base is there
    pub edited: (Changes, Changes),
}

/// Module → address inside it → the change.
pub type Changes = BTreeMap<String, BTreeMap<String, Value>>;

/// Where batches run.
pub struct Ground<'a> {
    pub home: &'a Path,
    pub real: &'a Real,
    pub stub: &'a Stub,
    pub anchor: &'a Anchor,
}

/// A value as a string of Terraform's JSON syntax, where `${` begins an expression.
fn literal(text: &str) -> Value {
    json!(text.replace("${", "$${").replace("%{", "%%{"))
}

/// The values of the variables that the files declare.
pub fn variables(rendered: &Rendered) -> Map<String, Value> {
    let declared = |name: &str| rendered.files.values().any(|text| text.contains(&format!("variable \"{name}\" {{")));
    let plain = rendered.variables.iter().filter(|(name, _)| declared(name)).map(|(name, value)| (name.clone(), json!(value)));
    let secret = rendered.secrets.iter().map(|s| (s.name.clone(), json!(password(s.rule.length, &s.rule.symbols))));
    plain.chain(secret).collect()
}

struct Batch<'a> {
    ground: &'a Ground<'a>,
    work: PathBuf,
    sandbox: Sandbox,
    outcome: Outcome,
}

impl Batch<'_> {
    fn write(&self, parts: &[Part<'_>], base: bool) {
        let mut modules = Map::new();
        for part in parts {
            let rendered = if base { part.base.unwrap_or(part.wanted) } else { part.wanted };
            let folder = self.work.join(&part.name);
            drop(fs::remove_dir_all(&folder));
            fs::create_dir_all(&folder).unwrap();
            rendered.files.iter().for_each(|(name, text)| fs::write(folder.join(name), text).unwrap());
            let mut module = Map::from_iter([("source".to_owned(), json!(format!("./{}", part.name)))]);
            module.extend(variables(rendered).into_iter().map(|(name, value)| (name, literal(value.as_str().unwrap_or_default()))));
            modules.insert(part.name.clone(), module.into());
        }
        let root = json!({"terraform": {"required_providers": {"oci": {"source": "oracle/oci"}}}, "module": modules});
        fs::write(self.work.join("main.tf.json"), root.to_string()).unwrap();
    }

    fn terraform<T>(&self, real: bool, work: impl FnOnce(&Terraform<'_>) -> T) -> T {
        let pid = self.ground.anchor.pid();
        let environment = if real { self.ground.real.reattach(pid) } else { self.sandbox.reattach(pid) };
        let config = self.ground.home.join("empty.tfrc");
        work(&Terraform { work: &self.work, home: self.ground.home, config, environment: &environment })
    }

    /// Runs a step; modules that fail are taken out, written down, and the others run again. `base`: which files stand
    /// there; `made`: the bases are in the state.
    fn step(&mut self, parts: &mut Vec<Part<'_>>, (base, made): (bool, bool), real: bool, name: &'static str, args: &[&str]) {
        loop {
            let ran = self.terraform(real, |terraform| terraform.run(args));
            if ran.done || parts.is_empty() {
                return;
            }
            let found = faults(&ran);
            let mut blamed = BTreeSet::new();
            for Fault { place, text } in found {
                let part = parts
                    .iter()
                    .find(|part| place.starts_with(&format!("module.{}.", part.name)) || place.starts_with(&format!("{}/", part.name)));
                let module = part.map_or_else(String::new, |part| part.name.clone());
                blamed.insert(module.clone());
                self.outcome.faults.push((module, name, format!("{place}: {text}")));
            }
            let before = parts.iter().filter(|part| !made || part.base.is_some()).count();
            if made {
                // The state knows it: it stays as it was made.
                for part in parts.iter_mut().filter(|part| blamed.contains(&part.name)) {
                    part.wanted = part.base.take().unwrap_or(part.wanted);
                }
            } else {
                parts.retain(|part| !blamed.contains(&part.name));
            }
            // Nobody in particular is to blame: the step fails for all.
            if parts.iter().filter(|part| !made || part.base.is_some()).count() == before {
                parts.clear();
                return;
            }
            self.write(parts, base);
        }
    }

    /// Makes the bases. What fails stays as it is, with nothing to edit: the state knows it.
    fn apply(&mut self, parts: &mut [Part<'_>]) {
        let ran = self.terraform(false, |terraform| terraform.run(&["apply", "-json", "-auto-approve"]));
        if ran.done {
            return;
        }
        for Fault { place, text } in faults(&ran) {
            let part = parts.iter_mut().find(|part| place.starts_with(&format!("module.{}.", part.name)));
            let module = part.map_or_else(String::new, |part| {
                part.wanted = part.base.take().unwrap_or(part.wanted);
                part.name.clone()
            });
            self.outcome.faults.push((module, "apply in the sandbox", format!("{place}: {text}")));
        }
    }

    /// Plans with both; the real provider is told what the simulated cloud answered to the same questions.
    fn plan(&mut self, parts: &mut Vec<Part<'_>>, made: bool, names: (&'static str, &'static str)) -> (Changes, Changes) {
        let plan = |out: &'static str| ["plan", "-json", "-lock=false", "-input=false", out];
        let args = |out| plan(out).into_iter().chain(made.then_some("-refresh=false")).collect::<Vec<_>>();
        self.step(parts, (false, made), false, names.0, &args("-out=sandbox.plan"));
        if parts.is_empty() {
            return Default::default();
        }
        let simulated = self.terraform(false, |terraform| terraform.show("sandbox.plan"));
        self.ground.stub.learn(&simulated);
        self.step(parts, (false, made), true, names.1, &args("-out=real.plan"));
        for call in self.ground.stub.unanswered() {
            self.outcome.faults.push((String::new(), names.1, format!("a call that nobody answers: {call}")));
        }
        if parts.is_empty() {
            return Default::default();
        }
        let real = self.terraform(true, |terraform| terraform.show("real.plan"));
        (changes(&simulated), changes(&real))
    }
}

/// The managed changes of a plan by module.
pub fn changes(plan: &Value) -> Changes {
    let mut found = Changes::new();
    for change in plan["resource_changes"].as_array().into_iter().flatten().filter(|change| change["mode"] == "managed") {
        let module = change["module_address"].as_str().unwrap_or_default().trim_start_matches("module.").to_owned();
        let address = change["address"].as_str().unwrap().trim_start_matches(&format!("module.{module}.")).to_owned();
        found.entry(module).or_default().insert(address, change.clone());
    }
    found
}

/// Validates, plans a create, applies the bases in the simulated cloud and plans the edits; both providers each time.
pub fn run(ground: &Ground<'_>, dir: &Path, mut parts: Vec<Part<'_>>) -> Outcome {
    let work = dir.join("work");
    fs::create_dir_all(&work).unwrap();
    let sandbox = Sandbox::start(dir, BTreeSet::new());
    let mut batch = Batch { ground, work, sandbox, outcome: Outcome::default() };
    batch.write(&parts, false);
    let init = ["init", "-no-color", "-input=false"];
    batch.step(&mut parts, (false, false), false, "init", &init);
    batch.step(&mut parts, (false, false), true, "validate", &["validate", "-json"]);
    batch.outcome.created = batch.plan(&mut parts, false, ("plan of the sandbox", "plan"));
    parts.retain(|part| part.base.is_some());
    if parts.is_empty() {
        return batch.outcome;
    }
    batch.write(&parts, true);
    batch.step(&mut parts, (true, false), false, "init", &init);
    batch.apply(&mut parts);
    batch.write(&parts, false);
    batch.outcome.edited = batch.plan(&mut parts, true, ("plan of the edit in the sandbox", "plan of the edit"));
    batch.outcome
}
