//! Whether what was seen is fine: bounds, growth, and what went wrong without being injected.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::Done;
use crate::sample::Sample;
use crate::world::World;

/// Memory of the container instance.
const LIMIT_MIB: f64 = 2048.0;
/// The last third may take this much more than the middle one: allocators keep what they had, a leak goes on.
const GROWTH: f64 = 1.15;
/// And this much in any case: a judgement more or less in the memo.
const SLACK_MIB: f64 = 16.0;
/// Fewest samples: three in each third.
const SAMPLES: usize = 9;

/// The median of one third of the samples.
fn third(samples: &[Sample], which: usize, of: impl Fn(&Sample) -> f64) -> f64 {
    let length = samples.len() / 3;
    let mut values: Vec<f64> = samples[which * length..(which + 1) * length].iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// What the log says went wrong.
#[derive(Default)]
struct Wrong {
    /// job failures by action and reason
    failures: BTreeMap<String, usize>,
    /// lines of level ERROR and WARN by message
    lines: BTreeMap<String, usize>,
}

fn wrong(log: &str) -> Wrong {
    let mut wrong = Wrong::default();
    for line in log.lines().filter_map(|text| serde_json::from_str::<Value>(text).ok()) {
        let text = |key: &str| line[key].as_str().unwrap_or_default();
        if text("message") == "the job ended" && (text("phase").contains("Failed") || text("phase").contains("Interrupted")) {
            *wrong.failures.entry(format!("{} {}", text("phase"), text("reason"))).or_default() += 1;
        }
        if matches!(text("level"), "ERROR" | "WARN") {
            *wrong.lines.entry(format!("{} {} {}", text("level"), text("message"), text("error"))).or_default() += 1;
        }
    }
    wrong
}

/// Prints what was done and every figure beside its bar. True when all are met.
pub fn judge(world: &World, done: &Done, samples: &[Sample], broken: usize) -> bool {
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    println!(
        "done: {} applies, {} drifts repaired, {} injected failures, {} destroys, {} edits, {} plans cancelled, {} reads; {} samples",
        count(&done.applies),
        count(&done.drifts),
        count(&done.injected),
        count(&done.destroys),
        count(&done.edits),
        count(&done.cancelled),
        count(&done.reads),
        samples.len()
    );
    if samples.len() < SAMPLES || count(&done.destroys) == 0 {
        println!("MISSED: too short to say anything");
        return false;
    }
    let mut fine = true;
    let mut line = |what: &str, ok: bool, text: String| {
        println!("{what:<44} {text:<52} {}", if ok { "ok" } else { "MISSED" });
        fine &= ok;
    };
    let most = samples.iter().map(|sample| sample.tree).fold(0.0, f64::max);
    line("memory of the tree at the most", most <= LIMIT_MIB, format!("{most:.0} MiB, bar {LIMIT_MIB:.0}"));
    let tenths = samples.chunks(samples.len().div_ceil(10));
    let course: Vec<String> =
        tenths.map(|tenth| format!("{:.0}", tenth.iter().map(|s| s.server).sum::<f64>() / tenth.len() as f64)).collect();
    let (before, after) = (third(samples, 1, |sample| sample.server), third(samples, 2, |sample| sample.server));
    line("memory of the server, middle → last third", after <= before * GROWTH + SLACK_MIB, format!("{before:.0} → {after:.0} MiB"));
    println!("  tenth by tenth: {} MiB", course.join(" "));
    let counts: [(&str, fn(&Sample) -> usize, f64); 3] = [
        ("open files, middle → last third", |sample| sample.files, 8.0),
        // the pool for blocking work grows and shrinks by tens
        ("threads, middle → last third", |sample| sample.threads, 16.0),
        ("children, middle → last third", |sample| sample.children, 4.0),
    ];
    for (what, of, slack) in counts {
        let (before, after) = (third(samples, 1, |sample| of(sample) as f64), third(samples, 2, |sample| of(sample) as f64));
        line(what, after <= before + slack, format!("{before:.0} → {after:.0}, bar + {slack:.0}"));
    }
    let wrong = wrong(&world.server_log());
    let failures: usize = wrong.failures.values().sum();
    wrong.failures.iter().for_each(|(what, times)| println!("  {times} × job {what}"));
    let injected = count(&done.injected);
    line("failed jobs that were not injected", failures == injected, format!("{failures} failed, {injected} injected"));
    wrong.lines.iter().take(10).for_each(|(what, times)| println!("  {times} × {what}"));
    let lines: usize = wrong.lines.values().sum();
    line("warnings and errors in the log", lines == 0, format!("{lines}, none of an injected failure"));
    line("lanes that broke", broken == 0, broken.to_string());
    fine
}
