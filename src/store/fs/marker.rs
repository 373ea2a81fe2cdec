//! Extended attributes of a data file: the marker with its synced length, and its hash states.

use std::io;

use rustix::io::Errno;

use crate::store::fs::disk::{Data, Disk};
use crate::store::fs::fault::Op;
use crate::store::fs::hashed::{Algorithm, Hashed};
use crate::store::fs::xattr;

/// The name of the marker.
pub(crate) const MARKER: &str = "user.resumed.synced";

/// Parses the value of the marker. An earlier version appended ` told`.
fn parse(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    text.strip_suffix(" told").unwrap_or(text).parse().ok()
}

impl Disk {
    /// Returns the synced length in the marker of `data`; `None` if the file system has no extended attributes.
    pub(crate) fn read_marker(&self, data: &Data) -> io::Result<Option<u64>> {
        self.faults.check(Op::Read)?;
        let mut value = [0; 32];
        match xattr::get(&data.0, MARKER, &mut value) {
            Ok(Some(length)) => Ok(Some(parse(&value[..length]).unwrap_or_default())),
            Ok(None) => Ok(Some(0)),
            Err(Errno::OPNOTSUPP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the synced length to the marker of `data`. Does not sync the marker.
    pub(crate) fn write_marker(&self, data: &Data, synced: u64) -> io::Result<()> {
        self.faults.check(Op::Marker)?;
        match xattr::set(&data.0, MARKER, synced.to_string().as_bytes()) {
            Err(Errno::OPNOTSUPP) => Ok(()),
            done => Ok(done?),
        }
    }

    /// Removes the marker of `data`.
    pub(crate) fn remove_marker(&self, data: &Data) -> io::Result<()> {
        self.faults.check(Op::Marker)?;
        Ok(xattr::remove(&data.0, MARKER)?)
    }

    /// Returns the stored hash state of `data`.
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

    /// Removes the hash states of `data`.
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
