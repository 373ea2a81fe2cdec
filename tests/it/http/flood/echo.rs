//! A process that echoes: the flood test compares the server with it.

use std::env;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use crate::support::killed::Killed;
use crate::support::limit::Lines;

/// Running, until it is dropped.
pub(super) struct Echo {
    _child: Killed,
    pub(super) addr: SocketAddr,
    /// The test in it speaks after a minute, and would not survive a closed pipe.
    _said: Lines,
}

/// Set in the environment of the process that is to be one.
const IS_ECHO: &str = "RESUMED_IS_ECHO";

impl Echo {
    /// Starts this program a second time, for the one test below.
    pub(super) fn start() -> Echo {
        let child = Command::new(env::current_exe().expect("a path"))
            .args([
                "--exact",
                "http::flood::echo::echo",
                "--ignored",
                "--nocapture",
            ])
            .env(IS_ECHO, "")
            .stdout(Stdio::piped())
            .spawn();
        let mut child = Killed(child.expect("it runs"));
        let mut lines = Lines::of("the address", child.stdout.take().expect("piped"));
        let addr = lines.find_map(|line| line.split_once("echo on ")?.1.parse().ok());
        Echo {
            _child: child,
            addr: addr.expect("an address"),
            _said: lines,
        }
    }
}

#[test]
#[ignore = "it is the process that the flood is compared with"]
fn echo() {
    if env::var_os(IS_ECHO).is_none() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("echo on {}", listener.local_addr().expect("an address"));
    let mut buffer = [0; 1024];
    for stream in listener.incoming() {
        let mut stream = stream.expect("a client");
        let length = stream.read(&mut buffer).expect("a question");
        stream.write_all(&buffer[..length]).expect("an answer");
    }
}
