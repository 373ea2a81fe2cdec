//! The commands of the server: start it and wait for a signal, ask for its health, make the hash of a password.

mod flags;
mod greeting;
mod guess;
mod hash_password;
mod health;
mod hook;
mod operand;
mod own_addresses;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod systemd;
#[cfg_attr(not(feature = "tls"), path = "tls/absent.rs")]
mod tls;
mod users;

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{self, Path};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use resumed::StartError;
use resumed::store::{self, OpenError};
use rustix::process::{getegid, geteuid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use self::flags::Action;
use self::hook::Hook;
use self::tls::Certificate;
use self::users::UserFiles;
use crate::cli::{self, flags::SERVER};

/// Runs a command with the arguments after it. Any other name stands for the server.
pub(crate) fn run(command: &str, args: impl Iterator<Item = OsString>) -> ExitCode {
    match command {
        "hash-password" => hash_password::run(args),
        "health" => health::run(args),
        _ => start_server(args),
    }
}

pub(crate) fn help() -> String {
    SERVER.help()
}

fn start_server(args: impl Iterator<Item = OsString>) -> ExitCode {
    match flags::parse(args) {
        Ok(Action::Serve {
            config,
            dir,
            with_code,
            hook,
            log_format,
            warnings,
            user_files,
            certificate,
        }) => {
            log_format.start();
            warnings.iter().for_each(|warning| log::warn!("{warning}"));
            let files = ReloadedFiles {
                user_files,
                certificate,
            };
            match serve(*config, &dir, with_code, hook.as_deref(), files) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    log_format.fail(&*error);
                    ExitCode::FAILURE
                }
            }
        }
        Ok(Action::Help) => cli::print(&help()),
        Ok(Action::Version) => cli::print_version(),
        Err(error) => cli::refuse(&error.to_string()),
    }
}

/// Starts the server, and runs it until a signal arrives.
///
/// Signals are caught before the server starts, so that each of them stops it in order. The handler of SIGXFSZ does
/// nothing: a write beyond `ulimit -f` then fails and does not end the process. Hooks would inherit SIG_IGN, but not a
/// handler.
fn serve(
    mut config: resumed::Config,
    dir: &Path,
    with_code: bool,
    hook: Option<&Hook>,
    files: ReloadedFiles,
) -> Result<(), Box<dyn Error>> {
    let signal = catch_signals(files.certificate.is_some() || systemd::is_service())?;
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    if let Some(socket) = systemd::socket()? {
        config = config.listen_on(socket);
    }
    let is_new = !dir.exists();
    let (server, scheme, fingerprint) = match &files.certificate {
        None => (start(config)?, "http", None),
        Some(certificate) => {
            let (config, applied) = certificate.apply(config)?;
            let server = start(config)?;
            let fingerprint = certificate.keep(applied, &server)?;
            (server, "https", Some(fingerprint))
        }
    };
    if is_new {
        log::info!("created the directory {}", path::absolute(dir)?.display());
    }
    let mut greeting = greeting::greeting(scheme, server.addr(), with_code);
    if let Some(fingerprint) = fingerprint {
        greeting += &format!("fingerprint of the certificate (SHA-256): {fingerprint}\n");
    }
    // A closed standard output is no failure.
    let _ = io::stdout().write_all(greeting.as_bytes());
    systemd::notify("READY=1");
    let ended = wait(&signal, &server, files);
    systemd::notify("STOPPING=1");
    let commands = hook.map_or(0, Hook::stop);
    log::info!("{}", stopping(server.uploads_under_way(), commands));
    server.stop();
    log::info!("stopped");
    ended
}

/// Returns the line of the log at the begin of a stop.
fn stopping(uploads: usize, commands: usize) -> String {
    let uploads = match uploads {
        0 => "no upload is under way".to_owned(),
        1 => "1 upload is under way, and can be resumed".to_owned(),
        _ => format!("{uploads} uploads are under way, and can be resumed"),
    };
    let commands = match commands {
        0 => String::new(),
        1 => "; 1 command of --on-complete runs again after the next start".to_owned(),
        _ => format!("; {commands} commands of --on-complete run again after the next start"),
    };
    format!("stopping: {uploads}{commands}")
}

/// Starts the server. If its user may not write to the directory, the error names the owner too.
fn start(config: resumed::Config) -> Result<resumed::Server, Box<dyn Error>> {
    resumed::start(config).map_err(|error| match ownership(&error) {
        Some(owner) => format!("{error}; {owner}").into(),
        None => error.into(),
    })
}

/// Returns the owner of the directory and the user of the server, if a missing permission prevents the start.
fn ownership(error: &StartError) -> Option<String> {
    let OpenError::NotWritable(path, cause) = error.source()?.downcast_ref()? else {
        return None;
    };
    if cause.kind() != ErrorKind::PermissionDenied {
        return None;
    }
    let dir = fs::metadata(path).ok()?;
    let user = geteuid().as_raw();
    let clue = if dir.uid() == user {
        "change its mode"
    } else {
        "give it to that user, or start the server as its owner"
    };
    Some(format!(
        "{} belongs to uid {} and gid {}, and the server runs as uid {user} and gid {}: {clue}",
        path.display(),
        dir.uid(),
        dir.gid(),
        getegid().as_raw(),
    ))
}

/// The interval between two checks that the directory is still in place, and for changes of the user files.
const CHECK_EVERY: Duration = Duration::from_secs(2);

/// After this time without its directory the command exits, so that systemd can start it again.
const DISPLACED_MAX: Duration = Duration::from_secs(30);

/// The files that the command reads again while the server runs.
struct ReloadedFiles {
    user_files: Option<Box<UserFiles>>,
    certificate: Option<Box<Certificate>>,
}

/// Starts a thread that catches the signals which stop the server, and SIGHUP if it `reloads`.
///
/// This thread starts before those of the server: the number of threads may be limited.
fn catch_signals(reloads: bool) -> io::Result<mpsc::Receiver<i32>> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    if reloads {
        signals.add_signal(SIGHUP)?;
    }
    let (send, signal) = mpsc::channel();
    let wait_for_signal = move || {
        for number in signals.forever() {
            if send.send(number).is_err() || number != SIGHUP {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("resumed-signals".into())
        .spawn(wait_for_signal)?;
    Ok(signal)
}

/// Waits for a signal that stops the server. Meanwhile reads changed files again.
///
/// # Errors
/// `Displaced` if the directory was moved, removed, replaced or unmounted, and did not come back.
fn wait(
    signal: &mpsc::Receiver<i32>,
    server: &resumed::Server,
    mut files: ReloadedFiles,
) -> Result<(), Box<dyn Error>> {
    let mut displaced_since = None;
    loop {
        match signal.recv_timeout(CHECK_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(SIGHUP) => {
                if let Some(certificate) = &files.certificate {
                    certificate.reload(server);
                }
                continue;
            }
            _ => return Ok(()),
        }
        let user_files = files.user_files.as_mut();
        if let Some(users) = user_files.and_then(|files| files.changed()) {
            let set = |users| server.set_users(users).map_err(|error| error.to_string());
            match users.and_then(set) {
                Ok(()) => log::info!("the user file has changed: the new users apply"),
                Err(error) => log::error!("{error}; the earlier users stay"),
            }
        }
        match server.health() {
            Err(error @ store::Error::Displaced(_)) => {
                let since = displaced_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= DISPLACED_MAX {
                    return Err(error.into());
                }
            }
            _ => displaced_since = None,
        }
    }
}
