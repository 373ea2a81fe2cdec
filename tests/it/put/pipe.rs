//! Standard input: no other run can read it again.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::thread;

use super::{HEADS, Running, expect_sent_once, put, put_bytes, wait_for_part};
use crate::support::line::Line;
use crate::support::program::Program;
use crate::support::{Site, content};

#[test]
fn pipe_of_any_length_arrives_under_the_name_in_the_url() {
    const WINDOW: usize = 8 * 1024 * 1024;
    let site = Site::new();
    for length in [0, 5, WINDOW, WINDOW + 1] {
        let url = format!("http://{}/pipe%20{length}.bin", site.addr());
        let running = put_bytes(&content(length), &url);
        running
            .end()
            .expect(0, &["another run cannot continue standard input"]);
        let there = fs::read(site.dir().join(format!("pipe {length}.bin"))).expect("published");
        assert!(there == content(length), "{length} bytes");
    }
}

#[test]
fn pipe_continues_when_a_killed_server_is_back() {
    const LENGTH: usize = 20_000_000;
    const PART: u64 = 10_000_000;
    let server = Program::start(&[]);
    let addr = server.addr();
    let line = Line::of(addr, PART);
    let url = format!("{}/a.bin", line.url());
    let mut running = Running::start(put(["-", &url]).stdin(Stdio::piped()));
    let mut input = running.child().stdin.take().expect("piped");
    thread::scope(|scope| {
        scope.spawn(move || input.write_all(&content(LENGTH)).expect("taken"));
        wait_for_part(server.dir(), PART - HEADS);
        let dir = server.kill();
        let server = Program::over(dir, &addr.to_string(), &[]);
        line.cut_and_open();
        running.end().expect(0, &["the server does not answer"]);
        assert!(fs::read(server.dir().join("a.bin")).expect("published") == content(LENGTH));
    });
    expect_sent_once(&line, LENGTH as u64);
}
