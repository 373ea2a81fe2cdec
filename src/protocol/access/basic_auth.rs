//! Users and their passwords (RFC 7617, Basic).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base64::prelude::{BASE64_STANDARD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::password_hash::{HashMemory, PasswordHash};
use crate::http::Head;

/// The users of a server.
#[derive(Clone, Default)]
pub struct Users {
    users: Vec<User>,
    by_name: HashMap<Arc<str>, usize>,
}

struct User {
    name: Arc<str>,
    secret: Secret,
    /// The credentials that were right.
    remembered: Mutex<Option<Code>>,
}

#[derive(Clone, PartialEq, Eq)]
enum Secret {
    /// The SHA-256 of a plain password: a comparison of digests leaks no timing, and no password stays in memory.
    Plain([u8; 32]),
    Hash(PasswordHash),
    /// The name or the password is empty, or the name has a colon. Every login as this user fails; the server stays closed.
    Unusable,
}

/// A clone remembers no credentials: each server has its own key for their digests.
impl Clone for User {
    fn clone(&self) -> User {
        User {
            name: Arc::clone(&self.name),
            secret: self.secret.clone(),
            remembered: Mutex::default(),
        }
    }
}

/// Shows the names only.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// A keyed digest of credentials, or of a name.
pub(crate) type Code = [u8; 32];

/// The key of the digests in this process.
#[derive(Clone)]
pub(crate) struct CodeKey(Hmac<Sha256>);

/// The name and the password of a request.
pub(crate) struct Credentials {
    /// The name and the password, as sent.
    pair: Vec<u8>,
    name_bytes: usize,
    pub(crate) code: Code,
    pub(crate) name_code: Code,
}

impl Users {
    /// Makes an empty set. A server without users is open to everybody.
    #[must_use]
    pub fn new() -> Users {
        Users::default()
    }

    /// Adds a user with a plain password, or replaces the user of this name.
    ///
    /// With an empty name or password, or a colon in the name, every login as this user fails, and the log warns. The server
    /// then stays closed to others.
    pub fn add(&mut self, name: &str, password: &str) {
        let secret = match password.is_empty() {
            true => Secret::Unusable,
            false => Secret::Plain(sha256(password.as_bytes())),
        };
        self.insert(name, secret);
    }

    /// Adds a user with the hash of a password, or replaces the user of this name.
    pub fn add_hash(&mut self, name: &str, hash: PasswordHash) {
        self.insert(name, Secret::Hash(hash));
    }

    /// Returns whether there is a user of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Returns whether there is no user.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    fn insert(&mut self, name: &str, secret: Secret) {
        let secret = if name.is_empty() || name.contains(':') {
            Secret::Unusable
        } else {
            secret
        };
        let name: Arc<str> = name.into();
        let user = User {
            name: Arc::clone(&name),
            secret,
            remembered: Mutex::default(),
        };
        match self.by_name.get(&name) {
            Some(&position) => self.users[position] = user,
            None => {
                self.by_name.insert(name, self.users.len());
                self.users.push(user);
            }
        }
    }

    /// Takes over the remembered credentials of the users whose name and secret are the same in `earlier`.
    pub(crate) fn remember_from(&self, earlier: &Users) {
        for user in &self.users {
            let same_name = earlier.by_name.get(&user.name);
            let same = same_name.map(|&position| &earlier.users[position]);
            if let Some(same) = same.filter(|same| same.secret == user.secret) {
                *user.remembered() = *same.remembered();
            }
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.users.iter().map(|user| &*user.name)
    }

    /// Returns the names of users whose login always fails.
    pub(crate) fn unusable(&self) -> impl Iterator<Item = &str> {
        let is_unusable = |user: &&User| matches!(user.secret, Secret::Unusable);
        let unusable = self.users.iter().filter(is_unusable);
        unusable.map(|user| &*user.name)
    }

    /// Returns the user of credentials that were right before.
    pub(crate) fn remembered(&self, credentials: &Credentials) -> Option<Arc<str>> {
        let user = self.named(credentials)?;
        let is_known = *user.remembered() == Some(credentials.code);
        is_known.then(|| Arc::clone(&user.name))
    }

    /// Returns the user of credentials that are right, and remembers them. Takes as long as the cost of the hash demands.
    ///
    /// An unknown name costs as much as one of the users, which the digest of the name selects. So the time of a failed
    /// login does not show which names exist.
    pub(crate) fn check(
        &self,
        credentials: &Credentials,
        memory: &mut HashMemory,
    ) -> Option<Arc<str>> {
        let named = self.named(credentials);
        let user = named.or_else(|| self.substitute(credentials))?;
        let is_right = match &user.secret {
            Secret::Plain(digest) => sha256(credentials.password()) == *digest,
            Secret::Hash(hash) => hash.is_of(credentials.password(), memory),
            Secret::Unusable => false,
        };
        if named.is_none() || !is_right {
            return None;
        }
        *user.remembered() = Some(credentials.code);
        Some(Arc::clone(&user.name))
    }

    fn named(&self, credentials: &Credentials) -> Option<&User> {
        let name = std::str::from_utf8(credentials.name_bytes()).ok()?;
        self.by_name
            .get(name)
            .map(|&position| &self.users[position])
    }

    fn substitute(&self, credentials: &Credentials) -> Option<&User> {
        let [first, second, ..] = credentials.name_code;
        let number = usize::from(u16::from_ne_bytes([first, second]));
        self.users.get(number.checked_rem(self.users.len())?)
    }
}

impl User {
    fn remembered(&self) -> std::sync::MutexGuard<'_, Option<Code>> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl CodeKey {
    pub(crate) fn new(key: [u8; 64]) -> CodeKey {
        CodeKey(Hmac::new(&key.into()))
    }

    fn code(&self, parts: &[&[u8]]) -> Code {
        let mut hmac = self.0.clone();
        parts.iter().for_each(|part| hmac.update(part));
        hmac.finalize().into_bytes().into()
    }
}

impl Credentials {
    /// Reads the credentials of a request; `None` if it has none, or they are malformed.
    pub(crate) fn read(head: &Head, key: &CodeKey) -> Option<Credentials> {
        let encoded = head.field("Authorization").and_then(basic)?;
        let pair = BASE64_STANDARD.decode(encoded).ok()?;
        let name_bytes = pair.iter().position(|&byte| byte == b':')?;
        let code = key.code(&[b"credentials:", &pair]);
        let name_code = key.code(&[b"name:", &pair[..name_bytes]]);
        Some(Credentials {
            pair,
            name_bytes,
            code,
            name_code,
        })
    }

    pub(crate) fn name_bytes(&self) -> &[u8] {
        &self.pair[..self.name_bytes]
    }

    fn password(&self) -> &[u8] {
        &self.pair[self.name_bytes + 1..]
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

    fn credentials(text: &str) -> Credentials {
        let given = format!("Basic {}", BASE64_STANDARD.encode(text));
        let fields = [("Host", "localhost"), ("Authorization", &*given)];
        let head = Head::from_parts("GET", "/", fields).expect("a head");
        Credentials::read(&head, &CodeKey::new([7; 64])).expect("credentials")
    }

    fn check(users: &Users, text: &str) -> Option<Arc<str>> {
        users.check(&credentials(text), &mut HashMemory::default())
    }

    fn user_of(users: &Users, text: &str) -> Option<String> {
        let user = check(users, text);
        user.map(|name| (*name).to_owned())
    }

    /// bcrypt of `a`.
    const BCRYPT: &str = "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe";

    /// argon2id of `secret`.
    const ARGON2ID: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$pclxcsa4X0bZ5lu7Vy5h3p7EU7VbuW7pGRWETxHuU0c";

    #[test]
    fn user_without_name_or_password_never_logs_in() {
        let mut users = Users::default();
        for (name, password) in [("alice", ""), ("", "secret"), ("bob", "secret")] {
            users.add(name, password);
        }
        for text in ["alice:", ":secret", ":"] {
            assert_eq!(user_of(&users, text), None, "{text:?}");
        }
        assert_eq!(user_of(&users, "bob:secret").as_deref(), Some("bob"));
        let mut only = Users::default();
        only.add("alice", "");
        assert_eq!(user_of(&only, "alice:"), None, "the server is not open");
        assert!(only.unusable().eq(["alice"]));
    }

    #[test]
    fn only_right_credentials_are_remembered() {
        let mut users = Users::default();
        users.add_hash("ann", BCRYPT.parse().expect("a hash"));
        users.add("bob", "secret");
        for (right, wrong) in [("ann:a", "ann:b"), ("bob:secret", "bob:secre")] {
            for text in [right, wrong] {
                assert_eq!(users.remembered(&credentials(text)), None, "{text}");
            }
            assert!(check(&users, wrong).is_none());
            assert_eq!(users.remembered(&credentials(wrong)), None);
            assert!(check(&users, right).is_some());
            assert!(users.remembered(&credentials(right)).is_some());
            assert_eq!(users.remembered(&credentials(wrong)), None);
        }
        assert!(check(&users, "eve:a").is_none(), "unknown name");
    }

    #[test]
    fn unknown_name_costs_the_hash_of_a_user() {
        let mut users = Users::default();
        users.add_hash("ann", ARGON2ID.parse().expect("a hash"));
        let mut memory = HashMemory::default();
        assert!(users.check(&credentials("eve:a"), &mut memory).is_none());
        assert!(memory.is_used());
    }

    #[test]
    fn later_user_of_the_same_name_replaces_the_earlier() {
        let mut users = Users::default();
        users.add("ann", "old");
        users.add("bob", "secret");
        users.add("ann", "new");
        assert_eq!(user_of(&users, "ann:old"), None);
        assert_eq!(user_of(&users, "ann:new").as_deref(), Some("ann"));
        assert_eq!(user_of(&users, "bob:secret").as_deref(), Some("bob"));
    }
}
