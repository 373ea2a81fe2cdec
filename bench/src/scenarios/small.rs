//! Many small files, one after the other on each connection: by the client of this package, and by wrk.

use std::io;
use std::time::Duration;

use crate::bench::{Bench, Turn, Who};
use crate::load::{Senders, wrk};
use crate::samples::Samples;

const FILE_BYTES: u64 = 10_240;

/// Measures one peer with so many connections. Returns names and values.
type Measure = fn(&Bench, &Turn, usize) -> io::Result<Vec<(&'static str, f64)>>;

const ALL: Who = Who {
    secure: false,
    others: true,
    floor_twice: true,
};

const WITH_TLS: Who = Who {
    secure: true,
    others: true,
    floor_twice: false,
};

pub(super) fn sixteen(bench: &mut Bench) -> io::Result<()> {
    run(bench, "small16", 16, by_senders, ALL)
}

pub(super) fn one(bench: &mut Bench) -> io::Result<()> {
    run(bench, "small1", 1, by_senders, ALL)
}

pub(super) fn sixteen_by_wrk(bench: &mut Bench) -> io::Result<()> {
    run(bench, "wrk16", 16, by_wrk, ALL)
}

pub(super) fn one_by_wrk(bench: &mut Bench) -> io::Result<()> {
    run(bench, "wrk1", 1, by_wrk, ALL)
}

pub(super) fn sixteen_with_tls(bench: &mut Bench) -> io::Result<()> {
    run(bench, "tls_wrk16", 16, by_wrk, WITH_TLS)
}

pub(super) fn one_with_tls(bench: &mut Bench) -> io::Result<()> {
    run(bench, "tls_wrk1", 1, by_wrk, WITH_TLS)
}

fn run(
    bench: &mut Bench,
    scenario: &'static str,
    connections: usize,
    measure: Measure,
    who: Who,
) -> io::Result<()> {
    let measure = |bench: &Bench, turn: &Turn, samples: &mut Samples| {
        bench.touch_memory()?;
        for (name, value) in measure(bench, turn, connections)? {
            samples.add(
                &format!("{scenario}.{name}"),
                turn.subject,
                turn.round,
                value,
            );
        }
        Ok(())
    };
    bench.take_turns(scenario, bench.rounds(9), who, measure);
    Ok(())
}

/// Returns requests a second, and microseconds of the server's processor for each.
fn by_senders(
    bench: &Bench,
    turn: &Turn,
    connections: usize,
) -> io::Result<Vec<(&'static str, f64)>> {
    let running = turn.peer.start(&bench.memory)?;
    let mut senders = Senders::connect(turn.peer, running.addr, connections, FILE_BYTES)?;
    senders.send_for(bench.size(Duration::from_millis(500), Duration::from_millis(50)))?;

    let before = running.spent();
    let sent = senders.send_for(bench.size(Duration::from_secs(2), Duration::from_millis(200)))?;
    let spent = running.spent_since(&before);

    for (upload, answer) in &sent.answered {
        turn.peer.check(&running, *upload, answer)?;
    }
    let micros = spent.as_secs_f64() * 1e6 / sent.answered.len() as f64;
    Ok(vec![("rate", sent.per_sec()), ("cpu", micros)])
}

/// Returns requests a second.
fn by_wrk(bench: &Bench, turn: &Turn, connections: usize) -> io::Result<Vec<(&'static str, f64)>> {
    let running = turn.peer.start(&bench.memory)?;
    let secs = bench.size(3, 1);
    let sent = wrk::send(turn.peer, running.addr, connections, FILE_BYTES, secs)?;
    sent.check(running.dir())?;
    Ok(vec![("rate", sent.per_sec)])
}
