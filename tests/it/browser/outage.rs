//! The server is gone, or silent: the page says so once.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::secure::RECORD_LOCKS;
use super::{CUTS, Disk, SLOW, Visit};
use crate::support::browser::Browser;
use crate::support::left_out::needs;
use crate::support::local::Local;
use crate::support::program::Program;

/// Begins to send three files, slowly.
fn three_on_their_way(visit: &Visit<'_>, disk: &Disk) -> [Local; 3] {
    let files = ["a.mov", "b.mov", "c.mov"].map(|name| disk.file(name, 24_000_000));
    visit.limit_uploads(SLOW);
    visit.choose(&files.each_ref().map(|file| file.path()));
    for file in &files {
        visit.wait_for_a_part(file.name());
    }
    files
}

/// Returns how often the visible page shows these words.
fn count(visit: &Visit<'_>, words: &str) -> u64 {
    let shown = "['outage', 'notices', 'files'].map(id => document.getElementById(id).innerText)";
    let count = format!("{shown}.join(' ').split({}).length - 1", json!(words));
    visit.page.evaluate(&count).as_u64().expect("a number")
}

#[test]
fn server_gone_is_said_once_with_one_countdown() {
    needs!("chromium");
    let disk = Disk::new();
    let server = Program::start(&[]);
    let addr = server.addr().to_string();
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, server.addr());
    let files = three_on_their_way(&visit, &disk);
    let dir = server.kill();
    visit
        .page
        .wait_for("document.getElementById('outage').innerText.includes('next try in')");
    for file in &files {
        visit.wait_for_row(
            file.name(),
            "row.innerText.includes('Waiting for the server')",
        );
    }
    assert_eq!(count(&visit, "The server does not answer."), 1);
    assert!(count(&visit, "next try") <= 1);
    assert_eq!(count(&visit, "Try now"), 1);
    let rate = "document.getElementById('job-rate').innerText";
    visit.page.wait_for(&format!("{rate} === ''"));

    let server = Program::over(dir, &addr, &[]);
    visit.unlimit_uploads();
    visit
        .page
        .evaluate("document.querySelector('#outage button').click()");
    for file in &files {
        visit.wait_for_state(file.name(), "complete");
        file.expect_same(&server.dir().join(file.name()));
    }
    visit
        .page
        .wait_for("document.getElementById('outage').hidden");
    visit.expect_no_complaints_but(&CUTS);
}

#[test]
fn screen_may_go_off_while_the_server_is_gone() {
    needs!("chromium");
    let disk = Disk::new();
    let server = Program::start(&[]);
    let addr = server.addr().to_string();
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, server.addr());
    visit.page.evaluate(RECORD_LOCKS);
    let file = disk.file("a.mov", 24_000_000);
    visit.begin(&file);
    assert_eq!(visit.page.evaluate("locks.join()"), "requested");
    let dir = server.kill();
    visit.page.wait_for("locks.join() === 'requested,released'");
    visit.wait_for_row("a.mov", "row.innerText.includes('Waiting for the server')");

    let _server = Program::over(dir, &addr, &[]);
    visit.page.wait_for("locks.at(-1) === 'requested'");
    visit.unlimit_uploads();
    visit.page.wait_for("locks.at(-1) === 'released'");
    visit.wait_for_state("a.mov", "complete");
    visit.expect_no_complaints_but(&CUTS);
}

fn signal(server: &Program, signal: Signal) {
    let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process"), signal).expect("signalled");
}

#[test]
fn silence_is_said() {
    needs!("chromium");
    let disk = Disk::new();
    let server = Program::start(&[]);
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, server.addr());
    let file = disk.file("a.mov", 40_000_000);
    visit.begin(&file);
    signal(&server, Signal::STOP);
    visit.wait_for_row("a.mov", "row.innerText.includes('Nothing is arriving')");
    signal(&server, Signal::CONT);
    visit.wait_for_row("a.mov", "!row.innerText.includes('Nothing is arriving')");
    visit.unlimit_uploads();
    visit.wait_for_state("a.mov", "complete");
    file.expect_same(&server.dir().join("a.mov"));
}

#[test]
fn silence_of_all_files_is_said_once() {
    needs!("chromium");
    let disk = Disk::new();
    let server = Program::start(&[]);
    let browser = Browser::chromium();
    let visit = Visit::to(&browser, server.addr());
    three_on_their_way(&visit, &disk);
    signal(&server, Signal::STOP);
    visit
        .page
        .wait_for("document.getElementById('outage').dataset.problem === 'silent'");
    assert_eq!(count(&visit, "Nothing is arriving"), 1);
    signal(&server, Signal::CONT);
    visit
        .page
        .wait_for("document.getElementById('outage').hidden");
}
