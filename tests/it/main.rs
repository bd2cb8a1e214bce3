//! Integration tests: one binary, so that the library is linked once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should end")]
#![allow(clippy::disallowed_methods, reason = "served shops live in real time")]

mod api;
mod checker;
mod cli;
mod cluster;
mod console;
mod contract;
mod crash;
mod delivery;
mod deploy;
mod flows;
mod harness;
mod interleavings;
mod kafka;
mod postgres;
mod provider;
mod queries;
mod report;
mod traces;
