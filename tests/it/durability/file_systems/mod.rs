//! File systems on images: warnings at start, and the stored times of files.

pub(crate) mod place;
mod scenario;
mod table;

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use crate::support::append;
use crate::support::left_out::require;
use crate::support::mount::{Mount, fuse_obstacle, image_obstacle, make_image, obstacle};
use crate::support::program::Process;

const IMAGE_BYTES: u64 = 512 << 20;

#[test]
fn start_on_unsafe_ext4_warns() {
    let kinds = [
        ("ext4 -O fast_commit", "with fast commits"),
        ("ext4 -O ^has_journal", "without a journal"),
    ];
    require!(
        "the warning of an ext4 that may lose synced data",
        obstacle(&["ext4"])
    );
    for (kind, how) in kinds {
        let home = tempfile::tempdir().expect("a directory");
        let image = home.path().join("image");
        make_image(&image, kind, IMAGE_BYTES);
        let mount = Mount::image(&image);
        let mut process = Process::logging("warn", mount.path(), &[]);
        let mut lines = process.log();
        let warning = lines.find(|line| line.contains("ext4")).expect("a warning");
        assert!(warning.contains(how), "{warning}");
    }
}

/// This file system sets both times of a file, or none.
#[test]
fn libfuse2_file_system_keeps_the_time_of_the_client() {
    require!(
        "the time of a file on exfat-fuse",
        fuse_obstacle(&["mount.exfat-fuse"]).or_else(|| image_obstacle("exfat"))
    );
    let home = tempfile::tempdir().expect("a directory");
    let image = home.path().join("image");
    make_image(&image, "exfat", IMAGE_BYTES);
    let mount = Mount::fuse_image(&image, "exfat-fuse", "loop");
    let process = Process::start(mount.path(), "127.0.0.1:0", &[] as &[&str]);
    let answer = process.ask(append("a.txt-5-1000000000000", 0, 5) + "hello");
    assert_eq!(answer.text(), "Success 5");
    let about = fs::metadata(mount.path().join("a.txt")).expect("the file");
    let modified = about.modified().expect("its time");
    assert_eq!(
        modified,
        UNIX_EPOCH + Duration::from_millis(1_000_000_000_000)
    );
}
