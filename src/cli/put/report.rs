//! The output of `resumed put`: for a person or for a script.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use resumed_client::{Arrival, Error, Event, Uploaded};
use serde_json::{Value, json};

use super::super::text::printable;

const JSON_PROGRESS_EVERY: Duration = Duration::from_secs(1);
const BAR: &str = "{prefix:24!} {wide_bar} {decimal_bytes:>9} of {decimal_total_bytes:9} {decimal_bytes_per_sec:>11} {eta:>4}";
/// The template of a stream, whose length is unknown.
const COUNT: &str = "{prefix:24!} {decimal_bytes:>9} {decimal_bytes_per_sec:>11}";
const WAITING: &str = "{prefix:24!} {wide_msg}";

/// The kind of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// On standard error: a bar on a terminal, elsewhere one line for each file.
    Plain,
    /// On standard error: failures only.
    Quiet,
    /// On standard output: one JSON object a line. On standard error: failures.
    Json,
}

/// The output about the file under way.
pub(super) struct Report {
    output: Output,
    url: String,
    name: String,
    size: Option<u64>,
    sent: u64,
    began: Instant,
    last_progress: Instant,
    bar: ProgressBar,
    is_waiting: bool,
}

impl Report {
    pub(super) fn new(output: Output, url: &str) -> Report {
        Report {
            output,
            url: url.to_owned(),
            name: String::new(),
            size: None,
            sent: 0,
            began: Instant::now(),
            last_progress: Instant::now(),
            bar: ProgressBar::hidden(),
            is_waiting: false,
        }
    }

    /// Sets the name of the next file.
    pub(super) fn set_name(&mut self, name: &str) {
        self.name = printable(name);
    }

    /// Shows a step of the upload.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { total } => self.begin(*total),
            Event::Progress { sent, .. } => self.moved(*sent),
            Event::Retry { error, pause } => self.waiting(error, *pause),
            Event::Comparing => self.comparing(),
            Event::Restarted { reason } => self.restarted(reason),
            _ => {}
        }
    }

    fn begin(&mut self, size: Option<u64>) {
        self.size = size;
        self.sent = 0;
        self.is_waiting = false;
        (self.began, self.last_progress) = (Instant::now(), Instant::now());
        if self.output == Output::Plain && stderr().is_terminal() {
            // A bar draws when it gets its target: prefix and style come first.
            self.bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::hidden());
            self.bar.set_prefix(self.name.clone());
            self.show_progress();
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.write_json("begin", json!({ "bytes": size }));
    }

    fn moved(&mut self, sent: u64) {
        if self.is_waiting {
            self.is_waiting = false;
            self.show_progress();
        }
        // Bytes that the server held before would falsify the estimate.
        let is_first = self.sent == 0;
        self.sent = sent;
        self.bar.set_position(sent);
        if is_first {
            self.bar.reset_eta();
        }
        if self.last_progress.elapsed() >= JSON_PROGRESS_EVERY {
            self.last_progress = Instant::now();
            self.write_json("progress", json!({ "held": sent, "bytes": self.size }));
        }
    }

    fn waiting(&mut self, error: &Error, pause: Duration) {
        self.is_waiting = true;
        let seconds = pause.as_secs_f64().ceil();
        let reason = printable(&error.to_string());
        let text = format!("next try in {seconds} s: {reason}");
        if self.bar.is_hidden() {
            self.line(&text);
        }
        self.bar.set_message(text);
        self.show(WAITING);
        self.write_json("waiting", json!({ "reason": reason, "seconds": seconds }));
    }

    /// Shows the end of the upload.
    pub(super) fn done(&mut self, uploaded: Uploaded) {
        let Uploaded { bytes, arrival } = uploaded;
        self.bar.finish_and_clear();
        let seconds = self.began.elapsed().as_secs_f64();
        match arrival {
            Arrival::Now => self.line(&format!("{} in {seconds:.1} s", DecimalBytes(bytes))),
            Arrival::Before { compared: true } => self.line("the server has it already"),
            Arrival::Before { compared: false } => {
                self.line("the server has it already (contents not compared)");
            }
        }
        let mut event = json!({ "bytes": bytes, "seconds": seconds, "url": self.url });
        event["was_there"] = (arrival != Arrival::Now).into();
        if let Arrival::Before { compared } = arrival {
            event["compared"] = compared.into();
        }
        self.write_json("done", event);
    }

    /// Shows a failure of the file `name`.
    pub(super) fn failed(&mut self, name: &str, reason: &str) {
        self.bar.finish_and_clear();
        self.name = printable(name);
        let reason = printable(reason);
        self.write_line(&reason);
        self.write_json("failed", json!({ "reason": reason }));
    }

    /// Shows an entry of a folder that is not sent.
    pub(super) fn skipped(&mut self, name: &str, reason: &str) {
        self.name = printable(name);
        self.line(&format!("left out: {reason}"));
        self.write_json("skipped", json!({ "reason": reason }));
    }

    fn comparing(&mut self) {
        self.is_waiting = true;
        self.bar.set_message("comparing the file with the server");
        self.show(WAITING);
    }

    fn restarted(&mut self, reason: &str) {
        self.sent = 0;
        self.bar.suspend(|| self.line(reason));
        self.write_json("anew", json!({ "reason": reason }));
    }

    /// Shows a line about the whole command.
    pub(super) fn note(&self, text: &str) {
        if self.output == Output::Plain {
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
        if self.output == Output::Plain {
            self.write_line(text);
        }
    }

    /// Writes a line about the file. Ignores a closed standard error: the upload goes on.
    fn write_line(&self, text: &str) {
        let _ = writeln!(stderr(), "{}: {text}", self.name);
    }

    fn write_json(&self, event: &str, mut fields: Value) {
        if self.output == Output::Json {
            fields["event"] = event.into();
            fields["name"] = self.name.as_str().into();
            let _ = writeln!(stdout(), "{fields}");
        }
    }
}
