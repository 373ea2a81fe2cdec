//! The costs of a server: processor time and resident memory of its processes, from /proc.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// Processor time spent up to a moment.
pub(crate) struct Spent {
    /// Of every living thread, in nanoseconds. (The key is its own id: no two threads share one.)
    tasks: HashMap<u32, u64>,
    /// Of all threads, those that have ended too, but only in clock ticks.
    ticks: Duration,
}

/// More than this between the two ways of counting means that threads have ended.
const ENDED: Duration = Duration::from_millis(40);

impl Spent {
    pub(crate) fn by(processes: &[u32]) -> Spent {
        Spent {
            tasks: processes
                .iter()
                .flat_map(|&process| of_tasks(process))
                .collect(),
            ticks: processes.iter().map(|&process| in_ticks(process)).sum(),
        }
    }

    pub(crate) fn since(&self, before: &Spent) -> Duration {
        let of_task = |(task, now): (&u32, &u64)| {
            now.saturating_sub(before.tasks.get(task).copied().unwrap_or(0))
        };
        let exact = Duration::from_nanos(self.tasks.iter().map(of_task).sum());
        let coarse = self.ticks.saturating_sub(before.ticks);
        if coarse > exact + ENDED {
            coarse
        } else {
            exact
        }
    }
}

/// A process and all that descend from it.
pub(crate) fn family(root: u32) -> Vec<u32> {
    let parents: HashMap<u32, u32> = processes()
        .filter_map(|process| Some((process, parent(process)?)))
        .collect();
    let descends = |&process: &u32| {
        let mut at = process;
        while at != root {
            match parents.get(&at) {
                Some(&parent) => at = parent,
                None => return false,
            }
        }
        true
    };
    parents.keys().copied().filter(descends).collect()
}

/// Bytes of memory that these processes have resident together. What two share is counted twice.
pub(crate) fn resident(processes: &[u32]) -> u64 {
    let of_one = |&process: &u32| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    processes.iter().filter_map(of_one).sum::<u64>() * 1024
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn parent(process: u32) -> Option<u32> {
    stat(process)?.get(1)?.parse().ok()
}

fn in_ticks(process: u32) -> Duration {
    let ticks = |fields: Vec<String>| {
        Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
    };
    let ticks = stat(process).and_then(ticks).unwrap_or(0);
    Duration::from_secs(1) * ticks as u32 / rustix::param::clock_ticks_per_second() as u32
}

/// The fields of /proc/PID/stat behind the name, which may hold anything: state, parent, ...
fn stat(process: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

fn of_tasks(process: u32) -> Vec<(u32, u64)> {
    let tasks = fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let spent = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let spent = text.split_whitespace().next()?.parse().ok()?;
        Some((task.file_name().to_str()?.parse().ok()?, spent))
    };
    tasks.filter_map(spent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn work_of_living_and_of_ended_threads_is_seen() {
        let own = [std::process::id()];
        let before = Spent::by(&own);
        let work = || {
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_millis(300) {}
        };
        std::thread::spawn(work).join().unwrap();
        let spent = Spent::by(&own).since(&before);
        assert!(spent > Duration::from_millis(50), "{spent:?}");
        assert!(spent < Duration::from_secs(3), "{spent:?}");
    }

    #[test]
    fn a_child_of_a_child_belongs_to_the_family() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 5 & wait"])
            .spawn()
            .unwrap();
        let begin = Instant::now();
        while family(child.id()).len() < 2 && begin.elapsed() < Duration::from_secs(5) {}
        let members = family(child.id());
        assert_eq!(members.len(), 2);
        assert!(resident(&members) > 100_000);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
