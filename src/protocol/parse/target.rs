//! The addresses that tus, the draft and plain requests share.

use crate::http::Head;

use crate::protocol::parse::fields::percent_decoded;

pub(crate) const ROOT: &str = "/files";

/// What an address is of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where uploads are made.
    All,
    /// The upload of this id.
    One(Vec<u8>),
    /// Nothing: uploads lie side by side.
    Nested,
}

/// Whether an id could be one that is made here.
pub(crate) fn is_made(id: &[u8]) -> bool {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    id.len() == 32 && id.iter().all(is_digit)
}

impl Place {
    /// `None`: not among the files.
    pub(crate) fn of(head: &Head) -> Option<Place> {
        let rest = head.path().strip_prefix(ROOT)?;
        match rest.strip_prefix('/') {
            None if rest.is_empty() => Some(Place::All),
            None => None,
            Some("") => Some(Place::All),
            Some(name) if name.contains('/') => Some(Place::Nested),
            Some(name) => Some(Place::One(percent_decoded(name.as_bytes()))),
        }
    }
}
