//! `make bench`: each figure beside its bar. Exits non-zero when one is missed by more than noise.
//!
//! The bars are [`BARS`]; a bar that nothing measures yet is printed as such. `docs/benchmarks.md` keeps the results.

use std::process::ExitCode;

#[allow(dead_code, reason = "the framework serves figures that are not all there yet")]
mod measure;

use measure::{Bar, Report, Unit};

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
    Bar { name: "resident, idle", limit: 40.0, unit: Unit::Mebibytes },
    Bar { name: "resident, 1,000 sessions of 19 components", limit: 96.0, unit: Unit::Mebibytes },
    Bar { name: "resident, 10,000 designs of 19 components", limit: 512.0, unit: Unit::Mebibytes },
    Bar { name: "restart with 10,000 designs", limit: 5_000.0, unit: Unit::Milliseconds },
    Bar { name: "needless plans after that restart", limit: 0.0, unit: Unit::Count },
    Bar { name: "start to first answer", limit: 100.0, unit: Unit::Milliseconds },
    Bar { name: "recovery after kill -9", limit: 5_000.0, unit: Unit::Milliseconds },
];

/// Measures one bar by its name; None = nothing measures it yet.
fn figure(_name: &str) -> Option<f64> {
    None
}

fn main() -> ExitCode {
    // `cargo bench -- WORD` measures the bars whose name holds WORD; cargo itself adds `--bench`.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let mut report = Report::default();
    for bar in BARS.iter().filter(|bar| wanted.is_empty() || wanted.iter().any(|word| bar.name.contains(word.as_str()))) {
        report.add(*bar, figure(bar.name));
    }
    print!("{}", report.text());
    if report.missed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
