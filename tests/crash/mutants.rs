//! Builds that break one promise each: the harness must notice every one of them, or its zeros mean nothing.
//!
//! One binary; the mutation is read at its start (`galley::faults::Mutant`). For each there is a short list of kills under
//! which the broken promise shows; it is caught as soon as one of them ends in a violation.

use std::time::Instant;

use galley::faults::Mutant;

use crate::kills::{Kill, Trouble, guarded, run};
use crate::storms::Stage;
use crate::{block, kills, went_wrong};

/// (scenario, point, nth, blow) under which the broken promise shows, most telling first. No blow: undisturbed.
fn where_it_shows(mutant: Mutant) -> &'static [(&'static str, &'static str, usize, &'static str)] {
    match mutant {
        // killed while a slow create is in the cloud and in no state
        Mutant::NoFence => &[
            ("create", "blobs.state.put.synced", 2, "terraform"),
            ("create", "blobs.state.put.synced", 3, "everything"),
            ("create", "blobs.state.put.synced", 2, "power"),
        ],
        // acknowledged, and gone with the power
        Mutant::NoFsync => &[("replace", "status.designs.after", 3, "power"), ("create", "status.designs.after", 4, "power")],
        // an approval of no plan at all is good enough
        Mutant::AnyApproval => &[("create", "", 0, ""), ("replace", "", 0, "")],
        // something runs and nobody holds the gate
        Mutant::NoGate => &[("create", "", 0, ""), ("replace", "", 0, "")],
        // what the status claims is in no mirror, and a torn state has nothing to be restored from
        Mutant::NoMirror => &[("create", "job.end.after", 2, "power"), ("create", "", 0, "")],
        // the name is on the medium, the file under it is empty
        Mutant::NoDataSync => &[("replace", "status.designs.after", 3, "power"), ("create", "status.designs.after", 4, "power")],
        // killed when it had hardly begun, so that the plan still fits the state
        Mutant::RunsAgain => &[
            ("replace", "terraform.apply.owned", 1, "terraform"),
            ("retry", "terraform.apply.owned", 1, "terraform"),
            ("retry", "terraform.apply.owned", 1, "everything"),
            ("destroy", "terraform.apply.owned", 1, "terraform"),
        ],
        Mutant::KeepsApproval => &[("create", "", 0, "")],
    }
}

/// Runs all of them; gives how many there were and how many were not caught.
pub fn all(stage: &Stage<'_>) -> (usize, usize) {
    let began = Instant::now();
    println!("\nbuilds that break a promise on purpose:");
    let wanted: Vec<(Mutant, &'static str)> =
        Mutant::ALL.into_iter().filter(|(_, word)| stage.only.is_none_or(|only| word.contains(only))).collect();
    let caught = stage.at_once(&wanted, |(mutant, word)| {
        let caught = where_it_shows(*mutant).iter().find_map(|(scenario, point, nth, blow)| {
            let index = stage.scenarios.iter().position(|known| known.name == *scenario)?;
            let kill = Kill { scenario: index, point: (*point).to_owned(), nth: *nth, blow, then: None };
            let fault = (!blow.is_empty()).then(|| kill.fault());
            let expected = stage.known.get(index).map(|known: &kills::Known| &known.cloud);
            let trouble = Trouble { fault: fault.as_deref(), then: None, mutant: Some(word) };
            let outcome = guarded(|| block(run(&stage.scenarios[index], stage.base, trouble, expected)));
            let seen = match outcome {
                Ok(outcome) => outcome.violations.first().cloned()?,
                Err(error) => error,
            };
            Some(format!("{scenario} {}: {seen}", fault.as_deref().unwrap_or("undisturbed")))
        });
        match &caught {
            Some(seen) => println!("  {word:14} caught by {}", galley::api::condition::clip(seen, 220)),
            None => {
                println!("  {word:14} NOT CAUGHT");
                went_wrong(word, "a build broken on purpose, not caught");
            }
        }
        caught.is_some()
    });
    let missed = caught.iter().filter(|caught| !**caught).count();
    println!("{} mutants, {} caught, {:?}", wanted.len(), wanted.len() - missed, began.elapsed());
    (wanted.len(), missed)
}
