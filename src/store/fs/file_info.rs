//! The properties of a file that the store keeps for its client and passes on, unchecked.

/// The properties of a file, as a client declares them. The record keeps them, and the completion hook gets them.
///
/// A new property is a field here. Each place that must handle it names all fields, and does not compile without it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileInfo {
    /// The name in UTF-8, after the names of its folders, with `/` between. Not cleaned: do not use it as a path.
    pub name: Option<Box<str>>,
    /// The time of the last change, in milliseconds since 1970.
    pub modified_ms: Option<u64>,
    /// Metadata that the server returns unchanged.
    pub metadata: Option<Box<str>>,
}

impl FileInfo {
    /// Adds the properties that are not declared yet: the first value counts.
    pub(crate) fn merge(&mut self, later: Self) {
        let Self {
            name,
            modified_ms,
            metadata,
        } = std::mem::take(self);
        *self = Self {
            name: name.or(later.name),
            modified_ms: modified_ms.or(later.modified_ms),
            metadata: metadata.or(later.metadata),
        };
    }

    /// Returns the declared properties as text, by their names in the record.
    pub fn properties(&self) -> impl Iterator<Item = (&'static str, String)> {
        let Self {
            name,
            modified_ms,
            metadata,
        } = self;
        let properties = [
            ("name", name.as_deref().map(str::to_owned)),
            ("modified_ms", modified_ms.map(|ms| ms.to_string())),
            ("metadata", metadata.as_deref().map(str::to_owned)),
        ];
        properties
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
    }

    /// Returns a value with all properties, with characters that JSON escapes.
    #[cfg(test)]
    pub(crate) fn example() -> Self {
        Self {
            name: Some("\"käse\"\u{1}.mp4".into()),
            modified_ms: Some(1_700_000_000_123),
            metadata: Some("filename w6Q=,is_new".into()),
        }
    }
}
