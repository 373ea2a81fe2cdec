//! Extended attributes of a data file: the marker with its synced length, and its hash states.

use std::io;
use std::ops::Range;

use rustix::io::Errno;

use crate::store::fs::disk::{Data, Disk};
use crate::store::fs::fault::Op;
use crate::store::fs::hashed::{Algorithm, Hashed};
use crate::store::fs::xattr;

/// The name of the marker.
pub(crate) const MARKER: &str = "user.resumed.synced";

/// The size of a buffer for bytes that are read back.
const BUFFER_BYTES: u64 = 256 * 1024;

/// The value of a marker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MarkerValue {
    /// The length that a sync had confirmed before the marker was written.
    pub(crate) synced: u64,
    /// The length that the next sync confirms.
    pub(crate) pending: Option<Pending>,
}

/// A length that one sync makes durable together with its marker. A power loss during the sync may leave the marker without
/// the bytes, so the marker has their checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) length: u64,
    /// The CRC-32 of the bytes after the synced length.
    pub(crate) crc32: u32,
}

impl MarkerValue {
    pub(crate) fn synced(synced: u64) -> Self {
        Self {
            synced,
            pending: None,
        }
    }

    /// Returns the greater of the two lengths.
    pub(crate) fn end(self) -> u64 {
        self.pending.map_or(self.synced, |pending| pending.length)
    }

    /// Parses the text, also with the suffix of an earlier version.
    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut fields = text.strip_suffix(" told").unwrap_or(text).split(' ');
        let synced = fields.next()?.parse().ok()?;
        let pending = match (fields.next(), fields.next()) {
            (None, _) => None,
            (Some(length), crc32) => Some(Pending {
                length: length.parse().ok().filter(|length| *length > synced)?,
                crc32: u32::from_str_radix(crc32?, 16).ok()?,
            }),
        };
        Some(Self { synced, pending })
    }

    fn text(self) -> String {
        match self.pending {
            None => self.synced.to_string(),
            Some(Pending { length, crc32 }) => format!("{} {length} {crc32:08x}", self.synced),
        }
    }
}

impl Disk {
    /// Returns the marker of `data`; `None` if the file system has no extended attributes.
    pub(crate) fn read_marker(&self, data: &Data) -> io::Result<Option<MarkerValue>> {
        self.faults.check(Op::Read)?;
        let mut text = [0; 64];
        match xattr::get(&data.0, MARKER, &mut text) {
            Ok(Some(length)) => Ok(Some(
                MarkerValue::parse(&text[..length]).unwrap_or_default(),
            )),
            Ok(None) => Ok(Some(MarkerValue::default())),
            Err(Errno::OPNOTSUPP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the marker of `data`. Does not sync it.
    pub(crate) fn write_marker(&self, data: &Data, value: MarkerValue) -> io::Result<()> {
        self.faults.check(Op::Marker)?;
        match xattr::set(&data.0, MARKER, value.text().as_bytes()) {
            Err(Errno::OPNOTSUPP) => Ok(()),
            done => Ok(done?),
        }
    }

    /// Returns the length of `data` that its marker confirms after a power loss. The file has `length` bytes.
    pub(crate) fn confirmed_length(
        &self,
        data: &Data,
        marker: MarkerValue,
        length: u64,
    ) -> io::Result<u64> {
        let pending = marker.pending.filter(|pending| pending.length <= length);
        match pending {
            Some(Pending { length, crc32 })
                if self.checksum(data, marker.synced..length)? == crc32 =>
            {
                Ok(length)
            }
            _ => Ok(marker.synced.min(length)),
        }
    }

    /// Reads back bytes of `data`, and returns their CRC-32.
    pub(crate) fn checksum(&self, data: &Data, mut range: Range<u64>) -> io::Result<u32> {
        let mut hasher = crc32fast::Hasher::new();
        let mut buffer = Vec::new();
        while !range.is_empty() {
            let count = (range.end - range.start).min(BUFFER_BYTES);
            buffer.resize(count as usize, 0);
            self.read_at(data, &mut buffer, range.start)?;
            hasher.update(&buffer);
            range.start += count;
        }
        Ok(hasher.finalize())
    }

    pub(crate) fn remove_marker(&self, data: &Data) -> io::Result<()> {
        self.faults.check(Op::Marker)?;
        Ok(xattr::remove(&data.0, MARKER)?)
    }

    pub(crate) fn read_hash_state(
        &self,
        data: &Data,
        algorithm: Algorithm,
    ) -> io::Result<Option<Hashed>> {
        self.faults.check(Op::Read)?;
        let mut value = [0; 512];
        match xattr::get(&data.0, algorithm.attribute(), &mut value) {
            Ok(Some(length)) => Ok(Hashed::parse(algorithm, &value[..length])),
            Ok(None) | Err(Errno::OPNOTSUPP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Stores a hash state on `data`. Does not sync it.
    pub(crate) fn write_hash_state(&self, data: &Data, hashed: &Hashed) -> io::Result<()> {
        self.faults.check(Op::Marker)?;
        let name = hashed.algorithm().attribute();
        Ok(xattr::set(&data.0, name, hashed.text().as_bytes())?)
    }

    pub(crate) fn remove_hash_states(&self, data: &Data) -> io::Result<()> {
        self.faults.check(Op::Marker)?;
        for algorithm in Algorithm::ALL {
            match xattr::remove(&data.0, algorithm.attribute()) {
                Ok(()) | Err(Errno::OPNOTSUPP) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marker_is_read_as_written() {
        let pending = Some(Pending {
            length: u64::MAX,
            crc32: 0xfe,
        });
        let synced = u64::MAX - 1;
        for value in [
            MarkerValue::default(),
            MarkerValue::synced(7),
            MarkerValue { synced, pending },
        ] {
            let text = value.text();
            assert_eq!(MarkerValue::parse(text.as_bytes()), Some(value));
            assert!(text.len() <= 64);
        }
        for no_marker in ["", "x", "4 5", "4 x 1", "4 5 x", "5 4 1"] {
            assert_eq!(MarkerValue::parse(no_marker.as_bytes()), None);
        }
    }
}
