//! Response times beside eight uploads at full speed.

use std::io;

use super::busy::{Asker, Busy};
use crate::bench::Bench;
use crate::peers::{OURS, Ours, Peer};
use crate::samples::Samples;
use crate::stats::quantile;

/// Of each kind; its 99th percentile needs many.
const QUESTIONS: usize = 1_000;

pub(super) fn run(bench: &mut Bench) -> io::Result<()> {
    bench.repeat("prompt", bench.rounds(5), measure)
}

fn measure(bench: &Bench, round: usize, samples: &mut Samples) -> io::Result<()> {
    let server = Ours::fast(&bench.server).start(&bench.memory)?;
    let mut asker = Asker::new(&server)?;
    let busy = Busy::start(&server, bench.size(512_000_000, 32_000_000))?;
    let mut taken = [const { Vec::new() }; 4];
    for question in 0..bench.size(QUESTIONS, 30) {
        let upload = busy.one(question);
        for kind in 0..4 {
            let kind = (kind + question) % 4;
            taken[kind].push(match kind {
                0 => asker.status(upload)?,
                1 => asker.echo(upload)?,
                2 => asker.resume()?,
                _ => asker.echo_resume()?,
            });
        }
    }
    let rate = busy.stop()?;
    let [status, echo, resume, echo_resume] = taken.map(|mut millis| quantile(&mut millis, 0.99));
    samples.add("prompt.status", OURS, round, status);
    samples.add("prompt.status", "echo", round, echo);
    samples.add("prompt.resume", OURS, round, resume);
    samples.add("prompt.resume", "echo", round, echo_resume);
    samples.add("prompt.rate", OURS, round, rate);
    Ok(())
}
