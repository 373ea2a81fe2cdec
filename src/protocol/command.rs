//! The vocabulary of all dialects: the command of a request, and its outcome.

use crate::store::{AppendRequest, Completes, Finished, Start, Tail, UploadInfo};

/// The command of one request, in any dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Command {
    /// The upload.
    pub target: Target,
    /// The operation on it.
    pub operation: Operation,
}

impl Command {
    /// Returns the id of the upload, as the client sent it. `None` if the server generates the id, or for a list.
    pub fn id(&self) -> Option<&[u8]> {
        match &self.target {
            Target::Id(id) | Target::Restart(id) => Some(id),
            Target::Generated | Target::All => None,
        }
    }
}

/// The upload that a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// The upload with this id, as the client sent it.
    Id(Vec<u8>),
    /// The upload with this id. If that one is complete, a new upload takes over the id.
    Restart(Vec<u8>),
    /// A new upload, with an id of 128 random bits.
    Generated,
    /// All uploads of the owner.
    All,
}

/// The operation of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "taken apart at once; a box would cost each request an allocation"
)]
#[non_exhaustive]
pub enum Operation {
    /// Returns the offset of the upload.
    Status(StatusQuery),
    /// Declares the upload and appends the body of the request.
    Append(AppendCommand),
    /// Removes the upload. A published file stays.
    Cancel,
    /// Lists the uploads of the owner (`/recent`): those that arrive now, and the last files.
    List,
}

/// The options of a status request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusQuery {
    /// Stops all running appends first, so that the next append can start at the returned offset.
    pub fence: bool,
    /// Returns a checksum of the last bytes, instead of the declared properties.
    pub tail: bool,
}

/// The parameters of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppendCommand {
    /// The offset at which the client believes that the upload ends.
    pub start: Start,
    /// The properties of the upload and of the request body.
    pub request: AppendRequest,
    /// The condition that completes the upload.
    pub completes: Completes,
    /// Removes an upload that receives more bytes than its length. Otherwise only the excess bytes are refused.
    pub discard_on_overflow: bool,
}

/// The result of a successful command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The checksum of the last bytes.
    Tail(Option<Tail>),
    /// The properties of the upload; `None` if there is no such upload.
    Info(Option<UploadInfo>),
    /// The append has ended.
    Appended(Finished),
    /// The upload is removed.
    Cancelled {
        /// True if the upload existed.
        existed: bool,
    },
}
