//! `resumed put`: the other end, for shells.
//!
//! Speaks the `X-File-Id` dialect, by the rules of the page. It keeps no state of its own: the server knows how much
//! it holds, so the same command again carries on.

mod file;
mod flags;
mod folder;
mod identity;
mod patience;
mod pipe;
mod plan;
mod problem;
mod report;
mod sending;
mod source;
mod sum;
mod wire;
mod zone;

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::process::ExitCode;

use super::text::printable;
use file::LocalFile;
use flags::{Ask, HELP, Order, What};
use folder::{Found, Named, gather};
use identity::Identity;
use patience::Patience;
use pipe::{Input, Pipe};
use plan::Plan;
use problem::{Problem, Stays};
use report::{Arrived, Report};
use sending::Upload;
use wire::Wire;

const USAGE: u8 = 2;

/// Carries out `resumed put`, whose arguments these are.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let user = env::var("RESUMED_USER").ok();
    match flags::parse(args, user) {
        Ok(Ask::Put(order)) => Put::new(&order).carry_out(&order.what).into(),
        Ok(Ask::Help) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("resumed put: {}", printable(&error.to_string()));
            ExitCode::from(USAGE)
        }
    }
}

/// What came of all of it: the exit status.
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

struct Put {
    wire: Wire,
    plan: Plan,
    report: Report,
    patience: Patience,
    proves: bool,
    outcome: Outcome,
    /// The names of the failed files, with the reasons.
    failures: Vec<(String, String)>,
}

impl Put {
    fn new(order: &Order) -> Put {
        Put {
            wire: Wire::new(order.address.clone(), order.authorization.clone()),
            plan: Plan::new(),
            report: Report::new(order.voice, order.address.as_str()),
            patience: Patience::new(order.give_up_after),
            proves: order.proves,
            outcome: Outcome::AllThere,
            failures: Vec::new(),
        }
    }

    fn carry_out(mut self, what: &What) -> Outcome {
        match what {
            What::Files(paths) => self.send_all(gather(paths)),
            What::Pipe(name) => {
                self.report
                    .note("standard input cannot be carried on by another run");
                let shown = String::from_utf8_lossy(name);
                if let Err(problem) = self.send_pipe(name) {
                    self.failed(&shown, &problem);
                }
            }
        }
        self.outcome
    }

    fn send_all(&mut self, found: Vec<Found>) {
        let count = found.len();
        let mut ahead = found.into_iter();
        for found in ahead.by_ref() {
            let ends_all = match found {
                Found::LeftOut(named, why) => {
                    self.report.skipped(&named.shown(), why);
                    false
                }
                Found::Failed(named, problem) => self.failed(&named.shown(), &problem),
                Found::File(named) => match self.send_file(&named) {
                    Ok(()) => false,
                    Err(problem) => self.failed(&named.shown(), &problem),
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

    fn send_file(&mut self, named: &Named) -> Result<(), Problem> {
        let mut file = LocalFile::open(&named.path, &named.name, self.proves)?;
        let size = file.size();
        self.report.begin(&named.shown(), Some(size));
        let mut upload = self.upload();
        upload.presume(size);
        let arrived = upload.deliver(&mut file)?;
        self.plan.was_new(arrived == Arrived::Now);
        self.report.done(arrived, size);
        Ok(())
    }

    fn send_pipe(&mut self, name: &[u8]) -> Result<(), Problem> {
        let mut random = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut random)?;
        let mut pipe = Pipe::new(
            io::stdin().lock(),
            Identity::of_pipe(name, random),
            self.proves,
        );
        self.report.begin(&String::from_utf8_lossy(name), None);
        let mut upload = self.upload();
        let mut input = Input::Open;
        while input == Input::Open {
            input = pipe.advance()?;
            upload.deliver(&mut pipe)?;
        }
        self.report.done(Arrived::Now, pipe.count());
        Ok(())
    }

    fn upload(&mut self) -> Upload<'_> {
        Upload::new(
            &self.wire,
            &mut self.plan,
            &mut self.report,
            self.patience.clone(),
        )
    }

    /// Whether there is no use in trying another.
    fn failed(&mut self, name: &str, problem: &Problem) -> bool {
        self.report.failed(name, problem);
        self.failures.push((name.to_owned(), problem.to_string()));
        self.outcome = match problem {
            Problem::GaveUp(_) => Outcome::GaveUp,
            _ => Outcome::SomeFailed,
        };
        problem.stays() == Stays::ForAll
    }
}
