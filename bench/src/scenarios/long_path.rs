//! A path of 100 ms round trip, made of two network namespaces: looking at a slow body now and then must not be slower
//! than being woken by each of its packets.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::bench::Bench;
use crate::load;
use crate::peers::{Launch, OURS, Ours, Peer, Running, Upload, floor};
use crate::samples::Samples;
use crate::wire::Line;

const ONE_WAY_SECS: &str = "0.05";
const FAR_ADDRESS: &str = "10.99.0.2";

pub(super) fn run(bench: &mut Bench) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        for subject in [OURS, "woken by every packet", "bare loop"] {
            bench
                .samples
                .explain("long", subject, "left out: namespaces need root");
        }
        return Ok(());
    }
    let path = LongPath::new()?;
    bench.repeat("long", bench.rounds(9), |bench, round, samples| {
        measure(bench, &path, round, samples)
    })
}

fn measure(bench: &Bench, path: &LongPath, round: usize, samples: &mut Samples) -> io::Result<()> {
    let ours = Ours::fast(&bench.server);
    let floor = floor();
    let mut servers: [(&str, &dyn Peer, &[&str]); 3] = [
        (OURS, &ours, &["_ours", "DIR", FAR_ADDRESS, "20"]),
        (
            "woken by every packet",
            &ours,
            &["_ours", "DIR", FAR_ADDRESS, "0"],
        ),
        ("bare loop", &floor, &["_floor", "DIR", FAR_ADDRESS]),
    ];
    servers.rotate_left(round % 3);
    for (subject, peer, command) in servers {
        let running = Running::start(&bench.memory, |dir| path.far(command, dir))?;
        let upload = Upload::new(bench.size(48_000_000, 6_000_000));
        let send = || load::upload(peer, &mut Line::connect(running.addr)?, upload);
        let (took, answer) = within(&path.near, send)?;
        peer.check(&running, upload, &answer)?;
        samples.add(
            "long.rate",
            subject,
            round,
            upload.bytes as f64 / 1e6 / took.as_secs_f64(),
        );
    }
    Ok(())
}

/// Two namespaces and what lies between them. Gone when dropped.
struct LongPath {
    near: String,
    far: String,
    relay: Option<Child>,
}

impl LongPath {
    fn new() -> io::Result<LongPath> {
        let tag = std::process::id();
        let (near, far) = (format!("bench-near-{tag}"), format!("bench-far-{tag}"));
        let mut path = LongPath {
            near,
            far,
            relay: None,
        };
        ip(&["netns", "add", &path.near])?;
        ip(&["netns", "add", &path.far])?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/long_path/relay.py");
        let mut relay = Command::new("python3");
        relay
            .args([script, &path.near, &path.far, ONE_WAY_SECS])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let relay = path.relay.insert(relay.spawn()?);
        let mut line = String::new();
        BufReader::new(relay.stdout.take().expect("piped")).read_line(&mut line)?;
        if line.trim() == "ready" {
            Ok(path)
        } else {
            Err(io::Error::other("the relay does not start"))
        }
    }

    /// One of our own servers at the far end.
    fn far(&self, command: &[&str], dir: &Path) -> io::Result<Launch> {
        let mut ip = Command::new("ip");
        ip.args(["netns", "exec", &self.far])
            .arg(std::env::current_exe()?);
        for word in command {
            if *word == "DIR" {
                ip.arg(dir)
            } else {
                ip.arg(word)
            };
        }
        Ok(Launch::Says(ip))
    }
}

impl Drop for LongPath {
    fn drop(&mut self) {
        if let Some(mut relay) = self.relay.take() {
            drop(relay.stdin.take());
            let _ = relay.wait();
        }
        for name in [&self.near, &self.far] {
            let _ = ip(&["netns", "del", name]);
        }
    }
}

fn ip(args: &[&str]) -> io::Result<()> {
    let status = Command::new("ip").args(args).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("ip {args:?} failed")))
    }
}

/// Does something in a namespace.
fn within<T: Send>(namespace: &str, act: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let file = File::open(format!("/run/netns/{namespace}"))?;
    let inside = move || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
        act()
    };
    thread::scope(|scope| scope.spawn(inside).join().expect("it did not panic"))
}
