//! The options of a store.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The options of a store. Each default suits a home server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The failure that results survive; durable by default.
    pub sync: SyncMode,
    /// The name of a finished file if its name is taken; both files are kept by default.
    pub on_conflict: OnConflict,
    /// The maximum length of an upload in bytes; no limit by default.
    pub max_size: Option<u64>,
    /// The bytes of the disk that uploads leave free: 64 MiB by default, so that the system can write its logs.
    pub min_free: u64,
    /// The inodes of the disk that uploads leave free: 1 % by default. A file system that reports no inodes, such as btrfs,
    /// has no floor.
    pub min_free_inodes: InodeFloor,
    /// The time after the last byte until an incomplete upload expires, and until the record of a complete one does: 7 days.
    /// An incomplete upload with under 64 KiB of a longer or unknown length expires after a day, if that is earlier.
    /// Only time in which a store is open counts, and steps of the clock do not.
    pub expire: Duration,
    /// Puts the files of each owner into a folder of its own, `DIR/<owner>/`; false by default. Its name obeys the rules
    /// for names of files, and `_` replaces the characters `:*?"<>|`. Check owners first: [`check_user_dirs`].
    /// Uploads of the empty owner stay in `DIR`.
    ///
    /// [`check_user_dirs`]: crate::store::check_user_dirs
    pub user_dirs: bool,
    /// The maximum number of partial uploads; 10,000 by default, so that a flood of small ones does not use up the inodes.
    pub max_partials: Option<u64>,
    /// The maximum number of partial uploads of one owner, or of one client address without an owner; 2,000 by default.
    /// An upload without an account counts for `max_partials` only.
    pub max_partials_per_account: Option<u64>,
    /// The maximum number of bytes of one owner: of its partial uploads, and of its complete ones whose record is kept. No
    /// quota by default. It applies to uploads with an owner.
    pub quota: Option<u64>,
    /// Records a due completion hook for each complete upload (`Store::due`); false by default.
    pub mark_hooks: bool,
    /// The servers over the directory; one by default.
    pub sharing: Sharing,
    /// Computes the SHA-256 of every upload; false by default, because it costs processor time. An upload with a declared
    /// SHA-256 is hashed in any case.
    pub sha256: bool,
    /// The maximum number of concurrent syncs, at least 1: 16 by default, because the file system combines concurrent syncs.
    pub syncs: usize,
}

/// An incomplete upload with fewer bytes than these is a small one: 64 KiB. It expires early, because a client loses little.
const SMALL_PARTIAL_BYTES: u64 = 64 << 10;

/// The time after the last byte until a small incomplete upload expires: a day.
const SMALL_PARTIAL_EXPIRE: Duration = Duration::from_secs(24 * 60 * 60);

impl Options {
    /// Returns the time after the last byte until an upload with `offset` of `length` bytes expires.
    pub(crate) fn lifetime(&self, offset: u64, length: Option<u64>) -> Duration {
        let is_long = length.is_none_or(|length| length > SMALL_PARTIAL_BYTES);
        match offset < SMALL_PARTIAL_BYTES && is_long {
            true => self.expire.min(SMALL_PARTIAL_EXPIRE),
            false => self.expire,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sync: SyncMode::default(),
            on_conflict: OnConflict::default(),
            max_size: None,
            min_free: 64 << 20,
            min_free_inodes: InodeFloor::default(),
            expire: Duration::from_secs(7 * 24 * 60 * 60),
            user_dirs: false,
            max_partials: Some(10_000),
            max_partials_per_account: Some(2000),
            quota: None,
            mark_hooks: false,
            sharing: Sharing::default(),
            sha256: false,
            syncs: 16,
        }
    }
}

/// The number of inodes that uploads leave free. 0: no floor. As text: `5000` or `1%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InodeFloor {
    /// A percentage of the inodes of the file system.
    Percent(u8),
    /// This number of inodes.
    Count(u64),
}

impl Default for InodeFloor {
    fn default() -> Self {
        Self::Percent(1)
    }
}

impl FromStr for InodeFloor {
    type Err = MalformedOption;

    fn from_str(text: &str) -> Result<Self, MalformedOption> {
        let (digits, is_percentage) = match text.strip_suffix('%') {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        match digits.parse().ok().filter(|_| is_plain) {
            Some(percent @ 0..=100) if is_percentage => Ok(Self::Percent(percent as u8)),
            Some(inodes) if !is_percentage => Ok(Self::Count(inodes)),
            _ => Err(MalformedOption("a number or a percentage of inodes")),
        }
    }
}

/// The failure that results survive. As text: `durable` or `fast`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncMode {
    /// A power loss: each result waits for its syncs.
    #[default]
    Durable,
    /// A crash of the process, but not of the machine: there are no syncs.
    Fast,
}

impl FromStr for SyncMode {
    type Err = MalformedOption;

    fn from_str(text: &str) -> Result<Self, MalformedOption> {
        match text {
            "durable" => Ok(Self::Durable),
            "fast" => Ok(Self::Fast),
            _ => Err(MalformedOption("durable or fast")),
        }
    }
}

/// The servers over one directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sharing {
    /// One: a second server is refused.
    #[default]
    Alone,
    /// Any number, all with this option. The file system must show each change to all servers at once, lock whole files
    /// between them (`flock`), and support user extended attributes.
    Shared,
}

/// The name of a finished file if its name is taken. As text: `keep-both` or `replace`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnConflict {
    /// The new file becomes `name (1).ext`; after `name (8).ext`, the digits are random: `name (5f0c3a91).ext`.
    #[default]
    KeepBoth,
    /// The old file is replaced, in one step, by the complete new one. A directory is never replaced.
    Replace,
}

impl FromStr for OnConflict {
    type Err = MalformedOption;

    fn from_str(text: &str) -> Result<Self, MalformedOption> {
        match text {
            "keep-both" => Ok(Self::KeepBoth),
            "replace" => Ok(Self::Replace),
            _ => Err(MalformedOption("keep-both or replace")),
        }
    }
}

/// The text is no value of an option. The message names the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedOption(&'static str);

impl fmt::Display for MalformedOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.0)
    }
}

impl Error for MalformedOption {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inode_floor_is_a_number_or_a_percentage() {
        for (text, expected) in [
            ("0", Some(InodeFloor::Count(0))),
            ("5000", Some(InodeFloor::Count(5000))),
            ("0%", Some(InodeFloor::Percent(0))),
            ("100%", Some(InodeFloor::Percent(100))),
            ("101%", None),
            ("", None),
            ("%", None),
            ("1.5%", None),
            ("-1", None),
            ("+1", None),
            ("5K", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn malformed_option_names_the_values() {
        let error = "both".parse::<OnConflict>().unwrap_err();
        assert_eq!(error.to_string(), "expected keep-both or replace");
        assert_eq!("fast".parse(), Ok(SyncMode::Fast));
    }
}
