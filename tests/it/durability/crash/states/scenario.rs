//! Clients of a real server, and the log of its system calls.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Instant, UNIX_EPOCH};

use resumed::store::{OnConflict, Options, Sharing};

use crate::support::files::tempdir_on_disk;
use crate::support::trace::{Call, Traced};
use crate::support::{Answer, Client, TIMEOUT};

use super::super::facts::{Cancel, Upload};
use super::image::Image;
use super::record::{CALLS, Log, Recorder};

/// The bytes of a usual upload: two blocks and a part of one.
pub(super) const BYTES: u64 = 9_000;

/// Clients, and the flags of their servers.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// The name and the length of each upload.
    files: &'static [(&'static str, u64)],
    pub(super) flags: &'static [&'static str],
    /// Changes the directory before the servers start.
    prepare: fn(&mut Talk),
    /// The clients of each server. After them the server is killed, and the next one starts.
    lives: &'static [fn(&Talk)],
}

/// A server, and its clients.
pub(super) struct Talk {
    dir: PathBuf,
    addr: std::net::SocketAddr,
    uploads: Vec<Upload>,
}

/// The system calls of a scenario.
pub(super) struct Recorded {
    pub(super) scenario: &'static Scenario,
    /// The uploads, and what their clients knew before the first call.
    pub(super) uploads: Vec<Upload>,
    home: PathBuf,
    initial: Image,
    lives: Vec<Vec<Call>>,
}

/// The directory of the server, in the directory that is recorded.
pub(super) const DIR: &str = "new/uploads";

/// The contents of a lock file after a power loss.
pub(super) const OTHER_MOUNT: &[u8] = b"another mount\n";

const FOREIGN: [&str; 2] = ["taken.bin", "folder/foreign.bin"];

impl Scenario {
    pub(super) fn options(&self) -> Options {
        let has = |flag| self.flags.contains(&flag);
        let mut options = Options::default();
        options.mark_hooks = has("--on-complete");
        options.min_free = 0;
        if has("replace") {
            options.on_conflict = OnConflict::Replace;
        }
        if has("--shared") {
            options.sharing = Sharing::Shared;
        }
        options
    }

    /// Returns whether the scenario holds on ext4, xfs and btrfs, but not on any file system of POSIX.
    pub(super) fn needs_more_than_posix(&self) -> bool {
        ["three at once", "name clash", "replaced"].contains(&self.name)
    }

    /// Returns how many times as long a state takes.
    pub(super) fn weight(&self) -> u64 {
        let longest = self.files.iter().map(|(_, length)| *length).max();
        if longest > Some(1 << 20) { 5 } else { 1 }
    }

    fn uploads(&self) -> Vec<Upload> {
        let upload = |(number, (name, length)): (usize, &(&str, u64))| Upload {
            number,
            sender: 0,
            name: (*name).to_owned(),
            length: *length,
            held: 0,
            complete: false,
            cancel: Cancel::No,
        };
        self.files.iter().enumerate().map(upload).collect()
    }

    /// Runs the servers under `strace`.
    pub(super) fn record(&'static self) -> Recorded {
        let temporary = tempdir_on_disk();
        let home = fs::canonicalize(temporary.path()).expect("a path");
        let mut talk = Talk {
            dir: home.join(DIR),
            addr: ([127, 0, 0, 1], 0).into(),
            uploads: self.uploads(),
        };
        (self.prepare)(&mut talk);
        let initial = Image::read(&home);
        let (mut lives, mut servers) = (Vec::new(), Vec::new());
        for life in self.lives {
            let trace = ["-s", "2000000", "-e", CALLS];
            let traced = Traced::start(&talk.dir, self.flags, &trace);
            talk.addr = traced.process.addr;
            life(&talk);
            servers.push(traced);
            // Servers that share the directory stay, without work.
            if !self.flags.contains(&"--shared") {
                lives.extend(servers.drain(..).map(Traced::calls));
            }
        }
        lives.extend(servers.into_iter().map(Traced::calls));
        Recorded {
            scenario: self,
            uploads: talk.uploads,
            home,
            initial,
            lives,
        }
    }
}

impl Recorded {
    /// Returns the log of the calls that `is_made` selects.
    pub(super) fn log(&self, is_made: impl Fn(&Call, &Path) -> bool) -> Log {
        let mut recorder = Recorder::new(&self.home.to_string_lossy(), self.initial.clone());
        let dir = self.home.join(DIR);
        for life in &self.lives {
            let calls = life.iter().filter(|call| is_made(call, &dir));
            recorder.add(&calls.cloned().collect::<Vec<_>>());
        }
        recorder.finish()
    }
}

/// Returns whether a path below the directory is that of a file of another program.
pub(super) fn is_foreign(path: &str) -> bool {
    FOREIGN.contains(&path)
}

impl Talk {
    /// Sends bytes from `from` on. Declares name and length, and other fields.
    fn send(&self, number: usize, from: u64, to: u64, fields: &str) -> Answer {
        let Upload { name, length, .. } = &self.uploads[number];
        let fields = format!("X-File-Name: {name}\r\nX-File-Size: {length}\r\n{fields}");
        self.post(number, from, to, &fields)
    }

    fn post(&self, number: usize, from: u64, to: u64, fields: &str) -> Answer {
        let length = to - from;
        let fields = format!("X-Start-Byte: {from}\r\nContent-Length: {length}\r\n{fields}");
        let answer = self
            .request("POST /upload", number, &fields, from, to)
            .answer();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    fn whole(&self, number: usize) {
        let answer = self.send(number, 0, self.uploads[number].length, "");
        assert_eq!(answer.field("Upload-Complete"), Some("?1"), "{answer:?}");
    }

    fn request(&self, line: &str, number: usize, fields: &str, from: u64, to: u64) -> Client {
        let upload = &self.uploads[number];
        let head = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nX-File-Id: {}\r\n{fields}\r\n",
            upload.id()
        );
        let mut client = Client::connect(self.addr);
        client.send([head.as_bytes(), upload.content(from, to)].concat());
        client
    }

    /// Announces all that is left, sends some bytes, and vanishes. Waits until the server reports them.
    fn cut(&self, number: usize, from: u64, to: u64) {
        let Upload { name, length, .. } = &self.uploads[number];
        let left = length - from;
        let fields = format!(
            "X-File-Name: {name}\r\nX-File-Size: {length}\r\nX-Start-Byte: {from}\r\nContent-Length: {left}\r\n"
        );
        drop(self.request("POST /upload", number, &fields, from, to));
        self.wait(|| self.ask(number) == to);
    }

    fn ask(&self, number: usize) -> u64 {
        let answer = self.request("GET /status", number, "", 0, 0).answer();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.offset()
    }

    fn cancel(&self, number: usize) {
        let answer = self.request("DELETE /upload", number, "", 0, 0).answer();
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    #[track_caller]
    fn wait(&self, is_so: impl Fn() -> bool) {
        let since = Instant::now();
        while !is_so() {
            assert!(since.elapsed() < TIMEOUT, "in vain");
            std::thread::yield_now();
        }
    }

    fn partial(&self, number: usize) -> PathBuf {
        self.dir.join(".resumed").join(self.uploads[number].key())
    }

    /// Waits until the records say that the hook of an upload has run.
    fn wait_for_hook(&self, number: usize) {
        let key = self.uploads[number].key();
        let is_done = |text: String| {
            text.lines()
                .any(|line| line.contains(&key) && line.contains("\"done\""))
        };
        let record = self.partial(number).with_extension("json");
        let log = self.dir.join(".resumed/journal/1");
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        self.wait(|| is_done(read(&log)) || read(&record).contains("\"done\""));
    }
}

fn nothing(_: &mut Talk) {}

/// Writes files of other programs.
fn foreign(talk: &mut Talk) {
    for path in FOREIGN {
        let path = talk.dir.join(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
        fs::write(path, "foreign").expect("a file");
    }
}

/// Leaves what a power loss may leave: bytes that were not synced, a full upload, a file with two names, and the rest of
/// a record.
fn after_a_power_loss(talk: &mut Talk) {
    let server = super::super::start(&talk.dir, &[]);
    talk.addr = server.addr;
    talk.send(0, 0, 5_000, "");
    talk.send(1, 0, 5_000, "");
    talk.send(2, 0, 5_000, "");
    talk.whole(3);
    drop(server);
    let append = |number: usize, bytes: &[u8]| {
        let mut all = fs::read(talk.partial(number)).expect("a partial");
        all.extend_from_slice(bytes);
        fs::write(talk.partial(number), all).expect("written");
    };
    append(0, &[0; 3_000]);
    append(1, talk.uploads[1].content(5_000, BYTES));
    append(2, &[0; 4_000]);
    fs::hard_link(talk.dir.join("d.bin"), talk.partial(3)).expect("a link");
    fs::write(talk.dir.join(".resumed/.record-1-2-0"), "{\"v\":1").expect("written");
    fs::write(talk.dir.join(".resumed/lock"), OTHER_MOUNT).expect("written");
    for upload in &mut talk.uploads {
        upload.complete = upload.number == 3;
        upload.held = if upload.complete { BYTES } else { 5_000 };
    }
}

/// Running times of two servers, in ms: the second stopped 31 years after the first.
const CLOCK: &str = "0 0 1000\n1000000000000 1700000000000 1700000000000\n";

/// Two partial uploads and two complete ones, whose last bytes came while the first server of `CLOCK` ran. So the next
/// sweep may remove the first upload, and the records of the second and the third.
fn expired(talk: &mut Talk) {
    let server = super::super::start(&talk.dir, &[]);
    talk.addr = server.addr;
    talk.send(0, 0, 5_000, "");
    talk.whole(1);
    talk.send(2, 0, 5_000, "");
    talk.send(2, 5_000, BYTES, "");
    drop(server);
    let key = |number: usize| talk.uploads[number].key();
    let names = [
        key(0),
        format!("{}.json", key(0)),
        "journal/1".into(),
        format!("{}.json", key(2)),
    ];
    let partials = talk.dir.join(".resumed");
    for name in names {
        let file = fs::File::options().write(true).open(partials.join(name));
        file.expect("it opens")
            .set_modified(UNIX_EPOCH)
            .expect("set");
    }
    fs::write(partials.join("clock"), CLOCK).expect("written");
    for upload in &mut talk.uploads[..3] {
        upload.cancel = Cancel::Asked;
    }
}

const HOOK: &[&str] = &["--on-complete", "true"];
const THREE: &[(&str, u64)] = &[("a.bin", BYTES), ("b.bin", BYTES), ("c.bin", BYTES)];
const FOUR: &[(&str, u64)] = &[
    ("a.bin", BYTES),
    ("b.bin", BYTES),
    ("c.bin", BYTES),
    ("d.bin", BYTES),
];

macro_rules! scenario {
    ($name:literal, $files:expr, $flags:expr, $prepare:expr, $lives:expr) => {
        Scenario {
            name: $name,
            files: $files,
            flags: $flags,
            prepare: $prepare,
            lives: $lives,
        }
    };
}

pub(super) static SCENARIOS: &[Scenario] = &[
    scenario!(
        "one request",
        &[("a.bin", BYTES), ("empty.bin", 0)],
        &[],
        nothing,
        &[|talk| {
            talk.whole(0);
            talk.whole(1);
            talk.ask(0);
        }]
    ),
    scenario!(
        "three parts",
        &[("a.bin", BYTES)],
        &[],
        nothing,
        &[|talk| {
            talk.send(0, 0, 3_000, "");
            talk.send(0, 3_000, 6_000, "");
            talk.ask(0);
            talk.send(0, 6_000, BYTES, "");
        }]
    ),
    scenario!(
        "cut",
        &[("a.bin", BYTES)],
        &[],
        nothing,
        &[|talk| {
            talk.cut(0, 0, 5_000);
            talk.cut(0, 5_000, 8_000);
            talk.send(0, 8_000, BYTES, "");
        }]
    ),
    // The record of a large upload comes before its end.
    scenario!(
        "large",
        &[("a.bin", 1_100_000)],
        &[],
        nothing,
        &[|talk| {
            talk.cut(0, 0, 1_060_000);
            talk.send(0, 1_060_000, 1_100_000, "");
        }]
    ),
    scenario!(
        "declared late",
        THREE,
        &[],
        nothing,
        &[|talk| {
            talk.post(0, 0, 5_000, "");
            talk.post(0, 5_000, BYTES, "");
            // Full from now on, although no byte comes.
            talk.send(0, BYTES, BYTES, "");
            talk.post(1, 0, 5_000, "");
            talk.send(1, 5_000, 5_000, "X-File-Modified: 1700000000000\r\n");
            talk.send(1, 5_000, BYTES, "");
            // Declared before the first byte.
            talk.send(2, 0, 0, "");
            talk.send(2, 0, BYTES, "");
        }]
    ),
    scenario!(
        "cancelled",
        THREE,
        &[],
        nothing,
        &[|talk| {
            talk.send(0, 0, 5_000, "");
            talk.cancel(0);
            talk.ask(0);
            talk.send(0, 0, BYTES, "");
            talk.cancel(0);
            talk.whole(1);
            talk.cancel(1);
            talk.send(2, 0, 5_000, "");
            talk.cancel(2);
        }]
    ),
    scenario!(
        "replaced",
        &[("a.bin", BYTES), ("a.bin", BYTES + 1), ("a.bin", BYTES + 2)],
        &["--on-conflict", "replace"],
        nothing,
        &[|talk| {
            talk.whole(0);
            talk.send(1, 0, 5_000, "");
            talk.send(1, 5_000, BYTES + 1, "");
            talk.whole(2);
        }]
    ),
    scenario!(
        "name clash",
        &[
            ("taken.bin", BYTES),
            ("taken.bin", BYTES + 1),
            ("b.bin", BYTES),
            ("b.bin", BYTES + 1)
        ],
        &[],
        foreign,
        &[|talk| {
            talk.whole(0);
            talk.send(1, 0, 5_000, "");
            talk.send(1, 5_000, BYTES + 1, "");
            talk.whole(2);
            talk.whole(3);
        }]
    ),
    scenario!(
        "folders",
        &[
            ("folder/a.bin", BYTES),
            ("outer/inner/b.bin", BYTES),
            ("outer/c.bin", BYTES)
        ],
        &[],
        foreign,
        &[|talk| {
            talk.whole(0);
            talk.send(1, 0, 5_000, "");
            talk.send(1, 5_000, BYTES, "");
            talk.whole(2);
        }]
    ),
    scenario!(
        "hook",
        &[("a.bin", BYTES), ("b.bin", BYTES)],
        HOOK,
        nothing,
        &[|talk| {
            talk.whole(0);
            talk.wait_for_hook(0);
            talk.send(1, 0, 5_000, "");
            talk.send(1, 5_000, BYTES, "");
            talk.wait_for_hook(1);
        }]
    ),
    scenario!(
        "checksum",
        &[("a.bin", BYTES), ("b.bin", BYTES)],
        &[],
        nothing,
        &[|talk| {
            talk.send(0, 0, 3_000, "X-File-CRC32: ?\r\n");
            talk.send(0, 3_000, 6_000, "");
            talk.cut(0, 6_000, 7_000);
            let sum = crc32(talk.uploads[0].content(0, BYTES));
            talk.send(0, 7_000, BYTES, &format!("X-File-CRC32: {sum:08x}\r\n"));
            let sum = crc32(talk.uploads[1].content(0, BYTES));
            talk.send(1, 0, BYTES, &format!("X-File-CRC32: {sum:08x}\r\n"));
        }]
    ),
    scenario!(
        "three at once",
        THREE,
        &[],
        nothing,
        &[|talk| {
            std::thread::scope(|scope| {
                for number in 0..3 {
                    scope.spawn(move || {
                        talk.send(number, 0, 5_000, "");
                        talk.send(number, 5_000, BYTES, "");
                    });
                }
            });
        }]
    ),
    scenario!(
        "expiry",
        FOUR,
        &[],
        expired,
        &[|talk| {
            let record = |number| talk.partial(number).with_extension("json");
            let gone = [talk.partial(0), record(0), record(2)];
            talk.wait(|| !gone.iter().any(|path| path.exists()));
            talk.whole(3);
        }]
    ),
    scenario!(
        "restart",
        THREE,
        &[],
        nothing,
        &[
            |talk| {
                talk.send(0, 0, 5_000, "");
                talk.cut(1, 0, 6_000);
                talk.whole(2);
            },
            |talk| {
                talk.ask(0);
                talk.send(0, 5_000, BYTES, "");
                talk.send(1, 6_000, 8_000, "");
                talk.ask(2);
            },
            |talk| {
                talk.send(1, 8_000, BYTES, "");
            },
        ]
    ),
    scenario!(
        "recovery",
        FOUR,
        &[],
        after_a_power_loss,
        &[|talk| {
            talk.ask(1);
            talk.ask(3);
            talk.send(0, 5_000, 7_000, "");
            talk.send(1, 5_000, BYTES, "");
            talk.send(2, 5_000, BYTES, "");
            talk.send(0, 7_000, BYTES, "");
        }]
    ),
    scenario!(
        "shared takeover",
        &[("a.bin", BYTES), ("b.bin", BYTES)],
        &["--shared"],
        nothing,
        &[
            |talk| {
                talk.send(0, 0, 5_000, "");
                talk.send(1, 0, 5_000, "");
            },
            |talk| {
                talk.ask(0);
                talk.send(0, 5_000, BYTES, "");
                talk.send(1, 5_000, 7_000, "");
                talk.send(1, 7_000, BYTES, "");
            },
        ]
    ),
];

/// The CRC-32 of zip and Ethernet, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum: u32, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}
