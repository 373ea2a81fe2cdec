//! The parser of request heads (RFC 9112, sections 2 to 6).
//!
//! It reads in order, and its result is final: it depends neither on later bytes nor on packet boundaries. So a
//! malformed head is refused at its first malformed line.

use std::fmt;
use std::ops::Range;

use super::framing::{Framing, expects_continue};
use super::grammar::{is_field_value, is_host, is_token};
use super::malformed::Malformed;
use super::request_line::{RequestLine, Target, Version, known_method};
use crate::http::limits::Limits;
use crate::http::peer::Peer;

/// The head of a request (RFC 9112, section 2.1): one copy of its bytes, and the positions of its parts.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    bytes: Box<[u8]>,
    pub(super) request_line: RequestLine,
    fields: Vec<Field>,
    framing: Framing,
    expects_continue: bool,
    peer: Option<Peer>,
}

impl Head {
    /// Parses the head at the start of `bytes`, and returns its length. `None`: the head is incomplete; call again with
    /// all bytes when more have arrived.
    ///
    /// # Errors
    ///
    /// [`Malformed`], as soon as no further byte can make the head valid.
    pub(crate) fn parse(bytes: &[u8], limits: &Limits) -> Result<Option<(Head, usize)>, Malformed> {
        let window = &bytes[..bytes.len().min(limits.head_bytes)];
        let mut lines = Lines::after_empty_ones(window);
        RequestLine::check_start(lines.rest(), limits.target_bytes)?;
        if let Some((request_line, fields)) = read_lines(&mut lines, limits.fields)? {
            let head = Head::checked(window[..lines.at].into(), request_line, fields)?;
            Ok(Some((head, lines.at)))
        } else if window.len() == limits.head_bytes {
            Err(Malformed::new(431, "request head too long"))
        } else {
            Ok(None)
        }
    }

    /// Builds a head from parts that another server has parsed. Applies the checks of an HTTP/1.1 head in bytes
    /// (RFC 9112, sections 3 to 6), without the limits.
    ///
    /// # Errors
    ///
    /// [`Malformed`], if the same head in bytes would be refused.
    pub fn from_parts<N: AsRef<str>, V: AsRef<[u8]>>(
        method: &str,
        target: &str,
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Head, Malformed> {
        let mut bytes = Vec::from(target);
        let method = known_method(method.as_bytes())?;
        let target = Target::read(&bytes, 0..target.len(), method)?;
        let mut spans = Vec::new();
        for (name, value) in fields {
            let start = bytes.len();
            bytes.extend_from_slice(name.as_ref().as_bytes());
            let colon = bytes.len();
            bytes.extend_from_slice(value.as_ref());
            spans.push(Field::checked(&bytes, start..colon, colon..bytes.len())?);
        }
        let request_line = RequestLine {
            method,
            target,
            version: Version::Http11,
        };
        Head::checked(bytes.into(), request_line, spans)
    }

    /// Checks the fields that depend on each other. The lines themselves were checked before.
    fn checked(
        bytes: Box<[u8]>,
        request_line: RequestLine,
        fields: Vec<Field>,
    ) -> Result<Head, Malformed> {
        let mut head = Head {
            bytes,
            request_line,
            fields,
            framing: Framing::Length(0),
            expects_continue: false,
            peer: None,
        };
        head.check_host()?;
        let lengths = head.fields_named("content-length");
        let codings = head.fields_named("transfer-encoding");
        head.framing = Framing::read(head.version(), lengths, codings)?;
        head.expects_continue = expects_continue(head.version(), head.fields_named("expect"))?;
        Ok(head)
    }

    /// Checks Host (RFC 9112, section 3.2), also if the target has a host, which then counts.
    fn check_host(&self) -> Result<(), Malformed> {
        let mut hosts = self.fields_named("host");
        match (hosts.next(), hosts.next()) {
            (None, _) if self.version() == Version::Http10 => Ok(()),
            (None, _) => Err(Malformed::bad("Host is missing")),
            (Some(host), None) if is_host(host) => Ok(()),
            (Some(_), None) => Err(Malformed::bad("Host is not a host name or address")),
            (Some(_), Some(_)) => Err(Malformed::bad("more than one Host")),
        }
    }

    /// Sets the other end of the connection. Without it, no forwarding field of the request is used.
    #[must_use]
    pub fn with_peer(mut self, peer: Peer) -> Head {
        self.peer = Some(peer);
        self
    }

    /// Returns the other end of the connection, if it is known.
    pub fn peer(&self) -> Option<Peer> {
        self.peer
    }

    /// Returns the method (RFC 9110, section 9): GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.
    pub fn method(&self) -> &str {
        self.request_line.method
    }

    /// Returns the path of the target as sent, without the query (RFC 9112, section 3.2). It starts with `/`, or is `*`
    /// (OPTIONS only).
    pub fn path(&self) -> &str {
        match self.text(&self.request_line.target.path) {
            "" => "/",
            path => path,
        }
    }

    /// Returns the part after the first `?` of the target, as sent (RFC 3986, section 3.4).
    pub fn query(&self) -> Option<&str> {
        self.request_line
            .target
            .query
            .as_ref()
            .map(|query| self.text(query))
    }

    /// Returns the HTTP version (RFC 9112, section 2.3).
    pub fn version(&self) -> Version {
        self.request_line.version
    }

    /// Returns the host and an optional port (RFC 9112, section 3.3), from an absolute-form target, else from Host. `None`
    /// only in HTTP/1.0.
    pub fn host(&self) -> Option<&str> {
        match &self.request_line.target.authority {
            Some(authority) => Some(self.text(authority)),
            None => self.field("host").map(ascii),
        }
    }

    /// Returns the only value of this field. Names are case-insensitive (RFC 9110, section 5.1). `None` also for several
    /// values: none of them is preferred.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.fields_named(name);
        let only = values.next()?;
        values.next().is_none().then_some(only)
    }

    /// Returns all values of this field, in order (RFC 9110, section 5.3).
    pub fn fields_named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        // `fields` would check the UTF-8 of each name, and a request looks up a dozen fields.
        self.fields
            .iter()
            .filter(move |field| {
                let range = field.name.clone();
                range.len() == name.len() && self.bytes[range].eq_ignore_ascii_case(name.as_bytes())
            })
            .map(|field| &self.bytes[field.value.clone()])
    }

    /// Returns all fields in order: the name as sent, and the value without surrounding space. Values are bytes of an
    /// unknown charset (RFC 9110, section 5.5).
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields
            .iter()
            .map(|field| (self.text(&field.name), &self.bytes[field.value.clone()]))
    }

    /// Returns the framing of the body (RFC 9112, section 6.3).
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Returns whether the client waits for a 100 before it sends the body (RFC 9110, section 10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// Returns whether the connection stays open for another request (RFC 9112, section 9.3). Never in HTTP/1.0.
    pub fn keep_alive(&self) -> bool {
        let mut options = self
            .fields_named("connection")
            .flat_map(|v| v.split(|&b| b == b','));
        self.version() == Version::Http11
            && !options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
    }

    pub(super) fn text(&self, span: &Range<usize>) -> &str {
        ascii(&self.bytes[span.clone()])
    }
}

/// Omits values and the query: they contain passwords and names.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.fields().map(|(name, _)| name);
        write!(f, "{} {} {:?} ", self.method(), self.path(), self.version())?;
        f.debug_list().entries(names).finish()
    }
}

/// The positions of a field line in the bytes of its head.
#[derive(Clone, PartialEq, Eq)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

impl Field {
    /// RFC 9112, section 5:
    /// ```text
    /// field-line = field-name ":" OWS field-value OWS
    /// ```
    /// Neither space before the colon (section 5.1) nor folded lines (section 5.2).
    fn read(bytes: &[u8], line: Range<usize>) -> Result<Field, Malformed> {
        let colon = bytes[line.clone()].iter().position(|&byte| byte == b':');
        let colon = line.start + colon.ok_or(BAD_FIELD_NAME)?;
        Field::checked(bytes, line.start..colon, colon + 1..line.end)
    }

    fn checked(bytes: &[u8], name: Range<usize>, value: Range<usize>) -> Result<Field, Malformed> {
        if !is_token(&bytes[name.clone()]) {
            return Err(BAD_FIELD_NAME);
        }
        if !is_field_value(&bytes[value.clone()]) {
            return Err(Malformed::bad("control character in a field value"));
        }
        let start = value.end - bytes[value.clone()].trim_ascii_start().len();
        let end = start + bytes[start..value.end].trim_ascii_end().len();
        Ok(Field {
            name,
            value: start..end,
        })
    }
}

/// An iterator over complete lines.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// Skips at most two empty lines: some clients send one after a body (RFC 9112, section 2.2).
    fn after_empty_ones(bytes: &'a [u8]) -> Lines<'a> {
        let first = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
        let second = first.strip_prefix(b"\r\n").unwrap_or(first);
        Lines {
            bytes,
            at: bytes.len() - second.len(),
        }
    }

    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Returns the next line without its CRLF. The grammar of each line refuses any other CR.
    fn next(&mut self) -> Result<Option<Range<usize>>, Malformed> {
        let Some(lf) = self.rest().iter().position(|&byte| byte == b'\n') else {
            return Ok(None);
        };
        let start = self.at;
        self.at += lf + 1;
        match self.bytes[start..start + lf].strip_suffix(b"\r") {
            Some(line) => Ok(Some(start..start + line.len())),
            None => Err(Malformed::bad("a line ends with LF alone")),
        }
    }
}

/// Reads all lines up to the empty one; `None` before the empty line.
fn read_lines(
    lines: &mut Lines<'_>,
    fields_max: usize,
) -> Result<Option<(RequestLine, Vec<Field>)>, Malformed> {
    let Some(line) = lines.next()? else {
        return Ok(None);
    };
    let request_line = RequestLine::read(lines.bytes, line)?;
    // A browser sends fewer than 16 fields.
    let mut fields = Vec::with_capacity(16);
    while let Some(line) = lines.next()? {
        if line.is_empty() {
            return Ok(Some((request_line, fields)));
        } else if fields.len() == fields_max {
            return Err(Malformed::new(431, "too many fields"));
        }
        fields.push(Field::read(lines.bytes, line)?);
    }
    Ok(None)
}

/// Converts a name or target, which is ASCII by its grammar.
fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the grammar allows only ASCII here")
}

const BAD_FIELD_NAME: Malformed =
    Malformed::bad("a field line must be a token, a colon and a value");
