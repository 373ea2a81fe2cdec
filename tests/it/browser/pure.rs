//! The parts of the page that need no server, tested by `tests/page/` in the browser itself.

use super::folder;
use crate::support::browser::{Browser, in_each_browser};
use crate::support::left_out::needs;
use crate::support::proxy::Nginx;

in_each_browser!(the_pure_parts_do_what_they_say,);

fn the_pure_parts_do_what_they_say(browser: Browser) {
    needs!("nginx");
    let modules = Nginx::start(&folder("", ""));
    let page = browser.open(&format!("http://{}/tests/page/index.html", modules.addr()));
    page.wait_for("globalThis.results");
    let results = page.evaluate("results");
    let mut failures = results.as_object().expect("by name").clone();
    assert!(!failures.is_empty(), "there are tests");
    failures.retain(|_, failure| !failure.is_null());
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(page.errors().is_empty(), "{:?}", page.errors());
}
