//! The server publishes a file of the page only after it has compared the checksum of all bytes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{CUTS, Disk, Visit, scene};
use crate::support::browser::{Browser, in_each_browser};
use crate::support::left_out::{left_out, needs};
use crate::support::local::Local;
use crate::support::{Site, append};

in_each_browser!(
    start_changed_between_two_visits_is_sent_anew,
    rest_of_a_changed_file_is_not_added_to_the_old_part,
    file_changed_after_completion_is_another_file,
    file_on_the_server_is_compared_and_sent_as_a_second_copy,
    file_lost_in_mid_upload_ends_it_in_ten_seconds,
    file_lost_before_its_upload_is_not_an_empty_one,
    file_without_permission_cannot_be_read,
    file_changed_unnoticed_in_mid_upload_is_not_published,
);

const NAME: &str = "film.mp4";
const DIFFERENT: &str = "The server held other bytes under the same name, size and time.";

/// The browser console logs refused requests.
const MISMATCH: [&str; 1] = ["status of 412"];

/// The console message about a small file that the server holds already.
const KNOWN: [&str; 1] = ["status of 409"];

fn start_changed_between_two_visits_is_sent_anew(browser: Browser) {
    let (_disk, file, site) = scene(NAME, 24_000_000);
    let visit = Visit::to(&browser, site.addr());
    visit.begin(&file);
    file.change_start_and_end_unnoticed();

    visit.reload();
    visit.unlimit_uploads();
    visit.choose_until(&file, "complete");
    visit.expect_text(NAME, DIFFERENT);
    file.expect_same(&site.dir().join(NAME));
    visit.expect_no_complaints_but(&[&CUTS[..], &MISMATCH].concat());
}

fn rest_of_a_changed_file_is_not_added_to_the_old_part(browser: Browser) {
    let (_disk, file, site) = scene(NAME, 24_000_000);
    let visit = Visit::to(&browser, site.addr());
    visit.begin(&file);
    visit.press(NAME, "pause");
    visit.wait_for_state(NAME, "paused");
    let id = file.id();
    file.change_unnoticed();
    assert_eq!(file.id(), id);
    visit.unlimit_uploads();
    visit.choose_until(&file, "complete");
    visit.expect_text(NAME, DIFFERENT);
    file.expect_same(&site.dir().join(NAME));
    visit.expect_no_complaints();
}

fn file_changed_after_completion_is_another_file(browser: Browser) {
    for change in [Local::change_unnoticed, Local::change_start_unnoticed] {
        let (_disk, file, site) = scene(NAME, 1_000_000);
        let visit = Visit::to(&browser, site.addr());
        visit.choose_until(&file, "complete");
        let published = site.dir().join(NAME);
        let old = fs::read(&published).expect("published");

        change(&file);
        visit.reload();
        visit.choose_until(&file, "complete");
        visit.expect_text(NAME, DIFFERENT);
        file.expect_same(&site.dir().join("film (1).mp4"));
        assert!(fs::read(&published).expect("still there") == old);
        visit.expect_no_complaints_but(&[MISMATCH, KNOWN].concat());
    }
}

#[test]
fn file_without_checksum_on_server_is_not_called_compared() {
    needs!("chromium");
    let disk = Disk::new();
    let file = disk.file(NAME, 5_000);
    let site = Site::new();
    let mut other = site.connect();
    other.send(append(&file.id(), 0, 5_000));
    other.send(fs::read(file.path()).expect("read"));
    assert_eq!(other.answer().text(), "Success 5000");

    let browser = Browser::chromium();
    let visit = Visit::to(&browser, site.addr());
    visit.choose_until(&file, "already");
    visit.expect_text(NAME, "Already there (contents not compared).");
    visit.expect_no_complaints_but(&KNOWN);
}

fn file_on_the_server_is_compared_and_sent_as_a_second_copy(browser: Browser) {
    let (_disk, file, site) = scene(NAME, 20_000_000);
    let visit = Visit::to(&browser, site.addr());
    visit.choose_until(&file, "complete");
    visit.reload();
    visit.choose_until(&file, "already");
    visit.expect_text(NAME, "The server already has this file.");
    let second = site.dir().join("film (1).mp4");
    assert!(!second.exists());

    visit.expect_text(NAME, "Send a second copy");
    visit.press(NAME, "copy");
    visit.wait_for_state(NAME, "complete");
    visit.expect_text(NAME, "Saved as film (1).mp4");
    file.expect_same(&site.dir().join(NAME));
    file.expect_same(&second);
    visit.expect_no_complaints();
}

/// Changes a file in mid-upload; returns the message in its row. Asserts an end within ten seconds, and no file.
fn failure_after(browser: &Browser, change: fn(&Local)) -> String {
    let (_disk, file, site) = scene(NAME, 40_000_000);
    let visit = Visit::to(browser, site.addr());
    visit.limit_uploads(1_000_000);
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

fn file_lost_in_mid_upload_ends_it_in_ten_seconds(browser: Browser) {
    let shorten: fn(&Local) = |file| file.shorten_to(2_000_000);
    let remove: fn(&Local) = |file| fs::remove_file(file.path()).expect("removed");
    for change in [shorten, remove] {
        let text = failure_after(&browser, change);
        let words = "changed, moved or deleted on this device";
        assert!(text.contains(words), "{text}");
    }
}

fn file_without_permission_cannot_be_read(browser: Browser) {
    let (_disk, file, site) = scene(NAME, 1_000_000);
    fs::set_permissions(file.path(), Permissions::from_mode(0o000)).expect("set");
    if fs::read(file.path()).is_ok() {
        return left_out("a file without permission", "root reads every file");
    }
    let visit = Visit::to(&browser, site.addr());
    visit.choose(&[file.path()]);
    let text = visit.wait_for_refusal(NAME, "file-changed");
    assert!(text.contains("or cannot be read"), "{text}");
    visit.expect_no_complaints();
}

fn file_lost_before_its_upload_is_not_an_empty_one(browser: Browser) {
    let disk = Disk::new();
    let [lost, empty] =
        [("lost.bin", 1000), ("empty.bin", 0)].map(|(name, length)| disk.file(name, length));
    let site = Site::new();
    let page = browser.open(&format!("http://{}/", site.addr()));
    page.evaluate("document.body.innerHTML = '<input type=file multiple>', 0");
    page.set_files("input", &[lost.path(), empty.path()]);
    fs::remove_file(lost.path()).expect("removed");
    let upload = "import('/uploader.js').then(({ Uploader }) => Promise.all(
        Array.from(document.querySelector('input').files, async (file) => {
            const uploader = new Uploader({ file });
            await uploader.upload().catch(() => {});
            return uploader.problem?.kind ?? uploader.state;
        })))";
    assert_eq!(page.evaluate(upload), json!(["file-changed", "complete"]));
    assert!(!site.dir().join("lost.bin").exists());
    empty.expect_same(&site.dir().join("empty.bin"));
}

fn file_changed_unnoticed_in_mid_upload_is_not_published(browser: Browser) {
    let (_disk, file, site) = scene(NAME, 24_000_000);
    let visit = Visit::to(&browser, site.addr());
    visit.begin(&file);
    file.change_start_and_end_unnoticed();
    visit.unlimit_uploads();
    visit.wait_for_refusal(NAME, "file-changed");
    assert!(!site.dir().join(NAME).exists());

    // If it is chosen again, the page sends the current bytes.
    visit.choose_until(&file, "complete");
    file.expect_same(&site.dir().join(NAME));
    visit.expect_no_complaints_but(&MISMATCH);
}
