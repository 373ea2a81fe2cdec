//! The requests of the `X-File-Id` dialect, one method each.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::prelude::{BASE64_STANDARD, Engine};
use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, InvalidMessage, OtherError};
use ureq::http::header::{AUTHORIZATION, LOCATION, RETRY_AFTER};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Response, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    ConnectProxyConnector, Connector, DefaultConnector, TcpConnector,
};
use ureq::{Agent, Body, RequestBuilder, SendBody};

use super::error::Error;
use super::identity::Identity;
use super::pinned::{OtherCertificate, PinnedConnector};
use super::resolver::CachedResolver;
use super::zone;

/// The longest time without a byte on a connection.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const CONNECT_MAX: Duration = Duration::from_secs(20);
/// The length from which a body may wait for `100 Continue`. To send a smaller body in vain is faster.
const EXPECT_FROM: u64 = 128 * 1024;
/// The maximum length of a response. The server answers with one line.
const ANSWER_MAX: u64 = 64 * 1024;
pub(crate) const TAIL_MAX: u64 = 64 * 1024;
/// The fields of an upload that a program cannot set.
const OWN_FIELDS: [&str; 6] = [
    "content-length",
    "expect",
    "host",
    "transfer-encoding",
    "x-start-byte",
    "x-tail-digest",
];
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// The address of a server.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// The address as given.
    shown: String,
    /// The address without the zone.
    base: String,
    zone: Option<String>,
}

/// The bytes of an upload that the server holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) offset: u64,
    pub(crate) complete: bool,
    pub(crate) tail: Option<Tail>,
    /// True if the complete upload has the digest that was sent.
    pub(crate) compared: bool,
    /// The path of the file of a complete upload.
    pub(crate) name: Option<String>,
}

/// The part of an upload that one request sends.
pub(crate) struct Part<'a> {
    pub(crate) start: u64,
    /// 0 if the request only declares the upload, or completes it.
    pub(crate) length: u64,
    pub(crate) body: &'a mut dyn Read,
    pub(crate) proof: Proof,
    /// True if the body does not wait for `100 Continue`.
    pub(crate) at_once: bool,
    /// The tail that the server has to hold before this part.
    pub(crate) tail: Option<Tail>,
}

/// The proof of the contents of the whole upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing.
    None,
    /// The CRC-32 follows with the last bytes.
    Announced,
    /// The CRC-32.
    Whole(u32),
}

/// A checksum of the last bytes held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(crate) crc32: u32,
    pub(crate) length: u64,
}

/// The result of a POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Posted {
    Taken(Held),
    /// The server has this offset, not the start of the part.
    Conflict(u64),
    /// The server holds other bytes. It has removed a partial upload, unless the tail differed. A complete one stays.
    Differs(Held),
}

/// A server: its address, and the fields that it gets with each request.
pub(crate) struct Endpoint {
    address: Address,
    fields: HeaderMap,
    trust: Trust,
}

/// The certificates that a client accepts.
#[derive(Clone)]
enum Trust {
    /// Those that the machine trusts.
    Machine,
    /// Those of these authorities.
    Authorities(Arc<Vec<Certificate<'static>>>),
    /// The one with this SHA-256.
    Fingerprint([u8; 32]),
}

/// The connections of one upload.
pub(crate) struct Requests<'a> {
    agent: Agent,
    endpoint: &'a Endpoint,
}

/// A response.
struct Answer {
    status: u16,
    text: String,
    /// True if the response has fields of the upload server. A refusal without them is that of a proxy.
    is_ours: bool,
    offset: Option<u64>,
    complete: bool,
    compared: bool,
    name: Option<String>,
    tail: Option<Tail>,
    after: Duration,
    location: Option<String>,
    /// The reason of a refusal as a word: `X-Problem`.
    code: Option<String>,
}

impl Address {
    /// Parses `http://` or `https://`, a host, and an optional path.
    pub(crate) fn parse(text: &str) -> Option<Address> {
        let shown = text.trim_end_matches('/').to_owned();
        let (base, zone) = zone::split(&shown)?;
        let uri: Uri = base.parse().ok()?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let is_plain = uri.query().is_none() && !uri.authority()?.as_str().contains('@');
        (is_http && is_plain && uri.host().is_some_and(|host| !host.is_empty()))
            .then_some(Address { shown, base, zone })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.shown
    }
}

impl Endpoint {
    pub(crate) fn new(address: Address) -> Endpoint {
        Endpoint {
            address,
            fields: HeaderMap::new(),
            trust: Trust::Machine,
        }
    }

    /// Trusts the certificates of these authorities (PEM) only. Returns `None` if there is none.
    pub(crate) fn set_authorities(&mut self, pem: &[u8]) -> Option<()> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates = certificates.ok().filter(|all| !all.is_empty())?;
        let own = |der: &CertificateDer<'_>| Certificate::from_der(der).to_owned();
        self.trust = Trust::Authorities(Arc::new(certificates.iter().map(own).collect()));
        Some(())
    }

    pub(crate) fn set_fingerprint(&mut self, sha256: [u8; 32]) {
        self.trust = Trust::Fingerprint(sha256);
    }

    pub(crate) fn url(&self) -> &str {
        self.address.as_str()
    }

    /// Sets the credentials.
    pub(crate) fn set_user(&mut self, name: &str, password: &str) {
        let credentials = BASE64_STANDARD.encode(format!("{name}:{password}"));
        let value = HeaderValue::try_from(format!("Basic {credentials}"));
        self.fields
            .insert(AUTHORIZATION, value.expect("base64 is ASCII"));
    }

    /// Sets a field of each request. Returns `None` if it is no field, or one of the upload.
    pub(crate) fn set_field(&mut self, name: &str, value: &str) -> Option<()> {
        let name = HeaderName::try_from(name).ok()?;
        let is_own = OWN_FIELDS.contains(&name.as_str()) || name.as_str().starts_with("x-file-");
        self.fields.insert(name, HeaderValue::try_from(value).ok()?);
        (!is_own).then_some(())
    }

    /// Makes an agent without connections.
    pub(crate) fn new_agent(&self) -> Agent {
        let roots = match &self.trust {
            Trust::Authorities(authorities) => RootCerts::Specific(Arc::clone(authorities)),
            Trust::Machine | Trust::Fingerprint(_) => RootCerts::PlatformVerifier,
        };
        let tls = TlsConfig::builder().root_certs(roots).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirect turns a POST into a GET.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_per_read(Some(SILENCE_MAX))
            .timeout_per_write(Some(SILENCE_MAX))
            .user_agent(concat!("resumed-client/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        let zone = self.address.zone.clone();
        let resolver = CachedResolver::new(DefaultResolver::default(), zone);
        match self.trust {
            Trust::Fingerprint(sha256) => {
                let connector =
                    ().chain(ConnectProxyConnector::default())
                        .chain(TcpConnector::default())
                        .chain(PinnedConnector::new(sha256));
                Agent::with_parts(config, connector, resolver)
            }
            _ => Agent::with_parts(config, DefaultConnector::default(), resolver),
        }
    }
}

impl<'a> Requests<'a> {
    pub(crate) fn new(endpoint: &'a Endpoint, agent: Agent) -> Requests<'a> {
        Requests { agent, endpoint }
    }

    /// Returns the offset of an upload.
    pub(crate) fn status(&self, id: &str, within: Duration) -> Result<Held, Error> {
        let request = self.agent.get(self.url("status"));
        let request = self.prepared(request, within).header("X-File-Id", id);
        let answer = read(request.call())?;
        match answer.status {
            200 => answer.held(),
            _ => Err(answer.error()),
        }
    }

    /// Sends the next part of an upload.
    pub(crate) fn post(
        &self,
        identity: &Identity,
        part: Part<'_>,
        within: Duration,
    ) -> Result<Posted, Error> {
        let request = self.agent.post(self.url("upload"));
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
        if part.length >= EXPECT_FROM && !part.at_once {
            request = request.header("Expect", "100-continue");
        }
        let compares = part.tail.is_some() || matches!(part.proof, Proof::Whole(_));
        let answer = read(request.send(SendBody::from_reader(part.body)))?;
        match (answer.status, answer.count(), answer.offset) {
            (409, Some(count), _) => Ok(Posted::Conflict(count)),
            (412, _, Some(offset)) if compares => Ok(Posted::Differs(answer.with(offset))),
            (200..=299, ..) => answer.held().map(Posted::Taken),
            _ => Err(answer.error()),
        }
    }

    /// Removes an upload from the server. A published file stays.
    pub(crate) fn forget(&self, id: &str, within: Duration) -> Result<(), Error> {
        let request = self.agent.delete(self.url("upload"));
        let request = self.prepared(request, within).header("X-File-Id", id);
        let answer = read(request.call())?;
        match answer.status {
            200..=299 => Ok(()),
            _ => Err(answer.error()),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.endpoint.address.base)
    }

    /// Adds the fields of the endpoint, and limits the time for the connection and the whole answer. A limit on the pause
    /// between two bytes would allow a slow answer for hours.
    fn prepared<B>(&self, request: RequestBuilder<B>, within: Duration) -> RequestBuilder<B> {
        let mut request = request
            .config()
            .timeout_resolve(Some(within.min(CONNECT_MAX)))
            .timeout_connect(Some(within.min(CONNECT_MAX)))
            .timeout_recv_response(Some(within))
            .timeout_recv_body(Some(within))
            .build();
        for (name, value) in &self.endpoint.fields {
            request = request.header(name, value);
        }
        request
    }
}

fn read(response: Result<Response<Body>, ureq::Error>) -> Result<Answer, Error> {
    let mut response = response.map_err(unreachable)?;
    let mut text = Vec::new();
    let body = response.body_mut().as_reader();
    body.take(ANSWER_MAX)
        .read_to_end(&mut text)
        .map_err(|error| Error::Unreachable(error.into()))?;
    let field = |name: &str| response.headers().get(name)?.to_str().ok();
    Ok(Answer {
        status: response.status().as_u16(),
        is_ours: field("Upload-Offset")
            .or(field("Upload-Complete"))
            .is_some(),
        offset: field("Upload-Offset").and_then(|offset| offset.parse().ok()),
        complete: field("Upload-Complete") == Some("?1") || text.starts_with(b"Success"),
        compared: field("X-File-CRC32") == Some("?1"),
        name: field("X-File-Name").and_then(decoded),
        tail: field("X-Tail-Digest").and_then(tail),
        after: field(RETRY_AFTER.as_str()).map_or(Duration::ZERO, retry_after),
        location: field(LOCATION.as_str()).map(first_line),
        code: field("X-Problem").map(str::to_owned),
        text: first_line(&String::from_utf8_lossy(&text)),
    })
}

impl Answer {
    /// Returns the number of bytes that the text names.
    fn count(&self) -> Option<u64> {
        let digits = self.text.strip_prefix("Success ").unwrap_or(&self.text);
        let is_count = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_count.then(|| digits.parse().ok()).flatten()
    }

    fn held(&self) -> Result<Held, Error> {
        Ok(self.with(self.count().ok_or(Error::NoUploadServer)?))
    }

    fn with(&self, offset: u64) -> Held {
        Held {
            offset,
            complete: self.complete,
            tail: self.tail,
            compared: self.compared,
            name: self.name.clone(),
        }
    }

    /// Returns the error that a response other than success means.
    fn error(self) -> Error {
        if self.code.as_deref() == Some("too-many-partials") {
            return Error::TooManyPartials {
                status: self.status,
                retry_after: self.after,
                line: self.text,
            };
        }
        match self.status {
            300..=399 => Error::Redirected(self.location.unwrap_or_default()),
            401 => Error::Unauthorized,
            421 => Error::WrongHost(self.text),
            507 => Error::NoSpace(self.text),
            413 if self.is_ours => Error::TooLarge(self.text),
            400..=499 if self.is_ours && !matches!(self.status, 408 | 429) => self.refused(),
            403 => Error::Forbidden,
            // 412: the path belongs to another dialect of the server.
            404 | 405 | 412 | 501 => Error::NoService(self.status),
            409 => Error::OtherClient,
            413 => Error::ProxyLimit,
            408 | 429 | 500.. => Error::Unavailable {
                status: self.status,
                retry_after: self.after,
                reason: Some(self.text).filter(|text| self.is_ours && !text.is_empty()),
            },
            400..=499 => self.refused(),
            0..=299 => Error::NoUploadServer,
        }
    }

    fn refused(self) -> Error {
        let (status, line) = (self.status, self.text);
        Error::Refused { status, line }
    }
}

/// Returns the error of a request without a response.
fn unreachable(error: ureq::Error) -> Error {
    match error {
        ureq::Error::Rustls(error) => tls_failed(error),
        ureq::Error::Tls(_) => Error::Untrusted(error.into()),
        ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) => Error::NoUploadServer,
        ureq::Error::Io(error) => match error.downcast() {
            Ok(error) => tls_failed(error),
            Err(error) => Error::Unreachable(error.into()),
        },
        // The list is open. All others may pass.
        error => Error::Unreachable(error.into()),
    }
}

/// Returns the error of a failure in TLS. Only a certificate without trust lasts: other failures may be those of the network.
fn tls_failed(error: rustls::Error) -> Error {
    match error {
        rustls::Error::InvalidCertificate(certificate) => refused_certificate(certificate),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Error::NoTls,
        // The words are those of rustls-platform-verifier.
        rustls::Error::General(cause) if cause.starts_with("No CA certificates") => {
            Error::Untrusted(NO_AUTHORITIES.into())
        }
        error => Error::Unreachable(error.into()),
    }
}

/// Returns the error of a refused certificate, with words for the reasons that a server at home has.
fn refused_certificate(error: CertificateError) -> Error {
    match error {
        // An authority of the same name with another key has not signed it either.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            Error::Untrusted(UNKNOWN_ISSUER.into())
        }
        CertificateError::Other(OtherError(cause)) => match cause.downcast_ref() {
            Some(OtherCertificate(found)) => Error::OtherCertificate(*found),
            // The type is that of a crate below rustls.
            None if cause.to_string() == "CaUsedAsEndEntity" => Error::Untrusted(AUTHORITY.into()),
            None => Error::Untrusted(cause.to_string().into()),
        },
        error => Error::Untrusted(error.to_string().into()),
    }
}

const UNKNOWN_ISSUER: &str = "no authority that is trusted here has signed its certificate";

const NO_AUTHORITIES: &str = "this machine has no certificates of authorities; Debian has them in the package \
                              ca-certificates";

const AUTHORITY: &str = "its certificate is one of an authority (CA:TRUE), which is valid for no server; \
                         only its fingerprint can be trusted";

/// Decodes a path. `None` if it is not UTF-8.
fn decoded(field: &str) -> Option<String> {
    let path = percent_decode_str(field).decode_utf8();
    path.ok().map(Into::into)
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

/// Returns the first line of a text, without control characters and with at most 200 letters.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let replaced = |letter: char| {
        if letter.is_control() {
            '\u{fffd}'
        } else {
            letter
        }
    };
    line.chars().map(replaced).take(200).collect()
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
        let line = first_line("\x1b]0;x\x07no\nmore");
        assert_eq!(line, "\u{fffd}]0;x\u{fffd}no");
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
