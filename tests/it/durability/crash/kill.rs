//! kill -9 at random moments, also while a server starts.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use crate::support::TIMEOUT;
use crate::support::limit::{WaitInTime, in_time};
use crate::support::torture::some_or_all;

use super::chance::Chance;
use super::check::breaches;
use super::facts::{Facts, Upload};
use super::load::Load;
use super::{none, quiet, start};

/// The approximate start time.
const START: Duration = Duration::from_millis(20);

/// The number of kills on one directory, before all uploads are completed.
const LIVES: u64 = 50;

#[test]
fn answers_survive_kill_9_with_sync_durable() {
    kill_often(&["--sync", "durable"]);
}

#[test]
fn answers_survive_kill_9_with_sync_fast() {
    kill_often(&["--sync", "fast"]);
}

fn kill_often(flags: &[&str]) {
    let mut chance = Chance::from_seed();
    let mut left = some_or_all(15, 500);
    let mut answers = 0;
    while left > 0 {
        let kills = left.min(LIVES);
        answers += lives(flags, kills, &mut chance);
        left -= kills;
    }
    println!("{answers} answers were held to");
}

/// So many lives of servers over one directory; how many answers there were.
fn lives(flags: &[&str], kills: u64, chance: &mut Chance) -> u64 {
    let home = tempfile::tempdir().expect("a temporary directory");
    let (dir, hooked) = (home.path().join("uploads"), home.path().join("hooked"));
    let hook = format!("echo $UPLOAD_ID >> {}", hooked.display());
    let flags = [flags, &["--on-complete", &hook]].concat();
    let start = || {
        wait_for_the_lock(&dir);
        start(&dir, &flags)
    };
    let load = Load::default();
    for _ in 0..kills {
        if chance.one_in(8) {
            kill_while_it_starts(quiet().args(&flags).arg(&dir), chance.moment(START));
            continue;
        }
        let process = start();
        none(breaches(&mut load.facts(), process.addr, &dir));
        let clients = chance.fork();
        load.run(process.addr, clients, || {
            load.wait_for_some_moment(chance);
            load.is_dying();
            drop(process);
        });
    }
    let process = start();
    none(breaches(&mut load.facts(), process.addr, &dir));
    load.finish(process.addr, chance.fork());
    none(breaches(&mut load.facts(), process.addr, &dir));
    wait_for_hooks(&load.facts(), &hooked);
    load.facts().answers
}

/// Waits until the hook of each complete upload has run.
fn wait_for_hooks(facts: &Facts, hooked: &Path) {
    let begin = Instant::now();
    let is_due = |upload: &&Upload, ran: &str| upload.complete && !ran.contains(&upload.key());
    loop {
        let ran = fs::read_to_string(hooked).unwrap_or_default();
        let Some(due) = facts.uploads.iter().find(|upload| is_due(upload, &ran)) else {
            return;
        };
        assert!(begin.elapsed() < TIMEOUT, "no hook for it: {}", due.known());
    }
}

/// A hook that was about to be started when the server died holds, for that moment, what the server held.
fn wait_for_the_lock(dir: &Path) {
    if let Ok(lock) = fs::File::open(dir.join(".resumed/lock")) {
        let locked = in_time("nobody keeps the lock", move || {
            flock(&lock, FlockOperation::LockExclusive)
        });
        locked.expect("locked");
    }
}

fn kill_while_it_starts(command: &mut Command, after: Duration) {
    command.args(["--listen", "127.0.0.1:0"]);
    let child = command.stdout(Stdio::null()).spawn();
    let mut child = child.expect("the command runs");
    sleep(after);
    child.kill().expect("killed");
    child.wait_in_time();
}
