//! 10,000 designs, most of them drafts and a tenth of them built: memory, restart, and that a restart plans nothing.
//!
//! A real server makes one draft and one built design; the others are copies of what it left on disk, with names, uids and
//! digests of their own, written straight into its data directory. Nothing else could make so many in a minute.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use galley::api::Design;
use galley::api::design::Target;
use galley::api::session::Language;
use galley::controllers::Knowledge;
use galley::controllers::inputs::{Inputs, Toolchain};
use galley::controllers::secrets::SecretBook;
use galley::render::RenderContext;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::Found;
use crate::inside::expertise;
use crate::measure::{self, Figure, resident};
use crate::server::{Bare, design, until_idle, until_judged};
use crate::world::World;

/// Designs.
const DESIGNS: usize = 10_000;
/// How many of them are built.
const BUILT: usize = 1_000;
/// Restarts.
const RESTARTS: usize = 3;
/// Kinds whose documents are copied.
const KINDS: [&str; 4] = ["sessions", "designs", "terraformjobs", "approvals"];

pub async fn measure() -> Found {
    let mut world = World::start().await;
    let draft = world.create(design(19)).await;
    until_judged(&world, &draft).await;
    let built = world.create(design(19)).await;
    world.apply(&built).await;
    until_idle(world.pid()).await;
    world.stop().await;
    let data = world.data_dir();
    let wrapper = world.dir.path().join("terraform-recorded");
    let start = Instant::now();
    copy(&data, &wrapper, &[(draft, 1..DESIGNS - BUILT), (built.clone(), 1..BUILT)]).await;
    let mut found = Found::default();
    found.note(format!("{DESIGNS} designs, {BUILT} of them built, were copied in {:.0} s", start.elapsed().as_secs_f64()));

    let runs = world.runs().len();
    let log = world.dir.path().join("crowd.log");
    let wrapper = wrapper.to_str().expect("text").to_owned();
    let (mut restarts, mut looked, mut high) = (Vec::new(), Vec::new(), 0.0_f64);
    let mut memory = 0.0_f64;
    for _ in 0..RESTARTS {
        let start = Instant::now();
        let mut server = Bare::start(&data, &log, &[("GALLEY_TERRAFORM_BIN", &wrapper)]);
        let mut rpc = server.answer().await;
        restarts.push(start.elapsed());
        let rest = until_idle(server.pid()).await;
        looked.push(rest);
        let (cpu, peak) = (measure::cpu_time_of(server.pid()).expect("running"), measure::peak(server.pid()).expect("running"));
        memory = memory.max(resident(server.pid()).expect("running"));
        high = high.max(peak);
        // every loop is alive, and the design that was built is still what it was
        let status = rpc.call("get_status", json!({ "session_id": built })).await;
        assert_eq!((&status["sync"], &status["health"]), (&json!("Synced"), &json!("Healthy")), "{status}");
        let suspended = edited(&server.base, &built, json!({"suspend": true})).await;
        found.note(format!(
            "restart: first answer {:.1} s, every design looked at after {:.1} s, {:.1} s of CPU, an edit then takes {:.0} ms",
            restarts.last().map_or(0.0, Duration::as_secs_f64),
            rest.as_secs_f64(),
            cpu.as_secs_f64(),
            suspended.as_secs_f64() * 1e3
        ));
        edited(&server.base, &built, json!({"suspend": false})).await;
    }
    let restart = measure::spread(restarts).expect("samples");
    found.figure("resident, 10,000 designs of 19 components", Figure::Measured(memory));
    found.figure("restart with 10,000 designs", Figure::Measured(restart.p50));
    found.figure("needless plans after that restart", Figure::Measured((world.runs().len() - runs) as f64));
    found.note(format!("10,000 designs: {high:.0} MiB at the most while everything was looked at"));
    found
}

/// Time from the edit to the status that tells of it.
pub async fn edited(base: &str, name: &str, spec: Value) -> Duration {
    let uri: http::Uri = format!("{base}/k8s/{}", crate::world::EDITOR).parse().expect("uri");
    let client = kube::Client::try_from(kube::Config::new(uri)).expect("client");
    let designs: kube::Api<Design> = kube::Api::namespaced(client, "default");
    let start = Instant::now();
    designs.patch(name, &PatchParams::default(), &Patch::Merge(json!({ "spec": spec }))).await.expect("accepted");
    loop {
        let design = designs.get(name).await.expect("design");
        if design.status.as_ref().is_some_and(|status| status.observed_generation == design.metadata.generation) {
            return start.elapsed();
        }
        assert!(start.elapsed() < crate::server::PATIENCE, "the edit is not seen");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Copies of what each named session left, one for each number.
pub async fn copy(data: &Path, terraform: &Path, wanted: &[(String, Range<usize>)]) {
    let mut tasks = tokio::task::JoinSet::new();
    for (name, numbers) in wanted {
        let model = Model::read(data, terraform, name);
        for lane in 0..2 {
            let (model, numbers) = (model.clone(), numbers.clone());
            tasks.spawn_blocking(move || numbers.filter(|number| number % 2 == lane).for_each(|number| model.write(number)));
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("copied");
    }
}

/// What one session left: documents and other files as text, and how to give a copy its own identity.
#[derive(Clone)]
struct Model {
    data: PathBuf,
    terraform: PathBuf,
    name: String,
    design: Design,
    digest: String,
    /// every name and uid of its documents
    identities: Vec<String>,
    /// path under the data directory → text
    files: BTreeMap<String, String>,
    secrets: SecretBook,
}

impl Model {
    fn read(data: &Path, terraform: &Path, name: &str) -> Self {
        let mut files = BTreeMap::new();
        let mut identities = Vec::new();
        let mut design = None;
        for kind in KINDS {
            for path in listed(&data.join("documents/registry").join(kind).join("default")) {
                let text = std::fs::read_to_string(&path).expect("a document");
                if !text.contains(name) {
                    continue;
                }
                let document: Value = serde_json::from_str(&text).expect("a document");
                if kind == "designs" {
                    design = serde_json::from_str::<Design>(&text).ok();
                }
                let meta = &document["metadata"];
                identities.extend([&meta["name"], &meta["uid"]].iter().filter_map(|value| value.as_str()).map(str::to_owned));
                files.insert(relative(data, &path), text);
            }
        }
        let design = design.expect("a design");
        let uid = design.metadata.uid.clone().expect("uid");
        for dir in [data.join("blobs/designs").join(&uid), data.join("work").join(&uid)] {
            for path in listed(&dir) {
                // what cannot be read as text is a plan file: nothing reads it until an apply
                if let Ok(text) = std::fs::read_to_string(&path) {
                    files.insert(relative(data, &path), text);
                }
            }
        }
        identities.sort();
        identities.dedup();
        // the longest first: the name of a job holds the name of its design
        identities.sort_by_key(|identity| std::cmp::Reverse(identity.len()));
        let secrets = files.iter().find(|(path, _)| path.ends_with("secrets.json"));
        let secrets = secrets.map(|(_, text)| serde_json::from_str(text).expect("secrets")).unwrap_or_default();
        let digest = design.status.as_ref().and_then(|status| status.digest.clone()).expect("a digest");
        Model { data: data.into(), terraform: terraform.into(), name: name.into(), design, digest, identities, files, secrets }
    }

    fn write(&self, number: usize) {
        let own = |identity: &str| -> String {
            // as long as the model's and as unique: the last five characters are the number
            let keep = identity.len() - 5;
            format!("{}{number:05}", &identity[..keep])
        };
        let (name, uid) = (own(&self.name), own(self.design.metadata.uid.as_deref().expect("uid")));
        let digest = self.digest_of(&name, &uid);
        let mut pairs: Vec<(String, String)> = self.identities.iter().map(|identity| (identity.clone(), own(identity))).collect();
        pairs.push((self.digest.clone(), digest));
        let replace = |text: &str| pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        for (path, text) in &self.files {
            let path = self.data.join(replace(path));
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("directory");
            std::fs::write(path, replace(text)).expect("file");
        }
    }

    /// The digest that Galley will find for the copy: tags carry name and uid, so it is another one.
    fn digest_of(&self, name: &str, uid: &str) -> String {
        thread_local! {
            static KNOWN: std::cell::OnceCell<galley::app::Expertise> = const { std::cell::OnceCell::new() };
        }
        KNOWN.with(|known| {
            let known = known.get_or_init(|| expertise(&self.data, &self.terraform));
            let mut spec = self.design.spec.clone();
            spec.session_ref = name.to_owned();
            let judged = known.validate(&spec, Language::En).design.expect("a design without errors");
            let context = RenderContext { session: name.to_owned(), design_uid: uid.to_owned() };
            let rendered = known.render(&judged, &context).expect("rendered");
            let toolchain = Toolchain { terraform: "1.11.4".into(), provider: known.provider_version() };
            Inputs::of(&rendered).digest(&self.secrets, Target::Sandbox, &toolchain)
        })
    }
}

fn relative(data: &Path, path: &Path) -> String {
    path.strip_prefix(data).expect("inside").to_str().expect("text").to_owned()
}

/// Every file below a directory.
fn listed(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries
        .flatten()
        .flat_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => listed(&entry.path()),
            Ok(kind) if kind.is_file() => vec![entry.path()],
            _ => Vec::new(),
        })
        .collect()
}
