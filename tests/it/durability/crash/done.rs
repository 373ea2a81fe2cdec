//! The changes and the syncs of a file, and of a directory.

/// The written and the synced length of a file.
#[derive(Clone, Default)]
pub(super) struct File {
    pub(super) written: u64,
    pub(super) synced: u64,
    /// The length in the marker, and the length in the durable marker.
    pub(super) noted: u64,
    pub(super) marked: u64,
    /// The text of the last write.
    pub(super) text: String,
}

/// The number of changes of a directory, and of synced changes.
#[derive(Default)]
pub(super) struct Dir {
    pub(super) changes: u64,
    pub(super) synced: u64,
}
