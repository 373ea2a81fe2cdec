//! The client of the article "Resuming file upload" works as it is.

use std::time::{SystemTime, UNIX_EPOCH};

use super::cuts::Starts;
use super::{Disk, SLOW, folder};
use crate::support::Site;
use crate::support::browser::{Browser, in_each_browser};
use crate::support::left_out::needs;
use crate::support::limit::wait_until;
use crate::support::line::Line;
use crate::support::proxy::{self, Nginx};

in_each_browser!(the_articles_own_client_stops_and_carries_on,);

fn the_articles_own_client_stops_and_carries_on(browser: Browser) {
    needs!("nginx");
    let disk = Disk::new();
    let file = disk.file("lesson.mp4", 24_000_000);
    let starts = Starts::default();
    let site = Site::with(|config| starts.record(config));
    let server = proxy::as_documented().replace("location /", "location ~ ^/(status|upload)$");
    let locations = folder("/tests/data/article", "") + &server;
    let nginx = Nginx::before(site.addr(), &locations);
    let line = Line::of(nginx.addr(), u64::MAX);
    let page = browser.open(&line.url());
    line.limit(Some(SLOW));
    page.set_files("#file", &[file.path()]);
    page.evaluate("document.querySelector('[type=submit]').click()");
    wait_until!(site.held(&file.id()) > 0);
    page.evaluate("document.querySelector('#stop').click()");
    page.wait_for("document.querySelector('#progress').innerText === 'stopped'");
    // Who asks before all has come hears of fewer bytes, and this client does not ask again.
    site.wait_until_nobody_sends();

    line.limit(None);
    page.evaluate("document.querySelector('[type=submit]').click()");
    page.wait_for("document.querySelector('#progress').innerText === 'success'");
    let starts = starts.take();
    assert!(
        matches!(starts[..], [0, again] if 0 < again && again < file.length()),
        "{starts:?}"
    );
    let published = site.dir().join("lesson.mp4");
    file.expect_same(&published);
    let modified = published
        .metadata()
        .expect("published")
        .modified()
        .expect("a time");
    assert_eq!(since_1970_ms(modified), since_1970_ms(file.modified()));
    // The article has no icon.
    let mut errors = page.errors();
    errors.retain(|error| !error.ends_with("/favicon.ico"));
    assert!(errors.is_empty(), "{errors:?}");
}

fn since_1970_ms(time: SystemTime) -> u128 {
    let since = time.duration_since(UNIX_EPOCH);
    since.expect("a time").as_millis()
}
