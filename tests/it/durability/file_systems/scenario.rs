//! One scenario for all file systems. Each step returns its observation as a cell of the table.

use std::any::Any;
use std::fs;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::durability::file_systems::place::Place;
use crate::support::files::finished;
use crate::support::program::Process;
use crate::support::running::{listens, wait_for_part};
use crate::support::{append, content, in_a_chunk, status};

/// The observation of a step that went as promised.
const AS_PROMISED: &str = "yes";

/// The beginning of the observation of a failed step.
pub(super) const FAILED: &str = "**no**: ";

/// A step, and the head of its column.
pub(super) type Step = (&'static str, fn(&Place) -> Result<String, String>);

pub(super) const STEPS: [Step; 8] = [
    ("continues", continues),
    ("same name", same_name),
    ("names", names),
    ("time", time),
    ("full", full),
    ("read-only", read_only),
    ("power cut", power_cut),
    ("at start", at_start),
];

/// Returns the observation of a step. A failure is one too.
pub(super) fn observe(place: &Place, step: &Step) -> String {
    match catch_unwind(AssertUnwindSafe(|| step.1(place))) {
        Ok(Ok(cell)) => cell,
        Ok(Err(error)) => format!("{FAILED}{error}"),
        Err(panic) => format!("{FAILED}{}", message(&*panic)),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("panic").replace('\n', " ")
}

const LENGTH: usize = 3_000_000;

/// The times of files: with milliseconds, and odd seconds.
const MODIFIED_MS: u64 = 1_000_000_001_123;

fn start(place: &Place) -> Process {
    start_with(place, &[])
}

fn start_with(place: &Place, flags: &[&str]) -> Process {
    let disk = ["--min-free", "0", "--min-free-inodes", "0"];
    Process::logging("off", &place.uploads(), &[&disk[..], flags].concat())
}

fn id(name: &str) -> String {
    format!("{name}-{LENGTH}-{MODIFIED_MS}")
}

/// An upload is cut, continued, cut by `kill -9`, and continued by the next server.
fn continues(place: &Place) -> Result<String, String> {
    let (id, content, third) = (id("film.bin"), content(LENGTH), LENGTH / 3);
    let process = start(place);
    let mut client = process.connect();
    client.send(append(&id, 0, LENGTH));
    client.send(&content[..third]);
    client.cut();
    expect(
        "offset after a cut",
        process.connect().held(&id),
        third as u64,
    )?;
    let mut client = process.connect();
    client.send(append(&id, third, LENGTH - third));
    client.send(&content[third..2 * third]);
    wait_for_part(&place.uploads(), 2 * third as u64);
    drop(process);
    let process = start(place);
    let held = process.connect().held(&id) as usize;
    expect("offset after a kill", held, 2 * third)?;
    complete(&process, &id, &content)?;
    expect_file(place, "film.bin", &content)
}

/// Sends the rest of an upload.
fn complete(process: &Process, id: &str, content: &[u8]) -> Result<(), String> {
    let held = process.connect().held(id) as usize;
    let rest = content.get(held..).ok_or("more bytes than were sent")?;
    let answer = process.send(append(id, held, rest.len()), rest);
    expect(
        "the last answer",
        answer.text(),
        &*format!("Success {}", content.len()),
    )
}

fn expect_file(place: &Place, name: &str, content: &[u8]) -> Result<String, String> {
    let stored = fs::read(place.uploads().join(name)).map_err(|error| error.to_string())?;
    match stored == content {
        true => Ok(AS_PROMISED.into()),
        false => Err(format!("`{name}` has other bytes")),
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, is: T, wanted: T) -> Result<(), String> {
    match is == wanted {
        true => Ok(()),
        false => Err(format!("{what} is {is:?}, not {wanted:?}")),
    }
}

/// Uploads a file of five bytes, and returns the name under which it is stored.
fn stored_as(process: &Process, dir: &Path, id: &str, name: &str) -> Result<String, String> {
    let before = finished(dir);
    let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let fields = format!("\r\nX-File-Size: 5\r\nX-File-Name: {encoded}\r\n\r\n");
    let head = append(id, 0, 5).replace("\r\n\r\n", &fields);
    let answer = process.send(head, b"hello");
    expect("the answer", answer.text(), "Success 5")?;
    let mut after = finished(dir);
    after.retain(|path| !before.contains(path));
    after.pop().ok_or(format!("no new file for {name:?}"))
}

/// Files with the same name, and with names that differ in case.
fn same_name(place: &Place) -> Result<String, String> {
    let (process, dir) = (start(place), place.uploads());
    let store = |id, name| stored_as(&process, &dir, id, name);
    expect("the first file", store("n1", "a.jpg")?, "a.jpg".into())?;
    expect("the second file", store("n2", "a.jpg")?, "a (1).jpg".into())?;
    let upper = store("n3", "A.JPG")?;
    expect("the number of files", finished(&dir).len(), 4)?;
    drop(process);
    let method = method_of_rename(&dir).map_err(|error| error.to_string())?;
    Ok(format!("`A.JPG` beside `a.jpg`: `{upper}`; {method}"))
}

/// Returns the method by which the server publishes without overwriting.
fn method_of_rename(dir: &Path) -> io::Result<&'static str> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let [one, other] = ["one", "other"].map(|name| dir.join(format!(".probe-{name}")));
    fs::write(&one, "")?;
    let renamed = renameat_with(CWD, &one, CWD, &other, RenameFlags::NOREPLACE);
    let method = match renamed {
        Ok(()) => "rename",
        Err(_) if fs::hard_link(&one, &other).is_ok() => "link",
        Err(_) => "look, then rename",
    };
    [one, other]
        .iter()
        .for_each(|path| drop(fs::remove_file(path)));
    Ok(method)
}

/// Names that are long, or have characters that some file systems refuse or change.
fn names(place: &Place) -> Result<String, String> {
    let (process, dir) = (start(place), place.uploads());
    let (long, wide) = (
        format!("{}.jpg", "x".repeat(251)),
        format!("{}.jpg", "é".repeat(125)),
    );
    let names = [
        ("é (NFC)", "x\u{e9}"),
        ("é (NFD)", "xe\u{301}"),
        ("`日😀`", "日😀"),
        ("`a:b?`", "a:b?"),
        ("255 bytes", &long),
        ("129 characters of 254 bytes", &wide),
    ];
    let mut changed = Vec::new();
    for (number, (label, name)) in names.iter().enumerate() {
        let stored = stored_as(&process, &dir, &format!("m{number}"), name)?;
        match stored.len() {
            _ if stored == *name => {}
            length if length > 60 => changed.push(format!("{label}: {length} bytes")),
            _ => changed.push(format!("{label}: `{stored}`")),
        }
    }
    Ok(match changed.is_empty() {
        true => "as sent".into(),
        false => changed.join(", "),
    })
}

/// The stored time of the client's file.
fn time(place: &Place) -> Result<String, String> {
    let process = start(place);
    let id = format!("time.txt-5-{MODIFIED_MS}");
    let answer = process.send(append(&id, 0, 5), b"hello");
    expect("the answer", answer.text(), "Success 5")?;
    let about =
        fs::metadata(place.uploads().join("time.txt")).map_err(|error| error.to_string())?;
    let modified = about.modified().map_err(|error| error.to_string())?;
    let since = modified
        .duration_since(UNIX_EPOCH)
        .map_err(|error| error.to_string())?;
    let stored = since.as_millis() as u64;
    let steps = [(1, "exact"), (10, "10 ms"), (1000, "1 s"), (2000, "2 s")];
    let step = steps
        .iter()
        .find(|(step, _)| stored == MODIFIED_MS / step * step);
    step.map(|(_, name)| (*name).into())
        .ok_or(format!("{stored} instead of {MODIFIED_MS}"))
}

/// A disk without space: the bytes that came stay, and the upload continues when there is space again.
fn full(place: &Place) -> Result<String, String> {
    // Two files: one fills a branch of mergerfs.
    let fillers = ["filler-1", "filler-2"].map(|name| place.mount().join(name));
    for id in (1..=10).map(|number| format!("full-{number}")) {
        for filler in &fillers {
            fill(filler, LENGTH as u64 / 2).map_err(|error| error.to_string())?;
        }
        let cell = upload_to_full(place, &id, &fillers);
        fillers
            .iter()
            .for_each(|filler| drop(fs::remove_file(filler)));
        if let Some(cell) = cell.transpose() {
            return cell;
        }
    }
    Err("the disk does not stay full".into())
}

/// Returns `None` if the disk has space again, or none for a record: xfs frees the space of removed files in the background.
fn upload_to_full(place: &Place, id: &str, fillers: &[PathBuf]) -> Result<Option<String>, String> {
    let content = content(LENGTH);
    let process = start(place);
    let name = format!("{id}.bin");
    let answer = process.send(append(&self::id(&name), 0, LENGTH), &content);
    if answer.status == 200 {
        return Ok(None);
    }
    expect("the status of a declared upload", answer.status, 507)?;
    let post = |start, more: &str| {
        format!(
            "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: {id}\r\nX-Start-Byte: {start}\r\n{more}\r\n"
        )
    };
    let body = in_a_chunk(&content);
    let answer = process.send(post(0, "Transfer-Encoding: chunked\r\n"), &body);
    if answer.status == 200 {
        return Ok(None);
    }
    expect("the status of an upload", answer.status, 507)?;
    let mut answer = process.connect().ask(status(id));
    if answer.status == 507 {
        // There was space for the bytes, but none for the record. The server has let the bytes go.
        answer = process.connect().ask(status(id));
    }
    if answer.status == 507 && answer.field("Upload-Offset") == Some("0") {
        return Ok(None);
    }
    expect("the answer to the question", answer.status, 200)?;
    let held: usize = answer.text().parse().map_err(|_| "no count".to_owned())?;
    for filler in fillers {
        fs::remove_file(filler).map_err(|error| error.to_string())?;
    }
    wait_for_space(place).map_err(|error| error.to_string())?;
    let rest = content.get(held..).ok_or("more bytes than were sent")?;
    let named = format!(
        "X-File-Name: {name}\r\nX-File-Size: {LENGTH}\r\nContent-Length: {}\r\n",
        rest.len()
    );
    let answer = process.send(post(held, &named), rest);
    expect(
        "the last answer",
        answer.text(),
        &*format!("Success {LENGTH}"),
    )?;
    expect_file(place, &name, &content)?;
    Ok(Some(match held {
        0 => "no byte of the full disk stays".into(),
        _ => AS_PROMISED.into(),
    }))
}

/// Fills a disk until so many bytes are free, and stay free: xfs and btrfs free the space of removed files in the background.
fn fill(path: &Path, left: u64) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    loop {
        let before = free(path)?;
        let length = before.saturating_sub(left).min(1_000_000);
        // The last bytes of a disk may be free for its own structures only. NFS and CIFS report that at a sync.
        let mut write = || {
            file.write_all(&vec![1; length as usize])?;
            file.sync_all()
        };
        if length > 0 && write().is_ok() {
            continue;
        }
        let _ = rustix::fs::syncfs(&file);
        if free(path)? <= before {
            return Ok(());
        }
    }
}

/// Waits until the disk has space for more than the upload. A number of free bytes is no proof: btrfs counts those of a
/// removed file before they can be used.
fn wait_for_space(place: &Place) -> io::Result<()> {
    let (mount, begun) = (place.mount(), Instant::now());
    let probe = mount.join("probe");
    loop {
        let write = || {
            fs::write(&probe, vec![1; 4 * LENGTH])?;
            fs::File::open(&probe)?.sync_all()
        };
        let written = write();
        drop(fs::remove_file(&probe));
        let _ = rustix::fs::syncfs(fs::File::open(&mount)?);
        if written.is_ok() || begun.elapsed() > Duration::from_secs(30) {
            return written;
        }
    }
}

fn free(path: &Path) -> io::Result<u64> {
    let about = rustix::fs::statvfs(path)?;
    Ok(about.f_bavail * about.f_frsize)
}

/// A read-only mount: the server does not start, and continues when the mount is writable again.
fn read_only(place: &Place) -> Result<String, String> {
    let (id, content) = (id("later.bin"), content(LENGTH));
    let process = start(place);
    let mut client = process.connect();
    client.send(append(&id, 0, LENGTH));
    client.send(&content[..LENGTH / 2]);
    client.cut();
    expect("the offset", process.connect().held(&id), LENGTH as u64 / 2)?;
    drop(process);
    place.mount_again("ro")?;
    let error = listens(&mut command(place));
    place.mount_again("rw")?;
    let Err(error) = error else {
        return Err("the server starts".into());
    };
    let process = start(place);
    expect(
        "the offset afterwards",
        process.connect().held(&id),
        LENGTH as u64 / 2,
    )?;
    complete(&process, &id, &content)?;
    expect_file(place, "later.bin", &content)?;
    let error = shown(place, error.trim().lines().last().unwrap_or("no reason"));
    Ok(format!("does not start: `{error}`"))
}

fn command(place: &Place) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
    command
        .args(["--listen", "127.0.0.1:0"])
        .arg(place.uploads());
    command.stdin(Stdio::null());
    command
}

/// Returns a message with `uploads` instead of the path of the directory, and without its time.
fn shown(place: &Place, message: &str) -> String {
    let path = place.uploads();
    let message = message.replace(&*path.to_string_lossy(), "uploads");
    let (_, message) = message.split_once("] ").unwrap_or(("", &message));
    let message = message.trim_start_matches("resumed: cannot take uploads: ");
    message.replace('|', "/")
}

/// The disk loses power just after the answers: a finished file and an offset.
fn power_cut(place: &Place) -> Result<String, String> {
    let (id, content) = (id("cut.bin"), content(LENGTH));
    let process = start(place);
    complete(&process, &self::id("whole.bin"), &content)?;
    let mut client = process.connect();
    client.send(append(&id, 0, LENGTH));
    client.send(&content[..LENGTH / 2]);
    client.cut();
    let held = process.connect().held(&id);
    if !place.copy_disk() {
        return Ok("not tried".into());
    }
    drop(process);
    place.mount_copy()?;
    let process = start(place);
    expect_file(place, "whole.bin", &content)?;
    let now = process.connect().held(&id);
    if now < held {
        return Err(format!("{held} bytes were reported, {now} are held"));
    }
    complete(&process, &id, &content)?;
    expect_file(place, "cut.bin", &content)
}

/// The warnings of the server at its start.
fn at_start(place: &Place) -> Result<String, String> {
    let mut process = Process::logging("warn", &place.uploads(), &[]);
    let log = process.log();
    process.ask(status("none"));
    drop(process);
    let lines: Vec<_> = log
        .map(|line| format!("`{}`", shown(place, &line)))
        .collect();
    Ok(match lines.is_empty() {
        true => "nothing".into(),
        false => lines.join("; "),
    })
}
