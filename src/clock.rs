//! What time it is. Everything that asks takes a [`Clock`], so that tests decide.

use crate::api::Time;

/// A source of the present.
pub trait Clock: Send + Sync + 'static {
    /// Now, in UTC.
    fn now(&self) -> Time;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let now = k8s_openapi::jiff::Timestamp::now();
        // Zero in every build that is used; with the feature `faults` a test sets the clock wrong.
        let wrong = k8s_openapi::jiff::SignedDuration::from_secs(crate::faults::skew());
        k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now.checked_add(wrong).unwrap_or(now))
    }
}
