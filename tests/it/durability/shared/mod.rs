//! Several servers over one directory (`--shared`): clients see one server.

mod cluster;
mod digest;
mod namespace;
mod nfs;
mod sticky;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use resumed::{Config, Server};
use rustix::io::Errno;
use tempfile::TempDir;

use crate::support::files::finished;
use crate::support::left_out::{missing, require, root_obstacle};
use crate::support::limit::{check_limit, wait_until};
use crate::support::program::Process;
use crate::support::{Answer, Client, append, content};

use self::cluster::Cluster;
use self::nfs::Nfs;

/// The manual of such a setup: the tests run its commands.
const SCALING: &str = include_str!("../../../../docs/scaling.md");

const LENGTH: usize = 3_000_000;
const ID: &str = "hops.bin-3000000-1700000000000";

/// Two servers, each over its own path to the same directory.
struct Pair([Server; 2]);

impl Pair {
    fn over(paths: [&Path; 2]) -> Pair {
        Pair(paths.map(|path| {
            let config = Config::new(path).listen("127.0.0.1:0").shared(true);
            resumed::start(config).expect("a second server starts too")
        }))
    }

    fn connect(&self, which: usize) -> Client {
        Client::connect(self.0[which % 2].addr().tcp().expect("a port"))
    }

    #[track_caller]
    fn ask(&self, which: usize, request: impl AsRef<[u8]>) -> Answer {
        self.connect(which).ask(request)
    }

    /// Sends an upload in parts, alternately to both servers. Adds fields to the first and to the last request. Returns
    /// the last response.
    #[track_caller]
    fn send_in_turns(&self, content: &[u8], first: &str, last: &str) -> Answer {
        let mut at = 0;
        for which in 0.. {
            // The server that has not received the last part reports its end too.
            assert!(which % 2 == 0 || self.held(which, ID) == at, "{at}");
            let end = (at + 333_333).min(content.len());
            let fields = match (at, end) {
                (0, _) => first,
                (_, end) if end == content.len() => last,
                _ => "",
            };
            let head = append(ID, at, end - at).replace("Content", &format!("{fields}Content"));
            let mut client = self.connect(which + 1);
            client.send(head);
            client.send(&content[at..end]);
            let answer = client.answer();
            if end == content.len() {
                return answer;
            }
            assert_eq!((answer.status, answer.text()), (200, &*end.to_string()));
            at = end;
        }
        unreachable!("the parts end")
    }

    #[track_caller]
    fn held(&self, which: usize, id: &str) -> usize {
        self.connect(which).held(id) as usize
    }
}

/// Asserts that the directory contains this file alone, without a note for other servers.
#[track_caller]
fn expect_whole(dir: &Path, name: &str, content: &[u8]) {
    assert!(fs::read(dir.join(name)).expect("published") == content);
    let note = rustix::fs::getxattr(dir.join(name), "user.resumed.turn", &mut [0; 64]);
    assert_eq!(note, Err(Errno::NODATA));
    assert_eq!(finished(dir), [name]);
}

#[test]
fn two_servers_share_a_local_directory() {
    let dirs = TempDir::new().expect("a temporary directory");
    run_all(|name| {
        let dir = dirs.path().join(name);
        fs::create_dir(&dir).expect("made");
        [dir.clone(), dir]
    });
}

fn hop(pair: &Pair, dir: &Path) {
    let content = content(LENGTH);
    let last = pair.send_in_turns(&content, "", "");
    assert_eq!(last.text(), format!("Success {LENGTH}"));
    for which in 0..2 {
        let again = pair.ask(which, append(ID, LENGTH, 0));
        assert_eq!(again.text(), format!("Success {LENGTH}"), "at {which}");
    }
    expect_whole(dir, "hops.bin", &content);
}

fn take_over(pair: &Pair, dir: &Path) {
    let content = content(LENGTH);
    let mut first = pair.connect(0);
    first.send(append(ID, 0, LENGTH));
    first.send(&content[..100_000]);
    wait_until!(pair.held(1, ID) >= 100_000);
    // The question to the other server has not fenced the first append.
    first.send(&content[100_000..200_000]);
    wait_until!(pair.held(1, ID) >= 200_000);

    let head = append(ID, 200_000, LENGTH - 200_000);
    let mut second = pair.connect(1);
    let begun = second.ask(head.replace("Content", "Expect: 100-continue\r\nContent"));
    assert_eq!(begun.status, 100);
    first.send([b'x'; 1000]);
    assert_eq!(
        first.answer().status,
        409,
        "before the second has sent a byte"
    );
    second.send(&content[200_000..]);
    assert_eq!(second.answer().text(), format!("Success {LENGTH}"));
    expect_whole(dir, "hops.bin", &content);
}

fn declare(pair: &Pair, dir: &Path) {
    let declared = |start: &str| {
        format!(
            "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: plain\r\n{start}\
             Content-Length: 4\r\n\r\n"
        )
    };
    let mut first = pair.connect(0);
    first.send(declared("X-File-Size: 8\r\nX-File-Name: eight.bin\r\n"));
    first.send(b"abc");
    wait_until!(pair.held(1, "plain") >= 3);
    // The first request has no response yet, but its declarations count.
    let mut second = pair.connect(1);
    second.send(declared("X-Start-Byte: 3\r\n"));
    second.send(b"defg");
    assert_eq!(second.answer().text(), "7");
    let end = append("plain", 7, 1) + "h";
    assert_eq!(pair.ask(1, end).text(), "Success 8");
    expect_whole(dir, "eight.bin", b"abcdefgh");
}

fn cancel(pair: &Pair, _: &Path) {
    let mut stale = pair.connect(0);
    stale.send(append(ID, 0, LENGTH));
    stale.send([b'a'; 10]);
    wait_until!(pair.held(1, ID) >= 10);
    let cancel = format!("DELETE /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: {ID}\r\n\r\n");
    assert_eq!(pair.ask(1, cancel).status, 204);
    let mut next = pair.connect(1);
    next.send(append(ID, 0, LENGTH));
    next.send([b'b'; 10]);
    wait_until!(pair.held(1, ID) >= 10);
    stale.send([b'a'; 90]);
    assert_eq!(stale.answer().status, 409, "its upload was cancelled");
    assert_eq!(pair.held(0, ID), 10);
}

fn fight(pair: &Pair, dir: &Path) {
    let content = content(LENGTH);
    let since = Instant::now();
    let fighter = |mut which: usize| {
        loop {
            check_limit(since, "one of four clients completes the upload");
            which += 1;
            let at = pair.held(which, ID);
            let mut client = pair.connect(which);
            client.send(append(ID, at, LENGTH - at));
            // The server may close the connection of a fenced append before all its bytes are sent.
            let sent = (content[at..].chunks(50_000)).try_for_each(|part| client.try_send(part));
            match (sent, client.try_answer()) {
                (_, Ok(answer)) if answer.status == 200 => return,
                (_, Ok(answer)) => assert_eq!(answer.status, 409, "{answer:?}"),
                (_, Err(_)) => {}
            }
        }
    };
    thread::scope(|scope| {
        (0..4).for_each(|which| drop(scope.spawn(move || fighter(which))));
    });
    expect_whole(dir, "hops.bin", &content);
}

fn kill_one([one, other]: [&Path; 2]) {
    let content = content(LENGTH);
    let start = |path| Process::start(path, "127.0.0.1:0", &["--shared"]);
    let other_server = start(other);
    for round in 0..3 {
        let id = format!("killed-{round}.bin-{LENGTH}-1700000000000");
        let killed = start(one);
        let mut client = killed.connect();
        client.send(append(&id, 0, LENGTH));
        client.send(&content[..LENGTH / 2]);
        wait_until!(killed.connect().held(&id) >= LENGTH as u64 / 2);
        drop(killed);
        let mut client = other_server.connect();
        assert_eq!(client.held(&id), LENGTH as u64 / 2);
        client.send(append(&id, LENGTH / 2, LENGTH / 2));
        client.send(&content[LENGTH / 2..]);
        assert_eq!(client.answer().text(), format!("Success {LENGTH}"));
        let name = format!("killed-{round}.bin");
        assert!(fs::read(other.join(name)).expect("published") == content);
    }
}

#[test]
fn single_and_shared_server_refuse_each_others_directory() {
    let dir = temporary();
    let config = || Config::new(dir.path()).listen("127.0.0.1:0");
    let alone = resumed::start(config()).expect("it starts");
    assert!(resumed::start(config().shared(true)).is_err());
    alone.stop();
    let _shared = resumed::start(config().shared(true)).expect("it starts");
    assert!(resumed::start(config()).is_err());
}

#[test]
fn two_servers_share_a_cluster() {
    require!("two servers on two nodes of GlusterFS", cluster::obstacle());
    let cluster = Cluster::new();
    run_all(|name| cluster.directory(name));
}

#[test]
fn two_servers_share_nfs() {
    require!("two servers on two machines with NFS", nfs::obstacle());
    let nfs = Nfs::new();
    run_all(|name| nfs.directory(name));
}

/// Runs all tests of two servers, each over its own path to a new directory.
fn run_all(directory: impl Fn(&str) -> [PathBuf; 2]) {
    let both = |test: fn(&Pair, &Path), name: &str| {
        let paths = directory(name);
        let [one, other] = paths.each_ref().map(PathBuf::as_path);
        test(&Pair::over([one, other]), other);
    };
    both(hop, "hop");
    both(take_over, "take over");
    both(fight, "fight");
    both(declare, "declare");
    both(cancel, "cancel");
    kill_one(directory("kill").each_ref().map(PathBuf::as_path));
}

/// Returns the reason if this machine cannot simulate other machines.
fn lacks(tools: &[&str]) -> Option<String> {
    root_obstacle()
        .or_else(|| missing(tools))
        .or_else(namespace::obstacle)
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}
