//! Users and their passwords (RFC 7617, Basic).

use base64::prelude::{BASE64_STANDARD, Engine};
use sha2::{Digest, Sha256};

use crate::http::Head;

/// The users of the server. Without any, everybody may upload.
#[derive(Clone, Default)]
pub(crate) struct Users {
    users: Vec<User>,
}

/// A user, with the SHA-256 of the credentials: a comparison of digests leaks no timing, and no password stays in
/// memory.
#[derive(Clone)]
struct User {
    name: String,
    /// True if neither name nor password is empty. Otherwise every login as this user fails; the server stays closed.
    is_usable: bool,
    credentials: [u8; 32],
}

/// The request has no credentials, or wrong ones.
#[derive(Debug)]
pub(crate) struct Unauthenticated;

impl Users {
    pub(crate) fn add(&mut self, name: &str, password: &str) {
        let is_usable = !name.is_empty() && !password.is_empty();
        let credentials = sha256(
            BASE64_STANDARD
                .encode(format!("{name}:{password}"))
                .as_bytes(),
        );
        self.users.push(User {
            name: name.to_owned(),
            is_usable,
            credentials,
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Returns the names of all users.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.users.iter().map(|user| user.name.as_str())
    }

    /// Returns the names of users whose login always fails.
    pub(crate) fn unusable(&self) -> impl Iterator<Item = &str> {
        let unusable = self.users.iter().filter(|user| !user.is_usable);
        unusable.map(|user| user.name.as_str())
    }

    /// Returns the name of the user, which is the name space of the ids. Empty for a server without users.
    pub(crate) fn authenticate(&self, head: &Head) -> Result<&str, Unauthenticated> {
        if self.users.is_empty() {
            return Ok("");
        }
        let given = head
            .field("Authorization")
            .and_then(basic)
            .ok_or(Unauthenticated)?;
        let given = sha256(given);
        let user = self
            .users
            .iter()
            .find(|user| user.is_usable && user.credentials == given);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn user_of(users: &Users, credentials: &str) -> Option<String> {
        let given = format!("Basic {}", BASE64_STANDARD.encode(credentials));
        let fields = [("Host", "localhost"), ("Authorization", &*given)];
        let head = Head::from_parts("GET", "/", fields).expect("a head");
        users.authenticate(&head).map(str::to_owned).ok()
    }

    #[test]
    fn user_without_name_or_password_never_logs_in() {
        let mut users = Users::default();
        for (name, password) in [("alice", ""), ("", "secret"), ("", ""), ("bob", "secret")] {
            users.add(name, password);
        }
        for credentials in ["alice:", ":secret", ":", ""] {
            assert_eq!(user_of(&users, credentials), None, "{credentials:?}");
        }
        assert_eq!(user_of(&users, "bob:secret").as_deref(), Some("bob"));
        let mut only = Users::default();
        only.add("alice", "");
        assert_eq!(user_of(&only, "alice:"), None, "the server is not open");
        assert!(only.unusable().eq(["alice"]));
    }
}
