//! The flags of the command.

pub(crate) mod flags;
pub(crate) mod greeting;
mod guess;
pub(crate) mod hash_password;
pub(crate) mod health;
mod hook;
mod logger;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
#[cfg(feature = "put")]
pub(crate) mod put;
mod size;
pub(crate) mod systemd;
mod text;
pub(crate) mod texts;
#[cfg_attr(not(feature = "tls"), path = "tls/absent.rs")]
pub(crate) mod tls;
mod users;

use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, fs};

use lexopt::{Arg, Parser, ValueExt};
use resumed::store::OpenError;
use resumed::{Config, StartError, TrustedProxy};
use rustix::process::{getegid, geteuid};

use self::flags::SERVER;
pub(crate) use self::hook::Hook;
use self::hook::HookFlags;
pub(crate) use self::logger::LogFormat;
pub(crate) use self::tls::Certificate;
use self::tls::TlsFlags;
pub(crate) use self::users::UserFiles;
use self::users::UserFlags;

/// The action that the command line requests.
pub(crate) enum Action {
    Serve {
        config: Box<Config>,
        dir: PathBuf,
        /// True to show the address as a QR code.
        with_code: bool,
        /// The command for each complete upload. It stops before the server.
        hook: Option<Arc<Hook>>,
        log_format: LogFormat,
        /// Warnings about the flags, for the log.
        warnings: Vec<String>,
        /// The files of `--user-file`.
        user_files: Option<Box<UserFiles>>,
        /// The certificate of `--tls-cert` or `--tls-self-signed`.
        certificate: Option<Box<Certificate>>,
    },
    Help,
    Version,
}

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

/// Reads the flags, without the name of the program.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Action, UsageError> {
    let mut parser = Parser::from_args(args);
    let mut dir: Option<PathBuf> = None;
    let mut with_code = false;
    let mut own = CommandFlags::default();
    let mut needs_users = None;
    let mut config = Config::new("").allow_anonymous(false);
    while let Some(arg) = parser.next()? {
        if let Arg::Value(operand) = arg {
            if dir.is_some() {
                return Err(guess::second_operand(&operand));
            }
            dir = Some(guess::directory(operand)?);
            continue;
        }
        let Some(name) = SERVER.name_of(&arg) else {
            return Err(unknown(&written(&arg), &mut parser));
        };
        match name {
            "help" => return Ok(Action::Help),
            "version" => return Ok(Action::Version),
            "qr" => with_code = true,
            _ => {
                if matches!(name, "user-dirs" | "quota") {
                    needs_users = Some(name);
                }
                config = set(config, &mut own, name, &mut parser)?;
            }
        }
    }
    if let (Some(flag), true) = (needs_users, own.users.is_empty()) {
        return Err(UsageError(format!(
            "--{flag} needs users: --user or --user-file"
        )));
    }
    let hook = own.hook.build().map(Arc::new);
    if let Some(hook) = hook.clone() {
        config = config.on_complete(move |completed| hook.run(completed));
    }
    let mut user_files = None;
    if let Some((all, files)) = own.users.build(&mut own.warnings).map_err(UsageError)? {
        config = config.users(all);
        user_files = files.map(Box::new);
    }
    let dir = dir.unwrap_or_else(|| guess::DIR_DEFAULT.into());
    let (config, certificate) = own.tls.build(config, &dir).map_err(UsageError)?;
    Ok(Action::Serve {
        config: Box::new(config.dir(&dir)),
        dir,
        with_code,
        hook,
        log_format: own.log_format,
        warnings: own.warnings,
        user_files,
        certificate: certificate.map(Box::new),
    })
}

/// Returns a flag as it was written.
fn written(arg: &Arg<'_>) -> String {
    match arg {
        Arg::Short(letter) => format!("-{letter}"),
        Arg::Long(name) => format!("--{name}"),
        Arg::Value(_) => String::new(),
    }
}

/// Returns the error for a flag that does not exist. It may depend on the next argument.
fn unknown(flag: &str, parser: &mut Parser) -> UsageError {
    let value = parser.value().ok();
    let value = value.and_then(|value| value.into_string().ok());
    guess::unknown(flag, value.as_deref())
}

/// Returns the owner of the directory and the user of the server, if a missing permission prevents the start.
pub(crate) fn ownership(error: &StartError) -> Option<String> {
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

/// The flags that the command itself uses, without the server.
#[derive(Default)]
struct CommandFlags {
    hook: HookFlags,
    users: UserFlags,
    tls: TlsFlags,
    log_format: LogFormat,
    warnings: Vec<String>,
}

impl CommandFlags {
    fn set(&mut self, flag: FlagValue<'_>) -> Result<(), UsageError> {
        let name = flag.name;
        match name {
            "user" | "user-file" => {
                self.users.set(name, &flag.text()?).map_err(UsageError)?;
            }
            "on-complete" => self.hook.command = Some(flag.text()?),
            "hook-timeout" => self.hook.timeout = flag.read_as(positive_duration)?,
            "log-format" => {
                self.log_format =
                    flag.one_of(&[("text", LogFormat::Text), ("json", LogFormat::Json)])?;
            }
            _ => self.tls.set(name, || flag.text())?,
        }
        Ok(())
    }
}

fn set(
    config: Config,
    own: &mut CommandFlags,
    name: &str,
    parser: &mut Parser,
) -> Result<Config, UsageError> {
    let flag = FlagValue { name, parser };
    Ok(match name {
        "listen" => config.listen(guess::listen(&flag.text()?)?),
        "socket-mode" => config.socket_mode(flag.read_as(mode)?),
        "metrics" => config.metrics(true),
        "max-size" => config.max_size(flag.read_as(size::bytes)?),
        "min-free" => config.min_free(flag.read_as(size::bytes)?),
        "min-free-inodes" => config.min_free_inodes(flag.parsed()?),
        "expire" => config.expire(flag.read_as(size::duration)?),
        "max-partials" => config.max_partials(flag.parsed()?),
        "max-partials-per-user" => config.max_partials_per_user(flag.parsed()?),
        "quota" => config.quota(flag.read_as(size::bytes)?),
        "sync" => config.sync(flag.parsed()?),
        "sha256" => config.sha256(true),
        "on-conflict" => config.on_conflict(flag.parsed()?),
        "shared" => config.shared(true),
        "user" | "user-file" | "tls-cert" | "tls-key" | "tls-self-signed" | "hsts"
        | "on-complete" | "hook-timeout" | "log-format" => {
            own.set(flag)?;
            config
        }
        "user-dirs" => config.user_dirs(true),
        "failed-logins" => config.failed_logins(flag.parsed()?),
        "allow-origin" => config.allow_origin(&flag.text()?),
        "host" => {
            let name = flag.text()?;
            guess::host(&name)?;
            let config = config.host(&name);
            own.tls.add_name(name);
            config
        }
        "public-url" => config.public_url(&flag.text()?),
        "trust-proxy" => trust_proxy(config, flag.parser)?,
        "no-interim" => config.no_interim(true),
        "allow-root" => config.allow_root(true),
        "allow-anonymous" => config.allow_anonymous(true),
        "workers" => config.workers(flag.parsed()?),
        "max-connections" => config.max_connections(flag.parsed()?),
        "max-connections-per-address" => config.max_connections_per_address(flag.parsed()?),
        "head-memory" => {
            config.head_memory(flag.read_as(size::bytes)?.try_into().unwrap_or(usize::MAX))
        }
        "head-timeout" => config.head_timeout(Duration::from_secs(flag.parsed()?)),
        "min-rate" => config.min_rate(flag.parsed()?),
        "idle-timeout" => config.body_idle(Duration::from_secs(flag.parsed()?)),
        // A test passes each flag of the table.
        _ => unreachable!("--{name} is only in the table of flags"),
    })
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

/// Reads the optional value of `--trust-proxy`. After a space it has to be an address: other text is the directory.
fn trust_proxy(config: Config, parser: &mut Parser) -> Result<Config, UsageError> {
    let is_proxy = |next: &OsStr| {
        next.to_str()
            .is_some_and(|text| text.parse::<TrustedProxy>().is_ok())
    };
    let value = match parser.optional_value() {
        Some(value) => Some(value),
        None => parser
            .try_raw_args()
            .and_then(|mut rest| rest.next_if(is_proxy)),
    };
    match value {
        Some(value) => Ok(config.trust_proxy_at(value.parse()?)),
        None => Ok(config.trust_proxy(true)),
    }
}

/// Parses a duration above zero.
fn positive_duration(text: &str) -> Option<Duration> {
    size::duration(text).filter(|time| !time.is_zero())
}

/// Parses file permissions in octal, as chmod does.
fn mode(text: &str) -> Option<u32> {
    let is_octal = matches!(text.len(), 3 | 4) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8).ok()?;
    (is_octal && mode <= 0o777).then_some(mode)
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
