//! The page in Chromium, beside a bare loop of `fetch` and Uppy in a page of the same server.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::bench::Bench;
use crate::peers::{OURS, Ours, Peer};
use crate::place;
use crate::relay::{self, Link};
use crate::samples::Samples;
use crate::source::Source;

use super::task::Task;

pub(crate) const LOOP: &str = "bare fetch";
pub(crate) const UPPY: &str = "Uppy";
/// The time of the bytes at the rate of the link.
pub(crate) const LINK: &str = "the link";

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/browser");

/// A home connection, one of five times its rate, and a cable at home.
const HOME: Link = Link {
    round_trip: Duration::from_millis(50),
    bits_per_sec: 20e6,
};
const FAST: Link = Link {
    bits_per_sec: 100e6,
    ..HOME
};
const LAN: Link = Link {
    round_trip: Duration::from_millis(1),
    bits_per_sec: 1e9,
};

/// Opens the page with an empty cache, and again.
pub(super) fn open(bench: &mut Bench) -> io::Result<()> {
    let rounds = bench.rounds(5);
    bench.repeat("page_open", rounds, |bench, round, samples| {
        let server = Ours::fast(&bench.server).start(&bench.memory)?;
        let addr = relay::start(server.addr, HOME)?;
        let mut browser = Command::new("node");
        browser.arg(Path::new(SCRIPTS).join("open.mjs"));
        let said = printed(browser.arg(format!("http://{addr}/")))?;
        let millis = said.split_whitespace().map(parsed);
        for (metric, millis) in ["page_open.first", "page_open.again"].iter().zip(millis) {
            samples.add(metric, OURS, round, millis? / 1e3);
        }
        Ok(())
    })
}

pub(super) fn small(bench: &mut Bench) -> io::Result<()> {
    let task = |metric, link| Task {
        metric,
        count: bench.size(1000, 20),
        bytes: 30_000,
        link,
        ways: &[OURS, LOOP, UPPY],
    };
    let (far, near) = (
        task("page_small.far", Some(HOME)),
        task("page_small.near", None),
    );
    let rounds = bench.rounds(5);
    bench.repeat("page_small", rounds, |bench, round, samples| {
        measure(&far, bench, round, samples)?;
        measure(&near, bench, round, samples)
    })
}

pub(super) fn large(bench: &mut Bench) -> io::Result<()> {
    let photos = Task {
        metric: "page_large.photos",
        count: bench.size(200, 4),
        bytes: 3_000_000,
        link: Some(FAST),
        ways: &[OURS],
    };
    let film = |metric, link| Task {
        metric,
        count: 1,
        bytes: bench.size(5_000_000_000, 50_000_000),
        link,
        ways: &[OURS, LOOP],
    };
    let (lan, near) = (
        film("page_large.lan", Some(LAN)),
        film("page_large.film", None),
    );
    let rounds = bench.rounds(5);
    bench.repeat("page_large", rounds, |bench, round, samples| {
        measure(&photos, bench, round, samples)?;
        measure(&lan, bench, round, samples)?;
        measure(&near, bench, round, samples)
    })
}

/// Measures each way once, and adds the time of the link.
fn measure(task: &Task, bench: &Bench, round: usize, samples: &mut Samples) -> io::Result<()> {
    task.run(bench, round, samples, |way, source| {
        secs(task, bench, way, source)
    })?;
    if let Some(link) = task.link {
        let time = link.time_of(task.count as u64 * task.bytes);
        samples.add(task.metric, LINK, round, time.as_secs_f64());
    }
    Ok(())
}

/// Returns the seconds of one way.
fn secs(task: &Task, bench: &Bench, way: &str, source: &Source) -> io::Result<f64> {
    let server = Ours::fast(&bench.server).start(&bench.memory)?;
    let addr = task.over_link(server.addr)?;
    let bundles = place::new(&bench.memory)?;
    let script = match way {
        LOOP => Some(Path::new(SCRIPTS).join("loop.js")),
        UPPY => Some(bundled_uppy(bench, &bundles)?),
        _ => None,
    };
    let mut browser = Command::new("node");
    browser.arg(Path::new(SCRIPTS).join("upload.mjs"));
    browser
        .arg(format!("http://{addr}/"))
        .arg(source.dir())
        .args(script);
    let millis = printed(&mut browser)?;
    source.check(server.dir())?;
    Ok(parsed(millis.trim())? / 1e3)
}

fn parsed(number: &str) -> io::Result<f64> {
    let number = number.parse();
    number.map_err(|_| io::Error::other("the browser printed no number"))
}

/// Bundles Uppy into one script.
fn bundled_uppy(bench: &Bench, dir: &TempDir) -> io::Result<PathBuf> {
    let packages = bench.clients.join("npm/node_modules");
    let bundle = dir.path().join("uppy.js");
    printed(
        Command::new(packages.join(".bin/esbuild"))
            .arg(Path::new(SCRIPTS).join("uppy.js"))
            .args(["--bundle", "--minify", "--log-level=warning"])
            .arg(format!("--outfile={}", bundle.display()))
            .env("NODE_PATH", &packages),
    )?;
    Ok(bundle)
}

/// Runs a command, and returns what it printed.
fn printed(command: &mut Command) -> io::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |text: String| io::Error::other(format!("{program}: {text}"));
    let output = command
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
