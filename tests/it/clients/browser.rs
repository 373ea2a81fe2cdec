//! tus-js-client and Uppy in a browser, on pages that come from elsewhere.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::node::PROTOCOLS;
use super::{SCRIPTS, Trip, Way, command, fetched, ways};
use crate::support::browser::{Browser, Page};
use crate::support::left_out::needs;
use crate::support::limit::RunInTime;
use crate::support::proxy::Nginx;

/// Serves a page with one of these clients. The address of the page holds the parameters.
struct Host {
    nginx: Nginx,
    _pages: TempDir,
}

impl Host {
    /// Of `tests/clients/browser/CLIENT.js`, unless its packages are not there.
    fn of(client: &str) -> Option<Host> {
        let packages = fetched("npm")?.join("node_modules");
        let pages = tempfile::tempdir().expect("a temporary directory");
        let scripts = Path::new(SCRIPTS).join("browser");
        fs::copy(scripts.join("index.html"), pages.path().join("index.html")).expect("copied");
        let bundled = command(packages.join(".bin/esbuild"))
            .arg(scripts.join(client).with_extension("js"))
            .args(["--bundle", "--log-level=warning"])
            .arg(format!("--outfile={}/client.js", pages.path().display()))
            .env("NODE_PATH", &packages)
            .status_in_time();
        assert!(bundled.expect("esbuild runs").success());
        let types = "text/html html; text/javascript js;";
        let root = pages.path().display();
        Some(Host {
            nginx: Nginx::start(&format!(
                "location / {{ root {root}; types {{ {types} }} }}"
            )),
            _pages: pages,
        })
    }

    /// Its pages may upload there.
    fn trip(&self, way: Way) -> Trip {
        Trip::new(way, &["--allow-origin", &self.origin()])
    }

    fn origin(&self) -> String {
        format!("http://{}", self.nginx.addr())
    }

    fn url(&self, trip: &Trip, protocol: &str) -> String {
        format!(
            "{}/?endpoint={}&protocol={protocol}",
            self.origin(),
            trip.endpoint()
        )
    }
}

fn choose(page: &Page, trip: &Trip) {
    page.set_files("input", &[trip.file.path()]);
}

/// It is stopped in the middle; the page is loaded anew and gets the same file.
fn stop_and_go_on(host: &Host, protocol: &str) {
    let trip = host.trip(Way::Straight);
    let browser = Browser::chromium();
    let page = browser.open(&host.url(&trip, protocol));
    choose(&page, &trip);
    trip.wait_for_half();
    page.evaluate("abort()");
    // Not cut before its page has gone: until Chromium has heard of the end it would send the request again.
    page.go(&host.url(&trip, protocol));
    trip.line.cut_and_open();
    choose(&page, &trip);
    page.wait_for("window.isComplete");
    trip.expect_arrived();
    assert_eq!(page.errors(), [""; 0]);
}

fn go_on_by_itself(host: &Host, way: Way, protocol: &str) {
    let trip = host.trip(way);
    let browser = Browser::chromium();
    let page = browser.open(&host.url(&trip, protocol));
    choose(&page, &trip);
    trip.wait_for_half();
    // A request on a line that was used before is sent again by Chromium itself, in vain. Only then the client hears
    // of a cut.
    trip.line.cut_and_wait();
    trip.line.cut_and_open();
    page.wait_for("window.isComplete");
    trip.expect_arrived();
}

#[test]
fn tus_js_client_finds_the_upload_that_it_left() {
    needs!("chromium");
    let Some(host) = Host::of("tus") else { return };
    for protocol in PROTOCOLS {
        stop_and_go_on(&host, protocol);
    }
}

#[test]
fn tus_js_client_goes_on_by_itself() {
    needs!("chromium");
    let Some(host) = Host::of("tus") else { return };
    for protocol in PROTOCOLS {
        for way in ways() {
            go_on_by_itself(&host, way, protocol);
        }
    }
}

#[test]
fn uppy_finds_the_upload_that_it_left() {
    needs!("chromium");
    if let Some(host) = Host::of("uppy") {
        stop_and_go_on(&host, "tus-v1");
    }
}

#[test]
fn uppy_goes_on_by_itself() {
    needs!("chromium");
    if let Some(host) = Host::of("uppy") {
        for way in ways() {
            go_on_by_itself(&host, way, "tus-v1");
        }
    }
}
