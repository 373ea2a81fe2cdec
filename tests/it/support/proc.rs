//! The view of the kernel on a process.

use std::fs;

/// Returns the most memory that the process alone has had, in KiB: without pages of its program. A build without
/// optimization has many of those.
pub(crate) fn memory_peak_kib(pid: u32) -> u64 {
    status_kib(pid, "VmHWM:") - status_kib(pid, "RssFile:")
}

/// Returns the memory of the process alone, in KiB: without pages of its program.
pub(crate) fn memory_kib(pid: u32) -> u64 {
    status_kib(pid, "RssAnon:")
}

fn status_kib(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let mut lines = status.lines();
    let value = lines.find_map(|line| line.strip_prefix(name));
    let kib = value.expect("a line").trim().trim_end_matches(" kB");
    kib.parse().expect("a number")
}

/// Returns the processor time of all threads that run, in microseconds. It depends little on other processes.
pub(crate) fn processor_us(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let ns = threads.filter_map(|thread| {
        // A thread may end before its file is read.
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    ns.sum::<u64>() / 1000
}

/// Returns the number of open descriptors.
pub(crate) fn descriptors(pid: u32) -> usize {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    open.count()
}

/// Returns the number of open sockets.
pub(crate) fn sockets(pid: u32) -> usize {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    // One may be closed before its link is read.
    let targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets
        .filter(|target| target.to_string_lossy().starts_with("socket:"))
        .count()
}
