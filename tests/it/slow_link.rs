//! A slow link costs almost nothing, and is no slower for it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::left_out::left_out;
use crate::program::Program;
use crate::support::{Client, Site, append};

const SEGMENT_BYTES: usize = 1_448;
const PACE_BYTES_PER_SEC: usize = 4_000_000;
const LENGTH: usize = 12_000_000;

/// How often the workers of a process have been woken.
fn wakes(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    let of_worker = |task: fs::DirEntry| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let count = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        name.starts_with("resumed-worker")
            .then(|| count.trim().parse::<u64>().expect("a count"))
    };
    tasks
        .filter_map(|task| of_worker(task.expect("a thread")))
        .sum()
}

/// Sends in segments as a link of that pace would bring them.
fn send_paced(client: &mut Client, content: &[u8]) {
    let begin = Instant::now();
    for (number, segment) in content.chunks(SEGMENT_BYTES).enumerate() {
        let due =
            Duration::from_secs_f64((number * SEGMENT_BYTES) as f64 / PACE_BYTES_PER_SEC as f64);
        thread::sleep(due.saturating_sub(begin.elapsed()));
        client.send(segment);
    }
}

#[test]
#[ignore = "counts and compares: make test runs it alone"]
fn a_paced_upload_wakes_a_worker_about_100_times_a_second() {
    // On a busy machine the sender falls behind and catches up in bursts, which is another pace: the
    // calmest of several is what the server does.
    let calmest = (0..5)
        .map(|_| wakes_a_second_when_paced())
        .find(|woken| *woken < 160.0);
    assert!(calmest.is_some(), "never fewer than 160 wakes a second");
}

fn wakes_a_second_when_paced() -> f64 {
    let server = Program::start(&[]);
    let mut client = Client::connect(server.addr());
    client.send(append(&format!("paced-{LENGTH}-1700000000000"), 0, LENGTH));
    let (before, begin) = (wakes(server.pid()), Instant::now());
    send_paced(&mut client, &vec![3; LENGTH]);
    let (woken, secs) = (wakes(server.pid()) - before, begin.elapsed().as_secs_f64());
    assert_eq!(client.answer().text(), format!("Success {LENGTH}"));
    let a_second = woken as f64 / secs;
    println!("{a_second:.0} wakes a second");
    a_second
}

/// Two network namespaces joined by a path of 100 ms round trip. Gone when dropped.
struct LongPath {
    near: String,
    far: String,
    relay: Child,
}

impl LongPath {
    fn new() -> LongPath {
        let tag = std::process::id();
        let (near, far) = (format!("resumed-near-{tag}"), format!("resumed-far-{tag}"));
        for name in [&near, &far] {
            ip(&["netns", "add", name]);
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/long_path/relay.py");
        let mut relay = Command::new("python3")
            .args([script, &near, &far, "0.05"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let mut line = String::new();
        let stdout = relay.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        assert_eq!(line.trim(), "ready");
        LongPath { near, far, relay }
    }
}

impl Drop for LongPath {
    fn drop(&mut self) {
        drop(self.relay.stdin.take());
        self.relay.wait().expect("the relay ends");
        for name in [&self.near, &self.far] {
            ip(&["netns", "del", name]);
        }
    }
}

pub(crate) fn ip(args: &[&str]) {
    let status = Command::new("ip").args(args).status().expect("ip runs");
    assert!(status.success(), "ip {args:?}");
}

/// Runs something in a namespace; what it starts stays there.
pub(crate) fn within<T: Send>(namespace: &str, run: impl FnOnce() -> T + Send) -> T {
    let file = fs::File::open(format!("/run/netns/{namespace}")).expect("a namespace");
    let inside = move || {
        let network = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(file.as_fd(), network).expect("moved");
        run()
    };
    thread::scope(|scope| scope.spawn(inside).join().expect("it did not panic"))
}

/// How long an upload takes from near to far.
fn upload_along(path: &LongPath, longest_look: Duration) -> Duration {
    let site = within(&path.far, || {
        Site::with(|config| {
            config
                .listen("10.99.0.2:0")
                .allow_root()
                .longest_look(longest_look)
        })
    });
    let addr = site.addr();
    within(&path.near, move || {
        let content = vec![5; 2 * LENGTH];
        let mut client = Client::connect(addr);
        let begin = Instant::now();
        client.send(append("far", 0, content.len()));
        client.send(&content);
        assert_eq!(client.answer().text(), content.len().to_string());
        begin.elapsed()
    })
}

#[test]
#[ignore = "counts and compares: make test runs it alone"]
fn a_long_path_is_as_fast_as_when_woken_by_every_packet() {
    if !rustix::process::geteuid().is_root() {
        return left_out("a long path", "namespaces need root");
    }
    let path = LongPath::new();
    let mut ratios: Vec<f64> = (0..3)
        .map(|_| {
            let looking = upload_along(&path, Duration::from_millis(20));
            let woken = upload_along(&path, Duration::ZERO);
            println!("looking {looking:?}, woken by every packet {woken:?}");
            woken.as_secs_f64() / looking.as_secs_f64()
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    assert!(
        ratios[ratios.len() / 2] > 0.9,
        "throughput relative to every packet: {ratios:?}"
    );
}
