//! The requests of the `X-File-Id` dialect, one method each. Knows fields and answers; decides nothing.

use std::io::{self, Read};
use std::time::{Duration, SystemTime};

use ureq::http::header::{AUTHORIZATION, LOCATION, RETRY_AFTER};
use ureq::http::{Response, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, RequestBuilder, SendBody};

use super::super::text;
use super::identity::Identity;
use super::problem::Problem;
use super::zone::{self, Zoned};

/// A connection on which nothing moves for so long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const CONNECT_MAX: Duration = Duration::from_secs(20);
/// A large body waits until the server has said that it will take it. Smaller ones are sent in vain faster.
const EXPECT_FROM: u64 = 128 * 1024;
/// Answers are a line; what is longer comes from somebody else.
const ANSWER_MAX: u64 = 64 * 1024;
pub(super) const TAIL_MAX: u64 = 64 * 1024;
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// Where uploads go.
#[derive(Debug, Clone)]
pub(super) struct Address {
    /// The address as given.
    shown: String,
    /// The address without the zone.
    base: String,
    zone: Option<String>,
}

/// What the server holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) offset: u64,
    pub(super) complete: bool,
    pub(super) tail: Option<Tail>,
    /// True if the complete upload has the digest that was sent.
    pub(super) compared: bool,
}

/// The part of an upload that one request sends.
pub(super) struct Part<'a> {
    pub(super) start: u64,
    /// 0 if the request only declares the upload, or completes it.
    pub(super) length: u64,
    pub(super) body: &'a mut dyn Read,
    pub(super) proof: Proof,
    /// The tail that the server has to hold before this part.
    pub(super) tail: Option<Tail>,
}

/// The proof of the contents of the whole upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// Nothing.
    None,
    /// The CRC-32 follows with the last bytes.
    Announced,
    /// The CRC-32.
    Whole(u32),
}

/// A checksum of the last bytes held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) crc32: u32,
    pub(super) length: u64,
}

/// What came of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Posted {
    Taken(Progress),
    /// The server holds another count than the piece started at.
    Conflict,
    /// The server holds other bytes. It has removed a partial upload, unless the tail differed. A complete one stays.
    Differs(Progress),
}

/// A server, and what it takes to speak to it.
pub(super) struct Wire {
    agent: Agent,
    address: Address,
    authorization: Option<String>,
}

/// An answer as it came.
struct Answer {
    status: u16,
    text: String,
    /// Only the upload server sends its fields: a refusal without them is a proxy's.
    is_ours: bool,
    offset: Option<u64>,
    complete: bool,
    compared: bool,
    tail: Option<Tail>,
    after: Duration,
    location: Option<String>,
}

impl Address {
    /// `http://` or `https://`, a host, and perhaps a path.
    pub(super) fn parse(text: &str) -> Option<Address> {
        let shown = text.trim_end_matches('/').to_owned();
        let (base, zone) = zone::split(&shown)?;
        let uri: Uri = base.parse().ok()?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let is_plain = uri.query().is_none() && !uri.authority()?.as_str().contains('@');
        (is_http && is_plain && uri.host().is_some_and(|host| !host.is_empty()))
            .then_some(Address { shown, base, zone })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.shown
    }
}

impl Wire {
    /// `authorization` is the value of that field.
    pub(super) fn new(address: Address, authorization: Option<String>) -> Wire {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // What a redirect makes of a POST is no upload.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_per_read(Some(SILENCE_MAX))
            .timeout_per_write(Some(SILENCE_MAX))
            .user_agent(concat!("resumed/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        let resolver = Zoned {
            zone: address.zone.clone(),
            inner: DefaultResolver::default(),
        };
        Wire {
            agent: Agent::with_parts(config, DefaultConnector::default(), resolver),
            address,
            authorization,
        }
    }

    /// Asks what the server holds.
    pub(super) fn status(&self, id: &str, within: Duration) -> Result<Progress, Problem> {
        let request = self.agent.get(format!("{}/status", self.address.base));
        let request = self.prepared(request, within).header("X-File-Id", id);
        let answer = read(request.call())?;
        match answer.status {
            200 => answer.held(),
            _ => Err(answer.problem()),
        }
    }

    /// Sends the next part of an upload.
    pub(super) fn post(
        &self,
        identity: &Identity,
        part: Part<'_>,
        within: Duration,
    ) -> Result<Posted, Problem> {
        let request = self.agent.post(format!("{}/upload", self.address.base));
        let mut request = self
            .prepared(request, within)
            .header("X-File-Id", &identity.id)
            .header("X-File-Name", &identity.name)
            .header("X-Start-Byte", part.start)
            .header("Content-Length", part.length);
        let known = [
            ("X-File-Size", identity.size),
            ("X-File-Modified", identity.modified_ms),
        ];
        for (name, value) in known {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        request = match part.proof {
            Proof::None => request,
            Proof::Announced => request.header("X-File-CRC32", "?"),
            Proof::Whole(crc32) => request.header("X-File-CRC32", format!("{crc32:08x}")),
        };
        if let Some(Tail { crc32, length }) = part.tail {
            request = request.header(
                "X-Tail-Digest",
                format!("crc32={crc32:08x}; length={length}"),
            );
        }
        if part.length >= EXPECT_FROM {
            request = request.header("Expect", "100-continue");
        }
        let compares = part.tail.is_some() || matches!(part.proof, Proof::Whole(_));
        let answer = read(request.send(SendBody::from_reader(part.body)))?;
        match (answer.status, answer.offset) {
            (409, _) if answer.count().is_some() => Ok(Posted::Conflict),
            (412, Some(offset)) if compares => Ok(Posted::Differs(answer.with(offset))),
            (200..=299, _) => answer.held().map(Posted::Taken),
            _ => Err(answer.problem()),
        }
    }

    /// Removes an upload from the server. A published file stays.
    pub(super) fn forget(&self, id: &str, within: Duration) -> Result<(), Problem> {
        let request = self.agent.delete(format!("{}/upload", self.address.base));
        let request = self.prepared(request, within).header("X-File-Id", id);
        let answer = read(request.call())?;
        match answer.status {
            200..=299 => Ok(()),
            _ => Err(answer.problem()),
        }
    }

    /// Adds the credentials, and limits the time for the connection and the whole answer. A limit on the pause between
    /// two bytes would allow a slow answer for hours.
    fn prepared<B>(&self, request: RequestBuilder<B>, within: Duration) -> RequestBuilder<B> {
        let request = request
            .config()
            .timeout_resolve(Some(within.min(CONNECT_MAX)))
            .timeout_connect(Some(within.min(CONNECT_MAX)))
            .timeout_recv_response(Some(within))
            .timeout_recv_body(Some(within))
            .build();
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        }
    }
}

fn read(response: Result<Response<Body>, ureq::Error>) -> Result<Answer, Problem> {
    let mut response = response.map_err(unreachable)?;
    let mut text = Vec::new();
    let body = response.body_mut().as_reader();
    body.take(ANSWER_MAX)
        .read_to_end(&mut text)
        .map_err(|error| Problem::Gone(error.to_string()))?;
    let field = |name: &str| response.headers().get(name)?.to_str().ok();
    Ok(Answer {
        status: response.status().as_u16(),
        is_ours: field("Upload-Offset")
            .or(field("Upload-Complete"))
            .is_some(),
        offset: field("Upload-Offset").and_then(|offset| offset.parse().ok()),
        complete: field("Upload-Complete") == Some("?1") || text.starts_with(b"Success"),
        compared: field("X-File-CRC32") == Some("?1"),
        tail: field("X-Tail-Digest").and_then(tail),
        after: field(RETRY_AFTER.as_str()).map_or(Duration::ZERO, retry_after),
        location: field(LOCATION.as_str()).map(first_line),
        text: first_line(&String::from_utf8_lossy(&text)),
    })
}

impl Answer {
    /// The count of bytes that the text is.
    fn count(&self) -> Option<u64> {
        let digits = self.text.strip_prefix("Success ").unwrap_or(&self.text);
        let is_count = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_count.then(|| digits.parse().ok()).flatten()
    }

    fn held(&self) -> Result<Progress, Problem> {
        Ok(self.with(self.count().ok_or(Problem::Strange)?))
    }

    fn with(&self, offset: u64) -> Progress {
        Progress {
            offset,
            complete: self.complete,
            tail: self.tail,
            compared: self.compared,
        }
    }

    /// What an answer other than success stands for.
    fn problem(self) -> Problem {
        match self.status {
            300..=399 => Problem::Moved(self.location.unwrap_or_default()),
            401 => Problem::SignIn,
            421 => Problem::WrongHost(self.text),
            507 => Problem::NoSpace(self.text),
            400..=499 if self.is_ours && !matches!(self.status, 408 | 429) => {
                Problem::Refused(self.text)
            }
            403 => Problem::Forbidden,
            // 412: something else of the server, where another dialect is spoken.
            404 | 405 | 412 | 501 => Problem::NoService(self.status),
            409 => Problem::Elsewhere,
            413 => Problem::ProxyLimit,
            408 | 429 | 500.. => Problem::Busy {
                status: self.status,
                after: self.after,
                reason: Some(self.text).filter(|text| self.is_ours && !text.is_empty()),
            },
            400..=499 => Problem::Refused(self.text),
            0..=299 => Problem::Strange,
        }
    }
}

/// The problem behind a request that got no answer at all.
fn unreachable(error: ureq::Error) -> Problem {
    let trust = |error: &io::Error| error.kind() == io::ErrorKind::InvalidData;
    match error {
        ureq::Error::Io(error) if trust(&error) => Problem::NotTrusted(error.to_string()),
        ureq::Error::Io(error) => Problem::Gone(error.to_string()),
        ureq::Error::Rustls(error) => Problem::NotTrusted(error.to_string()),
        ureq::Error::Tls(why) => Problem::NotTrusted(why.to_owned()),
        ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) => Problem::Strange,
        // The list is open, and nothing else of it is for ever.
        error => Problem::Gone(error.to_string()),
    }
}

/// `crc32=<8 hex>; length=<n>`
fn tail(field: &str) -> Option<Tail> {
    let (crc32, length) = field.strip_prefix("crc32=")?.split_once("; length=")?;
    let length = length.parse().ok().filter(|length| *length <= TAIL_MAX)?;
    let crc32 = u32::from_str_radix(crc32, 16).ok()?;
    Some(Tail { crc32, length })
}

/// Reads `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(field: &str) -> Duration {
    let until = |date| {
        httpdate::parse_http_date(date)
            .ok()?
            .duration_since(SystemTime::now())
            .ok()
    };
    let asked = match field.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => until(field),
    };
    asked.unwrap_or_default().min(RETRY_AFTER_MAX)
}

/// Returns the first line of an answer, safe to show.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    text::printable(line).chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, base) in [
            ("http://pi:8080", Some("http://pi:8080")),
            (
                "https://example.org/files/",
                Some("https://example.org/files"),
            ),
            ("http://[::1]:8080/", Some("http://[::1]:8080")),
            (
                "http://[fe80::1%25eth0]:8080/",
                Some("http://[fe80::1%25eth0]:8080"),
            ),
            (
                "http://[fe80::1%eth0]:8080",
                Some("http://[fe80::1%eth0]:8080"),
            ),
            ("http://[fe80::1%]", None),
            ("pi:8080", None),
            ("ftp://pi", None),
            ("http://", None),
            ("http://name:password@pi", None),
            ("http://pi/?a", None),
            ("/tmp/file", None),
        ] {
            let address = Address::parse(text);
            assert_eq!(address.as_ref().map(Address::as_str), base, "{text}");
        }
    }

    #[test]
    fn tails() {
        assert_eq!(
            tail("crc32=0000000f; length=10"),
            Some(Tail {
                crc32: 15,
                length: 10
            })
        );
        for not in [
            "",
            "crc32=x; length=1",
            "crc32=1",
            "crc32=1; length=65537",
            "sha=1; length=1",
        ] {
            assert_eq!(tail(not), None, "{not}");
        }
    }

    #[test]
    fn answer_is_shown_as_one_safe_line() {
        assert_eq!(
            first_line("\x1b]0;x\x07no\u{202e}\nmore"),
            "\u{fffd}]0;x\u{fffd}no\u{fffd}"
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after("7"), Duration::from_secs(7));
        assert_eq!(retry_after("100000"), RETRY_AFTER_MAX);
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        assert!((90..=100).contains(&retry_after(&date).as_secs()), "{date}");
        for none in ["", "soon", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            assert_eq!(retry_after(none), Duration::ZERO, "{none}");
        }
    }
}
