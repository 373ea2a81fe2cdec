//! The page shows a refusal before it sends a byte.

use std::fs;

use super::small_disk::OnSmallDisk;
use super::{Disk, Visit, elsewhere, expect_nothing_in};
use crate::support::browser::{Browser, in_each_browser};
use crate::support::left_out::{left_out, needs};
use crate::support::local::Local;
use crate::support::program::Program;

in_each_browser!(
    a_file_that_is_too_large,
    a_disk_without_room,
    a_directory_that_is_gone,
    files_wait_while_others_have_all_places,
    begun_file_goes_on_while_new_ones_wait_for_its_place,
    a_disk_that_fills_up_on_the_way_keeps_what_has_arrived,
    a_stranger,
    refused_login_pauses_the_other_files,
);

const NAME: &str = "refused.bin";

/// Returns the text of the row of a refused file of 20 MB. Asserts that no byte is on the disk.
fn refusal(browser: &Browser, server: &Program, problem: &str, status: u16) -> String {
    let disk = Disk::new();
    let file = disk.file(NAME, 20_000_000);
    let visit = Visit::to(browser, server.addr());
    visit.choose(&[file.path()]);
    let text = visit.wait_for_refusal(NAME, problem);
    expect_nothing_in(server.dir());
    visit.expect_no_complaints_but(&[&format!("status of {status}")]);
    text
}

fn a_file_that_is_too_large(browser: Browser) {
    let text = refusal(
        &browser,
        &Program::start(&["--max-size", "10M"]),
        "too-large",
        413,
    );
    assert!(text.contains("larger than this server takes"), "{text}");
    assert!(text.contains("at most 10.5 MB"), "{text}");
    // A retry cannot help.
    assert!(!text.contains("Retry"), "{text}");
}

#[test]
fn korean_page_shows_a_refusal_in_korean() {
    needs!("chromium");
    let disk = Disk::new();
    let file = disk.file(NAME, 20_000_000);
    let server = Program::start(&["--max-size", "10M"]);
    let browser = Browser::chromium();
    let visit = Visit::at(&browser, "about:blank");
    visit.page.set_language("ko-KR");
    visit.page.go(&format!("http://{}/", server.addr()));
    visit.choose(&[file.path()]);
    let text = visit.wait_for_refusal(NAME, "too-large");
    assert!(text.contains("10.5 MB"), "{text}");
    // The name is in two parts.
    let words = text.split_whitespace().collect::<String>();
    let words = words.replace(NAME, "").replace("MB", "");
    assert!(!words.contains(|c: char| c.is_ascii_alphabetic()), "{text}");
    visit.expect_no_complaints_but(&["status of 413"]);
}

fn a_disk_without_room(browser: Browser) {
    let text = refusal(
        &browser,
        &Program::start(&["--min-free", "1000000G"]),
        "disk-full",
        507,
    );
    assert!(
        text.contains("The server has no space for this file."),
        "{text}"
    );
}

fn a_directory_that_is_gone(browser: Browser) {
    let disk = Disk::new();
    let file = disk.file(NAME, 1_000_000);
    let server = Program::start(&[]);
    let visit = Visit::to(&browser, server.addr());
    fs::remove_dir_all(server.dir()).expect("removed");
    visit.choose_until(&file, "retrying");
    visit.expect_text(NAME, "The server cannot store files now.");
    visit.expect_no_complaints_but(&["status of 503"]);
}

fn a_stranger(browser: Browser) {
    needs!("nginx");
    let disk = Disk::new();
    let file = disk.file(NAME, 1_000_000);
    // Where the page comes from the server itself, it is the browser that asks for a name.
    let host = elsewhere::host();
    let origin = format!("http://{}", host.addr());
    let flags = ["--user", "ann:secret", "--allow-origin", &origin];
    let server = Program::start(&flags);
    let visit = elsewhere::visit(&browser, &host, server.addr());
    visit.choose(&[file.path()]);
    let text = visit.wait_for_refusal(NAME, "sign-in");
    assert!(
        text.contains("The server wants a name and a password."),
        "{text}"
    );
    expect_nothing_in(server.dir());

    visit
        .page
        .go(&format!("http://ann:secret@{}/", server.addr()));
    visit.choose_until(&file, "complete");
    file.expect_same(&server.dir().join(NAME));
    visit.expect_no_complaints_but(&["status of 401"]);
}

fn refused_login_pauses_the_other_files(browser: Browser) {
    let disk = Disk::new();
    let files: Vec<_> = (0..20)
        .map(|n| disk.file(&format!("{n}.jpg"), 100_000))
        .collect();
    let host = elsewhere::host();
    let origin = format!("http://{}", host.addr());
    let flags = ["--user", "ann:secret", "--allow-origin", &origin];
    let server = Program::start(&flags);
    let visit = elsewhere::visit(&browser, &host, server.addr());
    visit.choose(&files.iter().map(Local::path).collect::<Vec<_>>());
    let counts = "[...document.querySelectorAll('#counts li:not([hidden])')].map((li) => li.textContent).join()";
    visit
        .page
        .wait_for(&format!("{counts} === '1 failed,19 paused'"));
    let requests = "performance.getEntriesByType('resource').filter(({ name }) => /(status|upload)$/.test(name)).length";
    let before = visit.page.evaluate(requests).as_u64().expect("a number");
    assert!(before <= 5, "{before}");
    // One button tries all files again.
    visit
        .page
        .evaluate("document.querySelector('[data-action=resume-all]').click()");
    visit.page.wait_for(&format!(
        "{requests} > {before} && {counts} === '1 failed,19 paused'"
    ));
    visit.expect_no_complaints_but(&["status of 401"]);
}

#[test]
fn file_beyond_the_quota_shows_the_bytes_left() {
    needs!("chromium", "nginx");
    let disk = Disk::new();
    let first = disk.file("first.bin", 20_000_000);
    let file = disk.file(NAME, 20_000_000);
    let whole = disk.file("larger.bin", 40_000_000);
    let host = elsewhere::host();
    let origin = format!("http://{}", host.addr());
    let flags = [
        "--user",
        "ann:secret",
        "--quota",
        "30M",
        "--allow-origin",
        &origin,
    ];
    let server = Program::start(&flags);
    let browser = Browser::chromium();
    let visit = elsewhere::visit(&browser, &host, server.addr());
    visit
        .page
        .go(&format!("http://ann:secret@{}/", server.addr()));
    visit.choose_until(&first, "complete");
    visit.choose(&[file.path(), whole.path()]);
    let text = visit.wait_for_refusal(NAME, "quota-full");
    assert!(text.contains("11.5 MB left of 31.5 MB"), "{text}");
    assert!(
        text.contains("Forget files that you will not finish"),
        "{text}"
    );
    // A retry cannot help a file that is larger than the whole quota.
    let text = visit.wait_for_refusal("larger.bin", "too-large");
    assert!(text.contains("at most 31.5 MB"), "{text}");
    visit.expect_no_complaints_but(&["status of 401", "status of 507"]);
}

/// Remembers in `states` the states and problems of all rows.
const RECORD: &str = "
    globalThis.states = new Set();
    new MutationObserver((changes) => {
      for (const { target } of changes) states.add(target.dataset.problem ?? target.dataset.state);
    }).observe(document, { subtree: true, attributeFilter: ['data-state', 'data-problem'] });
    0";

fn files_wait_while_others_have_all_places(browser: Browser) {
    let disk = Disk::new();
    let files: Vec<_> = (0..9)
        .map(|n| disk.file(&format!("{n}.mov"), 5_000_000))
        .collect();
    let server = Program::start(&["--max-partials", "2"]);
    let visit = Visit::to(&browser, server.addr());
    visit.page.evaluate(RECORD);
    visit.limit_uploads(20_000_000);
    visit.choose(&files.iter().map(Local::path).collect::<Vec<_>>());
    visit.wait_for_row("2.mov", "row.dataset.problem === 'too-many-partials'");
    visit.expect_text("2.mov", "Too many uploads are unfinished.");
    visit
        .page
        .wait_for("document.body.innerText.includes('All 9 files have arrived')");
    for file in &files {
        file.expect_same(&server.dir().join(file.name()));
    }
    assert_eq!(visit.page.evaluate("states.has('failed')"), false);
    visit.expect_no_complaints_but(&["status of 507"]);
}

fn begun_file_goes_on_while_new_ones_wait_for_its_place(browser: Browser) {
    let disk = Disk::new();
    let begun = disk.file("begun.mov", 24_000_000);
    let files: Vec<_> = (0..9)
        .map(|n| disk.file(&format!("{n}.mov"), 5_000_000))
        .collect();
    let server = Program::start(&["--max-partials", "1"]);
    let visit = Visit::to(&browser, server.addr());
    visit.begin(&begun);
    visit.press("begun.mov", "pause");
    visit.wait_for_state("begun.mov", "paused");
    visit.unlimit_uploads();
    visit.choose(&files.iter().map(Local::path).collect::<Vec<_>>());
    for n in 0..5 {
        let name = format!("{n}.mov");
        visit.wait_for_row(&name, "row.dataset.problem === 'too-many-partials'");
    }
    visit.press("begun.mov", "resume");
    visit
        .page
        .wait_for("document.body.innerText.includes('All 10 files have arrived')");
    begun.expect_same(&server.dir().join("begun.mov"));
    visit.expect_no_complaints_but(&["status of 507", "status of 409"]);
}

fn a_disk_that_fills_up_on_the_way_keeps_what_has_arrived(browser: Browser) {
    let disk = Disk::new();
    let file = disk.file(NAME, 20_000_000);
    let Some(server) = OnSmallDisk::start("30m") else {
        return left_out(
            "a disk that fills up",
            "no namespace with a disk can be made",
        );
    };
    let visit = Visit::to(&browser, server.addr());
    visit.begin(&file);
    let ballast = server.dir().join("ballast");
    // As much as there is room for.
    fs::write(&ballast, vec![0; 30 << 20]).expect_err("the disk is full");
    let text = visit.wait_for_refusal(NAME, "disk-full");
    assert!(text.contains("What has arrived is kept."), "{text}");

    fs::remove_file(&ballast).expect("removed");
    visit.unlimit_uploads();
    visit.press(NAME, "retry");
    visit.wait_for_state(NAME, "complete");
    file.expect_same(&server.dir().join(NAME));
    visit.expect_no_complaints_but(&["status of 507"]);
}
