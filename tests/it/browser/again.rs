//! A file that the server has already, or believes to have.

use std::fs;

use super::{Visit, scene};

const DIFFERENT: &str = "The server held other bytes under the same name, size and time.";

#[test]
fn a_changed_file_is_not_taken_for_the_rest_of_the_old_one() {
    let (_disk, file, site, browser) = scene("changed.bin", 24_000_000);
    let visit = Visit::to(&browser, site.addr());
    visit.begin(&file);
    visit.press("changed.bin", "pause");
    visit.wait_for_state("changed.bin", "paused");
    let id = file.id();

    file.change_unnoticed();
    assert_eq!(file.id(), id);
    visit.page.unlimit_uploads();
    visit.choose_until(&file, "complete");
    visit.expect_text("changed.bin", DIFFERENT);
    file.expect_same(&site.dir().join("changed.bin"));
    visit.expect_no_complaints();
}

#[test]
fn a_changed_file_is_not_taken_for_the_old_one_that_is_complete() {
    let (_disk, file, site, browser) = scene("changed.bin", 1_000_000);
    let visit = Visit::to(&browser, site.addr());
    visit.choose_until(&file, "complete");
    let published = site.dir().join("changed.bin");
    file.expect_same(&published);
    let old = fs::read(&published).expect("published");

    file.change_unnoticed();
    visit.page.go(&format!("http://{}/", site.addr()));
    visit.choose_until(&file, "complete");
    visit.expect_text("changed.bin", DIFFERENT);
    file.expect_same(&site.dir().join("changed (1).bin"));
    assert!(fs::read(&published).expect("still there") == old);
    visit.expect_no_complaints_but(&["status of 412"]);
}

#[test]
fn a_file_that_is_there_is_not_sent_unless_it_is_wanted() {
    let (_disk, file, site, browser) = scene("twice.bin", 1_000_000);
    let visit = Visit::to(&browser, site.addr());
    visit.choose_until(&file, "complete");

    visit.page.go(&format!("http://{}/", site.addr()));
    visit.choose_until(&file, "already");
    let second = site.dir().join("twice (1).bin");
    assert!(!second.exists());

    visit.press("twice.bin", "again");
    visit.wait_for_state("twice.bin", "complete");
    file.expect_same(&site.dir().join("twice.bin"));
    file.expect_same(&second);
    visit.expect_no_complaints();
}
