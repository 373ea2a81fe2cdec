//! The request line: method, target and version, separated by exactly one space. With a lenient split, two servers in a
//! row could read two different requests.

use std::ops::Range;

use super::grammar::{is_host, is_target, is_tchar};
use super::malformed::Malformed;

/// The HTTP version of a request (RFC 9112, section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Version {
    /// HTTP/1.0: no chunks, no interim response, one request on each connection.
    Http10,
    /// HTTP/1.1, and each later minor version, which is compatible with it (RFC 9110, section 2.5).
    Http11,
}

/// RFC 9112, section 3:
/// ```text
/// request-line = method SP request-target SP HTTP-version
/// ```
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RequestLine {
    pub(super) method: &'static str,
    pub(super) target: Target,
    pub(super) version: Version,
}

impl RequestLine {
    /// Refuses an unfinished line as early as possible. `start` may contain more than the line. Further bytes never
    /// change a refusal.
    pub(super) fn check_start(start: &[u8], target_bytes: usize) -> Result<(), Malformed> {
        if start == b"\r" {
            return Ok(()); // The start of an empty line.
        }
        let mut words = start.splitn(2, |&byte| byte == b' ');
        let method = words.next().unwrap_or_default();
        if !method.iter().all(|&byte| is_tchar(byte)) {
            return Err(NOT_A_REQUEST_LINE);
        }
        let Some(rest) = words.next() else {
            return Ok(());
        };
        known_method(method)?;
        let target = rest.split(|byte| b" \r\n".contains(byte)).next();
        if target.is_some_and(|target| target.len() > target_bytes) {
            return Err(Malformed::new(414, "request target too long"));
        }
        Ok(())
    }

    /// Parses the line at `line`, without its CRLF.
    pub(super) fn read(bytes: &[u8], line: Range<usize>) -> Result<RequestLine, Malformed> {
        let mut words = bytes[line.clone()].split(|&byte| byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(NOT_A_REQUEST_LINE);
        };
        let start = line.start + method.len() + 1;
        let method = known_method(method)?;
        let version = read_version(version)?;
        let target = Target::read(bytes, start..start + target.len(), method)?;
        Ok(RequestLine {
            method,
            target,
            version,
        })
    }
}

/// The positions of the parts of a request target in the bytes of its head (RFC 9112, section 3.2).
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) authority: Option<Range<usize>>,
    pub(super) path: Range<usize>,
    pub(super) query: Option<Range<usize>>,
}

impl Target {
    /// ```text
    /// request-target = origin-form / absolute-form / authority-form / asterisk-form
    /// origin-form    = absolute-path [ "?" query ]
    /// ```
    /// The authority-form belongs to CONNECT, which is not supported.
    pub(super) fn read(bytes: &[u8], at: Range<usize>, method: &str) -> Result<Target, Malformed> {
        let target = &bytes[at.clone()];
        let is_asterisk = target == b"*" && method == "OPTIONS";
        if !is_target(target) {
            return Err(BAD_TARGET);
        } else if target[0] == b'/' || is_asterisk {
            return Ok(Target::with_path(bytes, at, None));
        }

        let start = at.start + scheme_bytes(target).ok_or(BAD_TARGET)?;
        let authority = start..find(bytes, start..at.end, b"/?");
        if !is_host(&bytes[authority.clone()]) {
            return Err(BAD_TARGET);
        }
        Ok(Target::with_path(
            bytes,
            authority.end..at.end,
            Some(authority),
        ))
    }

    fn with_path(bytes: &[u8], rest: Range<usize>, authority: Option<Range<usize>>) -> Target {
        let path = rest.start..find(bytes, rest.clone(), b"?");
        let query = (path.end < rest.end).then(|| path.end + 1..rest.end);
        Target {
            authority,
            path,
            query,
        }
    }
}

/// Returns the method, or a 501 (RFC 9110, section 9.1). CONNECT and TRACE are not supported.
pub(super) fn known_method(method: &[u8]) -> Result<&'static str, Malformed> {
    if method.is_empty() {
        return Err(NOT_A_REQUEST_LINE);
    }
    METHODS
        .into_iter()
        .find(|known| known.as_bytes() == method)
        .ok_or(Malformed::new(501, "method not supported"))
}

/// RFC 9112, section 2.3:
/// ```text
/// HTTP-version = HTTP-name "/" DIGIT "." DIGIT
/// HTTP-name    = %s"HTTP"
/// ```
fn read_version(version: &[u8]) -> Result<Version, Malformed> {
    match version {
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9'] => Ok(Version::Http11),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(OTHER_VERSION),
        _ => Err(NOT_A_REQUEST_LINE),
    }
}

/// Returns the length of the scheme of an absolute-form (RFC 9112, section 3.2.2). `https` comes from proxies that end
/// the TLS connection.
fn scheme_bytes(target: &[u8]) -> Option<usize> {
    ["http://", "https://"]
        .map(str::as_bytes)
        .into_iter()
        .find_map(|scheme| {
            let start = target.get(..scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(scheme.len())
        })
}

/// Returns the position of the first of these bytes, or the end.
fn find(bytes: &[u8], within: Range<usize>, wanted: &[u8]) -> usize {
    let found = bytes[within.clone()]
        .iter()
        .position(|byte| wanted.contains(byte));
    found.map_or(within.end, |offset| within.start + offset)
}

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const NOT_A_REQUEST_LINE: Malformed = Malformed::bad("not a request line of HTTP/1.1");

const OTHER_VERSION: Malformed = Malformed::new(505, "only HTTP/1.1 and HTTP/1.0 are supported");

const BAD_TARGET: Malformed = Malformed::bad("not a request target");
