//! The errors of operations on uploads, and of opening a store.

use std::path::{Path, PathBuf};
use std::{error, fmt, io};

use rustix::io::Errno;

use crate::store::obstacle::{Obstacle, is_full, is_too_large};
use crate::store::size::Size;

/// The reason for which an operation on an upload was refused or failed.
///
/// A later version may add a reason. A program that does not know it refuses the request, for example with 500.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// No request has begun this upload, or its record was removed.
    Unknown,
    /// The bytes offered do not start where the upload ends. `Store::status` tells where that is.
    Mismatch,
    /// The upload's length was declared before, and differently.
    LengthDiffers {
        /// The length declared first, in bytes.
        declared: u64,
    },
    /// The bytes offered go beyond the upload's length. What fitted of a window is kept.
    Overshoot {
        /// The upload's length in bytes.
        length: u64,
    },
    /// The upload is, or would become, longer than this store takes.
    TooLarge {
        /// The longest upload taken, in bytes.
        max: u64,
    },
    /// The received bytes do not have the declared SHA-256; the upload is removed.
    DigestDiffers,
    /// Bytes held, or a finished file, differ from the checksum that the client sent.
    Differs(Difference),
    /// The upload is finished, and its completion hook is still to run; until then it is not forgotten.
    HookDue,
    /// The account has as many partial uploads as it may have.
    TooManyPartialsOfAccount {
        /// [`Options::max_partials_per_account`](crate::store::Options::max_partials_per_account).
        max: u64,
        /// True if the account is a user, false if it is a client address.
        is_user: bool,
    },
    /// The store has as many partial uploads as it may have.
    TooManyPartials {
        /// [`Options::max_partials`](crate::store::Options::max_partials).
        max: u64,
    },
    /// The bytes go beyond the quota of the owner. Received bytes are kept.
    OverQuota(Quota),
    /// The missing bytes do not fit on the disk. Received bytes are kept, and the upload can be resumed later.
    NoSpace(SpaceLimit),
    /// The disk or a quota became full during a write (ENOSPC, EDQUOT). Written bytes are kept.
    StorageFull(io::Error),
    /// The file system or the file size limit (`ulimit -f`) allows no file of that length (EFBIG). Written bytes are
    /// kept.
    FileTooLarge(io::Error),
    /// All bytes are held, but the file cannot be moved to its name. Nothing was changed.
    NotPublished(Obstacle),
    /// The directory or its `.resumed` is no longer at its path: it was moved, removed, replaced or unmounted. The
    /// partial uploads stay in the directory that was opened.
    Displaced(io::Error),
    /// A newer append, a cancel or a publish has fenced this append.
    Superseded,
    /// After a disk failure the synced length is unknown. The upload is refused until the server restarts.
    Poisoned,
    /// The disk failed. `InvalidData`: this version cannot read the files of the upload.
    Io(io::Error),
}

/// The quota of an owner, and its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quota {
    /// [`Options::quota`](crate::store::Options::quota).
    pub bytes: u64,
    /// The bytes of all uploads of the owner that count.
    pub used: u64,
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.bytes.saturating_sub(self.used);
        let [quota, used, left] = [self.bytes, self.used, left].map(Size);
        write!(
            f,
            "the quota of this user is {quota}: {used} used, {left} left"
        )
    }
}

/// The limit that an upload would exceed on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpaceLimit {
    /// [`Options::min_free`](crate::store::Options::min_free).
    MinFree {
        /// The bytes that stay free.
        bytes: u64,
    },
    /// [`Options::min_free_inodes`](crate::store::Options::min_free_inodes).
    MinFreeInodes {
        /// The inodes that stay free.
        inodes: u64,
    },
    /// The space that other uploads have reserved.
    Reserved,
}

impl fmt::Display for SpaceLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinFree { bytes } => write!(
                f,
                "the disk has too little free space: {} stay free",
                Size(*bytes)
            ),
            Self::MinFreeInodes { inodes } => {
                write!(f, "the disk has too few free inodes: {inodes} stay free")
            }
            Self::Reserved => write!(
                f,
                "the disk has too little free space beside the space reserved for other uploads"
            ),
        }
    }
}

/// The part of an upload that differs from the checksum that the client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// The CRC-32 of the whole upload. The upload is removed, not published.
    Crc32,
    /// The last bytes held. Nothing was changed.
    Tail,
    /// The digest or CRC-32 of the finished upload. Nothing was changed.
    Finished,
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error {
            error if is_full(&error) => Self::StorageFull(error),
            error if is_too_large(&error) => Self::FileTooLarge(error),
            error => Self::Io(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => write!(f, "there is no such upload"),
            Self::Mismatch => write!(f, "the bytes offered do not start where the upload ends"),
            Self::LengthDiffers { declared } => {
                let declared = Size(*declared);
                write!(f, "the length was declared before, as {declared}")
            }
            Self::Overshoot { length } => write!(
                f,
                "the bytes go beyond the upload's length of {}",
                Size(*length)
            ),
            Self::TooLarge { max } => write!(f, "larger than the limit of {}", Size(*max)),
            Self::DigestDiffers => {
                write!(f, "the received bytes do not have the digest that was sent")
            }
            Self::Differs(Difference::Crc32) => {
                write!(f, "the received bytes do not have the CRC-32 that was sent")
            }
            Self::Differs(Difference::Tail) => {
                write!(f, "the bytes held do not end in the tail that was sent")
            }
            Self::Differs(Difference::Finished) => {
                write!(f, "another file is finished under this id")
            }
            Self::HookDue => write!(f, "the completion hook of this upload is still to run"),
            Self::TooManyPartialsOfAccount { max, is_user } => {
                let account = if *is_user { "user" } else { "address" };
                let partials = Partials(*max);
                write!(
                    f,
                    "this {account} has {partials}, the maximum; \
                     complete or delete one"
                )
            }
            Self::TooManyPartials { max } => {
                let partials = Partials(*max);
                write!(f, "the server has {partials}, the maximum")
            }
            Self::OverQuota(quota) => write!(f, "{quota}"),
            Self::NoSpace(limit) => write!(f, "{limit}"),
            Self::StorageFull(error) => write!(f, "the disk is full: {error}"),
            Self::FileTooLarge(_) => write!(
                f,
                "the file is larger than the file system or the server's file size limit allows"
            ),
            Self::NotPublished(obstacle) => write!(f, "{obstacle}"),
            Self::Displaced(error) => write!(
                f,
                "the upload directory was moved, removed, replaced or unmounted: {error}"
            ),
            Self::Superseded => write!(f, "a newer request has taken the upload over"),
            Self::Poisoned => write!(
                f,
                "a disk failure made the length of this upload unknown; restart the server to use it again"
            ),
            Self::Io(error) => write!(f, "the disk failed: {error}"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::StorageFull(error)
            | Self::FileTooLarge(error)
            | Self::Displaced(error)
            | Self::Io(error) => Some(error),
            Self::NotPublished(obstacle) => Some(obstacle),
            _ => None,
        }
    }
}

/// Returns the error of the disk, or wraps another one: [`io::Error::get_ref`] returns it.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::StorageFull(error) | Error::FileTooLarge(error) | Error::Io(error) => error,
            error => Self::new(error.io_kind(), error),
        }
    }
}

impl Error {
    fn io_kind(&self) -> io::ErrorKind {
        use io::ErrorKind;
        match self {
            Self::StorageFull(error)
            | Self::FileTooLarge(error)
            | Self::Displaced(error)
            | Self::Io(error) => error.kind(),
            Self::Unknown => ErrorKind::NotFound,
            Self::Mismatch | Self::LengthDiffers { .. } | Self::Overshoot { .. } => {
                ErrorKind::InvalidInput
            }
            Self::TooLarge { .. } => ErrorKind::FileTooLarge,
            Self::DigestDiffers | Self::Differs(_) => ErrorKind::InvalidData,
            Self::TooManyPartialsOfAccount { .. }
            | Self::TooManyPartials { .. }
            | Self::OverQuota(_) => ErrorKind::QuotaExceeded,
            Self::NoSpace(_) => ErrorKind::StorageFull,
            Self::HookDue | Self::NotPublished(_) => ErrorKind::ResourceBusy,
            Self::Superseded | Self::Poisoned => ErrorKind::Other,
        }
    }
}

/// A number of partial uploads in a message.
struct Partials(u64);

impl fmt::Display for Partials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => write!(f, "1 partial upload"),
            number => write!(f, "{number} partial uploads"),
        }
    }
}

/// The reason for which a directory cannot be opened as a store, with its path.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another server has the directory open.
    InUse(PathBuf),
    /// The server cannot create files in the directory.
    NotWritable(PathBuf, io::Error),
    /// A file stands where a directory should be.
    NotDirectory(PathBuf),
    /// `.resumed` is a symbolic link. It could lead to another directory.
    Symlink(PathBuf),
    /// `.resumed` belongs to another user (with this uid). That user could change uploads.
    NotOurs(PathBuf, u32),
    /// `.resumed` is on another file system. A rename cannot publish files from there.
    OtherFileSystem(PathBuf),
    /// The file system has no user extended attributes. Servers that share a directory need them.
    NotShareable(PathBuf, io::Error),
    /// The file system has no locks. A second server could open the same directory.
    NotLockable(PathBuf, io::Error),
    /// The file system cannot sync this file or directory. Responses could not be durable.
    NotSyncable(PathBuf, io::Error),
    /// Each user has a folder, but there are no users.
    NoUsers,
    /// Each user has a folder, and two users would share one.
    UserDirs(UserDirClash),
    /// Another operation on the disk failed.
    Io(PathBuf, io::Error),
}

/// Two users would share one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserDirClash {
    /// The user that comes first.
    pub first: String,
    /// The user whose folder would be the same.
    pub second: String,
    /// The folder of the first user.
    pub folder: String,
}

/// Returns whether a sync failed because the file system does not support it, and not because the disk failed.
fn has_no_sync(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
    )
}

impl OpenError {
    /// Making or opening `path` was refused.
    pub(super) fn refused(path: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable(path.into(), error)
            }
            _ => Self::Io(path.into(), error),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => write!(f, "{} is in use by another server", path.display()),
            Self::NotWritable(path, error) => {
                write!(f, "{} is not writable: {error}", path.display())
            }
            Self::NotDirectory(path) => write!(f, "{} is not a directory", path.display()),
            Self::Symlink(path) => write!(
                f,
                "{} is a symbolic link; it must be a real directory",
                path.display()
            ),
            Self::NotOurs(path, uid) => write!(
                f,
                "{} belongs to another user (uid {uid}), and that user could change uploads; \
                 start the server as that user, or give the directory and all in it to the server's user",
                path.display()
            ),
            Self::OtherFileSystem(path) => {
                write!(
                    f,
                    "{} is on another file system than the directory it is in",
                    path.display()
                )
            }
            Self::NotShareable(path, error) => write!(
                f,
                "{} cannot be shared by several servers: its file system takes no user extended attributes: {error}",
                path.display()
            ),
            Self::NotLockable(path, error) => write!(
                f,
                "cannot lock {}: {error}; the file system has to support flock \
                 (NFS: start its lock service, or mount with local_lock=flock)",
                path.display()
            ),
            Self::NotSyncable(path, error) => {
                let way_out = if has_no_sync(error) {
                    "; its file system does not support fsync: \
                     start with --sync fast, or choose a directory on another file system"
                } else {
                    ""
                };
                write!(f, "cannot sync {}: {error}{way_out}", path.display())
            }
            Self::NoUsers => write!(f, "each user has a folder, but there are no users"),
            Self::UserDirs(clash) => write!(f, "{clash}"),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl error::Error for OpenError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::NotWritable(_, error)
            | Self::NotShareable(_, error)
            | Self::NotLockable(_, error)
            | Self::NotSyncable(_, error)
            | Self::Io(_, error) => Some(error),
            Self::UserDirs(clash) => Some(clash),
            _ => None,
        }
    }
}

impl fmt::Display for UserDirClash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            first,
            second,
            folder,
        } = self;
        write!(
            f,
            "users {first:?} and {second:?} would share the folder {folder:?}; rename one of them"
        )
    }
}

impl error::Error for UserDirClash {}
