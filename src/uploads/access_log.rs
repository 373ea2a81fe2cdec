//! What is told of a request when it is over: a line of the access log, and counts.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use log::Level::Info;

use crate::http::{Action, BodyEnd, BodySink, Head, Response};

use super::context::Desk;

/// The target of the access log.
const TARGET: &str = "access";

/// What is shown of an id: enough to find it again, too little to use it.
const ID_CHARS: usize = 8;
/// ... and of a path at all.
const PATH_CHARS: usize = 64;

/// Has `action`, whatever it leads to, told when it is over, if anybody wants to hear.
pub(super) fn watch(desk: &Arc<Desk>, head: &Head, action: impl FnOnce() -> Action) -> Action {
    let is_logged = log::log_enabled!(target: TARGET, Info);
    if !is_logged && !desk.tells_metrics {
        return action();
    }
    let visit = Visit {
        desk: Arc::clone(desk),
        line: is_logged.then(|| Line::of(desk, head)),
        began: Instant::now(),
        received: 0,
        has_body: false,
        status: None,
    };
    visit.watch(action())
}

/// Has it told that a client was answered so, and that nobody knows what it wanted.
pub(super) fn refused(desk: &Desk, status: u16) {
    desk.metrics.answered(status);
    log::info!(target: TARGET, "- - {status} 0B 0ms -");
}

/// One request. It is over when this is dropped: without an answer, its client was gone.
struct Visit {
    desk: Arc<Desk>,
    line: Option<Line>,
    began: Instant,
    received: u64,
    has_body: bool,
    status: Option<u16>,
}

/// Who asked, and what for.
struct Line {
    method: String,
    path: String,
    user: String,
}

impl Visit {
    fn watch(mut self, action: Action) -> Action {
        match action {
            Action::Respond(response) => {
                self.status = Some(response.status());
                Action::Respond(response)
            }
            Action::Blocking(decide) => Action::Blocking(Box::new(move || self.watch(decide()))),
            Action::Receive { interim, sink } => {
                self.has_body = true;
                self.desk.metrics.under_way.fetch_add(1, Relaxed);
                let visit = self;
                Action::Receive {
                    interim,
                    sink: Box::new(Watched { sink, visit }),
                }
            }
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if self.has_body {
            self.desk.metrics.under_way.fetch_sub(1, Relaxed);
        }
        match self.status {
            Some(status) => self.desk.metrics.answered(status),
            None => _ = self.desk.metrics.cut.fetch_add(1, Relaxed),
        }
        let Some(Line { method, path, user }) = &self.line else {
            return;
        };
        let (received, took) = (self.received, self.began.elapsed().as_millis());
        let status = self
            .status
            .map_or("cut".to_owned(), |status| status.to_string());
        log::info!(target: TARGET, "{method} {path} {status} {received}B {took}ms {user}");
    }
}

/// Takes a body, and notes what becomes of it.
struct Watched {
    sink: Box<dyn BodySink>,
    visit: Visit,
}

impl BodySink for Watched {
    fn write(&mut self, window: &[u8]) -> Result<(), Response> {
        self.visit.received += window.len() as u64;
        let received = &self.visit.desk.metrics.received_bytes;
        received.fetch_add(window.len() as u64, Relaxed);
        let written = self.sink.write(window);
        self.visit.status = written.as_ref().err().map(Response::status);
        written
    }

    fn end_blocks(&self) -> bool {
        self.sink.end_blocks()
    }

    fn end(self: Box<Self>, ended: BodyEnd) -> Response {
        let Watched { sink, mut visit } = *self;
        let response = sink.end(ended);
        // Who is gone hears nothing.
        visit.status = (ended != BodyEnd::Cut).then(|| response.status());
        response
    }
}

impl Line {
    fn of(desk: &Desk, head: &Head) -> Line {
        let user = desk.users.authenticate(head).unwrap_or_default();
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

/// A path without the whole of an id.
fn shown(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_id = folder == "/files" && name.len() > ID_CHARS;
    let most = if is_id {
        folder.len() + 1 + ID_CHARS
    } else {
        PATH_CHARS
    };
    match path.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", path[..end].escape_debug()),
        None => path.escape_debug().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn of_an_id_the_beginning_is_shown() {
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
