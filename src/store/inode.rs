//! Which file it is, whatever its name; and files that are made without one.

use std::os::fd::{BorrowedFd, OwnedFd};

use super::medium::keeps_unnamed;
use super::options::{OnConflict, Options, Sharing};
use super::rename::Place;

/// Which file it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Inode {
    pub(super) number: u64,
    /// When it was made, in nanoseconds since 1970: numbers are given again.
    pub(super) born_ns: u64,
}

/// A file without a name, and which one it is.
pub(super) struct Unnamed {
    pub(super) file: OwnedFd,
    pub(super) inode: Inode,
}

/// How a file without a name gets one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Linking {
    /// By its descriptor: with a capability, or since Linux 6.10.
    Descriptor,
    /// By the name of the descriptor in `/proc`.
    Proc,
}

impl Linking {
    /// How it is done, found out by doing it once at a place that is free; `None` where files are always to have one.
    ///
    /// One over another is put by a rename only. A hook moves files away, and other servers see files alone: for both
    /// it has to show that an upload is not published yet.
    pub(super) fn find(free: Place<'_>, lock: BorrowedFd<'_>, options: &Options) -> Option<Self> {
        let is_wanted = options.on_conflict == OnConflict::KeepBoth
            && options.sharing == Sharing::Alone
            && !options.mark_hooks;
        // Asked in any case: it warns.
        let is_safe = keeps_unnamed(lock, options.sync);
        (is_safe && is_wanted).then(|| system::find(free))?
    }
}

pub(super) use self::system::{create, inode_at, link};

#[cfg(target_os = "linux")]
mod system {
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

    use rustix::fs::{
        AtFlags, CWD, Mode, OFlags, Statx, StatxFlags, linkat, openat, statx, unlinkat,
    };
    use rustix::io::{Errno, Result};

    use super::{Inode, Linking, Place, Unnamed};

    pub(super) fn find(free: Place<'_>) -> Option<Linking> {
        let Unnamed { file, .. } = create(free.dir).ok()?;
        let mut all = [Linking::Descriptor, Linking::Proc].into_iter();
        let found = all.find(|linking| link(file.as_fd(), free, *linking).is_ok())?;
        unlinkat(free.dir, free.name, AtFlags::empty()).ok()?;
        Some(found)
    }

    /// # Errors
    /// `OPNOTSUPP` where the file system makes none, or does not tell when a file was made.
    pub(in super::super) fn create(dir: BorrowedFd<'_>) -> Result<Unnamed> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let file = openat(dir, ".", flags, Mode::from_raw_mode(0o666))?;
        let about = statx(&file, "", AtFlags::EMPTY_PATH, WANTED)?;
        let inode = inode(about).ok_or(Errno::OPNOTSUPP)?;
        Ok(Unnamed { file, inode })
    }

    pub(in super::super) fn link(
        file: BorrowedFd<'_>,
        to: Place<'_>,
        linking: Linking,
    ) -> Result<()> {
        match linking {
            Linking::Descriptor => linkat(file, "", to.dir, to.name, AtFlags::EMPTY_PATH),
            Linking::Proc => {
                let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                linkat(CWD, path, to.dir, to.name, AtFlags::SYMLINK_FOLLOW)
            }
        }
    }

    /// Of what is at `place`, a link or a directory as well as a file; `None` also where nothing is.
    pub(in super::super) fn inode_at(place: Place<'_>) -> Result<Option<Inode>> {
        match statx(place.dir, place.name, AtFlags::SYMLINK_NOFOLLOW, WANTED) {
            Err(Errno::NOENT) => Ok(None),
            about => about.map(inode),
        }
    }

    const WANTED: StatxFlags = StatxFlags::INO.union(StatxFlags::BTIME);

    fn inode(about: Statx) -> Option<Inode> {
        let born = about.stx_btime;
        let secs = u64::try_from(born.tv_sec)
            .ok()?
            .checked_mul(1_000_000_000)?;
        let is_told = StatxFlags::from_bits_retain(about.stx_mask).contains(WANTED);
        is_told.then_some(Inode {
            number: about.stx_ino,
            born_ns: secs + u64::from(born.tv_nsec),
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::os::fd::BorrowedFd;

    use rustix::io::{Errno, Result};

    use super::{Inode, Linking, Place, Unnamed};

    pub(super) fn find(_: Place<'_>) -> Option<Linking> {
        None
    }

    pub(in super::super) fn create(_: BorrowedFd<'_>) -> Result<Unnamed> {
        Err(Errno::OPNOTSUPP)
    }

    pub(in super::super) fn link(_: BorrowedFd<'_>, _: Place<'_>, _: Linking) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }

    pub(in super::super) fn inode_at(_: Place<'_>) -> Result<Option<Inode>> {
        Ok(None)
    }
}
