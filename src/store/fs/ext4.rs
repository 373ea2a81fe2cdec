//! Detects the two ext4 settings that may lose synced data.
//!
//! With fast commits (`mkfs.ext4 -O fast_commit`) on Linux 6.18, about one power loss in a hundred lost synced data or
//! the whole mount. Without a journal, a power loss may keep the name of a file and lose its contents. No system call
//! reports either setting to a program without privileges; the counters in `/proc/fs` show both.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::fs::{
    CWD, Dir, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, fstat, futimens, major, minor, openat,
    readlinkat,
};
use rustix::io::read;

/// The number of syncs after which a fast commit must have been counted. The first sync may join a whole commit, which
/// the kernel makes every few seconds; the second does not.
const SYNCS: usize = 2;

/// Warns if the ext4 of a file in `dir` has no journal, or has fast commits. Sets the times of the file, and syncs it.
pub(crate) fn warn_unless_safe(file: &File, dir: &Path) {
    match power_loss(file) {
        Ok(None) => {}
        Ok(Some(setting)) => log::warn!(
            "{} is on an ext4 {setting}: a power cut may lose bytes and files that the server has reported",
            dir.display()
        ),
        // `/proc` or `/sys` may be hidden.
        Err(error) => log::debug!("cannot read the settings of this ext4: {error}"),
    }
}

/// Returns the unsafe setting, if there is one.
fn power_loss(file: &File) -> io::Result<Option<&'static str>> {
    let device = device_of(file)?;
    if !has_journal(&device)? {
        return Ok(Some("without a journal"));
    }
    let is_whole = commits_whole(&device, file)?;
    Ok((!is_whole).then_some("with fast commits"))
}

/// Returns the name of the disk in the kernel, such as `sda1`.
fn device_of(file: &File) -> io::Result<String> {
    let device = fstat(file)?.st_dev;
    let (major, minor) = (major(device), minor(device));
    let path = readlinkat(CWD, format!("/sys/dev/block/{major}:{minor}"), Vec::new())?;
    let path = path.to_str().map_err(|_| ErrorKind::InvalidData)?;
    let (_, name) = path.rsplit_once('/').ok_or(ErrorKind::InvalidData)?;
    Ok(name.to_owned())
}

fn has_journal(device: &str) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let journals = openat(CWD, "/proc/fs/jbd2", flags, Mode::empty())?;
    let own = format!("{device}-");
    for journal in Dir::new(journals)? {
        if journal?.file_name().to_string_lossy().starts_with(&own) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn commits_whole(device: &str, file: &File) -> io::Result<bool> {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    let now = Timestamps {
        last_access: now,
        last_modification: now,
    };
    for _ in 0..SYNCS {
        futimens(file, &now)?;
        file.sync_all()?;
    }
    let counts = format!("/proc/fs/ext4/{device}/fc_info");
    let file = openat(CWD, counts, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = [0; 256];
    let length = read(file, &mut text)?;
    is_zero(&String::from_utf8_lossy(&text[..length])).ok_or(ErrorKind::InvalidData.into())
}

/// Returns whether no fast commit was made or tried; `None` if the counters are missing.
fn is_zero(counts: &str) -> Option<bool> {
    let count = |what: &str| {
        let line = counts.lines().find_map(|line| line.strip_suffix(what));
        line?.trim().parse::<u64>().ok()
    };
    Some(count(" commits")? == 0 && count(" ineligible")? == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_fast_commits_are_parsed() {
        let text = |commits, ineligible| {
            format!(
                "fc stats:\n{commits} commits\n{ineligible} ineligible\n0 numblks\n0us avg_commit_time\n"
            )
        };
        assert_eq!(is_zero(&text(0, 0)), Some(true));
        assert_eq!(is_zero(&text(10, 0)), Some(false));
        assert_eq!(is_zero(&text(0, 3)), Some(false));
        assert_eq!(is_zero("fc stats:\n"), None);
        assert_eq!(is_zero(""), None);
    }
}
