//! Folders keep their structure, chosen or dropped. In Chromium only: WebDriver BiDi has no way to choose a folder, or
//! to drop files.

use super::{Disk, Visit};
use crate::support::Site;
use crate::support::browser::Browser;
use crate::support::left_out::needs;

#[test]
fn a_folder_that_is_chosen_arrives_as_it_is() {
    needs!("chromium");
    let disk = Disk::new();
    let files = ["trip/a.jpg", "trip/day 1/b.jpg"].map(|path| (path, disk.file(path, 500_000)));
    let site = Site::new();
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, site.addr());
    visit
        .page
        .set_files("#folder-picker", &[&disk.path().join("trip")]);
    for (path, file) in &files {
        visit.wait_for_state(path, "complete");
        file.expect_same(&site.dir().join(path));
    }
    visit.expect_no_complaints();
}

#[test]
fn a_folder_that_is_dropped_arrives_as_it_is_beside_a_file() {
    needs!("chromium");
    let disk = Disk::new();
    let paths = ["trip/a.jpg", "trip/day 1/b.jpg", "alone.jpg"];
    let files = paths.map(|path| (path, disk.file(path, 500_000)));
    let site = Site::new();
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, site.addr());
    let dropped = ["trip", "alone.jpg"].map(|name| disk.path().join(name));
    visit
        .page
        .drop_files("#drop", &dropped.each_ref().map(|path| path.as_path()));
    for (path, file) in &files {
        visit.wait_for_state(path, "complete");
        file.expect_same(&site.dir().join(path));
    }
    visit.expect_no_complaints();
}

#[test]
fn folder_without_files_is_said_until_files_come() {
    const NOTICE: &str = "document.getElementById('notices').innerText";
    let disk = Disk::new();
    let file = disk.file("a.jpg", 5_000);
    let empty = disk.path().join("empty");
    std::fs::create_dir(&empty).expect("created");
    let site = Site::new();
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, site.addr());
    visit.page.drop_files("#drop", &[&empty]);
    visit
        .page
        .wait_for(&format!("{NOTICE}.includes('no file in this folder')"));
    visit.page.drop_files("#drop", &[file.path()]);
    visit.wait_for_state("a.jpg", "complete");
    assert_eq!(visit.page.evaluate(NOTICE), "");
    visit.expect_no_complaints();
}
