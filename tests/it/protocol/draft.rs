//! Tests of the draft "Resumable Uploads for HTTP" that need two connections or a proxy. The others are transcripts.

use std::fs;

use crate::support::files::tempdir_on_disk;
use crate::support::left_out::{needs, require};
use crate::support::proxy::Nginx;
use crate::support::running::wait_for_part;
use crate::support::trace::{Call, MOVES, Traced, strace_obstacle};
use crate::support::{Answer, Client, Site};

const LENGTH: usize = 100;

/// Returns a client that knows the address of its upload. The server has ten bytes.
fn begun(site: &Site) -> (Client, String) {
    let mut client = site.connect();
    let interim = client.ask(creation());
    assert_eq!(interim.status, 104, "{interim:?}");
    let path = path(&interim);
    client.send([b'a'; 10]);
    wait_for_part(site.dir(), 10);
    (client, path)
}

fn creation() -> String {
    format!(
        "POST /files HTTP/1.1\r\nHost: localhost\r\nUpload-Draft-Interop-Version: 9\r\nUpload-Complete: ?1\r\n\
         Content-Disposition: inline; filename=\"a.bin\"\r\nContent-Length: {LENGTH}\r\n\r\n"
    )
}

fn path(answer: &Answer) -> String {
    let location = answer.field("Location").expect("where it is");
    let (_, path) = location.split_once("/files/").expect("an address");
    format!("/files/{path}")
}

fn ask(site: &Site, method: &str, path: &str) -> Answer {
    site.ask(format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    ))
}

fn part(path: &str, offset: u64, length: usize) -> String {
    format!(
        "PATCH {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/partial-upload\r\n\
         Upload-Offset: {offset}\r\nUpload-Complete: ?1\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[test]
fn whoever_asks_stops_the_writer_so_that_what_was_answered_is_taken() {
    let site = Site::new();
    let (mut old, path) = begun(&site);
    let answered = ask(&site, "HEAD", &path).offset();
    assert_eq!(answered, 10);

    old.send([b'a'; 90]);
    let refusal = old.answer();
    assert_eq!((refusal.status, refusal.offset()), (409, 10));
    assert_eq!(refusal.field("Connection"), Some("close"));

    let mut new = site.connect();
    new.send(part(&path, answered, LENGTH - 10));
    new.send([b'b'; LENGTH - 10]);
    assert_eq!(new.answer().status, 200);
    let expected = [[b'a'; 10].as_slice(), &[b'b'; LENGTH - 10]].concat();
    let published = fs::read(site.dir().join("a.bin")).expect("published");
    assert_eq!(published, expected);
}

#[test]
fn a_new_part_and_a_cancel_stop_the_writer_too() {
    let site = Site::new();
    let (mut old, path) = begun(&site);
    let mut new = site.connect();
    new.send(part(&path, 10, LENGTH - 10));
    new.send([b'b'; 10]);
    wait_for_part(site.dir(), 20);
    old.send([b'a'; 90]);
    assert_eq!(old.answer().status, 409);

    assert_eq!(ask(&site, "DELETE", &path).status, 204);
    new.send([b'b'; 80]);
    assert_ne!(new.answer().status / 100, 2);
    assert_eq!(ask(&site, "HEAD", &path).status, 404);
    assert!(!site.dir().join("a.bin").exists());
}

/// It takes an interim answer for the final one, and waits for the end of the connection.
#[test]
fn an_interim_answer_does_not_hang_in_an_nginx_that_keeps_its_connections() {
    needs!("nginx");
    let site = Site::new();
    let upstream = "upstream kept { server 127.0.0.1:8080; keepalive 4; }";
    let location = "location / { proxy_pass http://kept; proxy_http_version 1.1; \
                    proxy_set_header Connection \"\"; proxy_set_header Host $http_host; \
                    proxy_request_buffering off; }";
    let nginx = Nginx::with_upstream(site.addr(), upstream, location);
    let mut client = Client::connect(nginx.addr());
    client.send(creation());
    client.send([b'a'; LENGTH]);
    let mut answer = client.answer();
    while answer.status == 104 {
        answer = client.answer();
    }
    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(site.dir().join("a.bin").exists());
}

#[test]
fn location_is_durable_before_the_interim_response() {
    require!("the order of an interim answer", strace_obstacle());
    let home = tempdir_on_disk();
    let traced = Traced::start(home.path(), &["--sync", "durable"], &["-e", MOVES]);
    let mut client = Client::connect(traced.process.addr);
    assert_eq!(client.ask(creation()).status, 104);
    client.send([b'a'; LENGTH]);
    assert_eq!(client.answer().status, 201);
    let calls = traced.calls();
    let said = |call: &Call| call.texts().any(|text| text.starts_with("HTTP/1.1 104"));
    let said = calls.iter().find(|call| said(call)).expect("it was said");
    let record = |call: &Call, name: &str| call.name == name && call.args.contains(".json");
    let is_sync = |call: &Call| call.name.ends_with("sync");
    let before: Vec<_> = calls.iter().filter(|call| call.end < said.begin).collect();
    let created = before.iter().find(|call| record(call, "openat"));
    let created = created.expect("its record is created").end;
    let written = before.iter().find(|call| record(call, "write"));
    let written = written.expect("its record is written").end;
    // Both syncs may run at the same time.
    let synced = |path: &str, since: usize| {
        let of_it = |call: &&&Call| is_sync(call) && call.of().ends_with(path);
        before.iter().filter(of_it).any(|call| call.begin > since)
    };
    assert!(synced(".json", written), "its record is synced");
    assert!(synced("/.resumed", created), "and its name");
}
