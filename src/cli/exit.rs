//! Exit codes: what a script may rely on.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok,
    /// It failed.
    Failure,
    /// Wrong usage or configuration.
    Usage,
    /// Done in part.
    Partial,
    /// There is no such thing.
    NotFound,
    /// Something it depends on cannot be reached.
    Unreachable,
    /// A check or threshold failed.
    CheckFailed,
    /// Refused; needs confirmation, or the folder is in use.
    Refused,
    /// A safety invariant was violated.
    Safety,
    /// A liveness invariant was violated.
    Liveness,
    /// Two runs that should be equal were not.
    Nondeterminism,
    /// The run proves nothing: something that must be exercised was not.
    Inconclusive,
    /// Ended by Ctrl-C.
    Interrupted,
    /// Ended by SIGTERM.
    Terminated,
}

impl Exit {
    /// The code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::NotFound => 4,
            Self::Unreachable => 5,
            Self::CheckFailed => 6,
            Self::Refused => 7,
            Self::Safety => 20,
            Self::Liveness => 21,
            Self::Nondeterminism => 22,
            Self::Inconclusive => 30,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error that says how the command ends.
#[derive(Debug, thiserror::Error)]
#[error("{1}")]
pub(super) struct WithExit(pub(super) Exit, pub(super) String);
