//! The sandbox: a simulated OCI that real Terraform drives through its provider protocol, for designs with `target: sandbox`.
//!
//! [`provider`] is the process (`galley sandbox-provider`): tfplugin5 over one unix socket per design. [`Cloud`] is what it
//! keeps, durable in one directory per design and shared with [`admin`], through which `galley sandbox list|set|delete|fail`
//! look at it and break it on purpose. Never cleverer than the real provider: what that one does not know until apply, this
//! one does not know either. Starts no process and calls nothing.

pub mod admin;
pub mod cloud;
pub mod provider;

mod api;
mod conform;
mod data;
mod plan;
mod validate;
mod value;

pub use api::OciError;
pub use cloud::{AuditEntry, CannedFault, Cloud, CloudResource, Error, Fault, FaultOperation, Operation, TAG_ADDRESS, TAG_DESIGN};

#[cfg(test)]
mod tests;
