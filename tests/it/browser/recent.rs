//! The page lists uploads of others, and finished files, as they come.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{CUTS, SLOW, Visit, scene};
use crate::support::browser::{Browser, in_each_browser};
use crate::support::left_out::needs;
use crate::support::program::Program;
use crate::support::proxy::Nginx;
use crate::support::{Client, Site, append};

in_each_browser!(
    an_upload_of_a_phone_is_watched_until_it_has_arrived,
    upload_of_this_page_is_listed_once,
    a_page_out_of_sight_asks_nothing,
    lists_of_others_return_after_a_new_sign_in,
);

const FILM: &str = "film.mp4-100-1700000000000";

/// The number of questions of the page.
const ASKED: &str = "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/recent')).length";

/// Somebody else, who sends the first bytes of an upload.
fn begun(site: &Site, id: &str, length: usize, first: usize) -> Client {
    let mut phone = site.connect();
    phone.send(append(id, 0, length));
    phone.send(vec![b'x'; first]);
    phone
}

/// A row of the list `#under-way` or `#arrived`, or undefined; what is hidden is not there.
fn shown(list: &str, name: &str) -> String {
    format!(
        "[...document.querySelectorAll('#{list}:not([hidden]) li')].find(({{ dataset }}) => dataset.name === {})",
        json!(name)
    )
}

impl Visit<'_> {
    /// Waits until something is true of a row of others.
    #[track_caller]
    fn wait_for_others(&self, list: &str, name: &str, condition: &str) {
        let row = shown(list, name);
        self.page
            .wait_for(&format!("(row => row && ({condition}))({row})"));
    }

    /// The names in a list of others.
    fn others(&self, list: &str) -> Value {
        let rows = format!("document.querySelectorAll('#{list}:not([hidden]) li')");
        self.page
            .evaluate(&format!("Array.from({rows}, row => row.dataset.name)"))
    }
}

fn an_upload_of_a_phone_is_watched_until_it_has_arrived(browser: Browser) {
    let site = Site::new();
    let visit = Visit::to(&browser, site.addr());
    visit.page.evaluate("globalThis.stayed = true");
    let mut phone = begun(&site, FILM, 100, 40);
    visit.wait_for_others(
        "under-way",
        "film.mp4",
        "row.querySelector('.bar').ariaValueNow === '40'",
    );
    visit.wait_for_others(
        "under-way",
        "film.mp4",
        "row.innerText.includes('40 B of 100 B')",
    );
    phone.send([b'x'; 20]);
    visit.wait_for_others(
        "under-way",
        "film.mp4",
        "row.querySelector('.bar').ariaValueNow === '60'",
    );
    assert_eq!(visit.others("arrived"), json!([]));

    phone.send([b'x'; 40]);
    assert_eq!(phone.answer().text(), "Success 100");
    visit.wait_for_others("arrived", "film.mp4", "row.innerText.includes('100 B')");
    assert_eq!(visit.others("under-way"), json!([]));
    visit
        .page
        .wait_for("document.getElementById('announce').innerText === 'film.mp4 has arrived.'");
    assert_eq!(visit.page.evaluate("stayed"), true);
    visit.expect_no_complaints();
}

#[test]
fn earlier_files_are_listed_but_not_announced() {
    needs!("chromium");
    let site = Site::new();
    for id in ["a.txt-1-1700000000000", "b.txt-1-1700000000000"] {
        assert_eq!(site.ask(append(id, 0, 1) + "x").status, 200);
    }
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, site.addr());
    visit.page.wait_for("document.querySelector('#arrived li')");
    assert_eq!(visit.others("arrived"), json!(["b.txt", "a.txt"]));
    let announced = "document.getElementById('announce').innerText";
    assert_eq!(visit.page.evaluate(announced), "");
    visit.expect_no_complaints();
}

#[test]
fn interrupted_upload_of_others_is_shown_as_such() {
    needs!("chromium");
    let site = Site::new();
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, site.addr());
    let phone = begun(&site, FILM, 100, 40);
    visit.wait_for_others("under-way", "film.mp4", "true");
    phone.cut();
    visit.wait_for_others("under-way", "film.mp4", "row.dataset.state === 'left'");
    let text = visit
        .page
        .evaluate("document.getElementById('under-way').innerText");
    assert!(
        text.as_str()
            .is_some_and(|text| text.contains("Nobody is sending this now")),
        "{text}"
    );

    let mut phone = site.connect();
    phone.send(append(FILM, 40, 60));
    visit.wait_for_others("under-way", "film.mp4", "row.dataset.state !== 'left'");
    // Then it is silent, long before the server gives up.
    visit.wait_for_others("under-way", "film.mp4", "row.dataset.state === 'silent'");
    visit.expect_no_complaints();
}

#[test]
fn a_name_is_text_whatever_stands_in_it() {
    needs!("chromium");
    let name = "<img src=x onerror=\"globalThis.ran = true\">.jpg";
    let sent = "%3Cimg src=x onerror=\"globalThis.ran = true\"%3E.jpg";
    let site = Site::new();
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, site.addr());
    let mut phone = begun(&site, &format!("{sent}-2-1700000000000"), 2, 1);
    visit.wait_for_others(
        "under-way",
        name,
        "row.querySelector('.name').textContent === row.dataset.name",
    );
    assert_eq!(phone.ask("x").status, 200);
    visit.wait_for_others(
        "arrived",
        name,
        "row.querySelector('.name').textContent === row.dataset.name",
    );
    assert_eq!(visit.page.evaluate("document.images.length"), 0);
    assert_eq!(visit.page.evaluate("globalThis.ran ?? false"), false);
    visit.expect_no_complaints();
}

#[test]
fn each_user_sees_their_own() {
    needs!("chromium");
    let site = Site::with(|config| config.user("ann", "secret").user("bob", "secret"));
    let as_user = |request: String, credentials: &str| {
        request.replacen(
            "\r\n",
            &format!("\r\nAuthorization: Basic {credentials}\r\n"),
            1,
        )
    };
    let send = |id, credentials| {
        let mut phone = site.connect();
        phone.send(as_user(append(id, 0, 2), credentials) + "x");
        phone
    };
    let mut of_bob = send("bob.txt-2-1700000000000", "Ym9iOnNlY3JldA==");
    let mut of_ann = send("ann.txt-2-1700000000000", "YW5uOnNlY3JldA==");
    let browser = Browser::chromium();
    let visit = Visit::at(&browser, &format!("http://ann:secret@{}/", site.addr()));
    visit.wait_for_others("under-way", "ann.txt", "true");
    assert_eq!(visit.others("under-way"), json!(["ann.txt"]));
    for phone in [&mut of_bob, &mut of_ann] {
        assert_eq!(phone.ask("x").status, 200);
    }
    visit.wait_for_others("arrived", "ann.txt", "true");
    assert_eq!(visit.others("arrived"), json!(["ann.txt"]));
    visit.expect_no_complaints_but(&["status of 401"]);
}

fn upload_of_this_page_is_listed_once(browser: Browser) {
    // The page replaces a character that misleads. The server publishes another name.
    const OWN: &str = "own\u{fffd}.bin";
    let (_disk, file, site) = scene("own\u{202e}.bin", 20_000_000);
    let visit = Visit::to(&browser, site.addr());
    visit.limit_uploads(SLOW);
    visit.choose(&[file.path()]);
    visit.wait_for_a_part(OWN);
    let mut phone = begun(&site, FILM, 100, 40);
    visit.wait_for_others("under-way", "film.mp4", "true");
    assert_eq!(visit.others("under-way"), json!(["film.mp4"]));
    visit.unlimit_uploads();
    visit.wait_for_state(OWN, "complete");
    phone.send([b'x'; 60]);
    assert_eq!(phone.answer().status, 200);
    visit.wait_for_others("arrived", "film.mp4", "true");
    assert_eq!(visit.others("arrived"), json!(["film.mp4"]));

    // What is not in the one list any more is in the other.
    visit.press(OWN, "remove");
    visit.wait_for_others("arrived", "own_.bin", "true");
    assert_eq!(visit.others("arrived"), json!(["film.mp4", "own_.bin"]));
    visit.expect_no_complaints();
}

#[test]
fn a_server_that_is_away_tells_nothing_until_it_is_back() {
    needs!("chromium");
    let server = Program::start(&[]);
    let addr = server.addr();
    let send = |id: &str| {
        let mut phone = Client::connect(addr);
        assert_eq!(phone.ask(append(id, 0, 1) + "x").status, 200);
    };
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, addr);
    send("a.txt-1-1700000000000");
    visit.wait_for_others("arrived", "a.txt", "true");
    let dir = server.kill();
    visit
        .page
        .wait_for("document.getElementById('arrived').hidden");
    let _server = Program::over(dir, &addr.to_string(), &[]);
    send("b.txt-1-1700000000000");
    visit.wait_for_others("arrived", "b.txt", "true");
    visit.expect_no_complaints_but(&CUTS);
}

#[test]
fn page_without_recent_list_stops_asking() {
    needs!("chromium", "nginx");
    let site = Site::new();
    let refusing =
        "location = /recent { return 404; }\nlocation / { proxy_pass http://127.0.0.1:8080; }";
    let nginx = Nginx::before(site.addr(), refusing);
    // Two browsers, so that both are in sight.
    let (browser, another) = (Browser::chromium(), Browser::chromium());
    let refused = Visit::to(&browser, nginx.addr());
    refused.page.wait_for(&format!("{ASKED} === 1"));
    let other = Visit::to(&another, site.addr());
    other.page.wait_for(&format!("{ASKED} >= 4"));
    assert_eq!(refused.page.evaluate(ASKED), 1);
    refused.expect_no_complaints_but(&["status of 404"]);
}

fn lists_of_others_return_after_a_new_sign_in(browser: Browser) {
    needs!("nginx");
    let (disk, file, site) = scene("own.bin", 1000);
    let signed_out = disk.path().join("signed-out");
    let refusing = format!(
        "location = /recent {{ if (-f {}) {{ return 401; }} proxy_pass http://127.0.0.1:8080; }}
         location / {{ proxy_pass http://127.0.0.1:8080; }}",
        signed_out.display()
    );
    let nginx = Nginx::before(site.addr(), &refusing);
    let sent = site.ask(append("a.txt-1-1700000000000", 0, 1) + "x");
    assert_eq!(sent.status, 200);
    let visit = Visit::to(&browser, nginx.addr());
    visit.wait_for_others("arrived", "a.txt", "true");
    let late = disk.file("late.bin", 800_000);
    visit.limit_uploads(100_000);
    visit.choose_until(&late, "sending");
    fs::write(&signed_out, "").expect("written");
    visit
        .page
        .wait_for("document.getElementById('arrived').hidden");
    visit.unlimit_uploads();
    visit.wait_for_state("late.bin", "complete");
    // The password of this upload was checked before the refusal: a new question would be in vain.
    thread::sleep(Duration::from_millis(500));
    fs::remove_file(&signed_out).expect("removed");
    visit.choose_until(&file, "complete");
    visit.wait_for_others("arrived", "a.txt", "true");
    visit.expect_no_complaints_but(&["status of 401"]);
}

fn a_page_out_of_sight_asks_nothing(browser: Browser) {
    let site = Site::new();
    let hidden = Visit::to(&browser, site.addr());
    hidden.page.wait_for(&format!("{ASKED} >= 1"));
    // A tab before it.
    let other = Visit::to(&browser, site.addr());
    let asked = |visit: &Visit| visit.page.evaluate(ASKED).as_u64().expect("a count");
    // One question may be under way.
    let most = asked(&hidden) + 1;
    other.page.wait_for(&format!("{ASKED} >= 4"));
    assert!(asked(&hidden) <= most, "{}", asked(&hidden));

    assert_eq!(
        site.ask(append("a.txt-1-1700000000000", 0, 1) + "x").status,
        200
    );
    hidden.page.bring_to_front();
    hidden.wait_for_others("arrived", "a.txt", "true");
    hidden.expect_no_complaints();
}
