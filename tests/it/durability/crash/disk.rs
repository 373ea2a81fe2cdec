//! A disk that can lose power: an image on a loop device, on a file system that copies files in one step.
//!
//! The copy is made with the file held still, so it is what the loop device had received at one moment. What the file
//! system under test keeps in its caches has not reached the loop device, and is not in the copy.
//!
//! **What this cannot see.** The loop device loses nothing it has received and keeps the order, as no real disk does
//! with its write cache. So a file system's or a server's forgetting to have the disk flush that cache goes unnoticed
//! here, and so does anything that is right only while writes keep their order. What the server asks for, and in which
//! order, is seen from outside by `order`.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::ioctl_ficlone;
use tempfile::TempDir;

use crate::support::mount::{Mount, make_image};

const DISK_BYTES: u64 = 512 << 20;
const ROOM_BYTES: u64 = 4 << 30;

/// An xfs that holds the images, in memory if possible.
pub(crate) struct Room {
    // Unmounted before its image is removed: fields are dropped in this order.
    mount: Mount,
    _image: TempDir,
}

impl Room {
    pub(crate) fn new() -> Room {
        let home = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let home = home.expect("a temporary directory");
        let image = home.path().join("image");
        make_image(&image, "xfs", ROOM_BYTES);
        Room {
            mount: Mount::image(&image),
            _image: home,
        }
    }

    /// An empty disk.
    pub(crate) fn disk(&self, file_system: &str) -> Disk {
        let image = self.mount.path().join(file_system);
        make_image(&image, file_system, DISK_BYTES);
        Disk {
            mount: Some(Mount::image(&image)),
            image,
        }
    }
}

/// A disk that is in use.
pub(crate) struct Disk {
    /// `None` while it is being exchanged.
    mount: Option<Mount>,
    image: PathBuf,
}

/// The image of a disk after a power loss.
pub(crate) struct Remains(PathBuf);

impl Disk {
    pub(crate) fn path(&self) -> &Path {
        self.mount.as_ref().expect("mounted").path()
    }

    /// Returns the image that a power loss would leave now. The disk continues.
    pub(crate) fn remains(&self) -> Remains {
        let path = self.image.with_extension("remains");
        let source = fs::File::open(&self.image).expect("the image opens");
        let copy = fs::File::create(&path).expect("a copy");
        ioctl_ficlone(&copy, &source).expect("copied in one step");
        Remains(path)
    }

    /// Goes on with what remained, as after switching the machine on again. The file system recovers by itself.
    pub(crate) fn restart_with(&mut self, remains: Remains) {
        self.mount = None;
        fs::rename(remains.0, &self.image).expect("renamed");
        self.mount = Some(Mount::image(&self.image));
    }
}
