//! Files on the disk of the person who uploads them.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::support::limit::RunInTime;

/// Gone when it goes.
pub(crate) struct Disk(TempDir);

impl Disk {
    pub(crate) fn new() -> Disk {
        Disk(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A new file of this many bytes, of which no two pages are the same; its folders are made.
    pub(crate) fn file(&self, name: &str, length: u64) -> Local {
        let local = Local(self.0.path().join(name));
        fs::create_dir_all(local.0.parent().expect("a folder")).expect("made");
        local.fill(length, 1);
        local
    }
}

pub(crate) struct Local(PathBuf);

impl Local {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn name(&self) -> &str {
        let name = self.0.file_name().expect("a name");
        name.to_str().expect("text")
    }

    pub(crate) fn modified(&self) -> SystemTime {
        let metadata = fs::metadata(&self.0).expect("its metadata");
        metadata.modified().expect("a time")
    }

    /// Other bytes under the same name, size and time.
    pub(crate) fn change_unnoticed(&self) {
        self.refill(2);
    }

    /// The first bytes after `change_unnoticed`.
    pub(crate) fn change_back(&self) {
        self.refill(1);
    }

    fn refill(&self, seed: u8) {
        let (length, modified) = (self.length(), self.modified());
        self.fill(length, seed);
        let file = File::options().write(true).open(&self.0).expect("opened");
        file.set_modified(modified).expect("its time");
    }

    /// Changes bytes at the start and at the end. Name, size and time stay the same.
    pub(crate) fn change_start_and_end_unnoticed(&self) {
        self.change_start_unnoticed();
        self.change_unnoticed_at(self.length() - 2000, 2000);
    }

    pub(crate) fn change_start_unnoticed(&self) {
        self.change_unnoticed_at(1000, 1000);
    }

    fn change_unnoticed_at(&self, start: u64, length: usize) {
        let modified = self.modified();
        let file = File::options().write(true).open(&self.0).expect("opened");
        file.write_all_at(&vec![b'!'; length], start)
            .expect("written");
        file.set_modified(modified).expect("its time");
    }

    /// Removes the last bytes of the file.
    pub(crate) fn shorten_to(&self, length: u64) {
        let file = File::options().write(true).open(&self.0).expect("opened");
        file.set_len(length).expect("shortened");
    }

    /// Returns the id that the page gives to the file.
    pub(crate) fn id(&self) -> String {
        let since = self.modified().duration_since(UNIX_EPOCH).expect("a time");
        let plain = format!("{}-{}-{}", self.name(), self.length(), since.as_millis());
        percent_encoded(&plain)
    }

    pub(crate) fn length(&self) -> u64 {
        fs::metadata(&self.0).expect("its metadata").len()
    }

    /// Byte for byte the same as that one.
    #[track_caller]
    pub(crate) fn expect_same(&self, other: &Path) {
        let run = Command::new("cmp").arg(&self.0).arg(other).output_in_time();
        let run = run.expect("cmp runs");
        let said = [run.stdout, run.stderr].concat();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&said));
    }

    fn fill(&self, length: u64, seed: u8) {
        const PAGE: u64 = 4096;
        let mut file = BufWriter::new(File::create(&self.0).expect("created"));
        let mut page: Vec<u8> = (0..PAGE).map(|at| (at % 251) as u8 ^ seed).collect();
        for number in 0..length.div_ceil(PAGE) {
            page[..8].copy_from_slice(&number.to_le_bytes());
            let rest = (length - number * PAGE).min(PAGE) as usize;
            file.write_all(&page[..rest]).expect("written");
        }
        file.flush().expect("written");
    }
}

/// As `encodeURIComponent` does it.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => encoded.push(char::from(byte)),
            byte if b"-_.!~*'()".contains(&byte) => encoded.push(char::from(byte)),
            byte => write!(encoded, "%{byte:02X}").expect("a string takes everything"),
        }
    }
    encoded
}
