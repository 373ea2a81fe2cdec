//! The description of a finished upload.

use std::path::PathBuf;

use crate::store::fs::file_info::FileInfo;
use crate::store::fs::hashed::Digest;
use crate::store::id::Id;

/// A finished upload.
#[derive(Debug, Clone, PartialEq, Eq)]
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
