//! Names with invisible characters or direction marks: the page replaces these.

use super::{Visit, scene};
use crate::support::append;
use crate::support::browser::{Browser, in_each_browser};
use crate::support::left_out::needs;

in_each_browser!(name_that_misleads_is_replaced_in_page_and_recent_list);

/// A script that tells whether the page contains such a character.
const MISLEADS: &str =
    r"/[\p{Bidi_Control}\u200b\u2028\u2029\u3164\xad]/u.test(document.documentElement.outerHTML)";

fn name_that_misleads_is_replaced_in_page_and_recent_list(browser: Browser) {
    let (_disk, own, site) = scene("own\u{202e}gpj.exe", 5_000);
    let visit = Visit::to(&browser, site.addr());
    visit.choose(&[own.path()]);
    visit.wait_for_state("own\u{fffd}gpj.exe", "complete");
    visit.choose(&[own.path()]);
    visit.wait_for_state("own\u{fffd}gpj.exe", "already");

    // RIGHT-TO-LEFT OVERRIDE, ZERO WIDTH SPACE, LINE SEPARATOR, in UTF-8.
    let id = "other%E2%80%AE%E2%80%8B%E2%80%A8gpj.exe-2-1700000000000";
    let mut phone = site.connect();
    phone.send(append(id, 0, 2) + "x");
    let row = "[...document.querySelectorAll('#under-way li')][0]?.dataset.name";
    visit
        .page
        .wait_for(&format!("{row} === 'other\\ufffd\\ufffd\\ufffdgpj.exe'"));
    assert_eq!(visit.page.evaluate(MISLEADS), false);
    assert_eq!(phone.ask("x").status, 200);
    visit.page.wait_for("document.querySelector('#arrived li')");
    visit
        .page
        .wait_for("document.getElementById('announce').innerText.includes('arrived')");
    assert_eq!(visit.page.evaluate(MISLEADS), false);
    visit.expect_no_complaints_but(&["status of 409"]);
}

#[test]
fn short_name_is_shown_without_a_gap() {
    needs!("chromium");
    let (_disk, file, site) = scene("c.mov", 5_000);
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, site.addr());
    visit.choose_until(&file, "complete");
    // Two letters of a text in one element are not apart.
    visit.wait_for_row(
        "c.mov",
        "(([first, second]) => first.offsetWidth === 0 && second.innerText === 'c.mov')(row.querySelector('.name').children)",
    );
}
