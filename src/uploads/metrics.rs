//! Counters, and `/metrics` (the text format of Prometheus, version 0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::http::{ConnectionCounts, Head, Response};
use crate::protocol::refusal::method_not_allowed;
use crate::store::{self, Store};

const PATH: &str = "/metrics";

type CountConnections = Box<dyn Fn() -> ConnectionCounts + Send + Sync>;

/// Counters since the start of the server.
#[derive(Default)]
pub(super) struct Metrics {
    pub(super) received_bytes: AtomicU64,
    pub(super) completed: AtomicU64,
    pub(super) cancelled: AtomicU64,
    pub(super) cut: AtomicU64,
    /// The number of [`InTransfer`].
    pub(super) under_way: AtomicUsize,
    answers: Mutex<BTreeMap<u16, u64>>,
    /// The number of refusals by each limit on uploads; the key is the flag.
    limited: Mutex<BTreeMap<&'static str, u64>>,
    /// The source of the connection counts; unset in a program with its own server.
    pub(super) connections: OnceLock<CountConnections>,
}

impl Metrics {
    pub(super) fn answered(&self, status: u16) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry(status).or_default() += 1;
    }

    /// Counts the refusal of an upload, if a limit is the reason.
    pub(super) fn refused(&self, error: &store::Error) {
        let limit = match error {
            store::Error::TooManyPartials { .. } => "max-partials",
            store::Error::TooManyPartialsOfAccount { .. } => "max-partials-per-user",
            store::Error::OverQuota(_) => "quota",
            store::Error::TooLarge { .. } => "max-size",
            _ => return,
        };
        let mut limited = self.limited.lock().unwrap_or_else(PoisonError::into_inner);
        *limited.entry(limit).or_default() += 1;
    }

    /// Returns the response to a request for `/metrics`; `None` for another path.
    pub(super) fn respond(&self, head: &Head, store: &Store) -> Option<Response> {
        (head.path() == PATH).then(|| match head.method() {
            "GET" | "HEAD" => Response::new(200)
                .field("Cache-Control", "no-store")
                .body("text/plain; version=0.0.4", self.text(store).into_bytes()),
            _ => method_not_allowed("GET, HEAD"),
        })
    }

    fn text(&self, store: &Store) -> String {
        let mut page = Page::default();
        page.family("uploads_under_way", "gauge", "Bodies in transfer.");
        page.sample("uploads_under_way", "", self.under_way.load(Relaxed));
        page.family("partial_uploads", "gauge", "Partial uploads.");
        page.sample("partial_uploads", "", store.partials());
        page.family("uploads_total", "counter", "Uploads that have ended.");
        page.sample(
            "uploads_total",
            "{end=\"completed\"}",
            self.completed.load(Relaxed),
        );
        page.sample(
            "uploads_total",
            "{end=\"cancelled\"}",
            self.cancelled.load(Relaxed),
        );
        page.family(
            "received_bytes_total",
            "counter",
            "Received bytes of bodies.",
        );
        page.sample(
            "received_bytes_total",
            "",
            self.received_bytes.load(Relaxed),
        );
        page.family("requests_total", "counter", "Answered requests.");
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        for (status, count) in &*answers {
            page.sample("requests_total", &format!("{{status=\"{status}\"}}"), count);
        }
        drop(answers);
        page.family("limited_total", "counter", "Uploads refused by a limit.");
        let limited = self.limited.lock().unwrap_or_else(PoisonError::into_inner);
        for (limit, count) in &*limited {
            page.sample("limited_total", &format!("{{limit=\"{limit}\"}}"), count);
        }
        drop(limited);
        page.family(
            "cuts_total",
            "counter",
            "Requests whose client disconnected before the response.",
        );
        page.sample("cuts_total", "", self.cut.load(Relaxed));
        if let Some(connection_counts) = self.connections.get() {
            let ConnectionCounts { parked, active } = connection_counts();
            page.family(
                "connections",
                "gauge",
                "Connections that wait, and that are in a worker.",
            );
            page.sample("connections", "{state=\"parked\"}", parked);
            page.sample("connections", "{state=\"active\"}", active);
        }
        let (count, time) = store.synced();
        page.family("sync_seconds", "summary", "Duration of syncs.");
        page.sample("sync_seconds_sum", "", time.as_secs_f64());
        page.sample("sync_seconds_count", "", count);
        page.text
    }
}

/// A body in transfer.
pub(super) struct InTransfer(Arc<Metrics>);

impl InTransfer {
    pub(super) fn begin(metrics: &Arc<Metrics>) -> InTransfer {
        metrics.under_way.fetch_add(1, Relaxed);
        InTransfer(Arc::clone(metrics))
    }
}

impl Drop for InTransfer {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP resumed_{name} {help}"));
        self.line(format_args!("# TYPE resumed_{name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        self.line(format_args!("resumed_{name}{labels} {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("a string takes everything");
    }
}
