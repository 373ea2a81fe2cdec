//! TLS below HTTP: records of any form, hostile handshakes, certificates that change.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::version::{TLS12, TLS13};

use crate::support::left_out::{files_obstacle, needs, require};
use crate::support::limit::{LIMIT, wait_until};
use crate::support::proc::memory_peak_kib;
use crate::support::program::Process;
use crate::support::running::Running;
use crate::support::tls::{Pem, TlsClient, config, config_for};
use crate::support::{Client, Site, append, content, get, in_a_chunk, status};

const ID: &str = "a.bin-70000-1700000000000";

fn site() -> Site {
    site_with(|config| config)
}

fn site_with(set: impl FnOnce(resumed::Config) -> resumed::Config) -> Site {
    Site::with(|config| set(config.tls(Pem::new().options())))
}

fn connect(site: &Site) -> TlsClient {
    TlsClient::connect(site.addr())
}

#[track_caller]
fn check_file(site: &Site, name: &str, expected: &[u8]) {
    let file = fs::read(site.dir().join(name)).expect("published");
    assert!(file == expected, "{name} differs");
}

#[test]
fn head_and_body_in_one_record_are_answered() {
    let site = site();
    let body = content(3_000);
    let mut client = connect(&site);
    for number in 0..20 {
        let head = append(&format!("{number}.bin-3000-1700000000000"), 0, body.len());
        let whole = [head.as_bytes(), &body].concat();
        assert!(whole.len() < 16 * 1024, "it fits into one record");
        assert_eq!(client.ask(whole), (200, "Success 3000".to_owned()));
        check_file(&site, &format!("{number}.bin"), &body);
    }
}

#[test]
fn both_versions_carry_a_large_body() {
    let site = site();
    for (version, name) in [(&TLS12, "12"), (&TLS13, "13")] {
        let body = content(5_000_000);
        let mut client =
            TlsClient::with(site.addr(), Arc::new(config_for(&[version]))).expect("a handshake");
        client.send(append(&format!("{name}-5000000-1"), 0, body.len()));
        assert_eq!(client.ask(&body).0, 200);
        check_file(&site, name, &body);
    }
}

#[test]
fn pipelined_requests_in_one_record_are_all_answered() {
    let site = site();
    let mut client = connect(&site);
    let body = in_a_chunk(b"some");
    let put = |name: &str| {
        let fields = "Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        [
            format!("PUT /files/{name} HTTP/1.1\r\n{fields}").as_bytes(),
            &body,
        ]
        .concat()
    };
    let all = [put("a"), put("b"), get("/health", "").into_bytes()].concat();
    client.send(all);
    assert_eq!(client.answer().0, 201);
    assert_eq!(client.answer().0, 201);
    assert_eq!(client.answer().0, 200);
    check_file(&site, "a", b"some");
    check_file(&site, "b", b"some");
}

/// Each read finds one byte or none, and coalesced reads find many.
#[test]
fn records_of_one_byte_carry_head_and_body() {
    let site = site();
    let body = content(2_000);
    for (name, at_once) in [("one", 1), ("all", usize::MAX)] {
        let head = append(&format!("{name}-2000-1"), 0, body.len());
        let whole = [head.as_bytes(), &body].concat();
        let mut client = connect(&site);
        for bytes in whole.chunks(at_once) {
            let records: Vec<_> = bytes
                .iter()
                .flat_map(|byte| client.records([*byte]))
                .collect();
            client.send_raw(&records);
        }
        assert_eq!(client.answer().0, 200);
        check_file(&site, name, &body);
    }
}

#[test]
fn record_cut_at_any_byte_is_completed_by_the_next_packet() {
    let site = site();
    let mut client = connect(&site);
    let body = content(40);
    for at in 1..100 {
        let head = append(&format!("{at}.bin-40-1"), 0, body.len());
        let records = client.records([head.as_bytes(), &body].concat());
        let (begin, end) = records.split_at(records.len() * at / 100);
        client.send_raw(begin);
        // The server has read the first part by then, mostly.
        assert_eq!(connect(&site).ask(get("/health", "")).0, 200);
        client.send_raw(end);
        assert_eq!(client.answer().0, 200);
        check_file(&site, &format!("{at}.bin"), &body);
    }
}

/// The reads are coalesced: the body leaves the poller between them.
#[test]
fn paced_records_of_any_length_arrive_whole() {
    let site = site_with(|config| config.coalesce_max(Duration::from_millis(20)));
    let body = content(300_000);
    let mut client = connect(&site);
    client.send(append("paced-300000-1", 0, body.len()));
    let (mut rest, mut length) = (&body[..], 1);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(length.min(rest.len()));
        client.send(now);
        (rest, length) = (later, (length * 7 + 13) % 17_001);
        std::thread::sleep(Duration::from_micros(700));
    }
    assert_eq!(client.answer(), (200, "Success 300000".to_owned()));
    check_file(&site, "paced", &body);
}

/// A chunked body has no length: only its last chunk completes it, never the end of the stream.
#[test]
fn stream_cut_without_close_notify_completes_nothing() {
    let site = site();
    for (name, ends_in_order) in [("cut", false), ("ended", true)] {
        let mut client = connect(&site);
        client.send(format!(
            "PUT /files/{name} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
             4\r\nsome\r\n"
        ));
        if ends_in_order {
            client.tls.send_close_notify();
            client.send("");
            let mut last = Vec::new();
            client.tls.write_tls(&mut last).expect("a vector");
            client.send_raw(&last);
        }
        client
            .stream
            .shutdown(std::net::Shutdown::Write)
            .expect("open");
        let answer = client.try_answer();
        assert!(answer.is_err(), "{answer:?} to half a body");
        drop(client);
        assert!(!site.dir().join(name).exists());
        let head =
            format!("HEAD /files/{name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut asks = connect(&site);
        asks.send(head);
        assert!(asks.ends_with_close_notify());
        assert!(
            asks.received().contains("Upload-Offset: 4\r\n"),
            "{}",
            asks.received()
        );
    }
}

#[test]
fn bytes_before_a_cut_are_kept() {
    let site = site();
    let mut client = connect(&site);
    client.send(append(ID, 0, 70_000));
    client.send(content(30_000));
    let last = client.records(content(10_000));
    client.send_raw(&last[..last.len() - 1]);
    drop(client);
    let mut asks = connect(&site);
    let since = Instant::now();
    loop {
        match asks.ask(status(ID)).1.as_str() {
            "30000" => break,
            held => assert!(since.elapsed() < crate::support::TIMEOUT, "{held} bytes"),
        }
    }
}

#[test]
fn changed_record_ends_the_connection_and_adds_nothing() {
    let site = site();
    let mut client = connect(&site);
    client.send(append(ID, 0, 70_000));
    client.send(content(1_000));
    let mut record = client.records(content(500));
    record[100] ^= 1;
    client.send_raw(&record);
    let error = client.try_answer().expect_err("an alert");
    assert!(error.to_string().contains("BadRecordMac"), "{error}");
    assert_eq!(connect(&site).ask(status(ID)).1, "1000");
}

#[test]
fn response_to_the_last_request_ends_in_order() {
    let site = site();
    let mut client = connect(&site);
    assert_eq!(client.ask(get("/health", "Connection: close\r\n")).0, 200);
    assert!(client.ends_with_close_notify());
    let mut client = connect(&site);
    client.send("GET / HTTP/3\r\n\r\n");
    assert_eq!(client.answer().0, 400);
    assert!(client.ends_with_close_notify());
}

#[test]
fn plain_http_gets_one_line_that_says_https() {
    let site = site();
    let answer = site.ask(get("/", ""));
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.text(),
        "this port expects TLS: use an address that begins with https://\n"
    );
}

#[test]
fn other_bytes_are_no_handshake() {
    let site = site();
    for bytes in [
        &b"\x00\x01\x02"[..],
        b"\x16\x03\x01\x00\x05hello",
        &[0x16; 100_000],
    ] {
        let mut stream = TcpStream::connect(site.addr()).expect("it accepts");
        stream.set_read_timeout(Some(LIMIT)).expect("set");
        let _ = stream.write_all(bytes);
        let mut rest = Vec::new();
        // A reset is a close too.
        let error = stream.read_to_end(&mut rest).err();
        let is_open = error.is_some_and(|error| error.kind() == ErrorKind::WouldBlock);
        assert!(!is_open, "it stays open");
        // At most an alert.
        assert!(
            rest.is_empty() || rest[0] == 21 && rest.len() == 7,
            "{rest:?}"
        );
    }
    assert_eq!(connect(&site).ask(get("/health", "")).0, 200);
}

/// Each byte comes long before the deadline; all of them together come too late.
#[test]
fn handshake_that_trickles_is_closed_at_its_deadline() {
    let timeout = Duration::from_millis(300);
    let site = site_with(|config| config.head_timeout(timeout));
    let begin = Instant::now();
    let mut client = TlsClient::begin(site.addr(), Arc::new(config()));
    let mut hello = Vec::new();
    client.tls.write_tls(&mut hello).expect("a vector");
    client
        .stream
        .set_read_timeout(Some(timeout / 30))
        .expect("set");
    let mut bytes = hello[..hello.len() - 1].chunks(1);
    loop {
        let byte = bytes.next().expect("a deadline before the last byte");
        if client.stream.write_all(byte).is_err() {
            break;
        }
        match client.stream.read(&mut [0; 64]) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => break,
            Ok(_) => panic!("an answer to half a message"),
        }
    }
    assert!(begin.elapsed() >= timeout);
}

/// Half of a handshake each, on a server with one body permit.
#[test]
fn unfinished_handshakes_delay_no_upload() {
    let site = site_with(|config| config.workers(2).max_connections_per_address(0));
    let config = Arc::new(config());
    let begun: Vec<_> = (0..200)
        .map(|number| {
            let mut client = TlsClient::begin(site.addr(), Arc::clone(&config));
            let mut hello = Vec::new();
            client.tls.write_tls(&mut hello).expect("a vector");
            let half = hello.len() / (1 + number % 2);
            client.send_raw(&hello[..half]);
            client
        })
        .collect();
    let body = content(2_000_000);
    let mut client = connect(&site);
    client.send(append("big-2000000-1", 0, body.len()));
    assert_eq!(client.ask(&body).0, 200);
    drop(begun);
}

/// openssl begins another handshake after a line with `R`.
#[test]
fn renegotiation_is_refused() {
    needs!("openssl");
    let site = site();
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-tls1_2", "-connect", &site.addr().to_string()]);
    let mut openssl = Running::start(openssl.stdin(Stdio::piped()));
    let mut input = openssl.child().stdin.take().expect("piped");
    input.write_all(b"R\n").expect("taken");
    let said = openssl.end();
    drop(input);
    assert!(said.out.contains("Protocol  : TLSv1.2"), "{said:?}");
    assert!(said.err.contains("no renegotiation"), "{said:?}");
    assert_eq!(connect(&site).ask(get("/health", "")).0, 200);
}

#[test]
fn resumed_session_offers_no_early_data() {
    let site = site();
    let mut config = config();
    config.enable_early_data = true;
    let config = Arc::new(config);
    for round in 0..2 {
        let mut client = TlsClient::begin(site.addr(), Arc::clone(&config));
        assert!(client.tls.early_data().is_none(), "round {round}");
        client.shake_hands().expect("a handshake");
        assert_eq!(client.ask(get("/health", "")).0, 200);
        let resumed = client.tls.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        assert_eq!(resumed, round == 1);
    }
}

#[test]
fn only_http_1_1_is_negotiated() {
    let site = site();
    let with = |protocols: &[&[u8]]| {
        let mut config = config();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        TlsClient::with(site.addr(), Arc::new(config))
    };
    let client = with(&[b"h2", b"http/1.1"]).expect("a handshake");
    assert_eq!(client.tls.alpn_protocol(), Some(&b"http/1.1"[..]));
    let error = with(&[b"h2"]).err().expect("no protocol in common");
    assert!(
        error.to_string().contains("NoApplicationProtocol"),
        "{error}"
    );
}

const SILENT: usize = 500;
const SILENT_KIB: u64 = 30;

#[test]
fn silent_tls_uploads_take_little_memory() {
    require!("500 silent TLS uploads", files_obstacle(4 * SILENT as u64));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let pem = Pem::new();
    let path = |name| dir.path().join(name).to_str().expect("text").to_owned();
    fs::write(path("cert.pem"), &pem.certificate).expect("written");
    fs::write(path("key.pem"), &pem.key).expect("written");
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let flags = ["--tls-cert", &cert, "--tls-key", &key];
    let server = Process::start(&dir.path().join("uploads"), "127.0.0.1:0", &flags);
    let silent = |number| {
        let mut client = TlsClient::connect(server.addr);
        client.send(append(&format!("silent-{number}"), 0, 1_000_000) + &"x".repeat(20_000));
        client
    };
    let mut clients: Vec<_> = (0..10).map(silent).collect();
    let before = memory_peak_kib(server.pid());
    clients.extend((10..SILENT).map(silent));
    let mut asks = TlsClient::connect(server.addr);
    wait_until!(asks.ask(status(&format!("silent-{}", SILENT - 1))).1 == "20000");
    let each = (memory_peak_kib(server.pid()) - before) / SILENT as u64;
    assert!(each < SILENT_KIB, "{each} KiB each");
}

#[test]
fn upload_addresses_and_hsts_are_those_of_https() {
    let site = site_with(|config| config.hsts(true));
    let mut client = connect(&site);
    let created = client.ask(
        "POST /files HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 5\r\n\
         Content-Length: 0\r\n\r\n",
    );
    assert_eq!(created.0, 201);
    assert!(
        client
            .head
            .contains("\r\nLocation: https://localhost/files/")
    );
    client.ask(get("/", ""));
    let hsts = "\r\nStrict-Transport-Security: max-age=31536000\r\n";
    assert!(client.head.contains(hsts));
    // Without TLS a browser ignores it, and another server on the host might need HTTP.
    let plain = Site::with(|config| config.hsts(true));
    let answer = Client::connect(plain.addr()).ask(get("/", ""));
    assert_eq!(answer.field("Strict-Transport-Security"), None);
}
