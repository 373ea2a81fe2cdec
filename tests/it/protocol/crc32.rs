//! CRC-32 of the whole file when the server is killed.

use std::fs;

use crate::support::limit::wait_until;
use crate::support::program::Program;
use crate::support::{Answer, Client, append, content};

const LENGTH: usize = 3_000_000;
const ID: &str = "film.bin-3000000-1700000000000";

fn crc32(bytes: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(bytes))
}

/// Returns a client in the middle of an append that declares this CRC-32.
fn begin(program: &Program, at: usize, length: usize, crc32: &str) -> Client {
    let mut client = program.connect();
    let field = format!("X-File-CRC32: {crc32}\r\nContent");
    client.send(append(ID, at, length).replace("Content", &field));
    client
}

fn send(program: &Program, at: usize, bytes: &[u8], crc32: &str) -> Answer {
    let mut client = begin(program, at, bytes.len(), crc32);
    client.send(bytes);
    client.answer()
}

/// Sends the beginning of a file, kills the server in mid-body, and returns a new server on the same directory.
fn killed(content: &[u8], flags: &[&str]) -> Program {
    let program = Program::start(flags);
    let first = send(&program, 0, &content[..1_000_000], "?");
    assert_eq!((first.status, first.text()), (200, "1000000"));
    // No answer reports these bytes, so they are not synced.
    let mut under_way = begin(&program, 1_000_000, 1_500_000, &crc32(content));
    under_way.send(&content[1_000_000..2_000_000]);
    wait_until!(program.connect().held(ID) >= 1_500_000);
    Program::over(program.kill(), "127.0.0.1:0", flags)
}

#[test]
fn mix_of_two_versions_is_refused_after_kill_9() {
    for sync in ["durable", "fast"] {
        let (old, mut new) = (content(LENGTH), content(LENGTH));
        new[1000] ^= 1;
        let program = killed(&old, &["--sync", sync]);
        let at = program.connect().held(ID) as usize;
        let refused = send(&program, at, &new[at..], &crc32(&new));
        assert_eq!(refused.status, 412, "{refused:?}");
        assert_eq!(refused.field("Upload-Complete"), Some("?0"));
        assert_eq!(refused.field("Upload-Offset"), Some("0"));
        assert_eq!(program.connect().held(ID), 0);
        assert!(!program.dir().join("film.bin").exists());

        let whole = send(&program, 0, &new, &crc32(&new));
        assert_eq!(whole.field("X-File-CRC32"), Some("?1"), "{whole:?}");
        assert!(fs::read(program.dir().join("film.bin")).expect("published") == new);
    }
}

#[test]
fn one_version_is_published_after_kill_9() {
    for sync in ["durable", "fast"] {
        let content = content(LENGTH);
        let program = killed(&content, &["--sync", sync]);
        let at = program.connect().held(ID) as usize;
        let whole = send(&program, at, &content[at..], &crc32(&content));
        assert_eq!(whole.text(), format!("Success {LENGTH}"));
        assert_eq!(whole.field("X-File-CRC32"), Some("?1"), "{whole:?}");
        assert!(fs::read(program.dir().join("film.bin")).expect("published") == content);

        let program = Program::over(program.kill(), "127.0.0.1:0", &["--sync", sync]);
        let again = send(&program, LENGTH, &[], &crc32(&content));
        assert_eq!(again.field("X-File-CRC32"), Some("?1"), "{again:?}");
        let other = send(&program, LENGTH, &[], &crc32(b"other"));
        assert_eq!(other.status, 412, "{other:?}");
        assert_eq!(other.field("Upload-Complete"), Some("?1"));
    }
}
