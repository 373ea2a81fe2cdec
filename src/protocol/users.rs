//! Who asks: names and passwords (RFC 7617, Basic).

use base64::prelude::{BASE64_STANDARD, Engine};
use sha2::{Digest, Sha256};

use crate::http::Head;

/// The users of this server; with none it is open to everybody who reaches it.
#[derive(Clone, Default)]
pub(crate) struct Users {
    users: Vec<User>,
}

/// What a user's `Authorization` hashes to: comparing digests tells a clock nothing of use, and
/// no password stays in memory.
#[derive(Clone)]
struct User {
    name: String,
    credentials: [u8; 32],
}

/// Nobody has said who asks, or the password is wrong.
#[derive(Debug)]
pub(crate) struct Unauthenticated;

impl Users {
    pub(crate) fn add(&mut self, name: &str, password: &str) {
        let credentials = sha256(
            BASE64_STANDARD
                .encode(format!("{name}:{password}"))
                .as_bytes(),
        );
        self.users.push(User {
            name: name.to_owned(),
            credentials,
        });
    }

    /// The name of who asks: the name space that their ids live in. Empty where all are welcome.
    pub(crate) fn authenticate(&self, head: &Head) -> Result<&str, Unauthenticated> {
        if self.users.is_empty() {
            return Ok("");
        }
        let given = head
            .field("Authorization")
            .and_then(basic)
            .ok_or(Unauthenticated)?;
        let given = sha256(given);
        let user = self.users.iter().find(|user| user.credentials == given);
        user.map(|user| user.name.as_str()).ok_or(Unauthenticated)
    }
}

/// The scheme is case-insensitive (RFC 9110, section 11.1).
fn basic(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, credentials) = authorization.split_at_checked(6)?;
    scheme
        .eq_ignore_ascii_case(b"basic ")
        .then(|| credentials.trim_ascii())
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
