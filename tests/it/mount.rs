//! File systems of a test's own. Root may have them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A mounted file system. Gone when dropped.
pub(crate) struct Mount {
    at: TempDir,
}

impl Mount {
    /// What is in an image, by way of a loop device that caches nothing of its own: what the file system has written
    /// is in the image, and what it has not written is not.
    pub(crate) fn image(image: &Path) -> Mount {
        Mount::new(&["-o", "loop", &image.to_string_lossy()])
    }

    /// A file system in memory.
    pub(crate) fn tmpfs(options: &str) -> Mount {
        Mount::new(&["-t", "tmpfs", "-o", options, "tmpfs"])
    }

    /// The exFAT file system of an image by way of libfuse 2, where that can be had.
    pub(crate) fn exfat_fuse(image: &Path) -> Option<Mount> {
        let at = tempfile::tempdir().expect("a temporary directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "exfat-fuse", "-o", "loop"]);
        let mounted = mount.arg(image).arg(at.path()).output();
        let is_done = mounted.is_ok_and(|output| output.status.success());
        is_done.then_some(Mount { at })
    }

    pub(crate) fn path(&self) -> &Path {
        self.at.path()
    }

    fn new(what: &[&str]) -> Mount {
        let at = tempfile::tempdir().expect("a temporary directory");
        run(Command::new("mount").args(what).arg(at.path()));
        Mount { at }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // The system may still be looking into it: then it is busy, for a moment.
        let until = Instant::now() + Duration::from_secs(10);
        let mut umount = Command::new("umount");
        umount.arg(self.at.path()).stderr(Stdio::null());
        while !umount.status().is_ok_and(|status| status.success()) {
            if Instant::now() > until {
                return run(&mut umount);
            }
        }
    }
}

/// Makes an image of that many bytes, as long as nothing is written all of them holes, with a file system in it: its
/// name, and what `mkfs` is told besides.
pub(crate) fn make_image(path: &Path, file_system: &str, bytes: u64) {
    let image = fs::File::create(path).expect("an image");
    image.set_len(bytes).expect("with a size");
    let mut told = file_system.split(' ');
    run(Command::new(mkfs(told.next().unwrap_or_default()))
        .args(told)
        .arg(path));
}

fn mkfs(file_system: &str) -> String {
    format!("mkfs.{file_system}")
}

/// Why images with these file systems cannot be mounted here, if they cannot.
pub(crate) fn obstacle(file_systems: &[&str]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root".into());
    }
    let device = Command::new("losetup").arg("--find").output();
    if !device.is_ok_and(|output| output.status.success()) {
        return Some("there is no loop device".into());
    }
    let is_missing = |tool: &String| Command::new(tool).arg("-V").output().is_err();
    let names = file_systems.iter().map(|told| told.split(' ').next());
    let mut tools = names.flatten().map(mkfs);
    tools
        .find(is_missing)
        .map(|tool| format!("there is no {tool}"))
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
