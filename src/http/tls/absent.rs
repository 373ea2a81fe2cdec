//! Types without a value, for a build without TLS.

use std::io;

use crate::http::stream::Stream;

pub(crate) enum Acceptor {}

pub(crate) enum Session {}

impl Acceptor {
    pub(crate) fn session(&self) -> io::Result<Box<Session>> {
        match *self {}
    }
}

impl Session {
    pub(crate) fn receive(&mut self, _: &mut Stream, _: &mut [u8], _: u64) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn write(&mut self, _: &mut Stream, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn flush(&mut self, _: &mut Stream) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn finish_writing(&mut self, _: &mut Stream) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        match *self {}
    }

    pub(crate) fn has_unsent(&self) -> bool {
        match *self {}
    }

    pub(crate) fn partial_bytes(&self) -> usize {
        match *self {}
    }

    pub(crate) fn is_plain_http(&self) -> bool {
        match *self {}
    }
}
