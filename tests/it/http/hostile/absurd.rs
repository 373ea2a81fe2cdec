//! Lengths that nothing has, and lines that do not end: each is answered, and closed in time, and costs no memory.

use std::time::{Duration, Instant};

use crate::support::Client;
use crate::support::proc::memory_peak_kib;
use crate::support::program::Program;

/// The default of each limit in seconds.
const DEADLINE: Duration = Duration::from_secs(10);

/// Windows of a few connections, and what an allocator rounds up to.
const GROWTH_KIB: u64 = 2_048;

/// As much as its senders would send.
const ENDLESS: u64 = 1_000_000_000;

/// A beginning, what follows it without end, and the answer.
type Endless = (String, &'static str, u16);

fn status(framing: &str, repeated: &'static str) -> Endless {
    let head =
        format!("GET /status HTTP/1.1\r\nHost: localhost\r\nX-File-Id: a\r\n{framing}\r\n\r\n");
    (head, repeated, 200)
}

fn append(framing: &str, repeated: &'static str, status: u16) -> Endless {
    let head = "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: a\r\n";
    (format!("{head}{framing}"), repeated, status)
}

fn endless() -> Vec<Endless> {
    let chunked = |start: &str| format!("Transfer-Encoding: chunked\r\n\r\n{start}");
    vec![
        // A body that nobody wants.
        status("Content-Length: 1000000000", "x"),
        status("Content-Length: 4000000000000000000", "x"),
        status("Transfer-Encoding: chunked", "8\r\nxxxxxxxx\r\n"),
        status("Transfer-Encoding: chunked", "1\r\nx\r\n"),
        // Lengths that nothing has.
        append("Content-Length: 4000000000000000000\r\n\r\n", "x", 507),
        append("Content-Length: 18446744073709551616\r\n\r\n", "x", 400),
        append("Content-Length: -1\r\n\r\n", "x", 400),
        append("Content-Length: 5\r\nContent-Length: 5\r\n\r\n", "x", 400),
        append("Content-Length: ", "9", 431),
        append(&chunked("ffffffffffffffff1\r\n"), "x", 400),
        append(&chunked(""), "0", 400),
        append(&chunked("1"), "f", 400),
        // Lines that do not end, and lines without end.
        append(&chunked("1;"), "x", 400),
        append(&chunked("0\r\nX: "), "x", 400),
        append(&chunked("0\r\n"), "X: y\r\n", 400),
        append("", "X: y\r\n", 431),
        append("X: ", "y", 431),
        ("GET /".into(), "x", 414),
        ("".into(), "G", 431),
        ("".into(), "\r\n", 400),
    ]
}

#[test]
fn endless_input_is_refused_in_time_and_uses_no_memory() {
    let server = Program::start(&[]);
    // The first of all requests makes what all others share.
    play(&server, &status("Content-Length: 1000000", "x"), 1_000_000);
    let before = memory_peak_kib(server.pid());
    for endless in endless() {
        let begin = Instant::now();
        let sent = play(&server, &endless, ENDLESS);
        let (start, text) = (&endless.0, endless.1);
        assert!(
            sent < ENDLESS,
            "{start:?} and {text:?} without end are read to the end"
        );
        assert!(
            begin.elapsed() < DEADLINE,
            "{start:?} and {text:?}: {:?}",
            begin.elapsed()
        );
    }
    let grown = memory_peak_kib(server.pid()) - before;
    assert!(grown < GROWTH_KIB, "{grown} KiB more");
}

/// Sends on until the server closes; how many bytes it took.
fn play(server: &Program, (start, repeated, status): &Endless, most: u64) -> u64 {
    let mut client = Client::connect(server.addr());
    client.send(start);
    let block = repeated.repeat(64 * 1024 / repeated.len());
    let mut sent = 0;
    while sent < most && client.try_send(&block).is_ok() {
        sent += block.len() as u64;
    }
    assert_eq!(
        client.answer().status,
        *status,
        "{start:?} and {repeated:?}"
    );
    sent
}
