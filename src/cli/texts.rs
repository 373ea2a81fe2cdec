//! The commands that print a text: `help`, `man`, `completions`.

use std::ffi::OsString;
use std::process::ExitCode;

use super::flags::{self, SERVER};
use super::{print as output, print_version, refuse};

/// Runs `man` or `help` with the arguments after it.
pub(crate) fn print(command: &str, mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(operand) = args.next() else {
        return match command {
            "man" => output(&flags::manual()),
            _ => output(&SERVER.help()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parse;

    /// A flag only in the table panics.
    #[test]
    fn server_parses_each_flag_of_its_table() {
        // These need another flag, or a file.
        let others = [
            "tls-cert",
            "tls-key",
            "hsts",
            "user-file",
            "quota",
            "user-dirs",
        ];
        for (name, value) in SERVER.names() {
            let value = match value {
                "SIZE" | "DURATION" | "N" | "S" | "BYTES" => "7",
                "MODE" => "0660",
                "ADDR" => "127.0.0.1:0",
                "NAME:HASH" => "ann:secret",
                value => value.split('|').next().unwrap_or_default(),
            };
            let mut args = vec![OsString::from(format!("--{name}"))];
            if !value.is_empty() && !value.starts_with('[') {
                args.push(value.into());
            }
            let parsed = parse(args.into_iter());
            assert!(parsed.is_ok() || others.contains(&name), "--{name}");
        }
    }
}
