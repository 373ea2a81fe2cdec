//! `resumed put`: sends files and folders with the client of the crate `resumed-client`.

mod flags;
mod folder;
mod queue;
mod report;

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use resumed_client::{Client, Error, Event, Scope};

use super::USAGE;
use super::text::printable;
use flags::{Action, Input, Request};
use folder::{Found, LocalFile, Walk};
use queue::Queue;
use report::{Report, Scale};

/// The maximum number of failures that are repeated at the end.
const REPEATED_MAX: usize = 1000;

/// Runs `resumed put` with these arguments.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let user = env::var("RESUMED_USER")
        .ok()
        .filter(|user| !user.is_empty());
    match flags::parse(args, user) {
        Ok(Action::Put(request)) => send(*request).into(),
        Ok(Action::Help) => super::print(&super::flags::PUT.help()),
        Ok(Action::Version) => super::print_version(),
        Err(error) => {
            eprintln!("resumed put: {}", printable(&error.to_string()));
            ExitCode::from(USAGE)
        }
    }
}

/// The exit status. The last one is the most severe.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    #[default]
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
        Error::Untrusted(_) => " (--ca, --fingerprint)",
        Error::NoSpace(_) => ", and the same command continues",
        _ => "",
    }
}

/// Returns whether the event follows an answer of the upload server to a file. A 429 may come before a check of the password.
fn is_answer(file: &LocalFile, event: &Event<'_>) -> bool {
    match event {
        // The first progress of a large file is the answer to a question.
        Event::Progress { .. } => file.is_large(),
        Event::Retry { error, .. } => matches!(
            error,
            Error::Unavailable {
                status: 503,
                reason: Some(_),
                ..
            } | Error::TooManyPartials { .. }
                | Error::OtherClient
        ),
        _ => false,
    }
}

fn send(request: Request) -> Outcome {
    let scale = match &request.input {
        Input::Files(paths) if paths.len() > 1 || paths[0].is_dir() => Scale::List,
        Input::Files(_) | Input::Stdin(_) => Scale::One,
    };
    let put = Put {
        report: Report::new(request.output, scale, request.client.url()),
        client: request.client,
        failures: Mutex::default(),
    };
    match request.input {
        Input::Files(paths) => put.send_files(paths, request.jobs),
        Input::Stdin(name) => put.send_stdin(&name),
    }
    put.failures().outcome
}

/// A run of the command. Threads share it.
struct Put {
    client: Client,
    report: Report,
    failures: Mutex<Failures>,
}

/// The files that were not sent.
#[derive(Default)]
struct Failures {
    outcome: Outcome,
    count: u64,
    /// The names and the reasons of the first ones.
    first: Vec<(String, String)>,
}

impl Put {
    /// Sends files with as many threads as `jobs`.
    fn send_files(&self, paths: Vec<PathBuf>, jobs: usize) {
        let queue = Queue::default();
        let mut count = 0_u64;
        thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| self.work(&queue));
            }
            for found in Walk::new(paths) {
                match found {
                    Found::LeftOut(named, reason) => self.report.skipped(&named.shown(), reason),
                    Found::Failed(named, error) => {
                        count += 1;
                        self.failed(&named.shown(), &error);
                    }
                    Found::File(file) => {
                        count += 1;
                        queue.push(file);
                    }
                }
            }
            queue.close();
        });
        self.report.sum_up();
        if queue.left() > 0 {
            let left = queue.left();
            self.report.note(&format!("{left} more were not tried"));
        }
        if count > 1 {
            self.list_failures(count);
        }
    }

    /// Sends files of the queue until it is empty.
    fn work(&self, queue: &Queue) {
        while let Some(file) = queue.take() {
            if let Err(error) = self.send_file(&file, queue) {
                self.failed(&file.named.shown(), &error);
                if error.scope() == Scope::Client {
                    queue.abort();
                }
            }
            queue.done(&file);
        }
    }

    fn send_file(&self, file: &LocalFile, queue: &Queue) -> Result<(), Error> {
        let mut report = self.report.file(&file.named.shown());
        let mut has_answer = false;
        let upload = self.client.file(&file.named.path).name(&file.named.name);
        let sent = upload
            .on_event(|event| {
                if is_answer(file, &event) && !has_answer {
                    has_answer = true;
                    queue.answered();
                }
                report.event(&event);
            })
            .send();
        match sent {
            Ok(uploaded) => report.done(uploaded),
            Err(error) => {
                report.end();
                return Err(error);
            }
        }
        Ok(())
    }

    fn send_stdin(&self, name: &[u8]) {
        self.report
            .note("another run cannot continue standard input");
        let shown = String::from_utf8_lossy(name);
        let mut report = self.report.file(&shown);
        let upload = self.client.stream(&shown, io::stdin().lock()).name(name);
        match upload.on_event(|event| report.event(&event)).send() {
            Ok(uploaded) => report.done(uploaded),
            Err(error) => self.failed(&shown, &error),
        }
    }

    /// Reports a failure.
    fn failed(&self, name: &str, error: &Error) {
        let reason = format!("{error}{}", advice(error));
        self.report.failed(name, &reason);
        let outcome = match error {
            Error::GaveUp(_) => Outcome::GaveUp,
            _ => Outcome::SomeFailed,
        };
        let mut failures = self.failures();
        failures.outcome = failures.outcome.max(outcome);
        failures.count += 1;
        if failures.first.len() < REPEATED_MAX {
            failures.first.push((name.to_owned(), reason));
        }
    }

    /// Repeats the failures of `count` files: the first messages may have scrolled away.
    fn list_failures(&self, count: u64) {
        let failures = self.failures();
        if failures.count == 0 {
            return;
        }
        let failed = failures.count;
        self.report.note(&format!("{failed} of {count} failed:"));
        for (name, reason) in &failures.first {
            self.report.note(&format!("  {name}: {reason}"));
        }
        let more = failed - failures.first.len() as u64;
        if more > 0 {
            self.report.note(&format!("  and {more} more"));
        }
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
