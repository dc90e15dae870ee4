//! Why a command ends, as an exit code and one line.

use std::process::ExitCode;

/// Exit codes; `galley --help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// what was asked for is so
    Done,
    /// failed
    Failed,
    /// a person has to act
    Waits,
    /// goes on
    InProgress,
    /// no such thing
    NotFound,
    /// wrong arguments or settings (EX_USAGE of sysexits.h)
    Usage,
    /// no server (EX_UNAVAILABLE)
    Unreachable,
    /// not allowed (EX_NOPERM)
    Refused,
    /// Ctrl-C: 128 + SIGINT, as shells say it
    Interrupted,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Waits => 2,
            Exit::InProgress => 3,
            Exit::NotFound => 4,
            Exit::Usage => 64,
            Exit::Unreachable => 69,
            Exit::Refused => 77,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// One line for people and a number for scripts.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// the number
    pub exit: Exit,
    /// the line
    pub message: String,
}

impl Failure {
    /// A failure with its exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Failure { exit, message: message.into() }
    }
}
