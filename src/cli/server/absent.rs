//! The commands of the server on a system where it does not run.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::{self, flags::PUT};

const NEEDS_UNIX: &str =
    "the server needs Linux, macOS or FreeBSD; on this system, resumed put FILE... URL sends files";

/// Refuses each command of the server.
pub(crate) fn run(_: &str, mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let first = args.next().unwrap_or_default();
    match first.to_str().unwrap_or_default() {
        "-h" | "--help" => cli::print(&help()),
        "-V" | "--version" => cli::print_version(),
        _ => cli::refuse(NEEDS_UNIX),
    }
}

pub(crate) fn help() -> String {
    format!("{NEEDS_UNIX}\n\n{}", PUT.help())
}
