//! What the command line asks for.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use lexopt::{Arg, Parser, ValueExt};
use percent_encoding::percent_decode_str;

use super::super::{Flag, UsageError, size};
use super::report::Voice;
use super::wire::Address;

pub(super) const HELP: &str = "\
resumed put [OPTIONS] FILE... URL    send files and folders to a resumed server
resumed put [OPTIONS] - URL/NAME     send standard input

The same command again carries on where it stopped: after a cut line by itself, after Ctrl-C
or a reboot when it is given again. Standard input can be carried on only within one run.

      --user NAME:PASSWORD   who sends (shows in ps)
      --user-file FILE       the same, from the first line of a file; or set RESUMED_USER
      --give-up-after DURATION
                             how long failures in a row are borne, such as 90s, 10m, 12h
                             (default: for ever)
      --no-check             do not compare whole files with the server, and do not read
                             again a part that was sent before (default: compare)
  -q, --quiet                say only what went wrong
      --json                 say it in JSON, an object a line, on standard output
  -h, --help

Exit status: 0 all is there; 1 some files were refused or cannot be read, the others were sent;
2 the command line is wrong; 3 it gave up waiting for the server.
";

pub(super) enum Ask {
    Put(Order),
    Help,
}

/// What to send, where, and how.
pub(super) struct Order {
    pub(super) what: What,
    pub(super) address: Address,
    /// The value of `Authorization`.
    pub(super) authorization: Option<String>,
    pub(super) give_up_after: Option<Duration>,
    /// True if each file is sent with the checksum of its whole contents.
    pub(super) proves: bool,
    pub(super) voice: Voice,
}

pub(super) enum What {
    Files(Vec<PathBuf>),
    /// Standard input, under this name.
    Pipe(Vec<u8>),
}

/// Reads the flags, without `resumed put`. `user` is what the environment says.
pub(super) fn parse(
    args: impl Iterator<Item = OsString>,
    mut user: Option<String>,
) -> Result<Ask, UsageError> {
    let mut parser = Parser::from_args(args);
    let mut operands = Vec::new();
    let mut give_up_after = None;
    let mut proves = true;
    let mut voice = Voice::Plain;
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Ask::Help),
            Arg::Short('q') | Arg::Long("quiet") => voice = Voice::Quiet,
            Arg::Long("json") => voice = Voice::Json,
            Arg::Long("no-check") => proves = false,
            Arg::Long("user") => user = Some(parser.value()?.string()?),
            Arg::Long("user-file") => user = Some(first_line(Path::new(&parser.value()?))?),
            Arg::Long("give-up-after") => {
                let (name, parser) = ("give-up-after", &mut parser);
                give_up_after = Some(Flag { name, parser }.read_as(size::duration)?);
            }
            Arg::Value(operand) => operands.push(operand),
            other => return Err(other.unexpected().into()),
        }
    }
    let (what, address) = places(operands)?;
    Ok(Ask::Put(Order {
        what,
        address,
        authorization: user.map(|user| basic(&user)).transpose()?,
        give_up_after,
        proves,
        voice,
    }))
}

fn places(mut operands: Vec<OsString>) -> Result<(What, Address), UsageError> {
    let url = operands.pop().unwrap_or_default();
    if operands.is_empty() {
        return Err(UsageError(
            "FILE... and URL, please; see resumed put --help".into(),
        ));
    }
    let url = url.string()?;
    if !operands.iter().any(|operand| operand == "-") {
        let files = operands.into_iter().map(PathBuf::from).collect();
        return Ok((What::Files(files), address(&url)?));
    }
    if operands.len() > 1 {
        return Err(UsageError(
            "- stands alone; a file of that name is ./-".into(),
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
        What::Pipe(percent_decode_str(name).collect()),
        address(base)?,
    ))
}

fn address(text: &str) -> Result<Address, UsageError> {
    Address::parse(text).ok_or_else(|| {
        UsageError(format!(
            "the address of a server comes last, such as http://pi:8080, not {text:?}"
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

fn basic(user: &str) -> Result<String, UsageError> {
    match user.split_once(':') {
        Some((name, _)) if !name.is_empty() => {
            Ok(format!("Basic {}", BASE64_STANDARD.encode(user)))
        }
        _ => Err(UsageError("a user is NAME:PASSWORD".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> Result<Order, String> {
        match parse(line.split_whitespace().map(OsString::from), None) {
            Ok(Ask::Put(order)) => Ok(order),
            Ok(Ask::Help) => Err("help".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn standard_input_is_named_by_the_address() {
        for (line, name, base) in [
            ("- http://pi/a.tar", "a.tar", "http://pi"),
            (
                "- http://pi:8080/files/a%20b",
                "a b",
                "http://pi:8080/files",
            ),
            ("- https://pi/100%", "100%", "https://pi"),
        ] {
            let Ok(Order {
                what: What::Pipe(named),
                address,
                ..
            }) = ask(line)
            else {
                panic!("{line}");
            };
            assert_eq!((named, address.as_str()), (name.as_bytes().to_vec(), base));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
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
        ] {
            let word = ask(line).err().expect(line);
            assert!(!word.is_empty());
        }
    }

    #[test]
    fn a_name_and_a_password_become_a_field() {
        let order = ask("--user alice:a:b f http://pi").unwrap();
        assert_eq!(order.authorization.as_deref(), Some("Basic YWxpY2U6YTpi"));
    }
}
