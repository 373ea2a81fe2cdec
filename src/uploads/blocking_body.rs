//! The body of a request, from the blocking reader of an embedding program.

use std::io::{self, Read};
use std::time::Instant;

use crate::http::{Framing, Head, Limits, Response};

/// The buffer for discarded bytes.
const DISCARD_BYTES: usize = 64 * 1024;

/// A body without its transfer coding, up to the end that its head announces.
pub(super) struct BlockingBody<'r> {
    reader: &'r mut dyn Read,
    framing: Framing,
    /// The number of bytes that may follow. Without a length, the end of the reader shows it.
    left: u64,
    /// True if the client waits for a 100, which the first read lets the other server send.
    is_held_back: bool,
}

impl<'r> BlockingBody<'r> {
    pub(super) fn new(head: &Head, reader: &'r mut dyn Read) -> BlockingBody<'r> {
        let framing = head.framing();
        BlockingBody {
            reader,
            framing,
            left: match framing {
                Framing::Length(length) => length,
                Framing::Chunked => u64::MAX,
            },
            is_held_back: head.expects_continue(),
        }
    }

    /// Returns the number of bytes that may follow, at most `most`.
    pub(super) fn left(&self, most: usize) -> usize {
        usize::try_from(self.left).map_or(most, |left| left.min(most))
    }

    /// Reads some bytes; 0 at the end of the body or of the reader.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.left(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        self.is_held_back = false;
        loop {
            match self.reader.read(&mut buffer[..most]) {
                Ok(0) if self.framing == Framing::Chunked => {
                    self.left = 0;
                    return Ok(0);
                }
                Ok(count) => {
                    self.left -= count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns whether all bytes of the body were read.
    pub(super) fn is_whole(&self) -> bool {
        self.left == 0
    }

    /// Reads and discards the rest of a refused body: a connection that closes earlier may lose the response. If bytes
    /// remain, the response closes the connection.
    pub(super) fn discard(mut self, response: Response) -> Response {
        if !self.is_held_back {
            self.read_to_end();
        }
        match self.is_whole() {
            true => response,
            false => response.closing(),
        }
    }

    fn read_to_end(&mut self) {
        let limits = Limits::default();
        let (mut allowed, began) = (limits.drain_bytes, Instant::now());
        let mut buffer = vec![0; self.left(DISCARD_BYTES)];
        while allowed > 0 && began.elapsed() < limits.drain_timeout {
            match self.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(count) => allowed = allowed.saturating_sub(count as u64),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&str, &str)]) -> Head {
        let host = [("Host", "localhost")];
        let fields = host.iter().chain(fields).copied();
        Head::from_parts("POST", "/upload", fields).expect("a head")
    }

    /// Refuses a body, and returns the number of bytes that were read, and whether the connection closes.
    fn refuse(fields: &[(&str, &str)], sent: u64) -> (u64, bool) {
        let mut reader = io::repeat(b'a').take(sent);
        let body = BlockingBody::new(&head(fields), &mut reader);
        let response = body.discard(Response::new(409));
        (sent - reader.limit(), response.is_closing())
    }

    #[test]
    fn refused_body_is_read_up_to_a_limit() {
        let [chunked, expect] = [("Transfer-Encoding", "chunked"), ("Expect", "100-continue")];
        let length = |length| ("Content-Length", length);
        assert_eq!(refuse(&[], 5), (0, false));
        assert_eq!(refuse(&[length("3")], 5), (3, false));
        assert_eq!(refuse(&[chunked], 5), (5, false));
        assert_eq!(refuse(&[length("5")], 3), (3, true), "the client left");
        // The client sends no body after a final response.
        assert_eq!(refuse(&[length("5"), expect], 5), (0, true));
        assert_eq!(refuse(&[length("0"), expect], 5), (0, false));
        let most = Limits::default().drain_bytes;
        assert_eq!(refuse(&[length("99999999999")], 2 * most), (most, true));
        assert_eq!(refuse(&[chunked], 2 * most), (most, true));
    }
}
