//! What can go wrong between here and the server, in words for a person.

use std::fmt;
use std::io;
use std::time::Duration;

/// Why nothing gets through, or never will.
#[derive(Debug)]
pub(super) enum Problem {
    // These pass: it is tried again.
    /// Nobody answers, or the line was cut.
    Gone(String),
    /// A server or a proxy cannot serve now; its answer may have a `Retry-After`. The upload server also gives the
    /// reason.
    Busy {
        status: u16,
        after: Duration,
        reason: Option<String>,
    },
    /// An answer that no upload server gives: a sign-in page of the Wi-Fi, for example.
    Strange,
    /// Somebody else sends the same file.
    Elsewhere,

    // These stay, for every file that is sent there.
    /// Wrong name or password, or none.
    SignIn,
    /// The server does not answer to this name; its own line.
    WrongHost(String),
    /// No upload server at this address.
    NoService(u16),
    /// The address leads elsewhere.
    Moved(String),
    /// The certificate, for example.
    NotTrusted(String),
    /// A proxy refuses even small requests.
    ProxyLimit,

    // These stay, for this file.
    /// The server's own line.
    Refused(String),
    /// The user may not do this.
    Forbidden,
    /// The server has no space for the file; with the line in its answer.
    NoSpace(String),
    /// The server holds other bytes under this id.
    Different,
    /// The server received other bytes than were sent, also after all were sent again.
    Mixed,
    /// The server holds less than it had acknowledged, and those bytes are gone here.
    Lost,
    /// The file changed while it was sent.
    Changed,
    /// It cannot be read here.
    Unreadable(io::Error),
    /// Neither a file nor a folder.
    NotAFile,

    /// It would have been tried again, had there been more patience.
    GaveUp(Box<Problem>),
}

/// For whom a problem stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stays {
    /// Waiting may mend it.
    No,
    /// Another file may get through.
    ForThisFile,
    /// No other file would fare better.
    ForAll,
}

impl Problem {
    pub(super) fn stays(&self) -> Stays {
        match self {
            Problem::Gone(_) | Problem::Busy { .. } | Problem::Strange | Problem::Elsewhere => {
                Stays::No
            }
            Problem::SignIn
            | Problem::WrongHost(_)
            | Problem::NoService(_)
            | Problem::Moved(_)
            | Problem::NotTrusted(_)
            | Problem::ProxyLimit
            | Problem::GaveUp(_) => Stays::ForAll,
            Problem::Refused(_)
            | Problem::Forbidden
            | Problem::NoSpace(_)
            | Problem::Different
            | Problem::Mixed
            | Problem::Lost
            | Problem::Changed
            | Problem::Unreadable(_)
            | Problem::NotAFile => Stays::ForThisFile,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Gone(why) => write!(f, "the server does not answer ({why})"),
            Problem::Busy { status, reason: Some(reason), .. } => {
                write!(f, "the server cannot take it now ({status}): {reason}")
            }
            Problem::Busy { status, reason: None, .. } => {
                write!(f, "the server cannot take it now ({status})")
            }
            Problem::Strange => f.write_str(
                "something else answered in place of the upload server: a sign-in page of a proxy or of the Wi-Fi?",
            ),
            Problem::Elsewhere => f.write_str("somebody else is sending the same file"),
            Problem::SignIn => f.write_str("the server wants a name and a password that it knows (--user)"),
            Problem::WrongHost(said) => write!(f, "the server does not answer under this address: {said}"),
            Problem::NoService(status) => write!(f, "there is no upload server at this address ({status})"),
            Problem::Moved(to) => write!(f, "the address leads to {to}: send it there"),
            Problem::NotTrusted(why) => write!(f, "this machine does not trust the server: {why}"),
            Problem::ProxyLimit => f.write_str(
                "a proxy refuses even small requests; in nginx: client_max_body_size 0",
            ),
            Problem::Refused(said) => write!(f, "the server refused: {said}"),
            Problem::Forbidden => f.write_str("this user may not send this file"),
            Problem::NoSpace(said) => write!(
                f,
                "the server has no space for it: {said}; the received bytes are kept, and the same command continues",
            ),
            Problem::Different => f.write_str(
                "the server holds other bytes under this name, size and time; `touch` the file to send it as a new one",
            ),
            Problem::Mixed => f.write_str(
                "the server received other bytes than were sent, twice, and published nothing; send it again",
            ),
            Problem::Lost => f.write_str("the server has lost bytes that it had, and they are gone here too"),
            Problem::Changed => f.write_str("the file changed while it was sent; send it again when it rests"),
            Problem::Unreadable(error) => write!(f, "it cannot be read: {error}"),
            Problem::NotAFile => f.write_str("it is neither a file nor a folder"),
            Problem::GaveUp(last) => write!(f, "gave up: {last}"),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Problem {
        Problem::Unreadable(error)
    }
}
