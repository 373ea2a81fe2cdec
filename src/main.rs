//! The command: runs the command that the first argument names.

// On other systems the server is missing, and with it the users of some functions.
#![cfg_attr(not(unix), allow(dead_code))]

mod cli;
#[cfg(test)]
mod replay;

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    let is_command = |word: &OsString| {
        let mut commands = cli::flags::COMMANDS.into_iter();
        commands.any(|command| *word == *command.name)
    };
    let command = args.next_if(is_command).unwrap_or_default();
    match command.to_str().unwrap_or_default() {
        "put" => {
            cli::LogFormat::Text.start();
            put(args)
        }
        "completions" => cli::texts::completions(args),
        name @ ("man" | "help" | "version") => cli::texts::print(name, args),
        name => cli::server::run(name, args),
    }
}

#[cfg(feature = "put")]
use cli::put::run as put;

#[cfg(not(feature = "put"))]
fn put(_: impl Iterator<Item = OsString>) -> ExitCode {
    cli::refuse(
        "this binary was built without put: build with --features put,tls; for a directory of that name use ./put",
    )
}
