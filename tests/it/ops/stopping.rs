//! The lines of the log at a stop.

use rustix::process::{Pid, Signal, kill_process};

use crate::support::limit::{WaitInTime, wait_until};
use crate::support::program::Process;
use crate::support::{Client, append};

/// Serves, calls `begin`, stops the server by SIGTERM, and checks the end of its log.
fn expect_end_of_log<T>(
    flags: &[&str],
    begin: impl FnOnce(&Process, &mut dyn Iterator<Item = String>) -> T,
    under_way: &str,
) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut server = Process::logging("info,access=off", dir.path(), flags);
    let mut log = server.log();
    let _begun = begin(&server, &mut log);
    kill_process(Pid::from_child(server.child()), Signal::TERM).expect("signalled");
    let log: Vec<_> = log.collect();
    assert!(server.child().wait_in_time().success());
    let stopping = format!("] stopping: {under_way}");
    assert!(
        log.iter().any(|line| line.ends_with(&stopping)),
        "{stopping}: {log:?}"
    );
    let last = log.last().expect("a line");
    assert!(last.ends_with("] stopped"), "{log:?}");
}

/// Begins an upload that goes on until the client is dropped.
fn upload(server: &Process, id: &str) -> Client {
    let mut client = server.connect();
    client.send(append(id, 0, 100) + "hello");
    wait_until!(server.connect().held(id) >= 5);
    client
}

#[test]
fn log_of_a_stop_counts_uploads_under_way() {
    expect_end_of_log(
        &[],
        |server, _| upload(server, "a").cut(),
        "no upload is under way",
    );
    expect_end_of_log(
        &[],
        |server, _| upload(server, "a"),
        "1 upload is under way, and can be resumed",
    );
    expect_end_of_log(
        &[],
        |server, _| ["a", "b", "c"].map(|id| upload(server, id)),
        "3 uploads are under way, and can be resumed",
    );
}

#[test]
fn log_of_a_stop_counts_running_commands() {
    expect_end_of_log(
        &["--on-complete", "echo begun; sleep 1000"],
        |server, log| {
            server.send(append("a.txt-5-1", 0, 5), b"hello");
            log.take_while(|line| !line.ends_with("on-complete: begun"))
                .count()
        },
        "no upload is under way; 1 command of --on-complete runs again after the next start",
    );
}
