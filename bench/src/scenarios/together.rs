//! Several uploads at once: together they should be no slower than one.

use std::io;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Turn, Who};
use crate::load;
use crate::peers::{Peer, Running, Upload};
use crate::samples::Samples;
use crate::wire::{Answer, Line};

const COUNTS: [(usize, &str); 3] = [(1, "together.1"), (2, "together.2"), (8, "together.8")];

pub(super) fn run(bench: &mut Bench) -> io::Result<()> {
    let who = Who {
        secure: false,
        others: false,
        floor_twice: false,
    };
    bench.take_turns("together", bench.rounds(9), who, measure);
    Ok(())
}

fn measure(bench: &Bench, turn: &Turn, samples: &mut Samples) -> io::Result<()> {
    let total = bench.size(1_600_000_000, 64_000_000);
    let mut counts = COUNTS;
    counts.rotate_left(turn.round % COUNTS.len());
    for (count, metric) in counts {
        bench.touch_memory()?;
        let running = turn.peer.start(&bench.memory)?;
        let (took, answers) = together(turn.peer, &running, count, total / count as u64)?;
        for (upload, answer) in answers {
            turn.peer.check(&running, upload, &answer)?;
        }
        samples.add(
            metric,
            turn.subject,
            turn.round,
            total as f64 / 1e6 / took.as_secs_f64(),
        );
    }
    Ok(())
}

/// Returns the time until the last answer.
fn together(
    peer: &dyn Peer,
    running: &Running,
    count: usize,
    bytes: u64,
) -> io::Result<(Duration, Vec<(Upload, Answer)>)> {
    let ready = Barrier::new(count + 1);
    let send = || {
        let line = Line::connect(running.addr);
        ready.wait();
        let upload = Upload::new(bytes);
        let (_, answer) = load::upload(peer, &mut line?, upload)?;
        Ok((upload, answer))
    };
    thread::scope(|scope| {
        let senders: Vec<_> = (0..count).map(|_| scope.spawn(send)).collect();
        ready.wait();
        let begin = Instant::now();
        let answers = senders
            .into_iter()
            .map(|sender| sender.join().expect("it did not panic"));
        let answers = answers.collect::<io::Result<Vec<_>>>()?;
        Ok((begin.elapsed(), answers))
    })
}
