//! What the person, or the script, is told.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::super::text::printable;
use super::problem::Problem;

const JSON_PROGRESS_EVERY: Duration = Duration::from_secs(1);
const BAR: &str = "{prefix:24!} {wide_bar} {decimal_bytes:>9} of {decimal_total_bytes:9} {decimal_bytes_per_sec:>11} {eta:>4}";
/// Of a pipe, nobody knows how much is to come.
const COUNT: &str = "{prefix:24!} {decimal_bytes:>9} {decimal_bytes_per_sec:>11}";
const WAITING: &str = "{prefix:24!} {wide_msg}";

/// What is asked for on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Voice {
    /// A bar on a terminal, a line a file elsewhere: on standard error.
    Plain,
    /// Only what went wrong.
    Quiet,
    /// An object a line on standard output; what went wrong on standard error too.
    Json,
}

/// The server has it all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrived {
    /// By our doing.
    Now,
    /// Before this run. `compared`: the server has compared the checksums of both files.
    Before { compared: bool },
}

pub(super) struct Report {
    voice: Voice,
    url: String,
    /// Of the file under way.
    name: String,
    size: Option<u64>,
    held: u64,
    began: Instant,
    told: Instant,
    bar: ProgressBar,
    is_waiting: bool,
}

impl Report {
    pub(super) fn new(voice: Voice, url: &str) -> Report {
        Report {
            voice,
            url: url.to_owned(),
            name: String::new(),
            size: None,
            held: 0,
            began: Instant::now(),
            told: Instant::now(),
            bar: ProgressBar::hidden(),
            is_waiting: false,
        }
    }

    /// Another file is under way.
    pub(super) fn begin(&mut self, name: &str, size: Option<u64>) {
        self.name = printable(name);
        self.size = size;
        self.held = 0;
        self.is_waiting = false;
        (self.began, self.told) = (Instant::now(), Instant::now());
        if self.voice == Voice::Plain && stderr().is_terminal() {
            // It draws at once, whatever it looks like by then.
            self.bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::hidden());
            self.bar.set_prefix(self.name.clone());
            self.show_progress();
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.event("begin", json!({ "bytes": size }));
    }

    /// So much is there, or on its way.
    pub(super) fn moved(&mut self, held: u64) {
        if self.is_waiting {
            self.is_waiting = false;
            self.show_progress();
        }
        // What was there before says nothing about how fast the rest will be.
        let is_first = self.held == 0;
        self.held = held;
        self.bar.set_position(held);
        if is_first {
            self.bar.reset_eta();
        }
        if self.told.elapsed() >= JSON_PROGRESS_EVERY {
            self.told = Instant::now();
            self.event("progress", json!({ "held": held, "bytes": self.size }));
        }
    }

    /// It is tried again after a pause.
    pub(super) fn waiting(&mut self, problem: &Problem, pause: Duration) {
        self.is_waiting = true;
        let seconds = pause.as_secs_f64().ceil();
        let reason = printable(&problem.to_string());
        let text = format!("next try in {seconds} s: {reason}");
        if self.bar.is_hidden() {
            self.line(&text);
        }
        self.bar.set_message(text);
        self.show(WAITING);
        self.event("waiting", json!({ "reason": reason, "seconds": seconds }));
    }

    pub(super) fn done(&mut self, arrived: Arrived, bytes: u64) {
        self.bar.finish_and_clear();
        let seconds = self.began.elapsed().as_secs_f64();
        match arrived {
            Arrived::Now => self.line(&format!("{} in {seconds:.1} s", DecimalBytes(bytes))),
            Arrived::Before { compared: true } => self.line("the server has it already"),
            Arrived::Before { compared: false } => {
                self.line("the server has it already (contents not compared)");
            }
        }
        let mut event = json!({ "bytes": bytes, "seconds": seconds, "url": self.url });
        event["was_there"] = (arrived != Arrived::Now).into();
        if let Arrived::Before { compared } = arrived {
            event["compared"] = compared.into();
        }
        self.event("done", event);
    }

    /// Of the file under way, or of one that could not begin.
    pub(super) fn failed(&mut self, name: &str, problem: &Problem) {
        self.bar.finish_and_clear();
        self.name = printable(name);
        let reason = printable(&problem.to_string());
        self.say(&reason);
        self.event("failed", json!({ "reason": reason }));
    }

    /// Something in a folder that is not sent, and is no failure.
    pub(super) fn skipped(&mut self, name: &str, why: &str) {
        self.name = printable(name);
        self.line(&format!("left out: {why}"));
        self.event("skipped", json!({ "reason": why }));
    }

    /// Shows that the whole file is read, which may take a while.
    pub(super) fn comparing(&mut self) {
        self.is_waiting = true;
        self.bar.set_message("comparing the file with the server");
        self.show(WAITING);
    }

    /// Reports that the file is sent again from its first byte.
    pub(super) fn begins_anew(&mut self, why: &str) {
        self.held = 0;
        self.bar.suspend(|| self.line(why));
        self.event("anew", json!({ "reason": why }));
    }

    /// A word about all of it.
    pub(super) fn note(&self, text: &str) {
        if self.voice == Voice::Plain {
            let _ = writeln!(stderr(), "{}", printable(text));
        }
    }

    fn show_progress(&self) {
        self.show(if self.size.is_some() { BAR } else { COUNT });
    }

    fn show(&self, template: &str) {
        let style = ProgressStyle::with_template(template).expect("one of ours");
        self.bar.set_style(style.progress_chars("=> "));
    }

    fn line(&self, text: &str) {
        if self.voice == Voice::Plain {
            self.say(text);
        }
    }

    /// Nobody may be left to read it; that does not end the upload.
    fn say(&self, text: &str) {
        let _ = writeln!(stderr(), "{}: {text}", self.name);
    }

    fn event(&self, event: &str, mut fields: Value) {
        if self.voice == Voice::Json {
            fields["event"] = event.into();
            fields["name"] = self.name.as_str().into();
            let _ = writeln!(stdout(), "{fields}");
        }
    }
}
