//! Heads, and the result of parsing each.

use super::{Framing, Head, Malformed};
use crate::http::limits::Limits;

/// A head and its result: the framing, or the status of the refusal; `None` if it is incomplete.
pub(super) type Example = (&'static [u8], Option<Result<Framing, u16>>);

const EMPTY: Option<Result<Framing, u16>> = Some(Ok(Framing::Length(0)));
const CHUNKED: Option<Result<Framing, u16>> = Some(Ok(Framing::Chunked));
const UNFINISHED: Option<Result<Framing, u16>> = None;

const fn length(bytes: u64) -> Option<Result<Framing, u16>> {
    Some(Ok(Framing::Length(bytes)))
}

const fn refused(status: u16) -> Option<Result<Framing, u16>> {
    Some(Err(status))
}

#[rustfmt::skip]
pub(super) const EXAMPLES: &[Example] = &[
    // Line ends, and bytes before the first line.
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", EMPTY),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next", EMPTY),
    (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", EMPTY),
    (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", EMPTY),
    (b"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    (b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\nHost: a\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: a\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\n", refused(400)),
    (b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n", refused(400)),
    (b"", UNFINISHED),
    (b"\r\n\r", UNFINISHED),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r", UNFINISHED),
    (b"GET / HTTP/1.1\r\nX : b\r\n", refused(400)),
    // The request line.
    (b"\x16\x03\x01", refused(400)),
    (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", refused(400)),
    (b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    (b"GET /\r\n\r\n", refused(400)),
    (b"GET\r\n\r\n", refused(400)),
    (b"FROB / HTTP/1.1\r\nHost: a\r\n\r\n", refused(501)),
    (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", refused(501)),
    (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", refused(501)),
    (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", refused(501)),
    (b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    // Versions.
    (b"GET / HTTP/1.0\r\n\r\n", EMPTY),
    (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", EMPTY),
    (b"GET / HTTP/1.9\r\n\r\n", refused(400)),
    (b"GET / HTTP/0.9\r\n\r\n", refused(505)),
    (b"GET / HTTP/2.0\r\n\r\n", refused(505)),
    (b"GET / http/1.1\r\nHost: a\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", refused(400)),
    (b"GET / HTTP/1\r\nHost: a\r\n\r\n", refused(400)),
    // Targets.
    (b"GET /a%20b?x|y={} HTTP/1.1\r\nHost: a\r\n\r\n", EMPTY),
    (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    (b"GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    (b"GET /a\xe9 HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    (b"GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", EMPTY),
    (b"OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    (b"GET http://b:8080/c?d HTTP/1.1\r\nHost: a\r\n\r\n", EMPTY),
    (b"GET HTTPS://b HTTP/1.1\r\nHost: a\r\n\r\n", EMPTY),
    (b"GET http://b?d HTTP/1.0\r\n\r\n", EMPTY),
    (b"GET http:///c HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    (b"GET http://u@b/c HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    (b"GET ftp://b/c HTTP/1.1\r\nHost: a\r\n\r\n", refused(400)),
    // Host.
    (b"GET / HTTP/1.1\r\n\r\n", refused(400)),
    (b"GET http://b/ HTTP/1.1\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: [a]\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: [::1]80\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", EMPTY),
    (b"GET / HTTP/1.1\r\nHost: my_pi.local:\r\n\r\n", EMPTY),
    // Field lines.
    (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc: d\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX\xe9: b\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n", refused(400)),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX-File-Id:\t \x80\xff: b\tc \t\r\nY:\r\nZ: \r\n\r\n", EMPTY),
    (b"GET / HTTP/1.0\r\n!#$%&'*+-.^_`|~09azAZ: b\r\n\r\n", EMPTY),
    // Length and coding.
    (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", length(5)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nCONTENT-LENGTH:007\t\r\n\r\n", length(7)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n", length(u64::MAX)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\nTransfer_Encoding: x\r\n\r\n", EMPTY),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", CHUNKED),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", refused(501)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked,\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: , chunked\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked, gzip\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip x, chunked\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", refused(400)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", refused(501)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n", refused(501)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip;q=1, Chunked\r\n\r\n", refused(501)),
    (b"PUT / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", refused(400)),
    // Expectations.
    (b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n", length(5)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 200-maybe\r\n\r\n", refused(417)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: x\r\n\r\n", refused(417)),
    (b"PUT / HTTP/1.0\r\nHost: a\r\nExpect: 200-maybe\r\n\r\n", EMPTY),
];

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Malformed> {
    Head::parse(bytes, &Limits::default())
}

fn whole(bytes: &[u8]) -> Head {
    parse(bytes).unwrap().expect("the head is whole").0
}

#[test]
fn examples_have_their_results() {
    for (bytes, expected) in EXAMPLES {
        let verdict = match parse(bytes) {
            Ok(None) => None,
            Ok(Some((head, _))) => Some(Ok(head.framing())),
            Err(malformed) => Some(Err(malformed.status())),
        };
        assert_eq!(verdict, *expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn parts_are_read() {
    let head = whole(
        b"GET http://b:8080/c%20?d?e HTTP/1.1\r\nHost: a\r\nX-Id: \t\xe9 \xff \r\nTwo: 1\r\ntwo: 2\r\n\r\n",
    );
    assert_eq!(
        (head.method(), head.path(), head.query()),
        ("GET", "/c%20", Some("d?e"))
    );
    assert_eq!(
        (head.host(), head.field("HOST")),
        (Some("b:8080"), Some(&b"a"[..]))
    );
    assert_eq!(head.field("x-id"), Some(&b"\xe9 \xff"[..]));
    assert_eq!((head.field("two"), head.field("three")), (None, None));
    assert_eq!(head.fields_named("TWO").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(head.fields().last(), Some(("two", &b"2"[..])));
    assert_eq!(
        format!("{head:?}"),
        r#"GET /c%20 Http11 ["Host", "X-Id", "Two", "two"]"#
    );

    let head = whole(b"OPTIONS http://b?d HTTP/1.0\r\n\r\n");
    assert_eq!(
        (head.path(), head.query(), head.host()),
        ("/", Some("d"), Some("b"))
    );
    let head = whole(b"OPTIONS * HTTP/1.0\r\n\r\n");
    assert_eq!((head.path(), head.query(), head.host()), ("*", None, None));
}

#[test]
fn bytes_after_a_head_are_not_consumed() {
    let (_, consumed) = parse(b"\r\nGET / HTTP/1.0\r\n\r\n\r\nGET")
        .unwrap()
        .unwrap();
    assert_eq!(consumed, 20);
}

#[test]
fn only_http_1_1_without_close_keeps_the_connection() {
    let keeps = |version: &str, connection: &str| {
        let head = format!("GET / HTTP/{version}\r\nHost: a\r\nConnection: {connection}\r\n\r\n");
        whole(head.as_bytes()).keep_alive()
    };
    assert!(keeps("1.1", "x, closed") && keeps("1.7", ""));
    assert!(!keeps("1.1", "close") && !keeps("1.1", "keep-alive ,\tClose"));
    assert!(!keeps("1.0", "keep-alive"));
}

#[test]
fn only_http_1_1_can_expect_a_continue() {
    let expects = |version: &str| {
        let head = format!("PUT / HTTP/{version}\r\nHost: a\r\nExpect: 100-CONTINUE\r\n\r\n");
        whole(head.as_bytes()).expects_continue()
    };
    assert!(expects("1.1") && !expects("1.0"));
}

#[test]
fn limits_are_exact_and_apply_before_the_end() {
    let limits = Limits {
        head_bytes: 40,
        fields: 2,
        target_bytes: 5,
        ..Limits::default()
    };
    let status = |bytes: &[u8]| match Head::parse(bytes, &limits) {
        Ok(head) => u16::from(head.is_some()),
        Err(malformed) => malformed.status(),
    };
    assert_eq!(
        status(b"GET /1234 HTTP/1.1\r\nHost: 567890123456\r\n\r\n"),
        431
    );
    assert_eq!(status(b"GET /1234 HTTP/1.1\r\nHost: 5678901234\r\n\r\n"), 1);
    assert_eq!(status(b"GET /1234 HTTP/1.1\r\nHost: 5678901234\r\n\r"), 0);
    assert_eq!(status(&[b'A'; 40]), 431);
    assert_eq!(status(&[b'A'; 39]), 0);
    assert_eq!(status(b"GET /1234"), 0);
    assert_eq!(status(b"GET /12345"), 414);
    assert_eq!(status(b"GET /1234\r\n"), 400);
    assert_eq!(status(b"GET / HTTP/1.0\r\na:\r\nb:\r\n\r\n"), 1);
    assert_eq!(status(b"GET / HTTP/1.0\r\na:\r\nb:\r\nc:\r\n"), 431);
}

#[test]
fn from_parts_applies_the_same_checks() {
    let status = |method, target, name, value: &[u8]| {
        let fields = [("Host", &b"a"[..]), (name, value)];
        Head::from_parts(method, target, fields)
            .map_or_else(|malformed| malformed.status(), |_| 200)
    };
    assert_eq!(status("GET", "/a?b", "X", b" \xff "), 200);
    assert_eq!(status("GET ", "/", "X", b"b"), 501);
    assert_eq!(status("GET", "/ HTTP/1.1", "X", b"b"), 400);
    assert_eq!(status("GET", "/", "X:", b"b"), 400);
    assert_eq!(status("GET", "/", "X", b"b\r\nY: c"), 400);
    assert_eq!(status("GET", "/", "Host", b"a"), 400);
    assert_eq!(status("GET", "/", "Content-Length", b"5, 5"), 400);
    assert_eq!(status("GET", "/", "Expect", b"x"), 417);

    let fields = [
        ("Host", &b"a"[..]),
        ("X-Id", b"\t1 "),
        ("Content-Length", b"3"),
    ];
    let head = Head::from_parts("POST", "/upload?q", fields).unwrap();
    let sent = b"POST /upload?q HTTP/1.1\r\nHost: a\r\nX-Id: 1\r\nContent-Length: 3\r\n\r\n";
    assert!(head.fields().eq(whole(sent).fields()));
    assert_eq!(
        (head.path(), head.query(), head.host()),
        ("/upload", Some("q"), Some("a"))
    );
    assert_eq!(head.framing(), Framing::Length(3));
}

#[test]
fn refusal_is_a_line_of_text_and_closes() {
    use crate::http::Response;
    let malformed = parse(b"GET / HTTP/1.1\r\n\r\n").unwrap_err();
    assert_eq!(
        (malformed.status(), malformed.to_string().as_str()),
        (400, "Host is missing")
    );
    let response = Response::from(malformed);
    assert_eq!((response.status(), response.is_closing()), (400, true));
    assert_eq!(response.body_bytes(), b"Host is missing\n");
}
