//! The contents of a request to append.

use crate::store::account::Account;
use crate::store::fs::file_info::FileInfo;
use crate::store::fs::hashed::{Crc32, Digest};

/// The maximum number of bytes in a tail.
pub const TAIL_BYTES: u64 = 65_536;

/// A checksum of the last received bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "programs build it, and a checksum has no other part"
)]
pub struct Tail {
    /// The CRC-32 (as in zip and Ethernet) of these bytes.
    pub crc32: u32,
    /// The number of these bytes: 1 to [`TAIL_BYTES`].
    pub length: u64,
}

/// The declarations and conditions of a request to append.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppendRequest {
    /// The condition on the existence of the upload.
    pub precondition: Precondition,
    /// The length of the whole upload in bytes. Any request may declare it; it must not change.
    pub length: Option<u64>,
    /// The properties of the file. The first value of each counts.
    pub file: FileInfo,
    /// The SHA-256 of the whole upload. An upload with another one is not published. The first value counts.
    pub digest: Option<Digest>,
    /// The CRC-32 of the whole upload. An upload with another one is not published. The last value counts.
    pub crc32: Option<Crc32>,
    /// The last received bytes must have this checksum. A complete upload is not compared.
    pub tail: Option<Tail>,
    /// The SHA-256 of the bytes of this request.
    pub body_digest: Option<Digest>,
    /// The length of the body.
    pub body_length: BodyLength,
    /// The party that the space of the upload is counted for. `None`: no limit of a party applies.
    pub account: Option<Account>,
}

/// A condition on the existence of an upload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precondition {
    /// None. Bytes or a declaration create the upload.
    #[default]
    Any,
    /// The upload must exist.
    Exists,
    /// The request creates the upload, also without bytes and declarations.
    New,
}

/// The first byte of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// This byte. The upload must end there.
    At(u64),
    /// The end of the upload.
    End,
}

/// The length of the body of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyLength {
    /// No body: the request declares or asks. It fences no append.
    Nothing,
    /// This number of bytes. `Exactly(0)` is `Nothing`.
    Exactly(u64),
    /// The end of the body shows its length.
    #[default]
    Unknown,
}

impl From<u64> for Start {
    fn from(start: u64) -> Self {
        Self::At(start)
    }
}

impl AppendRequest {
    /// Returns whether the request creates an upload, even without bytes.
    pub(crate) fn declares(&self) -> bool {
        self.precondition == Precondition::New
            || self.length.is_some()
            || self.file != FileInfo::default()
            || self.digest.is_some()
            || self.crc32.is_some()
    }

    pub(crate) fn crc32_value(&self) -> Option<u32> {
        self.crc32.and_then(Crc32::value)
    }
}

impl BodyLength {
    /// Returns whether no byte will come.
    pub(crate) fn is_nothing(self) -> bool {
        matches!(self, Self::Nothing | Self::Exactly(0))
    }

    /// Returns the number of bytes that will certainly come.
    pub(crate) fn at_least(self) -> u64 {
        match self {
            Self::Nothing | Self::Unknown => 0,
            Self::Exactly(bytes) => bytes,
        }
    }
}
