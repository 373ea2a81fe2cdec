//! The end of what is held, as a checksum: a client sees by it, before it sends, whether it is about to continue the
//! same file.

use std::io;

use crate::store::error::{Difference, Error};
use crate::store::fs::disk::Data;
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::request::{TAIL_BYTES, Tail};
use crate::store::upload::state::{Progress, State};

impl UploadHandle {
    /// Returns the tail of the bytes held at `at`. `None` if there were none, they were cut off, or the upload is
    /// complete: another program may have replaced the published file.
    pub(crate) fn tail(&self, at: Progress) -> Result<Option<Tail>, Error> {
        let glance = self.glance().map(|state| state.data.clone());
        let data = match glance {
            Some(data) => data,
            None => self.look()?.data.clone(),
        };
        self.tail_of(data.as_deref(), at.offset, at.offset.min(TAIL_BYTES))
    }

    /// Compares the last bytes held with the checksum that a client sent.
    ///
    /// # Errors
    /// `Differs`.
    pub(crate) fn check_tail(&self, state: &State, expected: Tail) -> Result<(), Error> {
        let tail = self.tail_of(state.data.as_deref(), state.offset, expected.length)?;
        if tail == Some(expected) {
            Ok(())
        } else {
            Err(Error::Differs(Difference::Tail))
        }
    }

    /// Returns the tail of `length` bytes that ends at `end`. `None` if `length` is 0 or these bytes are not held.
    fn tail_of(&self, data: Option<&Data>, end: u64, length: u64) -> Result<Option<Tail>, Error> {
        let start = end.checked_sub(length);
        let (Some(data), Some(start), 1..=TAIL_BYTES) = (data, start, length) else {
            return Ok(None);
        };
        let mut bytes = vec![0; length as usize];
        match self.disk().read_at(data, &mut bytes, start) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            read => Ok(read.map(|()| {
                Some(Tail {
                    crc32: crc32fast::hash(&bytes),
                    length,
                })
            })?),
        }
    }
}
