//! The flags of the command.

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
#[cfg_attr(not(feature = "tls"), path = "tls/absent.rs")]
pub(crate) mod tls;
mod users;

use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
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

/// The reason for which a command line is refused.
#[derive(Debug)]
pub(crate) struct UsageError(String);

/// Output of `--help`: effect, then default. The README repeats it.
pub(crate) const HELP: &str = "\
resumed [OPTIONS] [DIR]    receive uploads in DIR (default: uploads); or: resumed serve
resumed put FILE... URL    send files and folders; see resumed put --help
resumed hash-password [NAME]    print the hash of a password, for --user-file
resumed health URL         exit with 0 if the server at URL accepts uploads

  -l, --listen ADDR          listen on HOST:PORT or unix:PATH; port 0 picks a free port
                             (default: 127.0.0.1:8080)
      --socket-mode MODE     set the mode of unix:PATH, such as 0660 (default: umask)
      --tls-cert FILE        serve HTTPS with the certificate in FILE (PEM, its intermediate ones
                             behind it); SIGHUP reads it again
      --tls-key FILE         the private key of the certificate (PEM, without a passphrase)
      --tls-self-signed      serve HTTPS with a certificate that the server makes at its first start,
                             and print its fingerprint; browsers warn of it
      --hsts                 let browsers use HTTPS only for this host, on all its ports, for a year
      --qr                   print the address as a QR code
      --max-size SIZE        refuse larger uploads, such as 500M or 50G (default: no limit)
      --min-free SIZE        keep this much disk space free (default: 64M)
      --min-free-inodes N    keep N inodes of the disk free, or N%; 0: no limit (default: 1%)
      --expire DURATION      delete partial uploads without a new byte for this long, such as 12h
                             (default: 7d; at most 1d if less than 64 KiB arrived)
      --max-partials N       refuse new uploads beside N partial ones (default: 10000; 0: no limit)
      --max-partials-per-user N
                             refuse new uploads of a user, or of an address without users, beside N
                             partial ones (default: 2000; 0: no limit)
      --quota SIZE           refuse bytes of a user beyond SIZE: partial uploads, and complete ones
                             until their record expires; 0: none (default: no quota)
      --sync durable|fast    durable: fsync before every response (default)
                             fast: no fsync; a power loss may lose data
      --on-conflict keep-both|replace
                             keep or replace a file with the same name (default: keep-both)
      --shared               share DIR with other servers; all of them need this flag
      --user NAME:HASH       require a user, and add this one; repeatable; visible in ps
      --user-file FILE       add users from FILE, one NAME:HASH per line (hash-password, htpasswd)
      --failed-logins N      permit an address N failed logins, then one in 10 s (default: 60)
      --user-dirs            put the files of each user into DIR/NAME/
      --allow-origin ORIGIN  allow pages of ORIGIN to upload, such as https://example.org;
                             repeatable
      --host NAME            accept NAME in Host, besides IP addresses, localhost, *.local and
                             the name of this machine; repeatable
      --public-url URL       begin upload addresses with URL, not with the Host of the request,
                             such as https://up.example.org behind a TLS proxy
      --trust-proxy [PROXY]  trust Forwarded and X-Forwarded-For, -Proto and -Host from PROXY:
                             ADDR, ADDR/PREFIX or unix; repeatable
                             (default: nobody; without PROXY: this machine)
      --no-interim           send no 104 (Upload Resumption Supported): some proxies fail on it
      --allow-root           allow root to listen on an address that other machines reach
      --allow-anonymous      listen to other machines without users: everybody there may upload
      --sha256               compute the SHA-256 of each upload, for Repr-Digest and hooks
      --on-complete COMMAND  run COMMAND with sh after each complete upload, until it exits with
                             0; sets UPLOAD_PATH, _NAME, _ID, _LENGTH, _SHA256 and _USER
      --hook-timeout DURATION
                             stop COMMAND after DURATION, and run it again (default: 6h)
      --log-format text|json write the log as text, or as one JSON object a line (default: text)
      --metrics              serve metrics for Prometheus at /metrics
      --workers N            run N worker threads (default: 2 per core, at least 4)
      --max-connections N    accept at most N connections at once (default: 10000)
      --max-connections-per-address N
                             accept at most N connections from one address; 0: any number
                             (default: 256)
      --head-memory SIZE     keep at most this much of unfinished request heads (default: 4M)
      --head-timeout S       refuse a request head that takes over S seconds (default: 10)
      --idle-timeout S       cut a body that sends no byte for S seconds (default: 60)
      --min-rate BYTES       cut a body slower than BYTES per second over a minute, or over the
                             time of --idle-timeout if longer; 0: never (default: 100)
  -h, --help                 print this help
  -V, --version              print the version

Logs go to standard error. RUST_LOG sets the level: error, warn, info or debug
(default: info,access=off). RUST_LOG=info also logs each request.
";

/// Prints the version, the same for each command.
pub(crate) fn print_version() -> ExitCode {
    println!("resumed {}", env!("CARGO_PKG_VERSION"));
    ExitCode::SUCCESS
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
        config = match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Action::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Action::Version),
            Arg::Value(value) if dir.is_none() => {
                dir = Some(guess::directory(value)?);
                config
            }
            Arg::Value(value) => return Err(guess::second_operand(&value)),
            Arg::Short('l') => set(config, &mut own, "listen", &mut parser)?,
            Arg::Short(letter) => {
                let value = parser.optional_value().or_else(|| parser.value().ok());
                let value = value.and_then(|value| value.into_string().ok());
                return Err(guess::unknown(&format!("-{letter}"), value.as_deref()));
            }
            Arg::Long("qr") => {
                with_code = true;
                config
            }
            Arg::Long(name) => {
                let name = name.to_owned();
                if matches!(&*name, "user-dirs" | "quota") {
                    needs_users = Some(name.clone());
                }
                set(config, &mut own, &name, &mut parser)?
            }
        };
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
    fn set(&mut self, flag: Flag<'_>) -> Result<(), UsageError> {
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
    let flag = Flag { name, parser };
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
        unknown => {
            let value = flag.parser.value().ok();
            let value = value.and_then(|value| value.into_string().ok());
            return Err(guess::unknown(&format!("--{unknown}"), value.as_deref()));
        }
    })
}

/// A flag whose value comes next.
struct Flag<'a> {
    name: &'a str,
    parser: &'a mut Parser,
}

impl Flag<'_> {
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
