//! Acceptance: the real binary, real terraform, a real MCP client, a real Kubernetes client, and the simulated cloud as
//! the truth.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests say what they expect")]

mod absence;
mod applied;
mod approvals;
mod bounds;
mod crash;
mod expected;
#[path = "../oci/fake.rs"]
mod fake;
mod failures;
mod hostile;
mod human;
mod impostor;
mod kubectl;
mod leaks;
mod rescue;
mod secrets;
mod sessions;
mod stdio;
mod tenancy;
mod world;
