//! The end of what is held, as a checksum: a client sees by it, before it sends, whether it is about to continue the
//! same file.

use std::io;
use std::sync::Arc;

use super::disk::Data;
use super::error::Error;
use super::shelf::Entry;
use super::upload::Held;

/// How many bytes a tail has at most.
pub const TAIL_BYTES: u64 = 65_536;

/// A checksum of the last bytes held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// CRC-32 (the one of zip and Ethernet) of them.
    pub crc32: u32,
    /// How many they are: 1 to [`TAIL_BYTES`].
    pub length: u64,
}

impl Entry {
    /// The tail of what was held at `at`; `None` when that was nothing, or is not there any more.
    pub(super) fn tail(&self, at: Held) -> Result<Option<Tail>, Error> {
        let length = at.offset.min(TAIL_BYTES);
        let Some(data) = self.readable()?.filter(|_| length > 0) else {
            return Ok(None);
        };
        let mut bytes = vec![0; length as usize];
        match self.disk().read_at(&data, &mut bytes, at.offset - length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            read => Ok(read.map(|()| {
                Some(Tail {
                    crc32: crc32fast::hash(&bytes),
                    length,
                })
            })?),
        }
    }

    fn readable(&self) -> Result<Option<Arc<Data>>, Error> {
        if let Some(state) = self.glance() {
            return Ok(state.data.clone());
        }
        let state = self.look()?;
        match state.published() {
            Some(published) => Ok(self.disk().open_published(&published.path)?.map(Arc::new)),
            None => Ok(state.data.clone()),
        }
    }
}
