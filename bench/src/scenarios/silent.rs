//! Clients that send half and fall silent: what they cost, and whether somebody new notices them.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Turn, Who};
use crate::load;
use crate::peers::{Peer, Running, Upload};
use crate::samples::Samples;
use crate::stats::Spread;
use crate::wire::Line;

/// Each has sent the first half of so much.
const SILENT_BYTES: u64 = 100_000;
const NEWCOMER_BYTES: u64 = 10_240;
const NEWCOMERS: usize = 300;

/// The number of silent clients that continue at the end: the server must know them.
const FINISH: usize = 5;

/// A newcomer that is not served within this time is not served.
const NEWCOMER_PATIENCE: Duration = Duration::from_secs(5);

const BESIDE_OTHERS: Who = Who {
    secure: false,
    others: true,
    floor_twice: false,
};

pub(super) fn thousand(bench: &mut Bench) -> io::Result<()> {
    run(bench, "silent1000", bench.size(1_000, 100), BESIDE_OTHERS)
}

pub(super) fn thousand_with_tls(bench: &mut Bench) -> io::Result<()> {
    let who = Who {
        secure: true,
        ..BESIDE_OTHERS
    };
    run(bench, "tls_silent1000", bench.size(1_000, 100), who)
}

pub(super) fn thousands(bench: &mut Bench) -> io::Result<()> {
    let who = Who {
        others: false,
        ..BESIDE_OTHERS
    };
    run(bench, "silent8000", bench.size(8_000, 800), who)
}

fn run(bench: &mut Bench, scenario: &'static str, count: usize, who: Who) -> io::Result<()> {
    let measure = |bench: &Bench, turn: &Turn, samples: &mut Samples| {
        measure(bench, turn, scenario, count, samples)
    };
    bench.take_turns(scenario, bench.rounds(5), who, measure);
    Ok(())
}

fn measure(
    bench: &Bench,
    turn: &Turn,
    scenario: &str,
    count: usize,
    samples: &mut Samples,
) -> io::Result<()> {
    let start = || turn.peer.start(&bench.memory);
    let (loaded, idle, idle_again) = (start()?, start()?, start()?);
    let mut silent = (0..count)
        .map(|_| fall_silent(turn.peer, loaded.addr))
        .collect::<io::Result<Vec<_>>>()?;
    loaded.settle();

    let mut resident = loaded.resident();
    match newcomers(
        turn.peer,
        [&loaded, &idle, &idle_again],
        bench.size(NEWCOMERS, 20),
    ) {
        Ok(medians) => {
            for (metric, median) in ["newcomer", "idle", "idle_again"].into_iter().zip(medians) {
                samples.add(
                    &format!("{scenario}.{metric}"),
                    turn.subject,
                    turn.round,
                    median,
                );
            }
        }
        Err(error) => samples.explain(
            &format!("{scenario}.newcomer"),
            turn.subject,
            &format!("not served: {error}"),
        ),
    }
    resident = resident.max(loaded.resident());

    for (line, upload) in silent.iter_mut().step_by(count / FINISH) {
        load::send_body(line, *upload, SILENT_BYTES / 2, SILENT_BYTES)?;
        let answer = line.answer()?;
        turn.peer.check(&loaded, *upload, &answer)?;
    }
    samples.add(
        &format!("{scenario}.resident"),
        turn.subject,
        turn.round,
        resident as f64 / 1e6,
    );
    Ok(())
}

fn fall_silent(peer: &dyn Peer, addr: SocketAddr) -> io::Result<(Line, Upload)> {
    let (mut line, upload) = (peer.connect(addr)?, Upload::new(SILENT_BYTES));
    line.send(peer.head(upload).as_bytes())?;
    load::send_body(&mut line, upload, 0, SILENT_BYTES / 2)?;
    Ok((line, upload))
}

/// Returns the median time of a new client with a small file on each server, from connect to answer, in microseconds.
fn newcomers(peer: &dyn Peer, servers: [&Running; 3], count: usize) -> io::Result<[f64; 3]> {
    let mut taken = [const { Vec::new() }; 3];
    for turn in 0..count * servers.len() {
        let at = (turn + turn / servers.len()) % servers.len();
        taken[at].push(newcomer(peer, servers[at])?);
    }
    Ok(taken.map(|micros| Spread::of(&micros).expect("there were some").median))
}

fn newcomer(peer: &dyn Peer, running: &Running) -> io::Result<f64> {
    let begin = Instant::now();
    let mut line = peer.connect(running.addr)?;
    line.set_patience(NEWCOMER_PATIENCE)?;
    let upload = Upload::new(NEWCOMER_BYTES);
    let request = [
        peer.head(upload).as_bytes(),
        upload.content().slice(0, NEWCOMER_BYTES),
    ]
    .concat();
    line.send(&request)?;
    let answer = line.answer()?;
    let micros = begin.elapsed().as_secs_f64() * 1e6;
    peer.check(running, upload, &answer)?;
    Ok(micros)
}
