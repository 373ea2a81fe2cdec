//! An encoded response and how much of it was sent.

use std::borrow::Cow;
use std::io::{self, Write};

/// An encoded response; `sent` bytes of it are in the socket.
pub(crate) struct Unsent {
    head: Vec<u8>,
    body: Cow<'static, [u8]>,
    sent: usize,
}

impl Unsent {
    pub(crate) fn new((head, body): (Vec<u8>, Cow<'static, [u8]>)) -> Unsent {
        Unsent {
            head,
            body,
            sent: 0,
        }
    }

    /// Sends as many bytes as the socket takes now. Returns whether none is left.
    pub(crate) fn send(&mut self, socket: &mut impl Write) -> io::Result<bool> {
        while let Some(bytes) = self.rest() {
            match socket.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        match socket.flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            flushed => flushed.map(|()| true),
        }
    }

    fn rest(&self) -> Option<&[u8]> {
        let rest = match self.sent.checked_sub(self.head.len()) {
            None => &self.head[self.sent..],
            Some(sent) => &self.body[sent..],
        };
        (!rest.is_empty()).then_some(rest)
    }
}
