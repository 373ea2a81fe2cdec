//! File size limits (`ulimit -f`, FAT): longer uploads are refused, and the server goes on.

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tempfile::TempDir;

use crate::support::left_out::require;
use crate::support::mount::{Mount, make_image, obstacle};
use crate::support::program::{Process, Program};
use crate::support::{append, content, in_a_chunk};

const MB: usize = 1_000_000;

const LINE: &str =
    "the file is larger than the file system or the server's file size limit allows\n";

/// Starts a server under `ulimit -f`; returns the limit in bytes too.
fn start_limited(dir: &TempDir, blocks: u32) -> (Process, usize) {
    let mut shell = Command::new("sh");
    let script = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_resumed")]);
    shell.stderr(Stdio::null());
    let dir = dir.path().join("uploads");
    let process = Process::of::<&str>(shell, &dir, "127.0.0.1:0", &[]);
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.pid())).expect("read");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max file size"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    let bytes = soft.and_then(|soft| soft.parse().ok()).expect("a limit");
    (process, bytes)
}

/// Changes the file size limit of the running server.
fn limit(process: &Process, bytes: Option<usize>) {
    let pid = i32::try_from(process.pid()).ok().and_then(Pid::from_raw);
    let limit = Rlimit {
        current: bytes.map(|bytes| bytes as u64),
        maximum: None,
    };
    prlimit(pid, Resource::Fsize, limit).expect("limited");
}

#[test]
fn upload_beyond_ulimit_is_refused_before_its_body() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (process, max) = start_limited(&dir, 2000);
    let answer = process.ask(append("a", 0, max + 1));
    assert_eq!(answer.status, 413, "{answer:?}");
    let line = format!("larger than the limit of {:.1} MB\n", max as f64 / 1e6);
    assert_eq!(answer.text(), line);
    let options = process.ask("OPTIONS /files HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(options.field("Tus-Max-Size"), Some(&*max.to_string()));

    // The length is known only at the end.
    let all = content(max + 1000);
    let head = "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: b\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(process.send(head, &in_a_chunk(&all)).status, 413);
    assert_eq!(process.connect().held("b"), max as u64);

    let id = format!("c-{max}-1700000000000");
    let answer = process.send(append(&id, 0, max), &all[..max]);
    assert_eq!(answer.text(), format!("Success {max}"));
}

#[test]
fn write_beyond_ulimit_is_413_and_keeps_written_bytes() {
    const ID: &str = "a-2000000-1700000000000";
    let program = Program::start(&["--min-free", "0"]);
    let process = program.process();
    let all = content(2 * MB);
    limit(process, Some(MB));
    let answer = process.send(append(ID, 0, 2 * MB), &all);
    assert_eq!((answer.status, answer.text()), (413, LINE));
    assert_eq!(answer.field("Upload-Offset"), Some("1000000"));
    let heads = [
        "PUT /files/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n",
        "POST /files HTTP/1.1\r\nHost: localhost\r\nUpload-Complete: ?1\r\nContent-Length: 2000000\r\n\r\n",
        "POST /files HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 2000000\r\n\
         Content-Type: application/offset+octet-stream\r\nContent-Length: 2000000\r\n\r\n",
    ];
    for head in heads {
        let mut client = process.connect();
        client.send(head);
        let mut answer = client.ask(&all);
        while answer.status / 100 == 1 {
            answer = client.answer();
        }
        assert_eq!((answer.status, answer.text()), (413, LINE), "{head}");
    }
    assert_eq!(process.connect().held(ID), 1_000_000);

    limit(process, None);
    let answer = process.send(append(ID, MB, MB), &all[MB..]);
    assert_eq!(answer.text(), "Success 2000000");
    let file = fs::read(program.dir().join("a")).expect("published");
    assert!(file == all);
}

#[test]
fn small_uploads_go_on_when_a_log_segment_reaches_ulimit() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (process, max) = start_limited(&dir, 16);
    // Each upload adds an entry to the log.
    for number in 0..max / 100 {
        let id = format!("{number}.txt-5-1700000000000");
        let answer = process.send(append(&id, 0, 5), b"hello");
        assert_eq!(answer.text(), "Success 5", "after {number}");
    }
    let segments = fs::read_dir(dir.path().join("uploads/.resumed/journal")).expect("listed");
    assert!(segments.count() > 1);
}

#[test]
fn upload_of_4_gib_to_fat_is_refused_before_its_body() {
    require!("a file too long for FAT", obstacle(&["vfat"]));
    let home = tempfile::tempdir().expect("a temporary directory");
    let image = home.path().join("image");
    make_image(&image, "vfat", 6 << 30);
    let mount = Mount::image(&image);
    let process = Process::logging("off", &mount.path().join("uploads"), &[]);
    let answer = process.ask(append("a", 0, 1_u64 << 32));
    assert_eq!(answer.status, 413, "{answer:?}");
}
