//! The description of the machine.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::bench::Bench;

/// Thousands of silent clients are as many descriptors here.
pub(crate) fn raise_descriptor_limit() -> io::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    Ok(())
}

/// One line for each fact, as the items of a Markdown list.
pub(crate) fn describe(bench: &Bench) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let mut facts = vec![
        format!("{} cores, {}; {} of memory", cores, processor(), memory()),
        format!(
            "{}, Linux {}",
            distribution(),
            line("/proc/sys/kernel/osrelease")
        ),
        format!(
            "in memory: {}; on disk: {}",
            file_system(&bench.memory),
            file_system(&bench.disk)
        ),
        format!(
            "load before it began: {}",
            line("/proc/loadavg").split(' ').next().unwrap_or_default()
        ),
        format!(
            "{}, commit {}",
            said(&["date", "-u", "+%F"]),
            said(&["git", "describe", "--always", "--dirty"])
        ),
    ];
    for client in [
        ["chromium", "--version"],
        ["curl", "--version"],
        ["rclone", "version"],
    ] {
        let version = said(&client);
        let line = version.lines().next().unwrap_or_default();
        // curl adds its libraries in brackets.
        facts.push(line.split(" (").next().unwrap_or_default().to_owned());
    }
    facts.retain(|fact| !fact.is_empty());
    let peers = bench.peers.iter();
    facts.extend(peers.map(|peer| match peer.version() {
        Ok(version) => format!("{}: {version}", peer.name()),
        Err(word) => format!("{}: {word}", peer.name()),
    }));
    facts.iter().map(|fact| format!("- {fact}\n")).collect()
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(
        || std::env::consts::ARCH.to_owned(),
        |(_, name)| name.to_owned(),
    )
}

fn memory() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    let kib: f64 = total.and_then(|text| text.parse().ok()).unwrap_or(0.0);
    format!("{:.0} GiB", kib / 1_048_576.0)
}

fn distribution() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("an unknown system")
        .trim_matches('"')
        .to_owned()
}

/// The kind of the file system that a path is in, and its options.
fn file_system(path: &Path) -> String {
    let path = fs::canonicalize(path).unwrap_or_default();
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let fields = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let holding = fields.filter(|fields| fields.len() > 3 && path.starts_with(fields[1]));
    let nearest = holding.max_by_key(|fields| fields[1].len());
    nearest.map_or_else(String::new, |fields| {
        format!("{} ({}, {})", fields[2], fields[0], fields[3])
    })
}

fn line(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn said(command: &[&str]) -> String {
    let mut program = Command::new(command[0]);
    let output = program
        .args(&command[1..])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
