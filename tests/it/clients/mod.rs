//! Clients that others wrote, each as its own documentation has it: 50 MB that are cut in the middle.
//!
//! `make tools` fetches their packages. Their scripts are in `tests/clients/`.

pub(crate) mod browser;
pub(crate) mod curl;
pub(crate) mod curl_alone;
pub(crate) mod node;
pub(crate) mod proxies;
pub(crate) mod python;
pub(crate) mod rust;
pub(crate) mod uploader;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ops::readme::block_of;
use crate::support::left_out::{left_out, missing};
use crate::support::line::Line;
use crate::support::local::{Disk, Local};
use crate::support::program::Program;
use crate::support::proxy::{Nginx, as_documented};
use crate::support::running::{Running, run, wait_for_part};

/// Says how each client speaks to the server, in lines to copy.
const PAGE: &str = include_str!("../../../docs/clients.md");

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

const LENGTH: u64 = 50_000_000;
const PART: u64 = 25_000_000;

/// The maximum bytes of all request heads of a client.
const HEADS: u64 = 30_000;

/// The maximum bytes that the server has read, but not yet written, when it is killed.
const UNWRITTEN: u64 = HEADS;

/// The connection of a client to the server, and its interruption.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// In the middle the server is killed, and comes back.
    Straight,
    /// In the middle the line to nginx is cut.
    ThroughNginx,
}

/// Returns the ways that this machine has.
fn ways() -> Vec<Way> {
    match missing(&["nginx"]) {
        None => vec![Way::Straight, Way::ThroughNginx],
        Some(reason) => {
            left_out("clients through nginx", &reason);
            vec![Way::Straight]
        }
    }
}

/// A file that is about to be sent, and the line to a server, which stops in the middle of it.
struct Trip {
    way: Way,
    line: Line,
    file: Local,
    disk: Disk,
    _nginx: Option<Nginx>,
    flags: Vec<String>,
    /// Not there for as long as it takes to start it again.
    server: Option<Program>,
}

impl Trip {
    fn new(way: Way, flags: &[&str]) -> Trip {
        let disk = Disk::new();
        let file = disk.file("holiday.mp4", LENGTH);
        let server = Program::start(flags);
        let nginx = match way {
            Way::Straight => None,
            Way::ThroughNginx => Some(Nginx::before(server.addr(), as_documented())),
        };
        let addr = nginx.as_ref().map_or(server.addr(), Nginx::addr);
        Trip {
            way,
            line: Line::of(addr, PART),
            file,
            disk,
            _nginx: nginx,
            flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
            server: Some(server),
        }
    }

    /// Returns the address at which tus clients create uploads.
    fn endpoint(&self) -> String {
        format!("{}/files", self.line.url())
    }

    fn server(&self) -> &Program {
        self.server.as_ref().expect("it is there")
    }

    fn wait_for_half(&self) {
        self.line.wait_until_spent();
        wait_for_part(self.server().dir(), PART - UNWRITTEN);
    }

    /// Waits until half of the file is there, and cuts.
    fn cut(&mut self) {
        self.wait_for_half();
        match self.way {
            Way::Straight => self.kill_server(),
            Way::ThroughNginx => {}
        }
        self.line.cut_and_open();
    }

    /// It is back at once, but knows only what is on the disk.
    fn kill_server(&mut self) {
        let server = self.server.take().expect("it is there");
        let addr = server.addr().to_string();
        let flags: Vec<_> = self.flags.iter().map(String::as_str).collect();
        self.server = Some(Program::over(server.kill(), &addr, &flags));
    }

    /// The whole file is there, and none of it was sent twice.
    #[track_caller]
    fn expect_arrived(&self) {
        self.expect_arrived_but(0);
    }

    /// The same, and at most so many bytes were sent twice.
    #[track_caller]
    fn expect_arrived_but(&self, twice: u64) {
        let published = self.server().dir().join(self.file.name());
        self.file.expect_same(&published);
        let taken = self.line.taken();
        assert!(
            taken < LENGTH + HEADS + UNWRITTEN + twice,
            "{:?}: {taken} bytes",
            self.way
        );
    }
}

/// Runs a client that goes on by itself when it is cut.
#[track_caller]
fn go_on_by_itself(script: impl Fn(&Trip) -> Command) {
    for way in ways() {
        let mut trip = Trip::new(way, &[]);
        let running = Running::start(&mut script(&trip));
        trip.cut();
        running.end().expect(0, &[]);
        trip.expect_arrived();
    }
}

/// Kills a client in the middle, and runs it again.
#[track_caller]
fn go_on_after_kill(script: impl Fn(&Trip) -> Command) {
    let trip = Trip::new(Way::Straight, &[]);
    let killed = Running::start(&mut script(&trip));
    trip.wait_for_half();
    drop(killed);
    trip.line.cut_and_open();
    run(&mut script(&trip)).expect(0, &[]);
    trip.expect_arrived();
}

#[test]
fn the_lines_to_copy_are_those_that_run() {
    let scripts = [
        "browser/tus.js",
        "browser/uppy.js",
        "node.js",
        "with_tuspy.py",
        "with_aiotus.py",
    ];
    for script in scripts {
        let path = Path::new(SCRIPTS).join(script);
        let text = fs::read_to_string(path).expect("a script");
        let runs = |line: &str| text.lines().any(|known| known.trim() == line.trim());
        let idle: Vec<_> = block_of(PAGE, script)
            .lines()
            .filter(|line| !runs(line))
            .collect();
        assert!(idle.is_empty(), "{script} has not {idle:?}");
    }
}

/// Returns the packages that `make tools` fetched from a registry, or notes the left-out test.
pub(crate) fn fetched(registry: &str) -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("clients");
    let dir = dir.join(registry);
    if dir.is_dir() {
        return Some(dir);
    }
    left_out(
        &format!("clients from {registry}"),
        "`make tools` fetches them",
    );
    None
}

/// A client's command, of which nothing in the environment makes another.
fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(SCRIPTS).env("no_proxy", "*");
    command
}
