//! File systems on images: warnings at start.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::left_out::left_out;
use crate::mount::{Mount, make_image, obstacle};
use crate::program::Process;

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
