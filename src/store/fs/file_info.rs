//! The properties of a file that the store keeps for its client and passes on, unchecked.

use serde_core::ser::SerializeMap;
use serde_json::{Map, Value};

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

    /// Reads the properties in a record. `None`: a value has the wrong type.
    pub(crate) fn from_json(fields: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| match fields.get(name) {
            None => Some(None),
            Some(value) => value.as_str().map(|text| Some(text.into())),
        };
        let number = |name: &str| match fields.get(name) {
            None => Some(None),
            Some(value) => value.as_u64().map(Some),
        };
        Some(Self {
            name: text("name")?,
            modified_ms: number("modified_ms")?,
            metadata: text("metadata")?,
        })
    }

    /// Writes the properties into a record.
    pub(crate) fn to_json<M: SerializeMap>(&self, fields: &mut M) -> Result<(), M::Error> {
        let Self {
            name,
            modified_ms,
            metadata,
        } = self;
        if let Some(name) = name {
            fields.serialize_entry("name", name)?;
        }
        if let Some(modified_ms) = modified_ms {
            fields.serialize_entry("modified_ms", modified_ms)?;
        }
        if let Some(metadata) = metadata {
            fields.serialize_entry("metadata", metadata)?;
        }
        Ok(())
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
