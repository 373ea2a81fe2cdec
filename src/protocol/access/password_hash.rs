//! The hash of a password: argon2id, or bcrypt and sha512-crypt of an htpasswd file.

use std::fmt;
use std::str::FromStr;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::alphabet::{BCRYPT, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha_crypt::{PasswordVerifier, ShaCrypt};

/// The costs that a hash may have: one check takes about a second of a desktop processor, and 256 MiB.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const PASSES_MAX: u32 = 10;
const LANES_MAX: u32 = 16;
const BCRYPT_COST_MAX: u32 = 14;
const SHA512_ROUNDS_MAX: u32 = 1_000_000;
/// Fewer rounds mean 1,000 to glibc, and nothing to other programs.
const SHA512_ROUNDS_MIN: u32 = 1_000;

/// bcrypt takes the first 72 bytes of a password.
const BCRYPT_PASSWORD_BYTES: usize = 72;
/// The length of a sha512-crypt digest, in characters.
const SHA512_DIGEST_CHARS: usize = 86;
const SHA512_SALT_CHARS_MAX: usize = 16;
const ARGON2_DIGEST_BYTES: usize = 32;

/// 32 MiB: allocators return larger blocks to the system.
const KEPT_BLOCKS_MAX: usize = 32 * 1024;
/// The longest digest and salt of argon2id, in bytes.
const ARGON2_FIELD_BYTES_MAX: usize = 64;

/// Some programs leave the unused bits of the last character set.
const ANY_END: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_encode_padding(false)
    .with_decode_padding_mode(DecodePaddingMode::RequireNone)
    .with_decode_allow_trailing_bits(true);
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, ANY_END);
const PHC_BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, ANY_END);

/// The hash of a password: argon2id in the PHC format, bcrypt (`$2a$`, `$2b$`, `$2y$`) or sha512-crypt (`$6$`).
///
/// ```
/// use resumed::PasswordHash;
///
/// let hash = PasswordHash::argon2id(b"secret", *b"16 random bytes.");
/// assert!(hash.to_string().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
/// let read: PasswordHash = hash.to_string().parse()?;
/// assert_eq!(read, hash);
/// # Ok::<(), resumed::MalformedHash>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Argon2id {
        params: Params,
        salt: Box<[u8]>,
        digest: Box<[u8]>,
    },
    Bcrypt {
        /// `2a`, `2b` or `2y`: the same hash today.
        version: Box<str>,
        cost: u32,
        salt: [u8; 16],
        digest: [u8; 23],
    },
    Sha512Crypt(Box<str>),
}

/// The memory of the last argon2id computation, for the next one. Allocators keep freed blocks of this size for each
/// thread, so a new allocation for each login would take hundreds of megabytes.
#[derive(Default)]
pub(crate) struct HashMemory(Vec<Block>);

/// The reason why a text is no [`PasswordHash`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MalformedHash {
    /// The text is the hash of another algorithm, or none.
    Unknown,
    /// The fields of a hash of this algorithm are wrong.
    Malformed(&'static str),
    /// This cost is above its maximum: a check would take too long, or too much memory.
    TooCostly {
        /// The name of the cost.
        cost: &'static str,
        /// The value in the hash.
        value: u32,
        /// The maximum value.
        max: u32,
    },
}

impl PasswordHash {
    /// The longest password that matches a hash, in bytes, as in libxcrypt: the time of sha512-crypt grows with it.
    pub const PASSWORD_BYTES_MAX: usize = 512;

    /// Hashes a password with argon2id, and the default costs of RFC 9106 for servers without much memory: 19 MiB, two
    /// passes. The salt has to be random.
    ///
    /// # Panics
    ///
    /// When the system has no memory for the computation.
    #[must_use]
    pub fn argon2id(password: &[u8], salt: [u8; 16]) -> PasswordHash {
        let (memory_kib, passes) = (Params::DEFAULT_M_COST, Params::DEFAULT_T_COST);
        let params = Params::new(memory_kib, passes, 1, Some(ARGON2_DIGEST_BYTES));
        let params = params.expect("the default costs are valid");
        let digest = HashMemory::default().argon2id(&params, &salt, password);
        PasswordHash(Kind::Argon2id {
            params,
            salt: salt.into(),
            digest: digest.expect("the system has memory"),
        })
    }

    /// Returns whether this text has the form of a hash, also of an unknown algorithm: `$ID$...`, or `{SHA}...` of htpasswd.
    pub fn is_likely(text: &str) -> bool {
        let dollars = text.strip_prefix('$').and_then(|rest| rest.split_once('$'));
        let has_id = dollars.is_some_and(|(id, _)| !id.is_empty());
        has_id || text.starts_with("{SHA}") || text.starts_with("{SSHA}")
    }

    /// Returns whether this is the hash of the password. Takes as long as the costs demand.
    pub(crate) fn is_of(&self, password: &[u8], memory: &mut HashMemory) -> bool {
        if password.len() > PasswordHash::PASSWORD_BYTES_MAX {
            return false;
        }
        match &self.0 {
            Kind::Argon2id {
                params,
                salt,
                digest,
            } => {
                let computed = memory.argon2id(params, salt, password);
                computed.is_some_and(|computed| is_equal(&computed, digest))
            }
            Kind::Bcrypt {
                cost, salt, digest, ..
            } => {
                let mut key = [password, b"\0"].concat();
                key.truncate(BCRYPT_PASSWORD_BYTES);
                is_equal(&bcrypt::bcrypt(*cost, *salt, &key)[..23], digest)
            }
            Kind::Sha512Crypt(text) => ShaCrypt::SHA512.verify_password(password, &**text).is_ok(),
        }
    }

    fn read_argon2id(fields: &str) -> Result<Kind, MalformedHash> {
        let malformed = MalformedHash::Malformed("argon2id");
        let read = || {
            let (costs, rest) = fields.strip_prefix("v=19$")?.split_once('$')?;
            let (salt, digest) = rest.split_once('$')?;
            let mut costs = costs.split(',');
            let mut cost = |name| costs.next()?.strip_prefix(name)?.parse().ok();
            let (memory_kib, passes, lanes) = (cost("m=")?, cost("t=")?, cost("p=")?);
            let is_all = costs.next().is_none();
            let decode = |text| PHC_BASE64.decode(text).ok();
            let fields = (memory_kib, passes, lanes, decode(salt)?, decode(digest)?);
            is_all.then_some(fields)
        };
        let (memory_kib, passes, lanes, salt, digest) = read().ok_or(malformed.clone())?;
        limit("argon2id m (memory in KiB)", memory_kib, MEMORY_KIB_MAX)?;
        limit("argon2id t (passes)", passes, PASSES_MAX)?;
        limit("argon2id p (lanes)", lanes, LANES_MAX)?;
        let is_long = salt.len().max(digest.len()) > ARGON2_FIELD_BYTES_MAX;
        let is_short = salt.len() < argon2::MIN_SALT_LEN;
        if is_long || is_short {
            return Err(malformed);
        }
        let params = Params::new(memory_kib, passes, lanes, Some(digest.len()));
        Ok(Kind::Argon2id {
            params: params.map_err(|_| malformed)?,
            salt: salt.into(),
            digest: digest.into(),
        })
    }

    fn read_bcrypt(version: &str, fields: &str) -> Result<Kind, MalformedHash> {
        let malformed = MalformedHash::Malformed("bcrypt");
        let read = || {
            let (cost, rest) = fields.split_once('$')?;
            let (salt, digest) = rest.split_at_checked(22)?;
            let salt = BCRYPT_BASE64.decode(salt).ok()?.try_into().ok()?;
            let digest = BCRYPT_BASE64.decode(digest).ok()?.try_into().ok()?;
            let is_cost = cost.len() == 2 && cost.bytes().all(|digit| digit.is_ascii_digit());
            is_cost.then_some((cost.parse().ok()?, salt, digest))
        };
        let (cost, salt, digest) = read().ok_or(malformed.clone())?;
        limit("bcrypt cost", cost, BCRYPT_COST_MAX)?;
        if cost < 4 {
            return Err(malformed);
        }
        Ok(Kind::Bcrypt {
            version: version.into(),
            cost,
            salt,
            digest,
        })
    }

    fn read_sha512_crypt(text: &str, fields: &str) -> Result<Kind, MalformedHash> {
        let malformed = MalformedHash::Malformed("sha512-crypt");
        let is_crypt = |text: &str| {
            let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b"./".contains(&byte);
            text.bytes().all(is_one)
        };
        let mut fields = fields;
        if let Some(rest) = fields.strip_prefix("rounds=") {
            let (rounds, rest) = rest.split_once('$').ok_or(malformed.clone())?;
            let is_number = rounds.bytes().all(|digit| digit.is_ascii_digit());
            let rounds = rounds.parse().ok().filter(|_| is_number);
            let rounds = rounds.ok_or(malformed.clone())?;
            limit("sha512-crypt rounds", rounds, SHA512_ROUNDS_MAX)?;
            if rounds < SHA512_ROUNDS_MIN {
                return Err(malformed);
            }
            fields = rest;
        }
        let (salt, digest) = fields.split_once('$').ok_or(malformed.clone())?;
        let is_whole = digest.len() == SHA512_DIGEST_CHARS && is_crypt(digest);
        if !is_whole || salt.len() > SHA512_SALT_CHARS_MAX || !is_crypt(salt) {
            return Err(malformed);
        }
        Ok(Kind::Sha512Crypt(text.into()))
    }
}

impl HashMemory {
    /// Returns whether a computation has used this memory.
    #[cfg(test)]
    pub(super) fn is_used(&self) -> bool {
        !self.0.is_empty()
    }

    /// Returns the digest; `None` if the system has no memory.
    fn argon2id(&mut self, params: &Params, salt: &[u8], password: &[u8]) -> Option<Box<[u8]>> {
        let HashMemory(memory) = self;
        let mut digest = vec![0; params.output_len()?];
        let count = params.block_count();
        memory
            .try_reserve_exact(count.saturating_sub(memory.len()))
            .ok()?;
        memory.resize(memory.len().max(count), Block::new());
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let blocks = &mut memory[..count];
        let hashed = argon2.hash_password_into_with_memory(password, salt, &mut digest, blocks);
        if memory.len() > KEPT_BLOCKS_MAX {
            *memory = Vec::new();
        }
        hashed.is_ok().then(|| digest.into())
    }
}

fn limit(cost: &'static str, value: u32, max: u32) -> Result<(), MalformedHash> {
    match value <= max {
        true => Ok(()),
        false => Err(MalformedHash::TooCostly { cost, value, max }),
    }
}

/// Compares two digests in a time that does not depend on their bytes.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    let pairs = one.iter().zip(other);
    one.len() == other.len() && pairs.fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

impl FromStr for PasswordHash {
    type Err = MalformedHash;

    fn from_str(text: &str) -> Result<PasswordHash, MalformedHash> {
        let fields = text.strip_prefix('$').and_then(|rest| rest.split_once('$'));
        let kind = match fields {
            Some(("argon2id", fields)) => PasswordHash::read_argon2id(fields),
            Some((version @ ("2a" | "2b" | "2y"), fields)) => {
                PasswordHash::read_bcrypt(version, fields)
            }
            Some(("6", fields)) => PasswordHash::read_sha512_crypt(text, fields),
            _ => Err(MalformedHash::Unknown),
        };
        kind.map(PasswordHash)
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Argon2id {
                params,
                salt,
                digest,
            } => {
                let (memory_kib, passes) = (params.m_cost(), params.t_cost());
                let lanes = params.p_cost();
                let (salt, digest) = (PHC_BASE64.encode(salt), PHC_BASE64.encode(digest));
                write!(
                    f,
                    "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${digest}"
                )
            }
            Kind::Bcrypt {
                version,
                cost,
                salt,
                digest,
            } => {
                let (salt, digest) = (BCRYPT_BASE64.encode(salt), BCRYPT_BASE64.encode(digest));
                write!(f, "${version}${cost:02}${salt}{digest}")
            }
            Kind::Sha512Crypt(text) => f.write_str(text),
        }
    }
}

/// The hash itself is no text for a log.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Argon2id { .. } => "argon2id",
            Kind::Bcrypt { .. } => "bcrypt",
            Kind::Sha512Crypt(_) => "sha512-crypt",
        })
    }
}

impl fmt::Display for MalformedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MalformedHash::Unknown => f.write_str(
                "the hash is not argon2id, bcrypt ($2a$, $2b$, $2y$) or sha512-crypt ($6$)",
            ),
            MalformedHash::Malformed(algorithm) => write!(f, "the {algorithm} hash is malformed"),
            MalformedHash::TooCostly { cost, value, max } => {
                write!(f, "{cost} is {value}; the maximum is {max}")
            }
        }
    }
}

impl std::error::Error for MalformedHash {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PasswordHash, MalformedHash> {
        text.parse()
    }

    fn is_of(hash: &PasswordHash, password: &[u8]) -> bool {
        hash.is_of(password, &mut HashMemory::default())
    }

    /// argon2id of `secret`, with small costs.
    const SMALL: &str = "$argon2id$v=19$m=64,t=1,p=1$MTYgcmFuZG9tIGJ5dGVzLg$";

    #[test]
    fn hashes_of_other_programs_match_their_password() {
        for (text, password) in [
            // The program argon2, version 20190702.
            (
                "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$pclxcsa4X0bZ5lu7Vy5h3p7EU7VbuW7pGRWETxHuU0c",
                "secret",
            ),
            // crypt_blowfish, and htpasswd -nbBC 5.
            (
                "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe",
                "a",
            ),
            (
                "$2a$08$aTsUwsyowQuzRrDqFflhgekJ8d9/7Z3GV3UcgvzQW3J5zMyrTvlz.",
                "abcdefghijklmnopqrstuvwxyz",
            ),
            // openssl passwd -6, and mkpasswd -m sha-512.
            (
                "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
                "Hello world!",
            ),
            (
                "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1",
                "a very much longer text to encrypt.  This one even stretches over morethan one line.",
            ),
        ] {
            let hash = read(text).expect(text);
            assert!(is_of(&hash, password.as_bytes()), "{text}");
            assert!(!is_of(&hash, b"b"), "{text}");
            assert_eq!(hash.to_string(), text);
        }
    }

    #[test]
    fn argon2id_hash_matches_only_its_password() {
        let hash = PasswordHash::argon2id(b"secret", *b"16 random bytes.");
        let text = hash.to_string();
        assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$MTYgcmFuZG9tIGJ5dGVzLg$"));
        assert_eq!(read(&text), Ok(hash.clone()));
        assert!(is_of(&hash, b"secret"));
        assert!(!is_of(&hash, b"Secret") && !is_of(&hash, b""));
        assert!(!is_of(&hash, &[b'a'; PasswordHash::PASSWORD_BYTES_MAX + 1]));
    }

    #[test]
    fn cost_above_its_maximum_is_refused_with_the_maximum() {
        let digest = "A".repeat(43);
        let argon2id = |costs| format!("$argon2id$v=19${costs}$MTYgcmFuZG9tIGJ5dGVzLg${digest}");
        let sha512 = |rounds| format!("$6$rounds={rounds}$salt${}", "a".repeat(86));
        let bcrypt =
            |cost| format!("$2y${cost}$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe");
        for (most, beyond, max) in [
            (
                argon2id("m=262144,t=1,p=1"),
                argon2id("m=4194304,t=1,p=1"),
                "262144",
            ),
            (argon2id("m=64,t=10,p=1"), argon2id("m=64,t=11,p=1"), "10"),
            (argon2id("m=256,t=1,p=16"), argon2id("m=256,t=1,p=17"), "16"),
            (bcrypt("14"), bcrypt("31"), "14"),
            (sha512("1000000"), sha512("999999999"), "1000000"),
        ] {
            assert!(read(&most).is_ok(), "{most}");
            let error = read(&beyond).expect_err(&beyond).to_string();
            assert!(error.ends_with(&format!("the maximum is {max}")), "{error}");
        }
    }

    #[test]
    fn malformed_and_unknown_hashes_are_refused() {
        let digest = "A".repeat(43);
        for rest in ["", "A", "A$A", "=", &"A".repeat(100)] {
            assert!(read(&format!("{SMALL}{rest}")).is_err(), "{rest}");
        }
        assert!(read(&format!("{SMALL}{digest}")).is_ok());
        for text in [
            "",
            "secret",
            "$",
            "$$",
            "$1$salt$aaaaaaaaaaaaaaaaaaaaaa",
            "$5$salt$aaaaaaaaaaaaaaaaaaaaaa",
            "$apr1$salt$aaaaaaaaaaaaaaaaaaaaaa",
            "$y$j9T$salt$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "$argon2i$v=19$m=64,t=1,p=1$MTYgcmFuZG9tIGJ5dGVzLg$AAAAAA",
            "$argon2id$v=16$m=64,t=1,p=1$MTYgcmFuZG9tIGJ5dGVzLg$AAAAAA",
            "$argon2id$v=19$m=64,t=0,p=1$MTYgcmFuZG9tIGJ5dGVzLg$AAAAAA",
            "$2x$05$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe",
            "$2y$03$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe",
            "$2y$5$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe",
            "$2y$05$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYV",
            "$6$salt$aaaa",
            "$6$rounds=999$salt$aaaa",
            "$6$rounds=+5000$salt$aaaa",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn text_with_an_id_between_dollars_is_likely_a_hash() {
        for text in [
            "$2y$05$a",
            "$y$j9T$a",
            "$argon2d$v=19",
            "{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
        ] {
            assert!(PasswordHash::is_likely(text), "{text}");
        }
        for text in ["secret", "$ecret", "$$money", "a$b$c", "{secret}", ""] {
            assert!(!PasswordHash::is_likely(text), "{text}");
        }
    }
}
