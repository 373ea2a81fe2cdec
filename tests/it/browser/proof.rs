//! The server publishes a file of the page only after it has compared the checksum of all bytes.

use std::fs;
use std::time::{Duration, Instant};

use super::{CUTS, Disk, Visit, scene};
use crate::support::chromium::Browser;
use crate::support::local::Local;
use crate::support::{Site, append};

const NAME: &str = "film.mp4";
const DIFFERENT: &str = "The server held other bytes under the same name, size and time.";

/// The browser console logs refused requests.
const MISMATCH: [&str; 1] = ["status of 412"];

#[test]
fn start_changed_between_two_visits_is_sent_anew() {
    let (_disk, file, site, browser) = scene(NAME, 24_000_000);
    let visit = Visit::to(&browser, site.addr());
    visit.begin(&file);
    file.change_start_and_end_unnoticed();

    visit.page.go(&format!("http://{}/", site.addr()));
    visit.page.unlimit_uploads();
    visit.choose_until(&file, "complete");
    visit.expect_text(NAME, DIFFERENT);
    file.expect_same(&site.dir().join(NAME));
    visit.expect_no_complaints_but(&[&CUTS[..], &MISMATCH].concat());
}

#[test]
fn start_changed_after_completion_is_another_file() {
    let (_disk, file, site, browser) = scene(NAME, 1_000_000);
    let visit = Visit::to(&browser, site.addr());
    visit.choose_until(&file, "complete");
    let published = site.dir().join(NAME);
    let old = fs::read(&published).expect("published");

    file.change_start_unnoticed();
    visit.page.go(&format!("http://{}/", site.addr()));
    visit.choose_until(&file, "complete");
    visit.expect_text(NAME, DIFFERENT);
    file.expect_same(&site.dir().join("film (1).mp4"));
    assert!(fs::read(&published).expect("still there") == old);
    visit.expect_no_complaints_but(&MISMATCH);
}

#[test]
fn file_without_checksum_on_server_is_not_called_compared() {
    let disk = Disk::new();
    let file = disk.file(NAME, 5_000);
    let site = Site::new();
    let mut other = site.connect();
    other.send(append(&file.id(), 0, 5_000));
    other.send(fs::read(file.path()).expect("read"));
    assert_eq!(other.answer().text(), "Success 5000");

    let browser = Browser::launch();
    let visit = Visit::to(&browser, site.addr());
    visit.choose_until(&file, "already");
    visit.expect_text(NAME, "Already there (contents not compared).");
    visit.expect_no_complaints();
}

#[test]
fn file_of_this_page_is_called_compared() {
    let (_disk, file, site, browser) = scene(NAME, 20_000_000);
    let visit = Visit::to(&browser, site.addr());
    visit.choose_until(&file, "complete");
    visit.page.go(&format!("http://{}/", site.addr()));
    visit.choose_until(&file, "already");
    visit.expect_text(NAME, "The server already has this file.");
    visit.expect_no_complaints();
}

/// Changes a file in mid-upload; returns the message in its row. Asserts an end within ten seconds, and no file.
fn failure_after(change: fn(&Local)) -> String {
    let (_disk, file, site, browser) = scene(NAME, 40_000_000);
    let visit = Visit::to(&browser, site.addr());
    visit.page.limit_uploads(1_000_000);
    visit.choose(&[file.path()]);
    visit.wait_for_a_part(NAME);
    change(&file);
    let changed = Instant::now();
    let text = visit.wait_for_refusal(NAME, "file-changed");
    let elapsed = changed.elapsed();
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    assert!(!site.dir().join(NAME).exists());
    text
}

#[test]
fn file_shortened_in_mid_upload_ends_it_in_ten_seconds() {
    let text = failure_after(|file| file.shorten_to(2_000_000));
    assert!(
        text.contains("changed, moved or deleted on this device"),
        "{text}"
    );
}

#[test]
fn file_removed_in_mid_upload_ends_it_in_ten_seconds() {
    let text = failure_after(|file| fs::remove_file(file.path()).expect("removed"));
    assert!(
        text.contains("changed, moved or deleted on this device"),
        "{text}"
    );
}

#[test]
fn file_changed_unnoticed_in_mid_upload_is_not_published() {
    let (_disk, file, site, browser) = scene(NAME, 24_000_000);
    let visit = Visit::to(&browser, site.addr());
    visit.begin(&file);
    file.change_start_and_end_unnoticed();
    visit.page.unlimit_uploads();
    visit.wait_for_refusal(NAME, "file-changed");
    assert!(!site.dir().join(NAME).exists());

    // If it is chosen again, the page sends the current bytes.
    visit.choose_until(&file, "complete");
    file.expect_same(&site.dir().join(NAME));
    visit.expect_no_complaints_but(&MISMATCH);
}
