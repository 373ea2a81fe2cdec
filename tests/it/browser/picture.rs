//! The README's picture, made anew by `cargo test --test it browser::picture -- --ignored`.
//!
//! The Korean name in it needs a font, such as that of Debian's fonts-noto-cjk.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::{Disk, Visit};
use crate::support::browser::Browser;
use crate::support::local::Local;
use crate::support::{Site, append};

const WIDTH: u32 = 900;
const COMPLETE: &str = "Harbour at night.jpg";
const SENDING: &str = "제주도 여행 영상.mp4";
const PAUSED: &str = "Interview with Ms Han, uncut.mov";

#[test]
#[ignore = "makes a picture"]
fn picture() {
    let disk = Disk::new();
    let complete = disk.file(COMPLETE, 8_400_000);
    let sending = disk.file(SENDING, 240_000_000);
    let paused = disk.file(PAUSED, 96_000_000);
    let site = Site::new();
    begin(&site, &sending, 130_000_000);
    begin(&site, &paused, 33_000_000);
    arrive(&site, "Invoice 0412.pdf", 310_000);
    arrive(&site, "Garden.jpg", 4_100_000);
    let mut elsewhere = site.connect();
    elsewhere.send(append(
        "Concert.flac-410000000-1700000000000",
        0,
        410_000_000,
    ));
    elsewhere.send(vec![0; 120_000_000]);
    // As it would from a slow link, until there is nobody to take it.
    thread::spawn(move || {
        while elsewhere.try_send([0; 100_000]).is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });

    let browser = Browser::chromium();
    let visit = Visit::to(&browser, site.addr());
    visit.page.set_size(WIDTH, 800);
    visit.choose(&[complete.path()]);
    visit.wait_for_state(COMPLETE, "complete");
    visit.limit_uploads(4_000_000);
    visit.choose(&[sending.path(), paused.path()]);
    visit.wait_for_state(PAUSED, "sending");
    visit.press(PAUSED, "pause");
    visit.wait_for_state(PAUSED, "paused");
    // The time that is left is shown when the speed is known.
    visit.wait_for_row(SENDING, "row.querySelector('.bar').ariaValueNow >= 60");
    visit.wait_for_row(SENDING, "row.innerText.includes('left')");

    visit
        .page
        .wait_for("document.querySelector('#under-way li')?.innerText.includes('left')");
    let height = visit.page.evaluate("document.documentElement.scrollHeight");
    visit
        .page
        .set_size(WIDTH, height.as_u64().expect("pixels") as u32);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    fs::create_dir_all(&docs).expect("created");
    visit.page.screenshot(&docs.join("page.png"));
}

/// Sends all of a file, as others do.
fn arrive(site: &Site, name: &str, length: usize) {
    let answer = send(
        site,
        &format!("{name}-{length}-1700000000000"),
        &vec![0; length],
    );
    assert_eq!(answer, format!("Success {length}"));
}

/// Sends the first bytes of a file, as if somebody had begun yesterday.
fn begin(site: &Site, file: &Local, length: usize) {
    let content = fs::read(file.path()).expect("read");
    let answer = send(site, &file.id(), &content[..length]);
    assert_eq!(answer, length.to_string());
}

fn send(site: &Site, id: &str, bytes: &[u8]) -> String {
    let mut client = site.connect();
    client.send(append(id, 0, bytes.len()));
    client.send(bytes);
    client.answer().text().to_owned()
}
