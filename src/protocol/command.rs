//! The vocabulary that all dialects share: what a request asks for, and what came of it.

use crate::store::{self, AppendRequest, Completes, Finished, Start, Tail, UploadInfo};

/// What a request asks for, whichever dialect it was said in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Which upload.
    pub target: Target,
    /// What is to be done with it.
    pub verb: Verb,
}

impl Command {
    /// The id of the upload, as its client sent it; `None` where it is to be made.
    pub fn id(&self) -> Option<&[u8]> {
        match &self.target {
            Target::Named(id) | Target::Anew(id) => Some(id),
            Target::New => None,
        }
    }
}

/// Which upload a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The one of this id, as its client sent it.
    Named(Vec<u8>),
    /// The one of this id; where it is finished, another that has its id from now on.
    Anew(Vec<u8>),
    /// A new one. Its id is made here, and nobody can guess it.
    New,
}

/// What is to be done with an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "taken apart at once; a box would cost each request an allocation"
)]
pub enum Verb {
    /// Say how much is held.
    Status(Question),
    /// Take bytes; with none, declare the upload or just ask.
    Append {
        /// Where the client believes the file ends.
        start: Start,
        /// What the client says of the upload and of this body.
        intent: AppendRequest,
        /// When the upload is complete.
        completes: Completes,
        /// What becomes of an upload that is sent more than its length.
        excess: Excess,
    },
    /// Forget the upload and what is held of it.
    Cancel,
}

/// What is asked besides how much is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// What it ends in.
    Tail,
    /// What is known of the upload.
    About,
    /// The same as `About`, after every earlier append is stopped. The next append may begin at the returned offset.
    Fence,
}

/// What becomes of an upload that is sent more than its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// What goes beyond is refused, the upload stays.
    Refused,
    /// It is forgotten.
    Fatal,
}

/// What came of a command that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// What is held ends in this.
    Tail(Option<Tail>),
    /// This is known of the upload; nothing, where nobody has begun it.
    About(Option<UploadInfo>),
    /// So the append ended.
    Appended(Finished),
    /// Nothing is held any more.
    Cancelled {
        /// Whether there was such an upload.
        was_known: bool,
    },
}

/// Why a command was not carried out, or not in full.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Nobody has said who asks, or the password is wrong.
    Unauthenticated,
    /// Who asks may not do this.
    Forbidden,
    /// The body was silent for too long; what came is kept.
    TimedOut,
    /// The framing of the body broke; what came before is kept.
    Malformed(&'static str),
    /// The store refused.
    Store(store::Error),
}

impl Refusal {
    /// The refusal in a line for whoever reads it.
    pub(super) fn line(&self) -> String {
        let line = match self {
            Refusal::Unauthenticated => "a name and a password, please",
            Refusal::Forbidden => "you may not do that",
            Refusal::TimedOut => "no byte came for too long; what came is kept",
            Refusal::Malformed(reason) => reason,
            Refusal::Store(store::Error::Poisoned | store::Error::Io(_)) => {
                "the disk has failed; see the server's log"
            }
            Refusal::Store(store::Error::StorageFull(_)) => "the disk is full",
            Refusal::Store(error) => return format!("{error}\n"),
        };
        format!("{line}\n")
    }
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Refusal {
        Refusal::Store(error)
    }
}
