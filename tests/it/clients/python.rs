//! tuspy and aiotus.

use std::process::Command;

use super::{Trip, command, fetched, go_on_after_kill, go_on_by_itself};

fn script(name: &str) -> Option<impl Fn(&Trip) -> Command> {
    let packages = fetched("pypi")?;
    Some(move |trip: &Trip| {
        let mut python = command("python3");
        // Nothing is written beside the scripts.
        python
            .args(["-B", name])
            .arg(trip.endpoint())
            .arg(trip.file.path())
            .env("PYTHONPATH", &packages)
            .env("STORAGE", trip.disk.path().join("storage"));
        python
    })
}

#[test]
fn tuspy_goes_on_by_itself() {
    if let Some(script) = script("with_tuspy.py") {
        go_on_by_itself(script);
    }
}

#[test]
fn tuspy_finds_the_upload_of_a_run_that_was_killed() {
    if let Some(script) = script("with_tuspy.py") {
        go_on_after_kill(script);
    }
}

#[test]
fn tuspy_with_checksums_goes_on_by_itself() {
    if let Some(script) = script("with_tuspy.py") {
        go_on_by_itself(|trip| {
            let mut python = script(trip);
            python.env("CHECKSUM", "yes");
            python
        });
    }
}

#[test]
fn aiotus_goes_on_by_itself() {
    if let Some(script) = script("with_aiotus.py") {
        go_on_by_itself(script);
    }
}
