//! The checker must find what is wrong, and only that.

mod doctored;
mod mutants;
mod verify;
