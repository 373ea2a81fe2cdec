//! `--on-complete`: a command for each complete upload, at least once, whatever happens, and in nobody's way.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::limit::{LIMIT, RunInTime, WaitInTime, fail, within};
use crate::support::proc::memory_peak_kib;
use crate::support::program::Process;
use crate::support::{Client, TIMEOUT};

/// The prefix of the output of a command in the log.
const LOGGED: &str = "on-complete: ";

const RESUMED: &str = env!("CARGO_BIN_EXE_resumed");

/// More than the commands of one or two servers that wait at the gate.
const RUNNING_MAX: usize = 20;

fn make_fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status_in_time();
    assert!(made.expect("mkfifo runs").success());
}

/// A pipe with a name, which commands write lines into or wait to read from.
struct Pipe {
    path: PathBuf,
    /// Open for both, so that no command waits for us to open it, and none sees its end before we let go of it.
    file: File,
}

impl Pipe {
    fn new(path: PathBuf) -> Pipe {
        make_fifo(&path);
        let both = OpenOptions::new().read(true).write(true).open(&path);
        Pipe {
            file: both.expect("a pipe"),
            path,
        }
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// The lines that come, each within the usual time.
    fn lines(&self) -> Lines {
        let file = self.file.try_clone().expect("cloned");
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(file).lines().map_while(Result::ok);
            lines.for_each(|line| drop(sender.send(line)));
        });
        Lines(receiver)
    }

    /// Lets one who waits go on.
    fn let_go(&self) {
        (&self.file).write_all(b"go\n").expect("written");
    }
}

struct Lines(Receiver<String>);

impl Lines {
    #[track_caller]
    fn next(&self) -> String {
        self.0.recv_timeout(TIMEOUT).expect("a line")
    }
}

/// Uploads five bytes under a name, as the client wrote it in its request.
#[track_caller]
fn upload(server: &Process, name: &str, fields: &str) {
    let mut client = Client::connect(server.addr);
    client.send(format!(
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: {name}\r\nX-File-Name: {name}\r\n\
         X-File-Size: 5\r\nContent-Length: 5\r\n{fields}\r\nhello"
    ));
    assert_eq!(client.answer().text(), "Success 5");
}

/// A directory for a server, and two pipes: the output of its commands, and the gate at which they wait.
struct Scene {
    dir: PathBuf,
    home: TempDir,
    output: Pipe,
    gate: Pipe,
    lines: Lines,
    /// The end of a pipe whose other end each command has inherited from its server.
    alive: File,
}

impl Drop for Scene {
    /// Waits until all commands have ended: a killed server leaves them.
    fn drop(&mut self) {
        (0..RUNNING_MAX).for_each(|_| self.gate.let_go());
        // From now on a read waits.
        fcntl_setfl(&self.alive, OFlags::empty()).expect("set");
        let mut alive = self.alive.try_clone().expect("cloned");
        if within(LIMIT, move || alive.read_to_end(&mut Vec::new())).is_none() {
            fail("commands of --on-complete do not end");
        }
    }
}

impl Scene {
    fn new() -> Scene {
        let home = tempfile::tempdir().expect("a temporary directory");
        let output = Pipe::new(home.path().join("output"));
        let alive = home.path().join("alive");
        make_fifo(&alive);
        Scene {
            dir: home.path().join("uploads"),
            lines: output.lines(),
            output,
            gate: Pipe::new(home.path().join("gate")),
            alive: OpenOptions::new()
                .read(true)
                .custom_flags(OFlags::NONBLOCK.bits() as i32)
                .open(&alive)
                .expect("a pipe"),
            home,
        }
    }

    /// A command that says this, as the shell expands it.
    fn say(&self, words: &str) -> String {
        format!("echo {words} > {}", self.output.shown())
    }

    /// A command that waits to be let go.
    fn wait(&self) -> String {
        format!("read go < {}", self.gate.shown())
    }

    fn start(&self, hook: &str) -> Process {
        self.start_with(hook, &[])
    }

    fn start_with(&self, hook: &str, flags: &[&str]) -> Process {
        let flags = [&["--on-complete", hook], flags].concat();
        let mut command = Command::new("sh");
        command.args(["-c", "exec 9>\"$0\"; exec \"$@\""]);
        command.arg(self.home.path().join("alive")).arg(RESUMED);
        Process::of(command, &self.dir, "127.0.0.1:0", &flags)
    }
}

#[test]
fn hook_gets_the_upload_in_variables_and_runs_no_word_of_it() {
    let scene = Scene::new();
    let seen =
        "\"$UPLOAD_PATH|$UPLOAD_NAME|$UPLOAD_ID|$UPLOAD_LENGTH|$UPLOAD_USER|$UPLOAD_SHA256\"";
    let hook = format!("printf '%s\\n' {seen} > {}", scene.output.shown());
    let server = scene.start_with(&hook, &["--user", "ann:secret", "--sha256"]);
    let ann = "Authorization: Basic YW5uOnNlY3JldA==\r\n";
    // A NUL byte, which no environment can hold, is one of them.
    upload(&server, "$(touch%20x)%60y%60;%22%00.txt", ann);
    let said = scene.lines.next();
    let [path, name, id, length, user, sha256] = said.split('|').collect::<Vec<_>>()[..] else {
        panic!("{said}");
    };
    assert_eq!(
        path,
        scene
            .dir
            .join("$(touch x)`y`;\"_.txt")
            .display()
            .to_string()
    );
    assert_eq!((name, length, user), ("$(touch x)`y`;\".txt", "5", "ann"));
    assert_eq!(id.len(), 32, "{id}");
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(sha256, hello);
}

#[test]
fn a_command_that_fails_is_run_again() {
    let scene = Scene::new();
    let once = scene.home.path().join("once");
    let fail_once = format!("mkdir {} && exit 3 || true", once.display());
    let server = scene.start(&format!("{}; {fail_once}", scene.say("ran")));
    upload(&server, "a.txt", "");
    assert_eq!([scene.lines.next(), scene.lines.next()], ["ran", "ran"]);
}

/// As many as may are under way, and one more has not begun, although its upload is complete and said to be.
#[test]
fn kill_9_between_an_upload_and_its_hook_loses_none_and_slow_ones_block_nobody() {
    let scene = Scene::new();
    let hook = format!("{}; {}", scene.say("$UPLOAD_NAME"), scene.wait());
    let server = scene.start(&hook);
    let names = ["a", "b", "c", "d", "e"];
    names.iter().for_each(|name| upload(&server, name, ""));
    let all_but_one = || (1..names.len()).map(|_| scene.lines.next());
    assert_eq!(all_but_one().count(), 4);
    drop(server);

    let _again = scene.start(&hook);
    let mut ran: Vec<_> = all_but_one().collect();
    // Of the first server's, and of this one's.
    (0..2 * names.len()).for_each(|_| scene.gate.let_go());
    ran.push(scene.lines.next());
    ran.sort();
    assert_eq!(ran, names);
}

#[test]
fn uploads_that_wait_for_their_hook_take_little_memory() {
    const UPLOADS: usize = 1_500;
    const MEMORY_MAX_KIB: u64 = 20 * 1024;
    let scene = Scene::new();
    let hook = format!("{}; {}", scene.say("${#UPLOAD_NAME}"), scene.wait());
    let server = scene.start_with(&hook, &["--sync", "fast"]);
    let mut client = server.connect();
    for number in 0..UPLOADS {
        let answer = client.ask(format!(
            "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: {number}\r\n\
             X-File-Name: {number:014000}\r\nX-File-Size: 0\r\nContent-Length: 0\r\n\r\n"
        ));
        assert_eq!(answer.text(), "Success 0");
    }
    let peak = memory_peak_kib(server.pid());
    assert!(peak < MEMORY_MAX_KIB, "{peak} KiB");
    // The hook gets the whole name.
    for _ in 0..10 {
        assert_eq!(scene.lines.next(), "14000");
        scene.gate.let_go();
    }
}

#[test]
fn a_command_that_hangs_keeps_no_other_waiting() {
    let scene = Scene::new();
    let hang = format!("test $UPLOAD_NAME = b.txt || {}", scene.wait());
    let server = scene.start(&format!("{}; {hang}", scene.say("$UPLOAD_NAME")));
    for name in ["a.txt", "b.txt"] {
        upload(&server, name, "");
        assert_eq!(scene.lines.next(), name);
    }
}

/// The process that `sh` starts for the command gets the signal too.
#[test]
fn a_command_that_takes_too_long_is_ended_and_run_again() {
    let scene = Scene::new();
    let hook = until_told(&scene, "exit");
    let server = scene.start_with(&hook, &["--hook-timeout", "1"]);
    upload(&server, "a.txt", "");
    let lines = [(); 3].map(|()| scene.lines.next());
    assert_eq!(lines, ["ran", "ended", "ran"]);
}

#[test]
fn a_server_that_stops_tells_commands_to_end_and_waits_for_none() {
    let scene = Scene::new();
    let hook = until_told(&scene, "read go");
    let mut server = scene.start(&hook);
    upload(&server, "a.txt", "");
    assert_eq!(scene.lines.next(), "ran");
    kill_process(Pid::from_child(server.child()), Signal::TERM).expect("signalled");
    assert_eq!(scene.lines.next(), "ended");
    assert!(server.child().wait_in_time().success());
    let _again = scene.start(&hook);
    assert_eq!(scene.lines.next(), "ran");
}

/// Returns a command whose child waits for SIGTERM, and then does `then`.
fn until_told(scene: &Scene, then: &str) -> String {
    let (ran, ended, wait) = (scene.say("ran"), scene.say("ended"), scene.wait());
    let gate = scene.gate.shown();
    format!("(trap '{ended}; {then} < {gate}' TERM; {ran}; {wait}; true); true")
}

#[test]
fn output_of_a_command_and_its_children_is_logged() {
    let scene = Scene::new();
    let hook = format!("echo out; echo err >&2; ({}; echo late) &", scene.wait());
    let flags = ["--on-complete", &hook];
    let mut server = Process::logging("info", &scene.dir, &flags);
    let mut log = server.log();
    let mut next = || {
        let said = log.find_map(|line| Some(line.split_once(LOGGED)?.1.to_owned()));
        said.expect("the server runs")
    };
    upload(&server, "a.txt", "");
    assert_eq!((next(), next()), ("out".into(), "err".into()));
    scene.gate.let_go();
    assert_eq!(next(), "late");
}

#[test]
fn command_gets_the_path_in_the_folder_of_the_user() {
    let scene = Scene::new();
    let hook = scene.say("\"$UPLOAD_USER $UPLOAD_NAME $UPLOAD_PATH\"");
    let flags = [
        "--user-dirs",
        "--user",
        "ann:secret",
        "--user",
        "bob:secret",
    ];
    let server = scene.start_with(&hook, &flags);
    // In base64, the two users.
    for (user, credentials) in [("ann", "YW5uOnNlY3JldA=="), ("bob", "Ym9iOnNlY3JldA==")] {
        let login = format!("Authorization: Basic {credentials}\r\n");
        upload(&server, "a.txt", &login);
        let path = scene.dir.join(user).join("a.txt");
        assert_eq!(
            scene.lines.next(),
            format!("{user} a.txt {}", path.display())
        );
    }
}
