//! A page that comes from elsewhere: another origin, which the server lets in or not.

use std::net::SocketAddr;

use serde_json::json;

use super::{Disk, Visit, folder};
use crate::support::Site;
use crate::support::browser::{Browser, in_each_browser};
use crate::support::left_out::needs;
use crate::support::proxy::Nginx;

in_each_browser!(
    a_page_of_an_allowed_origin_uploads,
    a_page_of_any_other_origin_says_that_nobody_answers,
    uploader_imported_by_page_of_another_origin_uploads,
);

const NAME: &str = "from elsewhere.bin";

/// Serves the page from another origin. Which server it speaks to stands in its address.
pub(super) fn host() -> Nginx {
    let empty = "'name=\"resumed-server\" content=\"\"'";
    let filled = "'name=\"resumed-server\" content=\"$arg_server\"'";
    Nginx::start(&folder("/demo", &format!("sub_filter {empty} {filled};")))
}

/// Returns the address of the page with this server.
fn url(host: &Nginx, server: SocketAddr) -> String {
    format!("http://{}/?server=http://{server}", host.addr())
}

pub(super) fn visit<'b>(browser: &'b Browser, host: &Nginx, server: SocketAddr) -> Visit<'b> {
    Visit::at(browser, &url(host, server))
}

fn a_page_of_an_allowed_origin_uploads(browser: Browser) {
    needs!("nginx");
    let disk = Disk::new();
    let file = disk.file(NAME, 3_000_000);
    let host = host();
    let origin = format!("http://{}", host.addr());
    let site = Site::with(|config| config.allow_origin(&origin));
    let visit = visit(&browser, &host, site.addr());
    visit.choose_until(&file, "complete");
    file.expect_same(&site.dir().join(NAME));

    // The fields of an answer can be read there, too.
    file.change_unnoticed();
    visit.page.go(&url(&host, site.addr()));
    visit.choose_until(&file, "complete");
    visit.expect_text(NAME, "The server held other bytes");
    file.expect_same(&site.dir().join("from elsewhere (1).bin"));
    visit.expect_no_complaints_but(&["status of 409", "status of 412"]);
}

fn a_page_of_any_other_origin_says_that_nobody_answers(browser: Browser) {
    needs!("nginx");
    let disk = Disk::new();
    let file = disk.file(NAME, 3_000_000);
    let host = host();
    let site = Site::new();
    let visit = visit(&browser, &host, site.addr());
    visit.choose(&[file.path()]);
    // A browser does not tell a page that it was refused.
    visit.wait_for_state(NAME, "retrying");
    visit.expect_text(NAME, "Waiting for the server");
    visit.page.wait_for(
        "document.getElementById('outage').innerText.includes('The server does not answer.')",
    );
    assert!(!site.dir().join(NAME).exists());
    visit.expect_no_complaints_but(&[
        "blocked by CORS policy",
        "net::ERR_FAILED",
        "Cross-Origin Request Blocked",
    ]);
}

fn uploader_imported_by_page_of_another_origin_uploads(browser: Browser) {
    needs!("nginx");
    let disk = Disk::new();
    let file = disk.file(NAME, 20_000_000);
    let host = Nginx::start(&folder("/tests/page", ""));
    let origin = format!("http://{}", host.addr());
    let site = Site::with(|config| config.allow_origin(&origin));
    let page = browser.open(&format!("{origin}/index.html"));
    page.evaluate("document.body.innerHTML = '<input type=file>', 0");
    page.set_files("input", &[file.path()]);
    let server = format!("http://{}", site.addr());
    let upload = format!(
        "import('{server}/uploader.js').then(async ({{ Uploader }}) => {{
            const [file] = document.querySelector('input').files;
            const uploader = new Uploader({{ file, server: '{server}' }});
            return [await uploader.upload(), uploader.state, uploader.compared];
        }})"
    );
    assert_eq!(page.evaluate(&upload), json!([true, "complete", false]));
    file.expect_same(&site.dir().join(NAME));
    assert_eq!(page.evaluate(&upload), json!([true, "already", true]));
}

#[test]
fn page_of_another_origin_gets_no_response_without_cors() {
    needs!("chromium", "nginx");
    let host = Nginx::start(&folder("/tests/page", ""));
    let origin = format!("http://{}", host.addr());
    let (closed, open) = (
        Site::new(),
        Site::with(|config| config.allow_origin(&origin)),
    );
    let browser = Browser::chromium();
    let page = browser.open(&format!("{origin}/index.html"));
    let fetch = |site: &Site, path: &str, mode: &str| {
        let url = format!("http://{}{path}", site.addr());
        page.evaluate(&format!(
            "fetch('{url}', {{ mode: '{mode}' }}).then(answer => answer.type, () => 'refused')"
        ))
    };
    for path in ["/", "/worker.js", "/recent", "/health", "/nothing"] {
        assert_eq!(fetch(&closed, path, "no-cors"), json!("refused"), "{path}");
        assert_eq!(fetch(&open, path, "cors"), json!("cors"), "{path}");
    }
}
