//! Request heads: parsed by hand from bytes, by one strict reading that leaves nothing to guess
//! (RFC 9112, sections 2 to 6).
//!
//! A head is read in order, and a verdict is final: whatever bytes follow, and however they were
//! cut into packets, the answer to a head is the same. So a client that sends garbage is answered
//! at its first bad line, not when its head ends.

use std::fmt;
use std::ops::Range;

use super::framing::{Framing, expects_continue};
use super::grammar::{is_field_value, is_host, is_token};
use super::malformed::Malformed;
use super::request_line::{RequestLine, Target, Version, known_method};
use crate::http::limits::Limits;

/// The head of a request (RFC 9112, section 2.1): one copy of its bytes, and where its parts are.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    bytes: Box<[u8]>,
    pub(super) request_line: RequestLine,
    fields: Vec<Field>,
    framing: Framing,
    expects_continue: bool,
}

impl Head {
    /// Reads the head that `bytes` begin with (RFC 9112, sections 2 to 6), and tells how many bytes
    /// it took; what follows is the body. `None`: not whole yet. Ask again, with all bytes so far,
    /// when more have come.
    ///
    /// # Errors
    ///
    /// As soon as what is there can no longer become a head that is taken.
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

    /// A head that another server has parsed already; it goes through the same checks as an
    /// HTTP/1.1 head that came as bytes (RFC 9112, sections 3 to 6), less the limits.
    ///
    /// # Errors
    ///
    /// Where such a head, had it come as bytes, would have been refused.
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

    /// Checks what its lines say together; each by itself has been checked.
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
        };
        head.check_host()?;
        let lengths = head.fields_named("content-length");
        let codings = head.fields_named("transfer-encoding");
        head.framing = Framing::read(head.version(), lengths, codings)?;
        head.expects_continue = expects_continue(head.version(), head.fields_named("expect"))?;
        Ok(head)
    }

    /// RFC 9112, section 3.2: also where the target names the host, and so Host is not looked at.
    fn check_host(&self) -> Result<(), Malformed> {
        let mut hosts = self.fields_named("host");
        match (hosts.next(), hosts.next()) {
            (None, _) if self.version() == Version::Http10 => Ok(()),
            (None, _) => Err(Malformed::bad("Host is missing")),
            (Some(host), None) if is_host(host) => Ok(()),
            (Some(_), None) => Err(Malformed::bad("Host is not a host")),
            (Some(_), Some(_)) => Err(Malformed::bad("more than one Host")),
        }
    }

    /// The method (RFC 9110, section 9): one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS.
    pub fn method(&self) -> &str {
        self.request_line.method
    }

    /// The path of the target, as sent, without its query (RFC 9112, section 3.2): it begins with
    /// `/`, or is the `*` of OPTIONS.
    pub fn path(&self) -> &str {
        match self.text(&self.request_line.target.path) {
            "" => "/",
            path => path,
        }
    }

    /// What follows the first `?` of the target, as sent (RFC 3986, section 3.4).
    pub fn query(&self) -> Option<&str> {
        self.request_line
            .target
            .query
            .as_ref()
            .map(|query| self.text(query))
    }

    /// The version of HTTP (RFC 9112, section 2.3).
    pub fn version(&self) -> Version {
        self.request_line.version
    }

    /// The host asked for, and its port where one is given (RFC 9112, section 3.3): what an
    /// absolute-form target says, else Host. Only HTTP/1.0 may leave it out.
    pub fn host(&self) -> Option<&str> {
        match &self.request_line.target.authority {
            Some(authority) => Some(self.text(authority)),
            None => self.field("host").map(ascii),
        }
    }

    /// The only value of this field, names matching in any case (RFC 9110, section 5.1). `None`
    /// also where the field came more than once: which of its values counts is not ours to guess.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.fields_named(name);
        let only = values.next()?;
        values.next().is_none().then_some(only)
    }

    /// Every value of this field, in order (RFC 9110, section 5.3).
    pub fn fields_named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        // Not by way of `fields`, which makes a text of each name: a request is asked for a dozen of them.
        self.fields
            .iter()
            .filter(move |field| {
                let range = field.name.clone();
                range.len() == name.len() && self.bytes[range].eq_ignore_ascii_case(name.as_bytes())
            })
            .map(|field| &self.bytes[field.value.clone()])
    }

    /// Every field, in order: its name as sent, its value without the space around it; values are
    /// opaque bytes, in no charset we could know (RFC 9110, section 5.5).
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields
            .iter()
            .map(|field| (self.text(&field.name), &self.bytes[field.value.clone()]))
    }

    /// How the end of the body is found (RFC 9112, section 6.3).
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the client waits for a 100 before it sends its body (RFC 9110, section 10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// Whether the client may use its connection for a further request (RFC 9112, section 9.3);
    /// in HTTP/1.0 never, whatever it says.
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

/// Shows no value and no query: they hold passwords and names.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.fields().map(|(name, _)| name);
        write!(f, "{} {} {:?} ", self.method(), self.path(), self.version())?;
        f.debug_list().entries(names).finish()
    }
}

/// Where a field line's parts are among the bytes of its head.
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

/// Goes through bytes line by line; a line that has not ended is not there yet.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// Begins behind at most two empty lines: some clients send one after a body (RFC 9112,
    /// section 2.2).
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

    /// Where the next line is, less its CRLF. A CR elsewhere in it is left to the grammar, which
    /// allows it nowhere.
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

/// All lines up to the empty one; `None` while that has not come.
fn read_lines(
    lines: &mut Lines<'_>,
    fields_max: usize,
) -> Result<Option<(RequestLine, Vec<Field>)>, Malformed> {
    let Some(line) = lines.next()? else {
        return Ok(None);
    };
    let request_line = RequestLine::read(lines.bytes, line)?;
    // Room for those of a browser, so that it need not grow.
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

/// Names and targets are ASCII by their grammar.
fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the grammar allows only ASCII here")
}

const BAD_FIELD_NAME: Malformed = Malformed::bad("a field line is a token, a colon and a value");
