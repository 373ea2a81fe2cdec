//! Obstacles to the publishing of a full upload.

use std::{error, fmt, io};

use rustix::io::Errno;

/// The reason for which a full upload cannot be published. Its bytes stay held.
#[derive(Debug)]
pub struct Obstacle {
    /// The kind decides the possible reaction of a client.
    pub kind: ObstacleKind,
    /// The path of the file below the directory; empty if it is not known.
    path: String,
    /// The same path below the folder of the user.
    shown: String,
    error: io::Error,
}

/// The kind of an [`Obstacle`]. It decides the possible reaction of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObstacleKind {
    /// The obstacle may pass: the same request may succeed later.
    Passing,
    /// The directory refuses this file until its owner changes something.
    Refused,
    /// The file is larger than the file system or the file size limit of the process allows.
    TooLarge,
    /// The disk or a quota is full.
    NoSpace,
}

impl Obstacle {
    /// Finds the kind of an error by its errno.
    pub(crate) fn new(error: io::Error) -> Self {
        let kind = match Errno::from_io_error(&error) {
            _ if is_full(&error) => ObstacleKind::NoSpace,
            _ if is_too_large(&error) => ObstacleKind::TooLarge,
            Some(
                Errno::ACCESS
                | Errno::PERM
                | Errno::ROFS
                | Errno::XDEV
                | Errno::NOTDIR
                | Errno::LOOP
                | Errno::MLINK
                | Errno::INVAL
                | Errno::ILSEQ
                | Errno::NAMETOOLONG
                | Errno::OPNOTSUPP,
            ) => ObstacleKind::Refused,
            None if is_refusal(error.kind()) => ObstacleKind::Refused,
            _ => ObstacleKind::Passing,
        };
        Self {
            kind,
            path: String::new(),
            shown: String::new(),
            error,
        }
    }

    /// Adds the `path` of the file below the directory, and the same path as its user sees it.
    pub(crate) fn at(self, path: String, shown: String) -> Self {
        Self {
            path,
            shown,
            ..self
        }
    }

    /// Returns the message for the log. It has the whole path, also if the file is in the folder of a user.
    pub(crate) fn logged(&self) -> String {
        self.message(&self.path)
    }

    fn message(&self, path: &str) -> String {
        let place = match path.is_empty() {
            true => String::new(),
            false => format!(" as {path:?}"),
        };
        format!("cannot publish the file{place}: {}", self.error)
    }

    /// Returns whether the folder is on another file system, so that the file has to be copied.
    pub(crate) fn is_elsewhere(&self) -> bool {
        Errno::from_io_error(&self.error) == Some(Errno::XDEV)
    }

    /// Returns whether the same file may be published under another name.
    pub(crate) fn is_about_name(&self) -> bool {
        let errno = Errno::from_io_error(&self.error);
        let is_refused = matches!(
            errno,
            Some(Errno::NOTDIR | Errno::INVAL | Errno::ILSEQ | Errno::NAMETOOLONG)
        );
        is_refused || errno.is_none() && is_refusal(self.error.kind())
    }

    /// Returns the errno of the failed operation, if there is one.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.error.raw_os_error()
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(&self.shown))
    }
}

impl error::Error for Obstacle {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Returns whether the store itself refuses the file until the owner of the directory changes something.
fn is_refusal(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{AlreadyExists, NotADirectory};
    matches!(kind, AlreadyExists | NotADirectory)
}

/// Returns whether the file system or the file size limit of the process allows no such length.
pub(crate) fn is_too_large(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::FileTooLarge
}

/// Returns whether the disk or a quota is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
