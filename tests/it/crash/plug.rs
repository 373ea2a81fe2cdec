//! The plug is pulled at random moments, on each file system that is promised.

use crate::left_out::left_out;
use crate::mount::obstacle;
use crate::torture::some_or_all;

use super::chance::Chance;
use super::check::breaches;
use super::disk::{Disk, Room};
use super::load::Load;
use super::{none, start};

const FILE_SYSTEMS: [&str; 3] = ["ext4", "xfs", "btrfs"];

/// How often the plug of one disk is pulled, before all is sent to its end and it is left.
const CUTS: u64 = 10;

/// Without syncs the loss has to show within so many cuts.
const ENOUGH: u64 = 10;

#[test]
fn what_was_told_survives_a_pulled_plug() {
    if let Some(reason) = obstacle(&FILE_SYSTEMS) {
        return left_out("a pulled plug", &reason);
    }
    let mut chance = Chance::from_seed();
    let room = Room::new();
    for (file_system, cuts) in FILE_SYSTEMS.into_iter().zip([67, 67, 66]) {
        let mut left = some_or_all(2, cuts);
        let mut answers = 0;
        while left > 0 {
            let cuts = left.min(CUTS);
            answers += lives(&mut room.disk(file_system), cuts, &mut chance);
            left -= cuts;
        }
        println!("{file_system}: {answers} answers were held to");
    }
}

/// The test must be able to fail.
#[test]
fn without_syncs_a_pulled_plug_is_noticed() {
    if let Some(reason) = obstacle(&FILE_SYSTEMS) {
        return left_out("that a pulled plug is noticed", &reason);
    }
    let mut chance = Chance::from_seed();
    let room = Room::new();
    for file_system in FILE_SYSTEMS {
        let mut disk = room.disk(file_system);
        let load = Load::default();
        let mut is_noticed = || !cut(&mut disk, "fast", &load, &mut chance).is_empty();
        let cuts = (1..=ENOUGH).find(|_| is_noticed());
        println!("{file_system}: noticed at cut {cuts:?}");
        assert!(cuts.is_some(), "not noticed on {file_system}");
    }
}

/// So many pulled plugs of one disk; how many answers were held to.
fn lives(disk: &mut Disk, cuts: u64, chance: &mut Chance) -> u64 {
    let load = Load::default();
    for _ in 0..cuts {
        none(cut(disk, "durable", &load, chance));
    }
    let dir = disk.path().join("uploads");
    let process = start(&dir, &["--sync", "durable"]);
    load.finish(process.addr, chance.fork());
    none(breaches(&mut load.facts(), process.addr, &dir));
    load.facts().answers
}

/// Pulls the plug of a server at work, and looks at what remains with another. What clients were told after that
/// moment they were never told.
fn cut(disk: &mut Disk, sync: &str, load: &Load, chance: &mut Chance) -> Vec<String> {
    let dir = disk.path().join("uploads");
    let flags = ["--sync", sync, "--min-free", "0"];
    let process = start(&dir, &flags);
    let mut pulled = None;
    let clients = chance.fork();
    load.run(process.addr, clients, || {
        load.wait_for_some_moment(chance);
        let told = load.facts().clone();
        pulled = Some((told, disk.remains()));
        load.is_dying();
        drop(process);
    });
    let (told, remains) = pulled.expect("pulled");
    *load.facts() = told;
    disk.restart_with(remains);
    let dir = disk.path().join("uploads");
    let process = start(&dir, &flags);
    breaches(&mut load.facts(), process.addr, &dir)
}
