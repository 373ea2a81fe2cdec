//! Every limit of a connection: its setter, and what a client sees when it is passed.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use resumed::Config;

use crate::support::{Answer, Client, Site, append, get, status};

const SHORT: Duration = Duration::from_millis(200);

/// Returns the answer of a server with this limit. Asserts that the server closes.
#[track_caller]
fn refused(set: impl FnOnce(Config) -> Config, request: &str) -> Answer {
    let site = Site::with(set);
    let mut client = site.connect();
    let answer = client.ask(request);
    assert_eq!(answer.field("Connection"), Some("close"), "{answer:?}");
    answer
}

#[test]
fn head_beyond_a_limit_is_refused() {
    let id = |length| get("/status", &format!("X-File-Id: {}\r\n", "x".repeat(length)));
    assert_eq!(
        refused(|config| config.head_bytes(1024), &id(2000)).status,
        431
    );
    assert_eq!(Site::new().ask(id(2000)).status, 200);
    let endless = get("/status", &format!("X-Padding: {}", "x".repeat(16 * 1024)));
    assert_eq!(refused(|config| config, &endless).status, 431);

    let fields = |count| {
        get(
            "/status",
            &format!("X-File-Id: a\r\n{}", "A: b\r\n".repeat(count)),
        )
    };
    assert_eq!(
        refused(|config| config.head_fields(5), &fields(10)).status,
        431
    );
    assert_eq!(Site::new().ask(fields(98)).status, 200);
    assert_eq!(refused(|config| config, &fields(99)).status, 431);

    let target = |length| {
        get(
            &format!("/status?{}", "x".repeat(length)),
            "X-File-Id: a\r\n",
        )
    };
    assert_eq!(
        refused(|config| config.target_bytes(100), &target(200)).status,
        414
    );
    assert_eq!(Site::new().ask(target(8000)).status, 200);
    assert_eq!(refused(|config| config, &target(8 * 1024)).status, 414);

    let begun = "GET /status HTTP/1.1\r\n";
    assert_eq!(
        refused(|config| config.head_timeout(SHORT), begun).status,
        408
    );
}

#[test]
fn body_idle_keeps_what_came() {
    let site = Site::with(|config| config.body_idle(SHORT));
    let mut client = site.connect();
    let answer = client.ask(append("a", 0, 100) + "hello");
    assert_eq!(answer.status, 408);
    assert_eq!(answer.field("Upload-Offset"), Some("5"));
    assert_eq!(answer.field("Connection"), Some("close"));
    client.stop_sending();
    client.expect_close();
    assert_eq!(site.held("a"), 5);
}

#[test]
fn keep_alive_idle() {
    let site = Site::with(|config| config.keep_alive_idle(SHORT));
    let mut client = site.connect();
    assert_eq!(client.ask(status("a")).status, 200);
    client.expect_close();
    assert_eq!(site.connect().rest().expect("closed"), b"");
}

/// Sends until the server will not take it any more; how much that was.
fn send_on(client: &mut Client) -> u64 {
    let part = [0; 64 * 1024];
    let mut sent = 0;
    while client.try_send(part).is_ok() {
        sent += part.len() as u64;
    }
    sent
}

#[test]
fn drain_bytes() {
    let site = Site::with(|config| config.max_size(10).drain_bytes(1 << 20));
    let mut client = site.connect();
    assert_eq!(client.ask(append("a", 0, 1_u64 << 40)).status, 413);
    let sent = send_on(&mut client);
    assert!(sent >= 1 << 20, "only {sent} bytes were drained");
}

#[test]
fn drain_timeout() {
    let site = Site::with(|config| config.max_size(10).drain_timeout(SHORT));
    let begin = Instant::now();
    let mut client = site.connect();
    assert_eq!(client.ask(append("a", 0, 1_u64 << 40)).status, 413);
    client.expect_close();
    // The half-close came with the answer; the close is seen by writing into it.
    while client.try_send("x").is_ok() {
        std::thread::sleep(SHORT / 10);
    }
    assert!(begin.elapsed() >= SHORT);
}

#[test]
fn reply_timeout() {
    let site = Site::with(|config| config.reply_timeout(SHORT));
    let mut client = site.connect();
    let page = get("/uploader.js", "");
    let mut asked = 0;
    // Ask and never read, until the server has had enough of it.
    let error = loop {
        match client.try_send(page.repeat(100)) {
            Ok(()) => asked += 100,
            Err(error) => break error,
        }
    };
    assert!(asked > 0);
    // The server closed. A server that does not read gives another error.
    let closed = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    assert!(closed.contains(&error.kind()), "{error}");
    assert_eq!(site.held("somebody else"), 0);
}

#[test]
fn max_connections_displaces_the_one_silent_longest_and_keeps_its_bytes() {
    let site = Site::with(|config| config.max_connections(3));
    let mut first = site.connect();
    first.send(append("first", 0, 100) + "hello");
    let mut others = [site.connect(), site.connect()];
    for other in &mut others {
        while other.held("first") != 5 {}
    }
    let mut late = site.connect();
    assert_eq!(late.held("first"), 5);
    first.expect_close();
    for other in &mut others {
        assert_eq!(other.held("first"), 5);
    }
}

#[test]
fn two_workers_and_a_small_buffer_are_enough() {
    let site = Site::with(|config| config.workers(1).buffer_bytes(1));
    let mut client = site.connect();
    client.send(append("a.bin-1000000-1700000000000", 0, 1_000_000));
    client.send(vec![1; 1_000_000]);
    assert_eq!(client.answer().text(), "Success 1000000");
}
