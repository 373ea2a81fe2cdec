//! The commands that print a text: `help`, `version`, `man`, `completions`.

use std::ffi::OsString;
use std::process::ExitCode;

use super::{flags, print as output, print_version, refuse, server};

/// Runs `man`, `help` or `version` with the arguments after it.
pub(crate) fn print(command: &str, mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(operand) = args.next() else {
        return match command {
            "man" => output(&flags::manual()),
            "version" => print_version(),
            _ => output(&server::help()),
        };
    };
    match operand.to_str() {
        Some("-h" | "--help") => help(command),
        Some("-V" | "--version") => print_version(),
        Some(name) if command == "help" => help(name),
        _ => refuse(&format!("see resumed {command} --help")),
    }
}

/// Runs `completions` with the arguments after it.
pub(crate) fn completions(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let operand = args.next().unwrap_or_default();
    match operand.to_str().unwrap_or_default() {
        "-h" | "--help" => help("completions"),
        "-V" | "--version" => print_version(),
        shell => match flags::script(shell) {
            Some(script) => output(&script),
            None => refuse("write resumed completions bash, zsh or fish"),
        },
    }
}

fn help(command: &str) -> ExitCode {
    match flags::named(command) {
        Some(command) => output(&command.help()),
        None => refuse("there is no such command; see resumed --help"),
    }
}
