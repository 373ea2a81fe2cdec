//! Many small files, sent by wrk.

use std::io;

use crate::bench::{Bench, Turn, Who};
use crate::load::wrk;
use crate::place;
use crate::samples::Samples;

const FILE_BYTES: u64 = 10_240;

pub(super) fn sixteen(bench: &mut Bench) -> io::Result<()> {
    run(bench, "wrk16", 16)
}

pub(super) fn one(bench: &mut Bench) -> io::Result<()> {
    run(bench, "wrk1", 1)
}

fn run(bench: &mut Bench, scenario: &'static str, connections: usize) -> io::Result<()> {
    let who = Who {
        others: true,
        floor_twice: true,
    };
    let measure = |bench: &Bench, turn: &Turn, samples: &mut Samples| {
        bench.touch_memory()?;
        let running = turn.peer.start(&bench.memory)?;
        let place = place::new(&bench.memory)?;
        let secs = bench.size(3, 1);
        let rate = wrk::send(
            turn.peer,
            running.addr,
            connections,
            FILE_BYTES,
            secs,
            place.path(),
        )?;
        samples.add(&format!("{scenario}.rate"), turn.subject, turn.round, rate);
        Ok(())
    };
    bench.take_turns(scenario, bench.rounds(9), who, measure);
    Ok(())
}
