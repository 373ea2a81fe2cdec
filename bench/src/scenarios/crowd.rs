//! A directory with very many partial uploads: neither requests nor the start may suffer.

use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use resumed::store::{AppendRequest, Completes, Id, Options, Store, SyncMode};
use tempfile::TempDir;

use crate::bench::Bench;
use crate::load::{self, Senders};
use crate::peers::{OURS, Ours, Peer, Running, Upload, ours};
use crate::place;
use crate::samples::Samples;
use crate::wire::Line;

/// The number of expired uploads. The start is complete when the last of them is gone.
const EXPIRED: usize = 1_000;

/// Longer than the server waits for a next byte.
const LONG_AGO: Duration = Duration::from_secs(8 * 24 * 60 * 60);

const BEGUN_AT_ONCE: usize = 500;

const FILE_BYTES: u64 = 10_240;
pub(super) const EMPTY: &str = "empty";
pub(super) const EMPTY_AGAIN: &str = "empty again";

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

pub(super) fn run(bench: &mut Bench) -> io::Result<()> {
    let mut crowd = Some(crowd(bench).map_err(io::Error::other)?);
    bench.repeat("crowd", bench.rounds(7), |bench, round, samples| {
        let dir = crowd
            .take()
            .ok_or_else(|| io::Error::other("an earlier round failed"))?;
        crowd = Some(measure(bench, dir, round, samples)?);
        Ok(())
    })
}

/// A directory as the server would leave it: each upload has some bytes and a record.
fn crowd(bench: &Bench) -> Outcome<TempDir> {
    let dir = place::new(&bench.disk)?;
    let count = bench.size(100_000, 2_000);
    for _ in 0..count / BEGUN_AT_ONCE {
        begin(&dir.path().join("files"))?;
    }
    Ok(dir)
}

/// Opens the store for a part of them: all of them at once would each have a claim on the disk.
fn begin(dir: &Path) -> Outcome<()> {
    let mut options = Options::default();
    options.sync = SyncMode::Fast;
    let store = Store::open(dir, options)?;
    for _ in 0..BEGUN_AT_ONCE {
        let upload = Upload::new(1_000_000);
        let id = Id::new(b"", ours::id(upload).as_bytes());
        let mut declared = AppendRequest::default();
        declared.length = Some(upload.bytes);
        declared.file.name = Some(upload.name().into());
        let mut append = store.append_with(&id, 0, declared)?;
        append.write(b"some of it")?;
        append.finish(Completes::AtLength)?;
    }
    Ok(())
}

fn measure(
    bench: &Bench,
    dir: TempDir,
    round: usize,
    samples: &mut Samples,
) -> io::Result<TempDir> {
    let expired = expire(&dir.path().join("files/.resumed"))?;
    let peer = Ours::fast(&bench.server);
    let begin = Instant::now();
    let crowded = Running::over(dir, |dir| peer.launch(dir))?;
    samples.add(
        "crowd.listening",
        OURS,
        round,
        crowded.started_in.as_secs_f64() * 1e3,
    );
    samples.add("crowd.handled", OURS, round, seen_to(&expired, begin)?);
    crowded.settle();

    let (empty, empty_again) = (peer.start(&bench.disk)?, peer.start(&bench.disk)?);
    let mut servers = [
        (OURS, &crowded),
        (EMPTY, &empty),
        (EMPTY_AGAIN, &empty_again),
    ];
    servers.rotate_left(round % 3);
    for (subject, server) in servers {
        samples.add("crowd.status", subject, round, questions(bench, server)?);
    }
    for (subject, server) in servers {
        samples.add("crowd.small", subject, round, files(bench, &peer, server)?);
    }
    Ok(crowded.stop())
}

/// Adds uploads that have waited too long. (Without a record: what is held of them says enough.)
fn expire(records: &Path) -> io::Result<Vec<PathBuf>> {
    let expire = |number: usize| {
        // Evenly among all keys, which are hashes.
        let path = records.join(format!("{:04x}{number:028x}", number * 65_535 / EXPIRED));
        let file = File::create(&path)?;
        file.set_modified(SystemTime::now() - LONG_AGO)?;
        Ok(path)
    };
    (0..EXPIRED).map(expire).collect()
}

/// Returns the seconds from `begin` until the last of these is gone.
fn seen_to(expired: &[PathBuf], begin: Instant) -> io::Result<f64> {
    for path in expired {
        while fs::exists(path)? {
            if begin.elapsed() > Duration::from_secs(60) {
                return Err(io::Error::other("what has expired is still there"));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(begin.elapsed().as_secs_f64())
}

/// `/status` of a partial upload, a second.
fn questions(bench: &Bench, server: &Running) -> io::Result<f64> {
    let upload = Upload::new(1_000_000);
    let mut line = Line::connect(server.addr)?;
    line.send(ours::append(upload, 0, 1_000).as_bytes())?;
    load::send_body(&mut line, upload, 0, 1_000)?;
    line.answer()?;
    let request = ours::status(upload);
    let duration = bench.size(Duration::from_secs(1), Duration::from_millis(100));
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed() < duration {
        line.send(request.as_bytes())?;
        if line.answer()?.body != b"1000" {
            return Err(io::Error::other("not all bytes arrived"));
        }
        count += 1;
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}

/// Small files, a second. They are taken away again, so that the directory stays as it is.
pub(super) fn files(bench: &Bench, peer: &Ours, server: &Running) -> io::Result<f64> {
    let duration = bench.size(Duration::from_secs(1), Duration::from_millis(100));
    let sent = Senders::connect(peer, server.addr, 1, FILE_BYTES)?.send_for(duration)?;
    for (upload, answer) in &sent.answered {
        peer.check(server, *upload, answer)?;
        fs::remove_file(server.dir().join(upload.name()))?;
    }
    Ok(sent.per_sec())
}
