//! `resumed hash-password`: prints the hash of a password.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Write};
use std::process::{self, ExitCode};
use std::thread;

use resumed::PasswordHash;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::operand;
use crate::cli::UsageError;
use crate::cli::flags::HASH_PASSWORD;

/// The exit status after a signal is this and the number of the signal, as in a shell.
const SIGNAL_STATUS: i32 = 128;

/// The error for a name that a user file cannot hold.
const BAD_NAME: &str =
    "a name may not be empty, begin with #, or contain a colon, a line end or space around it";

/// Runs the command with the arguments after `hash-password`.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    operand::run(&HASH_PASSWORD, args, |name| match name {
        Some(name) if !is_name(&name) => Err(UsageError(BAD_NAME.into()).into()),
        name => line(name.as_deref()),
    })
}

fn is_name(name: &str) -> bool {
    let has_other = name.contains(|letter: char| letter == ':' || letter.is_control());
    let is_kept = name.trim() == name && !name.starts_with('#');
    !name.is_empty() && !has_other && is_kept
}

/// Returns the line of the user with the password of standard input.
fn line(name: Option<&str>) -> Result<String, Box<dyn Error>> {
    let password = if io::stdin().is_terminal() {
        ask()?
    } else {
        read_line()?
    };
    if password.is_empty() {
        return Err("the password is empty".into());
    }
    let max = PasswordHash::PASSWORD_BYTES_MAX;
    if password.len() > max {
        return Err(format!("the password is longer than {max} bytes").into());
    }
    let mut salt = [0; 16];
    getrandom::fill(&mut salt)?;
    let hash = PasswordHash::argon2id(&password, salt);
    Ok(match name {
        Some(name) => format!("{name}:{hash}"),
        None => hash.to_string(),
    })
}

/// Reads a password twice from the terminal, which does not show it.
fn ask() -> Result<Vec<u8>, Box<dyn Error>> {
    let hidden = Hidden::begin()?;
    let ask = |prompt| {
        eprint!("{prompt}: ");
        io::stderr().flush()?;
        let password = read_line();
        eprintln!();
        password
    };
    let (first, second) = (ask("password")?, ask("the same again")?);
    drop(hidden);
    match first == second {
        true => Ok(first),
        false => Err("the two passwords differ".into()),
    }
}

/// Reads a line without its end.
fn read_line() -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    io::stdin().lock().read_until(b'\n', &mut line)?;
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    Ok(line.strip_suffix(b"\r").unwrap_or(line).to_vec())
}

/// A terminal that does not show its input. Its drop, and a signal, show it again.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> io::Result<Hidden> {
        let before = tcgetattr(io::stdin())?;
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let restored = before.clone();
        thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                set(&restored);
                process::exit(SIGNAL_STATUS + signal);
            }
        });
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Hidden(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        set(&self.0);
    }
}

fn set(terminal: &Termios) {
    if let Err(error) = tcsetattr(io::stdin(), OptionalActions::Now, terminal) {
        eprintln!("cannot restore the terminal: {error}");
    }
}
