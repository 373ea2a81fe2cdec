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

/// The delay of each flush of the slow disk of `mounts.sh`.
const FLUSH: Duration = Duration::from_secs(12);

/// The syncs of an upload that was never synced: record, bytes, marker, names.
const SYNCS: u32 = 4;

#[test]
fn clean_requests_answer_while_a_sync_runs() {
    require!("a disk that is slow to sync", strace_obstacle());
    let dir = tempfile::tempdir().expect("a directory");
    let options = ["-e", "trace=fsync,fdatasync", "-e", SLOW];
    let traced = Traced::start(dir.path(), &[], &options);
    let _clean = make_clean(&traced.process, dir.path());
    assert_independent(&traced.process, dir.path(), DELAY);
}

#[test]
#[ignore = "needs device-mapper: make filesystems"]
fn clean_requests_answer_on_a_disk_with_slow_flushes() {
    let place = Place::new("slow").expect("a disk with slow flushes");
    let dir = place.uploads();
    let process = Process::start(&dir, "127.0.0.1:0", &[] as &[&str]);
    let _clean = make_clean(&process, &dir);
    place.run("slow", "rw").expect("slow from now on");
    assert_independent(&process, &dir, FLUSH);
    drop(process);
    place.run("fast", "rw").expect("fast again");
}

/// Uploads half of a file, and makes it durable. The connection stays open, so the upload stays in memory.
fn make_clean(process: &Process, dir: &Path) -> Client {
    let client = begin(process, "clean");
    wait_for_part(dir, HALF);
    assert_eq!(process.connect().held("clean"), HALF);
    client
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
    let bodies = ["one", "two"].map(|id| begin(process, id));
    wait_for_part(dir, 3 * HALF);
    let since = Instant::now();
    let mut waiting = ["one", "two"].map(|id| {
        let mut client = process.connect();
        client.send(status(id));
        client
    });
    let (mut longest, mut count) = (Duration::ZERO, 0);
    while !waiting.iter().all(Client::has_answer) {
        longest = longest.max(ask_clean(process, count));
        count += 1;
        assert!(since.elapsed() < 3 * SYNCS * delay, "no answer");
    }
    let dirty = since.elapsed();
    for client in &mut waiting {
        assert_eq!(client.answer().text(), HALF.to_string());
    }
    drop(bodies);
    eprintln!(
        "syncs of {delay:?}: dirty status {dirty:?}; {count} rounds of clean requests, longest {longest:?}"
    );
    assert!(count > 10, "{count} rounds while the syncs ran");
    assert!(
        longest < delay / 2,
        "a request waited for a sync: {longest:?}"
    );
    // The sync of the other upload may run first.
    assert!(dirty < (SYNCS + 2) * delay, "{dirty:?}");
}

/// Sends each kind of request that needs no sync. Returns the longest time until an answer.
fn ask_clean(process: &Process, round: u32) -> Duration {
    let head =
        append(&format!("new-{round}"), 0, 5).replace("Content", "Expect: 100-continue\r\nContent");
    let requests = [
        (get("/health", ""), 200),
        (get("/", ""), 200),
        (status("clean"), 200),
        (status("unknown"), 200),
        (head, 100),
    ];
    let times = requests.map(|(request, status)| {
        let since = Instant::now();
        assert_eq!(process.ask(&request).status, status, "{request}");
        since.elapsed()
    });
    times.into_iter().max().unwrap_or_default()
}
