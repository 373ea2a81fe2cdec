//! The last bytes of an upload of a terabyte cost no more than any others.

use std::error::Error;
use std::fs::File;
use std::io;
use std::path::Path;

use resumed::store::{Completes, Id, Options, Store, SyncMode};

use crate::bench::Bench;
use crate::load;
use crate::peers::{OURS, Ours, Peer, Running, Upload, ours};
use crate::place;
use crate::samples::Samples;
use crate::wire::Line;

const HUGE_BYTES: u64 = 1_000_000_000_000;
const LAST_BYTES: u64 = 64 << 20;

pub(super) fn run(bench: &mut Bench) -> io::Result<()> {
    bench.repeat("huge", bench.rounds(15), measure)
}

fn measure(bench: &Bench, round: usize, samples: &mut Samples) -> io::Result<()> {
    let huge = Upload::new(HUGE_BYTES);
    let dir = place::new(&bench.memory)?;
    grow(&dir.path().join("files"), huge).map_err(io::Error::other)?;
    let peer = Ours::fast(&bench.server);
    let server = Running::over(dir, |dir| peer.launch(dir))?;
    let mut uploads = [
        (OURS, huge),
        ("64 MiB alone", Upload::new(LAST_BYTES)),
        ("64 MiB alone again", Upload::new(LAST_BYTES)),
    ];
    uploads.rotate_left(round % 3);
    load::upload(
        &peer,
        &mut Line::connect(server.addr)?,
        Upload::new(LAST_BYTES),
    )?;
    for (subject, upload) in uploads {
        let [rate, cpu] = send_last(&peer, &server, upload)?;
        samples.add("huge.rate", subject, round, rate);
        samples.add("huge.cpu", subject, round, cpu);
    }
    Ok(())
}

/// As if all but the last bytes had come: a hole, which takes no space.
fn grow(dir: &Path, upload: Upload) -> Result<(), Box<dyn Error + Send + Sync>> {
    let id = Id::new(b"", ours::id(upload).as_bytes());
    let mut options = Options::default();
    options.sync = SyncMode::Fast;
    let store = Store::open(dir, options)?;
    // Its length is declared by the request that brings the rest: now, all of it would not fit.
    let mut append = store.append(&id, 0)?;
    append.write(b"it begins")?;
    append.finish(Completes::AtLength)?;
    drop(store);
    let file = File::options()
        .write(true)
        .open(dir.join(".resumed").join(id.key().to_string()))?;
    file.set_len(upload.bytes - LAST_BYTES)?;
    Ok(())
}

/// MB/s, and seconds of the processor for each GB.
fn send_last(peer: &Ours, server: &Running, upload: Upload) -> io::Result<[f64; 2]> {
    let from = upload.bytes - LAST_BYTES;
    let mut line = Line::connect(server.addr)?;
    let before = server.spent();
    let begin = std::time::Instant::now();
    line.send(ours::append(upload, from, LAST_BYTES).as_bytes())?;
    load::send_body(&mut line, upload, from, upload.bytes)?;
    let answer = line.answer()?;
    let took = begin.elapsed();
    let spent = server.spent_since(&before);
    upload.content().check(
        &peer.lands(server.dir(), upload, &answer),
        from,
        upload.bytes,
    )?;
    let gb = LAST_BYTES as f64 / 1e9;
    Ok([gb * 1e3 / took.as_secs_f64(), spent.as_secs_f64() / gb])
}
