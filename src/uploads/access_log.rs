//! The access log and the request metrics: one line and one count for each request, at its end.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use log::Level::Info;

use crate::http::Head;

use super::context::Context;
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
    has_body: bool,
}

struct Line {
    method: String,
    path: String,
    user: String,
}

impl RequestLog {
    /// Returns an empty entry if neither the log nor `/metrics` is enabled.
    pub(super) fn start(context: &Context, head: &Head) -> RequestLog {
        let is_logged = log::log_enabled!(target: TARGET, Info);
        RequestLog((is_logged || context.serves_metrics).then(|| Entry {
            metrics: Arc::clone(&context.metrics),
            line: is_logged.then(|| Line::of(context, head)),
            start: Instant::now(),
            received_bytes: 0,
            has_body: false,
        }))
    }

    /// Counts the request among the running uploads, until its end.
    pub(super) fn body_starts(&mut self) {
        if let Some(entry) = &mut self.0 {
            entry.has_body = true;
            entry.metrics.under_way.fetch_add(1, Relaxed);
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
        if self.has_body {
            self.metrics.under_way.fetch_sub(1, Relaxed);
        }
        match status {
            Some(status) => self.metrics.answered(status),
            None => _ = self.metrics.cut.fetch_add(1, Relaxed),
        }
        let Some(Line { method, path, user }) = self.line else {
            return;
        };
        let (received, ms) = (self.received_bytes, self.start.elapsed().as_millis());
        let status = status.map_or("cut".to_owned(), |status| status.to_string());
        log::info!(target: TARGET, "{method} {path} {status} {received}B {ms}ms {user}");
    }
}

/// Logs the refusal of bytes that are no request.
pub(super) fn refused(context: &Context, status: u16) {
    context.metrics.answered(status);
    log::info!(target: TARGET, "- - {status} 0B 0ms -");
}

impl Line {
    fn of(context: &Context, head: &Head) -> Line {
        let user = context.users.authenticate(head).unwrap_or_default();
        Line {
            method: head.method().to_owned(),
            path: shown(head.path()),
            user: if user.is_empty() {
                "-".to_owned()
            } else {
                user.escape_debug().to_string()
            },
        }
    }
}

/// Returns the path without the end of an id.
fn shown(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_id = folder == "/files" && name.len() > ID_CHARS;
    let max = if is_id {
        folder.len() + 1 + ID_CHARS
    } else {
        PATH_CHARS
    };
    match path.char_indices().nth(max) {
        Some((end, _)) => format!("{}...", path[..end].escape_debug()),
        None => path.escape_debug().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn id_in_a_path_is_shortened() {
        for (path, expected) in [
            ("/upload", "/upload"),
            ("/files/", "/files/"),
            ("/files/0123abcd", "/files/0123abcd"),
            ("/files/0123abcdef", "/files/0123abcd..."),
            (&"/x".repeat(40), &("/x".repeat(32) + "...")),
        ] {
            assert_eq!(shown(path), expected);
        }
    }
}
