//! The access log and the request metrics: one line and one count for each request, at its end.
//!
//! A record has its fields as text, and as key-value pairs: `method`, `path`, `status`, `received` (bytes), `ms`, `user`,
//! `address` and `cut`.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use log::Level::Info;

use crate::http::{Head, Peer};

use super::metrics::Metrics;

/// The target of the access log.
const TARGET: &str = "access";

/// The logged part of an id: enough to find it again, too little to use it.
const ID_CHARS: usize = 8;
/// The maximum length of a logged path.
const PATH_CHARS: usize = 64;

/// The log entry of one request. A request whose entry is dropped without [`answered`](Self::answered) was cut.
pub(super) struct RequestLog(Option<Entry>);

struct Entry {
    metrics: Arc<Metrics>,
    line: Option<Line>,
    start: Instant,
    received_bytes: u64,
}

/// The known fields of a line.
#[derive(Default)]
struct Line {
    method: Option<String>,
    path: Option<String>,
    /// `None` without authentication.
    user: Option<String>,
    address: Option<Peer>,
}

impl RequestLog {
    /// Returns an empty entry if neither the log nor `/metrics` is enabled.
    pub(super) fn start(
        head: &Head,
        peer: Option<Peer>,
        metrics: &Arc<Metrics>,
        serves_metrics: bool,
    ) -> RequestLog {
        let is_logged = log::log_enabled!(target: TARGET, Info);
        RequestLog((is_logged || serves_metrics).then(|| Entry {
            metrics: Arc::clone(metrics),
            line: is_logged.then(|| Line::of(head, peer)),
            start: Instant::now(),
            received_bytes: 0,
        }))
    }

    /// Sets the user. The name is empty for a server without users.
    pub(super) fn authenticated(&mut self, user: &str) {
        if let Some(Entry {
            line: Some(line), ..
        }) = &mut self.0
        {
            line.user = (!user.is_empty()).then(|| user.to_owned());
        }
    }

    pub(super) fn received(&mut self, bytes: usize) {
        if let Some(entry) = &mut self.0 {
            entry.received_bytes += bytes as u64;
            entry
                .metrics
                .received_bytes
                .fetch_add(bytes as u64, Relaxed);
        }
    }

    pub(super) fn answered(&mut self, status: u16) {
        if let Some(entry) = self.0.take() {
            entry.end(Some(status));
        }
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        if let Some(entry) = self.0.take() {
            entry.end(None);
        }
    }
}

impl Entry {
    fn end(self, status: Option<u16>) {
        match status {
            Some(status) => self.metrics.answered(status),
            None => _ = self.metrics.cut.fetch_add(1, Relaxed),
        }
        if let Some(line) = self.line {
            line.write(status, self.received_bytes, self.start.elapsed());
        }
    }
}

/// Logs the refusal of bytes that are no request, or of a connection.
pub(super) fn refused(metrics: &Metrics, status: u16, peer: Peer) {
    metrics.answered(status);
    if log::log_enabled!(target: TARGET, Info) {
        let line = Line {
            address: Some(peer),
            ..Line::default()
        };
        line.write(Some(status), 0, Duration::ZERO);
    }
}

impl Line {
    fn of(head: &Head, peer: Option<Peer>) -> Line {
        Line {
            method: Some(head.method().to_owned()),
            path: Some(shortened(head.path())),
            user: None,
            address: peer,
        }
    }

    /// Writes the line. Without a status, the connection was cut before the response.
    fn write(&self, status: Option<u16>, received: u64, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let address = self.address.map(|peer| peer.to_string());
        let status_text = status.map_or("cut".to_owned(), |status| status.to_string());
        log::info!(
            target: TARGET,
            method = self.method.as_deref(),
            path = self.path.as_deref(),
            status = status,
            received = received,
            ms = ms,
            user = self.user.as_deref(),
            address = address.as_deref(),
            cut = status.is_none();
            "{} {} {status_text} {received}B {ms}ms {} {}",
            word(self.method.as_deref()),
            word(self.path.as_deref()),
            word(self.user.as_deref()),
            word(address.as_deref()),
        );
    }
}

/// Returns a field as one printable word, so that no value can add a field or a line.
fn word(value: Option<&str>) -> Cow<'_, str> {
    match value {
        None => Cow::Borrowed("-"),
        Some("-") => Cow::Borrowed("\\u{2d}"),
        Some(value) => Cow::Owned(value.escape_debug().to_string().replace(' ', "\\u{20}")),
    }
}

/// Returns the path without the end of an id.
fn shortened(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_id = folder == "/files" && name.len() > ID_CHARS;
    let max = if is_id {
        folder.len() + 1 + ID_CHARS
    } else {
        PATH_CHARS
    };
    match path.char_indices().nth(max) {
        Some((end, _)) => format!("{}...", &path[..end]),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_in_a_path_is_shortened() {
        for (path, expected) in [
            ("/upload", "/upload"),
            ("/files/", "/files/"),
            ("/files/0123abcd", "/files/0123abcd"),
            ("/files/0123abcdef", "/files/0123abcd..."),
            (&"/x".repeat(40), &("/x".repeat(32) + "...")),
        ] {
            assert_eq!(shortened(path), expected);
        }
    }

    #[test]
    fn field_is_one_word_whatever_its_value() {
        for (value, expected) in [
            (None, "-"),
            (Some("-"), "\\u{2d}"),
            (Some("alice"), "alice"),
            (Some("a b\nc"), "a\\u{20}b\\nc"),
            (Some("a\u{a0}b\u{2028}"), "a\\u{a0}b\\u{2028}"),
            (Some("/\"'\\"), "/\\\"\\'\\\\"),
        ] {
            assert_eq!(word(value), expected);
        }
    }
}
