//! How a figure is measured, compared with its bar and printed. Knows nothing of Galley; has its own unit tests
//! (`tests/figures.rs` compiles this file, because a bench target without the test harness runs none).

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// A figure may exceed its bar by this factor before it counts as missed: on two shared cores the same code was seen to
/// vary by about a fifth between runs.
pub const NOISE: f64 = 1.2;

/// Unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// milliseconds
    Milliseconds,
    /// mebibytes
    Mebibytes,
    /// how many
    Count,
}

impl Unit {
    fn word(self) -> &'static str {
        match self {
            Unit::Milliseconds => "ms",
            Unit::Mebibytes => "MiB",
            Unit::Count => "",
        }
    }
}

/// One line of the table of bars: what must not be exceeded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// what is measured
    pub name: &'static str,
    /// the most it may be
    pub limit: f64,
    /// in what
    pub unit: Unit,
}

/// How a figure compares with its bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// at or under the bar
    Met,
    /// over it by no more than noise
    Noise,
    /// over it
    Missed,
    /// nothing measures it
    Unmeasured,
}

/// What a measurement came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Figure {
    /// this, and it is what the bar names
    Measured(f64),
    /// this, and it is less than what the bar names: what is missing
    Part(f64, &'static str),
    /// nothing: why
    Nothing(String),
}

impl Figure {
    fn value(&self) -> Option<f64> {
        match self {
            Figure::Measured(value) | Figure::Part(value, _) => Some(*value),
            Figure::Nothing(_) => None,
        }
    }
}

/// Judges a figure. A count has no noise. A part that is within the bar proves nothing about the whole.
pub fn judge(bar: &Bar, figure: &Figure) -> Verdict {
    let slack = if bar.unit == Unit::Count { 1.0 } else { NOISE };
    match figure {
        Figure::Measured(value) if *value <= bar.limit => Verdict::Met,
        Figure::Measured(value) if *value <= bar.limit * slack => Verdict::Noise,
        Figure::Part(value, _) if *value <= bar.limit * slack => Verdict::Unmeasured,
        Figure::Measured(_) | Figure::Part(..) => Verdict::Missed,
        Figure::Nothing(_) => Verdict::Unmeasured,
    }
}

/// Figures beside their bars.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<(Bar, Figure)>,
    notes: Vec<String>,
}

impl Report {
    /// Adds what a bar's measurement came to.
    pub fn add(&mut self, bar: Bar, figure: Figure) {
        self.rows.push((bar, figure));
    }

    /// Adds a line that stands under the table: what was seen beside the figures.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|(bar, figure)| judge(bar, figure) == verdict).count()
    }

    /// true when a figure is missed by more than noise, or not measured: what nobody measured is not met.
    pub fn missed(&self) -> bool {
        self.count(Verdict::Missed) + self.count(Verdict::Unmeasured) > 0
    }

    /// The table and a closing line.
    pub fn text(&self) -> String {
        let width = self.rows.iter().map(|(bar, _)| bar.name.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (bar, figure) in &self.rows {
            let verdict = match judge(bar, figure) {
                Verdict::Met => "ok",
                Verdict::Noise => "over, within noise",
                Verdict::Missed => "MISSED",
                Verdict::Unmeasured => "NOT MEASURED",
            };
            let why = match figure {
                Figure::Measured(_) => String::new(),
                Figure::Part(_, why) => format!(": {why}"),
                Figure::Nothing(why) => format!(": {why}"),
            };
            let value = figure.value().map_or_else(|| "-".to_owned(), number);
            let unit = bar.unit.word();
            let _ = writeln!(text, "{:<width$}  {value:>10} {unit:<3}  bar {:>7} {unit:<3}  {verdict}{why}", bar.name, number(bar.limit));
        }
        for note in &self.notes {
            let _ = writeln!(text, "  {note}");
        }
        let (met, missed) = (self.count(Verdict::Met) + self.count(Verdict::Noise), self.count(Verdict::Missed));
        let _ = writeln!(text, "{met} met, {missed} missed, {} not measured", self.count(Verdict::Unmeasured));
        text
    }
}

/// Three significant digits at most, no trailing zeros.
fn number(value: f64) -> String {
    let text = if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// What a run of samples looked like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// median, milliseconds
    pub p50: f64,
    /// 99th percentile, milliseconds
    pub p99: f64,
    /// slowest, milliseconds
    pub max: f64,
}

/// Nearest-rank percentiles of durations.
pub fn spread(mut samples: Vec<Duration>) -> Option<Spread> {
    samples.sort_unstable();
    let rank = |share: f64| {
        let index = (share * samples.len() as f64).ceil() as usize;
        samples.get(index.saturating_sub(1)).map(|duration| duration.as_secs_f64() * 1e3)
    };
    Some(Spread { p50: rank(0.5)?, p99: rank(0.99)?, max: rank(1.0)? })
}

/// Wall time of `work`, once for each sample, after a tenth as many calls that warm it up.
pub fn wall(samples: usize, mut work: impl FnMut()) -> Option<Spread> {
    (0..samples.div_ceil(10)).for_each(|_| work());
    let once = |_| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    spread((0..samples).map(once).collect())
}

/// What the medium alone takes for one durable write as the store does it: file, fsync, rename, fsync of the directory.
/// Beside a figure that waits for the disk it says how much of it is the disk's.
pub fn medium(directory: &std::path::Path) -> Option<Spread> {
    let (temporary, place) = (directory.join("medium.tmp"), directory.join("medium"));
    let once = || -> std::io::Result<()> {
        std::fs::write(&temporary, [b'x'; 4096])?;
        std::fs::File::open(&temporary)?.sync_all()?;
        std::fs::rename(&temporary, &place)?;
        std::fs::File::open(directory)?.sync_all()
    };
    let mut refused = false;
    let spread = wall(200, || refused |= once().is_err());
    spread.filter(|_| !refused)
}

/// CPU milliseconds of this process for each call of `work`, all threads counted.
pub fn cpu(calls: u32, mut work: impl FnMut()) -> f64 {
    work();
    let before = cpu_time();
    (0..calls).for_each(|_| work());
    cpu_time().saturating_sub(before).as_secs_f64() * 1e3 / f64::from(calls.max(1))
}

/// User and system time of this process so far (getrusage: microseconds, finished threads included).
#[expect(unsafe_code, reason = "getrusage has no safe wrapper among the dependencies, and /proc counts in ticks of 10 ms")]
pub fn cpu_time() -> Duration {
    // SAFETY: rusage is plain data for which all zeros is a value, and getrusage writes only into it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let part = |time: libc::timeval| Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs());
    part(usage.ru_utime) + part(usage.ru_stime)
}

/// User and system time of another process in ticks of 10 ms, from `/proc/<pid>/stat`: for a server measured from outside.
pub fn cpu_time_of(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces; utime and stime are fields 14 and 15, 12th and 13th after it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

/// Resident memory of a process in MiB (`VmRSS` of `/proc/<pid>/status`); None where there is no such process.
pub fn resident(pid: u32) -> Option<f64> {
    field(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:")
}

/// The most resident memory a process ever had, in MiB (`VmHWM`).
pub fn peak(pid: u32) -> Option<f64> {
    field(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmHWM:")
}

fn field(status: &str, key: &str) -> Option<f64> {
    let kibibytes: f64 = status.lines().find_map(|line| line.strip_prefix(key))?.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAR: Bar = Bar { name: "a call", limit: 10.0, unit: Unit::Milliseconds };

    #[test]
    fn a_figure_is_missed_only_past_noise_and_a_count_has_none() {
        let rows = [
            ("under", BAR, Figure::Measured(3.0), Verdict::Met),
            ("at the bar", BAR, Figure::Measured(10.0), Verdict::Met),
            ("a fifth over", BAR, Figure::Measured(12.0), Verdict::Noise),
            ("more than that", BAR, Figure::Measured(12.1), Verdict::Missed),
            ("nobody measured it", BAR, Figure::Nothing("no".into()), Verdict::Unmeasured),
            ("a part within the bar says nothing of the whole", BAR, Figure::Part(3.0, "half"), Verdict::Unmeasured),
            ("a part over the bar is over it", BAR, Figure::Part(13.0, "half"), Verdict::Missed),
            ("none is none", Bar { limit: 0.0, unit: Unit::Count, ..BAR }, Figure::Measured(0.0), Verdict::Met),
            ("one needless plan is one too many", Bar { limit: 0.0, unit: Unit::Count, ..BAR }, Figure::Measured(1.0), Verdict::Missed),
        ];
        for (reason, bar, figure, verdict) in rows {
            assert_eq!(judge(&bar, &figure), verdict, "{reason}");
        }
    }

    #[test]
    fn the_report_prints_each_figure_beside_its_bar_and_counts() {
        let mut report = Report::default();
        report.add(BAR, Figure::Measured(3.25));
        report.add(Bar { name: "later", ..BAR }, Figure::Nothing("there is no clock".into()));
        assert!(report.missed(), "what nobody measured is not met");
        report.add(Bar { name: "memory", limit: 40.0, unit: Unit::Mebibytes }, Figure::Measured(123.4));
        report.note("seen beside it".into());
        let text = report.text();
        assert!(report.missed());
        assert!(
            text.contains("3.25 ms")
                && text.contains("bar      10 ms")
                && text.contains("123 MiB")
                && text.contains("MISSED")
                && text.contains("no clock"),
            "{text}"
        );
        assert!(text.ends_with("1 met, 1 missed, 1 not measured\n"), "{text}");
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        let milliseconds: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(spread(milliseconds), Some(Spread { p50: 100.0, p99: 198.0, max: 200.0 }));
        assert_eq!(spread(vec![Duration::from_millis(7)]), Some(Spread { p50: 7.0, p99: 7.0, max: 7.0 }));
        assert_eq!(spread(vec![]), None);
    }

    #[test]
    fn work_costs_time_and_memory_is_read() {
        let mut sum = 0u64;
        let cost = cpu(3, || sum = (0..2_000_000u64).fold(sum, |a, b| std::hint::black_box(a ^ b)));
        assert!(cost > 0.0, "{cost}");
        assert!(wall(5, || std::hint::black_box(())).is_some());
        assert!(resident(std::process::id()).is_some_and(|mebibytes| mebibytes > 0.5));
        assert!(cpu_time_of(std::process::id()).is_some() && peak(std::process::id()).is_some());
        assert!(medium(tempfile::tempdir().expect("a directory").path()).is_some());
        assert_eq!(resident(u32::MAX), None);
        assert_eq!(field("Name:\tx\nVmRSS:\t    2048 kB\n", "VmRSS:"), Some(2.0));
    }
}
