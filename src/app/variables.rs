//! Variables of the environment that are no settings of ours.

use std::ffi::OsString;

/// The value of a variable; none if it is not set, or empty.
pub fn variable(name: &str) -> Option<OsString> {
    std::env::vars_os().find(|(known, value)| known == name && !value.is_empty()).map(|(_, v)| v)
}
