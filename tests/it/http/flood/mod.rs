//! Thousands of hostile clients at once; an upload and a question get through.
//!
//! The test compares: the upload with the same upload before and after, the question with the same bytes to an echo
//! process. Files are in memory, so that the disk does not count.

mod crowd;
mod echo;

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::support::limit::SetAtEnd;
use crate::support::proc::{descriptors, memory_peak_kib};
use crate::support::program::Process;
use crate::support::torture::some_or_all;
use crate::support::{Client, append};
use crowd::{Crowd, come_and_go};
use echo::Echo;

/// Nothing that has ended is held for a tenth of this.
const TIMEOUT: Duration = Duration::from_secs(20);

const MEMORY_MAX_KIB: u64 = 40 * 1024;

/// The results of one flood.
#[derive(Debug)]
struct Round {
    /// Bytes a second of an upload without it, and with it.
    alone: f64,
    flooded: f64,
    /// The times of all answers, shortest first.
    statuses: Vec<Duration>,
    echoes: Vec<Duration>,
    memory_kib: u64,
}

#[test]
#[ignore = "counts and compares: make test runs it alone"]
fn an_upload_and_a_question_get_through_a_flood() {
    raise_descriptor_limit();
    let rounds: Vec<_> = (0..some_or_all(3, 1)).map(|_| Round::play()).collect();
    for round in &rounds {
        round.show();
        assert!(round.memory_kib < MEMORY_MAX_KIB);
    }
    let slower = median(rounds.iter().map(|round| round.alone / round.flooded));
    // What `make test` runs is not made fast, and shares the machine with its own clients.
    let most = some_or_all(4.0, 2.0);
    assert!(slower < most, "an upload takes {slower:.1} times as long");
    let later = median(rounds.iter().map(|round| {
        percentile(&round.statuses, 99).as_secs_f64() / percentile(&round.echoes, 99).as_secs_f64()
    }));
    let most = some_or_all(10.0, 3.0);
    assert!(later < most, "an answer takes {later:.1} times as long");
}

impl Round {
    fn play() -> Round {
        let time = Duration::from_secs(some_or_all(2, 60));
        let short = Duration::from_secs(some_or_all(1, 5));
        let stage = Stage::new();
        let before = descriptors(stage.server.pid());
        let before_it = stage.upload_for(short);
        let over = &AtomicBool::new(false);
        let crowd = Crowd::gather(
            stage.server.addr,
            some_or_all(500, 5_000),
            some_or_all(50, 500),
        );
        let (flooded, (statuses, echoes)) = thread::scope(|scope| {
            let at_end = SetAtEnd(over);
            scope.spawn(|| crowd.stay(over));
            scope.spawn(|| come_and_go(stage.server.addr, some_or_all(500, 5_000), time));
            let asked = scope.spawn(|| stage.ask_until(over));
            let flooded = stage.upload_for(time);
            drop(at_end);
            (flooded, asked.join().expect("it did not panic"))
        });
        let gone = Instant::now();
        while descriptors(stage.server.pid()) > before {
            assert!(gone.elapsed() < TIMEOUT, "what they held is not given back");
            ask(stage.server.addr);
        }
        let after_it = stage.upload_for(short);
        Round {
            alone: (before_it + after_it) / 2.0,
            flooded,
            statuses,
            echoes,
            memory_kib: memory_peak_kib(stage.server.pid()),
        }
    }

    fn show(&self) {
        let times = |times| [50, 99].map(|percent| percentile(times, percent));
        println!(
            "{:.0} MB/s alone, {:.0} MB/s flooded; {} asked, medians and 99th percentiles: status {:?}, echo {:?}; \
             {} KiB",
            self.alone / 1e6,
            self.flooded / 1e6,
            self.statuses.len(),
            times(&self.statuses),
            times(&self.echoes),
            self.memory_kib
        );
    }
}

/// The server, and what it is compared with.
struct Stage {
    server: Process,
    echo: Echo,
    dir: TempDir,
}

impl Stage {
    fn new() -> Stage {
        let dir = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
        command.env("RUST_LOG", "error");
        let server = Process::of::<&str>(command, dir.path(), "127.0.0.1:0", &[]);
        let stage = Stage {
            server,
            echo: Echo::start(),
            dir,
        };
        let mut client = Client::connect(stage.server.addr);
        client.send(append("quiet", 0, 10) + "some of it");
        assert_eq!(client.answer().text(), "10");
        stage.upload();
        stage
    }

    /// Bytes a second, over whole uploads.
    fn upload_for(&self, time: Duration) -> f64 {
        let (begin, mut bytes) = (Instant::now(), 0);
        while begin.elapsed() < time {
            bytes += self.upload();
        }
        bytes as f64 / begin.elapsed().as_secs_f64()
    }

    fn upload(&self) -> usize {
        let content = vec![7; 20_000_000];
        let id = format!("real-{}-1700000000000", content.len());
        let mut client = Client::connect(self.server.addr);
        client.send(append(&id, 0, content.len()));
        client.send(&content);
        assert_eq!(client.answer().text(), format!("Success {}", content.len()));
        fs::remove_file(self.dir.path().join("real")).expect("published");
        content.len()
    }

    /// Returns the response times of the server and of the echo, sorted.
    fn ask_until(&self, over: &AtomicBool) -> (Vec<Duration>, Vec<Duration>) {
        let (mut statuses, mut echoes) = (Vec::new(), Vec::new());
        while !over.load(Relaxed) {
            statuses.push(ask(self.server.addr));
            echoes.push(ask(self.echo.addr));
        }
        statuses.sort();
        echoes.sort();
        (statuses, echoes)
    }
}

/// Asks on a connection of its own; how long the answer took.
fn ask(addr: SocketAddr) -> Duration {
    let begin = Instant::now();
    let mut client = Client::connect(addr);
    client.send(
        "GET /status HTTP/1.1\r\nHost: localhost\r\nX-File-Id: quiet\r\nConnection: close\r\n\r\n",
    );
    assert!(!client.all().is_empty(), "an answer");
    begin.elapsed()
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[sorted.len() * percent / 100]
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A crowd has a descriptor each.
fn raise_descriptor_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).expect("as many as are allowed");
}
