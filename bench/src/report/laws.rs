//! The limits, and their verdicts.

use super::table::Table;
use crate::bench::FLOOR_AGAIN;
use crate::peers::{FLOOR, NGINX, OURS};
use crate::samples::Samples;
use crate::scenarios::page::{LINK, LOOP, UPPY};
use crate::scenarios::put::CURL;
use crate::stats::Spread;

/// A metric of somebody.
type Figure = (&'static str, &'static str);

struct Law {
    says: &'static str,
    over: Figure,
    /// The divisor, round by round.
    under: Option<Figure>,
    limit: Limit,
    /// The same ratio of two that are the same.
    noise: Option<(Figure, Figure)>,
}

#[derive(Clone, Copy)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

use Limit::{AtLeast, AtMost};

/// A figure within a limit of its own.
const fn value(says: &'static str, metric: &'static str, limit: Limit) -> Law {
    Law {
        says,
        over: (metric, OURS),
        under: None,
        limit,
        noise: None,
    }
}

const fn ratio(says: &'static str, over: Figure, under: Figure, limit: Limit) -> Law {
    Law {
        says,
        over,
        under: Some(under),
        limit,
        noise: None,
    }
}

impl Law {
    const fn noise(mut self, over: Figure, under: Figure) -> Law {
        self.noise = Some((over, under));
        self
    }
}

const LAWS: [Law; 54] = [
    value(
        "the page over 50 ms and 20 Mbit/s: usable after, seconds",
        "page_open.first",
        AtMost(0.25),
    ),
    value("... opened again", "page_open.again", AtMost(0.15)),
    ratio(
        "the page, 1,000 small files over 50 ms and 20 Mbit/s: time, of a bare loop's",
        ("page_small.far", OURS),
        ("page_small.far", LOOP),
        AtMost(1.1),
    ),
    ratio(
        "... of Uppy's",
        ("page_small.far", OURS),
        ("page_small.far", UPPY),
        AtMost(1.0),
    ),
    ratio(
        "... without delay, of Uppy's",
        ("page_small.near", OURS),
        ("page_small.near", UPPY),
        AtMost(1.0),
    ),
    ratio(
        "the page, 200 files of 3 MB: time, of the link's",
        ("page_large.photos", OURS),
        ("page_large.photos", LINK),
        AtMost(1.03),
    ),
    ratio(
        "the page, 5 GB over 1 Gbit/s: rate, of one bare fetch",
        ("page_large.lan", LOOP),
        ("page_large.lan", OURS),
        AtLeast(0.9),
    ),
    ratio(
        "... over loopback",
        ("page_large.film", LOOP),
        ("page_large.film", OURS),
        AtLeast(0.9),
    ),
    ratio(
        "`put`, 1,000 small files over 40 ms: time, of eight curls",
        ("put.far", OURS),
        ("put.far", CURL),
        AtMost(1.0),
    ),
    ratio(
        "`put`, 10,000 small files: time, of eight curls",
        ("put.many", OURS),
        ("put.many", CURL),
        AtMost(1.0),
    ),
    ratio(
        "one large upload: of the floor's throughput",
        ("large.rate", OURS),
        ("large.rate", FLOOR),
        AtLeast(0.95),
    )
    .noise(("large.rate", FLOOR_AGAIN), ("large.rate", FLOOR)),
    ratio(
        "... of its processor time",
        ("large.cpu", OURS),
        ("large.cpu", FLOOR),
        AtMost(1.05),
    )
    .noise(("large.cpu", FLOOR_AGAIN), ("large.cpu", FLOOR)),
    ratio(
        "... bytes for a processor second, of nginx's",
        ("large.cpu", NGINX),
        ("large.cpu", OURS),
        AtLeast(1.2),
    ),
    ratio(
        "two at once: of the throughput of one",
        ("together.2", OURS),
        ("together.1", OURS),
        AtLeast(1.0),
    )
    .noise(("together.2", FLOOR), ("together.1", FLOOR)),
    ratio(
        "eight at once: of the throughput of one",
        ("together.8", OURS),
        ("together.1", OURS),
        AtLeast(1.0),
    )
    .noise(("together.8", FLOOR), ("together.1", FLOOR)),
    value(
        "a paced upload: processor seconds for a GB",
        "paced.cpu",
        AtMost(5.0),
    ),
    ratio(
        "... nginx's, of ours",
        ("paced.cpu", NGINX),
        ("paced.cpu", OURS),
        AtLeast(3.0),
    ),
    value(
        "200 paced uploads: processor seconds for a GB",
        "paced200.cpu",
        AtMost(5.0),
    ),
    ratio(
        "... nginx's, of ours",
        ("paced200.cpu", NGINX),
        ("paced200.cpu", OURS),
        AtLeast(3.0),
    ),
    ratio(
        "100 ms of round trip: of the throughput when woken by every packet",
        ("long.rate", OURS),
        ("long.rate", "woken by every packet"),
        AtLeast(0.9),
    ),
    ratio(
        "10 KB files by wrk, 16 connections: a second, of nginx's",
        ("wrk16.rate", OURS),
        ("wrk16.rate", NGINX),
        AtLeast(0.9),
    )
    .noise(("wrk16.rate", FLOOR_AGAIN), ("wrk16.rate", FLOOR)),
    ratio(
        "... of dufs's",
        ("wrk16.rate", OURS),
        ("wrk16.rate", "dufs"),
        AtLeast(1.5),
    ),
    ratio(
        "... of rustus's",
        ("wrk16.rate", OURS),
        ("wrk16.rate", "rustus"),
        AtLeast(1.5),
    ),
    ratio(
        "10 KB files, 16 connections: processor time of each, of nginx's",
        ("small16.cpu", OURS),
        ("small16.cpu", NGINX),
        AtMost(1.0),
    )
    .noise(("small16.cpu", FLOOR_AGAIN), ("small16.cpu", FLOOR)),
    ratio(
        "10 KB files by wrk, one connection: a second, of nginx's",
        ("wrk1.rate", OURS),
        ("wrk1.rate", NGINX),
        AtLeast(0.9),
    )
    .noise(("wrk1.rate", FLOOR_AGAIN), ("wrk1.rate", FLOOR)),
    ratio(
        "... of dufs's",
        ("wrk1.rate", OURS),
        ("wrk1.rate", "dufs"),
        AtLeast(1.5),
    ),
    ratio(
        "... of rustus's",
        ("wrk1.rate", OURS),
        ("wrk1.rate", "rustus"),
        AtLeast(1.5),
    ),
    ratio(
        "10 KB files, one connection: processor time of each, of nginx's",
        ("small1.cpu", OURS),
        ("small1.cpu", NGINX),
        AtMost(1.0),
    )
    .noise(("small1.cpu", FLOOR_AGAIN), ("small1.cpu", FLOOR)),
    value(
        "1,000 silent uploads: MB resident",
        "silent1000.resident",
        AtMost(5.0),
    ),
    ratio(
        "... time of a new connection, of that on an idle server",
        NEWCOMER_1000,
        ("silent1000.idle", OURS),
        AtMost(1.1),
    )
    .noise(("silent1000.idle_again", OURS), ("silent1000.idle", OURS)),
    value(
        "8,000 silent uploads: MB resident",
        "silent8000.resident",
        AtMost(14.0),
    ),
    ratio(
        "... time of a new connection, of that on an idle server",
        NEWCOMER_8000,
        ("silent8000.idle", OURS),
        AtMost(1.1),
    )
    .noise(("silent8000.idle_again", OURS), ("silent8000.idle", OURS)),
    ratio(
        "with TLS, one large upload: of nginx's throughput",
        ("tls_large.rate", OURS),
        ("tls_large.rate", NGINX),
        AtLeast(1.0),
    ),
    ratio(
        "... of its processor time",
        ("tls_large.cpu", OURS),
        ("tls_large.cpu", NGINX),
        AtMost(1.0),
    ),
    ratio(
        "... a paced upload: of nginx's processor time",
        ("tls_paced.cpu", OURS),
        ("tls_paced.cpu", NGINX),
        AtMost(0.5),
    ),
    value(
        "... 1,000 silent uploads: MB resident",
        "tls_silent1000.resident",
        AtMost(30.0),
    ),
    ratio(
        "... 10 KB files by wrk, 16 connections: a second, of nginx's",
        ("tls_wrk16.rate", OURS),
        ("tls_wrk16.rate", NGINX),
        AtLeast(0.9),
    ),
    ratio(
        "... one connection",
        ("tls_wrk1.rate", OURS),
        ("tls_wrk1.rate", NGINX),
        AtLeast(0.9),
    ),
    ratio(
        "/status beside eight uploads, of an echo",
        ("prompt.status", OURS),
        ("prompt.status", "echo"),
        AtMost(3.0),
    ),
    ratio(
        "a resume then, of an echo",
        ("prompt.resume", OURS),
        ("prompt.resume", "echo"),
        AtMost(3.0),
    ),
    value(
        "durable: syncs on top of an echo, /status",
        "durable.status_syncs",
        AtMost(2.0),
    ),
    value(
        "durable: syncs on top of an echo, a resume",
        "durable.resume_syncs",
        AtMost(2.0),
    ),
    ratio(
        "durable: a large upload, of dd's throughput",
        ("durable.rate", OURS),
        ("durable.rate", "dd"),
        AtLeast(0.95),
    ),
    ratio(
        "durable: small files, 16 connections, of one fdatasync after the other",
        ("durable.small16", OURS),
        ("durable.small16", "fdatasync"),
        AtLeast(1.0),
    ),
    value("start to listening, ms", "start.listening", AtMost(15.0)),
    value("idle, MB resident", "start.resident", AtMost(3.0)),
    value("the binary, MB", "start.binary", AtMost(1.5)),
    ratio(
        "beside 100,000 partials: /status a second, of that without",
        CROWD_STATUS,
        ("crowd.status", "empty"),
        AtLeast(0.95),
    )
    .noise(("crowd.status", "empty again"), ("crowd.status", "empty")),
    ratio(
        "... 10 KB files a second, of that without",
        CROWD_SMALL,
        ("crowd.small", "empty"),
        AtLeast(0.95),
    )
    .noise(("crowd.small", "empty again"), ("crowd.small", "empty")),
    value(
        "... start to listening, ms",
        "crowd.listening",
        AtMost(15.0),
    ),
    value("... until all were seen, s", "crowd.handled", AtMost(10.0)),
    ratio(
        "beside 30,000 begun a moment ago: 10 KB files a second, of that without",
        ("begun.small", OURS),
        ("begun.small", "empty"),
        AtLeast(0.85),
    )
    .noise(("begun.small", "empty again"), ("begun.small", "empty")),
    ratio(
        "the end of 1 TB: processor time for a byte, of 64 MiB alone",
        HUGE_CPU,
        ("huge.cpu", "64 MiB alone"),
        AtMost(1.05),
    )
    .noise(
        ("huge.cpu", "64 MiB alone again"),
        ("huge.cpu", "64 MiB alone"),
    ),
    ratio(
        "... throughput, of 64 MiB alone",
        HUGE_RATE,
        ("huge.rate", "64 MiB alone"),
        AtLeast(0.95),
    )
    .noise(
        ("huge.rate", "64 MiB alone again"),
        ("huge.rate", "64 MiB alone"),
    ),
];

const NEWCOMER_1000: Figure = ("silent1000.newcomer", OURS);
const NEWCOMER_8000: Figure = ("silent8000.newcomer", OURS);
const CROWD_STATUS: Figure = ("crowd.status", OURS);
const CROWD_SMALL: Figure = ("crowd.small", OURS);
const HUGE_CPU: Figure = ("huge.cpu", OURS);
const HUGE_RATE: Figure = ("huge.rate", OURS);

pub(super) fn table(samples: &Samples) -> Table {
    let mut table = Table::new(
        ["", "figure [95 %]", "limit", "holds", "noise [95 %]"]
            .map(str::to_owned)
            .to_vec(),
    );
    for law in &LAWS {
        let values = match law.under {
            Some(under) => samples.ratios(law.over, under),
            None => samples.values(law.over.0, law.over.1),
        };
        let noise = law
            .noise
            .and_then(|(over, under)| Spread::certain(&samples.ratios(over, under)));
        let figure = Spread::certain(&values);
        let holds = match figure {
            Some(figure) => verdict(figure, law.limit),
            None => samples
                .word(law.over.0, law.over.1)
                .unwrap_or("not measured"),
        };
        table.push(vec![
            law.says.to_owned(),
            figure.map_or_else(String::new, shown),
            match law.limit {
                AtLeast(limit) => format!("≥ {limit}"),
                AtMost(limit) => format!("≤ {limit}"),
            },
            holds.to_owned(),
            noise.map_or_else(String::new, shown),
        ]);
    }
    table
}

fn verdict(figure: Spread, limit: Limit) -> &'static str {
    let within = |value: f64| match limit {
        AtLeast(limit) => value >= limit,
        AtMost(limit) => value <= limit,
    };
    let certain = within(figure.low) == within(figure.high);
    match (within(figure.median), certain) {
        (true, true) => "yes",
        (true, false) => "yes, not for certain",
        (false, true) => "**no**",
        (false, false) => "**no**, not for certain",
    }
}

fn shown(spread: Spread) -> String {
    format!(
        "{:.2} [{:.2}, {:.2}]",
        spread.median, spread.low, spread.high
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_says_how_certain_it_is() {
        let spread = |low, median, high| Spread { median, low, high };
        assert_eq!(verdict(spread(0.96, 0.97, 0.98), AtLeast(0.95)), "yes");
        assert_eq!(
            verdict(spread(0.90, 0.97, 0.98), AtLeast(0.95)),
            "yes, not for certain"
        );
        assert_eq!(
            verdict(spread(4.0, 5.1, 6.0), AtMost(5.0)),
            "**no**, not for certain"
        );
        assert_eq!(verdict(spread(5.1, 5.2, 6.0), AtMost(5.0)), "**no**");
    }
}
