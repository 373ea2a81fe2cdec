//! One upload as fast as it goes.

use std::io;

use crate::bench::{Bench, Turn, Who};
use crate::cost::Spent;
use crate::load;
use crate::peers::Upload;
use crate::samples::Samples;

pub(super) fn run(bench: &mut Bench) -> io::Result<()> {
    let who = Who {
        secure: false,
        others: true,
        floor_twice: true,
    };
    take_turns(bench, "large", 15, who)
}

pub(super) fn with_tls(bench: &mut Bench) -> io::Result<()> {
    let who = Who {
        secure: true,
        others: true,
        floor_twice: false,
    };
    take_turns(bench, "tls_large", 5, who)
}

fn take_turns(
    bench: &mut Bench,
    scenario: &'static str,
    rounds: usize,
    who: Who,
) -> io::Result<()> {
    let measure =
        |bench: &Bench, turn: &Turn, samples: &mut Samples| measure(bench, turn, scenario, samples);
    bench.take_turns(scenario, bench.rounds(rounds), who, measure);
    Ok(())
}

fn measure(bench: &Bench, turn: &Turn, scenario: &str, samples: &mut Samples) -> io::Result<()> {
    bench.touch_memory()?;
    let running = turn.peer.start(&bench.memory)?;
    let mut line = turn.peer.connect(running.addr)?;
    load::upload(
        turn.peer,
        &mut line,
        Upload::new(bench.size(64_000_000, 1_000_000)),
    )?;

    let sender = [std::process::id()];
    let upload = Upload::new(bench.size(2_000_000_000, 64_000_000));
    let (before, sender_before) = (running.spent(), Spent::by(&sender));
    let (took, answer) = load::upload(turn.peer, &mut line, upload)?;
    let sender_spent = Spent::by(&sender).since(&sender_before);
    let spent = running.spent_since(&before);

    turn.peer.check(&running, upload, &answer)?;
    let mut add = |name, value| {
        let metric = format!("{scenario}.{name}");
        samples.add(&metric, turn.subject, turn.round, value);
    };
    let gb = upload.bytes as f64 / 1e9;
    add("rate", gb * 1e3 / took.as_secs_f64());
    add("cpu", spent.as_secs_f64() / gb);
    add("sender", sender_spent.as_secs_f64() / gb);
    Ok(())
}
