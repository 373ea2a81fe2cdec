//! `resumed put`: sends files and folders with the client of the crate `resumed-client`.

mod flags;
mod folder;
mod report;

use std::env;
use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use resumed_client::{Client, Error, Scope};

use super::text::printable;
use flags::{Action, HELP, Input, Request};
use folder::{Found, Named, gather};
use report::{Output, Report};

const USAGE: u8 = 2;

/// Runs `resumed put` with these arguments.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let user = env::var("RESUMED_USER").ok();
    match flags::parse(args, user) {
        Ok(Action::Put(request)) => {
            let Request {
                input,
                client,
                output,
            } = *request;
            Put::new(client, output).send(&input).into()
        }
        Ok(Action::Help) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("resumed put: {}", printable(&error.to_string()));
            ExitCode::from(USAGE)
        }
    }
}

/// The exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    AllThere = 0,
    SomeFailed = 1,
    GaveUp = 3,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(outcome as u8)
    }
}

/// Returns the words after an error that apply to the command, not to the crate.
fn advice(error: &Error) -> &'static str {
    match error {
        Error::Unauthorized => " (--user)",
        Error::NoSpace(_) => ", and the same command continues",
        _ => "",
    }
}

struct Put {
    client: Client,
    report: Report,
    outcome: Outcome,
    /// The names of the failed files, with the reasons.
    failures: Vec<(String, String)>,
}

impl Put {
    fn new(client: Client, output: Output) -> Put {
        Put {
            report: Report::new(output, client.url()),
            client,
            outcome: Outcome::AllThere,
            failures: Vec::new(),
        }
    }

    fn send(mut self, input: &Input) -> Outcome {
        match input {
            Input::Files(paths) => self.send_all(gather(paths)),
            Input::Stdin(name) => self.send_stdin(name),
        }
        self.outcome
    }

    fn send_all(&mut self, found: Vec<Found>) {
        let count = found.len();
        let mut ahead = found.into_iter();
        for found in ahead.by_ref() {
            let ends_all = match found {
                Found::LeftOut(named, reason) => {
                    self.report.skipped(&named.shown(), reason);
                    false
                }
                Found::Failed(named, error) => self.failed(&named.shown(), &error),
                Found::File(named) => match self.send_file(&named) {
                    Ok(()) => false,
                    Err(error) => self.failed(&named.shown(), &error),
                },
            };
            if ends_all {
                break;
            }
        }
        let left = ahead
            .filter(|found| matches!(found, Found::File(_)))
            .count();
        if left > 0 {
            self.report.note(&format!("{left} more were not tried"));
        }
        if count > 1 && !self.failures.is_empty() {
            self.sum_up(count);
        }
    }

    /// Repeats the failures at the end: the first messages may have scrolled away.
    fn sum_up(&self, count: usize) {
        let failed = self.failures.len();
        self.report
            .note(&format!("{failed} of {count} were not sent:"));
        for (name, reason) in &self.failures {
            self.report.note(&format!("  {name}: {reason}"));
        }
    }

    fn send_file(&mut self, named: &Named) -> Result<(), Error> {
        let report = &mut self.report;
        report.set_name(&named.shown());
        let upload = self.client.file(&named.path).name(&named.name);
        let uploaded = upload.on_event(|event| report.event(&event)).send()?;
        self.report.done(uploaded);
        Ok(())
    }

    fn send_stdin(&mut self, name: &[u8]) {
        self.report
            .note("standard input cannot be carried on by another run");
        let shown = String::from_utf8_lossy(name);
        let report = &mut self.report;
        report.set_name(&shown);
        let upload = self.client.stream(&shown, io::stdin().lock()).name(name);
        match upload.on_event(|event| report.event(&event)).send() {
            Ok(uploaded) => self.report.done(uploaded),
            Err(error) => {
                self.failed(&shown, &error);
            }
        }
    }

    /// Reports a failure. Returns whether the other files would fail too.
    fn failed(&mut self, name: &str, error: &Error) -> bool {
        let reason = format!("{error}{}", advice(error));
        self.report.failed(name, &reason);
        self.failures.push((name.to_owned(), reason));
        self.outcome = match error {
            Error::GaveUp(_) => Outcome::GaveUp,
            _ => Outcome::SomeFailed,
        };
        error.scope() == Scope::Client
    }
}
