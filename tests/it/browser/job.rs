//! The header of the list, and a list of many files.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::one_file::nginx_before;
use super::{Disk, Visit, row};
use crate::support::Site;
use crate::support::browser::{Browser, in_each_browser};
use crate::support::left_out::needs;
use crate::support::local::Local;
use crate::support::proxy::Nginx;

in_each_browser!(
    failures_come_first_and_done_files_are_folded,
    file_chosen_twice_is_brought_into_view,
    image_in_sight_gets_a_thumbnail,
    end_of_a_long_list_is_shown_at_once,
);

fn photos(disk: &Disk, number: usize, length: u64) -> Vec<Local> {
    let name = |n| format!("IMG_{n:03}.jpg");
    (0..number).map(|n| disk.file(&name(n), length)).collect()
}

fn paths(files: &[Local]) -> Vec<&Path> {
    files.iter().map(Local::path).collect()
}

#[test]
fn phone_shows_the_state_of_200_files_on_each_screen() {
    needs!("chromium");
    const IS_IN_SIGHT: &str = "
        (({ top, bottom }) => top >= 0 && bottom <= innerHeight)(document.getElementById('job').getBoundingClientRect())";
    let disk = Disk::new();
    let files = photos(&disk, 200, 50_000);
    let site = Site::new();
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, site.addr());
    visit.page.become_phone();
    visit.limit_uploads(1_000_000);
    visit.choose(&paths(&files));
    visit.page.wait_for(
        "/^[1-9]\\d* done$/.test(document.querySelector('#counts [data-group=done]').innerText)
            && document.getElementById('job-state').innerText.endsWith('of 200 files')",
    );
    let header = visit
        .page
        .evaluate("document.getElementById('job').innerText");
    let header = header.as_str().expect("text");
    for words in ["of 200 files", "under way", "waiting", "MB", "Pause all"] {
        assert!(header.contains(words), "{header}");
    }
    assert_eq!(visit.page.evaluate(IS_IN_SIGHT), true);
    visit.page.evaluate("scrollTo(0, 100000)");
    assert_eq!(visit.page.evaluate(IS_IN_SIGHT), true);
    // The rows stay few.
    let nodes = visit.page.evaluate("document.querySelectorAll('*').length");
    assert!(nodes.as_u64() < Some(1500), "{nodes}");
    visit.expect_no_complaints();
}

fn failures_come_first_and_done_files_are_folded(browser: Browser) {
    let disk = Disk::new();
    let mut files = photos(&disk, 30, 5_000);
    files.extend(["bad1.jpg", "bad2.jpg"].map(|name| disk.file(name, 5_000)));
    let site = Site::new();
    let nginx = nginx_before(&site, "bad", "return 403 'not this one';");
    let visit = Visit::to(&browser, nginx.addr());
    visit.choose(&paths(&files));
    visit
        .page
        .wait_for("document.getElementById('job').dataset.state === 'failed'");
    visit
        .page
        .wait_for("document.querySelectorAll('li.file').length === 2");
    let counts =
        "[...document.querySelectorAll('#counts li:not([hidden])')].map((li) => li.textContent)";
    assert_eq!(visit.page.evaluate(counts), json!(["2 failed", "30 done"]));
    let list = "[...document.querySelectorAll('#files > li')].map((li) => li.dataset.name ?? li.innerText.trim())";
    let folded = json!(["bad1.jpg", "bad2.jpg", "30 done"]);
    assert_eq!(visit.page.evaluate(list), folded);
    // The reason of both is given once.
    let advice =
        "[...document.querySelectorAll('.file .advice')].filter((p) => p.offsetHeight > 0).length";
    assert_eq!(visit.page.evaluate(advice), 1);

    let press = |selector: &str| {
        let button = format!("document.querySelector('{selector}').click()");
        visit.page.evaluate(&button);
    };
    press(".fold button");
    assert_eq!(
        visit
            .page
            .evaluate("document.querySelectorAll('li.file').length"),
        22
    );
    press(".more button");
    assert_eq!(
        visit
            .page
            .evaluate("document.querySelectorAll('li.file').length"),
        32
    );
    visit.expect_no_complaints_but(&["status of 403"]);
}

fn end_of_a_long_list_is_shown_at_once(browser: Browser) {
    let disk = Disk::new();
    let files = photos(&disk, 30, 20_000);
    let site = Site::new();
    let visit = Visit::to(&browser, site.addr());
    // No refresh at intervals. The uploads last longer than the quick refreshes after the choice of the files.
    visit
        .page
        .evaluate("for (let id = 0; id < 1000; id++) clearInterval(id)");
    visit.limit_uploads(150_000);
    visit.choose(&paths(&files));
    visit
        .page
        .wait_for("document.getElementById('job').dataset.state === 'complete'");
    visit
        .page
        .wait_for("document.querySelector('.fold').innerText.startsWith('30 done')");
    visit.expect_no_complaints();
}

/// Remembers in `flashed` which rows are animated.
const FLASHES: &str = "
    globalThis.flashed = [];
    const { animate } = Element.prototype;
    Element.prototype.animate = function (...how) {
      flashed.push(this.dataset.name);
      return animate.apply(this, how);
    };
    0";

fn file_chosen_twice_is_brought_into_view(browser: Browser) {
    let disk = Disk::new();
    let files = photos(&disk, 60, 400_000);
    let site = Site::new();
    let visit = Visit::to(&browser, site.addr());
    visit.page.evaluate(FLASHES);
    visit.limit_uploads(500_000);
    visit.choose(&paths(&files));
    let is_in_view = "((top) => top > 0 && top < innerHeight)(row.getBoundingClientRect().top)";
    // Among those that wait, behind the shown ones.
    let last = files.last().expect("files");
    assert_eq!(visit.page.evaluate(&row(last.name())), json!(null));
    visit.choose(&[last.path()]);
    visit.wait_for_row(last.name(), is_in_view);
    let flashes = format!(
        "flashed.filter(name => name === {}).length",
        json!(last.name())
    );
    visit.page.wait_for(&format!("{flashes} > 0"));
    assert_eq!(visit.page.evaluate(&flashes), 1);
    visit
        .page
        .wait_for("document.getElementById('announce').innerText.includes('in the list already')");

    visit.unlimit_uploads();
    visit
        .page
        .wait_for("document.body.innerText.includes('All 60 files have arrived')");
    let first = &files[0];
    visit.choose(&[first.path()]);
    visit.wait_for_row(first.name(), is_in_view);
    visit.wait_for_state(first.name(), "already");
    visit.expect_no_complaints_but(&["status of 409"]);
}

/// A picture of one pixel.
const PIXEL: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\
    \0\0\0\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82";

fn image_in_sight_gets_a_thumbnail(browser: Browser) {
    let disk = Disk::new();
    let image = disk.path().join("pixel.png");
    fs::write(&image, PIXEL).expect("written");
    let broken = disk.file("broken.png", 500);
    let text = disk.file("text.txt", 500);
    let site = Site::new();
    let visit = Visit::to(&browser, site.addr());
    visit.choose(&[&image, broken.path(), text.path()]);
    visit.wait_for_row("pixel.png", "row.querySelector('.icon canvas')");
    for (name, kind) in [("broken.png", "image"), ("text.txt", "document")] {
        visit.wait_for_state(name, "complete");
        let icon = format!("{}.querySelector('.icon')", row(name));
        assert_eq!(visit.page.evaluate(&format!("{icon}.dataset.kind")), kind);
        let children = format!("{icon}.childElementCount");
        assert_eq!(visit.page.evaluate(&children), 0);
    }
    // The next file gets the element of the row that is gone.
    visit.press("pixel.png", "remove");
    let other = disk.file("other.bin", 500);
    visit.choose_until(&other, "complete");
    assert_eq!(
        visit
            .page
            .evaluate("document.querySelectorAll('canvas').length"),
        0
    );
    visit.expect_no_complaints();
}

#[test]
fn notification_comes_at_the_end_if_asked_for() {
    needs!("chromium");
    const STUB: &str = "
        globalThis.Notification = class {
          static permission = 'default';
          static async requestPermission() { return this.permission = 'granted'; }
          constructor(title, options) { globalThis.shown = [title, options?.body]; }
        };
        0";
    let disk = Disk::new();
    let files = photos(&disk, 3, 400_000);
    let site = Site::new();
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, site.addr());
    visit.page.evaluate(STUB);
    visit.limit_uploads(500_000);
    visit.choose(&paths(&files));
    visit
        .page
        .wait_for("!document.getElementById('notify').hidden");
    visit
        .page
        .evaluate("document.getElementById('notify').click()");
    visit.page.wait_for("globalThis.shown?.[1]");
    assert_eq!(
        visit.page.evaluate("shown"),
        json!(["Send files", "All 3 files have arrived"])
    );
}

#[test]
fn notification_that_the_browser_refuses_does_no_harm() {
    needs!("chromium");
    const STUB: &str = "
        globalThis.tried = 0;
        globalThis.Notification = class {
          static permission = 'granted';
          static async requestPermission() { return 'granted'; }
          constructor() { tried++; throw new TypeError('Illegal constructor'); }
        };
        0";
    let disk = Disk::new();
    let files = photos(&disk, 2, 400_000);
    let site = Site::new();
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, site.addr());
    visit.page.evaluate(STUB);
    visit.limit_uploads(500_000);
    visit.choose(&[files[0].path()]);
    visit
        .page
        .wait_for("!document.getElementById('notify').hidden");
    visit
        .page
        .evaluate("document.getElementById('notify').click()");
    visit.page.wait_for("tried === 1");
    visit.choose_until(&files[1], "complete");
    visit
        .page
        .wait_for("document.body.innerText.includes('All 2 files have arrived')");
    visit.page.wait_for("tried === 2");
    visit.expect_no_complaints();
}

#[test]
fn file_that_could_not_be_deleted_is_no_part_of_the_job() {
    needs!("chromium", "nginx");
    let disk = Disk::new();
    let files = photos(&disk, 2, 5_000);
    let half = disk.file("half.mov", 24_000_000);
    let site = Site::new();
    let pass =
        "proxy_pass http://127.0.0.1:8080; proxy_request_buffering off; client_max_body_size 0;";
    let refusing = format!(
        "location = /upload {{ if ($request_method = DELETE) {{ return 500; }} {pass} }}
         location / {{ {pass} }}"
    );
    let nginx = Nginx::before(site.addr(), &refusing);
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, nginx.addr());
    visit.limit_uploads(1_000_000);
    visit.choose(&[half.path()]);
    visit.wait_for_a_part("half.mov");
    visit.press("half.mov", "cancel");
    visit.wait_for_state("half.mov", "cancelled");
    visit.wait_for_row("half.mov", "row.innerText.includes('is still there')");
    visit.unlimit_uploads();
    visit.choose(&paths(&files));
    visit
        .page
        .wait_for("document.getElementById('job').innerText.includes('All 2 files have arrived')");
    visit
        .page
        .wait_for("document.getElementById('job').dataset.state === 'complete'");
    visit.expect_no_complaints_but(&["status of 500", "net::ERR_"]);
}

#[test]
fn long_list_shows_the_name_of_a_file_that_was_saved_as_another() {
    needs!("chromium");
    let disk = Disk::new();
    let files = photos(&disk, 12, 5_000);
    let site = Site::new();
    fs::write(site.dir().join("IMG_003.jpg"), "other bytes").expect("written");
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, site.addr());
    visit.choose(&paths(&files));
    visit
        .page
        .wait_for("document.body.innerText.includes('All 12 files have arrived')");
    visit
        .page
        .evaluate("document.querySelector('.fold button').click()");
    visit.wait_for_row(
        "IMG_003.jpg",
        "row.innerText.includes('Saved as IMG_003 (1).jpg')",
    );
}
