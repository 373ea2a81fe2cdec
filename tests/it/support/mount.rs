//! File systems of a test's own. Root may have them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::left_out::root_obstacle;

/// A mounted file system. Gone when dropped.
pub(crate) struct Mount {
    at: PathBuf,
    // Removed after the unmount.
    _home: Option<TempDir>,
}

impl Mount {
    /// Mounts an image on a loop device without a cache: the image has exactly the writes of the file system.
    pub(crate) fn image(image: &Path) -> Mount {
        Mount::new(&["-o", "loop", &image.to_string_lossy()])
    }

    /// Mounts an image with a FUSE file system.
    pub(crate) fn fuse_image(image: &Path, kind: &str, options: &str) -> Mount {
        Mount::new(&["-t", kind, "-o", options, &image.to_string_lossy()])
    }

    /// Does the same on an existing directory.
    pub(crate) fn fuse_image_on(at: &Path, image: &Path, kind: &str) -> Mount {
        let mut mount = Command::new("mount");
        run(mount.args(["-t", kind, "-o", "loop"]).args([image, at]));
        Mount {
            at: at.into(),
            _home: None,
        }
    }

    /// Mounts the encfs view of a directory.
    pub(crate) fn encfs(of: &Path) -> Mount {
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new("sh");
        let script = "echo password | encfs --standard --stdinpass \"$0\" \"$1\" >/dev/null 2>&1";
        run(command.args(["-c", script]).args([of, home.path()]));
        Mount {
            at: home.path().into(),
            _home: Some(home),
        }
    }

    /// Mounts an image, if the kernel supports its file system.
    pub(crate) fn known_image(image: &Path) -> Option<Mount> {
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop"]).arg(image).arg(home.path());
        let mounted = mount.output();
        let is_done = mounted.is_ok_and(|output| output.status.success());
        is_done.then(|| Mount {
            at: home.path().into(),
            _home: Some(home),
        })
    }

    /// Bind-mounts a directory at a second path.
    pub(crate) fn bound(from: &Path, to: &Path) -> Mount {
        run(Command::new("mount").arg("--bind").args([from, to]));
        Mount {
            at: to.to_owned(),
            _home: None,
        }
    }

    /// Mounts a tmpfs on an existing directory.
    pub(crate) fn tmpfs_on(at: &Path, options: &str) -> Mount {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]);
        run(mount.arg(at));
        Mount {
            at: at.into(),
            _home: None,
        }
    }

    /// A file system in memory.
    pub(crate) fn tmpfs(options: &str) -> Mount {
        Mount::new(&["-t", "tmpfs", "-o", options, "tmpfs"])
    }

    pub(crate) fn path(&self) -> &Path {
        &self.at
    }

    fn new(what: &[&str]) -> Mount {
        let home = tempfile::tempdir().expect("a temporary directory");
        run(Command::new("mount").args(what).arg(home.path()));
        Mount {
            at: home.path().into(),
            _home: Some(home),
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // The system may still be looking into it: then it is busy, for a moment.
        let until = Instant::now() + Duration::from_secs(10);
        let mut umount = Command::new("umount");
        umount.arg(&self.at).stderr(Stdio::null());
        while !umount.status().is_ok_and(|status| status.success()) {
            if Instant::now() > until {
                return run(&mut umount);
            }
        }
    }
}

/// Creates a sparse image with a file system: its name, and more arguments of `mkfs`.
pub(crate) fn make_image(path: &Path, file_system: &str, bytes: u64) {
    let image = fs::File::create(path).expect("an image");
    image.set_len(bytes).expect("with a size");
    let mut words = file_system.split(' ');
    run(Command::new(mkfs(words.next().unwrap_or_default()))
        .args(words)
        .arg(path));
}

fn mkfs(file_system: &str) -> String {
    format!("mkfs.{file_system}")
}

/// Why images with these file systems cannot be mounted here, if they cannot.
pub(crate) fn obstacle(file_systems: &[&str]) -> Option<String> {
    if let Some(reason) = root_obstacle() {
        return Some(reason);
    }
    let device = Command::new("losetup").arg("--find").output();
    if !device.is_ok_and(|output| output.status.success()) {
        return Some("there is no loop device".into());
    }
    let is_missing = |tool: &String| Command::new(tool).arg("-V").output().is_err();
    let names = file_systems.iter().map(|words| words.split(' ').next());
    let mut tools = names.flatten().map(mkfs);
    tools
        .find(is_missing)
        .map(|tool| format!("there is no {tool}"))
}

/// Returns the reason if these tools cannot mount FUSE file systems here.
pub(crate) fn fuse_obstacle(tools: &[&str]) -> Option<String> {
    if let Some(reason) = obstacle(&[]) {
        return Some(reason);
    }
    if !Path::new("/dev/fuse").exists() {
        return Some("there is no /dev/fuse".into());
    }
    let is_missing = |tool: &&&str| {
        let found = Command::new("sh")
            .args(["-c", "command -v \"$0\"", tool])
            .output();
        !found.is_ok_and(|output| output.status.success())
    };
    let missing = tools.iter().find(is_missing);
    missing.map(|tool| format!("there is no {tool}"))
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
