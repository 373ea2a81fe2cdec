//! The flags and operands of `resumed put`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use lexopt::{Arg, Parser, ValueExt};
use percent_encoding::percent_decode_str;
use resumed_client::Client;

use super::super::flags::PUT;
use super::super::{FlagValue, UsageError, size, url};
use super::report::Output;

const JOBS_DEFAULT: usize = 8;
/// Each job needs a connection, and memory for one small file.
const JOBS_MAX: usize = 64;

/// The action that the command line requests.
pub(super) enum Action {
    Put(Box<Request>),
    Help,
    Version,
}

/// The input, the client, and the output.
pub(super) struct Request {
    pub(super) input: Input,
    pub(super) client: Client,
    /// The number of files that are sent at once.
    pub(super) jobs: usize,
    pub(super) output: Output,
}

pub(super) enum Input {
    Files(Vec<PathBuf>),
    /// Standard input, under this name.
    Stdin(Vec<u8>),
}

/// Parses the arguments after `resumed put`. `user` is the value of `RESUMED_USER`.
pub(super) fn parse(
    args: impl Iterator<Item = OsString>,
    mut user: Option<String>,
) -> Result<Action, UsageError> {
    let mut parser = Parser::from_args(args);
    let mut operands = Vec::new();
    let mut give_up_after = None;
    let mut checks = true;
    let mut jobs = JOBS_DEFAULT;
    let mut output = Output::Plain;
    let mut trust = Trust::Machine;
    while let Some(arg) = parser.next()? {
        if let Arg::Value(operand) = arg {
            operands.push(operand);
            continue;
        }
        let Some(name) = PUT.name_of(&arg) else {
            return Err(arg.unexpected().into());
        };
        let parser = &mut parser;
        match name {
            "help" => return Ok(Action::Help),
            "version" => return Ok(Action::Version),
            "quiet" => output = Output::Quiet,
            "json" => output = Output::Json,
            "no-check" => checks = false,
            "user" => user = Some(parser.value()?.string()?),
            "user-file" => user = Some(first_line(Path::new(&parser.value()?))?),
            "ca" => trust.set(Trust::Authorities(parser.value()?.into()))?,
            "fingerprint" => {
                let sha256 = FlagValue { name, parser }.read_as(fingerprint)?;
                trust.set(Trust::Fingerprint(sha256))?;
            }
            "give-up-after" => {
                give_up_after = Some(FlagValue { name, parser }.read_as(size::duration)?);
            }
            "jobs" => jobs = FlagValue { name, parser }.read_as(number_of_jobs)?,
            _ => unreachable!("--{name} is only in the table of flags"),
        }
    }
    let (input, mut client) = read_operands(operands)?;
    if let Some(user) = user {
        let (name, password) = split_user(&user)?;
        client = client.user(name, password);
    }
    if let Some(time) = give_up_after {
        client = client.give_up_after(time);
    }
    let client = trust.apply(client)?.check(checks);
    Ok(Action::Put(Box::new(Request {
        input,
        client,
        jobs,
        output,
    })))
}

/// The certificates that the command accepts.
enum Trust {
    Machine,
    Authorities(PathBuf),
    Fingerprint([u8; 32]),
}

impl Trust {
    fn set(&mut self, trust: Trust) -> Result<(), UsageError> {
        match self {
            Trust::Machine => {
                *self = trust;
                Ok(())
            }
            _ => Err(UsageError("use one of --ca and --fingerprint, once".into())),
        }
    }

    fn apply(self, client: Client) -> Result<Client, UsageError> {
        if !matches!(self, Trust::Machine) && !client.url().starts_with("https://") {
            return Err(UsageError(
                "--ca and --fingerprint need an address that begins with https://".into(),
            ));
        }
        match self {
            Trust::Machine => Ok(client),
            Trust::Fingerprint(sha256) => Ok(client.fingerprint(sha256)),
            Trust::Authorities(path) => {
                let unusable = |error: &dyn std::fmt::Display| {
                    UsageError(format!("cannot read --ca {}: {error}", path.display()))
                };
                let pem = fs::read(&path).map_err(|error| unusable(&error))?;
                client.authorities(&pem).map_err(|error| unusable(&error))
            }
        }
    }
}

/// Reads 32 bytes in hexadecimal digits, with or without colons. openssl writes `sha256 Fingerprint=` before them.
fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits = text.rsplit('=').next().unwrap_or(text).replace(':', "");
    let is_hex = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        let pair = digits.get(2 * at..2 * at + 2)?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    is_hex.then_some(bytes)
}

fn number_of_jobs(text: &str) -> Option<usize> {
    let jobs = text.parse().ok()?;
    (1..=JOBS_MAX).contains(&jobs).then_some(jobs)
}

fn read_operands(mut operands: Vec<OsString>) -> Result<(Input, Client), UsageError> {
    let url = operands.pop().unwrap_or_default();
    if operands.is_empty() {
        return Err(UsageError(
            "FILE... and URL are required; see resumed put --help".into(),
        ));
    }
    let url = url.string()?;
    if !operands.iter().any(|operand| operand == "-") {
        let files = operands.into_iter().map(PathBuf::from).collect();
        return Ok((Input::Files(files), client(&url)?));
    }
    if operands.len() > 1 {
        return Err(UsageError(
            "- must be the only operand; a file of that name is ./-".into(),
        ));
    }
    let is_path = |at: usize| !url[..at].ends_with([':', '/']);
    let (base, name) = url
        .rfind('/')
        .filter(|at| is_path(*at))
        .map(|at| (&url[..at], &url[at + 1..]))
        .filter(|(_, name)| !name.is_empty())
        .ok_or_else(|| UsageError("standard input needs a name: URL/NAME".into()))?;
    Ok((
        Input::Stdin(percent_decode_str(name).collect()),
        client(base)?,
    ))
}

fn client(url: &str) -> Result<Client, UsageError> {
    let guessed = url::with_scheme(url);
    Client::new(guessed.as_deref().unwrap_or(url)).map_err(|_| {
        UsageError(format!(
            "the address of a server comes last, such as http://pi:8080, not {url:?}"
        ))
    })
}

fn first_line(path: &Path) -> Result<String, UsageError> {
    let text = fs::read_to_string(path)
        .map_err(|error| UsageError(format!("{}: {error}", path.display())))?;
    // Some editors on Windows write U+FEFF at the start of a text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

fn split_user(user: &str) -> Result<(&str, &str), UsageError> {
    let parts = user.split_once(':').filter(|(name, _)| !name.is_empty());
    parts.ok_or_else(|| UsageError("a user is NAME:PASSWORD".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request, String> {
        match parse(line.split_whitespace().map(OsString::from), None) {
            Ok(Action::Put(request)) => Ok(*request),
            Ok(_) => Err("help".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn url_names_standard_input() {
        for (line, name, base) in [
            ("- http://pi/a.tar", "a.tar", "http://pi"),
            (
                "- http://pi:8080/files/a%20b",
                "a b",
                "http://pi:8080/files",
            ),
            ("- https://pi/100%", "100%", "https://pi"),
        ] {
            let Ok(Request {
                input: Input::Stdin(named),
                client,
                ..
            }) = read(line)
            else {
                panic!("{line}");
            };
            assert_eq!((named, client.url()), (name.as_bytes().to_vec(), base));
        }
    }

    #[test]
    fn wrong_command_lines_are_refused() {
        for line in [
            "",
            "http://pi",
            "a b",
            "- http://pi",
            "- http://pi/",
            "- a http://pi/b",
            "--user x a http://pi",
            "--give-up-after soon a http://pi",
            "--wait a http://pi",
            "--jobs 0 a http://pi",
            "--jobs 65 a http://pi",
            "--jobs many a http://pi",
            "--fingerprint 12 a https://pi",
            "--wrong a https://pi",
            "--ca nowhere.pem a https://pi",
        ] {
            let word = read(line).err().expect(line);
            assert!(!word.is_empty());
        }
    }

    #[test]
    fn password_may_contain_colons() {
        assert_eq!(split_user("alice:a:b").ok(), Some(("alice", "a:b")));
        assert!(read("--user alice:a:b f http://pi").is_ok());
    }
}
