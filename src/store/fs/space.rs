//! The free space of a file system.

use std::io;
use std::ops::{Add, AddAssign};

use rustix::fs::StatVfs;
use rustix::io::Errno;

use crate::store::error::SpaceLimit;
use crate::store::options::{InodeFloor, Options};

/// The space that one new file or folder takes besides its bytes.
const INODE_BYTES: u64 = 4096;

/// The free space of a file system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Space {
    /// The bytes free for unprivileged programs; `None` if the file system does not report them.
    pub(crate) bytes: Option<u64>,
    /// `None` if the file system does not report its inodes.
    inodes: Option<Inodes>,
}

#[derive(Debug, Clone, Copy)]
struct Inodes {
    free: u64,
    all: u64,
}

/// The space that an operation takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needed {
    pub(crate) bytes: u64,
    pub(crate) inodes: u64,
}

/// The space that uploads leave free.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Floor {
    bytes: u64,
    inodes: InodeFloor,
}

impl Space {
    const UNKNOWN: Self = Self {
        bytes: None,
        inodes: None,
    };

    /// Reads the result of `statvfs`.
    ///
    /// A file system of size 0 does not report its space: a tmpfs without a limit, or a FUSE file system without
    /// `statfs`.
    pub(crate) fn of(about: io::Result<StatVfs>) -> io::Result<Self> {
        match about {
            Ok(about) => Ok(Self {
                bytes: (about.f_blocks > 0).then(|| about.f_bavail.saturating_mul(about.f_frsize)),
                inodes: (about.f_files > 0).then_some(Inodes {
                    free: about.f_favail,
                    all: about.f_files,
                }),
            }),
            Err(error) => match Errno::from_io_error(&error) {
                // A sandbox that forbids the call answers EPERM.
                Some(Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => {
                    Ok(Self::UNKNOWN)
                }
                _ => Err(error),
            },
        }
    }

    #[cfg(test)]
    pub(crate) fn of_bytes(bytes: u64) -> Self {
        Self {
            bytes: Some(bytes),
            inodes: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn of_inodes(free: u64) -> Self {
        Self {
            bytes: None,
            inodes: Some(Inodes { free, all: free }),
        }
    }

    /// Returns the space that is left after `taken`.
    pub(crate) fn without(self, taken: Needed) -> Self {
        let inodes = self.inodes.map(|it| Inodes {
            free: it.free.saturating_sub(taken.inodes),
            ..it
        });
        let bytes = self.bytes.map(|bytes| bytes.saturating_sub(taken.bytes));
        Self { bytes, inodes }
    }

    /// Returns the free bytes above the floor; `u64::MAX` if they are unknown.
    pub(crate) fn above(self, floor: Floor) -> u64 {
        let above = |bytes: u64| bytes.saturating_sub(floor.bytes);
        self.bytes.map_or(u64::MAX, above)
    }

    /// Returns the limit that `needed` exceeds, if there is one.
    pub(crate) fn limit(self, needed: Needed, floor: Floor) -> Option<SpaceLimit> {
        if needed.bytes > self.above(floor) {
            let bytes = floor.bytes;
            return Some(SpaceLimit::MinFree { bytes });
        }
        let Inodes { free, all } = self.inodes.filter(|_| needed.inodes > 0)?;
        let inodes = match floor.inodes {
            InodeFloor::Count(0) | InodeFloor::Percent(0) => return None,
            InodeFloor::Count(inodes) => inodes,
            InodeFloor::Percent(percent) => {
                let hundredfold = u128::from(all) * u128::from(percent);
                (hundredfold / 100).try_into().unwrap_or(u64::MAX)
            }
        };
        (free < inodes.saturating_add(needed.inodes))
            .then_some(SpaceLimit::MinFreeInodes { inodes })
    }
}

impl Needed {
    /// Returns the space of `bytes` in a file that exists.
    pub(crate) fn bytes(bytes: u64) -> Self {
        Self { bytes, inodes: 0 }
    }

    /// Returns the space of `inodes` new files and folders.
    pub(crate) fn inodes(inodes: u64) -> Self {
        let bytes = inodes.saturating_mul(INODE_BYTES);
        Self { bytes, inodes }
    }
}

impl Add for Needed {
    type Output = Self;

    /// Saturates: clients declare lengths of exabytes.
    fn add(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            inodes: self.inodes.saturating_add(other.inodes),
        }
    }
}

impl AddAssign for Needed {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl From<&Options> for Floor {
    fn from(options: &Options) -> Self {
        Self {
            bytes: options.min_free,
            inodes: options.min_free_inodes,
        }
    }
}
