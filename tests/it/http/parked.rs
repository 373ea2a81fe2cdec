//! Parked, not pinned: silent clients cost sockets, not threads.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::left_out::{emulator_obstacle, files_obstacle, require};
use crate::support::limit::wait_until;
use crate::support::proc::memory_peak_kib;
use crate::support::program::Process;
use crate::support::{Client, Site, append};

const SILENT: usize = 2_000;
/// Each upload has two sockets and a data file. The rest is for tests that run beside.
const FILES: u64 = 4 * SILENT as u64;

/// A head and some body, then nothing.
fn silent(site: &Site, number: usize) -> Client {
    let mut client = site.connect();
    client.send(append(&format!("silent-{number}"), 0, 1_000_000) + "some of it");
    client
}

#[test]
fn two_thousand_silent_uploads_are_as_if_they_were_not_there() {
    require!("2,000 silent uploads", files_obstacle(FILES));
    let site = Site::with(|config| config.workers(4));
    let silent: Vec<Client> = (0..SILENT).map(|number| silent(&site, number)).collect();

    assert_eq!(site.held("another"), 0);
    let content = vec![7; 10_000_000];
    let mut client = site.connect();
    client.send(append("big.bin-10000000-1700000000000", 0, content.len()));
    assert_eq!(client.ask(&content).text(), "Success 10000000");
    assert!(fs::read(site.dir().join("big.bin")).expect("published") == content);

    for number in [0, SILENT / 2, SILENT - 1] {
        wait_until!(site.held(&format!("silent-{number}")) >= 10);
    }
    drop(silent);
}

/// The memory of a server that has all of these heads, in KiB.
const HEADS_MEMORY_MAX_KIB: u64 = 12 * 1024;

#[test]
fn thousands_of_unfinished_heads_take_a_bounded_memory() {
    let obstacle = files_obstacle(FILES).or_else(emulator_obstacle);
    require!("2,000 unfinished heads", obstacle);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = Process::start::<&str>(dir.path(), "127.0.0.1:0", &[]);
    let begun = "GET /status HTTP/1.1\r\nHost: localhost\r\nX-Padding: ".to_owned();
    let begun = begun + &"x".repeat(15_000);
    let clients: Vec<Client> = (0..SILENT)
        .map(|_| {
            let mut client = server.connect();
            // An earlier head may be evicted, but no connection waits for it.
            client.send(&begun);
            client
        })
        .collect();
    assert_eq!(server.connect().held("a"), 0);
    let peak = memory_peak_kib(server.pid());
    assert!(peak < HEADS_MEMORY_MAX_KIB, "{peak} KiB");
    drop(clients);
}

#[test]
fn a_head_that_trickles_is_closed_at_its_deadline() {
    let timeout = Duration::from_millis(300);
    let site = Site::with(|config| config.head_timeout(timeout));
    let begin = Instant::now();
    let mut client = site.connect();
    client.send("GET /status HTTP/1.1\r\nHost: localhost\r\nX-Padding: ");
    // Each byte comes long before the deadline; all of them together never end.
    while client.try_send("x").is_ok() && begin.elapsed() < timeout * 3 {
        std::thread::sleep(timeout / 30);
    }
    assert_eq!(client.answer().status, 408);
    assert!(begin.elapsed() >= timeout);
    client.expect_close();
}
