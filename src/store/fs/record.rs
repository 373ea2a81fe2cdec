//! The record of an upload, `<key>.json`: id and declarations. It contains no offset: the data file has it.

use std::fmt::Write;
use std::io;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::store::fs::file_info::FileInfo;
use crate::store::fs::filename::FilePath;
use crate::store::fs::hashed::{Crc32, Digest};
use crate::store::id::{Id, Key, hex, unhex};

/// The format version of a record. A record of another version is an error, and stays unchanged.
const VERSION: u64 = 1;

/// The record of an upload. Its fields are boxed, because thousands of records are in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: Id,
    pub(crate) file: FileInfo,
    /// The declared length in bytes.
    pub(crate) length: Option<u64>,
    /// The declared SHA-256; of a complete upload, the computed one.
    pub(crate) digest: Option<Box<Digest>>,
    /// The CRC-32 that the upload must have, or that it has; `None` if no client requested it.
    pub(crate) crc32: Option<Crc32>,
    /// `None` until all bytes are held. The upload is complete once the data file was renamed too.
    pub(crate) publishing: Option<Box<Publishing>>,
}

/// The published path and its hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publishing {
    /// The published name, with its folders.
    pub(crate) path: FilePath,
    pub(crate) hook: Option<Hook>,
    /// True if a copy gets that name. A file with that name and the same bytes is then this upload.
    pub(crate) copied: bool,
    /// The number of innermost folders of `path` that this upload created. They are removed with it if they are empty.
    pub(crate) new_folders: u8,
}

/// The state of the completion hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    Due,
    Done,
}

impl Record {
    /// Returns the record of an upload without declarations.
    pub(crate) fn new(id: &Id) -> Self {
        Self {
            id: id.clone(),
            file: FileInfo::default(),
            length: None,
            digest: None,
            crc32: None,
            publishing: None,
        }
    }

    /// Returns the published name.
    pub(crate) fn publishing_as(&self) -> Option<&str> {
        self.publishing
            .as_deref()
            .map(|publishing| &*publishing.path)
    }

    /// Returns the time of last change that the client declared.
    pub(crate) fn modified(&self) -> Option<SystemTime> {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(self.file.modified_ms?))
    }

    pub(crate) fn hook(&self) -> Option<Hook> {
        self.publishing.as_deref()?.hook
    }

    /// Returns whether the text is the record of `key`, and says that its hook is due.
    pub(crate) fn is_due(text: &[u8], key: Key) -> bool {
        let record = Self::parse(text, key).ok().flatten();
        record.is_some_and(|record| record.hook() == Some(Hook::Due))
    }

    /// Parses the record of `key`; `None` if the text is no JSON, because a crash cut it.
    ///
    /// # Errors
    /// `InvalidData` if the record has another version, or belongs to another upload.
    pub(crate) fn parse(text: &[u8], key: Key) -> io::Result<Option<Self>> {
        let unreadable = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{key}.json is not a record this version knows"),
            )
        };
        let Ok(fields) = serde_json::from_slice::<Value>(text) else {
            return Ok(None);
        };
        fields
            .as_object()
            .and_then(Self::from_json)
            .filter(|record| record.id.key() == key)
            .map(Some)
            .ok_or_else(unreadable)
    }

    pub(crate) fn from_json(fields: &Map<String, Value>) -> Option<Self> {
        let text = |name| text(fields, name);
        let number = |name| number(fields, name);
        if number("v")? != Some(VERSION) {
            return None;
        }
        let publishing = match text("as")? {
            None => None,
            Some(path) => Some(Publishing::from_json(&path, fields)?),
        };
        let state = if publishing.is_some() {
            PUBLISHING
        } else {
            RECEIVING
        };
        (text("state")?.as_deref() == Some(state)).then_some(())?;
        let digest = match text("sha256")? {
            None => None,
            Some(digest) => Some(unhex(&digest)?.into_boxed_slice().try_into().ok()?),
        };
        let crc32 = match text("crc32")?.as_deref() {
            None => None,
            Some(ASKED) => Some(Crc32::Asked),
            Some(crc32) => Some(Crc32::Is(u32::from_be_bytes(
                unhex(crc32)?.try_into().ok()?,
            ))),
        };
        Some(Self {
            id: Id::new(&unhex(&text("owner")??)?, &unhex(&text("id")??)?),
            file: FileInfo {
                name: text("name")?,
                modified_ms: number("modified_ms")?,
                metadata: text("metadata")?,
            },
            length: number("length")?,
            digest,
            crc32,
            publishing: publishing.map(Box::new),
        })
    }

    /// Returns the text that `parse` reads.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let FileInfo {
            name,
            modified_ms,
            metadata,
        } = &self.file;
        let publishing = self.publishing.as_deref();
        let digest = self.digest.as_deref().map(|digest| hex(digest));
        let crc32 = self.crc32.map(|crc32| match crc32 {
            Crc32::Asked => ASKED.to_owned(),
            Crc32::Is(crc32) => hex(&crc32.to_be_bytes()),
        });
        let hook = |hook| if hook == Hook::Due { DUE } else { DONE };
        let copied = publishing.filter(|it| it.copied).map(|_| true);
        let new_folders = publishing.map(|it| it.new_folders).filter(|it| *it > 0);
        let fields: [(&str, Value); 14] = [
            ("v", VERSION.into()),
            ("id", hex(self.id.as_bytes()).into()),
            ("owner", hex(self.id.owner()).into()),
            ("name", name.as_deref().into()),
            ("modified_ms", (*modified_ms).into()),
            ("metadata", metadata.as_deref().into()),
            ("length", self.length.into()),
            ("sha256", digest.into()),
            ("crc32", crc32.into()),
            ("state", publishing.map_or(RECEIVING, |_| PUBLISHING).into()),
            ("as", self.publishing_as().into()),
            ("hook", self.hook().map(hook).into()),
            ("copied", copied.into()),
            ("new_folders", new_folders.into()),
        ];
        // A map of serde_json takes four times as long. Most records have less than 512 bytes: one allocation is enough.
        let mut text = String::with_capacity(512);
        for (name, value) in fields {
            if !value.is_null() {
                let separator = if text.is_empty() { '{' } else { ',' };
                write!(text, "{separator}\"{name}\":{value}").expect("a `String` takes every text");
            }
        }
        text.push('}');
        text.into_bytes()
    }
}

/// Returns the text `name`, `Some(None)` without one. `None`: the value has another type.
fn text(fields: &Map<String, Value>, name: &str) -> Option<Option<Box<str>>> {
    match fields.get(name) {
        None => Some(None),
        Some(value) => value.as_str().map(|text| Some(text.into())),
    }
}

/// Returns the number `name`, `Some(None)` without one. `None`: the value has another type.
fn number(fields: &Map<String, Value>, name: &str) -> Option<Option<u64>> {
    match fields.get(name) {
        None => Some(None),
        Some(value) => value.as_u64().map(Some),
    }
}

impl Publishing {
    /// Reads the other fields of a record with a published `path`.
    fn from_json(path: &str, fields: &Map<String, Value>) -> Option<Self> {
        let hook = match fields.get("hook").map(Value::as_str) {
            None => None,
            Some(Some(DUE)) => Some(Hook::Due),
            Some(Some(DONE)) => Some(Hook::Done),
            Some(_) => return None,
        };
        let copied = fields.get("copied").map_or(Some(false), Value::as_bool)?;
        let new_folders = fields.get("new_folders").map_or(Some(0), Value::as_u64)?;
        Some(Self {
            path: FilePath::parse(path)?,
            hook,
            copied,
            new_folders: new_folders.try_into().ok()?,
        })
    }
}

pub(crate) fn record_name(key: Key) -> String {
    format!("{key}.json")
}

const ASKED: &str = "?";
const RECEIVING: &str = "receiving";
const PUBLISHING: &str = "publishing";
const DUE: &str = "due";
const DONE: &str = "done";

#[cfg(test)]
mod tests {
    use super::*;

    fn publishing(hook: Option<Hook>) -> Publishing {
        Publishing {
            path: FilePath::in_folder("", "käse.mp4"),
            hook,
            copied: hook == Some(Hook::Due),
            new_folders: u8::from(hook == Some(Hook::Due)),
        }
    }

    fn record() -> (Record, Key) {
        let id = Id::new(b"alice", b"\xff\x00id");
        let record = Record {
            file: FileInfo::example(),
            length: Some(u64::MAX),
            digest: Some(Box::new([0xfe; 32])),
            crc32: Some(Crc32::Is(0x0000_00fe)),
            publishing: Some(publishing(Some(Hook::Due)).into()),
            ..Record::new(&id)
        };
        (record, id.key())
    }

    #[test]
    fn whole_record_is_read_and_a_cut_one_is_none() {
        let (full, key) = record();
        let bare = Record::new(&full.id);
        let done = Record {
            publishing: Some(publishing(Some(Hook::Done)).into()),
            ..full.clone()
        };
        let asked = Record {
            crc32: Some(Crc32::Asked),
            ..bare.clone()
        };
        for record in [full, bare, done, asked] {
            let text = record.to_json();
            for cut in [0, 1, text.len() / 2, text.len() - 1] {
                assert_eq!(Record::parse(&text[..cut], key).unwrap(), None);
            }
            assert_eq!(Record::parse(&text, key).unwrap(), Some(record));
        }
        assert_eq!(Record::parse(&[0; 180], key).unwrap(), None);
    }

    #[test]
    fn record_with_unknown_fields_is_read() {
        let (record, key) = record();
        let text = String::from_utf8(record.to_json()).unwrap();
        let older = text.replace("\"as\":", "\"inode\":7,\"born_ns\":8,\"as\":");
        assert_ne!(older, text);
        assert_eq!(Record::parse(older.as_bytes(), key).unwrap(), Some(record));
    }

    #[test]
    fn foreign_record_is_an_error() {
        let (record, key) = record();
        let text = String::from_utf8(record.to_json()).unwrap();
        let wrong = [
            "[]".to_owned(),
            text.replace("\"v\":1", "\"v\":2"),
            text.replace("\"due\"", "\"maybe\""),
            text.replace("publishing", "receiving"),
            text.replace("\"length\":", "\"length\":-"),
            text.replace("\"sha256\":\"fe", "\"sha256\":\""),
            text.replace("\"crc32\":\"00", "\"crc32\":\""),
            text.replace("\"id\":\"ff", "\"id\":\"fe"),
            text.replace("\"owner\"", "\"other\""),
            text.replace("\"as\":\"", "\"as\":\"../"),
            text.replace("\"as\":\"", "\"as\":\"/"),
            text.replace("\"as\":\"", "\"as\":\".resumed/"),
        ];
        for text in wrong {
            assert_eq!(
                Record::parse(text.as_bytes(), key).unwrap_err().kind(),
                io::ErrorKind::InvalidData,
                "{text}"
            );
        }
    }
}
