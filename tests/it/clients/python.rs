//! tuspy and aiotus.

use std::process::Command;

use super::{BOTH_WAYS, Trip, Way, command, fetched};
use crate::support::running::{Running, run};

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

/// It is met in the middle, both ways, and goes on by itself.
#[track_caller]
fn expect_to_go_on(script: impl Fn(&Trip) -> Command) {
    for way in BOTH_WAYS {
        let mut trip = Trip::new(way, &[]);
        let running = Running::start(&mut script(&trip));
        trip.cut();
        running.end().expect(0, &[]);
        trip.expect_arrived();
    }
}

#[test]
fn tuspy_goes_on_by_itself() {
    if let Some(script) = script("with_tuspy.py") {
        expect_to_go_on(script);
    }
}

#[test]
fn tuspy_finds_the_upload_of_a_run_that_was_killed() {
    let Some(script) = script("with_tuspy.py") else {
        return;
    };
    let trip = Trip::new(Way::Straight, &[]);
    let killed = Running::start(&mut script(&trip));
    trip.wait_for_half();
    drop(killed);
    trip.line.cut_and_open();
    run(&mut script(&trip)).expect(0, &[]);
    trip.expect_arrived();
}

#[test]
fn tuspy_with_checksums_goes_on_by_itself() {
    if let Some(script) = script("with_tuspy.py") {
        expect_to_go_on(|trip| {
            let mut python = script(trip);
            python.env("CHECKSUM", "yes");
            python
        });
    }
}

#[test]
fn aiotus_goes_on_by_itself() {
    if let Some(script) = script("with_aiotus.py") {
        expect_to_go_on(script);
    }
}
