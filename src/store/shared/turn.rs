//! Who had an upload last, of several servers that share a directory: noted on its data file, and read under the lock.
//!
//! As long as it is the same server, all that it has in memory of the upload is true. Whoever takes it over notes that
//! before anything else, so a server that is killed in the middle leaves nothing that is believed.

use std::io;

use rustix::io::Errno;

use crate::store::fs::disk::{Data, Disk};
use crate::store::fs::lock;
use crate::store::fs::xattr;

const TURN: &str = "user.resumed.turn";

/// What all servers have to agree on besides the files themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// A number that is drawn at every start.
    pub(crate) server: u64,
    /// Which append may write.
    pub(crate) generation: u64,
    /// How often bytes that were held ceased to be.
    pub(crate) epoch: u64,
}

impl Turn {
    fn parse(text: &[u8]) -> Option<Self> {
        let mut numbers = std::str::from_utf8(text).ok()?.split(' ');
        let mut number = || u64::from_str_radix(numbers.next()?, 16).ok();
        Some(Self {
            server: number()?,
            generation: number()?,
            epoch: number()?,
        })
    }

    fn text(self) -> String {
        let Self {
            server,
            generation,
            epoch,
        } = self;
        format!("{server:x} {generation:x} {epoch:x}")
    }
}

impl Disk {
    /// What is noted on `data`; `None` where nobody has noted anything.
    pub(crate) fn turn_of(&self, data: &Data) -> io::Result<Option<Turn>> {
        lock::look_anew(&data.0)?;
        let mut text = [0; 64];
        match xattr::get(&data.0, TURN, &mut text) {
            Ok(length) => Ok(Turn::parse(&text[..length])),
            Err(Errno::NODATA) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn note_turn(&self, data: &Data, turn: Turn) -> io::Result<()> {
        Ok(xattr::set(&data.0, TURN, turn.text().as_bytes())?)
    }

    /// Takes the note off: a finished file has none.
    pub(crate) fn take_off_turn(&self, data: &Data) -> io::Result<()> {
        Ok(xattr::remove(&data.0, TURN)?)
    }

    /// # Errors
    /// When nothing can be noted on files here.
    pub(crate) fn try_noting(&self) -> io::Result<()> {
        xattr::set(&self.lock, TURN, b"")?;
        Ok(xattr::remove(&self.lock, TURN)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read() {
        let turn = Turn {
            server: u64::MAX,
            generation: u64::MAX,
            epoch: u64::MAX,
        };
        assert_eq!(Turn::parse(turn.text().as_bytes()), Some(turn));
        assert!(turn.text().len() <= 64);
        for no_turn in ["", "1 2", "1 2 x"] {
            assert_eq!(Turn::parse(no_turn.as_bytes()), None);
        }
    }
}
