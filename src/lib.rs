//! Galley: the map.
//!
//! A person talks to an MCP host. The host's tools only edit documents ([`api`]) through [`services`]; [`controllers`]
//! compare each document with Terraform state and issue jobs, one at a time per session. The two meet only in documents
//! and blobs: that missing arrow is the architecture. Read the modules in this order.

// Files that tests of the library and programs under tests/ share say `galley::`, as the latter must.
#[cfg(test)]
extern crate self as galley;

pub mod config;
pub mod telemetry;
pub mod api;
pub mod clock;
pub mod faults;
pub mod trace;
pub mod store;
pub mod blobs;
pub mod apiserver;
pub mod catalog;
pub mod validator;
pub mod render;
pub mod plan;
pub mod process;
pub mod oci;
pub mod terraform;
pub mod sandbox;
pub mod controllers;
pub mod services;
pub mod mcp;
pub mod http;
pub mod cli;
pub mod app;

#[cfg(test)]
#[path = "../tests/support/designs.rs"]
pub(crate) mod designs;
