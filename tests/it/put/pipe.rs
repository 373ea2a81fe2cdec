//! Standard input, which nobody can read twice.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::thread;

use super::{HEADS, Running, put, wait_for_part};
use crate::support::Site;
use crate::support::line::Line;
use crate::support::program::Program;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7 % 251) as u8).collect()
}

#[test]
fn a_pipe_of_any_length_arrives_under_the_name_in_the_address() {
    const WINDOW: usize = 8 * 1024 * 1024;
    let site = Site::new();
    for length in [0, 5, WINDOW, WINDOW + 1] {
        let url = format!("http://{}/pipe%20{length}.bin", site.addr());
        let mut running = Running::start(put(["-", &url]).stdin(Stdio::piped()));
        let mut input = running.child().stdin.take().expect("piped");
        input.write_all(&content(length)).expect("taken");
        drop(input);
        running
            .end()
            .expect(0, &["cannot be carried on by another run"]);
        let there = fs::read(site.dir().join(format!("pipe {length}.bin"))).expect("published");
        assert!(there == content(length), "{length} bytes");
    }
}

#[test]
fn a_pipe_goes_on_when_the_server_was_killed_and_is_back() {
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
    assert!(
        line.taken() < LENGTH as u64 + 4 * HEADS,
        "{} bytes",
        line.taken()
    );
}
