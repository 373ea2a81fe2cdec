//! A body allocates nothing. This binary is separate, because the test counts all allocations of the process.

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use resumed::store::SyncMode;
use resumed::{Config, Server};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MB: usize = 1_000_000;

/// More than a hundred windows, each.
const STRETCH: usize = 32 * MB;
const STRETCHES: usize = 5;
const LENGTH: usize = STRETCHES * STRETCH;

/// Sent at once; a chunk, where the body is chunked.
const PIECE: usize = 100_000;

#[test]
fn a_body_on_its_way_allocates_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    // A sync has a thread of its own, which is allocated: every 64 MiB.
    let config = Config::new(dir.path()).listen("127.0.0.1:0");
    let config = config.sync(SyncMode::Fast);
    let server = resumed::start(config).expect("the server starts");
    let piece = [b'x'; PIECE];

    let known = format!("Content-Length: {LENGTH}");
    check(&server, "known", &known, &piece, b"");

    let chunk = [format!("{PIECE:x}\r\n").as_bytes(), &piece, b"\r\n"].concat();
    let chunked = format!("X-File-Size: {LENGTH}\r\nTransfer-Encoding: chunked");
    check(&server, "chunked", &chunked, &chunk, b"0\r\n\r\n");

    let checked = format!("X-File-CRC32: ?\r\n{known}");
    check(&server, "checked", &checked, &piece, b"");
}

/// Uploads the same piece again and again.
#[track_caller]
fn check(server: &Server, id: &str, framing: &str, piece: &[u8], end: &[u8]) {
    let mut sender = Sender::begin(
        server.addr().tcp().expect("it listens on a port"),
        &format!("X-File-Id: {id}\r\n{framing}"),
    );
    // Some things are allocated once, such as the room in a queue: when they are first needed, whenever that is.
    let stretches = (0..STRETCHES).map(|_| {
        let region = Region::new(ALLOCATOR);
        sender.send(piece, STRETCH / PIECE);
        let change = region.change();
        change.allocations + change.reallocations
    });
    let counts: Vec<usize> = stretches.collect();
    assert!(counts.contains(&0), "{id}: {counts:?} allocations");

    sender.send(end, 1);
    let answer = sender.answer();
    assert!(
        answer.contains(&format!("Upload-Offset: {LENGTH}\r\n")),
        "{answer}"
    );
}

/// A client that allocates nothing while it sends.
struct Sender(TcpStream);

impl Sender {
    fn begin(addr: SocketAddr, fields: &str) -> Sender {
        let mut sender = Sender(TcpStream::connect(addr).expect("the server accepts"));
        let head = "POST /upload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
        sender.send(format!("{head}{fields}\r\n\r\n").as_bytes(), 1);
        sender
    }

    fn send(&mut self, bytes: &[u8], times: usize) {
        for _ in 0..times {
            self.0
                .write_all(bytes)
                .expect("the server takes what is sent");
        }
    }

    fn answer(mut self) -> String {
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).expect("an answer");
        answer
    }
}
