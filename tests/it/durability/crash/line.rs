//! A line of the journal of records, as it is seen from outside.

use crate::support::trace::Call;

/// The last of those about a partial counts.
pub(super) struct Line {
    pub(super) page: String,
    /// Where it ends in its page.
    pub(super) end: u64,
    /// What it says of the partial; nothing, when that is forgotten.
    pub(super) text: String,
}

impl Line {
    /// The line that `call` has written, up to `end`, and the key it is about.
    pub(super) fn added(call: &Call, end: u64) -> Option<(&str, Line)> {
        let is_page = call.of().contains("/.resumed/journal/");
        let text = call.texts().next().filter(|_| is_page)?;
        let text = text.trim_end_matches("\\n");
        let (key, text) = text.split_once(' ').unwrap_or((text, ""));
        let line = Line {
            page: call.of().to_owned(),
            end,
            text: text.to_owned(),
        };
        Some((key, line))
    }
}
