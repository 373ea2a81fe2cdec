//! The decoder of bodies (RFC 9112, section 6). It reads no socket and keeps no byte: it returns slices of its input.

use super::request::Framing;
use super::request::grammar::{is_field_byte, is_tchar};

/// The state of a body. It is small: each parked connection may have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyDecoder {
    /// The end.
    Done,
    /// The number of bytes left, at least one.
    Length(u64),
    /// In the size of a chunk.
    Size(ChunkLine),
    /// In the extensions of a chunk, which are skipped.
    Extension(ChunkLine),
    /// Before the LF of the line with the size.
    SizeLf { size: u64 },
    /// The number of bytes left in the chunk, at least one.
    Data { left: u64 },
    /// Before the CRLF after the data of a chunk.
    DataCr,
    /// Before the LF after the data of a chunk.
    DataLf,
    /// At the start of a trailer line, after this many bytes of trailers.
    Trailer(u16),
    /// In the name of a trailer field.
    TrailerName(u16),
    /// In the value of a trailer field.
    TrailerValue(u16),
    /// Before the LF of a trailer field.
    TrailerLf(u16),
    /// Before the last byte of the body.
    LastLf,
}

/// The part of the line with the chunk size that has arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChunkLine {
    size: u64,
    bytes: u16,
}

/// The result of one decoding step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decoded<'a> {
    /// The next data of the body; may be empty before the end.
    pub(crate) data: &'a [u8],
    /// The number of input bytes decoded: data, and framing before it.
    pub(crate) consumed: usize,
    /// True if the body has ended with the last decoded byte.
    pub(crate) done: bool,
}

impl From<Framing> for BodyDecoder {
    fn from(framing: Framing) -> BodyDecoder {
        match framing {
            Framing::Length(0) => BodyDecoder::Done,
            Framing::Length(length) => BodyDecoder::Length(length),
            Framing::Chunked => BodyDecoder::Size(ChunkLine::default()),
        }
    }
}

impl BodyDecoder {
    /// Decodes the input up to the end of the first data in it. Call it again with the rest, until the rest is empty or
    /// the body is done.
    ///
    /// # Errors
    ///
    /// The reason, if the chunks are malformed (RFC 9112, section 7.1). All data before the error was returned.
    pub(crate) fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<'a>, &'static str> {
        let mut consumed = 0;
        let mut data: &[u8] = &[];
        while data.is_empty() && consumed < input.len() && !self.is_done() {
            match self.data_left() {
                Some(left) => data = first(&input[consumed..], left),
                None => *self = self.after_byte(input[consumed])?,
            }
            consumed += data.len().max(1);
        }
        *self = self.after_data(data.len() as u64);
        Ok(Decoded {
            data,
            consumed,
            done: self.is_done(),
        })
    }

    /// Returns the number of bytes left in the body, if it is known.
    pub(crate) fn wanted(&self) -> Option<u64> {
        match *self {
            BodyDecoder::Done => Some(0),
            BodyDecoder::Length(left) => Some(left),
            _ => None,
        }
    }

    /// Returns whether the body has ended. A body of length zero ends before its first byte.
    pub(crate) fn is_done(&self) -> bool {
        *self == BodyDecoder::Done
    }

    /// Returns how many of the next bytes are data; `None` in the framing.
    fn data_left(self) -> Option<u64> {
        match self {
            BodyDecoder::Length(left) | BodyDecoder::Data { left } => Some(left),
            _ => None,
        }
    }

    fn after_data(self, taken: u64) -> BodyDecoder {
        match self {
            BodyDecoder::Length(left) if left == taken => BodyDecoder::Done,
            BodyDecoder::Length(left) => BodyDecoder::Length(left - taken),
            BodyDecoder::Data { left } if left == taken => BodyDecoder::DataCr,
            BodyDecoder::Data { left } => BodyDecoder::Data { left: left - taken },
            between_data => between_data,
        }
    }

    /// Decodes one byte of framing. RFC 9112, sections 7.1 to 7.1.2:
    /// ```text
    /// chunked-body    = *chunk last-chunk trailer-section CRLF
    /// chunk           = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
    /// chunk-size      = 1*HEXDIG
    /// last-chunk      = 1*("0") [ chunk-ext ] CRLF
    /// chunk-ext       = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
    /// trailer-section = *( field-line CRLF )
    /// ```
    /// Narrower: no space before the first `;`; sizes, lines and trailers have limits. Wider: an extension may have any
    /// byte of a field value, because it is ignored.
    fn after_byte(self, byte: u8) -> Result<BodyDecoder, &'static str> {
        use BodyDecoder::*;
        Ok(match (self, byte) {
            (Size(line), _) if byte.is_ascii_hexdigit() => Size(line.digit(byte)?),
            (Size(ChunkLine { bytes: 0, .. }), _) => return Err("chunk size is not hexadecimal"),
            (Size(line) | Extension(line), b'\r') => SizeLf { size: line.size },
            (Size(line), b';') => Extension(line.pass()?),
            (Extension(line), _) if is_field_byte(byte) => Extension(line.pass()?),
            (Size(_) | Extension(_), _) => return Err("invalid byte after a chunk size"),
            (SizeLf { size: 0 }, b'\n') => Trailer(0),
            (SizeLf { size }, b'\n') => Data { left: size },

            (DataCr, b'\r') => DataLf,
            (DataLf, b'\n') => Size(ChunkLine::default()),
            (DataCr | DataLf, _) => return Err("chunk is longer than its size"),

            (Trailer(_), b'\r') => LastLf,
            (LastLf, b'\n') => Done,
            (Trailer(bytes) | TrailerName(bytes), _) if is_tchar(byte) => TrailerName(pass(bytes)?),
            (TrailerName(bytes), b':') => TrailerValue(pass(bytes)?),
            (TrailerValue(bytes), b'\r') => TrailerLf(bytes),
            (TrailerValue(bytes), _) if is_field_byte(byte) => TrailerValue(pass(bytes)?),
            (TrailerLf(bytes), b'\n') => Trailer(bytes),
            (Trailer(_) | TrailerName(_) | TrailerValue(_), _) => {
                return Err("invalid byte in a trailer");
            }

            (SizeLf { .. } | TrailerLf(_) | LastLf, _) => return Err("CR without LF"),
            (Done | Length(_) | Data { .. }, _) => unreachable!("not a byte of framing"),
        })
    }
}

impl ChunkLine {
    fn digit(self, digit: u8) -> Result<ChunkLine, &'static str> {
        if self.bytes == SIZE_DIGITS {
            return Err("chunk size of more than 16 digits");
        }
        let digit = char::from(digit)
            .to_digit(16)
            .expect("the caller checked the digit");
        Ok(ChunkLine {
            size: self.size << 4 | u64::from(digit),
            bytes: self.bytes + 1,
        })
    }

    fn pass(self) -> Result<ChunkLine, &'static str> {
        if self.bytes == CHUNK_LINE_BYTES {
            return Err("chunk extension too long");
        }
        Ok(ChunkLine {
            bytes: self.bytes + 1,
            ..self
        })
    }
}

fn pass(trailer_bytes: u16) -> Result<u16, &'static str> {
    if trailer_bytes == TRAILER_BYTES {
        return Err("trailers too long");
    }
    Ok(trailer_bytes + 1)
}

/// Returns at most `left` of these bytes; `left` may exceed `usize`.
fn first(bytes: &[u8], left: u64) -> &[u8] {
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    &bytes[..left.min(bytes.len())]
}

/// The digits of 64 bits, with leading zeros.
const SIZE_DIGITS: u16 = 16;

/// The maximum length of a chunk size and its extensions.
const CHUNK_LINE_BYTES: u16 = 256;

/// The maximum length of all trailer lines of a body, without line ends.
const TRAILER_BYTES: u16 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the data of a body in these pieces, and the bytes after its end; `None` before the end.
    fn decode<'a>(
        framing: Framing,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> (Vec<u8>, Result<Option<Vec<u8>>, &'static str>) {
        let mut decoder = BodyDecoder::from(framing);
        let (mut data, mut behind) = (Vec::new(), Vec::new());
        for mut piece in pieces {
            while !piece.is_empty() && !decoder.is_done() {
                let decoded = match decoder.decode(piece) {
                    Ok(decoded) => decoded,
                    Err(reason) => return (data, Err(reason)),
                };
                assert!(decoded.consumed > 0 && decoded.done == decoder.is_done());
                data.extend_from_slice(decoded.data);
                piece = &piece[decoded.consumed..];
            }
            behind.extend_from_slice(piece);
        }
        (data, Ok(decoder.is_done().then_some(behind)))
    }

    /// Checks a body in two pieces, cut at every byte, and byte by byte.
    fn check(framing: Framing, body: &str, data: &str, end: Result<Option<&str>, &'static str>) {
        let expected = (data.into(), end.map(|behind| behind.map(Into::into)));
        let body = body.as_bytes();
        for cut in 0..=body.len() {
            let (start, rest) = body.split_at(cut);
            let text = body.escape_ascii();
            assert_eq!(decode(framing, [start, rest]), expected, "{text} at {cut}");
        }
        assert_eq!(decode(framing, body.chunks(1)), expected);
    }

    fn ends(body: &str, data: &str, behind: &str) {
        check(Framing::Chunked, body, data, Ok(Some(behind)));
    }

    fn goes_on(body: &str, data: &str) {
        check(Framing::Chunked, body, data, Ok(None));
    }

    fn breaks(body: &str, data: &str, reason: &'static str) {
        check(Framing::Chunked, body, data, Err(reason));
    }

    #[test]
    fn body_with_a_length_ends_after_it() {
        check(Framing::Length(0), "", "", Ok(Some("")));
        check(Framing::Length(0), "GET", "", Ok(Some("GET")));
        check(Framing::Length(5), "hello", "hello", Ok(Some("")));
        check(Framing::Length(5), "helloGET", "hello", Ok(Some("GET")));
        check(Framing::Length(u64::MAX), "hel", "hel", Ok(None));
    }

    #[test]
    fn chunks_become_one_body() {
        ends("0\r\n\r\n", "", "");
        ends("5\r\nhello\r\n0\r\n\r\nGET", "hello", "GET");
        ends("2\r\nhe\r\n003\r\nllo\r\n00\r\n\r\n", "hello", "");
        ends(
            "a\r\n0123456789\r\nA\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
            "01234567890\r\n\r\n0\r\n\r\n",
            "",
        );
        ends("1;a=b;c=\"\u{e9}\t;\"\r\nx\r\n0;last\r\n\r\n", "x", "");
        ends("1\r\nx\r\n0\r\nX-Sum: 1\r\nEmpty:\r\n\r\nGET", "x", "GET");
        goes_on("ffffFFFFffffFFFF\r\nhello", "hello");
        goes_on("5\r\nhello\r\n0\r\n\r", "hello");
    }

    #[test]
    fn chunk_size_is_hexadecimal_digits() {
        for line in [
            "\r\n", " 5\r\n", "+5\r\n", "-5\r\n", "x5\r\n", ";a\r\n", "\n",
        ] {
            breaks(line, "", "chunk size is not hexadecimal");
        }
        for line in ["0x5\r\n", "5 \r\n", "5_0\r\n", "5\n", "5;a\n", "5;\0\r\n"] {
            breaks(line, "", "invalid byte after a chunk size");
        }
        breaks(
            "00000000000000005\r\n",
            "",
            "chunk size of more than 16 digits",
        );
        breaks("5\rhello", "", "CR without LF");
        breaks("5;a\r;b\r\n", "", "CR without LF");
    }

    #[test]
    fn chunk_ends_at_its_size() {
        for rest in ["!\r\n", "\n", "\r\r\n", "0\r\n\r\n"] {
            breaks(
                &format!("5\r\nhello{rest}"),
                "hello",
                "chunk is longer than its size",
            );
        }
        breaks(
            "5\r\nhello\r\n!\r\n",
            "hello",
            "chunk size is not hexadecimal",
        );
    }

    #[test]
    fn trailers_are_field_lines() {
        for line in [
            " a: b",
            "a : b",
            "a\r\n",
            ":",
            "\n",
            "a: b\n",
            "a: \0",
            "GET / HTTP/1.1",
        ] {
            breaks(&format!("0\r\n{line}"), "", "invalid byte in a trailer");
        }
        breaks("0\r\n\rx", "", "CR without LF");
        breaks("0\r\na: b\rx", "", "CR without LF");
    }

    #[test]
    fn framing_limits_are_exact() {
        let extension = |bytes| format!("1;{}\r\nx", "x".repeat(bytes));
        goes_on(&extension(254), "x");
        breaks(&extension(255), "", "chunk extension too long");
        let trailers = |bytes| {
            let body = format!("0\r\na:1\r\nb:{}\r\n", "x".repeat(bytes));
            decode(Framing::Chunked, [body.as_bytes()]).1
        };
        assert_eq!(trailers(4091), Ok(None));
        assert_eq!(trailers(4092), Err("trailers too long"));
    }

    #[test]
    fn data_is_a_slice_of_the_input() {
        let mut decoder = BodyDecoder::from(Framing::Length(5));
        let input = b"hel";
        let decoded = decoder.decode(input).unwrap();
        assert!(std::ptr::eq(decoded.data, &input[..]));
        assert_eq!((decoder.wanted(), decoder.is_done()), (Some(2), false));
        assert_eq!(BodyDecoder::from(Framing::Length(0)).wanted(), Some(0));
        assert_eq!(BodyDecoder::from(Framing::Chunked).wanted(), None);
        assert!(size_of::<BodyDecoder>() <= 24);
    }
}
