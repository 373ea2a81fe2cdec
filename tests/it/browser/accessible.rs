//! The page for people who use a screen reader, the keyboard or a finger.

use std::fs;

use serde_json::{Value, json};

use super::{Disk, Visit};
use crate::clients::fetched;
use crate::support::Site;
use crate::support::browser::{Browser, in_each_browser};
use crate::support::left_out::{left_out, needs};
use crate::support::local::Local;

in_each_browser!(
    focus_stays_in_a_row_whose_file_is_done,
    screen_reader_hears_summaries_in_one_place,
);

/// Waits until no transition of colors runs.
const TRANSITIONS_END: &str = "Promise.all(
    document.getAnimations().filter((one) => one instanceof CSSTransition).map((one) => one.finished)
).then(() => 0)";

/// The violations that axe finds, with the first element of each.
const VIOLATIONS: &str = "
    axe.run(document).then(({ violations }) => (
      violations.map(({ id, nodes }) => `${id}: ${nodes[0].target} ${nodes[0].failureSummary}`)))";

/// Returns the files that a visit of these tests sends.
fn photos(disk: &Disk, number: usize) -> Vec<Local> {
    let name = |n| format!("IMG_{n:03}.jpg");
    (0..number).map(|n| disk.file(&name(n), 400_000)).collect()
}

#[track_caller]
fn choose_all(visit: &Visit<'_>, files: &[Local]) {
    let paths: Vec<_> = files.iter().map(Local::path).collect();
    visit.choose(&paths);
}

/// Waits until so many files or more are in this group of the header.
#[track_caller]
fn wait_for_count(visit: &Visit<'_>, group: &str, number: usize) {
    visit.page.wait_for(&format!(
        "parseInt(document.querySelector('#counts [data-group={group}]').textContent) >= {number}"
    ));
}

#[test]
fn axe_finds_nothing_in_light_and_dark() {
    needs!("chromium");
    let Some(packages) = fetched("npm") else {
        return;
    };
    let axe = packages.join("node_modules/axe-core/axe.min.js");
    let Ok(axe) = fs::read_to_string(axe) else {
        return left_out("axe", "`make tools` fetches it");
    };
    let disk = Disk::new();
    let files = photos(&disk, 40);
    let site = Site::new();
    let browser = Browser::chromium();
    for scheme in ["light", "dark"] {
        let visit = Visit::to(&browser, site.addr());
        visit.page.set_color_scheme(scheme);
        // Until then, colors are between those of the two schemes.
        visit.page.evaluate(TRANSITIONS_END);
        visit.page.evaluate(&format!("{axe}; 0"));
        let expect_no_violations = || assert_eq!(visit.page.evaluate(VIOLATIONS), json!([]));
        expect_no_violations();
        visit.limit_uploads(1_000_000);
        choose_all(&visit, &files);
        wait_for_count(&visit, "done", 1);
        expect_no_violations();
        visit
            .page
            .evaluate("document.getElementById('pause-all').click()");
        wait_for_count(&visit, "paused", 1);
        expect_no_violations();
    }
}

#[test]
fn buttons_of_a_phone_are_44_pixels_high_and_wide() {
    needs!("chromium");
    const SMALL: &str = "
        [...document.querySelectorAll('button, label')]
          .filter((element) => element.offsetWidth > 0 && Math.min(element.offsetWidth, element.offsetHeight) < 44)
          .map((element) => element.outerHTML)";
    let disk = Disk::new();
    let files = photos(&disk, 30);
    let site = Site::new();
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, site.addr());
    visit.page.become_phone();
    assert_eq!(visit.page.evaluate(SMALL), json!([]));
    visit.limit_uploads(1_000_000);
    choose_all(&visit, &files);
    wait_for_count(&visit, "done", 1);
    assert_eq!(visit.page.evaluate(SMALL), json!([]));
}

fn screen_reader_hears_summaries_in_one_place(browser: Browser) {
    let disk = Disk::new();
    let files = photos(&disk, 30);
    let site = Site::new();
    let visit = Visit::to(&browser, site.addr());
    let regions =
        "document.querySelectorAll('[aria-live], [role=status], [role=alert], [role=log]').length";
    visit.page.evaluate(
        "globalThis.heard = [];
         new MutationObserver(() => heard.push(document.getElementById('announce').textContent))
           .observe(document.getElementById('announce'), { childList: true, subtree: true, characterData: true });
         0",
    );
    choose_all(&visit, &files);
    visit
        .page
        .wait_for("heard.at(-1) === 'All 30 files have arrived'");
    assert_eq!(visit.page.evaluate(regions), 1);
    let heard = visit.page.evaluate("heard.length").as_u64();
    assert!(heard < Some(10), "{:?}", visit.page.evaluate("heard"));
}

fn focus_stays_in_a_row_whose_file_is_done(browser: Browser) {
    let disk = Disk::new();
    let files = photos(&disk, 30);
    let site = Site::new();
    let visit = Visit::to(&browser, site.addr());
    visit.limit_uploads(1_000_000);
    choose_all(&visit, &files);
    let focused = "document.activeElement.closest('.file')?.dataset.name ?? ''";
    visit.wait_for_row("IMG_012.jpg", "true");
    visit.page.evaluate(
        "document.querySelector('[data-name=\"IMG_012.jpg\"] [data-action=cancel]').focus()",
    );
    assert_eq!(visit.page.evaluate(focused), "IMG_012.jpg");
    visit.unlimit_uploads();
    visit
        .page
        .wait_for("document.body.innerText.includes('All 30 files have arrived')");
    visit.wait_for_state("IMG_012.jpg", "complete");
    assert_eq!(visit.page.evaluate(focused), Value::from("IMG_012.jpg"));
}
