//! Integration tests: one binary, so that the library is linked once.

mod api;
//mod checker;
mod cli;
//mod contract;
//mod crash;
//mod delivery;
//mod determinism;
mod flows;
mod harness;
//mod ops;
//mod report;
