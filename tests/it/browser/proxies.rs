//! The page behind nginx: as the README says, with its defaults, and with limits that nobody can live with.

use serde_json::json;

use super::{CUTS, Disk, SLOW, Visit};
use crate::support::Site;
use crate::support::browser::{Browser, in_each_browser};
use crate::support::left_out::needs;
use crate::support::local::Local;
use crate::support::proxy::{self, DEFAULTS, Nginx};

in_each_browser!(
    with_the_readmes_configuration_nothing_is_named_and_a_cut_is_nothing,
    with_nginx_defaults_requests_become_small_and_the_upload_completes,
    a_proxy_that_buffers_is_named,
);

/// The console messages about requests beyond the limit of nginx: status 413, or a cut.
const TOO_LARGE: [&str; 2] = ["status of 413", "net::ERR_"];

/// Two files on their way, slowly enough for a proxy that holds them back to be noticed.
fn two_on_their_way(visit: &Visit<'_>, disk: &Disk) -> [Local; 2] {
    let files = ["one.mov", "two.mov"].map(|name| disk.file(name, 24_000_000));
    visit.limit_uploads(SLOW);
    visit.choose(&files.each_ref().map(|file| file.path()));
    files
}

fn with_the_readmes_configuration_nothing_is_named_and_a_cut_is_nothing(browser: Browser) {
    needs!("nginx");
    let disk = Disk::new();
    let site = Site::new();
    let mut nginx = Nginx::before(site.addr(), proxy::as_documented());
    let visit = Visit::to(&browser, nginx.addr());
    let files = two_on_their_way(&visit, &disk);
    for file in &files {
        visit.wait_for_a_part(file.name());
    }
    nginx.end();
    for file in &files {
        visit.wait_for_state(file.name(), "retrying");
        let had = site.held(&file.id());
        assert!(0 < had && had < file.length(), "{had}");
    }
    nginx.come_back();
    visit.unlimit_uploads();
    for file in &files {
        visit.wait_for_state(file.name(), "complete");
        file.expect_same(&site.dir().join(file.name()));
    }
    assert_eq!(visit.notices(), json!([]));
    visit.expect_no_complaints_but(&CUTS);
}

fn with_nginx_defaults_requests_become_small_and_the_upload_completes(browser: Browser) {
    needs!("nginx");
    let disk = Disk::new();
    let file = disk.file("small steps.mov", 20_000_000);
    let site = Site::new();
    let nginx = Nginx::before(site.addr(), DEFAULTS);
    let visit = Visit::to(&browser, nginx.addr());
    visit.choose_until(&file, "complete");
    file.expect_same(&site.dir().join("small steps.mov"));
    visit.expect_no_complaints_but(&TOO_LARGE);
}

fn a_proxy_that_buffers_is_named(browser: Browser) {
    needs!("nginx");
    let disk = Disk::new();
    let site = Site::new();
    let buffering = DEFAULTS.replace('}', "client_max_body_size 0; }");
    let nginx = Nginx::before(site.addr(), &buffering);
    let visit = Visit::to(&browser, nginx.addr());
    let files = two_on_their_way(&visit, &disk);
    visit
        .page
        .wait_for("document.querySelector('[data-notice=buffering]')");
    visit
        .page
        .wait_for("document.body.innerText.includes('proxy_request_buffering off')");
    visit.unlimit_uploads();
    for file in &files {
        visit.wait_for_state(file.name(), "complete");
        file.expect_same(&site.dir().join(file.name()));
    }
    visit.expect_no_complaints();
}

#[test]
fn a_proxy_that_refuses_even_small_requests_is_named() {
    needs!("chromium", "nginx");
    let disk = Disk::new();
    let file = disk.file("refused.mov", 1_000_000);
    let site = Site::new();
    let strict = DEFAULTS.replace('}', "client_max_body_size 64k; }");
    let nginx = Nginx::before(site.addr(), &strict);
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, nginx.addr());
    visit.choose(&[file.path()]);
    let text = visit.wait_for_refusal("refused.mov", "proxy-limit");
    assert!(text.contains("client_max_body_size 0"), "{text}");
    assert_eq!(site.held(&file.id()), 0);
    visit.expect_no_complaints_but(&TOO_LARGE);
}
