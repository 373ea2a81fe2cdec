//! From nothing to listening, and what it takes then.

use std::fs;
use std::io;

use crate::bench::{Bench, Turn, Who};
use crate::peers::OURS;
use crate::samples::Samples;

pub(super) fn run(bench: &mut Bench) -> io::Result<()> {
    let size = fs::metadata(&bench.server)?.len();
    bench
        .samples
        .add("start.binary", OURS, 0, size as f64 / 1e6);
    let who = Who {
        secure: false,
        others: true,
        floor_twice: false,
    };
    bench.take_turns("start", bench.rounds(15), who, measure);
    Ok(())
}

fn measure(bench: &Bench, turn: &Turn, samples: &mut Samples) -> io::Result<()> {
    let running = turn.peer.start(&bench.memory)?;
    running.settle();
    let millis = running.started_in.as_secs_f64() * 1e3;
    samples.add("start.listening", turn.subject, turn.round, millis);
    samples.add(
        "start.resident",
        turn.subject,
        turn.round,
        running.resident() as f64 / 1e6,
    );
    Ok(())
}
