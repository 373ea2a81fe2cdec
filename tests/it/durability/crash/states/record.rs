//! The system calls of a server as a log of changes of a disk, of syncs, and of answers.

use std::collections::HashMap;
use std::sync::Arc;

use crate::support::trace::Call;

use super::super::facts::Reported;
use super::image::{Effect, Image, Ino};

/// The calls that change files, make changes durable, or carry requests and responses.
pub(super) const CALLS: &str = "trace=openat,open,creat,mkdir,mkdirat,recvfrom,read,readv,\
    write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,truncate,ftruncate,fallocate,fsync,fdatasync,syncfs,\
    setxattr,fsetxattr,removexattr,fremovexattr,rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,\
    symlink,symlinkat,copy_file_range,sendfile,splice,ioctl,msync";

/// All that happened to one directory.
pub(super) struct Log {
    /// The disk before the first step. It knows all files of the steps.
    pub(super) initial: Image,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone)]
pub(super) enum Step {
    /// The changes of one system call.
    Change(Vec<Effect>),
    /// A sync ended. It covers the changes of a file or directory in the first `covers` steps.
    Sync {
        node: Ino,
        covers: usize,
        /// False for `fdatasync`.
        is_whole: bool,
    },
    /// A request came.
    Asked {
        upload: usize,
        verb: Verb,
        /// True if it declares name and length.
        declares: bool,
    },
    /// A response began.
    Answered {
        upload: usize,
        verb: Verb,
        reported: Reported,
    },
    /// Another server begins.
    Life,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verb {
    Ask,
    Send,
    Cancel,
}

/// Makes a log of calls.
pub(super) struct Recorder {
    /// The path of the root, with `/` at its end.
    home: String,
    live: Image,
    initial: Image,
    steps: Vec<Step>,
    /// By the begin of a sync: the number of steps before.
    syncing: HashMap<usize, usize>,
    /// The request under way on each socket.
    asked: HashMap<String, (Verb, usize)>,
}

impl Recorder {
    /// Records changes below `home`, which has these contents.
    pub(super) fn new(home: &str, initial: Image) -> Recorder {
        Recorder {
            home: format!("{home}/"),
            live: initial.clone(),
            initial,
            steps: Vec::new(),
            syncing: HashMap::new(),
            asked: HashMap::new(),
        }
    }

    pub(super) fn finish(self) -> Log {
        let mut initial = self.initial;
        initial.extend_like(&self.live);
        Log {
            initial,
            steps: self.steps,
        }
    }

    /// Adds the calls of one server. A change counts from its end, a sync covers the changes that ended before its
    /// begin, and a response counts from its begin.
    pub(super) fn add(&mut self, calls: &[Call]) {
        self.steps.push(Step::Life);
        self.syncing.clear();
        self.asked.clear();
        let begins = calls.iter().map(|call| (call.begin, false, call));
        let ends = calls.iter().map(|call| (call.end, true, call));
        let mut events: Vec<_> = begins.chain(ends).collect();
        events.sort_by_key(|(at, is_end, _)| (*at, *is_end));
        for (_, is_end, call) in events {
            match is_end {
                true => self.ended(call),
                false => self.begun(call),
            }
        }
    }

    fn begun(&mut self, call: &Call) {
        match call.name.as_str() {
            "fsync" | "fdatasync" | "syncfs" => {
                self.syncing.insert(call.begin, self.steps.len());
            }
            "sendto" | "write" | "sendmsg" | "writev" => self.answer(call),
            _ => {}
        }
    }

    fn ended(&mut self, call: &Call) {
        match call.name.as_str() {
            "fsync" | "fdatasync" => self.sync(call),
            "syncfs" => self.sync_all(call),
            "recvfrom" | "read" | "readv" => self.request(call),
            "openat" | "open" | "creat" => self.open(call),
            "mkdir" | "mkdirat" => self.make(&call.paths()[0], true),
            "write" | "pwrite64" => self.write(call),
            "ftruncate" => {
                if let Some(file) = self.node(call.of()) {
                    let length = call.last_number();
                    self.change(vec![Effect::Length { file, length }]);
                }
            }
            "fsetxattr" | "fremovexattr" => self.attr(call),
            "rename" | "renameat" | "renameat2" => self.rename(call),
            "link" | "linkat" => {
                let paths = call.paths();
                let node = self.node(&paths[0]);
                self.name(&paths[1], node);
            }
            "unlink" | "unlinkat" | "rmdir" => self.name(&call.paths()[0], None),
            "sendto" | "sendmsg" => {}
            _ => assert!(!call.args.contains(&self.home), "unknown: {}", call.name),
        }
    }

    /// Returns the path below the root; `None` if it is elsewhere, or is no path.
    fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        match path.strip_prefix(&self.home) {
            Some(below) => Some(below),
            None if path == self.home.trim_end_matches('/') => Some(""),
            None => None,
        }
    }

    /// Returns the file or directory of that path, unless it was removed.
    fn node(&self, path: &str) -> Option<Ino> {
        self.live.find(self.below(path)?)
    }

    fn change(&mut self, effects: Vec<Effect>) {
        for effect in &effects {
            self.live.apply(effect);
        }
        self.steps.push(Step::Change(effects));
    }

    /// Returns the change of a name; `None` if it is elsewhere.
    fn naming(&self, path: &str, to: Option<Ino>) -> Option<Effect> {
        let (above, name) = path.trim_end_matches('/').rsplit_once('/')?;
        let (dir, name) = (self.node(above)?, name.to_owned());
        Some(Effect::Name { dir, name, to })
    }

    fn name(&mut self, path: &str, to: Option<Ino>) {
        if let Some(effect) = self.naming(path, to) {
            self.change(vec![effect]);
        }
    }

    fn make(&mut self, path: &str, is_dir: bool) {
        if self.below(path).is_none() {
            return;
        }
        let node = match is_dir {
            true => self.live.add_dir(),
            false => self.live.add_file(),
        };
        self.name(path, Some(node));
    }

    fn open(&mut self, call: &Call) {
        let path = call.paths().remove(0);
        let known = self.node(&path);
        if call.args.contains("O_CREAT") && known.is_none() {
            self.make(&path, false);
        } else if let (Some(file), true) = (known, call.args.contains("O_TRUNC")) {
            self.change(vec![Effect::Length { file, length: 0 }]);
        }
    }

    fn write(&mut self, call: &Call) {
        let Some(file) = self.node(call.of()) else {
            return;
        };
        let Some(content) = self.live.file(file) else {
            return;
        };
        let at = match call.name.as_str() {
            "pwrite64" => call.last_number(),
            // The store writes from the begin of a new file, or at the end of an old one.
            _ => content.bytes.len() as u64,
        };
        let mut bytes = strings(&call.args).remove(0);
        assert!(bytes.len() as u64 >= call.result, "strace has cut it");
        bytes.truncate(call.result as usize);
        let bytes = Arc::from(bytes);
        self.change(vec![Effect::Write { file, at, bytes }]);
    }

    fn attr(&mut self, call: &Call) {
        let Some(file) = self.node(call.of()) else {
            return;
        };
        let mut strings = strings(&call.args);
        let name = String::from_utf8(strings.remove(0)).expect("text");
        if self.live.file(file).is_some() && name.starts_with("user.") {
            let value = strings.pop();
            self.change(vec![Effect::Attr { file, name, value }]);
        }
    }

    fn rename(&mut self, call: &Call) {
        let paths = call.paths();
        let Some(node) = self.node(&paths[0]) else {
            return;
        };
        let to = self.naming(&paths[1], Some(node)).expect("a place below");
        let from = self.naming(&paths[0], None).expect("a place below");
        self.change(vec![to, from]);
    }

    fn sync(&mut self, call: &Call) {
        let covers = self.syncing.remove(&call.begin).expect("it has begun");
        if let Some(node) = self.node(call.of()) {
            let is_whole = call.name == "fsync";
            self.steps.push(Step::Sync {
                node,
                covers,
                is_whole,
            });
        }
    }

    fn sync_all(&mut self, call: &Call) {
        let covers = self.syncing.remove(&call.begin).expect("it has begun");
        let of = |node| Step::Sync {
            node,
            covers,
            is_whole: true,
        };
        self.steps.extend(self.live.nodes().map(of));
    }

    fn request(&mut self, call: &Call) {
        let text = call.texts().next().unwrap_or_default();
        let verb = match text.split(' ').next() {
            Some("GET") => Verb::Ask,
            Some("POST") => Verb::Send,
            Some("DELETE") => Verb::Cancel,
            _ => return,
        };
        let number = call
            .field("X-File-Id")
            .and_then(|id| id.strip_prefix("upload-"));
        if let Some(number) = number {
            let upload = number.parse().expect("a number");
            self.asked.insert(call.of().to_owned(), (verb, upload));
            let declares = call.field("X-File-Size").is_some();
            self.steps.push(Step::Asked {
                upload,
                verb,
                declares,
            });
        }
    }

    fn answer(&mut self, call: &Call) {
        let (Some(offset), Some(complete)) =
            (call.field("Upload-Offset"), call.field("Upload-Complete"))
        else {
            return;
        };
        if let Some((verb, upload)) = self.asked.remove(call.of()) {
            let reported = Reported {
                offset: offset.parse().expect("a count"),
                complete: complete == "?1",
            };
            self.steps.push(Step::Answered {
                upload,
                verb,
                reported,
            });
        }
    }
}

/// Returns the strings in quotes, as they were before `strace` printed them.
fn strings(args: &str) -> Vec<Vec<u8>> {
    let mut strings = Vec::new();
    let mut bytes = args.bytes().peekable();
    while bytes.by_ref().any(|byte| byte == b'"') {
        let mut string = Vec::new();
        loop {
            match bytes.next().expect("an end") {
                b'"' => break,
                b'\\' => string.push(unescaped(&mut bytes)),
                byte => string.push(byte),
            }
        }
        strings.push(string);
    }
    strings
}

/// Reads the rest of an escape sequence: a letter, or up to three octal digits.
fn unescaped(bytes: &mut std::iter::Peekable<std::str::Bytes<'_>>) -> u8 {
    let is_digit = |byte: &u8| (b'0'..=b'7').contains(byte);
    match bytes.next().expect("a sequence") {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'v' => 0x0b,
        b'f' => 0x0c,
        first if is_digit(&first) => {
            let mut value = u32::from(first - b'0');
            for _ in 0..2 {
                let Some(digit) = bytes.next_if(is_digit) else {
                    break;
                };
                value = value * 8 + u32::from(digit - b'0');
            }
            value as u8
        }
        other => other,
    }
}

#[test]
fn strings_of_strace_are_read_back() {
    let args = r#"5</a>, "a\"\\\n\0\001\3779\0", "", 4"#;
    assert_eq!(strings(args), [&b"a\"\\\n\0\x01\xff9\0"[..], b""]);
}
