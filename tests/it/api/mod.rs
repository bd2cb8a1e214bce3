//! The HTTP API: what it takes, what it refuses and how, and whether its document tells the truth.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod admin;
mod bodies;
mod document;
mod keys;
mod meters;
mod pages;
mod paths;
mod raw;
mod seed;
mod sockets;
mod tails;
mod values;
mod vanishing;
mod webhooks;
