//! What the controllers measure. Every label is a closed set: kinds, actions, phases, reasons; never a name.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::runtime::controller::Action as Requeue;
use metrics::{counter, gauge, histogram};

use super::Error;
use crate::api::terraformjob::{Action, JobPhase};
use crate::api::{Reason, TerraformJobStatus};

/// Runs one reconcile and measures it.
pub async fn timed(kind: &'static str, turn: impl Future<Output = Result<Requeue, Error>>) -> Result<Requeue, Error> {
    let start = Instant::now();
    let result = turn.await;
    histogram!("galley_reconcile_seconds", "kind" => kind).record(start.elapsed().as_secs_f64());
    if let Err(error) = &result {
        let reason = if error.is_conflict() { "Conflict" } else { error.reason().as_str() };
        counter!("galley_reconcile_errors_total", "kind" => kind, "reason" => reason).increment(1);
    }
    result
}

/// How many jobs wait for Terraform and how many have it.
pub fn queue(waiting: usize, running: usize, limit: usize) {
    gauge!("galley_jobs", "state" => "waiting").set(waiting as f64);
    gauge!("galley_jobs", "state" => "running").set(running as f64);
    gauge!("galley_jobs_limit").set(limit as f64);
}

/// A job left the queue after so long.
pub fn waited(action: Action, wait: Duration) {
    histogram!("galley_job_wait_seconds", "action" => action.as_str()).record(wait.as_secs_f64());
}

/// A job ended.
pub fn ended(action: Action, status: &TerraformJobStatus) {
    let phase = match status.phase.unwrap_or(JobPhase::Pending) {
        JobPhase::Pending => "Pending",
        JobPhase::Running => "Running",
        JobPhase::Succeeded => "Succeeded",
        JobPhase::Failed => "Failed",
        JobPhase::Interrupted => "Interrupted",
        JobPhase::Cancelled => "Cancelled",
    };
    let reason = status.reason.map_or("", Reason::as_str);
    counter!("galley_jobs_total", "action" => action.as_str(), "phase" => phase, "reason" => reason).increment(1);
    if let (Some(from), Some(to)) = (&status.started_at, &status.finished_at) {
        let took = Duration::try_from(to.0.duration_since(from.0)).unwrap_or_default();
        histogram!("galley_job_seconds", "action" => action.as_str()).record(took.as_secs_f64());
    }
}

/// How many designs rest for which reason: one word per design, so that a change takes one away and adds one.
#[derive(Debug, Default)]
pub struct Census(Mutex<HashMap<Box<str>, Reason>>);

impl Census {
    /// The design rests for this reason now; None: it is gone.
    pub fn note(&self, design: &str, reason: Option<Reason>) {
        let old = {
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match reason {
                Some(reason) => seen.insert(design.into(), reason),
                None => seen.remove(design),
            }
        };
        if old != reason {
            if let Some(old) = old {
                gauge!("galley_designs", "reason" => old.as_str()).decrement(1.0);
            }
            if let Some(reason) = reason {
                gauge!("galley_designs", "reason" => reason.as_str()).increment(1.0);
            }
        }
    }
    /// How many rest for each reason.
    pub fn counts(&self) -> HashMap<Reason, usize> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.values().fold(HashMap::new(), |mut counts, reason| {
            *counts.entry(*reason).or_default() += 1;
            counts
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_design_is_counted_once_and_under_its_newest_reason() {
        let census = Census::default();
        for (design, reason) in [("a", Reason::Draft), ("b", Reason::Draft), ("a", Reason::Synced), ("a", Reason::Synced)] {
            census.note(design, Some(reason));
        }
        census.note("b", None);
        assert_eq!(census.counts(), HashMap::from([(Reason::Synced, 1)]));
    }
}
