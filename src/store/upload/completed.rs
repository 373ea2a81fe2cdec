//! The description of a finished upload.

use std::path::PathBuf;

use crate::store::fs::file_info::FileInfo;
use crate::store::fs::hashed::Digest;
use crate::store::id::Id;

/// A finished upload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completed {
    /// The id of the upload.
    pub id: Id,
    /// The path of the file.
    pub path: PathBuf,
    /// The properties that the client declared.
    pub file: FileInfo,
    /// Its size in bytes.
    pub length: u64,
    /// The SHA-256 of the file, where [`Options::sha256`](crate::store::Options::sha256) is set or the client declared it.
    pub sha256: Option<Digest>,
}

impl Completed {
    /// Describes an upload of `length` bytes, for the test of a completion hook. Other properties can be set.
    #[must_use]
    pub fn new(id: Id, path: impl Into<PathBuf>, length: u64) -> Self {
        Self {
            id,
            path: path.into(),
            file: FileInfo::default(),
            length,
            sha256: None,
        }
    }
}
