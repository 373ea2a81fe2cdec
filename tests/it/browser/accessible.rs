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
    document.getAnimations().filter(({ transitionProperty }) => /color/.test(transitionProperty)).map((one) => one.finished)
).then(() => 0)";

/// The violations that axe finds, with the first element of each.
const VIOLATIONS: &str = "
    axe.run(document).then(({ violations }) => (
      violations.map(({ id, nodes }) => `${id}: ${nodes[0].target} ${nodes[0].failureSummary}`)))";

/// Returns a line for each edge, fill and sign with a contrast below 3 to its ground, after a list of all that were seen.
///
/// Edges are those of buttons, fills those of bars, and signs those of icon buttons and counts.
const FAINT: &str = "
    (() => {
      const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
      const rgba = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
      };
      const linear = (part) => (part /= 255, part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
      const luminance = (color) => {
        const [red, green, blue] = rgba(color).map(linear);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
      };
      const contrast = (one, other) => {
        const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
      };
      const isClear = (color) => rgba(color)[3] === 0;
      const style = (element, part) => getComputedStyle(element, part);
      const groundOf = (element) => {
        while (element.parentElement && isClear(style(element).backgroundColor)) element = element.parentElement;
        return style(element).backgroundColor;
      };
      const [seen, faint] = [new Set(), []];
      const check = (kind, element, color, ground) => {
        seen.add(kind);
        const found = contrast(color, ground);
        if (found < 3) faint.push(`${kind} ${color} on ${ground}: ${found.toFixed(2)} ${element.outerHTML}`);
      };
      const all = (selector) => [...document.querySelectorAll(selector)].filter((element) => element.offsetWidth > 0);
      for (const button of all('button, label')) {
        const { borderTopColor, borderTopWidth } = style(button);
        const { content, backgroundColor } = style(button, '::before');
        if (parseFloat(borderTopWidth) > 0 && !isClear(borderTopColor)) {
          check('edge', button, borderTopColor, groundOf(button.parentElement));
        } else if (content !== 'none') check('sign', button, backgroundColor, groundOf(button));
        else if (!isClear(style(button).backgroundColor)) check('face', button, style(button).backgroundColor, groundOf(button.parentElement));
      }
      for (const fill of all('.bar > div')) {
        const { state } = fill.closest('[data-state]').dataset;
        check(`fill ${state}`, fill, style(fill).backgroundColor, groundOf(fill.parentElement));
      }
      for (const count of all('#counts li')) check('count', count, style(count, '::before').borderTopColor, groundOf(count));
      return [[...seen].sort().join(), ...faint];
    })()";

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
fn edges_fills_and_signs_stand_out_in_light_and_dark() {
    let disk = Disk::new();
    let files = ["a.mov", "b.mov", "c.mov"].map(|name| disk.file(name, 8_000_000));
    let large = disk.file("large.mov", 30_000_000);
    let site = Site::with(|config| config.max_size(20_000_000));
    let browser = Browser::chromium();
    for scheme in ["light", "dark"] {
        let visit = Visit::to(&browser, site.addr());
        visit.page.set_color_scheme(scheme);
        #[track_caller]
        fn expect(visit: &Visit<'_>, seen: &str) {
            visit.page.evaluate(TRANSITIONS_END);
            assert_eq!(visit.page.evaluate(FAINT), json!([seen]));
        }
        visit.page.evaluate(TRANSITIONS_END);
        expect(&visit, "edge");
        visit.limit_uploads(2_000_000);
        choose_all(&visit, &files);
        for file in &files {
            visit.wait_for_a_part(file.name());
        }
        expect(&visit, "count,edge,fill sending,sign");
        visit
            .page
            .evaluate("document.getElementById('pause-all').click()");
        wait_for_count(&visit, "paused", 3);
        expect(&visit, "count,edge,fill paused,sign");
        visit.choose(&[large.path()]);
        visit.wait_for_refusal("large.mov", "too-large");
        for file in &files {
            visit.press(file.name(), "cancel");
        }
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
