//! The answer of the embedding program to a command.

use crate::http::{Head, Response};
use crate::protocol::command::Command;
use crate::protocol::refusal::Refusal;

use super::callback::Callback;

pub(crate) type Authorize = Callback<dyn Fn(&Head, &Command) -> Decision + Send + Sync>;

/// The answer of the embedding program to a command: see [`Config::authorize`](crate::Config::authorize).
///
/// ```
/// use resumed::{Decision, Response};
///
/// let allowed = Decision::allow_for("alice"); // an id of another owner is another upload
/// let refused = Decision::Deny(Response::new(401).text("log in at /login first"));
/// # assert_ne!(allowed, refused);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// The command is carried out.
    Allow {
        /// The owner of the upload. A hook gets it as [`Id::owner`](crate::store::Id::owner). `None`: the user
        /// who has logged in, or nobody on a server without users.
        owner: Option<Box<str>>,
    },
    /// The client gets this response, and nothing else happens. The dialect of the request adds its fields.
    Deny(Response),
}

impl Decision {
    /// Allows the command for the user who has logged in.
    #[must_use]
    pub fn allow() -> Decision {
        Decision::Allow { owner: None }
    }

    /// Allows the command for this owner. The same id of two owners is two uploads.
    #[must_use]
    pub fn allow_for(owner: impl Into<Box<str>>) -> Decision {
        let owner = Some(owner.into());
        Decision::Allow { owner }
    }

    /// Denies the command with 403.
    #[must_use]
    pub fn forbid() -> Decision {
        Decision::Deny(Refusal::Forbidden.response())
    }
}

/// `true` allows the command, `false` denies it with 403.
impl From<bool> for Decision {
    fn from(allow: bool) -> Decision {
        match allow {
            true => Decision::allow(),
            false => Decision::forbid(),
        }
    }
}
