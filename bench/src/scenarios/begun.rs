//! Beside very many uploads that were begun a moment ago, each of which still has a claim on the disk.

use std::io;

use super::crowd::{EMPTY, EMPTY_AGAIN, files};
use crate::bench::Bench;
use crate::load;
use crate::peers::{OURS, Ours, Peer, Running, Upload, ours};
use crate::samples::Samples;
use crate::wire::Line;

/// The received and the declared length of each.
const BEGUN_BYTES: u64 = 10;
const DECLARED_BYTES: u64 = 10_000;

pub(super) fn run(bench: &mut Bench) -> io::Result<()> {
    bench.repeat("begun", bench.rounds(5), measure)
}

fn measure(bench: &Bench, round: usize, samples: &mut Samples) -> io::Result<()> {
    let peer = Ours::fast(&bench.server);
    let start = || peer.start(&bench.memory);
    let (crowded, empty, empty_again) = (start()?, start()?, start()?);
    begin(&crowded, bench.size(30_000, 300))?;
    let mut servers = [
        (OURS, &crowded),
        (EMPTY, &empty),
        (EMPTY_AGAIN, &empty_again),
    ];
    servers.rotate_left(round % 3);
    for (subject, server) in servers {
        samples.add("begun.small", subject, round, files(bench, &peer, server)?);
    }
    Ok(())
}

fn begin(server: &Running, count: u64) -> io::Result<()> {
    let mut line = Line::connect(server.addr)?;
    for _ in 0..count {
        let upload = Upload::new(DECLARED_BYTES);
        line.send(ours::append(upload, 0, BEGUN_BYTES).as_bytes())?;
        load::send_body(&mut line, upload, 0, BEGUN_BYTES)?;
        if line.answer()?.body != BEGUN_BYTES.to_string().as_bytes() {
            return Err(io::Error::other("not all bytes arrived"));
        }
    }
    Ok(())
}
