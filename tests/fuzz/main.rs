//! Fuzzing of everything that strangers write: designs, service files, rules, override files, what Terraform prints. Each
//! format twice: as bytes, and as edits of documents that are right to begin with.
//!
//! One set of properties, two engines of `bolero`. `cargo test --test fuzz` runs every committed input and some random ones,
//! on any toolchain. `make fuzz` builds the same file with LLVM's coverage counters and lets libFuzzer look for inputs, for
//! GALLEY_FUZZ_SECONDS (300) each (tools/fuzz.sh, docs/adr/0014). What it finds goes to `__fuzz__/<name>/crashes/`, where it
//! is run by every later test: commit it with what mends it.

mod edits;
mod hcl;
mod targets;
mod words;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::LazyLock;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use bolero::check;
use edits::Edits;
use serde_json::Value;
use targets::{Target, architecture, overrides, rules, services, terraform};

/// Random inputs of one test, besides all that are committed: what a build without optimisation does in a few seconds.
const TRIES: usize = 130;

/// How long one input may take before the run ends with its name: a thousand times what the slowest one takes. libFuzzer
/// has a clock of its own and a much shorter limit.
const HANG: Duration = Duration::from_secs(120);

/// Runs one input: what must hold, within the memory it may take.
fn run(target: &Target, input: &[u8]) {
    let _watched = Watched::new(target, input);
    let mut result = Ok(());
    let used = allocation_counter::measure(|| result = catch_unwind(AssertUnwindSafe(|| (target.check)(input))));
    result.unwrap_or_else(|panic| resume_unwind(panic));
    let (base, each) = target.memory;
    let most = base + each * input.len() as u64;
    assert!(used.bytes_max <= most, "{}: {} bytes for an input of {}; {most} are allowed", target.name, used.bytes_max, input.len());
}

/// Ends the process when an input is not done in time.
struct Watched(Sender<()>);

impl Watched {
    fn new(target: &Target, input: &[u8]) -> Option<Watched> {
        if std::env::var_os("BOLERO_LIBFUZZER_ARGS").is_some() {
            return None;
        }
        let (done, wait) = mpsc::channel();
        let (name, input) = (target.name, input.to_vec());
        std::thread::spawn(move || {
            if wait.recv_timeout(HANG) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{name}: not done after {HANG:?}:\n{}", String::from_utf8_lossy(&input));
                std::process::abort();
            }
        });
        Some(Watched(done))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// Runs a document that was edited, as the text a stranger would send.
fn run_edited(target: &Target, seeds: &[Value], edits: &Edits) {
    run(target, edits.applied(seeds).to_string().as_bytes());
}

/// The two tests of one format.
macro_rules! target {
    ($target:expr, $bytes:ident = $name:literal, $edited:ident = $edited_name:literal) => {
        #[test]
        fn $bytes() {
            check!(name = $name).with_iterations(TRIES).for_each(|input: &[u8]| run(&$target, input));
        }

        #[test]
        fn $edited() {
            static SEEDS: LazyLock<Vec<Value>> = LazyLock::new($target.seeds);
            check!(name = $edited_name).with_type::<Edits>().with_iterations(TRIES).for_each(|edits| run_edited(&$target, &SEEDS, edits));
        }
    };
}

target!(architecture::TARGET, designs_are_judged_and_rendered_or_refused = "architecture", edited_designs_are_too = "architecture-edited");
target!(services::TARGET, service_files_load_or_are_refused = "services", edited_service_files_are_too = "services-edited");
target!(rules::TARGET, rules_load_or_are_refused = "rules", edited_rules_are_too = "rules-edited");
target!(terraform::TARGET, what_terraform_prints_is_read = "terraform", edited_plans_and_states_are_too = "terraform-edited");

#[test]
fn override_files_are_taken_or_refused() {
    check!(name = "overrides").with_iterations(TRIES).for_each(|input: &[u8]| run(&overrides::TARGET, input));
}

#[test]
fn override_files_made_by_grammar_are_too() {
    check!(name = "overrides-made")
        .with_type::<hcl::File>()
        .with_iterations(TRIES)
        .for_each(|file| run(&overrides::TARGET, file.text().as_bytes()));
}
