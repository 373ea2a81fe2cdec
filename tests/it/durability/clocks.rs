//! A clock that is wrong while the server starts. Steps while it runs: `src/store/tests/clocks.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Client;
use crate::support::limit::WaitInTime;
use crate::support::program::Process;

/// A day in 1970, and a day in 2040, in ms since 1970.
const WRONG: [(i64, &str); 2] = [(86_400_000, "forward"), (2_210_000_000_000, "back")];

#[test]
fn start_under_another_clock_is_in_the_log() {
    for (seen, direction) in WRONG {
        let home = tempfile::tempdir().expect("a directory");
        let state = home.path().join(".resumed");
        fs::create_dir(&state).expect("made");
        fs::write(state.join("clock"), format!("0 0 {seen}\n")).expect("written");
        let mut server = Process::logging("info", home.path(), &[]);
        let said = server.log().find(|line| line.contains("the clock went"));
        let said = said.expect("a line");
        assert!(said.contains(&format!("went {direction} by ")), "{said}");
        assert!(
            said.contains("days since the server last ran; uploads keep their age"),
            "{said}"
        );
    }
}

#[test]
fn running_time_is_saved_at_a_stop() {
    let home = tempfile::tempdir().expect("a directory");
    let mut server = Process::logging("info", home.path(), &[]);
    let mut client = Client::connect(server.addr);
    client.ask(crate::support::append("film-9-1", 0, 0));
    let pid = rustix::process::Pid::from_child(server.child());
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("sent");
    server.child().wait_in_time();
    let text = fs::read_to_string(home.path().join(".resumed/clock")).expect("saved");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn connections_read_no_clock_that_can_step() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut readers = Vec::new();
    for folder in ["engine", "http", "uploads", "store/reservations"] {
        readers.extend(readers_of_wall_clock(&source.join(folder)));
    }
    readers.sort();
    assert_eq!(readers, ["http/response/mod.rs"].map(|it| source.join(it)));
}

/// Returns the files that name the wall clock.
fn readers_of_wall_clock(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        let entries = fs::read_dir(path).expect("listed");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        return paths
            .flat_map(|path| readers_of_wall_clock(&path))
            .collect();
    }
    let text = fs::read_to_string(path).expect("text");
    match text.contains("SystemTime") {
        true => vec![path.to_owned()],
        false => Vec::new(),
    }
}
