//! A disk with slow syncs, as an SD card has them: requests that need no sync do not wait for one.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::durability::file_systems::place::Place;
use crate::support::left_out::require;
use crate::support::program::Process;
use crate::support::running::wait_for_part;
use crate::support::trace::{Traced, strace_obstacle};
use crate::support::{Client, append, get, status};

const HALF: u64 = 100_000;

/// The delay of each sync in the test on any disk.
const DELAY: Duration = Duration::from_secs(1);
const SLOW: &str = "inject=fsync,fdatasync:delay_enter=1s";

/// A clean request takes at most this time, unless other programs need the processor.
const PROMPT: Duration = Duration::from_millis(100);

/// The delay of each flush of the slow disk of `mounts.sh`.
const FLUSH: Duration = Duration::from_secs(12);

/// The syncs for which a status of a new upload waits: the running one, and one of record, bytes, marker and names together.
const SYNCS: u32 = 2;

#[test]
fn clean_requests_answer_while_a_sync_runs() {
    require!("a disk that is slow to sync", strace_obstacle());
    let dir = tempfile::tempdir().expect("a directory");
    let slow = start_slow(dir.path());
    make_clean(&slow.process);
    assert_independent(&slow.process, dir.path(), DELAY);
}

#[test]
fn clean_uploads_of_an_earlier_run_answer_while_a_sync_runs() {
    let dir = tempfile::tempdir().expect("a directory");
    let obstacle = strace_obstacle().or_else(|| whole_sync_obstacle(dir.path()));
    require!("clean uploads on a slow disk after a restart", obstacle);
    let quick = Process::start(dir.path(), "127.0.0.1:0", &[] as &[&str]);
    make_clean(&quick);
    for number in 0..OTHERS {
        send_half(&quick, &other(number));
    }
    drop(quick);
    let slow = start_slow(dir.path());
    wait_for_the_sync_at_start(&slow.process, DELAY);
    assert_independent(&slow.process, dir.path(), DELAY);
}

#[test]
#[ignore = "needs device-mapper: make filesystems"]
fn clean_requests_answer_on_a_disk_with_slow_flushes() {
    let place = Place::new("slow").expect("a disk with slow flushes");
    let dir = place.uploads();
    let process = Process::start(&dir, "127.0.0.1:0", &[] as &[&str]);
    make_clean(&process);
    place.run("slow", "rw").expect("slow from now on");
    assert_independent(&process, &dir, FLUSH);
    drop(process);
    place.run("fast", "rw").expect("fast again");
}

/// Starts a server whose syncs take a second.
fn start_slow(dir: &Path) -> Traced {
    let options = ["-e", "trace=fsync,fdatasync", "-e", SLOW];
    Traced::start(dir, &[], &options)
}

/// Returns the reason if the server does not sync the file system of `dir` as a whole.
fn whole_sync_obstacle(dir: &Path) -> Option<String> {
    // ext4, xfs, btrfs, tmpfs.
    let known = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994];
    let kind = rustix::fs::statfs(dir).expect("a directory").f_type as u32;
    (!known.contains(&kind)).then(|| format!("{} is on another file system", dir.display()))
}

/// Other clean uploads of an earlier run.
const OTHERS: usize = 10;

fn other(number: usize) -> String {
    format!("other{number}-{}-1", 2 * HALF)
}

/// Asks for one upload after the other, until the server answers without a sync.
fn wait_for_the_sync_at_start(process: &Process, delay: Duration) {
    let is_quick = |number: usize| {
        let since = Instant::now();
        assert_eq!(process.connect().held(&other(number)), HALF);
        since.elapsed() < delay / 2
    };
    assert!((0..OTHERS).any(is_quick), "each status waits for a sync");
}

/// The uploads that are durable, and not in memory: a partial one, one that came in two requests, one that came in one.
fn clean() -> [(String, u64); 3] {
    ["half", "parts", "whole"].map(|name| {
        let length = if name == "half" { HALF } else { 2 * HALF };
        (format!("{name}-{}-1", 2 * HALF), length)
    })
}

fn make_clean(process: &Process) {
    let [half, parts, whole] = clean().map(|(id, _)| id);
    send_half(process, &half);
    send_half(process, &parts);
    let bytes = vec![b'x'; 2 * HALF as usize];
    let rest = process.send(append(&parts, HALF, HALF), &bytes[..HALF as usize]);
    let all = process.send(append(&whole, 0, 2 * HALF), &bytes);
    for answer in [rest, all] {
        assert_eq!(answer.text(), format!("Success {}", 2 * HALF));
    }
}

/// Sends the first half of a file in a whole request, so that the upload leaves memory.
fn send_half(process: &Process, id: &str) {
    let answer = process.send(append(id, 0, HALF), &vec![b'x'; HALF as usize]);
    assert_eq!(answer.text(), HALF.to_string());
}

/// Sends the first half of an upload, and leaves the connection open.
fn begin(process: &Process, id: &str) -> Client {
    let mut client = process.connect();
    client.send(append(id, 0, 2 * HALF));
    client.send(vec![b'x'; HALF as usize]);
    client
}

/// Asks for two uploads that need syncs. Until both answers are there, sends requests that need none.
fn assert_independent(process: &Process, dir: &Path, delay: Duration) {
    let before = wait_for_part(dir, 0);
    let bodies = ["one", "two"].map(|id| begin(process, id));
    wait_for_part(dir, before + 2 * HALF);
    let since = Instant::now();
    let mut waiting = ["one", "two"].map(|id| {
        let mut client = process.connect();
        client.send(status(id));
        client
    });
    let mut rounds = Vec::new();
    while !waiting.iter().all(Client::has_answer) {
        rounds.push(ask_clean(process, rounds.len()));
        assert!(since.elapsed() < 5 * SYNCS * delay, "no answer");
    }
    let dirty = since.elapsed();
    for client in &mut waiting {
        assert_eq!(client.answer().text(), HALF.to_string());
    }
    drop(bodies);
    rounds.sort();
    let (count, median) = (rounds.len(), rounds[rounds.len() / 2]);
    let longest = rounds[count - 1];
    eprintln!(
        "syncs of {delay:?}: dirty status {dirty:?}; {count} rounds of clean requests, median {median:?}, longest {longest:?}"
    );
    assert!(count > 10, "{count} rounds while the syncs ran");
    assert!(median < PROMPT, "half of the rounds took {median:?}");
    assert!(
        longest < delay * 3 / 4,
        "a request waited for a sync: {longest:?}"
    );
    assert!(dirty < (SYNCS + 1) * delay, "{dirty:?}");
}

/// Sends each kind of request that needs no sync, one after the other. Returns the longest time until an answer.
fn ask_clean(process: &Process, round: usize) -> Duration {
    let head =
        append(&format!("new-{round}"), 0, 5).replace("Content", "Expect: 100-continue\r\nContent");
    let requests = [
        (get("/health", ""), 200),
        (get("/", ""), 200),
        (status("unknown"), 200),
        (head, 100),
    ];
    let others = requests.iter().map(|(request, status)| {
        let since = Instant::now();
        assert_eq!(process.ask(request).status, *status, "{request}");
        since.elapsed()
    });
    let clean = clean().into_iter().map(|(id, length)| {
        let since = Instant::now();
        let answer = process.ask(status(&id));
        assert!(
            answer.text().contains(&length.to_string()),
            "{id}: {answer:?}"
        );
        since.elapsed()
    });
    others.chain(clean).max().unwrap_or_default()
}
