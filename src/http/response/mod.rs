//! Responses: built by value, written at once.
//!
//! Only [`Response::encode`] writes the framing (`Content-Length`, `Connection`, `Transfer-Encoding`) and `Date`. No value
//! can put a line end into the head. [`Response::fields`] adds the fields that protect the client's browser, so no response
//! lacks them.

mod problem;
mod reason;
pub(in crate::http) mod unsent;

use std::borrow::Cow;
use std::time::SystemTime;

pub(crate) use problem::Problem;
use reason::reason;

/// A response (RFC 9110, section 15): a status, fields, and a body in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    status: u16,
    fields: Vec<(&'static str, Cow<'static, str>)>,
    body: Cow<'static, [u8]>,
    head_length: Option<u64>,
    closing: bool,
}

impl Response {
    /// Returns a response with this status code (100 to 999), no field and an empty body.
    pub fn new(status: u16) -> Response {
        debug_assert!((100..=999).contains(&status), "a status has three digits");
        Response {
            status,
            fields: Vec::new(),
            body: Cow::Borrowed(&[]),
            head_length: None,
            closing: false,
        }
    }

    /// Adds a field line (RFC 9110, section 5.2). Control characters in the value are sent as spaces.
    ///
    /// `Content-Length`, `Connection`, `Transfer-Encoding` and `Date` are not sent: the server writes them itself.
    pub fn field(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Response {
        debug_assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        );
        self.fields.push((name, value.into()));
        self
    }

    /// Sets the content and its type (RFC 9110, section 8.3).
    pub fn body(
        mut self,
        content_type: &'static str,
        body: impl Into<Cow<'static, [u8]>>,
    ) -> Response {
        self.fields
            .retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        self.body = body.into();
        self.field("Content-Type", content_type)
    }

    /// Sets this text as the content, as `text/plain` in UTF-8.
    pub fn text(self, text: impl Into<String>) -> Response {
        self.body("text/plain; charset=utf-8", text.into().into_bytes())
    }

    pub(crate) fn with_status(mut self, status: u16) -> Response {
        self.status = status;
        self
    }

    /// Sets the `Content-Length` for HEAD, if it is not the length of this body (RFC 9110, section 8.6).
    pub(crate) fn head_length(mut self, bytes: u64) -> Response {
        self.head_length = Some(bytes);
        self
    }

    /// Returns the value of `Content-Length` in the response to a request with this method. `None`: the response has no
    /// such field (RFC 9110, section 8.6). For HEAD it is the length that GET would have, not the length of the body.
    pub fn content_length(&self, method: &str) -> Option<u64> {
        self.may_have_body().then(|| self.length(method == HEAD))
    }

    /// Returns the length of the content, also of one that is not sent.
    pub(crate) fn length(&self, head_only: bool) -> u64 {
        let length = self.head_length.filter(|_| head_only);
        length.unwrap_or(self.body.len() as u64)
    }

    /// Returns the parts to send as the response to a request with this method.
    ///
    /// Another HTTP server must send `content_length` also if the body is empty: for HEAD it may be the offset.
    pub fn into_parts(self, method: &str) -> ResponseParts {
        let fields = self.fields().filter(|(name, _)| !is_reserved(name));
        let fields = fields.map(|(name, value)| {
            let value = value.replace(|c: char| c.is_ascii_control(), " ");
            (name.to_owned(), value)
        });
        ResponseParts {
            status: self.status,
            fields: fields.collect(),
            content_length: self.content_length(method),
            is_closing: self.closing,
            body: match method != HEAD && self.may_have_body() {
                true => self.body,
                false => Cow::Borrowed(&[]),
            },
        }
    }

    /// Closes the connection after this response (RFC 9112, section 9.6).
    pub fn closing(mut self) -> Response {
        self.closing = true;
        self
    }

    /// Returns the status code (RFC 9110, section 15).
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the added fields, in order (RFC 9110, section 5), and those that protect a browser. An added field replaces
    /// a protecting one of its name. An interim response has the added fields only.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let protecting = self.browser_fields().into_iter();
        let protecting = protecting.filter(|(name, _)| first(self.added_fields(), name).is_none());
        let is_final = self.status >= 200;
        self.added_fields()
            .chain(protecting.filter(move |_| is_final))
    }

    fn added_fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.fields.iter();
        fields.map(|(name, value)| (*name, value.as_ref()))
    }

    /// Returns the fields that protect a browser: it guesses no content type, sends no address of this server to others,
    /// and passes no response to a page of another origin, unless CORS permits the origin (the Fetch standard).
    fn browser_fields(&self) -> [(&'static str, &'static str); 3] {
        let readers = match first(self.added_fields(), "Access-Control-Allow-Origin") {
            Some(_) => "cross-origin",
            None => "same-origin",
        };
        [
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", readers),
        ]
    }

    /// Returns the first value of this field. Names are case-insensitive (RFC 9110, section 5.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        first(self.fields(), name)
    }

    /// Returns the content (RFC 9110, section 6.4). The method of the request and the status decide whether it is sent.
    pub fn body_bytes(&self) -> &[u8] {
        &self.body
    }

    /// Returns whether the connection closes after this response (RFC 9112, section 9.6).
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Encodes a final response as head and body. A small body is part of the head, so that the response is one write; a
    /// large one is not copied.
    pub(crate) fn encode(self, to: ReplyTo) -> (Vec<u8>, Cow<'static, [u8]>) {
        let mut head = self.status_and_fields();
        push_field(
            &mut head,
            "Date",
            &httpdate::fmt_http_date(SystemTime::now()),
        );
        if self.closing || !to.keep_alive {
            push_field(&mut head, "Connection", "close");
        }
        if self.may_have_body() {
            let length = self.length(to.head_only);
            push_field(&mut head, "Content-Length", &length.to_string());
        }
        head.extend_from_slice(b"\r\n");

        if to.head_only || !self.may_have_body() {
            (head, Cow::Borrowed(&[]))
        } else if self.body.len() < INLINE_BODY_BYTES {
            head.extend_from_slice(&self.body);
            (head, Cow::Borrowed(&[]))
        } else {
            (head, self.body)
        }
    }

    /// Encodes an interim response (1xx), without length and date (RFC 9110, sections 15.2 and 6.6.1).
    pub(crate) fn encode_interim(&self) -> Vec<u8> {
        debug_assert!(self.status < 200, "encode is for final responses");
        let mut head = self.status_and_fields();
        head.extend_from_slice(b"\r\n");
        head
    }

    fn status_and_fields(&self) -> Vec<u8> {
        let mut head =
            Vec::with_capacity(HEAD_BYTES_EXPECTED + INLINE_BODY_BYTES.min(self.body.len()));
        let (status, reason) = (self.status.to_string(), reason(self.status));
        for part in ["HTTP/1.1 ", &status, " ", reason, "\r\n"] {
            head.extend_from_slice(part.as_bytes());
        }
        for (name, value) in self.fields().filter(|(name, _)| !is_reserved(name)) {
            push_field(&mut head, name, value);
        }
        head
    }

    /// Returns whether a response with this status has a body (RFC 9112, section 6.3).
    fn may_have_body(&self) -> bool {
        self.status >= 200 && !matches!(self.status, 204 | 304)
    }
}

/// The parts of a [`Response`], for another HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseParts {
    /// The status code.
    pub status: u16,
    /// The names and values of the fields, without those of the framing and `Date`. No value has a control character.
    pub fields: Vec<(String, String)>,
    /// The value of `Content-Length`; `None` if the response must not have one.
    pub content_length: Option<u64>,
    /// True if the connection closes after the response: `Connection: close` in HTTP/1.1.
    pub is_closing: bool,
    /// The body to send; empty for HEAD.
    pub body: Cow<'static, [u8]>,
}

const HEAD: &str = "HEAD";

/// The properties of the request that the encoding of the response depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReplyTo {
    /// True if the method is HEAD: the head of GET, without the body (RFC 9110, section 9.3.2).
    pub(crate) head_only: bool,
    /// True if the connection stays open.
    pub(crate) keep_alive: bool,
}

fn first<'f>(mut fields: impl Iterator<Item = (&'f str, &'f str)>, name: &str) -> Option<&'f str> {
    let field = fields.find(|(given, _)| given.eq_ignore_ascii_case(name));
    field.map(|(_, value)| value)
}

fn push_field(head: &mut Vec<u8>, name: &str, value: &str) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    let start = head.len();
    head.extend_from_slice(value.as_bytes());
    for byte in head[start..]
        .iter_mut()
        .filter(|byte| byte.is_ascii_control())
    {
        *byte = b' ';
    }
    head.extend_from_slice(b"\r\n");
}

/// Returns whether the server writes this field itself: a second framing field enables response smuggling.
fn is_reserved(name: &str) -> bool {
    RESERVED_FIELDS
        .iter()
        .any(|reserved| name.eq_ignore_ascii_case(reserved))
}

const RESERVED_FIELDS: [&str; 4] = ["Content-Length", "Transfer-Encoding", "Connection", "Date"];

/// A body shorter than this is copied after the head.
const INLINE_BODY_BYTES: usize = 1024;

const HEAD_BYTES_EXPECTED: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: ReplyTo = ReplyTo {
        head_only: false,
        keep_alive: true,
    };

    /// The fields of each final response.
    const BROWSER: &str = "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
                           Cross-Origin-Resource-Policy: same-origin\r\n";

    /// Returns the sent bytes without the date, which is checked separately, and without [`BROWSER`].
    fn sent(response: Response, to: ReplyTo) -> String {
        let (mut bytes, rest) = response.encode(to);
        bytes.extend_from_slice(&rest);
        let text = String::from_utf8(bytes).unwrap();
        let (before, dated) = text
            .split_once("Date: ")
            .expect("a final response has a date");
        let (date, after) = dated.split_once("\r\n").unwrap();
        httpdate::parse_http_date(date).unwrap();
        assert!(
            date.ends_with(" GMT") && date.len() == 29,
            "not an IMF-fixdate: {date}"
        );
        let before = before.strip_suffix(BROWSER).expect("they are last");
        format!("{before}{after}")
    }

    #[test]
    fn text_is_sent_with_type_and_length() {
        assert_eq!(
            sent(
                Response::new(200)
                    .field("Cache-Control", "no-store")
                    .text("4711"),
                KEEP
            ),
            "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: 4\r\n\r\n4711"
        );
    }

    #[test]
    fn response_without_body_has_no_length() {
        assert_eq!(
            sent(Response::new(201), KEEP),
            "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
        );
        for status in [204, 304] {
            let answer = sent(
                Response::new(status).body("text/html", b"never".as_slice()),
                KEEP,
            );
            assert!(!answer.contains("Content-Length"), "{answer}");
            assert!(answer.ends_with("\r\n\r\n"), "{answer}");
        }
    }

    #[test]
    fn head_gets_the_length_without_the_body() {
        let to = ReplyTo {
            head_only: true,
            ..KEEP
        };
        let answer = sent(Response::new(200).text("hello"), to);
        assert!(answer.ends_with("Content-Length: 5\r\n\r\n"), "{answer}");
    }

    #[test]
    fn head_length_replaces_the_length_for_head_only() {
        let to = ReplyTo {
            head_only: true,
            ..KEEP
        };
        let response = Response::new(200).head_length(1 << 40);
        let answer = sent(response.clone(), to);
        assert!(
            answer.ends_with("Content-Length: 1099511627776\r\n\r\n"),
            "{answer}"
        );
        let answer = sent(response, KEEP);
        assert!(answer.ends_with("Content-Length: 0\r\n\r\n"), "{answer}");
    }

    #[test]
    fn parts_are_those_that_are_sent() {
        let response = Response::new(200)
            .field("Location", "/a\r\nb")
            .field("Connection", "upgrade")
            .head_length(1 << 40)
            .text("hello")
            .closing();
        let head = response.clone().into_parts("HEAD");
        assert_eq!(
            (head.content_length, &*head.body),
            (Some(1 << 40), &b""[..])
        );
        let get = response.into_parts("GET");
        assert_eq!((get.content_length, &*get.body), (Some(5), &b"hello"[..]));
        assert!(get.is_closing);
        let value = |name| get.fields.iter().find(|field| field.0 == name);
        assert_eq!(value("Location").map(|field| &*field.1), Some("/a  b"));
        assert_eq!(value("Connection"), None);
        assert!(value("X-Content-Type-Options").is_some());
        let none = Response::new(304).text("never").into_parts("GET");
        assert_eq!((none.content_length, &*none.body), (None, &b""[..]));
    }

    #[test]
    fn response_or_request_can_close() {
        let close = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(sent(Response::new(200).closing(), KEEP), close);
        assert_eq!(
            sent(
                Response::new(200),
                ReplyTo {
                    keep_alive: false,
                    ..KEEP
                }
            ),
            close
        );
        assert!(Response::new(200).closing().is_closing());
    }

    #[test]
    fn value_cannot_add_a_line_or_change_the_framing() {
        let answer = Response::new(200)
            .field("Location", "/a\r\nSet-Cookie: b\0\x7f\u{e9}")
            .field("content-length", "7")
            .field("transfer-encoding", "chunked");
        assert_eq!(
            sent(answer, KEEP),
            "HTTP/1.1 200 OK\r\nLocation: /a  Set-Cookie: b  \u{e9}\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn small_body_is_one_write_and_large_one_is_not_copied() {
        static PAGE: [u8; INLINE_BODY_BYTES] = [b'x'; INLINE_BODY_BYTES];
        let (_, rest) = Response::new(200)
            .body("text/html", &PAGE[1..])
            .encode(KEEP);
        assert!(rest.is_empty());
        let (head, rest) = Response::new(200).body("text/html", &PAGE[..]).encode(KEEP);
        assert!(head.ends_with(b"\r\n\r\n"));
        assert!(matches!(rest, Cow::Borrowed(page) if std::ptr::eq(page, &PAGE)));
    }

    #[test]
    fn interim_response_is_status_and_fields() {
        assert_eq!(
            Response::new(100).encode_interim(),
            b"HTTP/1.1 100 Continue\r\n\r\n"
        );
        assert_eq!(
            Response::new(104)
                .field("Location", "/u/1")
                .encode_interim(),
            b"HTTP/1.1 104 Upload Resumption Supported\r\nLocation: /u/1\r\n\r\n"
        );
        assert_eq!(reason(599), "");
    }

    #[test]
    fn getters_return_the_set_values() {
        let answer = Response::new(409)
            .text("first")
            .body("text/html", b"second".as_slice());
        assert_eq!(answer.status(), 409);
        assert_eq!(answer.get("content-TYPE"), Some("text/html"));
        assert_eq!(answer.get("Location"), None);
        assert_eq!(answer.body_bytes(), b"second");
        assert_eq!(answer.fields().count(), 1 + 3);
    }

    #[test]
    fn browser_fields_follow_cors_and_the_program() {
        let shared = Response::new(403).field("access-control-allow-origin", "https://a.example");
        let policy = |response: &Response| {
            let policy = response.get("Cross-Origin-Resource-Policy");
            policy.map(str::to_owned)
        };
        assert_eq!(policy(&shared).as_deref(), Some("cross-origin"));
        let own = Response::new(200).field("cross-origin-resource-policy", "same-site");
        assert_eq!(policy(&own).as_deref(), Some("same-site"));
        assert_eq!(own.fields().count(), 3);
        assert_eq!(Response::new(104).fields().count(), 0);
    }
}
