//! A directory on NFS, served by this machine's kernel: the server and two clients, each in a network namespace.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};

use tempfile::TempDir;

use crate::ops::readme::block_of;

use super::SCALING;
use super::namespace::{ip, within};

/// What serves a directory until its input ends. `mountd` goes into the background when it is ready; of the kernel's
/// table of clients of a former life, which it would wait for, there is none.
const SERVE: &str = "
    mount -t tmpfs none /var/lib/nfs
    touch /var/lib/nfs/etab /var/lib/nfs/rmtab
    mount -t nfsd none /proc/fs/nfsd
    exportfs -i -o rw,no_root_squash,no_subtree_check,fsid=0 \"*:$PWD\"
    rpc.mountd --no-nfs-version 3
    rpc.nfsd --no-udp --no-nfs-version 3 --lease-time 10 --grace-time 10
    echo ready
    read end || rpc.nfsd 0
";

/// Two machines that have mounted it. Gone when dropped.
pub(super) struct Nfs {
    clients: [Client; 2],
    _server: Server,
    // Removed when nothing uses it any more.
    _home: TempDir,
}

struct Server {
    namespace: String,
    child: Child,
}

struct Client {
    namespace: String,
    mount: PathBuf,
}

/// Why there can be none here, if there cannot. What no package brings is said first.
pub(super) fn obstacle() -> Option<String> {
    let _ = Command::new("modprobe")
        .args(["-aq", "nfs", "nfsd"])
        .status();
    let known = fs::read_to_string("/proc/filesystems").expect("a list");
    lacking(&known).map_or_else(
        || super::lacks(&["exportfs", "rpc.mountd", "rpc.nfsd", "mount.nfs"]),
        |kind| Some(format!("this kernel has no {kind}")),
    )
}

/// Of the file systems that it takes, one that the kernel does not know.
fn lacking(known: &str) -> Option<&'static str> {
    let is_known = |name: &str| {
        known
            .lines()
            .any(|line| line.split('\t').next_back() == Some(name))
    };
    ["nfsd", "nfs4"].into_iter().find(|name| !is_known(name))
}

#[test]
fn a_kernel_without_nfs_is_told_from_one_that_has_it() {
    assert_eq!(
        lacking("nodev\tnfsd\nnodev\tnfs\nnodev\tnfs4\n\text4\n"),
        None
    );
    assert_eq!(lacking("nodev\tnfs\nnodev\tnfs4\n"), Some("nfsd"));
    assert_eq!(lacking("nodev\tnfsd\nnodev\tnfs\n"), Some("nfs4"));
}

impl Nfs {
    /// Mounted as the page says.
    pub(super) fn new() -> Nfs {
        let home = tempfile::tempdir().expect("a temporary directory");
        let [export, one, other] = ["export", "1", "2"].map(|name| home.path().join(name));
        fs::create_dir(&export).expect("made");
        let server = Server::start(export);
        let clients =
            [(1, one), (2, other)].map(|(number, mount)| Client::new(number, mount, &server));
        Nfs {
            clients,
            _server: server,
            _home: home,
        }
    }

    /// A new directory, as it is seen by each client.
    pub(super) fn directory(&self, name: &str) -> [PathBuf; 2] {
        let paths = self
            .clients
            .each_ref()
            .map(|client| client.mount.join(name));
        fs::create_dir(&paths[0]).expect("made");
        paths
    }
}

impl Server {
    fn start(export: PathBuf) -> Server {
        let namespace = format!("resumed-nfs-{}", process::id());
        ip(&["netns", "add", &namespace]);
        ip(&["-n", &namespace, "link", "set", "lo", "up"]);
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-e", "-c", SERVE])
            .current_dir(export)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It misses what versions before 4 take.
            .stderr(Stdio::null());
        let mut child = within(&namespace, || command.spawn()).expect("unshare runs");
        let said = BufReader::new(child.stdout.take().expect("piped"));
        let said = said.lines().next().expect("it serves").expect("text");
        assert_eq!(said, "ready");
        Server { namespace, child }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        ip(&["netns", "del", &self.namespace]);
    }
}

impl Client {
    fn new(number: usize, mount: PathBuf, server: &Server) -> Client {
        fs::create_dir(&mount).expect("made");
        let namespace = format!("{}-{number}", server.namespace);
        let (wire, address) = (format!("wire{number}"), format!("10.97.{number}"));
        ip(&["netns", "add", &namespace]);
        let link = [
            "link",
            "add",
            &wire,
            "netns",
            &server.namespace,
            "type",
            "veth",
        ];
        ip(&[&link[..], &["peer", "name", "wire", "netns", &namespace]].concat());
        for (namespace, wire, host) in [(&server.namespace, &*wire, 1), (&namespace, "wire", 2)] {
            let address = format!("{address}.{host}/24");
            ip(&["-n", namespace, "address", "add", &address, "dev", wire]);
            ip(&["-n", namespace, "link", "set", wire, "up"]);
        }
        let client = Client { namespace, mount };
        client.mount(&format!("{address}.1"), number);
        client
    }

    /// As the page says. To the server a machine is its name.
    fn mount(&self, server: &str, number: usize) {
        let script = block_of(SCALING, "nfs");
        assert!(script.contains(" node1:/uploads /srv/uploads"), "{script}");
        let script = script.replace("node1:/uploads", &format!("{server}:/"));
        let script = script.replace("/srv/uploads", &self.mount.to_string_lossy());
        let script = format!("hostname node{number}\n{script}");
        let mut command = Command::new("unshare");
        command.args(["--uts", "sh", "-e", "-c", &script]);
        let status = within(&self.namespace, || command.status());
        assert!(status.expect("unshare runs").success(), "{script}");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Servers that a failing test has left behind keep it busy.
        let mut umount = Command::new("umount");
        let _ = umount.args(["--force", "--lazy"]).arg(&self.mount).status();
        ip(&["netns", "del", &self.namespace]);
    }
}
