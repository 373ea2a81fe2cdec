//! An entry of the completion log, as a system call has written it.

use crate::support::trace::Call;

/// The last entry of a partial counts.
pub(super) struct Entry {
    pub(super) segment: String,
    /// The end of the entry in its segment.
    pub(super) end: u64,
    /// The record; empty in a tombstone.
    pub(super) text: String,
}

impl Entry {
    /// Returns the entry that `call` has written up to `end`, and its key.
    pub(super) fn written(call: &Call, end: u64) -> Option<(&str, Entry)> {
        let is_segment = call.of().contains("/.resumed/journal/");
        let text = call.texts().next().filter(|_| is_segment)?;
        let text = text.trim_end_matches("\\n");
        let (key, text) = text.split_once(' ').unwrap_or((text, ""));
        let entry = Entry {
            segment: call.of().to_owned(),
            end,
            text: text.to_owned(),
        };
        Some((key, entry))
    }
}
