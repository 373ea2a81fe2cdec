//! A GlusterFS volume of two nodes. Each is a network namespace with a daemon, a brick and a mount.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::ops::readme::block_of;
use crate::support::limit::{LIMIT, RunInTime, end_within, fail, wait_until};
use crate::support::mount::fuse_obstacle;

use super::SCALING;
use super::namespace::Namespace;

/// Two nodes. Dropping removes them.
pub(super) struct Cluster {
    nodes: [Node; 2],
    // After `nodes`, because fields are dropped in order.
    _home: TempDir,
}

struct Node {
    namespace: Namespace,
    address: String,
    home: PathBuf,
    daemon: Child,
    is_mounted: bool,
}

/// Returns the reason if this machine cannot run a cluster.
pub(super) fn obstacle() -> Option<String> {
    super::lacks(&["ip", "glusterd", "mount.glusterfs"]).or_else(|| fuse_obstacle(&[]))
}

impl Cluster {
    /// Sets up the volume with the commands of the manual.
    pub(super) fn new() -> Cluster {
        let home = tempfile::tempdir().expect("a temporary directory");
        let [one, other] = [(); 2].map(|()| Namespace::new());
        let link = ["link", "add", "wire", "type", "veth"];
        one.ip(&[&link[..], &["peer", "name", "wire", "netns", &other.path()]].concat());
        let nodes = [(1, one), (2, other)].map(|(number, namespace)| {
            Node::start(number, namespace, home.path().join(number.to_string()))
        });
        let mut cluster = Cluster { nodes, _home: home };
        cluster.make_volume();
        cluster.nodes.iter_mut().for_each(Node::mount);
        cluster
    }

    fn make_volume(&self) {
        let [one, other] = &self.nodes;
        one.gluster(&format!("peer probe {}", other.address));
        let is_connected = || {
            let status = one.gluster("peer status");
            status.contains("Peer in Cluster (Connected)")
        };
        wait_until!(is_connected());
        let [first, second] =
            [one, other].map(|node| format!("{}:{}", node.address, node.at("brick")));
        one.gluster(&format!(
            "volume create uploads replica 2 {first} {second} force"
        ));
        for line in block_of(SCALING, "volume").lines() {
            one.gluster(line.strip_prefix("gluster ").expect("a command of gluster"));
        }
        one.gluster("volume start uploads");
    }

    /// Creates a directory. Returns its path on each node.
    pub(super) fn directory(&self, name: &str) -> [PathBuf; 2] {
        let paths = self
            .nodes
            .each_ref()
            .map(|node| node.home.join("mount").join(name));
        fs::create_dir(&paths[0]).expect("made");
        paths
    }
}

impl Node {
    fn start(number: usize, namespace: Namespace, home: PathBuf) -> Node {
        for name in ["work", "run", "log", "brick", "mount"] {
            fs::create_dir_all(home.join(name)).expect("made");
        }
        let address = format!("10.98.0.{number}");
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace.ip(&["address", "add", &format!("{address}/24"), "dev", "wire"]);
        namespace.ip(&["link", "set", "wire", "up"]);
        fs::write(home.join("glusterd.vol"), configuration(&home)).expect("written");
        let daemon = daemon(&namespace, &home);
        let node = Node {
            namespace,
            address,
            home,
            daemon,
            is_mounted: false,
        };
        wait_until!(node.try_gluster("pool list").is_ok());
        node
    }

    fn at(&self, name: &str) -> String {
        self.home.join(name).to_string_lossy().into_owned()
    }

    #[track_caller]
    fn gluster(&self, command: &str) -> String {
        self.try_gluster(command).expect(command)
    }

    /// Returns the output, or the error output of a failed command.
    fn try_gluster(&self, command: &str) -> Result<String, String> {
        let socket = format!("--glusterd-sock={}", self.at("run/glusterd.socket"));
        let mut gluster = Command::new("gluster");
        gluster
            .args(["--mode=script", &socket])
            .args(command.split_whitespace());
        let output = self
            .namespace
            .within(|| gluster.output_in_time())
            .expect("it runs");
        let said = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        if output.status.success() {
            Ok(said(&output.stdout))
        } else {
            Err(said(&output.stderr))
        }
    }

    /// Mounts the volume with the command of the manual.
    fn mount(&mut self) {
        let script = block_of(SCALING, "mount");
        assert!(script.contains(" node1:/uploads /srv/uploads"), "{script}");
        let script = script.replace("node1:", &format!("{}:", self.address));
        let script = script.replace("/srv/uploads", &self.at("mount"));
        let status = self
            .namespace
            .within(|| Command::new("sh").args(["-c", &script]).status_in_time());
        assert!(status.expect("sh runs").success(), "{script}");
        self.is_mounted = true;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.is_mounted {
            // Lazily: after a failed test, a server may still use the mount.
            let _ = Command::new("umount")
                .arg("--lazy")
                .arg(self.at("mount"))
                .status_in_time();
        }
        let _ = self.daemon.kill();
        if let Err(message) = end_within(LIMIT, &mut self.daemon) {
            fail(&message);
        }
    }
}

/// Starts the daemon in a PID namespace, so that its children end with it.
fn daemon(namespace: &Namespace, home: &Path) -> Child {
    let mut command = Command::new("unshare");
    command
        .args([
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "glusterd",
            "--no-daemon",
        ])
        .args([
            "-f",
            "glusterd.vol",
            "-p",
            "run/glusterd.pid",
            "-l",
            "log/glusterd.log",
        ])
        .current_dir(home)
        .stdin(Stdio::null());
    namespace.within(|| command.spawn()).expect("unshare runs")
}

fn configuration(home: &Path) -> String {
    let home = home.display();
    format!(
        "volume management\n    type mgmt/glusterd\n    option working-directory {home}/work\n    \
         option run-directory {home}/run\n    option glusterd-sockfile {home}/run/glusterd.socket\n    \
         option logging-directory {home}/log\n    option transport-type socket\n    \
         option transport.socket.keepalive-time 10\n    option transport.socket.keepalive-interval 2\n    \
         option ping-timeout 0\nend-volume\n"
    )
}
