//! Network namespaces: each simulates the network of a machine.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

pub(super) fn ip(args: &[&str]) {
    let status = Command::new("ip").args(args).status().expect("ip runs");
    assert!(status.success(), "ip {args:?}");
}

/// Runs a closure in a namespace. Its child processes stay there.
pub(super) fn within<T: Send>(namespace: &str, run: impl FnOnce() -> T + Send) -> T {
    let file = File::open(format!("/run/netns/{namespace}")).expect("a namespace");
    let inside = move || {
        let network = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(file.as_fd(), network).expect("moved");
        run()
    };
    thread::scope(|scope| scope.spawn(inside).join().expect("it did not panic"))
}
