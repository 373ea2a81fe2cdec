//! The paths below `/files`, which tus, the draft and plain requests share.

use crate::http::Head;

use crate::protocol::parse::fields::percent_decoded;

pub(crate) const ROOT: &str = "/files";

/// A path below [`ROOT`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FilesPath {
    /// `/files`: creates uploads.
    Collection,
    /// `/files/ID`, percent-decoded.
    Upload(Vec<u8>),
    /// A deeper path. Uploads have no folders.
    Nested,
}

/// Returns whether the server could have generated this id.
pub(crate) fn is_generated(id: &[u8]) -> bool {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    id.len() == 32 && id.iter().all(is_digit)
}

impl FilesPath {
    /// Returns `None` for a path outside [`ROOT`].
    pub(crate) fn of(head: &Head) -> Option<FilesPath> {
        let rest = head.path().strip_prefix(ROOT)?;
        match rest.strip_prefix('/') {
            None if rest.is_empty() => Some(FilesPath::Collection),
            None => None,
            Some("") => Some(FilesPath::Collection),
            Some(name) if name.contains('/') => Some(FilesPath::Nested),
            Some(name) => Some(FilesPath::Upload(percent_decoded(name.as_bytes()))),
        }
    }
}
