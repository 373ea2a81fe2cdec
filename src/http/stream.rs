//! TCP and Unix sockets, without TLS.

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use std::io::{self, Read, Write};
use std::net::Shutdown;

use super::peer::Peer;

/// A non-blocking TCP or Unix socket of a client.
pub(crate) enum Stream {
    Tcp(TcpStream, Peer),
    Unix(UnixStream),
}

impl Stream {
    pub(crate) fn peer(&self) -> Peer {
        match self {
            Stream::Tcp(_, peer) => *peer,
            Stream::Unix(_) => Peer::Unix,
        }
    }

    /// Shuts down the sending direction. Reading goes on.
    pub(crate) fn finish_writing(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream, _) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    pub(crate) fn source(&mut self) -> &mut dyn Source {
        match self {
            Stream::Tcp(stream, _) => stream,
            Stream::Unix(stream) => stream,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream, _) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream, _) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
