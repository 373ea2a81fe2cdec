//! Where a body ends (RFC 9112, section 6): a decoder without input or output. It is fed bytes as
//! they arrive and points out which of them are data; it keeps none.

use super::request::Framing;
use super::request::grammar::{is_field_byte, is_tchar};

/// What is still to come of a body. A few words: it lives in a parked connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyDecoder {
    /// The body has ended.
    Done,
    /// This many bytes are to come, at least one; then the body has ended.
    Length(u64),
    /// The size of a chunk is being read.
    Size(ChunkLine),
    /// What follows the size of a chunk on its line is passed over.
    Extension(ChunkLine),
    /// The line of a chunk's size lacks its LF.
    SizeLf { size: u64 },
    /// This many bytes of a chunk are to come, at least one.
    Data { left: u64 },
    /// A chunk's data lacks its CRLF.
    DataCr,
    /// A chunk's data lacks its LF.
    DataLf,
    /// A trailer field, or the empty line that ends the body, is to begin; so many bytes of
    /// trailers have come.
    Trailer(u16),
    /// The name of a trailer field is passed over.
    TrailerName(u16),
    /// The value of a trailer field is passed over.
    TrailerValue(u16),
    /// A trailer field lacks its LF.
    TrailerLf(u16),
    /// The body lacks its last byte.
    LastLf,
}

/// What has come of the line before a chunk's data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChunkLine {
    size: u64,
    bytes: u16,
}

/// What a look at arrived bytes has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decoded<'a> {
    /// The next bytes of the body itself; may be empty before its end.
    pub(crate) data: &'a [u8],
    /// How many of the bytes shown are used up: data, and framing before it.
    pub(crate) consumed: usize,
    /// The body has ended, with the last byte consumed.
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
    /// Looks at the bytes that arrived, up to the end of the first data among them. To be called
    /// again with what was not consumed, until that is empty or the body is done.
    ///
    /// # Errors
    ///
    /// The chunks are not framed as RFC 9112, section 7.1 says. All data before the break has been
    /// given out.
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

    /// How many bytes of data are still to come, where that is known.
    pub(crate) fn wanted(&self) -> Option<u64> {
        match *self {
            BodyDecoder::Done => Some(0),
            BodyDecoder::Length(left) => Some(left),
            _ => None,
        }
    }

    /// Whether the body has ended; one of length zero has ended before its first byte.
    pub(crate) fn is_done(&self) -> bool {
        *self == BodyDecoder::Done
    }

    /// How many of the next bytes are data, where they are.
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

    /// One byte of framing. RFC 9112, sections 7.1 to 7.1.2:
    /// ```text
    /// chunked-body    = *chunk last-chunk trailer-section CRLF
    /// chunk           = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
    /// chunk-size      = 1*HEXDIG
    /// last-chunk      = 1*("0") [ chunk-ext ] CRLF
    /// chunk-ext       = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
    /// trailer-section = *( field-line CRLF )
    /// ```
    /// Narrower: no space before the first `;`, and sizes, their lines and trailers have limits.
    /// Wider: an extension may be anything that a field value may be, as nobody reads it.
    fn after_byte(self, byte: u8) -> Result<BodyDecoder, &'static str> {
        use BodyDecoder::*;
        Ok(match (self, byte) {
            (Size(line), _) if byte.is_ascii_hexdigit() => Size(line.digit(byte)?),
            (Size(ChunkLine { bytes: 0, .. }), _) => return Err("chunk size is not hexadecimal"),
            (Size(line) | Extension(line), b'\r') => SizeLf { size: line.size },
            (Size(line), b';') => Extension(line.pass()?),
            (Extension(line), _) if is_field_byte(byte) => Extension(line.pass()?),
            (Size(_) | Extension(_), _) => return Err("bad byte behind a chunk size"),
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
                return Err("bad byte in a trailer");
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
            .expect("is a hexadecimal digit");
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

/// At most `left` of these bytes; `left` may be more than an address can say.
fn first(bytes: &[u8], left: u64) -> &[u8] {
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    &bytes[..left.min(bytes.len())]
}

/// As many as 64 bits hold, leading zeros counted.
const SIZE_DIGITS: u16 = 16;

/// Bytes of a chunk's size and its extensions.
const CHUNK_LINE_BYTES: u16 = 256;

/// Bytes of all trailer lines of a body, line ends not counted.
const TRAILER_BYTES: u16 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of a body that arrives in these pieces, and what became of it: `Ok` of what lies
    /// behind its end, `None` if the end has not come.
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
    fn a_length_is_counted() {
        check(Framing::Length(0), "", "", Ok(Some("")));
        check(Framing::Length(0), "GET", "", Ok(Some("GET")));
        check(Framing::Length(5), "hello", "hello", Ok(Some("")));
        check(Framing::Length(5), "helloGET", "hello", Ok(Some("GET")));
        check(Framing::Length(u64::MAX), "hel", "hel", Ok(None));
    }

    #[test]
    fn chunks_are_joined() {
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
    fn a_chunk_size_is_hexadecimal_digits_and_nothing_else() {
        for line in [
            "\r\n", " 5\r\n", "+5\r\n", "-5\r\n", "x5\r\n", ";a\r\n", "\n",
        ] {
            breaks(line, "", "chunk size is not hexadecimal");
        }
        for line in ["0x5\r\n", "5 \r\n", "5_0\r\n", "5\n", "5;a\n", "5;\0\r\n"] {
            breaks(line, "", "bad byte behind a chunk size");
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
    fn a_chunk_ends_where_its_size_says() {
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
            breaks(&format!("0\r\n{line}"), "", "bad byte in a trailer");
        }
        breaks("0\r\n\rx", "", "CR without LF");
        breaks("0\r\na: b\rx", "", "CR without LF");
    }

    #[test]
    fn framing_has_limits_to_the_byte() {
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
    fn data_is_not_copied_and_what_is_wanted_is_known() {
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
