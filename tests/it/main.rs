//! Integration tests: one binary, so that the library is linked once.

//mod api;
mod checker;
//mod cli;
mod contract;
mod crash;
mod delivery;
mod flows;
mod harness;
mod report;
