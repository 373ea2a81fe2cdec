//! File systems on images: warnings at start, and the stored times of files.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use crate::support::Client;
use crate::support::left_out::left_out;
use crate::support::mount::{Mount, fuse_obstacle, make_image, obstacle};
use crate::support::program::Process;

const IMAGE_BYTES: u64 = 512 << 20;

#[test]
fn start_on_unsafe_ext4_warns() {
    let kinds = [
        ("ext4 -O fast_commit", "with fast commits"),
        ("ext4 -O ^has_journal", "without a journal"),
    ];
    if let Some(reason) = obstacle(&["ext4"]) {
        return left_out("the warning of an ext4 that may lose synced data", &reason);
    }
    for (kind, how) in kinds {
        let home = tempfile::tempdir().expect("a directory");
        let image = home.path().join("image");
        make_image(&image, kind, IMAGE_BYTES);
        let mount = Mount::image(&image);
        let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
        command.env("RUST_LOG", "warn").stderr(Stdio::piped());
        let mut process = Process::of(command, mount.path(), "127.0.0.1:0", &[] as &[&str]);
        let stderr = process.child().stderr.take().expect("piped");
        let mut lines = BufReader::new(stderr)
            .lines()
            .map(|line| line.expect("text"));
        let warning = lines.find(|line| line.contains("ext4")).expect("a warning");
        assert!(warning.contains(how), "{warning}");
    }
}

/// This file system sets both times of a file, or none.
#[test]
fn libfuse2_file_system_keeps_the_time_of_the_client() {
    if let Some(reason) = fuse_obstacle(&["mkfs.exfat", "mount.exfat-fuse"]) {
        return left_out("the time of a file on exfat-fuse", &reason);
    }
    let home = tempfile::tempdir().expect("a directory");
    let image = home.path().join("image");
    make_image(&image, "exfat", IMAGE_BYTES);
    let mount = Mount::fuse_image(&image, "exfat-fuse", "loop");
    let process = Process::start(mount.path(), "127.0.0.1:0", &[] as &[&str]);
    let mut client = Client::connect(process.addr);
    client.send(
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: a.txt-5-1000000000000\r\n\
         Content-Length: 5\r\n\r\nhello",
    );
    assert_eq!(client.answer().text(), "Success 5");
    let about = fs::metadata(mount.path().join("a.txt")).expect("the file");
    let modified = about.modified().expect("its time");
    assert_eq!(
        modified,
        UNIX_EPOCH + Duration::from_millis(1_000_000_000_000)
    );
}
