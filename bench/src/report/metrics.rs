//! The names of the figures.

use super::table::Table;
use crate::peers::OURS;
use crate::samples::Samples;
use crate::stats::{Short, Spread};

pub(super) struct Metric {
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
}

const fn metric(key: &'static str, title: &'static str, unit: &'static str) -> Metric {
    Metric { key, title, unit }
}

/// Those that people feel: seconds, beside others who do the same.
const FELT: [Metric; 10] = [
    metric(
        "page_open.first",
        "the page over 50 ms and 20 Mbit/s: usable after",
        "s",
    ),
    metric("page_open.again", "... opened again", "s"),
    metric(
        "page_small.far",
        "the page: 1,000 files of 30 KB over 50 ms and 20 Mbit/s",
        "s",
    ),
    metric(
        "page_small.near",
        "the page: 1,000 files of 30 KB over loopback",
        "s",
    ),
    metric(
        "page_large.photos",
        "the page: 200 files of 3 MB over 50 ms and 100 Mbit/s",
        "s",
    ),
    metric(
        "page_large.lan",
        "the page: one file of 5 GB over 1 ms and 1 Gbit/s",
        "s",
    ),
    metric(
        "page_large.film",
        "the page: one file of 5 GB over loopback",
        "s",
    ),
    metric("put.far", "`put`: 1,000 files of 30 KB over 40 ms", "s"),
    metric(
        "put.many",
        "`put`: 10,000 files of 30 KB over loopback",
        "s",
    ),
    metric("put.large", "`put`: one file of 2 GB over loopback", "s"),
];

/// Those that every peer can have.
const OF_PEERS: [Metric; 20] = [
    metric("large.rate", "one upload of 2 GB", "MB/s"),
    metric("large.cpu", "one upload of 2 GB: processor time", "s/GB"),
    metric("large.sender", "... of the sender", "s/GB"),
    metric("together.1", "1.6 GB in one", "MB/s"),
    metric("together.2", "in two at once", "MB/s"),
    metric("together.8", "in eight at once", "MB/s"),
    metric("paced.cpu", "one upload at 4 MB/s in segments", "s/GB"),
    metric("paced200.cpu", "200 uploads at 200 KB/s", "s/GB"),
    metric("small16.rate", "files of 10 KB, 16 connections", "1/s"),
    metric("small16.cpu", "10 KB, 16 connections: processor time", "µs"),
    metric("small1.rate", "files of 10 KB, one connection", "1/s"),
    metric("small1.cpu", "10 KB, one connection: processor time", "µs"),
    metric("wrk16.rate", "the same by wrk: 16 connections", "1/s"),
    metric("wrk1.rate", "... one connection", "1/s"),
    metric("silent1000.resident", "1,000 silent uploads: memory", "MB"),
    metric("silent1000.newcomer", "a new connection's 10 KB then", "µs"),
    metric("silent8000.resident", "8,000 silent uploads: memory", "MB"),
    metric("silent8000.newcomer", "a new connection's 10 KB then", "µs"),
    metric("start.listening", "from start to listening", "ms"),
    metric("start.resident", "idle memory", "MB"),
];

/// Those that every peer with TLS can have.
const WITH_TLS: [Metric; 7] = [
    metric("tls_large.rate", "one upload of 2 GB", "MB/s"),
    metric(
        "tls_large.cpu",
        "one upload of 2 GB: processor time",
        "s/GB",
    ),
    metric("tls_paced.cpu", "one upload at 4 MB/s in segments", "s/GB"),
    metric(
        "tls_silent1000.resident",
        "1,000 silent uploads: memory",
        "MB",
    ),
    metric(
        "tls_silent1000.newcomer",
        "a new connection's 10 KB then, with its handshake",
        "µs",
    ),
    metric(
        "tls_wrk16.rate",
        "files of 10 KB by wrk, 16 connections",
        "1/s",
    ),
    metric("tls_wrk1.rate", "... one connection", "1/s"),
];

/// Those of ours that stand beside something which is no peer.
const BESIDE: [Metric; 19] = [
    metric("long.rate", "an upload over 100 ms of round trip", "MB/s"),
    metric(
        "silent1000.idle",
        "a new connection to an idle server, beside 1,000",
        "µs",
    ),
    metric("silent8000.idle", "the same beside 8,000", "µs"),
    metric(
        "prompt.rate",
        "eight uploads at full speed, while asked",
        "MB/s",
    ),
    metric("prompt.status", "/status then, 99th percentile", "ms"),
    metric("prompt.resume", "a resume then, 99th percentile", "ms"),
    metric("durable.rate", "durable: one upload of 1 GB", "MB/s"),
    metric(
        "durable.small16",
        "durable: files of 10 KB, 16 connections",
        "1/s",
    ),
    metric(
        "durable.small1",
        "durable: files of 10 KB, one connection",
        "1/s",
    ),
    metric(
        "durable.status",
        "durable: /status beside eight uploads, 99th percentile",
        "ms",
    ),
    metric(
        "durable.resume",
        "durable: a resume then, 99th percentile",
        "ms",
    ),
    metric("start.binary", "the binary", "MB"),
    metric(
        "crowd.listening",
        "from start to listening, with 100,000 partial uploads",
        "ms",
    ),
    metric("crowd.handled", "until all were seen to", "s"),
    metric(
        "crowd.status",
        "/status, one after the other, beside them",
        "1/s",
    ),
    metric(
        "crowd.small",
        "files of 10 KB, one after the other, beside them",
        "1/s",
    ),
    metric(
        "begun.small",
        "files of 10 KB beside 30,000 begun a moment ago",
        "1/s",
    ),
    metric("huge.rate", "the last 64 MiB of 1 TB", "MB/s"),
    metric("huge.cpu", "their processor time", "s/GB"),
];

pub(super) fn find(key: &str) -> &'static Metric {
    OF_PEERS
        .iter()
        .find(|metric| metric.key == key)
        .expect("plotted metrics are listed")
}

/// A column for each peer, a row for each metric.
pub(super) fn of_peers(samples: &Samples, peers: &[&str]) -> Table {
    columns(samples, peers, &OF_PEERS)
}

/// The same for the peers with TLS.
pub(super) fn with_tls(samples: &Samples, peers: &[&str]) -> Table {
    columns(samples, peers, &WITH_TLS)
}

fn columns(samples: &Samples, peers: &[&str], metrics: &[Metric]) -> Table {
    let head = [String::new()]
        .into_iter()
        .chain(peers.iter().map(ToString::to_string));
    let mut table = Table::new(head.collect());
    for metric in metrics {
        let title = format!("{}, {}", metric.title, metric.unit);
        let cells = peers.iter().map(|peer| cell(samples, metric.key, peer));
        let row: Vec<String> = [title].into_iter().chain(cells).collect();
        if row[1..].iter().any(|cell| !cell.is_empty()) {
            table.push(row);
        }
    }
    table
}

fn cell(samples: &Samples, metric: &str, peer: &str) -> String {
    let Some(spread) = Spread::of(&samples.values(metric, peer)) else {
        return samples.word(metric, peer).unwrap_or("").to_owned();
    };
    let ratio = Spread::of(&samples.ratios((metric, peer), (metric, OURS)));
    match ratio.filter(|_| peer != OURS) {
        Some(ratio) => format!("{} ×{}", shown(spread), Short(ratio.median)),
        None => shown(spread),
    }
}

/// A row for each task, with all who did it: the time, and the ratio to ours within a round.
pub(super) fn felt(samples: &Samples) -> Table {
    let mut table = Table::new(vec!["seconds".into(), OURS.into(), "beside".into()]);
    for metric in &FELT {
        let others = samples.subjects(metric.key);
        let others = others.iter().filter(|subject| *subject != OURS);
        let others: Vec<String> = others
            .map(|subject| format!("{subject} {}", cell(samples, metric.key, subject)))
            .collect();
        let ours = cell(samples, metric.key, OURS);
        if !ours.is_empty() {
            table.push(vec![metric.title.into(), ours, others.join("; ")]);
        }
    }
    table
}

/// A row for each metric, with all that were measured.
pub(super) fn beside(samples: &Samples) -> Table {
    let mut table = Table::new(vec![
        "".into(),
        "unit".into(),
        "medians (least–greatest)".into(),
    ]);
    for metric in &BESIDE {
        let figure = |subject: &String| {
            let spread = Spread::of(&samples.values(metric.key, subject))?;
            Some(format!("{subject} {}", shown(spread)))
        };
        let figures: Vec<String> = samples
            .subjects(metric.key)
            .iter()
            .filter_map(figure)
            .collect();
        let figures = match samples.word(metric.key, OURS) {
            Some(word) if figures.is_empty() => word.to_owned(),
            _ => figures.join("; "),
        };
        if !figures.is_empty() {
            table.push(vec![metric.title.into(), metric.unit.into(), figures]);
        }
    }
    table
}

fn shown(spread: Spread) -> String {
    let Spread { median, low, high } = spread;
    if low == high {
        return Short(median).to_string();
    }
    format!("{} ({}–{})", Short(median), Short(low), Short(high))
}
