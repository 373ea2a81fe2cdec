//! The fields that protect a browser: no response lacks them.

use std::process::Command;
use std::time::Duration;

use crate::support::left_out::needs;
use crate::support::limit::RunInTime;
use crate::support::{Answer, Site, append, get};

const PROTECTING: [(&str, &str); 3] = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
];

const ALICE: &str = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";

#[track_caller]
fn expect_protected(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    for (name, value) in PROTECTING {
        assert_eq!(answer.field(name), Some(value), "{answer:?}");
    }
}

#[test]
fn every_response_has_the_protecting_fields() {
    let site = Site::with(|config| {
        let limited = config.metrics(true).max_size(10).user("alice", "secret");
        limited.head_timeout(Duration::from_millis(200))
    });
    let append = |start, length: usize| {
        append("a", start, length).replacen("\r\n\r\n", &format!("\r\n{ALICE}\r\n"), 1)
    };
    for path in [
        "/",
        "/page.js",
        "/style.css",
        "/health",
        "/recent",
        "/metrics",
    ] {
        expect_protected(&site.ask(get(path, ALICE)), 200);
        expect_protected(&site.ask(get(path, ALICE).replace("GET", "HEAD")), 200);
        expect_protected(&site.ask(get(path, ALICE).replace("GET", "DELETE")), 405);
        expect_protected(
            &site.ask(get(path, ALICE).replace("localhost", "evil.example")),
            421,
        );
    }
    expect_protected(&site.ask(append(0, 5) + "hello"), 200);
    expect_protected(&site.ask(append(9, 0)), 409);
    expect_protected(&site.ask(append(5, 50)), 413);
    let delete = append(0, 0).replace("POST", "DELETE");
    expect_protected(&site.ask(delete), 204);
    expect_protected(&site.ask(get("/nothing", ALICE)), 404);
    expect_protected(&site.ask(get("/recent", "")), 401);
    let foreign = format!("{ALICE}Origin: https://evil.example\r\n");
    expect_protected(&site.ask(get("/status", &foreign)), 403);
}

#[test]
fn refusal_of_a_malformed_head_has_the_protecting_fields() {
    let site = Site::with(|config| config.head_timeout(Duration::from_millis(200)));
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("\u{16}\u{3}\u{1}".to_owned(), 400),
        ("GET / HTTP/1.1\r\n".to_owned(), 408),
        (get(&"/a".repeat(10_000), ""), 414),
        (get("/", "").replace("GET", "TRACE"), 501),
        (get("/", "").replace("/1.1", "/2.0"), 505),
        (get("/", &"A: b\r\n".repeat(200)), 431),
        (get("/", "Expect: more\r\n"), 417),
    ] {
        expect_protected(&site.ask(&request), status);
    }
}

#[test]
fn allowed_origin_gets_what_cors_permits() {
    let site = Site::with(|config| config.allow_origin("https://good.example"));
    for (origin, expected) in [
        ("Origin: https://good.example\r\n", "cross-origin"),
        ("Origin: https://evil.example\r\n", "same-origin"),
        ("", "same-origin"),
    ] {
        for path in ["/", "/nothing", "/recent"] {
            let answer = site.ask(get(path, origin));
            let policy = answer.field("Cross-Origin-Resource-Policy");
            assert_eq!(policy, Some(expected), "{origin}{path}");
        }
    }
}

#[test]
fn curl_shows_the_protecting_fields_once() {
    needs!("curl");
    let site = Site::new();
    let run = Command::new("curl")
        .args(["-s", "-i", &format!("http://{}/", site.addr())])
        .output_in_time()
        .expect("curl runs");
    let shown = String::from_utf8(run.stdout).expect("text");
    for (name, value) in PROTECTING {
        let line = format!("\r\n{name}: {value}\r\n");
        assert_eq!(shown.matches(&line).count(), 1, "{name}");
    }
    assert!(
        shown.contains("Content-Security-Policy: default-src 'none'"),
        "{shown}"
    );
}

#[test]
fn page_is_compressed_and_not_sent_twice() {
    needs!("curl");
    let site = Site::new();
    let script = |fields: &str| get("/page.js", fields);
    let gzip = "Accept-Encoding: gzip, deflate, br\r\n";
    let (plain, compressed) = (site.ask(script("")), site.ask(script(gzip)));
    assert_eq!(compressed.field("Content-Encoding"), Some("gzip"));
    assert!(compressed.body.len() * 2 < plain.body.len());
    let url = format!("http://{}/page.js", site.addr());
    let unpacked = Command::new("curl")
        .args(["--silent", "--compressed", &url])
        .output_in_time();
    assert!(unpacked.expect("curl runs").stdout == plain.body);

    for (fields, answer) in [("", plain), (gzip, compressed)] {
        let head = site.ask(script(fields).replacen("GET", "HEAD", 1));
        let length = answer.body.len().to_string();
        assert_eq!(head.field("Content-Length"), Some(&*length));
        let tag = answer.field("ETag").expect("a tag");
        assert_eq!(head.field("ETag"), Some(tag));
        let again = site.ask(script(&format!("{fields}If-None-Match: {tag}\r\n")));
        expect_protected(&again, 304);
        assert!(again.body.is_empty() && again.field("Content-Security-Policy").is_some());
        assert_eq!(again.field("ETag"), Some(tag));
    }
}
