//! The reference: a server without disk and network, as the documentation describes it.

use std::collections::BTreeMap;

use super::steps::{At, Dialect, SLOTS, Send, Sequence, Step, UPLOADS};

/// All that the clients and the disk can show.
#[derive(Clone, Default)]
pub(crate) struct Reference {
    uploads: [Option<Upload>; UPLOADS],
    lengths: [u64; UPLOADS],
    /// The published files: number of the content, and length.
    pub(crate) files: BTreeMap<String, (u64, u64)>,
    contents: u64,
    is_full: bool,
    pub(crate) planted: Option<Planted>,
}

/// An error of the reference, for tests of this test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    /// A cut loses its last byte.
    CutLosesByte,
    /// A restart forgets complete uploads.
    RestartForgets,
}

#[derive(Clone, Debug)]
struct Upload {
    content: u64,
    offset: u64,
    length: Option<u64>,
    /// The name of the file, if the upload is complete.
    saved: Option<String>,
}

/// A request, with every choice made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) slot: usize,
    pub(crate) kind: Kind,
    /// The number of the content of which bytes are sent.
    pub(crate) content: u64,
    pub(crate) start: u64,
    /// The bytes of the body, and those that are sent before the connection breaks.
    pub(crate) bytes: u64,
    pub(crate) cut: Option<u64>,
    pub(crate) chunked: bool,
    /// The length that the request declares.
    pub(crate) length: Option<u64>,
    /// The request declares its end as that of the file.
    pub(crate) last: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ask,
    Delete,
    /// Begins an upload: the server makes the id, or a `PUT` has no range.
    Create,
    Append,
}

/// The response that the documentation describes. `None`: not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    pub(crate) offset: Option<u64>,
    pub(crate) complete: Option<bool>,
    pub(crate) saved: Option<String>,
}

/// The result of a request, in no dialect.
enum Outcome {
    Held,
    Mismatch,
    /// More bytes than the length.
    Beyond,
    Full,
    Unknown,
    Deleted,
}

impl Reference {
    pub(crate) fn new(sequence: &Sequence, planted: Option<Planted>) -> Reference {
        Reference {
            lengths: sequence.lengths,
            planted,
            ..Reference::default()
        }
    }

    /// Returns the request of a step; `None` for a restart, or for a step that makes no sense now.
    pub(crate) fn request(&self, step: Step) -> Option<Request> {
        match step {
            Step::Restart(_) => None,
            Step::Ask(slot) => self.about(slot, Kind::Ask),
            Step::Delete(slot) => self.about(slot, Kind::Delete),
            Step::Send(send) => self.sending(send),
        }
    }

    fn about(&self, slot: usize, kind: Kind) -> Option<Request> {
        let has_address = !is_made_by_server(slot) || self.uploads[slot].is_some();
        has_address.then_some(Request {
            slot,
            kind,
            content: 0,
            start: 0,
            bytes: 0,
            cut: None,
            chunked: false,
            length: None,
            last: false,
        })
    }

    fn sending(&self, send: Send) -> Option<Request> {
        let (slot, total) = (send.slot, self.lengths[send.slot]);
        let upload = self.uploads[slot].as_ref();
        let is_complete = upload.is_some_and(|upload| upload.saved.is_some());
        let dialect = SLOTS[slot].dialect;
        let offset = upload.map_or(0, |upload| upload.offset);
        // A plain upload begins with its range, or without one as a whole.
        let is_whole = dialect == Dialect::Plain && send.last && (is_complete || offset == 0);
        let creates = is_whole || upload.is_none() && is_made_by_server(slot);
        let offset = if creates { 0 } else { offset };
        let rest = total - offset;
        let is_known = SLOTS[slot].declares || upload.is_some_and(|it| it.length.is_some());
        let (start, bytes) = match send.at {
            At::Behind if !creates && offset > 0 => (offset - 1, send.bytes.min(rest)),
            At::Ahead if !creates => (offset + 1, send.bytes.min(rest.saturating_sub(1))),
            At::Beyond if !creates && is_known && dialect != Dialect::Plain => {
                (offset, rest + 1 + send.bytes % 9)
            }
            _ if send.last || is_whole => (offset, rest),
            _ => (offset, send.bytes.min(rest)),
        };
        let is_end = start + bytes == total;
        let declared = SLOTS[slot].declares || is_end && dialect != Dialect::Draft;
        if dialect == Dialect::Plain && !is_whole && bytes == 0 || self.is_full && bytes == 0 {
            return self.about(slot, Kind::Ask);
        }
        Some(Request {
            slot,
            kind: if creates { Kind::Create } else { Kind::Append },
            content: match upload {
                Some(upload) if !creates => upload.content,
                _ => self.contents,
            },
            start,
            bytes,
            // An upload without an address cannot be continued.
            cut: (send.cut.filter(|_| is_whole || !creates))
                .map(|cut| cut.min(bytes).max(1))
                .filter(|cut| *cut < bytes),
            chunked: send.chunked && bytes > 0,
            length: (declared && !is_whole).then_some(total),
            last: is_whole || send.last && is_end,
        })
    }

    /// Applies a request, and returns its response.
    pub(crate) fn answer(&mut self, request: &Request) -> Expected {
        let slot = request.slot;
        let outcome = match request.kind {
            Kind::Ask if self.uploads[slot].is_none() => Outcome::Unknown,
            Kind::Ask => Outcome::Held,
            Kind::Delete => match self.uploads[slot].take() {
                Some(_) => Outcome::Deleted,
                None => Outcome::Unknown,
            },
            Kind::Create | Kind::Append => self.append(request),
        };
        self.in_dialect(request, &outcome)
    }

    fn append(&mut self, request: &Request) -> Outcome {
        let slot = request.slot;
        let upload = match self.uploads[slot].clone() {
            Some(upload) if !(request.is_whole() && upload.saved.is_some()) => upload,
            _ => Upload {
                content: self.contents,
                offset: 0,
                length: None,
                saved: None,
            },
        };
        let end = request.start + request.bytes;
        let length = upload.length_after(request);
        let is_beyond = length.is_some_and(|length| end > length);
        if request.start != upload.offset {
            Outcome::Mismatch
        } else if upload.saved.is_some() {
            if is_beyond {
                Outcome::Beyond
            } else {
                Outcome::Held
            }
        } else if is_beyond && !request.chunked {
            if request.is_draft() {
                self.uploads[slot] = None;
            }
            Outcome::Beyond
        } else if self.is_full && request.bytes > 0 {
            // A whole new upload has taken the place of the complete one; its file stays.
            self.uploads[slot].take_if(|it| it.saved.is_some());
            Outcome::Full
        } else {
            self.receive(request, Upload { length, ..upload });
            if is_beyond {
                Outcome::Beyond
            } else {
                Outcome::Held
            }
        }
    }

    /// Adds the bytes that arrive and fit.
    fn receive(&mut self, request: &Request, mut upload: Upload) {
        let (slot, length) = (request.slot, upload.length);
        let end = request.start + self.arrived(request);
        upload.offset = length.map_or(end, |length| length.min(end));
        if end > upload.offset && request.is_draft() {
            self.uploads[slot] = None;
            return;
        }
        let declares_end = request.last && (request.is_draft() || request.is_whole());
        if request.cut.is_none() && declares_end {
            upload.length = Some(upload.offset);
        }
        // Without bytes and declarations nothing is begun.
        let is_known = is_made_by_server(slot) || request.is_whole();
        if upload.offset > 0 || length.is_some() || is_known {
            self.contents += u64::from(upload.content == self.contents);
            self.publish_if_full(slot, &mut upload);
            self.uploads[slot] = Some(upload);
        }
    }

    fn arrived(&self, request: &Request) -> u64 {
        match (request.cut, self.planted) {
            (Some(cut), Some(Planted::CutLosesByte)) => cut - 1,
            (Some(cut), _) => cut,
            (None, _) => request.bytes,
        }
    }

    fn publish_if_full(&mut self, slot: usize, upload: &mut Upload) {
        if upload.length != Some(upload.offset) || upload.saved.is_some() {
            return;
        }
        let (stem, kind) = SLOTS[slot].name.split_once('.').expect("an extension");
        let names = (1..).map(|number| format!("{stem} ({number}).{kind}"));
        let mut names = [SLOTS[slot].name.to_owned()].into_iter().chain(names);
        let name = names.find(|name| !self.files.contains_key(name));
        let name = name.expect("endless");
        (self.files).insert(name.clone(), (upload.content, upload.offset));
        upload.saved = Some(name);
    }

    /// The next server. The date of a file expires nothing.
    pub(crate) fn restart(&mut self, is_full: bool) {
        self.is_full = is_full;
        if self.planted == Some(Planted::RestartForgets) {
            for upload in &mut self.uploads {
                upload.take_if(|upload| upload.saved.is_some());
            }
        }
    }

    /// Returns the bytes that are not published: number of the content, and length.
    pub(crate) fn partials(&self) -> Vec<(u64, u64)> {
        let uploads = self.uploads.iter().flatten();
        let partial = uploads.filter(|upload| upload.saved.is_none() && upload.offset > 0);
        partial
            .map(|upload| (upload.content, upload.offset))
            .collect()
    }

    /// Returns the number of published files of one name. After eight of them the server chooses the ninth at random.
    pub(crate) fn most_namesakes(&self) -> usize {
        let of = |start: char| {
            self.files
                .keys()
                .filter(|name| name.starts_with(start))
                .count()
        };
        "abcd".chars().map(of).max().unwrap_or_default()
    }

    /// Returns the response of the dialect.
    fn in_dialect(&self, request: &Request, outcome: &Outcome) -> Expected {
        let slot = &SLOTS[request.slot];
        let upload = self.uploads[request.slot].as_ref();
        let offset = upload.map_or(0, |upload| upload.offset);
        let saved = upload.and_then(|upload| upload.saved.clone());
        let is_complete = saved.is_some();
        let status = match (slot.dialect, request.kind, outcome) {
            (_, _, Outcome::Full) => 507,
            (Dialect::FileId, Kind::Ask, _) | (Dialect::FileId, _, Outcome::Held) => 200,
            (Dialect::FileId, Kind::Delete, _) | (_, _, Outcome::Deleted) => 204,
            (_, _, Outcome::Unknown) => 404,
            (_, _, Outcome::Mismatch) => 409,
            (Dialect::FileId | Dialect::Draft, _, Outcome::Beyond) => 400,
            (Dialect::Tus | Dialect::Plain, _, Outcome::Beyond) => 413,
            (Dialect::Draft, Kind::Ask, _) => 204,
            (_, Kind::Ask, _) => 200,
            (Dialect::Tus | Dialect::Draft, Kind::Create, _) => 201,
            (Dialect::Tus, ..) => 204,
            (Dialect::Draft, ..) if is_complete => 200,
            (Dialect::Draft, ..) => 204,
            (Dialect::Plain, ..) if is_complete => 201,
            (Dialect::Plain, ..) => 308,
        };
        let is_refused = matches!(outcome, Outcome::Mismatch | Outcome::Beyond);
        let is_gone = matches!(outcome, Outcome::Deleted | Outcome::Unknown);
        let says_offset = match slot.dialect {
            _ if matches!(outcome, Outcome::Full) => false,
            Dialect::Draft => !is_gone && !matches!(outcome, Outcome::Beyond),
            Dialect::Tus => !is_gone,
            Dialect::FileId | Dialect::Plain => true,
        };
        let says_complete = says_offset && slot.dialect != Dialect::Tus;
        // A refusal of the draft is about the request, not about the file.
        let complete = is_complete && !(is_refused && slot.dialect == Dialect::Draft);
        Expected {
            status,
            offset: says_offset.then_some(offset),
            complete: says_complete.then_some(complete),
            saved: saved.filter(|_| !matches!(outcome, Outcome::Full)),
        }
    }
}

impl Upload {
    /// Returns the length that is known after the head of a request.
    fn length_after(&self, request: &Request) -> Option<u64> {
        let declares_end = request.last && (request.is_draft() || request.is_whole());
        let end = (declares_end && !request.chunked).then_some(request.start + request.bytes);
        self.length.or(request.length).or(end)
    }
}

impl Request {
    fn is_draft(&self) -> bool {
        SLOTS[self.slot].dialect == Dialect::Draft
    }

    /// Returns whether this is a `PUT` without a range.
    fn is_whole(&self) -> bool {
        SLOTS[self.slot].dialect == Dialect::Plain && self.kind == Kind::Create
    }
}

/// Returns whether the server makes the id of the upload.
pub(crate) fn is_made_by_server(slot: usize) -> bool {
    matches!(SLOTS[slot].dialect, Dialect::Tus | Dialect::Draft)
}
