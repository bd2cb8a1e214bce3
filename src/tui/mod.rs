//! The console on a full screen: views of topics, records, consumer groups, dead letters, orders, a run of the
//! lab and the log. What is known is [`state`], what happens to it is [`update`], how it looks is [`views`]; all
//! three are pure. [`effects`] calls the same operations as the commands, and [`app`] has the loop.

pub mod app;
mod drafts;
pub mod editor;
pub mod effects;
pub mod keymap;
pub mod msg;
pub mod remap;
pub mod snapshot;
pub mod state;
mod terminal;
pub mod text;
pub mod theme;
pub mod update;
pub mod views;
