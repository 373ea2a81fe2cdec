//! Differences between operating systems.

use std::fs::File;
use std::io::{self, ErrorKind};

pub(crate) use self::system::{changed, read_at};

/// Reads from `at` on until `buffer` is full.
pub(crate) fn read_exact_at(file: &File, mut buffer: &mut [u8], mut at: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match read_at(file, buffer, at) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                buffer = &mut buffer[count..];
                at += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(unix)]
mod system {
    use std::fs::{File, Metadata};
    use std::io;
    use std::os::unix::fs::{FileExt, MetadataExt};

    /// Reads once from `at` on.
    pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        file.read_at(buffer, at)
    }

    /// Returns the inode change time: unlike the time of last change, a program cannot set it back.
    pub(crate) fn changed(metadata: &Metadata) -> (i64, i64) {
        (metadata.ctime(), metadata.ctime_nsec())
    }
}

#[cfg(windows)]
mod system {
    use std::fs::{File, Metadata};
    use std::io;
    use std::os::windows::fs::{FileExt, MetadataExt};

    /// Reads once from `at` on. Also moves the position of the file, which nothing uses.
    pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        file.seek_read(buffer, at)
    }

    /// Returns the time of last change: the standard library does not read the change time of NTFS.
    pub(crate) fn changed(metadata: &Metadata) -> (i64, i64) {
        (metadata.last_write_time() as i64, 0)
    }
}
