//! What a store may be told when it is opened.

use std::time::Duration;

/// How a store behaves. Every field has a default that is right for a home server.
#[derive(Debug, Clone)]
pub struct Options {
    /// What an answer survives; durable by default.
    pub sync: Sync,
    /// What happens when a finished file's name is taken; both are kept by default.
    pub on_conflict: OnConflict,
    /// The longest upload taken, in bytes; no limit by default.
    pub max_size: Option<u64>,
    /// Bytes of the disk that uploads never fill: 64 MiB, so that the system beneath can go on writing its logs.
    pub min_free: u64,
    /// How long a partial waits for its next byte, and a finished upload's record for a late question: 7 days.
    pub expire: Duration,
    /// Whether a finished upload is owed a completion hook (`Store::due`); no by default.
    pub mark_hooks: bool,
    /// Whether other servers work on the directory; none by default.
    pub sharing: Sharing,
    /// Whether uploads are hashed as they come, so that their hash is known at the end; no by default, for it costs
    /// processor time. One whose client says what it hashes to is hashed in any case.
    pub sha256: bool,
    /// How many callers may be in a sync at once, at least 1: 16, for those that are there together share what the file
    /// system does for each.
    pub syncs: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sync: Sync::Durable,
            on_conflict: OnConflict::KeepBoth,
            max_size: None,
            min_free: 64 << 20,
            expire: Duration::from_secs(7 * 24 * 60 * 60),
            mark_hooks: false,
            sharing: Sharing::Alone,
            sha256: false,
            syncs: 16,
        }
    }
}

/// What an answer survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// A pulled plug: nothing is answered before it is on the disk.
    Durable,
    /// A crash of the process, not of the machine: no sync is ever made.
    Fast,
}

/// Whether other servers work on the directory at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// None: a second one is refused.
    Alone,
    /// Any number, all of them told so. The file system has to show to each at once what another has done, to lock
    /// whole files between them (`flock`), and to take user extended attributes.
    Shared,
}

/// What happens when the name of a finished file is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// The new file becomes `name (1).ext`; after `name (8).ext`, the digits are random: `name (5f0c3a91).ext`.
    KeepBoth,
    /// The old file is replaced, in one step, by the complete new one. A directory is never replaced.
    Replace,
}
