//! The socket of a connection: a stream, with or without TLS.

use std::io::{self, Read, Write};

use mio::event::Source;

use super::peer::Peer;
use super::stream::Stream;
use super::tls::Session;

/// A non-blocking socket of a client.
pub(crate) struct Socket {
    stream: Stream,
    tls: Option<Box<Session>>,
}

impl Socket {
    pub(crate) fn new(stream: Stream, tls: Option<Box<Session>>) -> Socket {
        Socket { stream, tls }
    }

    pub(crate) fn peer(&self) -> Peer {
        self.stream.peer()
    }

    /// Returns the stream, to register it with a poller.
    pub(crate) fn source(&mut self) -> &mut dyn Source {
        self.stream.source()
    }

    /// Reads about `most` bytes to the beginning of `room`. Returns their number; 0 is the end of the stream.
    ///
    /// With TLS the number may exceed `most`: all received records are decrypted at once, so that no bytes wait where the
    /// poller does not see them.
    pub(crate) fn receive(&mut self, room: &mut [u8], most: u64) -> io::Result<usize> {
        if let Some(session) = &mut self.tls {
            return session.receive(&mut self.stream, room, most);
        }
        let asked = usize::try_from(most).map_or(room.len(), |most| most.min(room.len()));
        self.stream.read(&mut room[..asked])
    }

    /// Shuts down the sending direction. Reading goes on.
    pub(crate) fn finish_writing(&mut self) -> io::Result<()> {
        if let Some(session) = &mut self.tls {
            session.finish_writing(&mut self.stream)?;
        }
        self.stream.finish_writing()
    }

    /// Returns whether a TLS handshake comes before the first request, or goes on.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Returns whether records wait until the socket is writable.
    pub(crate) fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.has_unsent())
    }

    /// Returns the number of received bytes that are no whole record yet.
    pub(crate) fn partial_bytes(&self) -> usize {
        self.tls.as_ref().map_or(0, |tls| tls.partial_bytes())
    }

    /// Continues without TLS, if the first byte was that of an HTTP request. Returns whether it does.
    pub(crate) fn continue_plain(&mut self) -> bool {
        let is_plain = self.tls.as_ref().is_some_and(|tls| tls.is_plain_http());
        if is_plain {
            self.tls = None;
        }
        is_plain
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(session) => session.write(&mut self.stream, bytes),
            None => self.stream.write(bytes),
        }
    }

    /// Sends the records that are encrypted. Without TLS there are none.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(session) => session.flush(&mut self.stream),
            None => Ok(()),
        }
    }
}
