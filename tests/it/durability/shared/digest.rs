//! Checksums of uploads whose bytes several servers have received.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use resumed::{Config, Server};
use sha2::{Digest as _, Sha256};

use crate::support::limit::wait_until;
use crate::support::program::Process;
use crate::support::{append, content};

use super::{ID, LENGTH, Pair, expect_whole, temporary};

/// Returns the value of `Repr-Digest`.
fn digest(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(bytes)))
}

fn hashing(paths: [&Path; 2]) -> Pair {
    Pair(paths.map(|path| started(Config::new(path).sha256(true))))
}

fn started(config: Config) -> Server {
    let server = resumed::start(config.listen("127.0.0.1:0").shared(true));
    server.expect("a second server starts too")
}

#[test]
fn digest_covers_the_bytes_of_both_servers() {
    let dir = temporary();
    let pair = hashing([dir.path(); 2]);
    let content = content(LENGTH);
    let expected = digest(&content);
    let last = pair.send_in_turns(&content, "", "");
    assert_eq!(last.field("Repr-Digest"), Some(&*expected), "{last:?}");
    for which in 0..2 {
        let again = pair.ask(which, append(ID, LENGTH, 0));
        assert_eq!(again.field("Repr-Digest"), Some(&*expected), "at {which}");
    }
    expect_whole(dir.path(), "hops.bin", &content);
}

#[test]
fn digest_declared_at_one_server_binds_both() {
    for all_hash in [false, true] {
        let dir = temporary();
        let pair = match all_hash {
            true => hashing([dir.path(); 2]),
            false => Pair::over([dir.path(); 2]),
        };
        let mut content = content(LENGTH);
        let declared = format!("Repr-Digest: {}\r\n", digest(&content));
        content[LENGTH / 2] ^= 1;
        let refused = pair.send_in_turns(&content, &declared, "");
        assert_eq!(refused.status, 400, "{refused:?}");
        assert_eq!((pair.held(0, ID), pair.held(1, ID)), (0, 0));
        assert!(!dir.path().join("hops.bin").exists());

        content[LENGTH / 2] ^= 1;
        let taken = pair.send_in_turns(&content, &declared, "");
        assert_eq!(taken.text(), format!("Success {LENGTH}"));
        expect_whole(dir.path(), "hops.bin", &content);
    }
}

#[test]
fn crc32_requested_at_one_server_is_compared_by_the_other() {
    let dir = temporary();
    let pair = Pair::over([dir.path(); 2]);
    let mut content = content(LENGTH);
    let crc32 = format!("X-File-CRC32: {:08x}\r\n", crc32fast::hash(&content));
    content[LENGTH / 2] ^= 1;
    let refused = pair.send_in_turns(&content, "X-File-CRC32: ?\r\n", &crc32);
    assert_eq!(refused.status, 412, "{refused:?}");
    assert_eq!((pair.held(0, ID), pair.held(1, ID)), (0, 0));
    assert!(!dir.path().join("hops.bin").exists());

    content[LENGTH / 2] ^= 1;
    let taken = pair.send_in_turns(&content, "X-File-CRC32: ?\r\n", &crc32);
    assert_eq!(taken.field("X-File-CRC32"), Some("?1"), "{taken:?}");
    expect_whole(dir.path(), "hops.bin", &content);
    for which in 0..2 {
        let ask = append(ID, LENGTH, 0).replace("Content", &format!("{crc32}Content"));
        let again = pair.ask(which, ask);
        assert_eq!(again.field("X-File-CRC32"), Some("?1"), "at {which}");
    }
}

/// The server that receives the bytes has not hashed them before.
#[test]
fn digest_may_be_declared_while_the_other_server_receives() {
    for is_right in [true, false] {
        let dir = temporary();
        let pair = Pair::over([dir.path(); 2]);
        let content = content(LENGTH);
        let mut client = pair.connect(0);
        client.send(append(ID, 0, LENGTH));
        client.send(&content[..LENGTH / 2]);
        wait_until!(pair.held(1, ID) >= LENGTH / 2);
        let declared = digest(&content[usize::from(!is_right)..]);
        let declare = append(ID, LENGTH / 2, 0)
            .replace("Content", &format!("Repr-Digest: {declared}\r\nContent"));
        assert_eq!(pair.ask(1, declare).status, 200);
        let last = client.ask(&content[LENGTH / 2..]);
        if is_right {
            assert_eq!(last.text(), format!("Success {LENGTH}"));
            expect_whole(dir.path(), "hops.bin", &content);
        } else {
            assert_eq!(last.status, 400, "{last:?}");
            assert!(!dir.path().join("hops.bin").exists());
        }
    }
}

#[test]
fn killed_server_leaves_a_correct_digest() {
    let dir = temporary();
    let content = content(LENGTH);
    let start = || Process::start(dir.path(), "127.0.0.1:0", &["--shared", "--sha256"]);
    let other = start();
    for round in 0..3 {
        let id = format!("killed-{round}.bin-{LENGTH}-1700000000000");
        let send = |server: &Process, at: usize, end: usize, length| {
            let mut client = server.connect();
            client.send(append(&id, at, length));
            client.send(&content[at..end]);
            client
        };
        // The killed server has stored a hash state for its first bytes, but not for its last ones.
        let killed = start();
        assert_eq!(send(&killed, 0, 500_000, 500_000).answer().status, 200);
        assert_eq!(
            send(&other, 500_000, 1_000_000, 500_000).answer().status,
            200
        );
        let under_way = send(&killed, 1_000_000, 2_000_000, LENGTH - 1_000_000);
        wait_until!(killed.connect().held(&id) >= 1_500_000);
        drop((killed, under_way));
        let at = other.connect().held(&id) as usize;
        let last = send(&other, at, LENGTH, LENGTH - at).answer();
        assert_eq!(last.text(), format!("Success {LENGTH}"));
        assert_eq!(
            last.field("Repr-Digest"),
            Some(&*digest(&content)),
            "{round}"
        );
        assert!(
            fs::read(dir.path().join(format!("killed-{round}.bin"))).expect("published") == content
        );
    }
}
