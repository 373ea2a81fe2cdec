//! Disk trouble with real disks: full ones, one that promises more than it has, and directories that are not what
//! they should be.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::support::files::finished;
use crate::support::left_out::{require, root_obstacle};
use crate::support::mount::{Mount, make_image, obstacle};
use crate::support::program::Process;
use crate::support::running::listens;
use crate::support::{Answer, Client, content, in_a_chunk, status};

const MB: usize = 1_000_000;

/// A server over a file system, all of which it may fill.
fn start(mount: &Mount) -> Process {
    // The log of failed disks is not of interest.
    Process::logging("off", &mount.path().join("uploads"), &["--min-free", "0"])
}

fn append(id: &str, start: usize, fields: &str) -> String {
    format!(
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: {id}\r\nX-Start-Byte: {start}\r\n{fields}\r\n"
    )
}

#[test]
fn upload_beyond_free_space_is_refused_before_its_body() {
    require!("a small disk", obstacle(&[]));
    let mount = Mount::tmpfs("size=4m");
    let process = start(&mount);
    let length = 8 * MB;
    let answer = process.ask(append("a", 0, &format!("Content-Length: {length}\r\n")));
    assert_eq!((answer.status, answer.offset()), (507, 0));
    let declares = format!("X-File-Size: {length}\r\nContent-Length: 1\r\n");
    let answer = process.ask(append("b", 0, &declares));
    assert_eq!((answer.status, answer.offset()), (507, 0));
}

#[test]
fn uploads_are_taken_where_free_space_is_unknown() {
    require!(
        "a file system that does not report its free space",
        obstacle(&[])
    );
    // A tmpfs without a limit reports zeros, like many FUSE file systems.
    let mount = Mount::tmpfs("size=0");
    let dir = mount.path().join("uploads");
    let log = tempfile::NamedTempFile::new().expect("a log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
    command.stderr(log.reopen().expect("opened twice"));
    let process = Process::of(command, &dir, "127.0.0.1:0", &[] as &[&str]);
    let head = append("a", 0, "X-File-Size: 5\r\nContent-Length: 5\r\n");
    let answer = process.send(&head, b"hello");
    assert_eq!(answer.text(), "Success 5");
    drop(process);
    let said = fs::read_to_string(log.path()).expect("readable");
    let warned = "the file system does not report its free space";
    assert_eq!(said.matches(warned).count(), 1, "{said}");
}

#[test]
fn of_what_shows_no_end_is_kept_what_fits_and_space_that_is_freed_lets_it_carry_on() {
    require!("a disk that gets full", obstacle(&[]));
    let mount = Mount::tmpfs("size=4m");
    let ballast = mount.path().join("ballast");
    fs::write(&ballast, content(2 * MB)).expect("it fits");
    let process = start(&mount);
    let content = content(3 * MB);

    let answer = process.send(
        append("a", 0, "Transfer-Encoding: chunked\r\n"),
        &in_a_chunk(&content),
    );
    let held = answer.offset() as usize;
    assert_eq!(answer.status, 507);
    assert!((MB..3 * MB).contains(&held), "{held} bytes of about 2 MB");
    assert_eq!(process.ask(status("a")).text(), held.to_string());

    let rest = format!(
        "X-File-Size: {}\r\nContent-Length: {}\r\n",
        content.len(),
        content.len() - held
    );
    assert_eq!(process.ask(append("a", held, &rest)).status, 507);
    fs::remove_file(ballast).expect("removed");
    let answer = process.send(append("a", held, &rest), &content[held..]);
    assert_eq!(answer.text(), format!("Success {}", content.len()));
    let file = published(&mount);
    assert!(file == content);
}

/// Returns the bytes of the only finished file.
fn published(mount: &Mount) -> Vec<u8> {
    let dir = mount.path().join("uploads");
    let files = finished(&dir);
    assert_eq!(files.len(), 1, "{files:?}");
    fs::read(dir.join(&files[0])).expect("readable")
}

/// Calls `work` for each item at the same time.
fn at_once<I: Send, T: Send>(
    items: impl IntoIterator<Item = I>,
    work: impl Fn(I) -> T + Sync,
) -> Vec<T> {
    let work = &work;
    thread::scope(|scope| {
        let spawn = |item| scope.spawn(move || work(item));
        let threads: Vec<_> = items.into_iter().map(spawn).collect();
        let results = threads.into_iter().map(|thread| thread.join());
        results.map(|result| result.expect("no panic")).collect()
    })
}

#[test]
fn of_ten_uploads_that_do_not_fit_together_those_admitted_finish() {
    require!("ten uploads on a small disk", obstacle(&[]));
    let mount = Mount::tmpfs("size=5m");
    let process = start(&mount);
    let content = content(MB);
    let ask = |number: usize| {
        let mut client = process.connect();
        let fields =
            format!("X-File-Size: {MB}\r\nContent-Length: {MB}\r\nExpect: 100-continue\r\n");
        let decision = client.ask(append(&format!("upload-{number}"), 0, &fields));
        (client, decision)
    };
    let send = |(mut client, decision): (Client, Answer)| {
        if decision.status != 100 {
            return decision;
        }
        client.send(&content);
        client.answer()
    };
    // All are admitted or refused before the first byte of any is sent.
    let decided = at_once(0..10, ask);
    let answers = at_once(decided, send);
    let (admitted, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(admitted.len(), 5, "{answers:?}");
    assert!(
        admitted
            .iter()
            .all(|answer| answer.text() == format!("Success {MB}"))
    );
    assert!(
        refused.iter().all(|answer| answer.status == 507),
        "{answers:?}"
    );
}

/// A disk that promises more than it has: an image full of holes, on a file system that can be filled up.
struct Thin {
    disk: Option<Mount>,
    host: Mount,
}

impl Thin {
    fn new() -> Thin {
        let host = Mount::tmpfs("size=200m");
        let image = host.path().join("image");
        make_image(&image, "xfs", 1 << 30);
        Thin {
            disk: Some(Mount::image(&image)),
            host,
        }
    }

    fn disk(&self) -> &Mount {
        self.disk.as_ref().expect("mounted")
    }

    /// From now on nothing new finds room.
    fn fill(&self) {
        let mut ballast = fs::File::create(self.host.path().join("ballast")).expect("made");
        while ballast.write_all(&[1; 4096]).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.host.path().join("ballast")).expect("removed");
    }

    /// Drops all that is only in memory.
    fn remount(&mut self) {
        self.disk = None;
        self.disk = Some(Mount::image(&self.host.path().join("image")));
    }
}

/// Returns whether a first sync fails and a second succeeds.
fn fails_once(mount: &Mount) -> bool {
    let file = fs::File::create(mount.path().join("witness")).expect("made");
    file.write_all_at(&content(8 * MB), 0).expect("taken");
    file.sync_data().is_err() && file.sync_data().is_ok()
}

#[test]
fn a_sync_that_fails_once_and_then_succeeds_makes_nothing_untrue() {
    require!("a sync that fails", obstacle(&["xfs"]));
    let mut thin = Thin::new();
    let content = content(9 * MB);
    let declared = |length| {
        format!(
            "X-File-Size: {}\r\nContent-Length: {length}\r\n",
            content.len()
        )
    };
    let process = start(thin.disk());
    let answer = process.send(append("a", 0, &declared(MB)), &content[..MB]);
    assert_eq!(answer.text(), MB.to_string());

    thin.fill();
    assert!(fails_once(thin.disk()), "the disk is not as it should be");
    let rest = append("a", MB, &declared(content.len() - MB));
    let answer = process.send(&rest, &content[MB..]);
    assert!(matches!(answer.status, 500 | 507), "{answer:?}");
    assert_eq!(process.ask(status("a")).text(), MB.to_string());
    // What the next server finds is not what is on the disk, but what the last one wrote.
    drop(process);
    let process = start(thin.disk());
    assert_eq!(process.ask(status("a")).text(), MB.to_string());
    drop(process);

    thin.empty();
    thin.remount();
    let process = start(thin.disk());
    assert_eq!(process.ask(status("a")).text(), MB.to_string());
    let answer = process.send(&rest, &content[MB..]);
    assert_eq!(answer.text(), format!("Success {}", content.len()));
    drop(process);
    thin.remount();
    assert!(published(thin.disk()) == content);
}

/// Returns the message of a command that does not start.
fn refusal(dir: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
    command.args(["--listen", "127.0.0.1:0"]).arg(dir);
    let said = listens(&mut command).expect_err("refused");
    let refusal = said.strip_prefix("resumed: cannot take uploads: ");
    refusal.unwrap_or_else(|| panic!("{said}")).to_owned()
}

#[test]
fn a_directory_that_cannot_be_used_is_refused_with_a_clear_word() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let vanished = home.path().join("vanished");
    symlink(home.path().join("nowhere"), &vanished).expect("linked");
    let said = refusal(&vanished);
    assert_eq!(said, format!("{} is not a directory\n", vanished.display()));

    let occupied = home.path().join("occupied");
    let file = occupied.join(".resumed");
    fs::create_dir(&occupied).expect("made");
    fs::write(&file, "mine").expect("written");
    let said = refusal(&occupied);
    assert_eq!(said, format!("{} is not a directory\n", file.display()));
    assert_eq!(fs::read(file).expect("still there"), b"mine");
}

#[test]
fn a_directory_that_cannot_be_written_is_refused_with_a_clear_word() {
    // Root may write where nobody may, but not where nothing can be written.
    if root_obstacle().is_none() {
        require!("a directory that root cannot write", obstacle(&[]));
        let mount = Mount::tmpfs("ro");
        let said = refusal(mount.path());
        let expected = format!("{} is not writable: Read-only", mount.path().display());
        assert!(said.starts_with(&expected), "{said}");
    } else {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::set_permissions(dir.path(), Permissions::from_mode(0o555)).expect("closed");
        let said = refusal(dir.path());
        let expected = format!(
            "{} is not writable: Permission denied",
            dir.path().display()
        );
        assert!(said.starts_with(&expected), "{said}");
    }
}
