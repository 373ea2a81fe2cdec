//! Crash states, enumerated.
//!
//! A scenario runs against the real server under `strace` (`scenario`). Its system calls become a log of changes of the
//! disk, of syncs, and of answers (`record`). A crash may come after each step of the log. For each such moment a model
//! of a file system says which changes the disk may have (`model`). Each such state is written to a directory in memory,
//! and a new store opens it (`verify`): every answer before the crash holds, full uploads are published, nothing is
//! published twice, foreign files stay, a second start changes nothing more, and each upload can be carried on.
//!
//! `strace` and not a recorder in the store: the log then has calls that bypass the door to the disk too, and the
//! recorded program may be an older one.
//!
//! | model | file system |
//! | --- | --- |
//! | `Kill` | a killed process: all changes |
//! | `Ext4`, `Xfs` | names, attributes and lengths in their order; bytes before or after them, as these file systems write them |
//! | `Btrfs` | all changes up to a moment, and later ones that a sync covers |
//! | `Renames` | each unsynced change is there or not, with torn blocks of 4 KiB, and with zeros; no rename loses a file, and a sync of a file includes its name |
//! | `Posix` | the same, but a sync of a file or directory says nothing of any other one |
//!
//! `Posix` has one promise more than the standard: a rename that no sync covers leaves the new name or the old one. Without
//! this promise no program can move a file.
//!
//! Some scenarios hold on ext4, xfs, btrfs and `Renames`, but not with `Posix`:
//!
//! - Uploads at the same time sync `.resumed` for each other, also between the rename of one and the sync of its new name. If
//!   only the removal of the old name is durable, the file is lost.
//! - An upload in one request whose name another file has writes this name into the log before the rename. If the entry is
//!   durable and the name of the data file is not, the upload counts as complete, because the other file is there.

mod image;
mod model;
mod record;
mod scenario;
mod verify;

use std::collections::HashSet;
use std::fs;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use resumed::store::{Options, Store};
use rustix::fs::{XattrFlags, lsetxattr};
use tempfile::TempDir;

use crate::support::left_out::require;
use crate::support::torture::some_or_all;
use crate::support::trace::strace_obstacle;

use super::chance::Chance;
use super::none;
use super::order::KINDS;

use image::Image;
use model::{Model, POWER_LOSSES, Visitor, states};
use record::Log;
use scenario::{Recorded, SCENARIOS};
use verify::{Case, Known};

/// One state of so many is checked in `make test`.
const SAMPLE: u64 = 50;

/// A test ends after so many breaches.
const ENOUGH: usize = 10;

/// A directory in memory for states, and the mount of it.
struct Room {
    home: TempDir,
    mount: Vec<u8>,
}

impl Room {
    fn new() -> Room {
        let home = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
        let dir = home.path().join("mount");
        drop(Store::open(&dir, Options::default()).expect("it opens"));
        let mount = fs::read(dir.join(".resumed/lock")).expect("a lock file");
        Room { home, mount }
    }

    fn obstacle() -> Option<String> {
        let Ok(home) = tempfile::tempdir_in("/dev/shm") else {
            return Some("there is no /dev/shm".into());
        };
        let set = lsetxattr(home.path(), "user.test", b"", XattrFlags::empty());
        set.err()
            .map(|error| format!("/dev/shm has no extended attributes: {error}"))
    }
}

/// The log of a scenario, and the way to check its states.
struct Check<'c> {
    recorded: &'c Recorded,
    log: Log,
    model: Model,
    room: &'c Room,
    /// The test ends after so many breaches.
    enough: usize,
}

struct Job {
    number: usize,
    step: usize,
    known: Known,
    state: Image,
}

/// The number of states, and the broken promises.
struct Outcome {
    states: usize,
    breaches: Vec<String>,
}

impl Check<'_> {
    /// Checks each state after each step, or one of `one_in`.
    fn run(&self, one_in: u64, chance: &mut Chance) -> Outcome {
        let breaches = Mutex::new(Vec::new());
        let (sender, receiver) = sync_channel::<Job>(64);
        // The workers alone own it: the sender fails when all of them have panicked.
        let receiver = Arc::new(Mutex::new(receiver));
        let (mut seen, mut built) = (HashSet::new(), HashSet::new());
        thread::scope(|scope| {
            let workers = thread::available_parallelism().map_or(1, usize::from);
            let breaches = &breaches;
            for worker in 0..workers {
                let receiver = Arc::clone(&receiver);
                scope.spawn(move || self.work(&receiver, worker, breaches));
            }
            drop(receiver);
            let mut known = Known::new(self.recorded);
            for step in 0..=self.log.steps.len() {
                if let Some(last) = step.checked_sub(1) {
                    let answers = known.answers;
                    known.add(&self.log.steps[last]);
                    if known.answers > answers {
                        built.clear();
                    }
                }
                if breaches.lock().expect("no panic").len() >= self.enough {
                    break;
                }
                let mut see = |state: Image| {
                    if seen.insert((known.answers, state.digest())) {
                        let (number, known) = (seen.len(), known.clone());
                        let job = Job {
                            number,
                            step,
                            known,
                            state,
                        };
                        sender.send(job).expect("a worker");
                    }
                };
                let mut visitor = Visitor {
                    one_in,
                    chance: &mut *chance,
                    built: &mut built,
                    see: &mut see,
                };
                states(self.model, &self.log, step, &mut visitor);
            }
            drop(sender);
        });
        Outcome {
            states: seen.len(),
            breaches: breaches.into_inner().expect("no panic"),
        }
    }

    fn work(&self, jobs: &Mutex<Receiver<Job>>, worker: usize, breaches: &Mutex<Vec<String>>) {
        let home = self.room.home.path().join(worker.to_string());
        loop {
            let Ok(job) = jobs.lock().expect("no panic").recv() else {
                return;
            };
            let scenario = self.recorded.scenario;
            let case = Case {
                model: self.model,
                known: &job.known,
                state: &job.state,
                options: scenario.options(),
                mount: &self.room.mount,
                is_swept_first: job.number % 2 == 0,
            };
            fs::create_dir(&home).expect("a directory");
            let found = case.breaches(&home);
            fs::remove_dir_all(&home).expect("removed");
            let at = format!("{}, {:?}, step {}", scenario.name, self.model, job.step);
            let found = found.into_iter().map(|breach| format!("{at}: {breach}"));
            breaches.lock().expect("no panic").extend(found);
        }
    }
}

fn obstacle() -> Option<String> {
    strace_obstacle().or_else(Room::obstacle)
}

#[test]
fn every_crash_state_keeps_every_answer() {
    require!("each crash state", obstacle());
    let (room, mut chance) = (Room::new(), Chance::from_seed());
    let mut breaches = Vec::new();
    for scenario in SCENARIOS {
        let recorded = scenario.record();
        let one_in = some_or_all(SAMPLE * scenario.weight(), 1);
        for model in [Model::Kill].into_iter().chain(POWER_LOSSES) {
            if model == Model::Posix && scenario.needs_more_than_posix() {
                continue;
            }
            let check = Check {
                recorded: &recorded,
                log: recorded.log(|_, _| true),
                model,
                room: &room,
                enough: ENOUGH,
            };
            let begin = Instant::now();
            // A kill leaves one state at each moment: all of them take three seconds.
            let one_in = if model == Model::Kill { 1 } else { one_in };
            let outcome = check.run(one_in, &mut chance);
            let (steps, states) = (check.log.steps.len(), outcome.states);
            let secs = begin.elapsed().as_secs_f32();
            println!(
                "{}, {model:?}: {steps} steps, {states} states, {secs:.1} s",
                scenario.name
            );
            breaches.extend(outcome.breaches);
        }
    }
    none(breaches);
}

/// No sync is made for nothing: without it, a crash state breaks a promise.
#[test]
fn missing_sync_of_each_kind_breaks_an_answer() {
    require!("crash states without syncs", obstacle());
    let (room, mut chance) = (Room::new(), Chance::from_seed());
    // The fastest first.
    let used = ["three parts", "one request", "folders"];
    let named = |name| SCENARIOS.iter().find(|scenario| scenario.name == name);
    let recorded = used.map(|name| named(name).expect("a scenario").record());
    for (what, is_it) in KINDS {
        let is_noticed = |recorded: &Recorded| {
            let check = Check {
                recorded,
                // The sync of the whole file system after the start would hide a missing one.
                log: recorded.log(|call, dir| call.name != "syncfs" && !is_it(call, dir)),
                model: Model::Posix,
                room: &room,
                enough: 1,
            };
            let found = check.run(1, &mut chance).breaches;
            found
                .first()
                .inspect(|breach| println!("no {what}: {breach}"))
                .is_some()
        };
        assert!(
            recorded.iter().any(is_noticed),
            "a missing {what} goes unnoticed"
        );
    }
}
