//! Network namespaces: each simulates the network of a machine.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{self, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::support::killed::Killed;
use crate::support::limit::{RunInTime, in_time};

/// A namespace without a name. The kernel removes it with its last process and descriptor.
pub(super) struct Namespace(File);

impl Namespace {
    pub(super) fn new() -> Namespace {
        // The echo tells that `unshare` is done.
        let mut unshare = Command::new("unshare");
        unshare.args(["--net", "cat"]);
        unshare.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut cat = Killed(unshare.spawn().expect("unshare runs"));
        let mut stdin = cat.stdin.take().expect("piped");
        stdin.write_all(b".").expect("written");
        let mut stdout = cat.stdout.take().expect("piped");
        let echo = in_time("an echo", move || stdout.read_exact(&mut [0]));
        echo.expect("read");
        let file = File::open(format!("/proc/{}/ns/net", cat.id()));
        Namespace(file.expect("a namespace"))
    }

    /// Returns the name of the namespace for `ip`, as long as this process runs.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }

    /// Runs `ip` in the namespace. `ip -n` does the same, but mounts /sys, which fails in a chroot.
    pub(super) fn ip(&self, args: &[&str]) {
        let status = self.within(|| Command::new("ip").args(args).status_in_time());
        assert!(status.expect("ip runs").success(), "ip {args:?}");
    }

    /// Runs a closure in the namespace. Its child processes stay there.
    pub(super) fn within<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        let inside = move || {
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(self.0.as_fd(), network).expect("moved");
            run()
        };
        thread::scope(|scope| scope.spawn(inside).join().expect("it did not panic"))
    }
}

/// Returns the reason if this machine cannot simulate other machines.
pub(super) fn obstacle() -> Option<String> {
    let mut unshare = Command::new("unshare");
    unshare.args([
        "--net",
        "--mount",
        "--uts",
        "--pid",
        "--fork",
        "--mount-proc",
        "true",
    ]);
    let output = unshare.output_in_time().expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = format!("namespaces cannot be made: {}", said.trim());
    (!output.status.success()).then_some(reason)
}
