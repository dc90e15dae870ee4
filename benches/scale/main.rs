//! `make scale`: a server with 1,000 and with 10,000 designs of 19 components, a tenth of them applied, each figure beside
//! its bar of docs/benchmarks.md. Exits non-zero when one is missed by more than noise, or is not measured.
//!
//! The designs are copies on disk of one draft and one applied design (`crowd::copy`); nothing is really applied 1,000
//! times. In the queue Terraform is a program that waits until it is let go and then fails at once: what it does is nobody's
//! latency.
#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "a measurement that breaks says so and ends")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

#[allow(dead_code, reason = "shared with the benchmarks")]
#[path = "../figures/crowd.rs"]
mod crowd;
#[allow(dead_code, reason = "shared with the benchmarks")]
#[path = "../figures/inside.rs"]
mod inside;
#[allow(dead_code, reason = "shared with the benchmarks")]
#[path = "../figures/measure.rs"]
mod measure;
mod queue;
#[allow(dead_code, reason = "shared with the benchmarks")]
#[path = "../figures/server.rs"]
mod server;
#[allow(dead_code, reason = "the world of the acceptance tests")]
#[path = "../../tests/acceptance/world.rs"]
mod world;

use measure::{Bar, Figure, Report, Unit, resident, spread};
use server::{Bare, PATIENCE, Rpc, design, until_idle, until_judged};
use world::World;

/// Readers at once, one a connection.
const READERS: usize = 4;
/// Reads of each.
const READS: usize = 1500;

/// What was found so far; shared, so that what was measured is told also when a later measurement breaks.
#[derive(Clone, Default)]
pub struct Found(Arc<Mutex<(BTreeMap<&'static str, Figure>, Vec<String>)>>);

impl Found {
    pub fn figure(&mut self, bar: &'static str, figure: Figure) {
        self.0.lock().expect("no reader panics").0.insert(bar, figure);
    }
    pub fn note(&mut self, note: String) {
        eprintln!("  {note}");
        self.0.lock().expect("no reader panics").1.push(note);
    }
}

#[rustfmt::skip]
fn bars(designs: usize) -> Vec<Bar> {
    let memory = if designs > 1000 { 512.0 } else { 96.0 };
    vec![
        Bar { name: "resident, at rest", limit: memory, unit: Unit::Mebibytes },
        Bar { name: "restart to ready", limit: 5_000.0, unit: Unit::Milliseconds },
        Bar { name: "every design looked at after a restart", limit: 60_000.0, unit: Unit::Milliseconds },
        Bar { name: "processes started by a restart", limit: 0.0, unit: Unit::Count },
        Bar { name: "status read, p99", limit: 5.0, unit: Unit::Milliseconds },
        Bar { name: "edit to Pending, jobs waiting, p99", limit: 50.0, unit: Unit::Milliseconds },
        Bar { name: "slot free to process, jobs waiting, p99", limit: 50.0, unit: Unit::Milliseconds },
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
        let found = Found::default();
        let start = Instant::now();
        println!("{designs} designs of 19 components, {} applied, load {}", designs / 10, load());
        let measuring = runtime.block_on(runtime.spawn(measured(designs, found.clone())));
        // the panic itself stands on standard error
        let why = if measuring.is_err() { "the measurement broke before it" } else { "nothing measures it" };
        let report = report(designs, &found, why);
        print!("{}", report.text());
        println!("  {designs} designs took {:.0} s\n", start.elapsed().as_secs_f64());
        missed |= report.missed() || measuring.is_err();
    }
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn report(designs: usize, found: &Found, why: &str) -> Report {
    let (mut figures, notes) = std::mem::take(&mut *found.0.lock().expect("no reader panics"));
    let mut report = Report::default();
    for bar in bars(designs) {
        report.add(bar, figures.remove(bar.name).unwrap_or_else(|| Figure::Nothing(why.to_owned())));
    }
    notes.into_iter().for_each(|note| report.note(note));
    report
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').next().unwrap_or("?").to_owned()
}

/// The data directory with the crowd in it, and what the measurements ask about.
struct Crowd {
    world: World,
    data: PathBuf,
    /// the design that was copied as a draft, and the one that was copied built
    draft: String,
    built: String,
}

async fn measured(designs: usize, mut found: Found) {
    let mut world = World::start().await;
    let draft = world.create(design(19)).await;
    until_judged(&world, &draft).await;
    let built = world.create(design(19)).await;
    world.apply(&built).await;
    until_idle(world.pid()).await;
    world.stop().await;
    let (data, wrapper) = (world.data_dir(), wrapper(&world));
    let start = Instant::now();
    let (drafts, applied) = (designs - designs / 10, designs / 10);
    crowd::copy(&data, &wrapper, &[(draft.clone(), 1..drafts), (built.clone(), 1..applied)]).await;
    found.note(format!("copied in {:.0} s", start.elapsed().as_secs_f64()));
    let crowd = Crowd { world, data: data.clone(), draft: draft.clone(), built };
    restart(&crowd, designs, &mut found).await;
    // a thousand jobs wait, and others are edited, whatever the size
    if drafts < queue::DRAFTS {
        crowd::copy(&data, &wrapper, &[(draft, drafts..queue::DRAFTS + 1)]).await;
    }
    queue::measure(&crowd, &mut found).await;
}

fn wrapper(world: &World) -> PathBuf {
    world.dir.path().join("terraform-recorded")
}

/// Who answers, how long everything is looked at, what is started, what it takes, how it is read.
async fn restart(crowd: &Crowd, designs: usize, found: &mut Found) {
    let (log, runs) = (crowd.world.dir.path().join("scale.log"), crowd.world.runs().len());
    let wrapper = wrapper(&crowd.world);
    let start = Instant::now();
    let mut server = Bare::start(&crowd.data, &log, &[("GALLEY_TERRAFORM_BIN", wrapper.to_str().expect("text"))]);
    let mut rpc = server.answer().await;
    while !reqwest::get(format!("{}/readyz", server.base)).await.is_ok_and(|answer| answer.status().is_success()) {
        assert!(start.elapsed() < PATIENCE, "it is not ready");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    found.figure("restart to ready", Figure::Measured(start.elapsed().as_secs_f64() * 1e3));
    let sweep = until_idle(server.pid()).await;
    let cpu = measure::cpu_time_of(server.pid()).expect("running");
    found.figure("every design looked at after a restart", Figure::Measured(sweep.as_secs_f64() * 1e3));
    found.note(format!(
        "sweep: {:.1} s, of CPU {:.1} s, {:.2} ms a design",
        sweep.as_secs_f64(),
        cpu.as_secs_f64(),
        cpu.as_secs_f64() * 1e3 / designs as f64
    ));
    found.figure("processes started by a restart", Figure::Measured((crowd.world.runs().len() - runs) as f64));
    found.figure("resident, at rest", Figure::Measured(resident(server.pid()).expect("running")));
    found.note(format!("resident at the most, while all were looked at: {:.0} MiB", measure::peak(server.pid()).expect("running")));
    let status = rpc.call("get_status", json!({ "session_id": crowd.built })).await;
    assert_eq!((&status["sync"], &status["health"]), (&json!("Synced"), &json!("Healthy")), "{status}");

    let names = listed(&mut rpc).await;
    assert_eq!(names.len(), designs, "every copy is a session");
    let (rate, p99) = read(&server.base, &names).await;
    found.figure("status read, p99", Figure::Measured(p99));
    found.note(format!("status reads: {rate:.0} a second over {READERS} connections"));
}

/// Every session.
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
async fn read(base: &str, names: &[String]) -> (f64, f64) {
    let start = Instant::now();
    let mut readers = tokio::task::JoinSet::new();
    for lane in 0..READERS {
        let (mut rpc, names) = (Rpc::to(base), names.to_vec());
        readers.spawn(async move {
            let mut samples = Vec::with_capacity(READS);
            for turn in 0..READS {
                // a prime apart: no two readers, and no two turns of one, ask for the same
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

/// What a file says, nothing while it is not there.
fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
