//! Several files at once, and the words of the page.

use std::fs::{self, File};
use std::path::Path;

use serde_json::json;

use super::{Disk, SLOW, Visit, scene};
use crate::support::Site;
use crate::support::browser::{Browser, in_each_browser};
use crate::support::local::Local;

in_each_browser!(
    of_many_files_five_are_sent_at_a_time,
    small_file_takes_one_request,
    two_files_that_only_look_the_same_both_arrive,
    file_that_changed_is_replaced_by_its_new_version,
    known_small_files_are_not_sent_again,
    the_page_speaks_korean_to_a_korean_browser,
    the_page_speaks_english_to_all_others,
);

/// Remembers in `most` how many files were being sent at once.
const COUNT: &str = "
    globalThis.most = 0;
    const count = () => {
      most = Math.max(most, document.querySelectorAll('li.file[data-state=sending]').length);
    };
    new MutationObserver(count).observe(document, { subtree: true, attributeFilter: ['data-state'] });
    0";

fn of_many_files_five_are_sent_at_a_time(browser: Browser) {
    let disk = Disk::new();
    let files = [1, 2, 3, 4, 5, 6, 7].map(|number| disk.file(&format!("{number}.jpg"), 8_000_000));
    let site = Site::new();
    let visit = Visit::to(&browser, site.addr());
    visit.page.evaluate(COUNT);
    visit.limit_uploads(SLOW);
    visit.choose(&files.each_ref().map(|file| file.path()));
    visit.page.wait_for("most === 5");
    visit.unlimit_uploads();
    for file in &files {
        visit.wait_for_state(file.name(), "complete");
        file.expect_same(&site.dir().join(file.name()));
    }
    assert_eq!(visit.page.evaluate("most"), 5);
    visit
        .page
        .wait_for("document.body.innerText.includes('All 7 files have arrived')");
    visit.expect_no_complaints();
}

/// The number of requests of the page that concern uploads.
const REQUESTS: &str = "
    performance.getEntriesByType('resource').filter(({ name }) => /(status|upload)$/.test(name)).length";

fn small_file_takes_one_request(browser: Browser) {
    let disk = Disk::new();
    // The first one is empty.
    let files: Vec<_> = (0..30)
        .map(|n| disk.file(&format!("{n}.jpg"), 30_000.min(n * 30_000)))
        .collect();
    let site = Site::new();
    let visit = Visit::to(&browser, site.addr());
    let paths: Vec<_> = files.iter().map(Local::path).collect();
    visit.choose(&paths);
    visit
        .page
        .wait_for("document.body.innerText.includes('All 30 files have arrived')");
    for file in &files {
        file.expect_same(&site.dir().join(file.name()));
    }
    assert_eq!(visit.page.evaluate(REQUESTS), 30);
    // The list follows the header within a second.
    visit
        .page
        .wait_for("document.querySelectorAll('li.file').length === 0");
    visit
        .page
        .evaluate("document.querySelector('[data-group=done] button').click()");
    visit
        .page
        .wait_for("document.querySelectorAll('li.file').length === 20");
    visit.expect_no_complaints();
}

/// Two folders of a camera have an IMG_1.jpg each, of the same size and time.
fn two_files_that_only_look_the_same_both_arrive(browser: Browser) {
    let (one_disk, other_disk) = (Disk::new(), Disk::new());
    let one = one_disk.file("IMG_1.jpg", 8_000_000);
    let other = other_disk.file("IMG_1.jpg", 8_000_000);
    let file = File::options().write(true).open(other.path());
    file.and_then(|file| file.set_modified(one.modified()))
        .expect("the same time");
    other.change_unnoticed();
    assert_eq!(one.id(), other.id());
    let site = Site::new();
    let visit = Visit::to(&browser, site.addr());
    visit.choose(&[one.path(), other.path()]);
    visit
        .page
        .wait_for("document.body.innerText.includes('All 2 files have arrived')");
    // Both are sent at the same time, and the first to arrive gets the name.
    let bytes = |path: &Path| fs::read(path).expect("a file");
    let saved = ["IMG_1.jpg", "IMG_1 (1).jpg"].map(|name| bytes(&site.dir().join(name)));
    let (one, other) = (bytes(one.path()), bytes(other.path()));
    assert!(saved == [one.clone(), other.clone()] || saved == [other, one]);
    visit.expect_no_complaints();
}

fn file_that_changed_is_replaced_by_its_new_version(browser: Browser) {
    let disk = Disk::new();
    let file = disk.file("a.txt", 22_000_000);
    let site = Site::new();
    let visit = Visit::to(&browser, site.addr());
    visit.begin(&file);
    let old = file.id();
    file.shorten_to(2_000_000);
    visit.unlimit_uploads();
    visit.wait_for_refusal("a.txt", "file-changed");
    visit.choose(&[file.path()]);
    visit.wait_for_state("a.txt", "complete");
    assert_eq!(
        visit
            .page
            .evaluate("document.querySelectorAll('li.file').length"),
        1
    );
    // The part of the old version can never go on.
    site.wait_until_deleted(&old);
    visit
        .page
        .wait_for("document.getElementById('begun').hidden");
    visit.expect_no_complaints_but(&["net::ERR_"]);
}

fn known_small_files_are_not_sent_again(browser: Browser) {
    let disk = Disk::new();
    // Empty files are sent again. They are no new files: the next one is compared.
    let length = |n| if (5..25).contains(&n) { 0 } else { 30_000 };
    let mut files: Vec<_> = (0..30)
        .map(|n| disk.file(&format!("{n}.jpg"), length(n)))
        .collect();
    let site = Site::new();
    let visit = Visit::to(&browser, site.addr());
    visit.choose(&files.iter().map(Local::path).collect::<Vec<_>>());
    visit
        .page
        .wait_for("document.body.innerText.includes('All 30 files have arrived')");
    visit.reload();
    files.push(disk.file("new.jpg", 30_000));
    visit.choose(&files.iter().map(Local::path).collect::<Vec<_>>());
    visit
        .page
        .wait_for("document.body.innerText.includes('All 31 files have arrived')");
    // Each takes one request, and the new one is sent after its comparison.
    let requests = visit.page.evaluate(REQUESTS);
    assert_eq!(requests, json!(32));
    for file in &files {
        file.expect_same(&site.dir().join(file.name()));
    }
    assert!(!site.dir().join("0 (1).jpg").exists());
    visit.expect_no_complaints_but(&["status of 409"]);
}

/// Returns the language, the title, and the text of a complete file, for a browser language.
fn words(browser: &Browser, language: &str) -> [String; 3] {
    let (_disk, file, site) = scene("a.txt", 5);
    let visit = Visit::to(browser, site.addr());
    visit.page.set_language(language);
    visit.reload();
    visit.choose_until(&file, "complete");
    visit.expect_no_complaints();
    let text = |expression| {
        visit
            .page
            .evaluate(expression)
            .as_str()
            .expect("text")
            .to_owned()
    };
    [
        text("document.documentElement.lang"),
        text("document.querySelector('h1').innerText"),
        text("document.querySelector('li.file .words').innerText"),
    ]
}

fn the_page_speaks_korean_to_a_korean_browser(browser: Browser) {
    let expected = ["ko", "파일 보내기", "완료. 서버가 파일 전체를 받았습니다."];
    assert_eq!(words(&browser, "ko-KR"), expected);
}

fn the_page_speaks_english_to_all_others(browser: Browser) {
    let expected = ["en", "Send files", "Done. The server has the whole file."];
    assert_eq!(words(&browser, "fr-FR"), expected);
}
