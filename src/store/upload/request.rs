//! What a request that wants to append says.

/// A SHA-256.
pub type Digest = [u8; 32];

/// The CRC-32 (as in zip and Ethernet) of a whole upload: requested or declared by a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crc32 {
    /// The server computes it from now on, so that a later request can compare it.
    Asked,
    /// The upload must have this value.
    Is(u32),
}

/// The maximum number of bytes in a tail.
pub const TAIL_BYTES: u64 = 65_536;

/// A checksum of the last bytes held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// The CRC-32 (as in zip and Ethernet) of these bytes.
    pub crc32: u32,
    /// The number of these bytes: 1 to [`TAIL_BYTES`].
    pub length: u64,
}

impl Crc32 {
    pub(crate) fn value(self) -> Option<u32> {
        match self {
            Self::Asked => None,
            Self::Is(crc32) => Some(crc32),
        }
    }
}

/// What a request that wants to append says about itself and about the upload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppendRequest {
    /// Whether the upload has to be there already.
    pub existence: Precondition,
    /// Bytes the whole upload will have. May come with any request; it must not change.
    pub length: Option<u64>,
    /// What the file is called, as UTF-8, with `/` between it and the folders that it is in, if it is in any. The
    /// first name given counts.
    pub name: Option<String>,
    /// When the file was last changed, in milliseconds since 1970. The first time given counts.
    pub modified_ms: Option<u64>,
    /// What a client wants to be told again, as it came. The first given counts.
    pub metadata: Option<String>,
    /// What the whole upload will hash to; it is not published otherwise. The first given counts.
    pub digest: Option<Digest>,
    /// The CRC-32 of the whole upload. An upload with another one is not published. The last value given counts.
    pub crc32: Option<Crc32>,
    /// The last bytes held must have this checksum. A complete upload is not compared.
    pub tail: Option<Tail>,
    /// What the bytes of this request hash to.
    pub body_digest: Option<Digest>,
    /// How many bytes this request brings.
    pub incoming: BodyLength,
}

/// Whether an upload has to be there for an append to begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precondition {
    /// It may be there. If it is not, bytes make it, or a declaration.
    #[default]
    Either,
    /// It has to be there.
    Known,
    /// It is made, whatever else is said or sent.
    Made,
}

/// Where an append begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At this byte, which has to be where the upload ends.
    At(u64),
    /// Where the upload ends, wherever that is.
    End,
}

/// How many bytes a request brings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BodyLength {
    /// None: it declares, or asks. It takes no turn, so it disturbs no writer.
    Nothing,
    /// So many. `Exactly(0)` is `Nothing`.
    Exactly(u64),
    /// That shows when they end.
    #[default]
    Unknown,
}

impl From<u64> for Start {
    fn from(start: u64) -> Self {
        Self::At(start)
    }
}

impl AppendRequest {
    /// Whether it makes an upload, even without bytes.
    pub(crate) fn declares(&self) -> bool {
        self.existence == Precondition::Made
            || self.length.is_some()
            || self.name.is_some()
            || self.modified_ms.is_some()
            || self.metadata.is_some()
            || self.digest.is_some()
            || self.crc32.is_some()
    }
}

impl BodyLength {
    /// Whether no byte will come.
    pub(crate) fn is_nothing(self) -> bool {
        matches!(self, Self::Nothing | Self::Exactly(0))
    }

    /// Bytes that will come for certain.
    pub(crate) fn at_least(self) -> u64 {
        match self {
            Self::Nothing | Self::Unknown => 0,
            Self::Exactly(bytes) => bytes,
        }
    }
}
