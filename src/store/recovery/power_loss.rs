//! After a power loss: how many bytes of a partial upload are trusted.
//!
//! As long as the file system stays mounted, the length of a data file is the offset. After a power loss the length may
//! include bytes that were never synced, and these read as zeros: ext4 makes a new length durable before the bytes of a
//! partly filled block, and any file system may write later bytes first. So each data file has a marker with its synced
//! length. After a new mount, each partial upload is truncated to its marker when it is loaded the first time.

use std::io;

use crate::store::options::Sharing;
use crate::store::upload::registry::Registry;
use crate::sync::atomic::Ordering::SeqCst;

/// Checks whether the file system was mounted again since the last start. Looks at no upload: the duration of a start
/// does not depend on their number.
pub(crate) fn begin(registry: &Registry) -> io::Result<()> {
    // A mount belongs to one machine. Its end says nothing about the bytes that other servers write.
    if registry.options.sharing == Sharing::Shared {
        return Ok(());
    }
    let disk = &registry.disk;
    let Some(mount) = disk.mount() else {
        return Ok(());
    };
    if disk.was_opened_on(&mount)? {
        return Ok(());
    }
    registry.trusts_markers_only.store(true, SeqCst);
    // Without syncs there are no markers.
    if !disk.durable || disk.is_new()? {
        end(registry);
    }
    Ok(())
}

/// Ends the recovery: every upload was looked at. Without this call the next server recovers again, and may truncate bytes
/// that this server received, but none that it reported.
pub(crate) fn end(registry: &Registry) {
    if !registry.trusts_markers_only.swap(false, SeqCst) {
        return;
    }
    let Some(mount) = registry.disk.mount() else {
        return;
    };
    // A full disk, for example.
    if let Err(error) = registry.disk.store_mount(&mount) {
        log::debug!("cannot store the mount in the lock file: {error}");
    }
}
