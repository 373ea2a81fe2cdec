//! A file that the server has already, or believes to have.

use std::fs;

use super::{Disk, SLOW, Visit};
use crate::support::Site;
use crate::support::chromium::Browser;

const DIFFERENT: &str = "The server held other bytes under the same name, size and time.";

#[test]
fn a_changed_file_is_not_taken_for_the_rest_of_the_old_one() {
    let disk = Disk::new();
    let file = disk.file("changed.bin", 24_000_000);
    let site = Site::new();
    let browser = Browser::launch();
    let visit = Visit::to(&browser, site.addr());
    visit.page.limit_uploads(SLOW);
    visit.choose(&[file.path()]);
    visit.wait_for_a_part("changed.bin");
    visit.press("changed.bin", "pause");
    visit.wait_for_state("changed.bin", "paused");
    let id = file.id();

    file.change_unnoticed();
    assert_eq!(file.id(), id);
    visit.page.unlimit_uploads();
    visit.choose(&[file.path()]);
    visit.wait_for_state("changed.bin", "complete");
    let text = visit.text("changed.bin");
    assert!(text.contains(DIFFERENT), "{text}");
    file.expect_same(&site.dir().join("changed.bin"));
    visit.expect_no_complaints();
}

#[test]
fn a_changed_file_is_not_taken_for_the_old_one_that_is_complete() {
    let disk = Disk::new();
    let file = disk.file("changed.bin", 1_000_000);
    let site = Site::new();
    let browser = Browser::launch();
    let visit = Visit::to(&browser, site.addr());
    visit.choose(&[file.path()]);
    visit.wait_for_state("changed.bin", "complete");
    let published = site.dir().join("changed.bin");
    file.expect_same(&published);
    let old = fs::read(&published).expect("published");

    file.change_unnoticed();
    visit.page.go(&format!("http://{}/", site.addr()));
    visit.choose(&[file.path()]);
    visit.wait_for_state("changed.bin", "complete");
    let text = visit.text("changed.bin");
    assert!(text.contains(DIFFERENT), "{text}");
    file.expect_same(&site.dir().join("changed (1).bin"));
    assert!(fs::read(&published).expect("still there") == old);
    visit.expect_no_complaints_but(&["status of 412"]);
}

#[test]
fn a_file_that_is_there_is_not_sent_unless_it_is_wanted() {
    let disk = Disk::new();
    let file = disk.file("twice.bin", 1_000_000);
    let site = Site::new();
    let browser = Browser::launch();
    let visit = Visit::to(&browser, site.addr());
    visit.choose(&[file.path()]);
    visit.wait_for_state("twice.bin", "complete");

    visit.page.go(&format!("http://{}/", site.addr()));
    visit.choose(&[file.path()]);
    visit.wait_for_state("twice.bin", "already");
    let second = site.dir().join("twice (1).bin");
    assert!(!second.exists());

    visit.press("twice.bin", "again");
    visit.wait_for_state("twice.bin", "complete");
    file.expect_same(&site.dir().join("twice.bin"));
    file.expect_same(&second);
    visit.expect_no_complaints();
}
