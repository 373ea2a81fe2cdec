//! The flags of the server.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use resumed::{Config, TrustedProxy};

use super::guess;
use super::hook::{Hook, HookFlags};
use super::tls::{Certificate, TlsFlags};
use super::users::{UserFiles, UserFlags};
use crate::cli::flags::SERVER;
use crate::cli::{FlagValue, LogFormat, UsageError, size};

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

#[cfg(test)]
mod tests {
    use super::*;

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
