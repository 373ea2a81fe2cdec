//! With syncs, on a real disk, beside the same work done by hand.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::busy::{Asker, Busy};
use crate::bench::Bench;
use crate::content::SLICE_BYTES;
use crate::load::{self, Senders};
use crate::peers::{OURS, Ours, Peer, Running, Upload, ours};
use crate::place::{self, Journaled};
use crate::samples::Samples;
use crate::stats::quantile;
use crate::wire::Line;

const FILE_BYTES: u64 = 10_240;

/// The bytes that the upload receives between two questions.
const UNSYNCED_BYTES: u64 = 1 << 20;

/// Of each kind. Each waits for the disk.
const QUESTIONS: usize = 100;

/// Runs on an ext4 with a journal, as most disks have. Without root there is no figure.
pub(super) fn run(bench: &mut Bench) -> io::Result<()> {
    fs::create_dir_all(&bench.disk)?;
    let needs_root = |error| io::Error::other(format!("no ext4 with a journal: {error}"));
    let journaled = Journaled::mount(&bench.disk).map_err(needs_root)?;
    let disk = std::mem::replace(&mut bench.disk, journaled.path().to_owned());
    let measured = measure(bench);
    bench.disk = disk;
    measured
}

fn measure(bench: &mut Bench) -> io::Result<()> {
    bench.repeat("durable", bench.rounds(9), large)?;
    // Where many files were removed lately, ext4 takes far longer to make one. So they stay until the end.
    let kept = place::new(&bench.disk)?;
    bench.repeat("durable", bench.rounds(5), |bench, round, samples| {
        small(bench, &kept, round, samples)
    })?;
    bench.repeat("durable", bench.rounds(5), status)
}

/// One upload, and `dd` with a sync at its end.
fn large(bench: &Bench, round: usize, samples: &mut Samples) -> io::Result<()> {
    let bytes = bench.size(1_000_000_000, 64_000_000);
    let megabytes = bytes as f64 / 1e6;
    for at in 0..2 {
        settle_disk(bench)?;
        if (at + round) % 2 == 0 {
            let server = Ours::durable(&bench.server).start(&bench.disk)?;
            let peer = Ours::durable(&bench.server);
            let upload = Upload::new(bytes);
            let (took, answer) = load::upload(&peer, &mut Line::connect(server.addr)?, upload)?;
            peer.check(&server, upload, &answer)?;
            samples.add("durable.rate", OURS, round, megabytes / took.as_secs_f64());
        } else {
            samples.add(
                "durable.rate",
                "dd",
                round,
                megabytes / dd(bench, bytes)?.as_secs_f64(),
            );
        }
    }
    Ok(())
}

/// Copies a file from memory to the disk, in pieces of the size of our buffer.
fn dd(bench: &Bench, bytes: u64) -> io::Result<Duration> {
    let upload = Upload::new(bytes);
    let (memory, disk) = (place::new(&bench.memory)?, place::new(&bench.disk)?);
    let from = memory.path().join(upload.name());
    write(&File::create(&from)?, upload, 0, bytes)?;
    let to = disk.path().join(upload.name());
    let mut dd = Command::new("dd");
    dd.args(["bs=256K", "conv=fdatasync", "status=none"]);
    dd.arg(format!("if={}", from.display()))
        .arg(format!("of={}", to.display()));
    let begin = Instant::now();
    let status = dd.status()?;
    let took = begin.elapsed();
    if !status.success() {
        return Err(io::Error::other("dd failed"));
    }
    upload.content().check(&to, 0, bytes)?;
    Ok(took)
}

/// Small files through the server, and by hand with a sync each.
fn small(bench: &Bench, kept: &TempDir, round: usize, samples: &mut Samples) -> io::Result<()> {
    let duration = bench.size(Duration::from_secs(3), Duration::from_millis(300));
    for (connections, metric) in [(16, "durable.small16"), (1, "durable.small1")] {
        settle_disk(bench)?;
        let peer = Ours::durable(&bench.server);
        let server = Running::over(place::within(kept)?, |dir| peer.launch(dir))?;
        let sent =
            Senders::connect(&peer, server.addr, connections, FILE_BYTES)?.send_for(duration)?;
        for (upload, answer) in &sent.answered {
            peer.check(&server, *upload, answer)?;
        }
        samples.add(metric, OURS, round, sent.per_sec());
        settle_disk(bench)?;
        samples.add(
            metric,
            "fdatasync",
            round,
            files_by_hand(place::within(kept)?.path(), 1, duration)?,
        );
        settle_disk(bench)?;
        samples.add(
            metric,
            "fdatasync x 16",
            round,
            files_by_hand(place::within(kept)?.path(), 16, duration)?,
        );
    }
    Ok(())
}

/// Files a second, written and synced one by one in each thread.
fn files_by_hand(place: &Path, threads: usize, duration: Duration) -> io::Result<f64> {
    let begin = Instant::now();
    let write_on = || -> io::Result<usize> {
        let mut count = 0;
        while begin.elapsed() < duration {
            let upload = Upload::new(FILE_BYTES);
            let file = File::create(place.join(upload.name()))?;
            write(&file, upload, 0, upload.bytes)?;
            file.sync_data()?;
            count += 1;
        }
        Ok(count)
    };
    let counts = thread::scope(|scope| {
        let writers: Vec<_> = (0..threads).map(|_| scope.spawn(write_on)).collect();
        writers
            .into_iter()
            .map(|writer| writer.join().expect("it did not panic"))
            .sum::<io::Result<usize>>()
    })?;
    Ok(counts as f64 / begin.elapsed().as_secs_f64())
}

/// `/status` of an upload that has just received a megabyte, while eight others run; beside one sync of a file that has
/// just received as much, and an echo.
fn status(bench: &Bench, round: usize, samples: &mut Samples) -> io::Result<()> {
    settle_disk(bench)?;
    let server = Ours::durable(&bench.server).start(&bench.disk)?;
    let mut asker = Asker::new(&server)?;
    let busy = Busy::start(&server, bench.size(512_000_000, 32_000_000))?;
    let asked = Upload::new(1_000_000_000);
    let mut sender = Line::connect(server.addr)?;
    sender.send(ours::append(asked, 0, asked.bytes).as_bytes())?;
    let beside = tempfile::tempfile_in(&bench.disk)?;
    let mut taken = [const { Vec::new() }; 5];
    for question in 0..bench.size(QUESTIONS as u64, 5) {
        let (from, to) = (question * UNSYNCED_BYTES, (question + 1) * UNSYNCED_BYTES);
        load::send_body(&mut sender, asked, from, to)?;
        taken[0].push(asker.status(asked)?);
        taken[1].push(asker.echo(asked)?);
        write(&beside, asked, from, to)?;
        taken[2].push(sync_millis(&beside)?);
        taken[3].push(asker.resume()?);
        taken[4].push(asker.echo_resume()?);
    }
    busy.stop()?;
    let [status, echo, sync, resume, echo_resume] =
        taken.map(|mut millis| quantile(&mut millis, 0.99));
    samples.add("durable.status", OURS, round, status);
    samples.add("durable.status", "echo", round, echo);
    samples.add("durable.status", "one sync", round, sync);
    samples.add("durable.resume", OURS, round, resume);
    samples.add("durable.resume", "echo", round, echo_resume);
    samples.add("durable.status_syncs", OURS, round, (status - echo) / sync);
    samples.add(
        "durable.resume_syncs",
        OURS,
        round,
        (resume - echo_resume) / sync,
    );
    Ok(())
}

fn sync_millis(file: &File) -> io::Result<f64> {
    let begin = Instant::now();
    file.sync_data()?;
    Ok(begin.elapsed().as_secs_f64() * 1e3)
}

fn write(mut file: &File, upload: Upload, from: u64, to: u64) -> io::Result<()> {
    let mut at = from;
    while at < to {
        let slice = upload
            .content()
            .slice(at, (to - at).min(SLICE_BYTES as u64));
        file.write_all(slice)?;
        at += slice.len() as u64;
    }
    Ok(())
}

/// Syncs earlier writes, so that the next scenario does not pay for them.
fn settle_disk(bench: &Bench) -> io::Result<()> {
    fs::create_dir_all(&bench.disk)?;
    rustix::fs::syncfs(File::open(&bench.disk)?)?;
    Ok(())
}
