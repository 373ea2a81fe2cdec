//! Months of small uploads in minutes: memory, descriptors, files and the cost of a start stay the same.
//!
//! Time passes between two runs of the server: the files in `.resumed` get earlier dates, and the clock that counts the
//! running time gets more of it. Files are in memory, so that the disk does not count.

use std::fs::{self, File};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::files::finished;
use crate::support::limit::WaitInTime;
use crate::support::proc::{descriptors, memory_kib, processor_us, sockets};
use crate::support::program::Process;
use crate::support::torture::some_or_all;
use crate::support::{Client, append};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The parts of a soak. When one ends, all its uploads expire.
const TENTHS: usize = 10;

const CLIENTS: usize = 4;

/// The kinds of uploads, in turn. After the named ones come those that arrive in one request.
const KINDS: usize = 20;
const IN_PARTS: usize = 0;
const CUT: usize = 1;
const CANCELLED: usize = 2;
const REPEATED: usize = 3;
const REMOVED: usize = 4;

/// Nothing that is waited for takes a tenth of it.
const TIMEOUT: Duration = Duration::from_secs(120);

#[test]
fn a_million_small_uploads_leave_nothing_behind() {
    let soak = Soak::new(&[]);
    let idle = soak.rest_of_idle();
    let tenths = soak.play(some_or_all(2_000, 1_000_000));
    let last = tenths.last().expect("some");
    assert_eq!(last.growth_since(&tenths[0]), None, "{tenths:#?}");

    // The sweep of this run removes all that is left.
    soak.stop(soak.start());
    let idle_again = soak.rest_of_idle();
    assert_eq!(idle_again.growth_since(&idle), None);
}

/// A test of the test: without expiry the server holds ten times as much at the end.
#[test]
fn soak_without_expiry_is_detected() {
    let soak = Soak::new(&["--expire", "999d"]);
    let tenths = soak.play(1_000);
    let last = tenths.last().expect("some");
    assert!(last.growth_since(&tenths[0]).is_some(), "{tenths:#?}");
}

/// The state of a server at rest, after uploads and without clients.
#[derive(Debug)]
struct Rest {
    /// Processor time until the end of the first sweep.
    start_us: u64,
    memory_kib: u64,
    /// The memory after a restart, with the same uploads.
    restarted_kib: u64,
    descriptors: u64,
    /// The number of files in `.resumed`.
    hidden: u64,
}

impl Rest {
    /// Returns a figure that is larger than at an earlier rest. The bounds allow for chance, not for ten times as many
    /// uploads.
    fn growth_since(&self, earlier: &Rest) -> Option<String> {
        let (now, then) = (self, earlier);
        let restarted_kib = now.restarted_kib * 3 / 2 + 4096;
        let figures = [
            ("us of a start", now.start_us, then.start_us * 3 + 50_000),
            ("KiB", now.memory_kib, then.memory_kib * 3 / 2 + 1024),
            ("KiB that a restart frees", now.memory_kib, restarted_kib),
            // A sweep may have just opened a file.
            ("descriptors", now.descriptors, then.descriptors + 3),
            ("hidden files", now.hidden, then.hidden * 5 / 4),
        ];
        let grown = figures.iter().find(|(_, value, most)| value > most)?;
        Some(format!("{grown:?}: {now:?}, before {then:?}"))
    }
}

/// A directory, and the flags of the servers that run there.
struct Soak {
    dir: TempDir,
    flags: &'static [&'static str],
}

impl Soak {
    fn new(flags: &'static [&'static str]) -> Soak {
        let dir = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
        let soak = Soak { dir, flags };
        // Writes the clock.
        soak.stop(soak.start());
        soak
    }

    /// Plays this number of uploads. Returns the state after each tenth.
    fn play(&self, uploads: usize) -> Vec<Rest> {
        let begun = Instant::now();
        let tenths = (0..TENTHS).map(|tenth| {
            let rest = self.play_tenth(tenth, uploads / TENTHS);
            println!("{:.0?}: {rest:?}", begun.elapsed());
            rest
        });
        tenths.collect()
    }

    /// Plays uploads in two runs of the server, with three days between them. At the end a user takes the files away, and
    /// eight days pass.
    fn play_tenth(&self, tenth: usize, uploads: usize) -> Rest {
        let end = |server| match tenth % 2 {
            0 => drop(server),
            _ => self.stop(server),
        };
        let server = self.start();
        self.upload_all(&server, &format!("a{tenth}"), uploads / 2);
        end(server);
        self.pass(3 * DAY);

        let server = self.start();
        let start_us = processor_us(server.pid());
        self.upload_all(&server, &format!("b{tenth}"), uploads / 2);
        let mut rest = self.rest(&server, start_us);
        end(server);

        let server = self.start();
        rest.restarted_kib = memory_kib(server.pid());
        self.expect_all_published(&server, tenth, uploads);
        self.stop(server);
        for name in finished(self.dir.path()) {
            fs::remove_file(self.dir.path().join(name)).expect("removed");
        }
        self.pass(8 * DAY);
        rest
    }

    /// Starts a server, and waits for the end of its first sweep.
    fn start(&self) -> Process {
        let levels = "error,resumed::uploads::background=debug";
        let mut server = Process::logging(levels, self.dir.path(), self.flags);
        let mut log = server.log();
        assert!(log.any(|line| line.contains("sweep ended")));
        thread::spawn(move || log.for_each(drop));
        server
    }

    fn stop(&self, mut server: Process) {
        let pid = Pid::from_child(server.child());
        kill_process(pid, Signal::TERM).expect("sent");
        assert!(server.child().wait_in_time().success());
    }

    fn rest(&self, server: &Process, start_us: u64) -> Rest {
        let memory_kib = memory_kib(server.pid());
        Rest {
            start_us,
            memory_kib,
            restarted_kib: memory_kib,
            descriptors: descriptors(server.pid()) as u64,
            hidden: self.hidden().len() as u64,
        }
    }

    /// Returns the state of a server without uploads.
    fn rest_of_idle(&self) -> Rest {
        let server = self.start();
        let rest = self.rest(&server, processor_us(server.pid()));
        self.stop(server);
        rest
    }

    /// Uploads files with some clients, and waits until the server has closed their connections.
    fn upload_all(&self, server: &Process, run: &str, uploads: usize) {
        let before = sockets(server.pid());
        thread::scope(|scope| {
            for number in 0..CLIENTS {
                scope.spawn(move || {
                    let mut client = server.connect();
                    let mine = (number..uploads).step_by(CLIENTS);
                    mine.for_each(|upload| self.upload(&mut client, run, upload));
                });
            }
        });
        wait_until("connections end", || sockets(server.pid()) == before);
    }

    fn upload(&self, client: &mut Client, run: &str, number: usize) {
        let id = id(run, number);
        let mut whole = || {
            let answer = client.ask(append(&id, 0, 5) + "hello");
            assert_eq!(answer.text(), "Success 5", "{answer:?}");
        };
        match number % KINDS {
            kind @ (IN_PARTS | CUT | CANCELLED) => {
                assert_eq!(client.ask(append(&id, 0, 2) + "he").text(), "2");
                if kind == IN_PARTS {
                    let answer = client.ask(append(&id, 2, 3) + "llo");
                    assert_eq!(answer.text(), "Success 5");
                } else if kind == CANCELLED {
                    let cancel = "DELETE /upload HTTP/1.1\r\nHost: localhost\r\n";
                    let answer = client.ask(format!("{cancel}X-File-Id: {id}\r\n\r\n"));
                    assert_eq!(answer.status, 204, "{answer:?}");
                }
            }
            REPEATED => {
                whole();
                assert_eq!(client.ask(append(&id, 5, 0)).text(), "Success 5");
            }
            REMOVED => {
                whole();
                fs::remove_file(self.dir.path().join(name(run, number))).expect("removed");
                whole();
            }
            _ => whole(),
        }
    }

    /// Requires each complete upload once in the directory, and the same answer as before to some of them.
    fn expect_all_published(&self, server: &Process, tenth: usize, uploads: usize) {
        let mut client = server.connect();
        for (run, number) in [('a', 3), ('b', 5), ('b', IN_PARTS)] {
            let id = id(&format!("{run}{tenth}"), number);
            assert_eq!(client.ask(append(&id, 5, 0)).text(), "Success 5");
        }
        let is_complete = |number: &usize| ![CUT, CANCELLED].contains(&(number % KINDS));
        let complete = (0..uploads / 2).filter(is_complete).count() * 2;
        assert_eq!(finished(self.dir.path()).len(), complete);
    }

    fn clock(&self) -> String {
        // There is none before the first stop.
        fs::read_to_string(self.dir.path().join(".resumed/clock")).unwrap_or_default()
    }

    /// Returns the paths of all files in `.resumed`.
    fn hidden(&self) -> Vec<String> {
        let hidden = self.dir.path().join(".resumed");
        match hidden.exists() {
            true => finished(&hidden),
            false => Vec::new(),
        }
    }

    /// Lets time pass as if the last server had run on: see `src/store/clock.rs`.
    fn pass(&self, time: Duration) {
        let hidden = self.dir.path().join(".resumed");
        for name in self.hidden() {
            let file = File::open(hidden.join(name)).expect("opened");
            let modified = file.metadata().expect("its metadata").modified();
            file.set_modified(modified.expect("a time") - time)
                .expect("dated");
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = since.expect("after 1970").as_millis();
        let mut eras: Vec<Vec<u128>> = Vec::new();
        for line in self.clock().lines() {
            let numbers = line
                .split(' ')
                .map(|number| number.parse().expect("a number"));
            let mut era: Vec<u128> = numbers.collect();
            era[1] -= time.as_millis();
            era[2] -= time.as_millis();
            eras.push(era);
        }
        eras.last_mut().expect("an era")[2] = now_ms;
        let lines = eras
            .iter()
            .map(|era| format!("{} {} {}\n", era[0], era[1], era[2]));
        fs::write(hidden.join("clock"), lines.collect::<String>()).expect("written");
    }
}

fn name(run: &str, number: usize) -> String {
    format!("{run}.{number}")
}

fn id(run: &str, number: usize) -> String {
    format!("{}-5-1700000000000", name(run, number))
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < TIMEOUT, "not in {TIMEOUT:?}: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
