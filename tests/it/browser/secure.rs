//! The page over HTTPS, with a certificate that the server made.

use super::{Disk, Visit, scene};
use crate::support::Site;
use crate::support::browser::{Browser, in_each_browser};
use crate::support::left_out::needs;
use crate::support::line::Line;
use crate::support::tls::Pem;

in_each_browser!(secure_page_uploads_and_keeps_the_screen_on_meanwhile);

/// Replaces the screen lock of the browser: a machine without a screen may refuse it.
pub(super) const RECORD_LOCKS: &str = "
    window.locks = [];
    const request = async () => {
        locks.push('requested');
        return Object.assign(new EventTarget(), { release: async () => { locks.push('released'); } });
    };
    Object.defineProperty(navigator, 'wakeLock', { value: { request } });
    null";

fn secure_page_uploads_and_keeps_the_screen_on_meanwhile(browser: Browser) {
    let disk = Disk::new();
    let files = [
        disk.file("first.bin", 24_000_000),
        disk.file("second.bin", 1_000_000),
    ];
    let site = Site::with(|config| config.tls(Pem::new().options()));
    let line = Line::of(site.addr(), u64::MAX);
    let url = line.url().replace("http", "https");
    let visit = Visit {
        line: Some(line),
        ..Visit::at(&browser, &url)
    };
    let is_secure = "isSecureContext && 'wakeLock' in navigator";
    assert_eq!(visit.page.evaluate(is_secure), true);
    visit.page.evaluate(RECORD_LOCKS);

    visit.begin(&files[0]);
    assert_eq!(visit.page.evaluate("locks.join()"), "requested");
    visit.unlimit_uploads();
    visit.choose_until(&files[1], "complete");
    visit.wait_for_state(files[0].name(), "complete");
    visit.page.wait_for("locks.at(-1) === 'released'");
    for file in &files {
        file.expect_same(&site.dir().join(file.name()));
    }
    visit.expect_no_complaints();
}

#[test]
fn refused_lock_is_requested_again_when_the_page_is_shown() {
    needs!("chromium");
    const REFUSE: &str = "
        window.requests = 0;
        const request = async () => { requests++; throw new DOMException('low battery', 'NotAllowedError'); };
        Object.defineProperty(navigator, 'wakeLock', { value: { request } });
        null";
    let (_disk, file, site) = scene("a.bin", 24_000_000);
    let browser = Browser::chromium();
    // An address of this machine counts as secure.
    let visit = Visit::to(&browser, site.addr());
    visit.page.evaluate(REFUSE);
    visit.begin(&file);
    visit
        .page
        .evaluate("new Promise((resolve) => { setTimeout(resolve, 1500); })");
    assert_eq!(visit.page.evaluate("requests"), 1);
    visit
        .page
        .evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    visit.page.wait_for("requests === 2");
    visit.expect_no_complaints();
}
