//! Extended attributes of a data file: a note there needs no name and no space of its own, and goes when the file goes.

#[cfg(target_os = "linux")]
mod system {
    use std::os::fd::AsFd;

    use rustix::fs::XattrFlags;
    pub(crate) use rustix::fs::{fgetxattr as get, fremovexattr as remove};
    use rustix::io::Result;

    pub(crate) fn set(file: impl AsFd, name: &str, value: &[u8]) -> Result<()> {
        rustix::fs::fsetxattr(file, name, value, XattrFlags::empty())
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::os::fd::AsFd;

    use rustix::io::{Errno, Result};

    pub(crate) fn get(_: impl AsFd, _: &str, _: &mut [u8]) -> Result<usize> {
        Err(Errno::OPNOTSUPP)
    }

    pub(crate) fn set(_: impl AsFd, _: &str, _: &[u8]) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }

    pub(crate) fn remove(_: impl AsFd, _: &str) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }
}

pub(crate) use self::system::{get, remove, set};
