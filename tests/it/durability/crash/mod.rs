//! Nothing acknowledged is ever lost, whatever happens to the server or to the machine.
//!
//! Several clients upload, vanish, ask and cancel (`load`), and record the answers (`facts`). Then the server is killed
//! (`kill`), or its disk loses power (`power_loss`). A new server and the directory must not contradict the answers
//! (`check`). `order` checks the system calls before each answer.
//!
//! Random choices come from a seed. A failed test prints the seed, and `SEED` sets it. The timing of two processes is
//! not in the seed, so a failure may need several tries. `TORTURE` raises the counts.

pub(crate) mod chance;
mod check;
mod disk;
mod done;
mod entry;
mod facts;
mod kept;
mod kill;
mod load;
mod order;
mod power_loss;
mod states;

use std::path::Path;
use std::process::Command;

use crate::support::program::Process;

/// A server over `dir`.
fn start(dir: &Path, flags: &[&str]) -> Process {
    Process::of(quiet(), dir, "127.0.0.1:0", flags)
}

/// The command, silent about what is done to it.
fn quiet() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
    command.env("RUST_LOG", "error");
    command
}

#[track_caller]
fn none(breaches: Vec<String>) {
    assert!(
        breaches.is_empty(),
        "broken promises:\n{}",
        breaches.join("\n")
    );
}
