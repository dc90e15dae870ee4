//! How much memory one Terraform with its provider takes, measured on the ones that ran, and how many fit.
//!
//! Takes peaks of resident memory of process groups; gives a [`Room`]. Decides nothing: admission does.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::Room;
use crate::process;

/// Peaks that count: the largest of the last runs, so that one small plan does not make the next large one too many.
const REMEMBERED: usize = 20;
/// Before anything was measured: terraform 1.11.4 takes 70 to 90 MB, the real provider about 300 MB more.
const GUESS: u64 = 400 << 20;
/// Stays free: page cache of the states, and what Galley grows by while it reads a plan.
const RESERVE: u64 = 64 << 20;

/// Measured sizes.
pub(super) struct Footprint {
    budget: Option<u64>,
    peaks: Mutex<VecDeque<u64>>,
}

impl Footprint {
    /// `budget`: bytes for Galley and all its processes; the limit of the container or the machine when absent.
    pub fn new(budget: Option<u64>) -> Self {
        Footprint { budget: budget.or_else(process::memory_limit), peaks: Mutex::default() }
    }

    /// One run took at most so many bytes.
    pub fn note(&self, peak: u64) {
        if peak == 0 {
            return;
        }
        metrics::gauge!("galley_terraform_resident_bytes").set(peak as f64);
        let mut peaks = self.peaks.lock().unwrap_or_else(PoisonError::into_inner);
        if peaks.len() == REMEMBERED {
            peaks.pop_front();
        }
        peaks.push_back(peak);
    }

    /// How many fit beside Galley itself; None where the system tells no limit.
    pub fn room(&self) -> Option<Room> {
        let each = self.peaks.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().max().unwrap_or(GUESS);
        Some(fits(self.budget?, process::resident(std::process::id()), each))
    }
}

/// Pure.
fn fits(budget: u64, ours: u64, each: u64) -> Room {
    let left = budget.saturating_sub(ours).saturating_sub(RESERVE);
    let processes = usize::try_from(left / each.max(1)).unwrap_or(usize::MAX).max(1);
    Room { processes, each }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_fit_as_the_measured_size_allows_and_one_always_does() {
        const MIB: u64 = 1 << 20;
        for (reason, budget, ours, each, processes) in [
            ("the container instance and the real provider", 2048 * MIB, 100 * MIB, 400 * MIB, 4),
            ("a provider that grew", 2048 * MIB, 100 * MIB, 1500 * MIB, 1),
            ("too little for one: it runs all the same, alone", 256 * MIB, 100 * MIB, 400 * MIB, 1),
            ("a limit below ourselves", 64 * MIB, 100 * MIB, 400 * MIB, 1),
        ] {
            assert_eq!(fits(budget, ours, each).processes, processes, "{reason}");
        }
    }

    #[test]
    fn the_largest_of_the_last_runs_counts_and_old_ones_are_forgotten() {
        let footprint = Footprint::new(Some(4 << 30));
        assert_eq!(footprint.room().unwrap().each, GUESS);
        footprint.note(900 << 20);
        (0..REMEMBERED - 1).for_each(|_| footprint.note(100 << 20));
        assert_eq!(footprint.room().unwrap().each, 900 << 20);
        footprint.note(100 << 20);
        assert_eq!(footprint.room().unwrap().each, 100 << 20, "the large one is long ago");
    }
}
