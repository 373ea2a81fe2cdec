//! Tests of the drivers.

use std::fs;

use rustix::process::{Pid, Signal, getpgid, kill_process};
use serde_json::json;

use super::{Browser, in_each_browser, processes_of};
use crate::support::left_out::left_out;

in_each_browser!(the_driver_drives, drop_ends_a_crash_handler_that_hangs);

fn drop_ends_a_crash_handler_that_hangs(browser: Browser) {
    let profile = browser.processes.profile.path().to_owned();
    let group = Pid::from_child(&browser.processes.first);
    let handlers: Vec<_> = processes_of(&profile)
        .into_iter()
        .filter(|process| getpgid(Some(*process)).is_ok_and(|other| other != group))
        .collect();
    if handlers.is_empty() {
        return left_out("a crash handler that hangs", "the browser starts none");
    }
    for handler in &handlers {
        kill_process(*handler, Signal::STOP).expect("it runs");
    }
    drop(browser);
    assert!(processes_of(&profile).is_empty(), "{handlers:?}");
    assert!(!profile.exists());
}

fn the_driver_drives(browser: Browser) {
    let dir = tempfile::tempdir().unwrap();
    let html = dir.path().join("page.html");
    fs::write(&html, PAGE).unwrap();
    let file = dir.path().join("旅.txt");
    fs::write(&file, "hello").unwrap();

    let page = browser.open("about:blank");
    page.set_language("de-DE");
    page.set_size(320, 200);
    page.go(&format!("file://{}", html.display()));
    page.set_files("input", &[&file]);
    page.wait_for("document.body.innerText.includes('旅.txt 5')");
    assert_eq!(
        page.evaluate("Promise.resolve({ answer: 42 })"),
        json!({ "answer": 42 })
    );
    assert_eq!(page.evaluate("navigator.language"), "de-DE");
    assert_eq!(page.evaluate("(1.5).toLocaleString()"), "1,5");
    assert_eq!(
        page.evaluate("[innerWidth, innerHeight]"),
        json!([320, 200])
    );
    assert!(page.errors().is_empty(), "{:?}", page.errors());

    page.evaluate("console.error('on purpose'), setTimeout(() => missing(), 0), 0");
    page.evaluate("new Promise(resolve => setTimeout(resolve, 0))");
    let errors = page.errors();
    assert!(
        errors.len() == 2 && errors[0].contains("on purpose") && errors[1].contains("missing"),
        "{errors:?}"
    );

    page.set_offline(true);
    assert_eq!(page.evaluate("navigator.onLine"), false);
    page.set_offline(false);
    let picture = dir.path().join("page.png");
    page.screenshot(&picture);
    let png = fs::read(&picture).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n") && png.ends_with(b"IEND\xaeB`\x82"));

    let profile = browser.processes.profile.path().to_owned();
    drop(browser);
    assert!(!profile.exists());
}

const PAGE: &str = "<!doctype html><meta charset=utf-8>
<input type=file onchange='name_.textContent = files[0].name + \" \" + files[0].size'> <p id=name_>";
