//! Descriptors run out, or threads: nothing dies, nothing is lost, and work goes on when they come back.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::chown;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, geteuid, prlimit};
use tempfile::TempDir;

use crate::support::left_out::left_out;
use crate::support::limit::{RunInTime, SetAtEnd, wait_until};
use crate::support::proc::descriptors;
use crate::support::program::Process;
use crate::support::{Client, append};

const LIMIT: usize = 64;

/// Returns the path of the log of a server on `dir`.
fn log(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join("log")
}

/// A server that is started by this shell command.
fn start(dir: &TempDir, command: &str) -> Process {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command, env!("CARGO_BIN_EXE_resumed")])
        .stderr(fs::File::create(log(dir)).expect("a log"));
    Process::of::<&str>(shell, &dir.path().join("uploads"), "127.0.0.1:0", &[])
}

/// From now on it may have no more than so many.
fn limit(server: &Process) {
    let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw);
    let most = Some(LIMIT as u64);
    let limit = Rlimit {
        current: most,
        maximum: most,
    };
    prlimit(pid, Resource::Nofile, limit).expect("limited");
}

#[test]
fn newcomers_wait_for_descriptors_and_an_upload_under_way_keeps_what_comes() {
    const ID: &str = "a.bin-100-1700000000000";
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = start(&dir, "exec \"$0\" \"$@\"");
    let mut writer = server.connect();
    writer.send(append(ID, 0, 100) + "some of it");
    wait_until!(server.connect().held(ID) >= 10);

    // It has promised itself more than it gets.
    limit(&server);
    let crowd: Vec<_> = (0..LIMIT)
        .map(|_| TcpStream::connect(server.addr))
        .collect();
    wait_until!(descriptors(server.pid()) >= LIMIT);
    let mut late = server.connect();
    writer.send([b'.'; 90]);
    // No descriptor is left for a record, so the file cannot be published now.
    assert_eq!(writer.answer().status, 503);

    drop(crowd);
    assert_eq!(late.held(ID), 100);
    assert_eq!(late.ask(append(ID, 100, 0)).text(), "Success 100");
    let file = fs::read(dir.path().join("uploads/a.bin")).expect("published");
    assert_eq!(file, [&b"some of it"[..], &[b'.'; 90]].concat());
    let said = fs::read_to_string(log(&dir)).expect("a log");
    assert_eq!(
        said.matches("cannot accept connections").count(),
        1,
        "{said}"
    );
}

#[test]
fn with_few_descriptors_uploads_come_through_a_crowd() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = &start(&dir, &format!("ulimit -n {LIMIT}; exec \"$0\" \"$@\""));
    let content: &[u8] = &(0..3_000_000)
        .map(|at| (at % 251) as u8)
        .collect::<Vec<_>>();
    let over = &AtomicBool::new(false);
    thread::scope(|scope| {
        let _over = SetAtEnd(over);
        scope.spawn(|| crowd(server.addr, over));
        let uploads: Vec<_> = (0..3)
            .map(|number| scope.spawn(move || upload(server.addr, number, content)))
            .collect();
        for upload in uploads {
            upload.join().expect("it comes through");
        }
    });
    for number in 0..3 {
        let path = dir.path().join(format!("uploads/{number}"));
        assert!(fs::read(path).expect("published") == content);
    }
}

/// The limit leaves threads for two workers and the event loop: no thread more for a worker that waits for the disk.
#[test]
fn uploads_complete_when_no_thread_can_start() {
    const NOBODY: u32 = 64321;
    const THREADS: usize = 5;
    let has_setpriv = Command::new("setpriv")
        .arg("--version")
        .output_in_time()
        .is_ok();
    if !geteuid().is_root() || !has_setpriv {
        // Root may have as many as it likes.
        return left_out("a limit of threads", "needs root, and setpriv");
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let binary = dir.path().join("resumed");
    fs::copy(env!("CARGO_BIN_EXE_resumed"), &binary).expect("copied");
    chown(dir.path(), Some(NOBODY), Some(NOBODY)).expect("given away");
    let as_nobody = format!("setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups");
    let limited = format!("exec {as_nobody} prlimit --nproc={THREADS}");
    let server = start(&dir, &format!("{limited} {} \"$@\"", binary.display()));

    let mut clients: Vec<_> = (0..40)
        .map(|number| {
            let mut client = server.connect();
            client.send(append(&format!("{number}-5-1700000000000"), 0, 5) + "hello");
            client
        })
        .collect();
    for client in &mut clients {
        assert_eq!(client.answer().text(), "Success 5");
    }
    let said = fs::read_to_string(log(&dir)).expect("a log");
    assert_eq!(
        said.matches("cannot start a worker thread").count(),
        1,
        "{said}"
    );
}

/// More clients than there are descriptors, all the time; they have nothing to say.
fn crowd(server: SocketAddr, over: &AtomicBool) {
    let mut silent = Vec::new();
    while !over.load(Relaxed) {
        silent.push(TcpStream::connect(server).expect("the server accepts"));
        if silent.len() > 3 * LIMIT {
            silent.drain(..LIMIT);
        }
        if silent.len() > LIMIT {
            // Without a pause the crowd displaces an upload while the thread of the upload waits for a processor.
            thread::sleep(Duration::from_micros(100));
        }
    }
}

/// Asks and sends on, until the upload is complete: while it sends nothing it may have to give way.
fn upload(server: SocketAddr, number: usize, content: &[u8]) {
    let id = format!("{number}-{}-1700000000000", content.len());
    let is_complete = |_| try_upload(server, &id, content).is_ok_and(|complete| complete);
    assert!((0..5).any(is_complete), "it does not come through");
}

fn try_upload(server: SocketAddr, id: &str, content: &[u8]) -> std::io::Result<bool> {
    let mut client = Client::connect(server);
    client.try_send(append(id, 0, 0))?;
    let offset = client.try_answer()?.field("Upload-Offset").map(str::parse);
    let held: usize = offset.expect("it tells an offset").expect("a count");
    client.try_send(append(id, held, content.len() - held))?;
    client.try_send(&content[held..])?;
    Ok(client.try_answer()?.status == 200)
}
