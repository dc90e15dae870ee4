//! Runs the unit tests of the benchmark framework, which has no harness of its own.

#[allow(dead_code, reason = "only the unit tests inside are wanted here")]
#[path = "../benches/figures/measure.rs"]
mod measure;
