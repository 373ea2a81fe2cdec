//! The parts of the page that need no server, tested by `tests/page/` in the browser itself.

use serde_json::json;

use crate::chromium::Browser;
use crate::proxy::Nginx;

#[test]
fn the_pure_parts_do_what_they_say() {
    let root = env!("CARGO_MANIFEST_DIR");
    let modules = Nginx::start(&format!(
        "location / {{ root {root}; types {{ text/html html; text/javascript js; }} }}"
    ));
    let browser = Browser::launch();
    let page = browser.open(&format!("http://{}/tests/page/index.html", modules.addr()));
    page.wait_for("globalThis.results");
    let results = page.evaluate("results");
    let failures: Vec<_> = results
        .as_object()
        .expect("by name")
        .iter()
        .filter(|(_, failure)| !failure.is_null())
        .collect();
    assert!(failures.is_empty(), "{failures:#?}");
    assert_ne!(results, json!({}));
    assert!(page.errors().is_empty(), "{:?}", page.errors());
}
