//! The state that a disk keeps after a power loss, derived from the system calls of a server, and compared with the
//! answers of the server.

use std::collections::HashMap;
use std::path::Path;

use resumed::store::Id;

use crate::support::trace::Call;

use super::done::{Dir, File};
use super::entry::Entry;

/// The state that survives a power loss, by the calls so far.
#[derive(Default)]
pub(crate) struct Kept {
    dir: String,
    files: HashMap<String, File>,
    dirs: HashMap<String, Dir>,
    /// When a name was made, given to another file, or taken away: the how-manieth change of its directory.
    made: HashMap<String, u64>,
    replaced: HashMap<String, u64>,
    removed: HashMap<String, u64>,
    /// The last log entry of each partial.
    entries: HashMap<String, Entry>,
    /// Published files, by the partials they were.
    published: HashMap<String, String>,
    /// Syncs under way: how much of a file, and of its mark, or of a directory they will have made durable, by when
    /// they began.
    syncing: HashMap<usize, (u64, u64)>,
    /// Requests under way, by socket: the verb, when the partial was last taken away, and the partial.
    asked: HashMap<String, (String, Option<u64>, String)>,
    pub(crate) seen: Seen,
    pub(crate) breaches: Vec<String>,
}

/// The number of checked answers of each kind.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) offsets: u64,
    pub(crate) completions: u64,
    pub(crate) cancels: u64,
}

impl Kept {
    /// After these calls of a server over `dir`.
    pub(crate) fn after(dir: &Path, calls: &[Call]) -> Kept {
        let mut kept = Kept {
            dir: dir.to_string_lossy().into_owned(),
            ..Kept::default()
        };
        let begins = calls.iter().map(|call| (call.begin, false, call));
        let ends = calls.iter().map(|call| (call.end, true, call));
        let mut events: Vec<_> = begins.chain(ends).collect();
        events.sort_by_key(|(at, is_end, _)| (*at, *is_end));
        for (_, is_end, call) in events {
            if is_end {
                kept.ended(call);
            } else {
                kept.begun(call);
            }
        }
        kept
    }

    /// A sync covers what was there when it began; an answer may rely on what was there when it began, and so may a
    /// rename.
    fn begun(&mut self, call: &Call) {
        match call.name.as_str() {
            "fsync" | "fdatasync" => {
                let covered = match self.files.get(call.of()) {
                    Some(file) => (file.written, file.noted),
                    None => (
                        self.dirs.entry(call.of().to_owned()).or_default().changes,
                        0,
                    ),
                };
                self.syncing.insert(call.begin, covered);
            }
            "sendto" | "write" | "sendmsg" | "writev" => self.answer(call),
            "rename" | "renameat" | "renameat2" => self.rename(call),
            _ => {}
        }
    }

    fn ended(&mut self, call: &Call) {
        match call.name.as_str() {
            "fsync" | "fdatasync" => self.synced(call),
            "recvfrom" | "read" | "readv" => self.request(call),
            "openat" | "open" | "creat" if call.args.contains("O_CREAT") => self.create(call),
            "mkdir" | "mkdirat" => self.make(&call.paths()[0]),
            "write" | "pwrite64" | "writev" | "pwritev" => self.write(call),
            "fsetxattr" => self.mark(call),
            "ftruncate" if !call.of().ends_with("/lock") => {
                unreachable!("nothing fails here, so nothing is cut back")
            }
            "rename" | "renameat" | "renameat2" => self.renamed(call),
            "unlink" | "unlinkat" => self.remove(&call.paths()[0]),
            _ => {}
        }
    }

    fn synced(&mut self, call: &Call) {
        let (covered, noted) = self.syncing.remove(&call.begin).expect("it has begun");
        match self.files.get_mut(call.of()) {
            Some(file) => {
                file.synced = covered.max(file.synced);
                if call.name == "fsync" {
                    file.marked = noted;
                }
            }
            None => {
                let dir = self.dirs.entry(call.of().to_owned()).or_default();
                dir.synced = covered.max(dir.synced);
            }
        }
    }

    fn mark(&mut self, call: &Call) {
        // The synced length; while a sync makes it durable, the next one and the checksum of its bytes too.
        let mark = call.texts().last().expect("a value");
        let lengths = mark.split(' ').take(2);
        if let Some(file) = self.files.get_mut(call.of()) {
            file.noted = lengths
                .last()
                .and_then(|it| it.parse().ok())
                .expect("a count");
        }
    }

    fn create(&mut self, call: &Call) {
        let path = call.paths().remove(0);
        if !self.files.contains_key(&path) {
            self.make(&path);
            self.files.insert(path, File::default());
        }
    }

    fn write(&mut self, call: &Call) {
        let Some(file) = self.files.get_mut(call.of()) else {
            return;
        };
        let at = match call.name.as_str() {
            "pwrite64" => call.last_number(),
            _ => file.written,
        };
        file.written = file.written.max(at + call.result);
        file.text = call.texts().next().unwrap_or_default().to_owned();
        if let Some((key, entry)) = Entry::written(call, at + call.result) {
            let partial = format!("{}{key}", self.partials());
            self.entries.insert(partial, entry);
        }
    }

    /// Before a partial is moved to its published name its bytes, and the record that says where, must be durable;
    /// before a record is moved over another, its bytes.
    fn rename(&mut self, call: &Call) {
        let from = &call.paths()[0];
        if !from.starts_with(&self.partials()) {
            return;
        }
        self.expect(call, self.is_synced(from), "the bytes are not synced");
        if !from.contains("/.record-") {
            self.expect_said(call, from, &call.paths()[1]);
        }
    }

    fn expect_said(&mut self, call: &Call, partial: &str, to: &str) {
        let path = record(partial);
        let is_in = |text: &str| text.contains("publishing");
        let (is_said, is_durable) = match (self.files.get(&path), self.entries.get(partial)) {
            (Some(file), _) => {
                let is_listed = self.dir(&path).synced >= self.replaced[&path];
                (is_in(&file.text), self.is_synced(&path) && is_listed)
            }
            (None, Some(entry)) => (is_in(&entry.text), self.is_entry_kept(entry)),
            (None, None) => (false, false),
        };
        self.expect(call, is_said, "the record does not say so");
        self.expect(call, is_durable, "the record is not durable");
        let is_folder_listed = self.is_listed(parent(to));
        self.expect(call, is_folder_listed, "its folder is not durable");
    }

    fn renamed(&mut self, call: &Call) {
        let paths = call.paths();
        let (from, to) = (&paths[0], &paths[1]);
        self.remove(from);
        self.make(to);
        if let Some(file) = self.files.remove(from) {
            self.files.insert(to.clone(), file);
        }
        self.published.insert(from.clone(), to.clone());
    }

    fn request(&mut self, call: &Call) {
        let text = call.texts().next().unwrap_or_default();
        let (Some(verb), Some(id)) = (text.split(' ').next(), call.field("X-File-Id")) else {
            return;
        };
        let key = Id::new(b"", id.as_bytes()).key();
        let partial = format!("{}{key}", self.partials());
        let removed = self.removed.get(&partial).copied();
        let asked = (verb.to_owned(), removed, partial);
        self.asked.insert(call.of().to_owned(), asked);
    }

    fn answer(&mut self, call: &Call) {
        let (Some(offset), Some(complete)) =
            (call.field("Upload-Offset"), call.field("Upload-Complete"))
        else {
            return;
        };
        let offset: u64 = offset.parse().expect("a count");
        let (verb, removed, partial) = self.asked.remove(call.of()).expect("nobody asked");
        match (verb.as_str(), complete) {
            ("DELETE", _) => self.cancel_told(call, &partial),
            (_, "?1") => self.completion_told(call, &partial, offset),
            ("GET", _) if offset == 0 => {}
            // It was there when it was asked for, and was taken away before the answer was.
            ("GET", _) if removed != self.removed.get(&partial).copied() => {}
            _ => {
                self.seen.offsets += 1;
                self.expect_durable(call, &partial, offset);
            }
        }
        self.expect(
            call,
            self.is_kept(&self.partials()),
            ".resumed, or what it is in, is not durable",
        );
    }

    fn expect_durable(&mut self, call: &Call, partial: &str, offset: u64) {
        let file = self.files.get(partial).cloned().unwrap_or_default();
        self.expect(call, file.synced >= offset, "the bytes are not synced");
        self.expect(call, file.marked >= offset, "the mark is not synced");
        self.expect(
            call,
            offset == 0 || self.is_listed(partial),
            "their name is not synced",
        );
        self.expect(
            call,
            self.is_kept(&record(partial)),
            "the record is not durable",
        );
    }

    fn completion_told(&mut self, call: &Call, partial: &str, length: u64) {
        self.seen.completions += 1;
        let name = self.published.get(partial).cloned().unwrap_or_default();
        let file = self.files.get(&name);
        let is_whole = file.is_some_and(|file| file.synced == length);
        self.expect(call, is_whole, "the file is not whole and synced");
        self.expect(call, self.is_listed(&name), "its name is not synced");
        self.expect_gone(call, partial);
        let is_durable = match self.entries.get(partial) {
            Some(entry) if !entry.text.is_empty() => self.is_entry_kept(entry),
            _ => self.is_kept(&record(partial)),
        };
        self.expect(call, is_durable, "the record is not durable");
    }

    fn cancel_told(&mut self, call: &Call, partial: &str) {
        self.seen.cancels += 1;
        self.expect_gone(call, partial);
        let is_forgotten = |entry: &Entry| entry.text.is_empty() && self.is_entry_kept(entry);
        let is_gone = self.is_gone(&record(partial));
        let is_gone = is_gone && self.entries.get(partial).is_none_or(is_forgotten);
        self.expect(call, is_gone, "that the record is gone is not synced");
    }

    fn expect_gone(&mut self, call: &Call, partial: &str) {
        let is_gone = self.is_gone(partial);
        self.expect(call, is_gone, "that the partial is gone is not synced");
    }

    fn expect(&mut self, call: &Call, holds: bool, else_: &str) {
        if !holds {
            let (at, name, args) = (call.begin, &call.name, &call.args);
            let breach = format!("line {at}: {name}({args}): {else_}");
            self.breaches.push(breach);
        }
    }

    fn partials(&self) -> String {
        format!("{}/.resumed/", self.dir)
    }

    /// Returns whether a file and its name survive a power loss.
    fn is_kept(&self, path: &str) -> bool {
        self.is_synced(path) && self.is_listed(path)
    }

    fn is_entry_kept(&self, entry: &Entry) -> bool {
        self.files[&entry.segment].synced >= entry.end && self.is_listed(&entry.segment)
    }

    fn is_synced(&self, path: &str) -> bool {
        self.files
            .get(path)
            .is_none_or(|file| file.synced == file.written)
    }

    /// Returns whether a name, and the names of all new directories above it, survive a power loss.
    fn is_listed(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let is_there = |number: &u64| self.dir(path).synced >= *number;
        match self.made.get(path) {
            Some(number) => is_there(number) && self.is_listed(parent(path)),
            // Made before this server was.
            None => !path.starts_with(&self.partials()),
        }
    }

    fn is_gone(&self, path: &str) -> bool {
        let is_synced = |number: &u64| self.dir(path).synced >= *number;
        !self.made.contains_key(path) && self.removed.get(path).is_none_or(is_synced)
    }

    /// The directory in which `path` is a name.
    fn dir(&self, path: &str) -> &Dir {
        &self.dirs[parent(path)]
    }

    fn make(&mut self, path: &str) {
        let number = self.change(parent(path));
        self.made.entry(path.to_owned()).or_insert(number);
        self.replaced.insert(path.to_owned(), number);
    }

    fn remove(&mut self, path: &str) {
        let number = self.change(parent(path));
        self.made.remove(path);
        self.removed.insert(path.to_owned(), number);
    }

    fn change(&mut self, dir: &str) -> u64 {
        let dir = self.dirs.entry(dir.to_owned()).or_default();
        dir.changes += 1;
        dir.changes
    }
}

fn record(partial: &str) -> String {
    format!("{partial}.json")
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}
