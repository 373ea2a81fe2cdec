//! The flags and operands of `resumed put`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use lexopt::{Arg, Parser, ValueExt};
use percent_encoding::percent_decode_str;
use resumed_client::Client;

use super::super::{Flag, UsageError, guess, size};
use super::report::Output;

pub(super) const HELP: &str = "\
resumed put [OPTIONS] FILE... URL    send files and folders to a resumed server
resumed put [OPTIONS] - URL/NAME     send standard input

The same command continues an interrupted upload. After a lost connection, put continues by
itself. Standard input can be continued within one run only.

      --user NAME:PASSWORD   log in with this name and password (other users see them in ps)
      --user-file FILE       log in with the first line of a file; or set RESUMED_USER
      --ca FILE              trust the certificates of the authorities in FILE (PEM) only
      --fingerprint SHA256   accept the certificate with this fingerprint only: a self-signed one
      --jobs N               send N files at once, 1 to 64; files over 4 MiB one at a time
                             (default: 8)
      --give-up-after DURATION
                             stop when attempts have failed for this time: 90s, 10m, 12h
                             (default: never)
      --no-check             do not compare checksums of whole files with the server
                             (default: compare)
  -q, --quiet                write failures only
      --json                 write one JSON object a line to standard output
  -h, --help                 print this help
  -V, --version              print the version

Exit status: 0 the server has all files; 1 a file was refused or cannot be read, or the server
refused all (password, certificate, address); 2 wrong command line; 3 gave up: the server did not
answer.
";

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
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Action::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Action::Version),
            Arg::Short('q') | Arg::Long("quiet") => output = Output::Quiet,
            Arg::Long("json") => output = Output::Json,
            Arg::Long("no-check") => checks = false,
            Arg::Long("user") => user = Some(parser.value()?.string()?),
            Arg::Long("user-file") => user = Some(first_line(Path::new(&parser.value()?))?),
            Arg::Long("ca") => trust.set(Trust::Authorities(parser.value()?.into()))?,
            Arg::Long("fingerprint") => {
                let (name, parser) = ("fingerprint", &mut parser);
                let sha256 = Flag { name, parser }.read_as(fingerprint)?;
                trust.set(Trust::Fingerprint(sha256))?;
            }
            Arg::Long("give-up-after") => {
                let (name, parser) = ("give-up-after", &mut parser);
                give_up_after = Some(Flag { name, parser }.read_as(size::duration)?);
            }
            Arg::Long("jobs") => {
                let (name, parser) = ("jobs", &mut parser);
                jobs = Flag { name, parser }.read_as(number_of_jobs)?;
            }
            Arg::Value(operand) => operands.push(operand),
            other => return Err(other.unexpected().into()),
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
    let guessed = guess::url(url);
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
