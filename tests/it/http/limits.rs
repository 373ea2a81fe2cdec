//! Every limit of a connection: its setter, and what a client sees when it is passed.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

use resumed::Config;
use resumed::store::SyncMode;

use crate::support::left_out::require;
use crate::support::limit::{check_limit, wait_until};
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
fn head_memory_evicts_the_largest_unfinished_head() {
    let site = Site::with(|config| config.head_memory(20_000));
    let begin = |bytes| {
        let mut client = site.connect();
        client.send(format!(
            "GET /status HTTP/1.1\r\nHost: localhost\r\nX-File-Id: a\r\nA: {}",
            "x".repeat(bytes)
        ));
        client
    };
    let [mut small, mut largest, mut last] = [1_000, 13_000, 12_000].map(begin);
    let answer = largest.answer();
    let line = "unfinished request heads take too much memory\n";
    assert_eq!((answer.status, answer.text()), (503, line));
    assert_eq!(answer.field("Retry-After"), Some("5"));
    assert_eq!(answer.field("Connection"), Some("close"));
    for client in [&mut small, &mut last] {
        assert_eq!(client.ask("\r\n\r\n").text(), "0");
    }
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
fn endless_period_of_the_minimum_rate_limits_nothing() {
    let site = Site::with(|config| config.body_idle(SHORT).min_rate_period(Duration::MAX));
    let answer = site.connect().ask(append("a", 0, 100) + "hello");
    assert_eq!(answer.status, 408, "silent");
    assert_eq!(site.held("a"), 5);
}

#[test]
fn body_below_the_minimum_rate_is_cut_and_keeps_what_came() {
    const PERIOD: Duration = Duration::from_secs(1);
    let site = Site::with(|config| config.min_rate(500).min_rate_period(PERIOD));
    let mut client = site.connect();
    client.send(append("a", 0, 1000));
    let begin = Instant::now();
    // The body is never silent: only its rate is too low.
    while client.try_send("x").is_ok() && begin.elapsed() < PERIOD * 3 {
        std::thread::sleep(PERIOD / 20);
    }
    let answer = client.answer();
    assert!(begin.elapsed() >= PERIOD);
    let line = "the body was slower than 500 bytes a second; \
                the received bytes are kept\n";
    assert_eq!((answer.status, answer.text()), (408, line));
    assert_eq!(answer.field("Connection"), Some("close"));
    let held = site.held("a");
    assert!(held > 0);
    assert_eq!(answer.field("Upload-Offset"), Some(&*held.to_string()));
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
    let since = Instant::now();
    while client.try_send(part).is_ok() {
        check_limit(since, "the server takes no more");
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
        check_limit(begin, "the server closes");
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
        wait_until!(other.held("first") == 5);
    }
    let mut late = site.connect();
    assert_eq!(late.held("first"), 5);
    first.expect_close();
    for other in &mut others {
        assert_eq!(other.held("first"), 5);
    }
}

/// Returns an address of this machine that is no loopback address. Sends nothing.
pub(crate) fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback()).then_some(own)
}

const TOO_MANY: &str = "too many connections from this address: at most 2\n";

#[test]
fn connection_beyond_the_limit_of_its_address_is_refused() {
    let own = own_address();
    let missing = own.is_none().then(|| "no other address".to_owned());
    require!("connections of one address", missing);
    let own = own.expect("an address");
    let site = Site::with(|config| {
        let config = config.listen("0.0.0.0:0").allow_root(true);
        config.max_connections_per_address(2)
    });
    let connect = || Client::connect((own, site.addr().port()).into());
    let mut admitted = [connect(), connect()];
    assert_eq!(admitted[0].held("a"), 0);
    for _ in 0..10 {
        let mut third = connect();
        let answer = third.answer();
        assert_eq!((answer.status, answer.text()), (503, TOO_MANY));
        assert_eq!(answer.field("Retry-After"), Some("5"));
        assert_eq!(answer.field("Connection"), Some("close"));
        third.expect_close();
    }
    assert_eq!(site.held("a"), 0, "loopback addresses have no limit");
    assert_eq!(admitted.each_mut().map(|client| client.held("a")), [0, 0]);

    let [left, mut stays] = admitted;
    left.cut();
    let is_admitted = || {
        let mut next = connect();
        // A refused connection may be closed already.
        let _ = next.try_send(status("a"));
        next.answer().status == 200
    };
    wait_until!(is_admitted());
    assert_eq!(stays.held("a"), 0);
}

#[test]
fn clients_of_a_trusted_proxy_are_counted_one_by_one() {
    let site = Site::with(|config| config.trust_proxy(true).max_connections_per_address(2));
    let by = |client: &str, request: String| {
        let forwarded = format!("\r\nX-Forwarded-For: 198.51.100.9, {client}\r\n");
        request.replacen("\r\n", &forwarded, 1)
    };
    let begin = |id: &str, client: &str| {
        let mut sender = site.connect();
        let id = format!("{id}.bin-10-1700000000000");
        sender.send(by(client, append(&id, 0, 10) + "some"));
        sender
    };
    let mut sending = ["a", "b"].map(|id| begin(id, "192.0.2.1"));
    let held = |name| site.held(&format!("{name}.bin-10-1700000000000"));
    wait_until!(held("a") + held("b") >= 8);
    let answer = begin("c", "192.0.2.1").answer();
    assert_eq!((answer.status, answer.text()), (503, TOO_MANY));
    let question = by("192.0.2.1", status("c"));
    assert_eq!(site.ask(question).text(), "0", "it has no body");
    let mut other = begin("d", "192.0.2.2");
    assert_eq!(other.ask("of it!").text(), "Success 10");
    assert_eq!(sending[0].ask("of it!").text(), "Success 10");
    let mut next = begin("c", "192.0.2.1");
    assert_eq!(next.ask("of it!").text(), "Success 10");
}

#[test]
fn two_workers_and_a_small_buffer_are_enough() {
    let site = Site::with(|config| config.workers(1).buffer_bytes(1));
    let mut client = site.connect();
    client.send(append("a.bin-1000000-1700000000000", 0, 1_000_000));
    client.send(vec![1; 1_000_000]);
    assert_eq!(client.answer().text(), "Success 1000000");
}

/// Returns the head of a request that sends 1 of 10 bytes, forwarded for a client at `address`.
fn forwarded(id: &str, address: &str) -> String {
    format!(
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {address}\r\n\
         X-File-Id: {id}-10-1700000000000\r\nContent-Length: 1\r\n\r\nx"
    )
}

#[test]
fn address_beyond_its_partial_uploads_gets_429() {
    let site = Site::with(|config| config.trust_proxy(true).max_partials_per_user(2));
    let begin = |id: &str, address: &str| site.ask(forwarded(id, address));
    for address in ["192.0.2.1", "2001:db8::1"] {
        let id = |number: u8| format!("{number} of {address}");
        assert_eq!(begin(&id(1), address).status, 200);
        assert_eq!(begin(&id(2), address).status, 200);
        let answer = begin(&id(3), address);
        assert_eq!(answer.status, 429, "{answer:?}");
        assert_eq!(answer.field("Retry-After"), Some("60"));
        let expected = "this address has 2 partial uploads, the maximum";
        assert!(answer.text().starts_with(expected), "{answer:?}");
    }
    assert_eq!(begin("a", "2001:db8::ffff:1").status, 429);
    assert_eq!(begin("a", "2001:db8:0:1::1").status, 200);
    for id in ["b", "c", "d"] {
        assert_eq!(begin(id, "127.0.0.1").status, 200, "a local client");
    }
    let rest = append("1 of 192.0.2.1-10-1700000000000", 1, 9) + "123456789";
    assert_eq!(site.ask(rest).text(), "Success 10");
    assert_eq!(begin("e", "192.0.2.1").status, 200);
}

#[test]
fn partial_upload_beyond_all_gets_507() {
    let site = Site::with(|config| config.max_partials(2));
    let begin = |id: &str| site.ask(append(id, 0, 1) + "x");
    assert_eq!(begin("a").status, 200);
    assert_eq!(begin("b").status, 200);
    let answer = begin("c");
    assert_eq!(answer.status, 507, "{answer:?}");
    assert_eq!(
        answer.text(),
        "the server has 2 partial uploads, the maximum\n"
    );
    assert_eq!(site.held("c"), 0);
    let more = append("a", 1, 1) + "x";
    assert_eq!(site.ask(more).text(), "2");
    assert_eq!(
        Site::with(|config| config.max_partials(0))
            .ask(append("a", 0, 1) + "x")
            .status,
        200
    );
}

#[test]
fn flood_of_small_partial_uploads_stops_at_the_limits() {
    let site = Site::with(|config| config.trust_proxy(true).sync(SyncMode::Fast));
    let mut client = site.connect();
    let mut begin = |address: &str, count: u64| {
        let statuses = (0..count).map(|id| {
            client
                .ask(forwarded(&format!("{id} {address}"), address))
                .status
        });
        statuses.filter(|status| *status == 200).count()
    };
    assert_eq!(begin("192.0.2.1", 2039), 2000);
    let others = (2..7).map(|last| begin(&format!("192.0.2.{last}"), 1610));
    assert_eq!(others.sum::<usize>(), 8000);
    let files = fs::read_dir(site.dir().join(".resumed")).expect("listed");
    let files = files.filter(|file| {
        file.as_ref()
            .is_ok_and(|file| file.path().extension().is_none())
    });
    // Also the lock and the log.
    assert!((10_000..=10_002).contains(&files.count()));
    let more = "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: 0 192.0.2.1-10-1700000000000\r\n\
                X-Start-Byte: 1\r\nContent-Length: 9\r\n\r\n123456789";
    assert_eq!(client.ask(more).text(), "Success 10");
}
