//! A slow link costs almost nothing, and is no slower for it.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Client, Program};

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
fn a_paced_upload_wakes_a_worker_about_130_times_a_second() {
    let server = Program::start(&[]);
    let mut client = Client::connect(server.addr());
    client.send(format!(
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: paced-{LENGTH}-1700000000000\r\n\
         Content-Length: {LENGTH}\r\n\r\n"
    ));
    let (before, begin) = (wakes(server.pid()), Instant::now());
    send_paced(&mut client, &vec![3; LENGTH]);
    let (woken, secs) = (wakes(server.pid()) - before, begin.elapsed().as_secs_f64());
    assert_eq!(client.answer().text(), format!("Success {LENGTH}"));
    let packets = (LENGTH / SEGMENT_BYTES) as f64;
    let a_second = woken as f64 / secs;
    println!(
        "{a_second:.0} wakes a second, {:.1} packets a wake",
        packets / woken as f64
    );
    assert!(a_second < 160.0, "{a_second:.0} wakes a second");
}
