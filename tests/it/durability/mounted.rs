//! Folders below the directory that are mounts of other file systems.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::durability::file_systems::place::Place;
use crate::support::files::finished;
use crate::support::left_out::{left_out, require};
use crate::support::limit::WaitInTime;
use crate::support::local::Disk;
use crate::support::mount::{Mount, fuse_obstacle, image_obstacle, make_image, obstacle};
use crate::support::program::Process;
use crate::support::running::run;
use crate::support::{append, content, status};

const TIMEOUT: Duration = Duration::from_secs(60);

/// A directory whose folder `photos` is a tmpfs.
struct Mounted {
    // Unmounted before it is removed.
    photos: Mount,
    dir: tempfile::TempDir,
}

impl Mounted {
    /// Returns `None` with a message if the machine cannot mount it.
    fn new(what: &str, options: &str) -> Option<Mounted> {
        if let Some(reason) = obstacle(&[]) {
            left_out(what, &reason);
            return None;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let photos = dir.path().join("photos");
        fs::create_dir(&photos).expect("made");
        let photos = Mount::tmpfs_on(&photos, options);
        Some(Mounted { photos, dir })
    }

    fn start(&self) -> Process {
        Process::start(self.dir.path(), "127.0.0.1:0", &[] as &[&str])
    }

    fn photos(&self) -> Vec<String> {
        finished(self.photos.path())
    }
}

fn named(id: &str, name: &str, length: usize) -> String {
    let fields = format!("\r\nX-File-Size: {length}\r\nX-File-Name: {name}\r\n\r\n");
    append(id, 0, length).replace("\r\n\r\n", &fields)
}

/// Asks until the copy has ended; while it goes on, the answer has to be 503.
fn wait_until_complete(process: &Process, id: &str) {
    let until = Instant::now() + TIMEOUT;
    loop {
        let answer = process.ask(status(id));
        if answer.status == 200 {
            return assert_eq!(answer.field("Upload-Complete"), Some("?1"));
        }
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.field("Retry-After").is_some());
        assert_eq!(answer.field("Upload-Offset"), None);
        assert!(Instant::now() < until, "{answer:?}");
    }
}

#[test]
fn put_into_a_mounted_folder_ends_with_all_files_there() {
    let Some(mounted) = Mounted::new("a folder that is another mount", "size=100m") else {
        return;
    };
    let process = mounted.start();
    let local = Disk::new();
    let files = [
        local.file("photos/a.jpg", 300_000),
        local.file("zz.txt", 10),
    ];
    let mut put = Command::new(env!("CARGO_BIN_EXE_resumed"));
    put.args(["put", "--give-up-after=30s"])
        .args([local.path().join("photos"), files[1].path().into()])
        .arg(format!("http://{}", process.addr))
        .stdin(Stdio::null());
    run(&mut put).expect(0, &[]);
    let there = |path: &str| fs::read(mounted.dir.path().join(path)).expect("it is there");
    for (file, path) in files.iter().zip(["photos/a.jpg", "zz.txt"]) {
        assert!(there(path) == fs::read(file.path()).expect("readable"));
    }
    assert_eq!(mounted.photos(), ["a.jpg"]);
}

#[test]
fn file_too_large_for_its_mount_is_refused_before_its_body() {
    let Some(mounted) = Mounted::new("a folder on a small disk", "size=80m") else {
        return;
    };
    let process = mounted.start();
    let mut client = process.connect();
    assert_eq!(client.ask(named("a", "photos/a", 40 << 20)).status, 507);
    assert!(mounted.photos().is_empty());
}

#[test]
fn first_upload_into_a_mounted_folder_warns_of_its_file_system() {
    let Some(mounted) = Mounted::new("the warning of a mounted folder", "size=80m") else {
        return;
    };
    let mut process = Process::logging("warn", mounted.dir.path(), &["--min-free", "0"]);
    let log = process.log();
    for id in ["a", "b"] {
        process.send(named(id, &format!("photos/{id}"), 5), b"hello");
        wait_until_complete(&process, id);
    }
    drop(process);
    let log: Vec<_> = log.collect();
    let warning = format!("{} is in memory", mounted.photos.path().display());
    let count = log.iter().filter(|line| line.contains(&warning)).count();
    assert_eq!(count, 1, "{log:?}");
}

/// On these file systems, a sync of the file and of its folder does not suffice.
#[test]
#[ignore = "needs FAT and NTFS: make filesystems"]
fn file_in_a_mounted_folder_survives_a_power_cut() {
    let content = content(3_000_000);
    for kind in ["vfat", "ntfs3"] {
        let place = Place::new(kind).expect(kind);
        let dir = tempfile::tempdir().expect("a directory");
        let photos = dir.path().join("photos");
        fs::create_dir(&photos).expect("made");
        let photos = Mount::bound(&place.uploads(), &photos);
        let mounted = Mounted { photos, dir };
        // The images are small.
        let flags = ["--min-free", "0", "--min-free-inodes", "0"];
        let process = Process::start(mounted.dir.path(), "127.0.0.1:0", &flags);
        process.send(named("a", "photos/film.bin", content.len()), &content);
        wait_until_complete(&process, "a");
        assert!(place.copy_disk(), "{kind}");
        drop((process, mounted));
        place.mount_copy().expect(kind);
        let film = fs::read(place.uploads().join("film.bin")).expect(kind);
        assert!(film == content, "{kind}: {} bytes", film.len());
    }
}

/// The server is killed during the copy, and started again.
#[test]
fn kill_in_mid_copy_leaves_one_whole_file_after_restart() {
    let Some(mounted) = Mounted::new("a kill in mid-copy", "size=700m") else {
        return;
    };
    let mut process = mounted.start();
    let content: Vec<u8> = (0_u32..64 << 20).flat_map(u32::to_le_bytes).collect();
    let mut client = process.connect();
    client.send(named("a", "photos/film.mp4", content.len()));
    client.send(&content);
    let hidden = wait_for_hidden(mounted.photos.path());
    let copied = fs::metadata(&hidden).map_or(0, |about| about.len());
    process.child().kill().expect("killed");
    drop(process);
    assert!(copied < content.len() as u64, "the copy was too quick");
    assert!(hidden.exists() && mounted.photos().len() == 1);

    let process = mounted.start();
    wait_until_complete(&process, "a");
    assert_eq!(mounted.photos(), ["film.mp4"]);
    let film = fs::read(mounted.photos.path().join("film.mp4")).expect("there");
    assert!(film == content);
}

/// Waits until the hidden copy has bytes, and returns its path.
fn wait_for_hidden(dir: &Path) -> PathBuf {
    let until = Instant::now() + TIMEOUT;
    loop {
        let entries = fs::read_dir(dir).expect("listed");
        let has_bytes = |path: &PathBuf| fs::metadata(path).is_ok_and(|about| about.len() > 0);
        let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        if let Some(path) = paths.find(has_bytes) {
            return path;
        }
        assert!(Instant::now() < until, "nothing is copied");
    }
}

/// A copied file gets its hook like any other.
#[test]
fn hook_runs_for_a_copied_file() {
    let Some(mounted) = Mounted::new("the hook of a copied file", "size=100m") else {
        return;
    };
    let noted = mounted.dir.path().join("noted");
    let hook = format!(
        "echo \"$UPLOAD_PATH\" > {}.new && mv {0}.new {0}",
        noted.display()
    );
    let process = Process::start(mounted.dir.path(), "127.0.0.1:0", &["--on-complete", &hook]);
    let answer = process.send(named("a", "photos/a", 5), b"hello");
    assert_eq!(answer.text(), "Success 5");
    let until = Instant::now() + TIMEOUT;
    while !noted.exists() {
        assert!(Instant::now() < until, "it does not run");
    }
    let path = fs::read_to_string(noted).expect("noted");
    assert!(path.trim().ends_with("photos/a"), "{path}");
}

/// A stop does not wait for the end of the copy.
#[test]
fn stop_in_mid_copy_is_quick_and_the_next_server_carries_on() {
    let Some(mounted) = Mounted::new("a stop in mid-copy", "size=700m") else {
        return;
    };
    let mut process = mounted.start();
    let content = vec![7; 256 << 20];
    let mut client = process.connect();
    client.send(named("a", "photos/film.mp4", content.len()));
    client.send(&content);
    wait_for_hidden(mounted.photos.path());
    let stopped = Instant::now();
    kill_process(Pid::from_child(process.child()), Signal::TERM).expect("signalled");
    assert!(process.child().wait_in_time().success());
    assert!(stopped.elapsed() < Duration::from_secs(5));
    drop(process);
    let process = mounted.start();
    wait_until_complete(&process, "a");
    assert_eq!(mounted.photos(), ["film.mp4"]);
}

#[test]
fn replacing_server_publishes_into_a_mounted_folder() {
    let Some(mounted) = Mounted::new("replacing in a mounted folder", "size=9m") else {
        return;
    };
    let flags = ["--on-conflict", "replace", "--min-free", "0"];
    let process = Process::start(mounted.dir.path(), "127.0.0.1:0", &flags);
    for (id, bytes) in [("one", b"first"), ("two", b"other")] {
        let head = named(id, "photos%2Fa.txt", bytes.len());
        process.send(head, bytes);
        wait_until_complete(&process, id);
        let path = mounted.photos.path().join("a.txt");
        assert_eq!(fs::read(path).expect("there"), bytes);
        assert_eq!(mounted.photos(), ["a.txt"]);
    }
}

/// The folder is an exFAT mount; the directory above allows every name.
#[test]
fn name_that_a_mounted_folder_refuses_is_respelled() {
    require!(
        "a folder that is an exFAT stick",
        fuse_obstacle(&["mount.exfat-fuse"]).or_else(|| image_obstacle("exfat"))
    );
    let dir = tempfile::tempdir().expect("a directory");
    let (photos, image) = (dir.path().join("photos"), dir.path().join("image"));
    fs::create_dir(&photos).expect("made");
    make_image(&image, "exfat", 256 << 20);
    let photos = Mount::fuse_image_on(&photos, &image, "exfat-fuse");
    let mounted = Mounted { photos, dir };
    let process = mounted.start();
    for id in ["a", "b"] {
        let answer = process.send(named(id, "photos/a%3Ab.txt", 5), b"hello");
        assert_eq!(answer.text(), "Success 5");
    }
    assert_eq!(mounted.photos(), ["a_b (1).txt", "a_b.txt"]);
}
