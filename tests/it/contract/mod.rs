//! The contracts of the ports. A case is written once, against the port and its documentation, and
//! runs on every adapter; a new adapter is one line in the list of its port's file.

#![expect(clippy::unwrap_used, reason = "clippy knows tests, but not what they call")]

/// Makes a test of every case on every adapter: `adapter: its runner, …; { case, … }`.
macro_rules! suite {
    (@on $adapter:ident $run:path; { $($case:ident),+ $(,)? }) => {
        mod $adapter {
            $(
                #[test]
                fn $case() {
                    $run(super::$case);
                }
            )+
        }
    };
    ($($adapter:ident: $run:path),+; $cases:tt) => {
        $(suite!(@on $adapter $run; $cases);)+
    };
}

pub(crate) mod bus;
mod cache;
pub(crate) mod env;
mod gateway;
mod holds;
mod inbox;
pub(crate) mod journal;
mod mail;
pub(crate) mod redis;
mod scripted;
mod sms;
mod smtp;
mod store;
