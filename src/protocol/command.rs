//! The vocabulary that all dialects share: what a request asks for, and what came of it.

use crate::store::{self, Completes, Held, Intent, Tail};

/// What a request asks for, whichever dialect it was said in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The id of the upload, as the client sent it.
    pub id: Vec<u8>,
    /// What is to be done with it.
    pub verb: Verb,
}

/// What is to be done with an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Say how much is held.
    Status,
    /// Take bytes; with none, declare the upload or just ask.
    Append {
        /// Where the client believes the file ends.
        start: u64,
        /// What the client says of the upload and of this body.
        intent: Intent,
        /// When the upload is complete.
        completes: Completes,
    },
    /// Forget the upload and what is held of it.
    Cancel,
}

/// What came of a command that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// So much is held, ending in this.
    Status(Held, Option<Tail>),
    /// So much is held now.
    Appended(Held),
    /// Nothing is held any more.
    Cancelled,
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

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Refusal {
        Refusal::Store(error)
    }
}
