//! The output of `resumed put`: for a person or for a script.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use resumed_client::{Arrival, Error, Event, SMALL_FILE_MAX, Uploaded};
use serde_json::{Value, json};

use super::super::text::printable;

const JSON_PROGRESS_EVERY: Duration = Duration::from_secs(1);
const BAR: &str = "{prefix:24!} {wide_bar} {decimal_bytes:>9} of {decimal_total_bytes:9} {decimal_bytes_per_sec:>11} {eta:>4}";
/// The template of a stream, whose length is unknown.
const COUNT: &str = "{prefix:24!} {decimal_bytes:>9} {decimal_bytes_per_sec:>11}";
const WAITING: &str = "{prefix:24!} {wide_msg}";
/// The template of all files of a list together.
const LIST: &str = "{prefix:>13} {decimal_bytes:>9} {decimal_bytes_per_sec:>11}  {wide_msg}";

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

/// The operands: one file or stream, or a list of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    One,
    List,
}

/// The output about all files. On a terminal, one line shows the state.
pub(super) struct Report {
    output: Output,
    scale: Scale,
    is_on_terminal: bool,
    url: String,
    began: Instant,
    bar: ProgressBar,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of files so far, as a number for each.
    files: u64,
    /// Files that were sent, those that were there before, and the bytes of the former.
    sent: u64,
    there: u64,
    bytes: u64,
    /// The bytes that were handed to the network.
    handed: u64,
    /// The file whose failing attempts are shown. The others mostly fail for the same reason.
    speaker: Option<u64>,
    large_is_running: bool,
}

/// The output about one file under way.
pub(super) struct FileReport<'a> {
    report: &'a Report,
    number: u64,
    name: String,
    size: Option<u64>,
    /// `None` before the first step.
    sent: Option<u64>,
    began: Instant,
    last_progress: Instant,
    is_waiting: bool,
}

impl Report {
    pub(super) fn new(output: Output, scale: Scale, url: &str) -> Report {
        let report = Report {
            output,
            scale,
            is_on_terminal: output == Output::Plain && stderr().is_terminal(),
            url: url.to_owned(),
            began: Instant::now(),
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
            state: Mutex::default(),
        };
        if scale == Scale::List {
            report.show(LIST);
            report.draw();
        }
        report
    }

    /// Begins the output about a file.
    pub(super) fn file(&self, name: &str) -> FileReport<'_> {
        let mut state = self.state();
        state.files += 1;
        FileReport {
            report: self,
            number: state.files,
            name: printable(name),
            size: None,
            sent: None,
            began: Instant::now(),
            last_progress: Instant::now(),
            is_waiting: false,
        }
    }

    /// Shows a failure of the file `name`.
    pub(super) fn failed(&self, name: &str, reason: &str) {
        let (name, reason) = (printable(name), printable(reason));
        self.clear_if_one();
        self.write_line(&name, &reason);
        self.write_json(&name, "failed", json!({ "reason": reason }));
    }

    /// Shows an entry of a folder that is not sent.
    pub(super) fn skipped(&self, name: &str, reason: &str) {
        let name = printable(name);
        if self.output == Output::Plain {
            self.write_line(&name, &format!("left out: {reason}"));
        }
        self.write_json(&name, "skipped", json!({ "reason": reason }));
    }

    /// Shows a line about the whole command.
    pub(super) fn note(&self, text: &str) {
        if self.output == Output::Plain {
            self.write(&format!("{}\n", printable(text)));
        }
    }

    /// Ends the line of state. Shows the totals of a list.
    pub(super) fn sum_up(&self) {
        self.bar.finish_and_clear();
        if self.scale == Scale::One {
            return;
        }
        let seconds = self.began.elapsed().as_secs_f64();
        let (sent, there, bytes) = {
            let state = self.state();
            (state.sent, state.there, DecimalBytes(state.bytes))
        };
        let there = match there {
            0 => String::new(),
            _ => format!("; the server had {there} already"),
        };
        self.note(&format!(
            "{sent} files sent, {bytes} in {seconds:.1} s{there}"
        ));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, template: &str) {
        let style = ProgressStyle::with_template(template).expect("one of ours");
        self.bar.set_style(style.progress_chars("=> "));
    }

    /// Draws the bar from now on. A bar draws when it gets its target: prefix and style come first.
    fn draw(&self) {
        if self.is_on_terminal {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    fn clear_if_one(&self) {
        if self.scale == Scale::One {
            self.bar.finish_and_clear();
        }
    }

    /// Writes a line about a file. Ignores a closed standard error: the upload goes on.
    fn write_line(&self, name: &str, text: &str) {
        self.write(&format!("{name}: {text}\n"));
    }

    /// Writes text in one call: standard error has no buffer.
    fn write(&self, text: &str) {
        self.bar
            .suspend(|| drop(stderr().write_all(text.as_bytes())));
    }

    fn write_json(&self, name: &str, event: &str, mut fields: Value) {
        if self.output == Output::Json {
            fields["event"] = event.into();
            fields["name"] = name.into();
            let _ = writeln!(stdout(), "{fields}");
        }
    }
}

impl FileReport<'_> {
    /// Shows a step of the upload.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { total } => self.begin(*total),
            Event::Progress {
                sent, confirmed, ..
            } => self.moved(*sent, *confirmed),
            Event::Retry { error, pause } => self.waiting(error, *pause),
            Event::Comparing => self.comparing(),
            Event::Restarted { reason } => self.restarted(reason),
            _ => {}
        }
    }

    fn begin(&mut self, size: Option<u64>) {
        self.size = size;
        (self.began, self.last_progress) = (Instant::now(), Instant::now());
        let bar = &self.report.bar;
        match (self.report.scale, size) {
            (Scale::One, size) => {
                bar.set_prefix(self.name.clone());
                if let Some(size) = size {
                    bar.set_length(size);
                }
                self.show_progress();
                self.report.draw();
            }
            (Scale::List, _) => {
                let mut state = self.report.state();
                state.large_is_running |= self.is_large();
                self.show_name(&state);
            }
        }
        self.write_json("begin", json!({ "bytes": size }));
    }

    fn is_large(&self) -> bool {
        self.size.is_some_and(|size| size > SMALL_FILE_MAX)
    }

    fn moved(&mut self, sent: u64, confirmed: u64) {
        let was_waiting = mem::take(&mut self.is_waiting);
        if was_waiting {
            self.show_progress();
        }
        // Bytes that the server held before would falsify the rate.
        let is_first = self.sent.is_none();
        let before = self.sent.replace(sent).unwrap_or(confirmed);
        let bar = &self.report.bar;
        match self.report.scale {
            Scale::One => {
                bar.set_position(sent);
                if is_first {
                    bar.reset_eta();
                }
            }
            Scale::List => {
                let mut state = self.report.state();
                state.quiet(self.number);
                state.handed = state.handed.saturating_add(sent).saturating_sub(before);
                bar.set_position(state.handed);
                if was_waiting || self.is_large() {
                    self.show_name(&state);
                }
            }
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
        let is_speaker = *self.report.state().speaker.get_or_insert(self.number) == self.number;
        if is_speaker {
            if self.report.bar.is_hidden() {
                self.line(&text);
            }
            self.show_status(text);
        }
        self.write_json("waiting", json!({ "reason": reason, "seconds": seconds }));
    }

    /// Shows the end of the upload.
    pub(super) fn done(self, uploaded: Uploaded) {
        self.count(&uploaded);
        let Uploaded { bytes, arrival, .. } = uploaded;
        let saved_as = uploaded.saved_as.as_deref().map(printable);
        self.report.clear_if_one();
        let seconds = self.began.elapsed().as_secs_f64();
        // On a terminal, the line of state counts the files of a list.
        if self.report.scale == Scale::One || !self.report.is_on_terminal {
            match arrival {
                Arrival::Now => self.line(&format!("{} in {seconds:.1} s", DecimalBytes(bytes))),
                Arrival::Before { compared: true } => self.line("the server has it already"),
                Arrival::Before { compared: false } => {
                    self.line("the server has it already (contents not compared)");
                }
            }
        }
        if let (Some(path), true) = (&saved_as, uploaded.is_renamed) {
            self.line(&format!("the server saved it as {path}"));
        }
        let mut event = json!({ "bytes": bytes, "seconds": seconds, "url": self.report.url });
        event["saved_as"] = saved_as.into();
        event["was_there"] = (arrival != Arrival::Now).into();
        if let Arrival::Before { compared } = arrival {
            event["compared"] = compared.into();
        }
        self.write_json("done", event);
        self.end();
    }

    fn count(&self, uploaded: &Uploaded) {
        let mut state = self.report.state();
        match uploaded.arrival {
            Arrival::Now => {
                state.sent += 1;
                state.bytes += uploaded.bytes;
            }
            Arrival::Before { .. } => state.there += 1,
        }
        if self.report.scale == Scale::List {
            let files = state.sent + state.there;
            self.report.bar.set_prefix(format!("{files} files"));
        }
    }

    /// Ends the output about a file that failed or is complete.
    pub(super) fn end(self) {
        let mut state = self.report.state();
        state.quiet(self.number);
        state.large_is_running &= !self.is_large();
    }

    fn comparing(&mut self) {
        self.is_waiting = true;
        self.show_status("comparing the file with the server".into());
    }

    fn restarted(&mut self, reason: &str) {
        self.sent = Some(0);
        self.line(reason);
        self.write_json("anew", json!({ "reason": reason }));
    }

    fn show_progress(&self) {
        match (self.report.scale, self.size) {
            (Scale::One, Some(_)) => self.report.show(BAR),
            (Scale::One, None) => self.report.show(COUNT),
            (Scale::List, _) => {}
        }
    }

    /// Shows a text in place of the progress.
    fn show_status(&self, text: String) {
        match self.report.scale {
            Scale::One => {
                self.report.bar.set_message(text);
                self.report.show(WAITING);
            }
            Scale::List => self
                .report
                .bar
                .set_message(format!("{}: {text}", self.name)),
        }
    }

    /// Shows the name of this file in the line of state: that of a large file while one runs.
    fn show_name(&self, state: &State) {
        if state.speaker.is_some() || state.large_is_running && !self.is_large() {
            return;
        }
        let text = match (self.is_large(), self.size) {
            (true, Some(size)) => {
                let sent = DecimalBytes(self.sent.unwrap_or_default());
                format!("{} {sent} of {}", self.name, DecimalBytes(size))
            }
            _ => self.name.clone(),
        };
        self.report.bar.set_message(text);
    }

    fn line(&self, text: &str) {
        if self.report.output == Output::Plain {
            self.report.write_line(&self.name, text);
        }
    }

    fn write_json(&self, event: &str, fields: Value) {
        self.report.write_json(&self.name, event, fields);
    }
}

impl State {
    /// Lets another file show its failing attempts.
    fn quiet(&mut self, number: u64) {
        if self.speaker == Some(number) {
            self.speaker = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_of_state_shows_no_failure_after_progress() {
        let report = Report::new(Output::Quiet, Scale::List, "http://pi");
        let mut file = report.file("a.jpg");
        file.event(&Event::Started { total: Some(5) });
        for attempt in 0..2 {
            file.waiting(&Error::NoUploadServer, Duration::from_secs(1));
            assert!(report.bar.message().starts_with("a.jpg: next try"));
            file.moved(attempt, attempt);
            assert_eq!(report.bar.message(), "a.jpg");
        }
    }
}
