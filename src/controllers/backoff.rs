//! How long to wait before trying again. Pure: the same failure always waits equally long, also after a restart.

use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;

use crate::api::Time;
use crate::api::names::sha256_hex;

/// Wait before attempt `attempts + 1`: exponential from `base` to `cap`, plus up to a fifth, decided by `seed` so that
/// many designs that failed together do not come back together.
pub fn delay(base: Duration, cap: Duration, attempts: u32, seed: &str) -> Duration {
    let doublings = attempts.saturating_sub(1).min(20);
    let plain = base.saturating_mul(1 << doublings).min(cap);
    plain + plain.mul_f64(fraction(seed) / 5.0)
}

/// A number in 0..1 that depends on the text alone.
pub fn fraction(seed: &str) -> f64 {
    let digits = u32::from_str_radix(&sha256_hex(seed)[..8], 16).unwrap_or(0);
    f64::from(digits) / (f64::from(u32::MAX) + 1.0)
}

/// `time` plus `wait`; a sum out of range stays at `time`.
pub fn after(time: &Time, wait: Duration) -> Time {
    let added = SignedDuration::try_from(wait).ok().and_then(|wait| time.0.checked_add(wait).ok());
    k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(added.unwrap_or(time.0))
}

/// From `now` until `time`; zero when it has passed.
pub fn until(now: &Time, time: &Time) -> Duration {
    Duration::try_from(time.0.duration_since(now.0)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_never_leave_it_by_more_than_a_fifth() {
        let (base, cap) = (Duration::from_secs(10), Duration::from_secs(300));
        let waits: Vec<f64> = (1..12).map(|attempts| delay(base, cap, attempts, "s").as_secs_f64()).collect();
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]), "{waits:?}");
        assert!(waits[0] >= 10.0 && waits[0] < 12.0, "{waits:?}");
        assert!(waits[10] >= 300.0 && waits[10] <= 360.0, "{waits:?}");
    }

    #[test]
    fn the_same_seed_waits_equally_long_and_another_one_differs() {
        let wait = |seed| delay(Duration::from_secs(100), Duration::from_secs(900), 1, seed);
        assert_eq!(wait("a"), wait("a"));
        assert_ne!(wait("a"), wait("b"));
    }
}
