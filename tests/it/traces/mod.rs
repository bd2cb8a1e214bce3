//! One trace per order.

mod collected;
mod inside;
mod roles;
