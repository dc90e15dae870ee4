//! `make scale`: a server with 1,000 and with 10,000 designs of 19 components, a tenth of them applied, each figure beside
//! its bar of docs/benchmarks.md. Exits non-zero when one is missed by more than noise.
//!
//! The designs are copies on disk of one draft and one applied design (`crowd::copy`); nothing is really applied 1,000
//! times. Terraform is a program that waits until it is let go and then fails at once: what it does is nobody's latency.
#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "a measurement that breaks says so and ends")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use futures::StreamExt;
use galley::api::TerraformJob;
use kube::api::{Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::{Value, json};

#[allow(dead_code, reason = "shared with the benchmarks")]
#[path = "../figures/crowd.rs"]
mod crowd;
#[allow(dead_code, reason = "shared with the benchmarks")]
#[path = "../figures/inside.rs"]
mod inside;
#[allow(dead_code, reason = "shared with the benchmarks")]
#[path = "../figures/measure.rs"]
mod measure;
#[allow(dead_code, reason = "shared with the benchmarks")]
#[path = "../figures/server.rs"]
mod server;
#[allow(dead_code, reason = "the world of the acceptance tests")]
#[path = "../../tests/acceptance/world.rs"]
mod world;

use measure::{Bar, Figure, Report, Unit, resident, spread};
use server::{Bare, PATIENCE, Rpc, design, until_idle, until_judged};
use world::World;

/// What one group of measurements found (crowd.rs reports through it in the other benchmark).
#[derive(Default)]
pub struct Found;

impl Found {
    pub fn figure(&mut self, _: &'static str, _: Figure) {}
    pub fn note(&mut self, note: String) {
        eprintln!("  {note}");
    }
}

/// Jobs that wait while edits are measured.
const WAITING: usize = 1000;
/// Edits measured among them.
const EDITS: usize = 100;
/// Jobs whose start after a free slot is measured.
const STARTS: usize = 100;
/// Readers at once, one a connection.
const READERS: usize = 4;
/// Reads of each.
const READS: usize = 1500;

fn bars(designs: usize) -> Vec<Bar> {
    let memory = if designs > 1000 { 512.0 } else { 96.0 };
    let bar = |what: &'static str, limit: f64, unit: Unit| Bar { name: what, limit, unit };
    vec![
        bar("resident, at rest", memory, Unit::Mebibytes),
        bar("restart to ready", 5_000.0, Unit::Milliseconds),
        bar("every design looked at after a restart", 60_000.0, Unit::Milliseconds),
        bar("processes started by a restart", 0.0, Unit::Count),
        bar("status read, p99", 5.0, Unit::Milliseconds),
        bar("edit to Pending, jobs waiting, p99", 50.0, Unit::Milliseconds),
        bar("slot free to process, jobs waiting, p99", 50.0, Unit::Milliseconds),
    ]
}

fn main() -> ExitCode {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1_000, 10_000] } else { sizes };
    if cfg!(debug_assertions) {
        println!("an unoptimised build: nothing here says anything beside its bar");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut missed = false;
    for designs in sizes {
        let report = runtime.block_on(measured(designs));
        println!("{designs} designs of 19 components, {} applied, load {}", designs / 10, load());
        print!("{}", report.text());
        missed |= report.missed();
    }
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').next().unwrap_or("?").to_owned()
}

async fn measured(designs: usize) -> Report {
    let mut report = Report::default();
    let bars = bars(designs);
    let figure = |report: &mut Report, name: &str, value: f64| {
        let bar = bars.iter().find(|bar| bar.name == name).expect("a bar");
        report.add(*bar, Figure::Measured(value));
    };
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
    crowd::copy(&data, &wrapper, &[(draft.clone(), designs - designs / 10), (built.clone(), designs / 10)]).await;
    report.note(format!("copied in {:.0} s", start.elapsed().as_secs_f64()));
    eprintln!("  {designs} designs are there");

    // restart: who answers, how long everything is looked at, what is started
    let (log, runs) = (world.dir.path().join("scale.log"), world.runs().len());
    let start = Instant::now();
    let wrapper = wrapper.to_str().expect("text").to_owned();
    let mut server = Bare::start(&data, &log, &[("GALLEY_TERRAFORM_BIN", &wrapper)]);
    let mut rpc = server.answer().await;
    while !reqwest::get(format!("{}/readyz", server.base)).await.is_ok_and(|answer| answer.status().is_success()) {
        assert!(start.elapsed() < PATIENCE, "it is not ready");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    figure(&mut report, "restart to ready", start.elapsed().as_secs_f64() * 1e3);
    let sweep = until_idle(server.pid()).await;
    let cpu = measure::cpu_time_of(server.pid()).expect("running");
    figure(&mut report, "every design looked at after a restart", sweep.as_secs_f64() * 1e3);
    report.note(format!("sweep: {:.1} s of CPU, {:.2} ms a design", cpu.as_secs_f64(), cpu.as_secs_f64() * 1e3 / designs as f64));
    figure(&mut report, "processes started by a restart", (world.runs().len() - runs) as f64);
    figure(&mut report, "resident, at rest", resident(server.pid()).expect("running"));
    let status = rpc.call("get_status", json!({ "session_id": built })).await;
    assert_eq!((&status["sync"], &status["health"]), (&json!("Synced"), &json!("Healthy")), "{status}");

    eprintln!("  looked at all of them in {:.1} s", sweep.as_secs_f64());
    let names = listed(&mut rpc).await;
    let (rate, p99) = read(&server, &names).await;
    figure(&mut report, "status read, p99", p99);
    report.note(format!("status reads: {rate:.0} a second over {READERS} connections"));
    drop(server);

    // a queue: every job waits for one slot, whose holder does not end until it is let go
    let hold = world.dir.path().join("hold");
    let (binary, starts) = held_terraform(world.dir.path(), &hold);
    std::fs::write(&hold, "").expect("hold");
    let log = world.dir.path().join("queue.log");
    let environment =
        [("GALLEY_TERRAFORM_BIN", binary.to_str().expect("text")), ("GALLEY_MAX_TERRAFORM", "1"), ("GALLEY_SANDBOX_IDLE", "2")];
    let mut server = Bare::start(&data, &log, &environment);
    server.answer().await;
    until_idle(server.pid()).await;
    let client = client(&server);
    let drafts: Vec<String> = names.iter().filter(|name| **name != built && **name != draft).cloned().collect();
    let planned: Vec<&String> = drafts_of(&client, &drafts).await;
    let waiting = WAITING.min(planned.len().saturating_sub(EDITS));
    futures::stream::iter(planned[..waiting].iter()).for_each_concurrent(8, |name| plan(&client, name)).await;
    let jobs: kube::Api<TerraformJob> = kube::Api::namespaced(client.clone(), "default");
    let deadline = Instant::now() + PATIENCE;
    while jobs.list_metadata(&Default::default()).await.expect("jobs").items.len() < waiting {
        assert!(Instant::now() < deadline, "the queue does not fill");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    eprintln!("  {waiting} jobs wait");
    let pending = edits(&client, &planned[waiting..waiting + EDITS.min(planned.len() - waiting)]).await;
    let pending = spread(pending).expect("samples");
    figure(&mut report, "edit to Pending, jobs waiting, p99", pending.p99);
    report.note(format!("edit to Pending while {waiting} jobs wait: median {:.1} ms, slowest {:.1} ms", pending.p50, pending.max));
    report.note(format!("resident with {waiting} jobs waiting: {:.0} MiB", resident(server.pid()).expect("running")));
    std::fs::remove_file(&hold).expect("let go");
    let freed = spread(free_to_started(&log, &starts, &data.join("run")).await).expect("samples");
    figure(&mut report, "slot free to process, jobs waiting, p99", freed.p99);
    report.note(format!("slot free to the next process: median {:.1} ms, slowest {:.1} ms", freed.p50, freed.max));
    report
}

fn client(server: &Bare) -> kube::Client {
    let uri: http::Uri = format!("{}/k8s/{}", server.base, world::EDITOR).parse().expect("uri");
    kube::Client::try_from(kube::Config::new(uri)).expect("client")
}

async fn listed(rpc: &mut Rpc) -> Vec<String> {
    let (mut names, mut arguments) = (Vec::new(), json!({"limit": 100}));
    loop {
        let page = rpc.call("list_sessions", arguments).await;
        names.extend(page["sessions"].as_array().expect("a list").iter().filter_map(|line| line["session_id"].as_str().map(str::to_owned)));
        if page["next_cursor"].is_null() {
            return names;
        }
        arguments = json!({"limit": 100, "cursor": page["next_cursor"]});
    }
}

/// Reads a second and their p99 in milliseconds: every reader asks for other sessions.
async fn read(server: &Bare, names: &[String]) -> (f64, f64) {
    let start = Instant::now();
    let mut readers = tokio::task::JoinSet::new();
    for lane in 0..READERS {
        let (mut rpc, names) = (Rpc::to(&server.base), names.to_vec());
        readers.spawn(async move {
            let mut samples = Vec::with_capacity(READS);
            for turn in 0..READS {
                let name = &names[(turn * READERS + lane) * 7919 % names.len()];
                samples.push(rpc.timed("get_status", &json!({ "session_id": name })).await.1);
            }
            samples
        });
    }
    let mut samples = Vec::new();
    while let Some(done) = readers.join_next().await {
        samples.extend(done.expect("reads"));
    }
    let rate = samples.len() as f64 / start.elapsed().as_secs_f64();
    (rate, spread(samples).expect("samples").p99)
}

/// Those of the names whose design is a draft.
async fn drafts_of<'a>(client: &kube::Client, names: &'a [String]) -> Vec<&'a String> {
    let designs: kube::Api<galley::api::Design> = kube::Api::namespaced(client.clone(), "default");
    let mut found = Vec::new();
    for name in names {
        let design = designs.get(name).await.expect("design");
        if design.spec.desired_state == galley::api::design::DesiredState::Draft {
            found.push(name);
        }
        if found.len() >= WAITING + EDITS {
            break;
        }
    }
    found
}

async fn plan(client: &kube::Client, name: &str) {
    let designs: kube::Api<galley::api::Design> = kube::Api::namespaced(client.clone(), "default");
    let body = json!({"spec": {"desiredState": "Planned"}});
    designs.patch(name, &PatchParams::default(), &Patch::Merge(&body)).await.expect("accepted");
}

/// From the answer to an edit to its job in a watch, one after the other.
async fn edits(client: &kube::Client, names: &[&String]) -> Vec<Duration> {
    let jobs: kube::Api<TerraformJob> = kube::Api::namespaced(client.clone(), "default");
    let version = jobs.list(&Default::default()).await.expect("jobs").metadata.resource_version.expect("a version");
    let mut events = jobs.watch(&WatchParams::default(), &version).await.expect("a watch").boxed();
    let mut samples = Vec::new();
    for name in names {
        plan(client, name).await;
        let accepted = Instant::now();
        loop {
            let event =
                tokio::time::timeout(PATIENCE, events.next()).await.expect("in time").expect("the watch goes on").expect("an event");
            let (WatchEvent::Added(job) | WatchEvent::Modified(job)) = event else { continue };
            if job.spec.design_ref == **name {
                samples.push(accepted.elapsed());
                break;
            }
        }
    }
    samples
}

/// A terraform that writes down when it was started, waits while `hold` is there, and fails.
fn held_terraform(dir: &Path, hold: &Path) -> (PathBuf, PathBuf) {
    let (path, log) = (dir.join("terraform-held"), dir.join("held.log"));
    let script = format!(
        "#!/bin/bash\nif [ \"$1\" = version ]; then echo '{{\"terraform_version\":\"1.11.4\"}}'; exit 0; fi\n\
         printf '%s %s\\n' \"$EPOCHREALTIME\" \"$1\" >> '{}'\nwhile [ -e '{}' ]; do sleep 0.05; done\nexit 1\n",
        log.display(),
        hold.display()
    );
    std::fs::write(&path, script).expect("script");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
    (path, log)
}

/// From the durable end of a job to the first process of the next: its provider, whose log file is made when it is
/// started, or its terraform.
async fn free_to_started(log: &Path, starts: &Path, run_dir: &Path) -> Vec<Duration> {
    let deadline = Instant::now() + PATIENCE;
    let mut providers: std::collections::BTreeMap<PathBuf, f64> = std::collections::BTreeMap::new();
    let ends = loop {
        // a provider that was idle takes its log along when it is started again, so births are collected while they last
        for entry in std::fs::read_dir(run_dir).into_iter().flatten().flatten() {
            let born = entry.metadata().and_then(|meta| meta.created().or_else(|_| meta.modified())).ok();
            let seconds = born.and_then(|born| born.duration_since(SystemTime::UNIX_EPOCH).ok()).map(|time| time.as_secs_f64());
            if let (true, Some(seconds)) = (entry.path().extension().is_some_and(|end| end == "log"), seconds) {
                providers.entry(entry.path()).or_insert(seconds);
            }
        }
        let ends = ended(&std::fs::read_to_string(log).unwrap_or_default());
        if ends.len() > STARTS {
            break ends;
        }
        assert!(Instant::now() < deadline, "the queue does not move: {} ends", ends.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let text = std::fs::read_to_string(starts).unwrap_or_default();
    let mut began: Vec<f64> = text.lines().filter_map(|line| line.split(' ').next()?.parse().ok()).chain(providers.into_values()).collect();
    began.sort_by(f64::total_cmp);
    let next = |pair: &[f64]| began.iter().find(|at| **at >= pair[0] && **at <= pair[1]).map(|at| Duration::from_secs_f64(at - pair[0]));
    ends.windows(2).filter_map(next).collect()
}

/// Seconds since the epoch of every "the job ended" in a log, oldest first.
fn ended(log: &str) -> Vec<f64> {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["message"] == "the job ended")
        .filter_map(|line| line["timestamp"].as_str()?.parse::<jiff::Timestamp>().ok())
        .map(|time| time.as_microsecond() as f64 / 1e6)
        .collect()
}
