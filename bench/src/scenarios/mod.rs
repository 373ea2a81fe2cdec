//! The scenarios.

mod begun;
mod busy;
mod crowd;
mod durable;
mod huge;
mod large;
mod long_path;
mod paced;
pub(crate) mod page;
mod prompt;
pub(crate) mod put;
mod silent;
mod small;
mod start;
mod task;
mod together;

use std::io;
use std::path::Path;

use crate::bench::Bench;
use crate::peers::OURS;

struct Scenario {
    name: &'static str,
    about: &'static str,
    run: fn(&mut Bench) -> io::Result<()>,
}

const SCENARIOS: [Scenario; 26] = [
    Scenario {
        name: "page_open",
        about: "the page over 50 ms, with an empty cache and again",
        run: page::open,
    },
    Scenario {
        name: "page_small",
        about: "1,000 files of 30 KB from the page in Chromium",
        run: page::small,
    },
    Scenario {
        name: "page_large",
        about: "200 files of 3 MB from the page, and one of 5 GB",
        run: page::large,
    },
    Scenario {
        name: "put",
        about: "`resumed put` beside curl and rclone",
        run: put::run,
    },
    Scenario {
        name: "large",
        about: "one upload of 2 GB",
        run: large::run,
    },
    Scenario {
        name: "together",
        about: "one, two and eight uploads at once",
        run: together::run,
    },
    Scenario {
        name: "paced",
        about: "one upload at 4 MB/s in segments of 1,448 bytes",
        run: paced::one,
    },
    Scenario {
        name: "paced200",
        about: "200 uploads at 200 KB/s each",
        run: paced::many,
    },
    Scenario {
        name: "long",
        about: "an upload over 100 ms of round trip (root)",
        run: long_path::run,
    },
    Scenario {
        name: "small16",
        about: "files of 10 KB on 16 connections",
        run: small::sixteen,
    },
    Scenario {
        name: "small1",
        about: "files of 10 KB on one connection",
        run: small::one,
    },
    Scenario {
        name: "wrk16",
        about: "files of 10 KB on 16 connections, sent by wrk",
        run: small::sixteen_by_wrk,
    },
    Scenario {
        name: "wrk1",
        about: "files of 10 KB on one connection, sent by wrk",
        run: small::one_by_wrk,
    },
    Scenario {
        name: "silent1000",
        about: "1,000 silent half-sent uploads, and a newcomer",
        run: silent::thousand,
    },
    Scenario {
        name: "silent8000",
        about: "8,000 of them",
        run: silent::thousands,
    },
    Scenario {
        name: "tls_large",
        about: "with TLS: one upload of 2 GB",
        run: large::with_tls,
    },
    Scenario {
        name: "tls_paced",
        about: "with TLS: one upload at 4 MB/s in segments of 1,448 bytes",
        run: paced::one_with_tls,
    },
    Scenario {
        name: "tls_silent1000",
        about: "with TLS: 1,000 silent half-sent uploads, and a new connection",
        run: silent::thousand_with_tls,
    },
    Scenario {
        name: "tls_wrk16",
        about: "with TLS: files of 10 KB on 16 connections, sent by wrk",
        run: small::sixteen_with_tls,
    },
    Scenario {
        name: "tls_wrk1",
        about: "with TLS: files of 10 KB on one connection, sent by wrk",
        run: small::one_with_tls,
    },
    Scenario {
        name: "prompt",
        about: "/status and a resume while eight uploads run",
        run: prompt::run,
    },
    Scenario {
        name: "durable",
        about: "with syncs, on a disk, beside dd and fdatasync",
        run: durable::run,
    },
    Scenario {
        name: "start",
        about: "start, idle memory, size of the binary",
        run: start::run,
    },
    Scenario {
        name: "crowd",
        about: "beside 100,000 partial uploads on a disk",
        run: crowd::run,
    },
    Scenario {
        name: "begun",
        about: "beside 30,000 uploads begun a moment ago",
        run: begun::run,
    },
    Scenario {
        name: "huge",
        about: "the end of an upload of 1 TB",
        run: huge::run,
    },
];

pub(crate) fn exists(name: &str) -> bool {
    SCENARIOS.iter().any(|scenario| scenario.name == name)
}

pub(crate) fn list() -> String {
    SCENARIOS
        .iter()
        .map(|it| format!("      {:<18} {}\n", it.name, it.about))
        .collect()
}

/// Runs those named, or all. What was measured is saved after each: a long run may be cut.
pub(crate) fn run(bench: &mut Bench, only: &[String], file: &Path) -> io::Result<()> {
    let wanted = |it: &&Scenario| only.is_empty() || only.iter().any(|name| name == it.name);
    for scenario in SCENARIOS.iter().filter(wanted) {
        bench.samples.forget(scenario.name);
        if let Err(error) = (scenario.run)(bench) {
            eprintln!("{}: {error}", scenario.name);
            bench
                .samples
                .explain(scenario.name, OURS, &format!("failed: {error}"));
        }
        bench.samples.save(file)?;
    }
    Ok(())
}
