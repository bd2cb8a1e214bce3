//! The saga's rules, one named test each, over the HTTP API in virtual time.

mod cancel;
mod checkout;
mod deadlines;
mod losses;
mod mail;
mod payment;
mod stock;
