//! What was done to one file, and to one directory.

/// How much of a file has been written, and synced.
#[derive(Clone, Default)]
pub(super) struct File {
    pub(super) written: u64,
    pub(super) synced: u64,
    /// How much of it the file itself is marked to have, and how much of it durably so.
    pub(super) noted: u64,
    pub(super) marked: u64,
    /// What was written last.
    pub(super) text: String,
}

/// How often a directory was changed, and how many of these changes were synced.
#[derive(Default)]
pub(super) struct Dir {
    pub(super) changes: u64,
    pub(super) synced: u64,
}
