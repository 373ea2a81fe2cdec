//! Properties of heads, bodies and connections, for arbitrary bytes.

pub(crate) mod connection;
#[cfg(feature = "tls")]
mod tls;

use super::body_decoder::BodyDecoder;
use super::limits::Limits;
use super::request::grammar::{is_field_byte, is_tchar};
use super::request::oracle::{check_cuts, is_accepted_alike};
use super::request::{Framing, Head, Version};

/// Limits that short inputs exceed.
fn tight() -> Limits {
    Limits {
        head_bytes: 80,
        fields: 2,
        target_bytes: 8,
        ..Limits::default()
    }
}

/// Checks that the result does not depend on cuts, that `httparse` returns the same parts of an accepted head, and that
/// the parts give the same head again.
pub fn head(bytes: &[u8]) {
    check_cuts(bytes, &Limits::default(), 0..bytes.len());
    check_cuts(bytes, &tight(), 0..bytes.len());
    if !is_accepted_alike(bytes) {
        return;
    }
    if let Ok(Some((head, _))) = Head::parse(bytes, &Limits::default()) {
        check_parts(&head);
    }
}

fn check_parts(head: &Head) {
    // `from_parts` is for HTTP/1.1 in origin-form.
    if head.version() == Version::Http10
        || head.fields_named("host").next() != head.host().map(str::as_bytes)
    {
        return;
    }
    let query = head
        .query()
        .map_or(String::new(), |query| format!("?{query}"));
    let target = format!("{}{query}", head.path());
    let again = Head::from_parts(head.method(), &target, head.fields()).expect("it was taken");
    assert!(again.fields().eq(head.fields()));
    let parts = |head: &Head| (head.path().to_owned(), head.query().map(str::to_owned));
    assert_eq!(parts(&again), parts(head));
    assert_eq!(again.framing(), head.framing());
    assert_eq!(again.expects_continue(), head.expects_continue());
    assert_eq!(again.keep_alive(), head.keep_alive());
}

/// Checks that a chunked body decodes to the result of a simple reader of whole bodies, with any cut.
pub fn body(bytes: &[u8]) {
    let whole = decode(&[bytes]);
    match (plain(bytes), &whole) {
        (
            Some((data, rest)),
            BodyEnd::There {
                data: decoded,
                consumed,
            },
        ) => {
            assert!(data == *decoded && bytes.len() - rest.len() == *consumed);
        }
        (None, BodyEnd::There { .. }) => panic!("only the decoder finds an end"),
        (Some(_), _) => panic!("only the plain reader finds an end"),
        (None, _) => {}
    }
    for cut in 0..=bytes.len() {
        let (start, rest) = bytes.split_at(cut);
        assert_eq!(decode(&[start, rest]), whole, "cut at {cut}");
    }
}

/// The end of a body.
#[derive(Debug, PartialEq)]
enum BodyEnd {
    There { data: Vec<u8>, consumed: usize },
    NotYet { data: Vec<u8> },
    Broken { data: Vec<u8>, reason: &'static str },
}

fn decode(pieces: &[&[u8]]) -> BodyEnd {
    let mut decoder = BodyDecoder::from(Framing::Chunked);
    let (mut data, mut consumed) = (Vec::new(), 0);
    for mut piece in pieces.iter().copied() {
        while !piece.is_empty() && !decoder.is_done() {
            let decoded = match decoder.decode(piece) {
                Ok(decoded) => decoded,
                Err(reason) => return BodyEnd::Broken { data, reason },
            };
            assert!(decoded.consumed > 0 && decoded.done == decoder.is_done());
            data.extend_from_slice(decoded.data);
            consumed += decoded.consumed;
            piece = &piece[decoded.consumed..];
        }
    }
    if decoder.is_done() {
        BodyEnd::There { data, consumed }
    } else {
        BodyEnd::NotYet { data }
    }
}

/// Returns the data of a chunked body and the bytes after it; `None` if it is incomplete or malformed.
fn plain(mut bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut data = Vec::new();
    loop {
        let (line, after) = plain_line(bytes)?;
        let digits = line
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let (size, extension) = line.split_at(digits);
        let is_extension = extension.is_empty() || extension.starts_with(b";");
        if !is_extension || size.len() > 16 || line.len() > 256 {
            return None;
        }
        let size = u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        let oracle = httparse::parse_chunk_size(bytes);
        assert_eq!(
            oracle,
            Ok(httparse::Status::Complete((line.len() + 2, size)))
        );
        if size == 0 {
            return Some((data, behind_trailers(after)?));
        }
        let (chunk, after) = after.split_at_checked(usize::try_from(size).ok()?)?;
        data.extend_from_slice(chunk);
        bytes = after.strip_prefix(b"\r\n")?;
    }
}

fn behind_trailers(mut bytes: &[u8]) -> Option<&[u8]> {
    let mut room = 4096_usize;
    loop {
        let (line, after) = plain_line(bytes)?;
        if line.is_empty() {
            return Some(after);
        }
        room = room.checked_sub(line.len())?;
        let name = line.split(|byte| *byte == b':').next()?;
        let is_named = !name.is_empty() && name.len() < line.len();
        (is_named && name.iter().copied().all(is_tchar)).then_some(())?;
        bytes = after;
    }
}

/// Splits off a line of field bytes, without its CRLF.
fn plain_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    let line = &bytes[..end];
    let is_clean = line.iter().copied().all(is_field_byte);
    is_clean.then_some((line, &bytes[end + 2..]))
}
