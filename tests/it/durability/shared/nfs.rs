//! A directory on NFS: the kernel's server and two clients, each in a network namespace.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::ops::readme::block_of;
use crate::support::limit::{LIMIT, Lines, RunInTime, end_within, fail};

use super::SCALING;
use super::namespace::Namespace;

/// Serves a directory until the input ends. An empty `/var/lib/nfs` has no earlier clients to wait for.
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

/// Two machines that have mounted the directory. Dropping removes them.
pub(super) struct Nfs {
    clients: [Client; 2],
    _server: Server,
    // After the others, because fields are dropped in order.
    _home: TempDir,
}

struct Server {
    namespace: Namespace,
    child: Child,
}

struct Client {
    namespace: Namespace,
    mount: PathBuf,
}

/// Returns the reason if this machine cannot run NFS. A missing kernel module comes first: no package adds it.
pub(super) fn obstacle() -> Option<String> {
    let mut modprobe = Command::new("modprobe");
    let _ = modprobe.args(["-aq", "nfs", "nfsd"]).status_in_time();
    let known = fs::read_to_string("/proc/filesystems").expect("a list");
    let is_missing = |kind: &&&str| !known.split_whitespace().any(|known| known == **kind);
    match ["nfsd", "nfs4"].iter().find(is_missing) {
        Some(kind) => Some(format!("this kernel has no {kind}")),
        None => super::lacks(&["ip", "exportfs", "rpc.mountd", "rpc.nfsd", "mount.nfs"]),
    }
}

impl Nfs {
    /// Mounts the directory with the commands of the manual.
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

    /// Creates a directory. Returns its path on each client.
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
        let namespace = Namespace::new();
        namespace.ip(&["link", "set", "lo", "up"]);
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-e", "-c", SERVE])
            .current_dir(export)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Warnings about the missing services of versions before 4.
            .stderr(Stdio::null());
        let mut child = namespace.within(|| command.spawn()).expect("unshare runs");
        let stdout = child.stdout.take().expect("piped");
        let said = Lines::of("the start of NFS", stdout).next();
        assert_eq!(said.as_deref(), Some("ready"));
        Server { namespace, child }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if let Err(message) = end_within(LIMIT, &mut self.child) {
            fail(&message);
        }
    }
}

impl Client {
    fn new(number: usize, mount: PathBuf, server: &Server) -> Client {
        fs::create_dir(&mount).expect("made");
        let namespace = Namespace::new();
        let (wire, address) = (format!("wire{number}"), format!("10.97.{number}"));
        let link = ["link", "add", &wire, "type", "veth", "peer", "name", "wire"];
        let peer = namespace.path();
        server
            .namespace
            .ip(&[&link[..], &["netns", &peer]].concat());
        for (namespace, wire, host) in [(&server.namespace, &*wire, 1), (&namespace, "wire", 2)] {
            let address = format!("{address}.{host}/24");
            namespace.ip(&["address", "add", &address, "dev", wire]);
            namespace.ip(&["link", "set", wire, "up"]);
        }
        let client = Client { namespace, mount };
        client.mount(&format!("{address}.1"), number);
        client
    }

    /// Mounts with the command of the manual. The server identifies a client by its host name.
    fn mount(&self, server: &str, number: usize) {
        let script = block_of(SCALING, "nfs");
        assert!(script.contains(" node1:/uploads /srv/uploads"), "{script}");
        let script = script.replace("node1:/uploads", &format!("{server}:/"));
        let script = script.replace("/srv/uploads", &self.mount.to_string_lossy());
        let script = format!("hostname node{number}\n{script}");
        let mut command = Command::new("unshare");
        command.args(["--uts", "sh", "-e", "-c", &script]);
        let status = self.namespace.within(|| command.status_in_time());
        assert!(status.expect("unshare runs").success(), "{script}");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Lazily: after a failed test, a server may still use the mount.
        let mut umount = Command::new("umount");
        let _ = umount
            .args(["--force", "--lazy"])
            .arg(&self.mount)
            .status_in_time();
    }
}
