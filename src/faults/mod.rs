//! Fault points: named moments between two durable steps, where a test can kill Galley, fail a write or hold it up.
//!
//! Without the feature `faults` every function here is an empty inline one and nothing is compiled in. With it, a point
//! is `area.what.moment` (`store.designs.put.renamed`), [`arm`] takes the orders of one run from the environment that
//! config.rs read, and `make crash` (tests/crash) enumerates the points and dies at each of them. Names nobody; may be
//! named by everybody.

#[cfg(feature = "faults")]
mod armed;
#[cfg(not(feature = "faults"))]
mod inert;
#[cfg(any(feature = "faults", test))]
mod orders;

#[cfg(feature = "faults")]
pub use armed::{arm, at, disk, file, flushed, is_broken, pass, replacing, skew, synced, unsynced};
#[cfg(not(feature = "faults"))]
pub use inert::{arm, at, disk, file, flushed, is_broken, pass, replacing, skew, synced, unsynced};

/// What happens at a point: `point:nth:action`, several separated by commas. `point` may end in `*`; `nth` counts from 1.
/// Actions: `galley` (SIGKILL to ourselves), `terraform` (to our Terraform children, then ourselves), `everything`
/// (to every child, the simulated cloud included, then ourselves), `power` (everything; what was not synced is undone and
/// the state files are torn), `enospc` (the step fails; where the step was done already, its success is not told), `delay-<ms>`.
pub const VARIABLE: &str = "GALLEY_FAULT";
/// File that gets one line for every point passed, in order.
pub const RECORD_VARIABLE: &str = "GALLEY_FAULT_RECORD";
/// Directory whose files say what goes on now and may change at any time: `disk` (`full`, `readonly`, `slow <ms>`,
/// `flaky <n>`: every nth write fails) and `clock` (seconds that the clock is wrong by).
pub const WEATHER_VARIABLE: &str = "GALLEY_FAULT_WEATHER";
/// One word of [`Mutant`]: a build that is broken on purpose, to see that the harness notices.
pub const MUTANT_VARIABLE: &str = "GALLEY_FAULT_MUTANT";

/// Every variable of this module.
pub const VARIABLES: [&str; 4] = [VARIABLE, RECORD_VARIABLE, WEATHER_VARIABLE, MUTANT_VARIABLE];

/// A promise that is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// an interrupted apply is taken for a finished one: its owner is not proven dead, nothing counts as in flight
    NoFence,
    /// writes are acknowledged before they are on the medium
    NoFsync,
    /// any approval is good for any plan
    AnyApproval,
    /// heavy operations start without the gate of their session
    NoGate,
    /// the state is not mirrored
    NoMirror,
    /// the names of files are synced, what is in them is not
    NoDataSync,
    /// an interrupted apply is run again
    RunsAgain,
    /// an approval is not used up by the job that runs on it
    KeepsApproval,
}

impl Mutant {
    /// All of them with their words.
    pub const ALL: [(Mutant, &'static str); 8] = [
        (Mutant::NoFence, "no-fence"),
        (Mutant::NoFsync, "no-fsync"),
        (Mutant::AnyApproval, "any-approval"),
        (Mutant::NoGate, "no-gate"),
        (Mutant::NoMirror, "no-mirror"),
        (Mutant::NoDataSync, "no-data-sync"),
        (Mutant::RunsAgain, "runs-again"),
        (Mutant::KeepsApproval, "keeps-approval"),
    ];
}
