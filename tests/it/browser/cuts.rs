//! An upload that is cut, paused or left carries on from what had arrived.

use std::fs;
use std::sync::{Arc, Mutex};

use resumed::{Config, Decision};

use super::{CUTS, Disk, Visit, expect_nothing_in, scene};
use crate::support::Site;
use crate::support::browser::{Browser, in_each_browser};
use crate::support::files::partial;
use crate::support::local::Local;
use crate::support::program::Program;

in_each_browser!(
    an_upload_goes_on_by_itself_when_the_server_was_killed_and_is_back,
    a_paused_upload_stays_where_it_is_and_carries_on_when_resumed,
    after_a_reload_the_same_file_carries_on_and_no_byte_is_sent_twice,
    cancelled_upload_is_removed,
    file_chosen_during_its_deletion_stays_in_the_list,
    cancelled_upload_of_many_bytes_can_be_undone,
    cancelled_upload_is_deleted_when_the_page_is_left,
    cancelled_upload_of_many_bytes_is_removed_after_ten_seconds,
);

const KOREAN: &str = "제주도 여행.mp4";

/// The start offsets of all appends of a server, in order.
#[derive(Clone, Default)]
pub(super) struct Starts(Arc<Mutex<Vec<u64>>>);

impl Starts {
    pub(super) fn record(&self, config: Config) -> Config {
        let starts = Arc::clone(&self.0);
        config.authorize(move |head, _| {
            let field = |name| std::str::from_utf8(head.field(name)?).ok();
            // Without a body it only declares the file.
            if head.method() == "POST" && field("Content-Length") != Some("0") {
                let start = field("X-Start-Byte").expect("a start");
                starts
                    .lock()
                    .expect("not poisoned")
                    .push(start.parse().expect("a number"));
            }
            Decision::allow()
        })
    }

    /// Those that were not yet taken.
    pub(super) fn take(&self) -> Vec<u64> {
        std::mem::take(&mut self.0.lock().expect("not poisoned"))
    }
}

fn an_upload_goes_on_by_itself_when_the_server_was_killed_and_is_back(browser: Browser) {
    let disk = Disk::new();
    let file = disk.file(KOREAN, 200_000_000);
    let server = Program::start(&[]);
    let addr = server.addr();
    let visit = Visit::to(&browser, addr);
    visit.limit_uploads(40_000_000);
    visit.choose(&[file.path()]);
    visit.wait_for_a_part(KOREAN);

    let dir = server.kill();
    let had = fs::metadata(partial(dir.path()))
        .expect("on the disk")
        .len();
    assert!(0 < had && had < file.length(), "{had}");
    visit.wait_for_state(KOREAN, "retrying");
    assert!(!dir.path().join(KOREAN).exists(), "whole or not there");

    let server = Program::over(dir, &addr.to_string(), &[]);
    visit.unlimit_uploads();
    visit.wait_for_state(KOREAN, "complete");
    file.expect_same(&server.dir().join(KOREAN));
    visit.expect_no_complaints_but(&CUTS);
}

fn a_paused_upload_stays_where_it_is_and_carries_on_when_resumed(browser: Browser) {
    let disk = Disk::new();
    let file = disk.file("paused.mp4", 24_000_000);
    let others = ["one.txt", "two.txt"].map(|name| disk.file(name, 100));
    let starts = Starts::default();
    let site = Site::with(|config| starts.record(config));
    let visit = Visit::to(&browser, site.addr());
    visit.begin(&file);
    visit.press("paused.mp4", "pause");
    visit.wait_for_state("paused.mp4", "paused");
    // The bytes in the buffers of the line still arrive.
    site.wait_until_nobody_sends();

    // Others pass by meanwhile.
    let [one, two] = others.each_ref().map(|other| {
        visit.choose_until(other, "complete");
        site.held(&file.id())
    });
    assert_eq!(one, two);
    assert!(0 < one && one < file.length(), "{one}");
    visit.wait_for_state("paused.mp4", "paused");
    // The bytes in the buffers of the line still arrive.
    site.wait_until_nobody_sends();

    starts.take();
    visit.unlimit_uploads();
    visit.press("paused.mp4", "resume");
    visit.wait_for_state("paused.mp4", "complete");
    let starts = starts.take();
    assert_eq!(starts[0], one);
    assert!(starts.is_sorted(), "{starts:?}");
    file.expect_same(&site.dir().join("paused.mp4"));
    visit.expect_no_complaints();
}

fn after_a_reload_the_same_file_carries_on_and_no_byte_is_sent_twice(browser: Browser) {
    let disk = Disk::new();
    let file = disk.file(KOREAN, 24_000_000);
    let starts = Starts::default();
    let site = Site::with(|config| starts.record(config));
    let visit = Visit::to(&browser, site.addr());
    visit.begin(&file);
    let had = site.held(&file.id());
    assert!(0 < had && had < file.length(), "{had}");
    assert_eq!(starts.take(), [0]);

    assert_eq!(browser.dialogs(), 0);
    visit.reload();
    assert_eq!(browser.dialogs(), 1, "the page asks before it is left");
    visit.unlimit_uploads();
    visit.choose_until(&file, "complete");
    let starts = starts.take();
    assert!(
        starts.iter().all(|&start| start >= had),
        "{starts:?} after {had}"
    );
    file.expect_same(&site.dir().join(KOREAN));
    visit.expect_no_complaints_but(&CUTS);
}

fn cancelled_upload_is_removed(browser: Browser) {
    let (_disk, file, site) = scene("cancelled.mp4", 24_000_000);
    let visit = Visit::to(&browser, site.addr());
    visit.begin(&file);
    visit.press("cancelled.mp4", "cancel");
    visit
        .page
        .wait_for("document.querySelectorAll('li.file').length === 0");

    assert_eq!(site.held(&file.id()), 0);
    expect_nothing_in(site.dir());
    visit.expect_no_complaints();
}

/// Holds each `DELETE` back until `release()` is called.
const HOLD_DELETIONS: &str = "
    const send = fetch;
    globalThis.fetch = async (url, request) => {
      if (request?.method !== 'DELETE') return send(url, request);
      await new Promise((resolve) => { globalThis.release = resolve; });
      return send(url, request).finally(() => { globalThis.isDeleted = true; });
    };
    0";

fn file_chosen_during_its_deletion_stays_in_the_list(browser: Browser) {
    let (_disk, file, site) = scene("again.mp4", 24_000_000);
    let visit = Visit::to(&browser, site.addr());
    visit.page.evaluate(HOLD_DELETIONS);
    visit.limit_uploads(1_000_000);
    visit.choose(&[file.path()]);
    visit.wait_for_a_part("again.mp4");
    visit.press("again.mp4", "cancel");
    visit.page.wait_for("globalThis.release");
    visit.wait_for_row(
        "again.mp4",
        "!row.querySelector('[data-action=resume]:not([hidden])')",
    );
    visit.choose_until(&file, "sending");
    visit.page.evaluate("release()");
    visit.page.wait_for("globalThis.isDeleted");
    visit.unlimit_uploads();
    visit.wait_for_state("again.mp4", "complete");
    file.expect_same(&site.dir().join("again.mp4"));
    visit.expect_no_complaints_but(&CUTS);
}

/// Begins a file, and cancels it when more than 4 MiB have arrived.
fn cancel_half(visit: &Visit<'_>, file: &Local) {
    visit.begin(file);
    visit.wait_for_row(file.name(), "row.querySelector('.bar').ariaValueNow >= 40");
    visit.press(file.name(), "cancel");
    visit.wait_for_state(file.name(), "cancelling");
}

fn cancelled_upload_of_many_bytes_can_be_undone(browser: Browser) {
    let disk = Disk::new();
    let file = disk.file("cancelled.mp4", 24_000_000);
    let starts = Starts::default();
    let site = Site::with(|config| starts.record(config));
    let visit = Visit::to(&browser, site.addr());
    cancel_half(&visit, &file);
    site.wait_until_nobody_sends();
    let held = site.held(&file.id());
    starts.take();
    // It is no part of the job.
    visit.page.wait_for("document.getElementById('job').hidden");
    visit.unlimit_uploads();
    visit.press("cancelled.mp4", "undo");
    visit.wait_for_state("cancelled.mp4", "complete");
    assert_eq!(starts.take()[0], held);
    file.expect_same(&site.dir().join("cancelled.mp4"));
    visit.expect_no_complaints();
}

fn cancelled_upload_is_deleted_when_the_page_is_left(browser: Browser) {
    let (_disk, file, site) = scene("cancelled.mp4", 24_000_000);
    let visit = Visit::to(&browser, site.addr());
    cancel_half(&visit, &file);
    visit.page.go("about:blank");
    site.wait_until_deleted(&file.id());
    expect_nothing_in(site.dir());
}

fn cancelled_upload_of_many_bytes_is_removed_after_ten_seconds(browser: Browser) {
    let (_disk, file, site) = scene("cancelled.mp4", 24_000_000);
    let visit = Visit::to(&browser, site.addr());
    cancel_half(&visit, &file);
    visit
        .page
        .wait_for("document.querySelectorAll('li.file').length === 0");
    assert_eq!(site.held(&file.id()), 0);
    expect_nothing_in(site.dir());
    visit.expect_no_complaints();
}
