//! The note on a data file: the server that was the last one to change the upload, and the version that it left.
//!
//! As long as a server finds its own note, its memory of the upload is current. A server that takes an upload over writes
//! its note before any other change.

use std::io;
use std::os::fd::AsFd;

use crate::store::fs::disk::Data;
use crate::store::fs::lock;
use crate::store::fs::xattr;
use crate::store::upload::state::Version;

/// The extended attribute.
const NOTE: &str = "user.resumed.turn";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    /// The random number of the server.
    pub(crate) server: u64,
    pub(crate) version: Version,
}

impl Note {
    fn parse(text: &[u8]) -> Option<Self> {
        let mut numbers = std::str::from_utf8(text).ok()?.split(' ');
        let mut number = || u64::from_str_radix(numbers.next()?, 16).ok();
        let (server, generation, epoch) = (number()?, number()?, number()?);
        let version = Version { generation, epoch };
        Some(Self { server, version })
    }

    fn text(self) -> String {
        let Version { generation, epoch } = self.version;
        format!("{:x} {generation:x} {epoch:x}", self.server)
    }

    /// Returns the note on `data`; `None` if there is none.
    pub(crate) fn read(data: &Data) -> io::Result<Option<Self>> {
        lock::revalidate(&data.0)?;
        let mut text = [0; 64];
        let length = xattr::get(&data.0, NOTE, &mut text)?;
        Ok(length.and_then(|length| Self::parse(&text[..length])))
    }

    pub(crate) fn write(self, data: &Data) -> io::Result<()> {
        Ok(xattr::set(&data.0, NOTE, self.text().as_bytes())?)
    }

    pub(crate) fn remove(data: &Data) -> io::Result<()> {
        Ok(xattr::remove(&data.0, NOTE)?)
    }
}

/// Checks that files can have a note.
pub(crate) fn probe(file: impl AsFd) -> io::Result<()> {
    xattr::set(&file, NOTE, b"")?;
    Ok(xattr::remove(&file, NOTE)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_is_read_as_written() {
        let version = Version {
            generation: u64::MAX,
            epoch: u64::MAX,
        };
        let server = u64::MAX;
        let note = Note { server, version };
        assert_eq!(Note::parse(note.text().as_bytes()), Some(note));
        assert!(note.text().len() <= 64);
        for no_note in ["", "1 2", "1 2 x"] {
            assert_eq!(Note::parse(no_note.as_bytes()), None);
        }
    }
}
