//! `ecom`: an event-driven shop, a lab that tries to break it, and a console for its events.
//!
//! Reading order: [`domain`] (the words), [`events`] (what happened), [`ports`] (what is needed of
//! the world), [`services`] (who decides what), [`runtime`] (how it is delivered), [`adapters`] (the
//! world, embedded), [`app`] (how all of it is put together), [`http`], [`ops`], [`sim`] and [`cli`]
//! (how people reach it).

pub mod adapters;
pub mod app;
pub mod bench;
pub mod cli;
pub mod domain;
pub mod events;
pub mod http;
pub mod ops;
pub mod ports;
pub mod runtime;
pub mod services;
pub mod sim;
pub mod tui;
