//! Power losses at random moments, on each supported file system.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::Client;
use crate::support::left_out::require;
use crate::support::limit::{RunInTime, wait_until};
use crate::support::mount::obstacle;
use crate::support::program::Process;
use crate::support::torture::some_or_all;

use super::chance::Chance;
use super::check::breaches;
use super::disk::{Disk, Room};
use super::facts::{Facts, Reported, Upload};
use super::load::{Load, append};
use super::{none, start};

const FLAGS: [&str; 2] = ["--sync", "durable"];

const FILE_SYSTEMS: [&str; 3] = ["ext4", "xfs", "btrfs"];

/// The number of power losses of one disk, before all uploads are completed.
const CUTS: u64 = 10;

/// Without syncs the loss has to show within so many cuts.
const ENOUGH: u64 = 10;

#[test]
fn answers_survive_a_power_loss() {
    require!("a power loss", obstacle(&FILE_SYSTEMS));
    let mut chance = Chance::from_seed();
    let room = Room::new();
    for (file_system, cuts) in FILE_SYSTEMS.into_iter().zip([67, 67, 66]) {
        let mut left = some_or_all(2, cuts);
        let mut answers = 0;
        while left > 0 {
            let cuts = left.min(CUTS);
            answers += lives(&mut room.disk(file_system), cuts, &mut chance);
            left -= cuts;
        }
        println!("{file_system}: {answers} answers were held to");
    }
}

/// The test must be able to fail.
#[test]
fn power_loss_without_syncs_is_detected() {
    require!("the detection of a power loss", obstacle(&FILE_SYSTEMS));
    let mut chance = Chance::from_seed();
    let room = Room::new();
    for file_system in FILE_SYSTEMS {
        let mut disk = room.disk(file_system);
        let load = Load::default();
        let mut is_noticed = || !cut(&mut disk, "fast", &load, &mut chance).is_empty();
        let cuts = (1..=ENOUGH).find(|_| is_noticed());
        println!("{file_system}: noticed at cut {cuts:?}");
        assert!(cuts.is_some(), "not noticed on {file_system}");
    }
}

/// A file may be found longer than what was synced, with zeros for what is missing: the system writes later bytes
/// first if it likes, and makes the length durable when somebody else's bytes are.
#[test]
fn unsynced_bytes_do_not_count_after_a_power_loss() {
    require!("bytes that were not synced", obstacle(&FILE_SYSTEMS));
    let room = Room::new();
    for file_system in FILE_SYSTEMS {
        let mut disk = room.disk(file_system);
        let mut facts = Facts::default();
        let (long, short) = (facts.begin(0, 200_000), facts.begin(0, 10));
        let dir = disk.path().join("uploads");
        let process = start(&dir, &FLAGS);
        send(&process, &mut facts, long.number, 5_000);

        let unanswered = begin(&process, &facts.uploads[long.number], 100_000);
        let partial = dir.join(".resumed").join(long.key());
        wait_until!(fs::metadata(&partial).expect("it is there").len() >= 105_000);
        write_back(&partial, "8192 96808");
        send(&process, &mut facts, short.number, 5);
        let remains = disk.remains();
        drop((unanswered, process));

        disk.restart_with(remains);
        let dir = disk.path().join("uploads");
        let process = start(&dir, &FLAGS);
        none(breaches(&mut facts, process.addr, &dir));
        let held = facts.uploads[long.number].held;
        send(&process, &mut facts, long.number, long.length - held);
        none(breaches(&mut facts, process.addr, &dir));
    }
}

/// Sends the next part of an upload, and hears the answer.
fn send(process: &Process, facts: &mut Facts, number: usize, part: u64) {
    let upload = &mut facts.uploads[number];
    let mut client = Client::connect(process.addr);
    client.send(append(upload, &format!("Content-Length: {part}\r\n")));
    client.send(upload.content(upload.held, upload.held + part));
    upload.hear(Reported::by(&client.answer()));
}

/// Announces all that is left, and sends a part of it.
fn begin(process: &Process, upload: &Upload, part: u64) -> Client {
    let left = upload.length - upload.held;
    let mut client = Client::connect(process.addr);
    client.send(append(upload, &format!("Content-Length: {left}\r\n")));
    client.send(upload.content(upload.held, upload.held + part));
    client
}

/// Has the system write some bytes of a file to the disk, as it does now and then by itself. That is no sync.
fn write_back(file: &Path, range: &str) {
    let begin_and_wait = ["-w", "-a"].map(|flag| format!("sync_range {flag} {range}"));
    let [begin, wait] = begin_and_wait.each_ref();
    let status = Command::new("xfs_io")
        .args(["-c", begin, "-c", wait])
        .arg(file)
        .status_in_time();
    assert!(status.expect("xfs_io runs").success());
}

/// Runs power losses on one disk. Returns the number of checked answers.
fn lives(disk: &mut Disk, cuts: u64, chance: &mut Chance) -> u64 {
    let load = Load::default();
    for _ in 0..cuts {
        none(cut(disk, "durable", &load, chance));
    }
    let dir = disk.path().join("uploads");
    let process = start(&dir, &FLAGS);
    load.finish(process.addr, chance.fork());
    none(breaches(&mut load.facts(), process.addr, &dir));
    load.facts().answers
}

/// Cuts the power of a server at work, and checks the disk with another server. Drops all later answers.
fn cut(disk: &mut Disk, sync: &str, load: &Load, chance: &mut Chance) -> Vec<String> {
    let dir = disk.path().join("uploads");
    let flags = ["--sync", sync, "--min-free", "0"];
    let process = start(&dir, &flags);
    let mut pulled = None;
    let clients = chance.fork();
    load.run(process.addr, clients, || {
        load.wait_for_some_moment(chance);
        let facts = load.facts().clone();
        pulled = Some((facts, disk.remains()));
        load.is_dying();
        drop(process);
    });
    let (facts, remains) = pulled.expect("pulled");
    *load.facts() = facts;
    disk.restart_with(remains);
    let dir = disk.path().join("uploads");
    let process = start(&dir, &flags);
    breaches(&mut load.facts(), process.addr, &dir)
}
