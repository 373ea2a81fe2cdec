//! Many small files, one after the other on each connection.

use std::io;
use std::time::Duration;

use crate::bench::{Bench, Turn, Who};
use crate::load::Senders;
use crate::samples::Samples;

const FILE_BYTES: u64 = 10_240;

pub(super) fn sixteen(bench: &mut Bench) -> io::Result<()> {
    run(bench, "small16", 16)
}

pub(super) fn one(bench: &mut Bench) -> io::Result<()> {
    run(bench, "small1", 1)
}

fn run(bench: &mut Bench, scenario: &'static str, connections: usize) -> io::Result<()> {
    let who = Who {
        others: true,
        floor_twice: true,
    };
    let measure = |bench: &Bench, turn: &Turn, samples: &mut Samples| {
        let [rate, cpu] = measure(bench, turn, connections)?;
        samples.add(&format!("{scenario}.rate"), turn.subject, turn.round, rate);
        samples.add(&format!("{scenario}.cpu"), turn.subject, turn.round, cpu);
        Ok(())
    };
    bench.take_turns(scenario, bench.rounds(9), who, measure);
    Ok(())
}

/// Requests a second, and microseconds of the server's for each.
fn measure(bench: &Bench, turn: &Turn, connections: usize) -> io::Result<[f64; 2]> {
    bench.touch_memory()?;
    let running = turn.peer.start(&bench.memory)?;
    let mut senders = Senders::connect(turn.peer, running.addr, connections, FILE_BYTES)?;
    senders.send_for(bench.size(Duration::from_millis(500), Duration::from_millis(50)))?;

    let before = running.spent();
    let sent = senders.send_for(bench.size(Duration::from_secs(2), Duration::from_millis(200)))?;
    let spent = running.spent_since(&before);

    for (upload, answer) in &sent.answered {
        turn.peer.check(&running, *upload, answer)?;
    }
    Ok([
        sent.per_sec(),
        spent.as_secs_f64() * 1e6 / sent.answered.len() as f64,
    ])
}
