//! A command that takes at most one operand, and prints one line.

use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;

use lexopt::{Arg, Parser, ValueExt};

use crate::cli::flags::Command;
use crate::cli::{self, UsageError};

/// The exit status after arguments that the command does not take.
const USAGE: u8 = 2;

enum Request {
    Help,
    Version,
    Run(Option<String>),
}

/// Runs a command with the arguments after its name. `act` gets the operand, and returns the line.
pub(super) fn run(
    command: &Command,
    args: impl Iterator<Item = OsString>,
    act: impl FnOnce(Option<String>) -> Result<String, Box<dyn Error>>,
) -> ExitCode {
    let line = match parse(args) {
        Ok(Request::Help) => return cli::print(&command.help()),
        Ok(Request::Version) => return cli::print_version(),
        Ok(Request::Run(operand)) => act(operand),
        Err(error) => Err(error.into()),
    };
    match line {
        Ok(line) => cli::print(&format!("{line}\n")),
        Err(error) => {
            eprintln!("resumed {}: {error}", command.name);
            match error.is::<UsageError>() {
                true => ExitCode::from(USAGE),
                false => ExitCode::FAILURE,
            }
        }
    }
}

fn parse(args: impl Iterator<Item = OsString>) -> Result<Request, UsageError> {
    let mut parser = Parser::from_args(args);
    let mut operand = None;
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Request::Version),
            Arg::Value(value) if operand.is_none() => operand = Some(value.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Request::Run(operand))
}
