//! Time limits inside TLS records, and the memory of clients that leave records unfinished or unread.

use std::fs;
use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use crate::support::left_out::{files_obstacle, require};
use crate::support::proc::memory_peak_kib;
use crate::support::program::Process;
use crate::support::tls::{Pem, TlsClient};
use crate::support::{Site, TIMEOUT, get};

fn site_with(set: impl FnOnce(resumed::Config) -> resumed::Config) -> Site {
    Site::with(|config| set(config.tls(Pem::new().options())))
}

const LIMIT: Duration = Duration::from_millis(300);

/// Each byte comes long before the deadline of an idle connection.
#[test]
fn head_in_an_unfinished_record_gets_408_at_its_deadline() {
    let site = site_with(|config| config.head_timeout(LIMIT));
    for asks_first in [false, true] {
        let mut client = TlsClient::connect(site.addr());
        if asks_first {
            assert_eq!(client.ask(get("/health", "")).0, 200);
        }
        let record = client.records(get("/health", &format!("X: {}\r\n", "x".repeat(200))));
        let pause = Duration::from_millis(20);
        client.stream.set_read_timeout(Some(pause)).expect("set");
        let mut bytes = record[..record.len() - 1].chunks(1);
        let answer = loop {
            client.send_raw(bytes.next().expect("a deadline before the last byte"));
            match client.try_answer() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                answer => break answer,
            }
        };
        assert_eq!(answer.expect("an answer").0, 408, "{asks_first}");
    }
}

/// A KeyUpdate is a record without data.
#[test]
fn records_without_data_do_not_keep_an_idle_connection() {
    let site = site_with(|config| config.keep_alive_idle(LIMIT));
    let mut client = TlsClient::connect(site.addr());
    assert_eq!(client.ask(get("/health", "")).0, 200);
    let begin = Instant::now();
    client
        .stream
        .set_read_timeout(Some(LIMIT / 10))
        .expect("set");
    loop {
        client.tls.refresh_traffic_keys().expect("TLS 1.3");
        let mut record = Vec::new();
        client.tls.write_tls(&mut record).expect("a vector");
        client.send_raw(&record);
        match client.stream.read(&mut [0; 4096]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        assert!(begin.elapsed() < TIMEOUT, "the connection stays open");
    }
}

const UNREADING: usize = 100;
/// Records of 64 KiB, the state of the connection, and the rounding of the allocator. The whole script needs more.
const UNREAD_KIB: u64 = 100;

/// The script has 120 KB, more than the records that wait for the socket, and each client asks for it many times.
#[test]
fn unread_responses_take_the_records_of_one_write() {
    require!("unread TLS responses", files_obstacle(4 * UNREADING as u64));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let pem = Pem::new();
    let path = |name| dir.path().join(name).to_str().expect("text").to_owned();
    fs::write(path("cert.pem"), &pem.certificate).expect("written");
    fs::write(path("key.pem"), &pem.key).expect("written");
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let flags = ["--tls-cert", &cert, "--tls-key", &key];
    let server = Process::start(&dir.path().join("uploads"), "127.0.0.1:0", &flags);
    let unreading = |_| {
        let mut client = TlsClient::connect(server.addr);
        client.send(get("/page.js", "").repeat(100));
        client
    };
    let mut clients: Vec<_> = (0..10).map(unreading).collect();
    let before = memory_peak_kib(server.pid());
    clients.extend((0..UNREADING).map(unreading));
    let mut asks = TlsClient::connect(server.addr);
    assert_eq!(asks.ask(get("/health", "")).0, 200);
    let each = (memory_peak_kib(server.pid()) - before) / UNREADING as u64;
    assert!(each < UNREAD_KIB, "{each} KiB each");
}
