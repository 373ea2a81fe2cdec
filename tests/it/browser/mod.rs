//! The page in real browsers: what a person sees and does there, and what is on the disk then.

mod accessible;
mod article;
mod begun;
mod cuts;
mod elsewhere;
mod folders;
mod job;
mod list;
mod names;
mod one_file;
mod outage;
mod picture;
mod proof;
mod proxies;
mod pure;
mod recent;
mod refusals;
mod secure;
mod small_disk;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;

use crate::support::Site;
use crate::support::browser::{Browser, Page};
use crate::support::line::Line;
use crate::support::local::{Disk, Local};

/// Bytes a second at which an upload is met in its middle.
const SLOW: u64 = 4_000_000;

/// The console messages of the browser about requests that were cut.
const CUTS: [&str; 2] = ["net::ERR_", "status of 409"];

/// Returns a file on a disk, and a server.
fn scene(name: &str, length: u64) -> (Disk, Local, Site) {
    let disk = Disk::new();
    let file = disk.file(name, length);
    (disk, file, Site::new())
}

/// The page, and somebody who uses it.
struct Visit<'b> {
    page: Page<'b>,
    url: String,
    /// The way to the server.
    line: Option<Line>,
}

impl<'b> Visit<'b> {
    /// Visits a server over a line that can be made slow.
    fn to(browser: &'b Browser, server: SocketAddr) -> Visit<'b> {
        let line = Line::of(server, u64::MAX);
        let mut visit = Visit::at(browser, &format!("{}/", line.url()));
        visit.line = Some(line);
        visit
    }

    fn at(browser: &'b Browser, url: &str) -> Visit<'b> {
        Visit {
            page: browser.open(url),
            url: url.to_owned(),
            line: None,
        }
    }

    fn reload(&self) {
        self.page.go(&self.url);
    }

    /// Lets uploads have this many bytes a second.
    fn limit_uploads(&self, bytes_per_second: u64) {
        self.line().limit(Some(bytes_per_second));
    }

    /// Lets uploads be as fast as they can.
    fn unlimit_uploads(&self) {
        self.line().limit(None);
    }

    fn line(&self) -> &Line {
        self.line.as_ref().expect("a visit of a server")
    }

    fn choose(&self, files: &[&Path]) {
        self.page.set_files("#picker", files);
    }

    /// Chooses a file, and waits for a state of its row.
    #[track_caller]
    fn choose_until(&self, file: &Local, state: &str) {
        self.choose(&[file.path()]);
        self.wait_for_state(file.name(), state);
    }

    /// Chooses a file on a slow link, and waits until a part of it has arrived.
    #[track_caller]
    fn begin(&self, file: &Local) {
        self.limit_uploads(SLOW);
        self.choose(&[file.path()]);
        self.wait_for_a_part(file.name());
    }

    #[track_caller]
    fn expect_text(&self, name: &str, words: &str) {
        let text = self.text(name);
        assert!(text.contains(words), "{text}");
    }

    /// Waits until something is true of the `row` of this file.
    #[track_caller]
    fn wait_for_row(&self, name: &str, condition: &str) {
        self.page
            .wait_for(&format!("(row => row && ({condition}))({})", row(name)));
    }

    #[track_caller]
    fn wait_for_state(&self, name: &str, state: &str) {
        self.wait_for_row(name, &format!("row.dataset.state === {}", json!(state)));
    }

    /// Waits until a part of this file has arrived: the bar shows what the server has confirmed.
    #[track_caller]
    fn wait_for_a_part(&self, name: &str) {
        self.wait_for_row(name, "row.querySelector('.bar').ariaValueNow > 0");
    }

    #[track_caller]
    fn press(&self, name: &str, action: &str) {
        let button = format!("{}.querySelector('[data-action={action}]')", row(name));
        self.page.evaluate(&format!("{button}.click()"));
    }

    /// Everything that can be read in the row of this file.
    #[track_caller]
    fn text(&self, name: &str) -> String {
        let text = self.page.evaluate(&format!("{}.innerText", row(name)));
        text.as_str().expect("text").to_owned()
    }

    /// Waits until the upload is refused for this reason, and returns what the row says then.
    #[track_caller]
    fn wait_for_refusal(&self, name: &str, problem: &str) -> String {
        self.wait_for_state(name, "failed");
        let kind = self
            .page
            .evaluate(&format!("{}.dataset.problem", row(name)));
        assert_eq!(kind, problem, "{}", self.text(name));
        self.text(name)
    }

    /// The notices above the list, by their kinds.
    fn notices(&self) -> serde_json::Value {
        let notices = "document.querySelectorAll('#notices [data-notice]')";
        self.page.evaluate(&format!(
            "Array.from({notices}, notice => notice.dataset.notice)"
        ))
    }

    /// The page threw nothing and tried nothing that its policy forbids.
    #[track_caller]
    fn expect_no_complaints(&self) {
        self.expect_no_complaints_but(&[]);
    }

    #[track_caller]
    fn expect_no_complaints_but(&self, known: &[&str]) {
        let mut complaints = self.page.errors();
        complaints.retain(|complaint| !known.iter().any(|known| complaint.contains(known)));
        assert!(complaints.is_empty(), "{complaints:?}");
    }
}

/// Neither a whole file nor a part of one is here.
#[track_caller]
fn expect_nothing_in(dir: &Path) {
    let names = |dir: &Path| -> Vec<_> {
        let entries = fs::read_dir(dir).expect("listed");
        entries
            .map(|entry| entry.expect("an entry").file_name())
            .collect()
    };
    assert_eq!(names(dir), [".resumed"]);
    assert_eq!(names(&dir.join(".resumed")), ["lock"]);
}

/// A location of nginx that serves a folder of this repository, with more directives.
fn folder(path: &str, more: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let types = "text/html html; text/css css; text/javascript js;";
    format!("location / {{ root {root}{path}; types {{ {types} }} {more} }}\n")
}

/// The row of a file, or null.
fn row(name: &str) -> String {
    format!(
        "document.querySelector(`li.file[data-name={}]`)",
        json!(name)
    )
}
