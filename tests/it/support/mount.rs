//! File systems of a test's own. Root may have them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::{NamedTempFile, TempDir};

use crate::support::left_out::{missing, root_obstacle};
use crate::support::limit::RunInTime;

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
        let mounted = mount.output_in_time();
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
        while !umount.status_in_time().is_ok_and(|status| status.success()) {
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

/// Returns the reason if images with these file systems cannot be mounted here; for none of them, if a tmpfs cannot.
pub(crate) fn obstacle(file_systems: &[&str]) -> Option<String> {
    static MOUNT: OnceLock<Option<String>> = OnceLock::new();
    let kinds = file_systems.iter().map(|words| words.split(' ').next());
    let of_kind = |kind: &str| image_obstacle(kind).or_else(|| kernel_obstacle(kind));
    let of_mounts = MOUNT.get_or_init(mount_obstacle).clone();
    of_mounts.or_else(|| kinds.flatten().find_map(of_kind))
}

/// Returns the reason if this process may not mount, as in a container without the capability SYS_ADMIN.
fn mount_obstacle() -> Option<String> {
    if let Some(reason) = root_obstacle() {
        return Some(reason);
    }
    let home = tempfile::tempdir().expect("a temporary directory");
    match mount("tmpfs", home.path(), "tmpfs", MountFlags::empty(), None) {
        Ok(()) => {
            unmount(home.path(), UnmountFlags::empty()).expect("unmounted");
            None
        }
        Err(error) => Some(format!("root may not mount here: {error}")),
    }
}

/// Returns the reason if no image with this file system can be made, or none can be a disk.
pub(crate) fn image_obstacle(file_system: &str) -> Option<String> {
    static LOOP: OnceLock<Option<String>> = OnceLock::new();
    missing(&[&mkfs(file_system)]).or_else(|| LOOP.get_or_init(loop_obstacle).clone())
}

fn loop_obstacle() -> Option<String> {
    let image = NamedTempFile::new().expect("an image");
    image.as_file().set_len(1 << 20).expect("with a size");
    let mut losetup = Command::new("losetup");
    losetup.args(["--find", "--show"]).arg(image.path());
    let output = losetup.output_in_time().expect("losetup runs");
    if !output.status.success() {
        return Some("there is no loop device".into());
    }
    let device = String::from_utf8_lossy(&output.stdout);
    run(Command::new("losetup").args(["--detach", device.trim()]));
    None
}

/// Returns the reason if the kernel does not know a file system. The kernel loads a module if there is one.
fn kernel_obstacle(file_system: &str) -> Option<String> {
    let home = tempfile::tempdir().expect("a temporary directory");
    // The kernel looks for the file system first, and then for the disk.
    let tried = mount("none", home.path(), file_system, MountFlags::empty(), None);
    (tried == Err(Errno::NODEV)).then(|| format!("the kernel has no {file_system}"))
}

/// Returns the reason if these tools cannot mount FUSE file systems here.
pub(crate) fn fuse_obstacle(tools: &[&str]) -> Option<String> {
    if let Some(reason) = obstacle(&[]).or_else(|| missing(tools)) {
        return Some(reason);
    }
    let device = File::options().read(true).write(true).open("/dev/fuse");
    let error = device.err()?;
    Some(format!("/dev/fuse cannot be used: {error}"))
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output_in_time().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
