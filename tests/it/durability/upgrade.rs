//! Uploads of the version before are carried on after an upgrade.
//!
//! `tests/data/previous/` holds the directory that a killed server of that version left. `make_previous` makes it: run
//! it in a check-out of each released version, and commit the result.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use resumed::Config;
use rustix::fs::XattrFlags;
use tempfile::TempDir;

use crate::support::program::Program;
use crate::support::{Answer, Client, Site, TIMEOUT};

const CONTENT: &str = "hello world";
const PART: &str = "hello";
const CRC32: &str = "X-File-CRC32: 0d4a1185";
const SHA256: &str = "Repr-Digest: sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=:";
const TUS: &str = "Tus-Resumable: 1.0.0";
const TUS_METADATA: &str = "filename dHVzLnR4dA==,note bm90ZQ==";
const ALICE: &str = "Authorization: Basic YWxpY2U6c2VjcmV0";

const COMPLETE: [&str; 3] = ["entry", "record", "crashed"];

#[test]
fn x_file_id_upload_resumes_after_upgrade() {
    let site = upgraded(|config| config);
    assert_eq!(site.held("file-id"), 5);
    // The server still has the checksum of the first part, and compares the whole.
    let fields = ["X-File-Id: file-id", "X-Start-Byte: 5", CRC32];
    let answer = ask(site.connect(), "POST /upload", &fields, " world");
    assert_eq!(answer.text(), "Success 11");
    expect_file(&site, "folder/a b.txt");
    let file = fs::metadata(site.dir().join("folder/a b.txt")).expect("a file");
    let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    assert_eq!(file.modified().expect("a time"), modified);
}

#[test]
fn tus_upload_resumes_after_upgrade() {
    let site = upgraded(|config| config);
    let path = location("tus");
    let answer = ask(site.connect(), &format!("HEAD {path}"), &[TUS], "");
    assert_eq!(answer.field("Upload-Offset"), Some("5"), "{answer:?}");
    assert_eq!(answer.field("Upload-Metadata"), Some(TUS_METADATA));
    let answer = tus_patch(site.connect(), &path, 5, " world");
    assert_eq!(answer.status, 204, "{answer:?}");
    expect_file(&site, "tus.txt");
}

#[test]
fn draft_upload_with_digest_resumes_after_upgrade() {
    let site = upgraded(|config| config);
    let path = location("draft");
    let answer = ask(site.connect(), &format!("HEAD {path}"), &[], "");
    assert_eq!(answer.field("Upload-Offset"), Some("5"), "{answer:?}");
    // The declared digest is in the record: other bytes are refused.
    let answer = draft_patch(site.connect(), &path, " whirl");
    assert_eq!(answer.status, 400, "{answer:?}");
    let site = upgraded(|config| config);
    let answer = draft_patch(site.connect(), &path, " world");
    assert_eq!(answer.status, 200, "{answer:?}");
    expect_file(&site, "draft.txt");
}

#[test]
fn plain_upload_resumes_after_upgrade() {
    let site = upgraded(|config| config);
    let answer = ask(site.connect(), "HEAD /files/plain.txt", &[], "");
    assert_eq!(answer.field("Upload-Offset"), Some("5"), "{answer:?}");
    let range = ["Content-Range: bytes 5-10/11"];
    let answer = ask(site.connect(), "PUT /files/plain.txt", &range, " world");
    assert_eq!(answer.status, 201, "{answer:?}");
    expect_file(&site, "plain.txt");
}

#[test]
fn upload_of_a_user_resumes_after_upgrade() {
    let site = upgraded(|config| config.user("alice", "secret"));
    let fields = ["X-File-Id: file-id", "X-Start-Byte: 5", ALICE];
    let answer = ask(site.connect(), "POST /upload", &fields, " world");
    assert_eq!(answer.text(), "Success 11");
    expect_file(&site, "alice.txt");
}

#[test]
fn complete_uploads_stay_complete_after_upgrade() {
    let site = upgraded(|config| config);
    for id in COMPLETE {
        assert_eq!(site.held(id), 11, "{id}");
        let fields = [&format!("X-File-Id: {id}"), "X-Start-Byte: 11"];
        let answer = ask(site.connect(), "POST /upload", &fields, "");
        assert_eq!(answer.text(), "Success 11", "{id}");
        expect_file(&site, &format!("{id}.txt"));
    }
}

#[test]
fn due_hooks_run_after_upgrade() {
    let (ran, runs) = mpsc::channel();
    let _site =
        upgraded(|config| config.on_complete(move |upload| Ok(ran.send(upload.path.clone())?)));
    // The sweep at start publishes the other one.
    let mut paths = [(); 2].map(|()| runs.recv_timeout(TIMEOUT).expect("a hook runs"));
    paths.sort();
    let names = paths.each_ref().map(|path| path.file_name());
    assert_eq!(
        names,
        ["crashed.txt", "hook.txt"].map(|name| Some(name.as_ref()))
    );
}

/// Starts this version over a copy of what the version before left.
fn upgraded(set: impl FnOnce(Config) -> Config) -> Site {
    let dir = tempfile::tempdir().expect("a temporary directory");
    copy(&previous().join("finished"), dir.path());
    let partials = dir.path().join(".resumed");
    copy(&previous().join("partials"), &partials);
    for line in read("attributes").lines() {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().expect("three words");
        let (file, name, value) = (partials.join(word()), word(), word());
        rustix::fs::setxattr(file, name, value.as_bytes(), XattrFlags::empty())
            .expect("an attribute");
    }
    Site::again(dir, set)
}

fn previous() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/previous")
}

fn read(name: &str) -> String {
    fs::read_to_string(previous().join(name)).expect(name)
}

/// Returns the path of an upload whose address the server made.
fn location(dialect: &str) -> String {
    let list = read("locations");
    let mut pairs = list.lines().filter_map(|line| line.split_once(' '));
    let (_, path) = pairs.find(|(known, _)| *known == dialect).expect(dialect);
    path.to_owned()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

#[track_caller]
fn expect_file(site: &Site, path: &str) {
    let text = fs::read_to_string(site.dir().join(path));
    assert_eq!(text.expect(path), CONTENT);
}

#[track_caller]
fn ask(mut client: Client, line: &str, fields: &[&str], body: &str) -> Answer {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let length = body.len();
    client.ask(format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    ))
}

fn tus_patch(client: Client, path: &str, offset: u64, body: &str) -> Answer {
    let kind = "Content-Type: application/offset+octet-stream";
    let offset = format!("Upload-Offset: {offset}");
    ask(
        client,
        &format!("PATCH {path}"),
        &[TUS, kind, &offset],
        body,
    )
}

fn draft_patch(client: Client, path: &str, body: &str) -> Answer {
    let kind = "Content-Type: application/partial-upload";
    let fields = [kind, "Upload-Offset: 5", "Upload-Complete: ?1"];
    ask(client, &format!("PATCH {path}"), &fields, body)
}

#[test]
#[ignore = "writes tests/data/previous: for a released version"]
fn make_previous() {
    let program = Program::start(&[]);
    let mut locations = String::new();
    begin_each_dialect(&program, &mut locations);
    post(
        &program,
        "entry",
        &["X-File-Size: 11", "X-File-Name: entry.txt"],
        CONTENT,
    );
    in_two_requests(&program, "record");
    in_two_requests(&program, "crashed");
    let hook = ["--on-complete", "false"];
    let hook = Program::over(program.kill(), "127.0.0.1:0", &hook);
    in_two_requests(&hook, "hook");
    let user = Program::over(hook.kill(), "127.0.0.1:0", &["--user", "alice:secret"]);
    post(
        &user,
        "file-id",
        &[ALICE, "X-File-Size: 11", "X-File-Name: alice.txt"],
        PART,
    );
    let dir = user.kill();
    undo_rename(dir.path(), "crashed.txt");
    keep(dir, &locations);
}

fn begin_each_dialect(program: &Program, locations: &mut String) {
    let declared = [
        "X-File-Size: 11",
        "X-File-Name: folder%2Fa%20b.txt",
        "X-File-Modified: 1700000000123",
        "X-File-CRC32: ?",
    ];
    post(program, "file-id", &declared, PART);
    let metadata = format!("Upload-Metadata: {TUS_METADATA}");
    let fields = [TUS, "Upload-Length: 11", &metadata];
    let created = ask(program.connect(), "POST /files", &fields, "");
    let path = note(locations, "tus", &created);
    assert_eq!(tus_patch(program.connect(), &path, 0, PART).status, 204);
    let fields = ["Upload-Complete: ?0", "Upload-Length: 11", SHA256];
    let created = ask(program.connect(), "PUT /files/draft.txt", &fields, PART);
    note(locations, "draft", &created);
    let range = ["Content-Range: bytes 0-4/11"];
    assert_eq!(
        ask(program.connect(), "PUT /files/plain.txt", &range, PART).status,
        308
    );
}

fn note(locations: &mut String, dialect: &str, created: &Answer) -> String {
    let location = created.field("Location").expect("a location");
    let (_, path) = location.split_once("localhost").unwrap_or(("", location));
    *locations += &format!("{dialect} {path}\n");
    path.to_owned()
}

#[track_caller]
fn post(program: &Program, id: &str, fields: &[&str], body: &str) {
    let id = format!("X-File-Id: {id}");
    let answer = ask(
        program.connect(),
        "POST /upload",
        &[&[&*id], fields].concat(),
        body,
    );
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// The record is a file: it was written after the first request.
fn in_two_requests(program: &Program, id: &str) {
    let name = format!("X-File-Name: {id}.txt");
    post(program, id, &["X-File-Size: 11", &name], PART);
    post(program, id, &["X-Start-Byte: 5"], " world");
}

/// Makes the state of a crash between the record that says "publishing" and the rename.
fn undo_rename(dir: &Path, name: &str) {
    let partials = dir.join(".resumed");
    let records = fs::read_dir(&partials).expect("listed");
    let mut records = records.map(|entry| entry.expect("an entry").path());
    let says = |path: &PathBuf| {
        fs::read_to_string(path).is_ok_and(|text| text.contains(&format!(r#""as":"{name}""#)))
    };
    let record = records.find(says).expect("a record");
    fs::rename(dir.join(name), record.with_extension("")).expect("renamed");
}

fn keep(dir: TempDir, locations: &str) {
    let _ = fs::remove_dir_all(previous());
    let partials = dir.path().join(".resumed");
    let mut attributes = String::new();
    for entry in fs::read_dir(&partials).expect("listed") {
        let path = entry.expect("an entry").path();
        attributes += &attributes_of(&path);
    }
    // The boot and the mount are those of another machine: the markers count.
    let mount = "00000000-0000-4000-8000-000000000000 1\n";
    fs::write(partials.join("lock"), mount).expect("written");
    copy(&partials, &previous().join("partials"));
    fs::remove_dir_all(&partials).expect("removed");
    copy(dir.path(), &previous().join("finished"));
    fs::write(previous().join("attributes"), attributes).expect("written");
    fs::write(previous().join("locations"), locations).expect("written");
}

fn attributes_of(path: &Path) -> String {
    let mut names = vec![0; 4096];
    let length = rustix::fs::listxattr(path, &mut names).expect("listed");
    let names = std::str::from_utf8(&names[..length]).expect("text");
    let names = names
        .split_terminator('\0')
        .filter(|name| name.starts_with("user."));
    let lines = names.map(|name| {
        let mut value = vec![0; 4096];
        let length = rustix::fs::getxattr(path, name, &mut value).expect("a value");
        let value = std::str::from_utf8(&value[..length]).expect("text");
        let file = path.file_name().expect("a name").to_string_lossy();
        format!("{file} {name} {value}\n")
    });
    lines.collect()
}
