//! What the tests share: a shop in virtual time with verbs of the domain, decorators that misbehave,
//! and the `ecom` program.

pub(crate) mod collector;
pub(crate) mod customer;
pub(crate) mod deaf;
pub(crate) mod faults;
pub(crate) mod halt;
pub(crate) mod own_stack;
pub(crate) mod program;
pub(crate) mod provider;
pub(crate) mod remote;
pub(crate) mod sockets;
pub(crate) mod stack;
mod world;

pub(crate) use world::{Tester, Verdicts, settings, shop, shop_with};
