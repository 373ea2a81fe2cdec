//! A body is never read as a request, whatever its head says of it: directly, and behind a proxy that may read it
//! otherwise than we do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use resumed::Decision;

use crate::support::left_out::needs;
use crate::support::limit::wait_until;
use crate::support::proxy::Nginx;
use crate::support::{Client, Site, append, status};

/// The request that an attacker hides in a body.
const SMUGGLED: &str = "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: smuggled\r\n\
                        Content-Length: 5\r\n\r\nowned";

/// Stands where a request begins that only some readers see.
const HERE: &str = "{}";

/// Heads for one body, whose length is said clearly: it is a body even where it is unwanted.
const CLEAR: [&str; 15] = [
    "GET /status|X-File-Id: a",
    "GET /status",
    "PUT /status|X-File-Id: a",
    "OPTIONS /upload",
    "GET /",
    "PATCH /",
    "POST /nowhere",
    "DELETE /upload|X-File-Id: a",
    "DELETE /upload",
    "POST /upload",
    "POST /upload|X-File-Id: a|X-Start-Byte: 7",
    "POST /upload|X-File-Id: a|X-Start-Byte: x",
    "POST /upload|X-File-Id: a-1-1700000000000",
    "POST /upload|X-File-Id: a|X-Start-Byte: 7|Expect: 100-continue",
    "POST /upload|X-File-Id: a|X-File-Size: 9999999",
];

/// Framing fields, and the body. `LENGTH` is the length of the body, `SIZE` the length of the smuggled request in
/// hexadecimal.
#[rustfmt::skip]
const DOUBTFUL: [(&str, &str); 43] = [
    // A length beside a coding, and codings that only some recognise.
    ("Content-Length: LENGTH|Transfer-Encoding: chunked", "0\r\n\r\n{}"),
    ("Transfer-Encoding: chunked|Content-Length: LENGTH", "0\r\n\r\n{}"),
    ("Content-Length: 4|Transfer-Encoding: chunked", "SIZE\r\n{}\r\n0\r\n\r\n"),
    ("Content-Length: LENGTH|Transfer-Encoding: xchunked", "0\r\n\r\n{}"),
    ("Content-Length: LENGTH|Transfer-Encoding : chunked", "0\r\n\r\n{}"),
    ("Content-Length: LENGTH|Transfer-Encoding\t: chunked", "0\r\n\r\n{}"),
    ("Content-Length: LENGTH| Transfer-Encoding: chunked", "0\r\n\r\n{}"),
    ("Content-Length: LENGTH|X: y\nTransfer-Encoding: chunked", "0\r\n\r\n{}"),
    ("Content-Length: LENGTH|X: y\rTransfer-Encoding: chunked", "0\r\n\r\n{}"),
    ("Content-Length: LENGTH|X: y| Transfer-Encoding: chunked", "0\r\n\r\n{}"),
    ("Content-Length: LENGTH|Transfer-Encoding:| chunked", "0\r\n\r\n{}"),
    ("Content-Length: LENGTH|Transfer-Encoding: chunked, identity", "0\r\n\r\n{}"),
    ("Content-Length: LENGTH|Transfer-Encoding: identity, chunked", "0\r\n\r\n{}"),
    ("Content-Length: LENGTH|Transfer-Encoding: \"chunked\"", "0\r\n\r\n{}"),
    ("Content-Length: LENGTH|Transfer-Encoding: \x0bchunked", "0\r\n\r\n{}"),
    ("Content-Length: LENGTH|Transfer-Encoding: chunked\0", "0\r\n\r\n{}"),
    ("Content-Length: LENGTH|Transfer-Encoding: identity|Transfer-Encoding: chunked", "0\r\n\r\n{}"),
    ("Content-Length: LENGTH|Transfer_Encoding: chunked", "0\r\n\r\n{}"),
    ("Transfer-Encoding: identity", "{}"),
    ("Transfer-Encoding: chunked|Transfer-Encoding: identity", "0\r\n\r\n{}"),
    // Lengths that only some understand.
    ("Content-Length: 0|Content-Length: LENGTH", "{}"),
    ("Content-Length: LENGTH|Content-Length: 0", "{}"),
    ("Content-Length: 0, LENGTH", "{}"),
    ("Content-Length: +0", "{}"),
    ("Content-Length: -0", "{}"),
    ("Content-Length: 0x0", "{}"),
    ("Content-Length : 0", "{}"),
    ("Content-Length:| LENGTH", "{}"),
    ("Content-Length: 18446744073709551616", "{}"),
    ("Content-Length: LENGTH|X: y\r\n\rContent-Length: 0", "{}"),
    // Chunks that end elsewhere for some.
    ("Transfer-Encoding: chunked", "10000000000000000\r\n{}"),
    ("Transfer-Encoding: chunked", "0x0\r\n\r\n{}"),
    ("Transfer-Encoding: chunked", "-0\r\n\r\n{}"),
    ("Transfer-Encoding: chunked", "0 \r\n\r\n{}"),
    ("Transfer-Encoding: chunked", "\r\n0\r\n\r\n{}"),
    ("Transfer-Encoding: chunked", "0\n\n{}"),
    ("Transfer-Encoding: chunked", "0\r\n\n{}"),
    ("Transfer-Encoding: chunked", "0\r\r\n\r\n{}"),
    ("Transfer-Encoding: chunked", "0;\n\r\n{}"),
    ("Transfer-Encoding: chunked", "2;\nxx\r\nSIZE\r\n0\r\n\r\n{}"),
    ("Transfer-Encoding: chunked", "5\r\nhello0\r\n\r\n{}"),
    ("Transfer-Encoding: chunked", "5\r\nhello!!0\r\n\r\n{}"),
    ("Transfer-Encoding: chunked", "0\r\nX: y\n\r\n{}"),
];

/// Whole requests, or what some take for them, behind which nothing may be read.
const CLOSED: [&str; 7] = [
    "GET /status\r\n{}",
    "GET /status HTTP/1.0\r\nConnection: keep-alive\r\nX-File-Id: a\r\n\r\n{}",
    "GET /status HTTP/1.1\r\nHost: localhost\r\nX-File-Id: a\r\nConnection: close\r\n\r\n{}",
    "GET /status HTTP/1.1\nHost: localhost\n\n{}",
    "GET /status HTTP/1.1\r\nHost: localhost\r\n\n{}",
    "POST /upload HTTP/1.0\r\nTransfer-Encoding: chunked\r\nX-File-Id: a\r\n\r\n0\r\n\r\n{}",
    "POST /upload HTTP/1.1\r\nHost: localhost\r\nExpect: 200-ok\r\nContent-Length: 0\r\n\r\n{}",
];

/// Every attack, in two parts: the second begins with what is smuggled.
fn attacks() -> impl Iterator<Item = (String, String)> {
    let clear = CLEAR.iter().flat_map(|head| {
        let length = SMUGGLED.len();
        let counted = request(head, &format!("Content-Length: {length}"), HERE);
        let chunked = format!("{length:x}\r\n{HERE}\r\n0\r\n\r\n");
        [
            counted,
            request(head, "Transfer-Encoding: chunked", &chunked),
        ]
    });
    let doubtful = DOUBTFUL.iter().flat_map(|(framing, body)| {
        let heads = ["POST /upload|X-File-Id: a", "GET /status|X-File-Id: a"];
        heads.map(|head| request(head, framing, body))
    });
    let closed = CLOSED.iter().map(|text| (*text).to_owned());
    clear.chain(doubtful).chain(closed).map(|attack| {
        let (before, behind) = attack.split_once(HERE).expect("something is smuggled");
        (before.to_owned(), format!("{SMUGGLED}{behind}"))
    })
}

fn request(head: &str, framing: &str, body: &str) -> String {
    let (line, fields) = head.split_once('|').unwrap_or((head, "X: y"));
    let body = body.replace("SIZE", &format!("{:x}", SMUGGLED.len()));
    let length = body.replace(HERE, SMUGGLED).len();
    let framing = framing.replace("LENGTH", &length.to_string());
    let fields = [fields, &framing].join("|").replace('|', "\r\n");
    format!("{line} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n\r\n{body}")
}

/// Sends it, and reads what is said to that.
fn play(client: &mut Client, parts: &[&str]) -> String {
    for part in parts {
        let _ = client.try_send(part);
    }
    client.stop_sending();
    String::from_utf8(client.all()).expect("answers are text")
}

#[test]
fn no_body_is_read_as_a_request() {
    let site = Site::new();
    for (before, smuggled) in attacks() {
        let at_once = play(&mut site.connect(), &[&(before.clone() + &smuggled)]);
        let mut client = site.connect();
        // The server has read what comes first when it has answered the question before it.
        client.ask(format!("{}{before}", status("b")));
        let later = play(&mut client, &[&smuggled]);
        for said in [at_once, later] {
            let answers = said
                .replace("HTTP/1.1 100 Continue", "")
                .matches("HTTP/1.1 ")
                .count();
            assert!(answers <= 1, "{before:?}\n{said}");
            assert_eq!(site.held("smuggled"), 0, "{before:?}\n{said}");
        }
    }
}

#[test]
fn the_rest_of_a_displaced_body_is_no_request() {
    let site = Site::new();
    for times in [1, 2] {
        let id = format!("taken-over-{times}");
        let mut displaced = site.connect();
        displaced.send(append(&id, 0, 5 + times * SMUGGLED.len()) + "hello");
        wait_until!(site.held(&id) >= 5);
        assert_eq!(site.ask(append(&id, 5, 1) + "!").text(), "6");
        assert_eq!(displaced.ask(SMUGGLED).status, 409);
        let said = play(&mut displaced, &vec![SMUGGLED; times - 1]);
        assert_eq!(said, "");
        assert_eq!(site.held("smuggled"), 0);
    }
}

/// Sends it, and waits for an answer: nginx forgets a request whose client stops sending before that.
fn ask(client: &mut Client, parts: &[&str]) -> String {
    client.send(parts.concat());
    format!("{:?}\n{}", client.try_answer(), play(client, &[]))
}

/// All clients share one connection to the server: so one may try to speak in the next one's name. What nginx itself
/// takes for a request bears its mark.
const SHARING: (&str, &str) = (
    "upstream resumed { server 127.0.0.1:8080; keepalive 1; }",
    "location / { proxy_pass http://resumed; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
     proxy_set_header X-Mark nginx; \
     proxy_set_header Host $http_host; proxy_request_buffering BUFFERING; }",
);

#[test]
fn behind_nginx_only_what_nginx_takes_for_a_request_is_one() {
    needs!("nginx");
    for buffering in ["on", "off"] {
        let smuggled = Arc::new(AtomicBool::new(false));
        let found = Arc::clone(&smuggled);
        let site = Site::with(|config| {
            config.authorize(move |head, command| {
                let is_smuggled =
                    command.id() == Some(b"smuggled") && head.field("X-Mark").is_none();
                found.fetch_or(is_smuggled, Relaxed);
                Decision::allow()
            })
        });
        let (upstream, location) = SHARING;
        let location = location.replace("BUFFERING", buffering);
        let nginx = Nginx::with_upstream(site.addr(), upstream, &location);
        site.ask(SMUGGLED.replace("smuggled", "victim"));
        for (before, behind) in attacks() {
            let said = ask(&mut Client::connect(nginx.addr()), &[&before, &behind]);
            let mut victim = Client::connect(nginx.addr());
            let answer = victim.ask(status("victim"));
            assert_eq!(
                (answer.status, answer.text()),
                (200, "5"),
                "{before:?}\n{said}"
            );
            assert!(!smuggled.load(Relaxed), "{before:?}\n{said}");
        }
    }
}
