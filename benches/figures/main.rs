//! `make bench`: each figure beside its bar. Exits non-zero when one is missed by more than noise.
//!
//! The bars are [`BARS`]; a bar that cannot be measured
//! says why and counts as missed. `docs/benchmarks.md` keeps the results.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

mod calls;
mod crash;
mod crowd;
mod inside;
mod judge;
#[allow(dead_code, reason = "not every helper has a user")]
mod measure;
mod plan;
mod queue;
#[allow(dead_code, reason = "not every helper has a user")]
mod server;
mod start;
mod unchanged;
#[allow(dead_code, reason = "the world of the acceptance tests; not every helper of theirs is used here")]
#[path = "../../tests/acceptance/world.rs"]
mod world;

use measure::{Bar, Figure, Report, Unit};

/// What must be true of Galley, in numbers. The order is that of `docs/benchmarks.md`.
#[rustfmt::skip]
pub const BARS: &[Bar] = &[
    Bar { name: "light MCP tool call, server CPU", limit: 0.5, unit: Unit::Milliseconds },
    Bar { name: "light MCP tool call, wall p99", limit: 5.0, unit: Unit::Milliseconds },
    Bar { name: "session write, fs store, durable, p99", limit: 10.0, unit: Unit::Milliseconds },
    Bar { name: "validation, 19 components, 100 rules", limit: 10.0, unit: Unit::Milliseconds },
    Bar { name: "validation, 200 components, 200 rules", limit: 300.0, unit: Unit::Milliseconds },
    Bar { name: "edit accepted to job Pending, p99", limit: 50.0, unit: Unit::Milliseconds },
    Bar { name: "slot free to process started, p99", limit: 50.0, unit: Unit::Milliseconds },
    Bar { name: "unchanged design reconciled", limit: 1.0, unit: Unit::Milliseconds },
    Bar { name: "unchanged design reconciled, processes", limit: 0.0, unit: Unit::Count },
    Bar { name: "plan over bare init + plan + show", limit: 100.0, unit: Unit::Milliseconds },
    Bar { name: "apply over bare init + apply", limit: 100.0, unit: Unit::Milliseconds },
    Bar { name: "resident, idle", limit: 40.0, unit: Unit::Mebibytes },
    Bar { name: "resident, 1,000 sessions of 19 components", limit: 96.0, unit: Unit::Mebibytes },
    Bar { name: "resident, 10,000 designs of 19 components", limit: 512.0, unit: Unit::Mebibytes },
    Bar { name: "restart with 10,000 designs", limit: 5_000.0, unit: Unit::Milliseconds },
    Bar { name: "needless plans after that restart", limit: 0.0, unit: Unit::Count },
    Bar { name: "start to first answer", limit: 100.0, unit: Unit::Milliseconds },
    Bar { name: "recovery after kill -9", limit: 5_000.0, unit: Unit::Milliseconds },
];

/// What one group of measurements found.
#[derive(Default)]
pub struct Found {
    figures: BTreeMap<&'static str, Figure>,
    notes: Vec<String>,
}

impl Found {
    /// The figure of a bar.
    pub fn figure(&mut self, bar: &'static str, figure: Figure) {
        self.figures.insert(bar, figure);
    }
    /// What was seen beside it.
    pub fn note(&mut self, note: String) {
        eprintln!("  {note}");
        self.notes.push(note);
    }
}

type Measuring = Pin<Box<dyn Future<Output = Found> + Send>>;

/// Bars that are measured together, because they need the same server in the same condition.
struct Group {
    bars: &'static [&'static str],
    measure: fn() -> Measuring,
}

#[rustfmt::skip]
const GROUPS: &[Group] = &[
    Group { bars: &["start to first answer", "resident, idle"], measure: || Box::pin(start::measure()) },
    Group { bars: &["validation, 19 components, 100 rules", "validation, 200 components, 200 rules"], measure: || Box::pin(async { judge::measure() }) },
    Group { bars: &["light MCP tool call, server CPU", "light MCP tool call, wall p99", "session write, fs store, durable, p99", "resident, 1,000 sessions of 19 components"], measure: || Box::pin(calls::measure()) },
    Group { bars: &["edit accepted to job Pending, p99", "slot free to process started, p99"], measure: || Box::pin(queue::measure()) },
    Group { bars: &["unchanged design reconciled", "unchanged design reconciled, processes"], measure: || Box::pin(unchanged::measure()) },
    Group { bars: &["plan over bare init + plan + show", "apply over bare init + apply"], measure: || Box::pin(plan::measure()) },
    Group { bars: &["recovery after kill -9"], measure: || Box::pin(crash::measure()) },
    Group { bars: &["resident, 10,000 designs of 19 components", "restart with 10,000 designs", "needless plans after that restart"], measure: || Box::pin(crowd::measure()) },
];

/// Processor, cores, memory and kernel: figures mean nothing without the machine they were made on.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, key: &str| {
        text.lines().find_map(|line| line.strip_prefix(key)).map(|rest| rest.trim_start_matches([' ', ':', '\t']).to_owned())
    };
    let model = value(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory = value(&read("/proc/meminfo"), "MemTotal").and_then(|text| text.split(' ').next()?.parse::<f64>().ok()).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg");
    format!(
        "{cores} cores ({model}), {:.0} GiB, Linux {}, load {} at the start",
        memory / f64::from(1 << 20),
        read("/proc/sys/kernel/osrelease").trim(),
        load.split(' ').next().unwrap_or("?")
    )
}

fn main() -> ExitCode {
    // `cargo bench -- WORD` measures the bars whose name holds WORD; cargo itself adds `--bench`.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let asked = |bar: &str| wanted.is_empty() || wanted.iter().any(|word| bar.contains(word.as_str()));
    println!("machine: {}", machine());
    println!("profile: bench (as release: optimised, no LTO); command: cargo bench --locked --bench figures {}", wanted.join(" "));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut figures: BTreeMap<&str, Figure> = BTreeMap::new();
    let mut report = Report::default();
    for group in GROUPS.iter().filter(|group| group.bars.iter().any(|bar| asked(bar))) {
        eprintln!("measuring: {}", group.bars.join("; "));
        // a measurement that breaks is a figure that is not there, and the others go on
        match runtime.block_on(runtime.spawn((group.measure)())) {
            Ok(found) => {
                figures.extend(found.figures);
                found.notes.into_iter().for_each(|note| report.note(note));
            }
            Err(broken) => {
                let panic = broken.into_panic();
                let why = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                let why: String =
                    why.unwrap_or_else(|| "it broke".to_owned()).lines().next().unwrap_or_default().chars().take(200).collect();
                group.bars.iter().for_each(|bar| {
                    figures.insert(bar, Figure::Nothing(why.clone()));
                });
            }
        }
    }
    for bar in BARS.iter().filter(|bar| asked(bar.name)) {
        report.add(*bar, figures.remove(bar.name).unwrap_or_else(|| Figure::Nothing("nothing measures it".to_owned())));
    }
    print!("{}", report.text());
    if report.missed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
