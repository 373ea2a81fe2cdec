//! What is told of a finished upload.

use std::path::PathBuf;

use super::id::Id;
use super::intent::Digest;

/// A finished upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// Which upload it was.
    pub id: Id,
    /// Where the file is.
    pub path: PathBuf,
    /// What its client called it; as it came, so not for use as a path.
    pub name: Option<String>,
    /// Its size in bytes.
    pub length: u64,
    /// What it hashes to, where that was asked ([`Options::sha256`](super::Options::sha256)), or its client said so.
    pub sha256: Option<Digest>,
}
