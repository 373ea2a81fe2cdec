//! `resumed put`, beside curl and rclone. rclone speaks to its own server, over the same relay.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::peers::{Launch, OURS, Ours, Peer, Running, free_port};
use crate::place;
use crate::relay::Link;
use crate::source::Source;

use super::task::Task;

pub(crate) const CURL: &str = "curl";
pub(crate) const RCLONE: &str = "rclone";

/// The rate is no limit here: more than a relay passes.
const FAR: Link = Link {
    round_trip: Duration::from_millis(40),
    bits_per_sec: 100e9,
};

const JOBS: usize = 8;

pub(super) fn run(bench: &mut Bench) -> io::Result<()> {
    let tasks = [
        Task {
            metric: "put.far",
            count: bench.size(1000, 20),
            bytes: 30_000,
            link: Some(FAR),
            ways: &[OURS, CURL, RCLONE],
        },
        Task {
            metric: "put.many",
            count: bench.size(10_000, 50),
            bytes: 30_000,
            link: None,
            // rclone takes minutes.
            ways: &[OURS, CURL],
        },
        Task {
            metric: "put.large",
            count: 1,
            bytes: bench.size(2_000_000_000, 20_000_000),
            link: None,
            ways: &[OURS, CURL, RCLONE],
        },
    ];
    let rounds = bench.rounds(5);
    bench.repeat("put", rounds, |bench, round, samples| {
        tasks.iter().try_for_each(|task| {
            task.run(bench, round, samples, |way, source| {
                secs(task, bench, way, source)
            })
        })
    })
}

/// Returns the seconds of one way.
fn secs(task: &Task, bench: &Bench, way: &str, source: &Source) -> io::Result<f64> {
    let server = match way {
        RCLONE => Running::start(&bench.memory, rclone_server)?,
        _ => Ours::fast(&bench.server).start(&bench.memory)?,
    };
    let addr = task.over_link(server.addr)?;
    let scripts = place::new(&bench.memory)?;
    let commands = match way {
        RCLONE => vec![rclone(addr, source)],
        CURL => curls(addr, source, scripts.path().join("curl"))?,
        _ => vec![put(bench, addr, source)],
    };
    let begin = Instant::now();
    let running: Vec<Child> = commands
        .into_iter()
        .map(started)
        .collect::<io::Result<_>>()?;
    running.into_iter().try_for_each(ended)?;
    let took = begin.elapsed();
    source.check(server.dir())?;
    Ok(took.as_secs_f64())
}

fn put(bench: &Bench, addr: SocketAddr, source: &Source) -> Command {
    let mut command = Command::new(&bench.put);
    command.arg("put").args(source.paths());
    command.arg(format!("http://{addr}"));
    command
}

/// Up to eight processes with an eighth of the files each, and one POST a file.
fn curls(addr: SocketAddr, source: &Source, script: PathBuf) -> io::Result<Vec<Command>> {
    let paths = source.paths();
    let mut commands = Vec::new();
    for (number, share) in paths.chunks(paths.len().div_ceil(JOBS)).enumerate() {
        let mut lines = Vec::new();
        for path in share {
            let name = path.file_name().expect("a name").to_string_lossy();
            let length = fs::metadata(path)?.len();
            let mut line = format!("url = \"http://{addr}/upload\"\n");
            let _ = writeln!(
                line,
                "header = \"X-File-Id: {name}-{length}-1700000000000\""
            );
            let _ = writeln!(line, "header = \"X-Start-Byte: 0\"\nrequest = POST");
            // Without the round trip of 100-continue.
            let _ = writeln!(line, "header = \"Expect:\"");
            let _ = writeln!(
                line,
                "upload-file = \"{}\"\noutput = /dev/null",
                path.display()
            );
            lines.push(line);
        }
        let script = script.with_extension(number.to_string());
        fs::write(&script, lines.join("next\n"))?;
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--show-error", "--config"])
            .arg(script);
        commands.push(command);
    }
    Ok(commands)
}

fn rclone_server(dir: &Path) -> io::Result<Launch> {
    let port = free_port()?;
    let mut command = Command::new("rclone");
    command
        .args(["serve", "webdav", "--addr"])
        .arg(format!("127.0.0.1:{port}"))
        .arg(dir);
    command.env("RCLONE_CONFIG", "/dev/null");
    Ok(Launch::Port(command, port))
}

fn rclone(addr: SocketAddr, source: &Source) -> Command {
    let mut command = Command::new("rclone");
    command
        .args(["copy", "--transfers", "8"])
        .arg(source.dir())
        .arg(":webdav:");
    command.arg(format!("--webdav-url=http://{addr}"));
    command.env("RCLONE_CONFIG", "/dev/null");
    command
}

fn started(mut command: Command) -> io::Result<Child> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
}

fn ended(child: Child) -> io::Result<()> {
    let output = child.wait_with_output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )),
    }
}
