//! The answers so far: of each upload the highest offset, and whether it is complete or cancelled. The content of an
//! upload follows from its number.

use resumed::store::Id;

use crate::support::Answer;

use super::chance::content;

/// All answers to the clients of one directory.
#[derive(Clone, Default)]
pub(crate) struct Facts {
    pub(crate) uploads: Vec<Upload>,
    /// The number of answers.
    pub(crate) answers: u64,
}

/// One upload, and what its clients may rely on.
#[derive(Clone)]
pub(crate) struct Upload {
    pub(crate) number: usize,
    /// Which client sends it.
    pub(crate) sender: usize,
    /// The file name. Some uploads share a name.
    pub(crate) name: String,
    pub(crate) length: u64,
    /// The highest reported offset.
    pub(crate) held: u64,
    pub(crate) complete: bool,
    pub(crate) cancel: Cancel,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancel {
    No,
    /// The request has no response yet: its effect is unknown.
    Asked,
    /// A response confirmed the cancel.
    Done,
}

/// The offset and the state in one answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reported {
    pub(crate) offset: u64,
    pub(crate) complete: bool,
}

impl Reported {
    #[track_caller]
    pub(crate) fn by(answer: &Answer) -> Reported {
        let field = |name| answer.field(name).unwrap_or_else(|| panic!("{answer:?}"));
        Reported {
            offset: field("Upload-Offset").parse().expect("a count"),
            complete: field("Upload-Complete") == "?1",
        }
    }
}

impl Facts {
    /// Begins an upload of about that length. Three in a row share a name, and differ in length; others lie in folders.
    pub(crate) fn begin(&mut self, sender: usize, length: u64) -> Upload {
        let number = self.uploads.len();
        let namesakes = &self.uploads[number - number % 3..];
        let is_free = |length: &u64| namesakes.iter().all(|other| other.length != *length);
        let length = (length..).find(is_free).expect("one of three");
        let upload = Upload {
            number,
            sender,
            name: match number / 3 {
                odd if odd % 2 == 1 => format!("folder/{}/{odd}.bin", odd % 5),
                even => format!("{even}.bin"),
            },
            length,
            held: 0,
            complete: false,
            cancel: Cancel::No,
        };
        self.uploads.push(upload.clone());
        upload
    }
}

impl Upload {
    pub(crate) fn id(&self) -> String {
        format!("upload-{}", self.number)
    }

    /// Returns the key: the name on the disk and in hooks.
    pub(crate) fn key(&self) -> String {
        Id::new(b"", self.id().as_bytes()).key().to_string()
    }

    pub(crate) fn content(&self, from: u64, to: u64) -> &'static [u8] {
        content(self.number as u64, from, to)
    }

    /// Returns whether the client has bytes to send.
    pub(crate) fn is_open(&self) -> bool {
        !self.complete && self.cancel == Cancel::No
    }

    /// Returns the contradiction between an answer and the facts before the question.
    pub(crate) fn contradiction(&self, reported: Reported) -> Option<String> {
        let lost = match self.cancel {
            Cancel::No => reported.offset < self.held || self.complete && !reported.complete,
            Cancel::Asked => false,
            Cancel::Done => reported.offset > 0 || reported.complete,
        };
        let absurd =
            reported.offset > self.length || reported.complete && reported.offset < self.length;
        (lost || absurd).then(|| format!("{}, but now {reported:?}", self.known()))
    }

    /// Takes note of an answer.
    pub(crate) fn hear(&mut self, reported: Reported) {
        if self.cancel == Cancel::No {
            self.held = self.held.max(reported.offset);
            self.complete |= reported.complete;
        }
    }

    /// After a restart nothing is under way any more: a cancel without an answer has happened, or never will.
    pub(crate) fn resolve(&mut self, reported: Reported) {
        if self.cancel == Cancel::Asked {
            (self.held, self.cancel) = (0, Cancel::No);
        }
        self.hear(reported);
    }

    pub(crate) fn known(&self) -> String {
        let state = match (self.cancel, self.complete) {
            (Cancel::Done, _) => "cancelled",
            (Cancel::Asked, _) => "perhaps cancelled",
            (_, true) => "complete",
            (_, false) => "held",
        };
        let Upload {
            number,
            held,
            length,
            ..
        } = self;
        format!("upload {number} was reported as {state}, {held} of {length} bytes")
    }
}
