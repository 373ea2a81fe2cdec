//! Files that the browser has begun and not finished are listed after a reload.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::cuts::Starts;
use super::{CUTS, Disk, Visit, expect_nothing_in, scene};
use crate::support::browser::{Browser, Page, in_each_browser};
use crate::support::left_out::needs;
use crate::support::local::Local;
use crate::support::program::Program;
use crate::support::{Site, TIMEOUT};

in_each_browser!(
    begun_file_is_listed_after_reload_and_goes_on,
    small_file_that_was_cut_goes_on_without_conflict,
    files_that_were_not_begun_are_counted_after_reload,
    forgotten_file_is_deleted_on_the_server_after_a_grace,
    file_that_the_server_does_not_hold_is_no_longer_listed,
);

const NAME: &str = "holiday.mp4";

/// The item of a begun file, or undefined.
fn item(name: &str) -> String {
    format!(
        "document.querySelector(`#begun li[data-name={}]`)",
        json!(name)
    )
}

#[track_caller]
fn wait_for_item(page: &Page<'_>, words: &str) {
    page.wait_for(&format!(
        "{}?.innerText.includes({})",
        item(NAME),
        json!(words)
    ));
}

#[track_caller]
fn wait_until_unlisted(page: &Page<'_>) {
    page.wait_for(&format!("!{}", item(NAME)));
    assert_eq!(
        page.evaluate("document.getElementById('begun').hidden"),
        true
    );
}

#[track_caller]
fn press(page: &Page<'_>, action: &str) {
    page.evaluate(&format!(
        "{}.querySelector('[data-action={action}]').click()",
        item(NAME)
    ));
}

/// Begins a file, leaves the page when half of it has arrived, and comes back.
fn begin_half_and_reload(visit: &Visit<'_>, site: &Site, file: &Local) -> u64 {
    visit.begin(file);
    visit.wait_for_row(NAME, "row.querySelector('.bar').ariaValueNow >= 50");
    visit.page.go("about:blank");
    visit.unlimit_uploads();
    site.wait_until_nobody_sends();
    visit.reload();
    site.held(&file.id())
}

fn begun_file_is_listed_after_reload_and_goes_on(browser: Browser) {
    let disk = Disk::new();
    let file = disk.file(NAME, 24_000_000);
    let starts = Starts::default();
    let site = Site::with(|config| starts.record(config));
    let visit = Visit::to(&browser, site.addr());
    wait_until_unlisted(&visit.page);
    let held = begin_half_and_reload(&visit, &site, &file);
    // The server knows the share better than the last visit.
    let share = held * 100 / file.length();
    wait_for_item(&visit.page, &format!("{share} % of 24.0 MB"));
    wait_for_item(&visit.page, "choose it again to go on");

    starts.take();
    visit.choose_until(&file, "complete");
    assert_eq!(starts.take()[0], held);
    file.expect_same(&site.dir().join(NAME));
    wait_until_unlisted(&visit.page);
    visit.reload();
    wait_until_unlisted(&visit.page);
    visit.expect_no_complaints_but(&CUTS);
}

fn small_file_that_was_cut_goes_on_without_conflict(browser: Browser) {
    let disk = Disk::new();
    let file = disk.file(NAME, 3_000_000);
    let server = Program::start(&[]);
    let addr = server.addr().to_string();
    let visit = Visit::to(&browser, server.addr());
    visit.limit_uploads(500_000);
    visit.choose(&[file.path()]);
    visit.wait_for_a_part(NAME);
    let dir = server.kill();
    visit.wait_for_state(NAME, "retrying");
    visit.page.go("about:blank");
    let server = Program::over(dir, &addr, &[]);
    visit.unlimit_uploads();
    visit.reload();
    wait_for_item(&visit.page, "choose it again");
    visit.choose_until(&file, "complete");
    file.expect_same(&server.dir().join(NAME));
    visit.expect_no_complaints_but(&["net::ERR_"]);
}

fn files_that_were_not_begun_are_counted_after_reload(browser: Browser) {
    const OTHERS: &str = "parseInt(document.querySelector('#begun .others')?.innerText ?? '0')";
    let disk = Disk::new();
    let files: Vec<_> = (0..20)
        .map(|n| disk.file(&format!("{n}.jpg"), 400_000))
        .collect();
    let choose_all = |visit: &Visit<'_>| {
        visit.choose(&files.iter().map(Local::path).collect::<Vec<_>>());
    };
    let site = Site::new();
    let visit = Visit::to(&browser, site.addr());
    visit.limit_uploads(1_000_000);
    choose_all(&visit);
    visit
        .page
        .wait_for("parseInt(document.querySelector('#counts [data-group=done]').innerText) > 2");
    visit.page.go("about:blank");
    visit.unlimit_uploads();
    site.wait_until_nobody_sends();
    visit.reload();
    visit.page.wait_for(&format!("{OTHERS} > 0"));
    // Five files were under way.
    let others = visit.page.evaluate(OTHERS).as_u64().expect("a number");
    assert!((5..=12).contains(&others), "{others}");

    choose_all(&visit);
    visit.page.wait_for(&format!("{OTHERS} === 0"));
    visit
        .page
        .wait_for("document.body.innerText.includes('All 20 files have arrived')");
    for file in &files {
        file.expect_same(&site.dir().join(file.name()));
    }
    visit.reload();
    visit
        .page
        .wait_for("!document.getElementById('arrived').hidden");
    assert_eq!(visit.page.evaluate(OTHERS), 0);
    let complaints = ["net::ERR_", "status of 409"];
    visit.expect_no_complaints_but(&complaints);
}

fn forgotten_file_is_deleted_on_the_server_after_a_grace(browser: Browser) {
    let (_disk, file, site) = scene(NAME, 24_000_000);
    let visit = Visit::to(&browser, site.addr());
    let held = begin_half_and_reload(&visit, &site, &file);
    wait_for_item(&visit.page, "choose it again");
    press(&visit.page, "forget");
    wait_for_item(&visit.page, "Forgotten.");
    press(&visit.page, "undo");
    wait_for_item(&visit.page, "choose it again");
    assert_eq!(site.held(&file.id()), held);

    press(&visit.page, "forget");
    wait_for_item(&visit.page, "Forgotten.");
    // The end of the page ends the grace.
    visit.reload();
    wait_until_unlisted(&visit.page);
    site.wait_until_deleted(&file.id());
    expect_nothing_in(site.dir());
    // The next visit repeats a deletion whose answer it has not seen.
    visit.expect_no_complaints_but(&["net::ERR_", "status of 409", "status of 404"]);
}

/// Returns whether the directory has a part of a file.
fn partial_exists(dir: &Path) -> bool {
    let entries = fs::read_dir(dir.join(".resumed")).expect("listed");
    entries.flatten().any(|entry| entry.file_name().len() == 32)
}

#[test]
fn file_is_forgotten_also_while_the_server_is_gone() {
    needs!("chromium");
    let disk = Disk::new();
    let file = disk.file(NAME, 20_000_000);
    let server = Program::start(&[]);
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, server.addr());
    visit.limit_uploads(500_000);
    visit.choose(&[file.path()]);
    visit.wait_for_a_part(NAME);
    visit.reload();
    wait_for_item(&visit.page, "choose it again");
    let addr = server.addr().to_string();
    let dir = server.kill();
    press(&visit.page, "forget");
    wait_until_unlisted(&visit.page);
    let server = Program::over(dir, &addr, &[]);
    visit.reload();
    wait_until_unlisted(&visit.page);
    // The deletion is repeated.
    let since = Instant::now();
    while partial_exists(server.dir()) {
        assert!(
            since.elapsed() < TIMEOUT,
            "the received part is still there"
        );
        thread::sleep(Duration::from_millis(10));
    }
    visit.expect_no_complaints_but(&CUTS);
}

fn file_that_the_server_does_not_hold_is_no_longer_listed(browser: Browser) {
    let (_disk, file, site) = scene(NAME, 24_000_000);
    let visit = Visit::to(&browser, site.addr());
    begin_half_and_reload(&visit, &site, &file);
    wait_for_item(&visit.page, "choose it again");
    let delete = format!(
        "DELETE /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: {}\r\n\r\n",
        file.id()
    );
    assert_eq!(site.ask(delete).status, 204);
    visit.reload();
    wait_until_unlisted(&visit.page);
    visit.expect_no_complaints_but(&CUTS);
}

#[test]
fn file_that_another_tab_sends_is_not_listed() {
    needs!("chromium");
    let (_disk, file, site) = scene(NAME, 24_000_000);
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, site.addr());
    visit.begin(&file);
    let other = browser.open(&visit.url);
    other.wait_for("localStorage.length === 1");
    wait_until_unlisted(&other);
    // A tab in the background does not show the question whether to leave.
    visit.page.bring_to_front();
    visit.page.go("about:blank");
    other.bring_to_front();
    wait_for_item(&other, "choose it again");
}

/// Adds three records, as another tab does.
const RECORDS: &str = "
    for (const [when, [path, held]] of Object.entries([['old.mp4', 1e7], ['new.mp4', 1e7], ['small.mp4', 1e3]])) {
      const key = `resumed begun ${new URL('.', location).href} ${path}`;
      const newValue = JSON.stringify({ path, size: 2e7, lastModified: 0, held, when: Number(when) });
      dispatchEvent(new StorageEvent('storage', { key, newValue }));
    }
    0";

#[test]
fn forgotten_file_keeps_its_place_and_the_focus() {
    needs!("chromium");
    let site = Site::new();
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, site.addr());
    visit.page.evaluate(RECORDS);
    let press = |name: &str, action: &str| {
        let button = format!("{}.querySelector('[data-action={action}]')", item(name));
        visit.page.wait_for(&button);
        visit
            .page
            .evaluate(&format!("(b => {{ b.focus(); b.click(); }})({button})"));
    };
    let focused = "[document.activeElement.closest('li')?.dataset.name, document.activeElement.dataset.action]";
    let names = "[...document.querySelectorAll('#begun li')].map(li => li.dataset.name)";

    press("old.mp4", "forget");
    assert_eq!(visit.page.evaluate(focused), json!(["old.mp4", "undo"]));
    let all = json!(["small.mp4", "new.mp4", "old.mp4"]);
    assert_eq!(visit.page.evaluate(names), all);
    press("old.mp4", "undo");
    assert_eq!(visit.page.evaluate(focused), json!(["old.mp4", "forget"]));
    assert_eq!(visit.page.evaluate(names), all);
    press("small.mp4", "forget");
    assert_eq!(visit.page.evaluate(focused), json!(["new.mp4", "forget"]));
}
