//! The commands, and what they share. The server needs Unix; `put` does not.

pub(crate) mod flags;
mod logger;
#[cfg(feature = "put")]
pub(crate) mod put;
#[cfg_attr(not(unix), path = "server/absent.rs")]
pub(crate) mod server;
mod size;
mod text;
pub(crate) mod texts;
mod url;

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::str::FromStr;

use lexopt::{Parser, ValueExt};

pub(crate) use self::logger::LogFormat;

/// The exit status after a wrong command line.
const USAGE: u8 = 2;

/// The reason for which a command line is refused.
#[derive(Debug)]
pub(crate) struct UsageError(String);

/// Prints the version, the same for each command.
pub(crate) fn print_version() -> ExitCode {
    print(concat!("resumed ", env!("CARGO_PKG_VERSION"), "\n"))
}

/// Prints a text. A closed standard output is no failure.
pub(crate) fn print(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// Reports a wrong command line.
pub(crate) fn refuse(reason: &str) -> ExitCode {
    eprintln!("resumed: {reason}");
    ExitCode::from(USAGE)
}

/// A flag whose value comes next.
struct FlagValue<'a> {
    name: &'a str,
    parser: &'a mut Parser,
}

impl FlagValue<'_> {
    fn text(self) -> Result<String, UsageError> {
        Ok(self.parser.value()?.string()?)
    }

    fn read_as<T>(self, read: impl Fn(&str) -> Option<T>) -> Result<T, UsageError> {
        let name = self.name;
        let text = self.text()?;
        read(&text).ok_or_else(|| UsageError(format!("--{name} cannot be {text:?}")))
    }

    fn parsed<T: FromStr>(self) -> Result<T, UsageError> {
        self.read_as(|text| text.parse().ok())
    }

    fn one_of<T: Copy>(self, choices: &[(&str, T)]) -> Result<T, UsageError> {
        self.read_as(|text| {
            choices
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, value)| *value)
        })
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> UsageError {
        UsageError(error.to_string())
    }
}
