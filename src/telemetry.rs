//! Logs and metrics: the tracing subscriber, the Prometheus recorder, and the first log line.
//!
//! Takes checked [`Settings`]; writes to stderr alone, because stdout belongs to MCP over stdio and to command output.

use std::io::IsTerminal;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{Environment, LogFormat, Settings};

/// Version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Seconds; from the light-call bar (5 ms) to the longest poll.
const LATENCY_BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Seconds; what takes minutes and hours: jobs, and waiting for one.
const JOB_BUCKETS: &[f64] = &[0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0];

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// the filter does not parse
    #[error("cannot use the log filter {filter:?}")]
    Filter {
        /// the filter
        filter: String,
        /// why
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// a subscriber or recorder is there already
    #[error("cannot install {what}: {reason}")]
    Install {
        /// subscriber or recorder
        what: &'static str,
        /// why
        reason: String,
    },
}

/// What was built, from what.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// version of the crate
    pub version: &'static str,
    /// commit, where the build was told
    pub commit: &'static str,
    /// debug or release
    pub profile: &'static str,
    /// operating system and architecture
    pub platform: (&'static str, &'static str),
}

/// This build.
pub fn build() -> Build {
    Build {
        version: VERSION,
        commit: option_env!("GALLEY_BUILD_COMMIT").unwrap_or("unknown"),
        profile: if cfg!(debug_assertions) { "debug" } else { "release" },
        platform: (std::env::consts::OS, std::env::consts::ARCH),
    }
}

impl std::fmt::Display for Build {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Build { version, commit, profile, platform: (system, machine) } = self;
        write!(formatter, "galley {version} (commit {commit}, {profile}, {system}/{machine})")
    }
}

/// Whether a line may be written at all, whatever the filter says. Libraries quote what they were asked and answered, names
/// and tokens included: of them is heard what they say at `info` and above, and of the MCP library, which quotes whatever a
/// host sent wrongly, what it says at `error`.
fn is_ours_or_grave(metadata: &tracing::Metadata<'_>) -> bool {
    let of = |library: &str| metadata.target().split("::").next() == Some(library);
    let most = match () {
        () if of("galley") => tracing::Level::TRACE,
        () if of("rmcp") => tracing::Level::ERROR,
        () => tracing::Level::INFO,
    };
    *metadata.level() <= most
}

/// Installs the subscriber of this process. Once.
pub fn init_logs(settings: &Settings, environment: &Environment) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&settings.log).map_err(|source| Error::Filter { filter: settings.log.clone(), source })?;
    let filter = filter.and(filter_fn(is_ours_or_grave));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let installed = match settings.log_format {
        LogFormat::Text => {
            let lines = lines.with_ansi(std::io::stderr().is_terminal() && environment.allows_colour());
            tracing_subscriber::registry().with(lines.with_filter(filter)).try_init()
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(true).with_span_list(false);
            tracing_subscriber::registry().with(lines.with_filter(filter)).try_init()
        }
    };
    installed.map_err(|error| Error::Install { what: "the log subscriber", reason: error.to_string() })
}

/// The first log line: build and effective settings without secrets; then what looks like a mistake.
pub fn announce(settings: &Settings) {
    let Build { version, commit, profile, .. } = build();
    let effective = settings
        .describe()
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join(" ");
    tracing::info!(version, commit, profile, settings = %effective, "galley starts");
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
}

/// Handle to everything that was measured.
#[derive(Clone, Debug)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder of this process. Once.
    pub fn install() -> Result<Self, Error> {
        let refuse =
            |error: metrics_exporter_prometheus::BuildError| Error::Install { what: "the metrics recorder", reason: error.to_string() };
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), LATENCY_BUCKETS)
            .map_err(refuse)?
            .set_buckets_for_metric(Matcher::Full("galley_job_seconds".to_owned()), JOB_BUCKETS)
            .map_err(refuse)?
            .set_buckets_for_metric(Matcher::Full("galley_job_wait_seconds".to_owned()), JOB_BUCKETS)
            .map_err(refuse)?
            .install_recorder()
            .map_err(refuse)?;
        metrics::gauge!("galley_build_info", "version" => VERSION).set(1.0);
        Ok(Metrics(handle))
    }
    /// Everything in the Prometheus text format.
    pub fn render(&self) -> String {
        // drains histogram samples, which otherwise pile up between scrapes
        self.0.run_upkeep();
        self.0.render()
    }
}

/// What one thread traces, for tests that look for secrets. A subscriber set for a scope would not do: while it is the
/// only one, tracing-core asks the *current* thread's subscriber whether a callsite matters, so a test on another thread
/// that comes to a callsite first switches it off for everybody. This one is global and asks the thread each time.
#[cfg(test)]
pub(crate) mod capture {
    use std::cell::RefCell;
    use std::sync::Once;

    use tracing_subscriber::Layer;
    use tracing_subscriber::filter::dynamic_filter_fn;
    use tracing_subscriber::fmt::format::FmtSpan;
    use tracing_subscriber::layer::SubscriberExt;

    thread_local! {
        static SEEN: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
    }

    struct Writer;

    impl std::io::Write for Writer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            SEEN.with_borrow_mut(|seen| seen.iter_mut().for_each(|seen| seen.extend_from_slice(bytes)));
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Everything that `run` traces on this thread, at every level, spans included.
    pub(crate) fn traces_of(run: impl FnOnce()) -> String {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            let here = dynamic_filter_fn(|_, _| SEEN.with_borrow(Option::is_some));
            let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_span_events(FmtSpan::FULL).with_writer(|| Writer);
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer.with_filter(here)))
                .expect("tests install no other subscriber");
        });
        SEEN.set(Some(Vec::new()));
        run();
        String::from_utf8(SEEN.take().unwrap_or_default()).expect("log lines are UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SettingsArgs;

    #[test]
    fn metrics_are_rendered_as_histograms_with_buckets() {
        let metrics = Metrics::install().unwrap();
        metrics::histogram!("galley_test_seconds").record(0.003);
        let text = metrics.render();
        assert!(text.contains("galley_build_info{version="), "{text}");
        assert!(text.contains("galley_test_seconds_bucket{le=\"0.005\"} 1"), "{text}");
        assert!(Metrics::install().is_err(), "one recorder per process");
    }

    #[test]
    fn the_first_line_tells_build_and_settings_and_no_secret() {
        let token = "editor-token-0123456789";
        let environment =
            Environment::of([("HOME", "/h"), ("GALLEY_TERRAFORM_BIN", "/bin/sh"), ("GALLEY_TOKEN", token), ("GALLEY_TOKN", "x")]);
        let settings = Settings::load(&environment, &SettingsArgs::default()).unwrap();
        let text = super::capture::traces_of(|| announce(&settings));
        let first = text.lines().next().unwrap();
        for part in [VERSION, "listen=127.0.0.1:8470", "token=given", "max_terraform=2"] {
            assert!(first.contains(part), "{part}: {first}");
        }
        assert!(!text.contains(token), "{text}");
        assert!(text.contains("GALLEY_TOKN is no setting"), "{text}");
    }
}
