//! Slow links: what a server spends on bytes that come a packet at a time.

use std::io;

use crate::bench::{Bench, Turn, Who};
use crate::load::{Paced, SEGMENT_BYTES};
use crate::samples::Samples;

/// Later than this, and it was not the pace that was measured.
const LATE_MAX: f64 = 1.1;

/// The number of senders, and the rate of each.
struct Links {
    metric: &'static str,
    count: usize,
    bytes_per_sec: f64,
}

const ONE: Links = Links {
    metric: "paced.cpu",
    count: 1,
    bytes_per_sec: 4e6,
};
const ONE_WITH_TLS: Links = Links {
    metric: "tls_paced.cpu",
    ..ONE
};
const MANY: Links = Links {
    metric: "paced200.cpu",
    count: 200,
    bytes_per_sec: 200e3,
};

pub(super) fn one(bench: &mut Bench) -> io::Result<()> {
    run(bench, "paced", &ONE, false)
}

pub(super) fn one_with_tls(bench: &mut Bench) -> io::Result<()> {
    run(bench, "tls_paced", &ONE_WITH_TLS, true)
}

pub(super) fn many(bench: &mut Bench) -> io::Result<()> {
    run(bench, "paced200", &MANY, false)
}

fn run(bench: &mut Bench, scenario: &'static str, links: &Links, secure: bool) -> io::Result<()> {
    let who = Who {
        secure,
        others: true,
        floor_twice: false,
    };
    bench.take_turns(scenario, bench.rounds(5), who, |bench, turn, samples| {
        measure(links, bench, turn, samples)
    });
    Ok(())
}

fn measure(links: &Links, bench: &Bench, turn: &Turn, samples: &mut Samples) -> io::Result<()> {
    let running = turn.peer.start(&bench.memory)?;
    let secs = bench.size(10.0, 1.0);
    let bytes = (secs * links.bytes_per_sec) as u64 / SEGMENT_BYTES * SEGMENT_BYTES;
    let mut paced = Paced::connect(
        turn.peer,
        running.addr,
        links.count,
        bytes,
        links.bytes_per_sec,
    )?;
    running.settle();

    let before = running.spent();
    let (late, answers) = paced.send(turn.peer)?;
    let spent = running.spent_since(&before);

    for (upload, answer) in &answers {
        turn.peer.check(&running, *upload, answer)?;
    }
    if late > LATE_MAX {
        return Err(io::Error::other(format!(
            "the pace was not kept: {late:.2} times as long"
        )));
    }
    let gb = answers.len() as f64 * bytes as f64 / 1e9;
    samples.add(
        links.metric,
        turn.subject,
        turn.round,
        spent.as_secs_f64() / gb,
    );
    Ok(())
}
