//! Extended attributes of a data file: a note there needs no name and no space of its own, and goes when the file goes.

#[cfg(target_os = "linux")]
mod system {
    use std::os::fd::AsFd;

    use rustix::fs::{XattrFlags, fgetxattr, fremovexattr};
    use rustix::io::{Errno, Result};

    /// Reads the attribute, and returns its length; `None` if the file has no such attribute.
    pub(crate) fn get(file: impl AsFd, name: &str, value: &mut [u8]) -> Result<Option<usize>> {
        match fgetxattr(file, name, value) {
            Err(Errno::NODATA) => Ok(None),
            length => length.map(Some),
        }
    }

    pub(crate) fn set(file: impl AsFd, name: &str, value: &[u8]) -> Result<()> {
        rustix::fs::fsetxattr(file, name, value, XattrFlags::empty())
    }

    /// Removes the attribute, if the file has it.
    pub(crate) fn remove(file: impl AsFd, name: &str) -> Result<()> {
        match fremovexattr(file, name) {
            Err(Errno::NODATA) => Ok(()),
            done => done,
        }
    }
}

/// Other systems have other names and namespaces for attributes.
#[cfg(not(target_os = "linux"))]
mod system {
    use std::os::fd::AsFd;

    use rustix::io::{Errno, Result};

    pub(crate) fn get(_: impl AsFd, _: &str, _: &mut [u8]) -> Result<Option<usize>> {
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
