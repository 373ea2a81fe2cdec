//! The table in docs/filesystems.md: observations of one scenario on each file system.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use crate::durability::file_systems::place::{KINDS, Place};
use crate::durability::file_systems::scenario::{FAILED, STEPS, Step, observe};
use crate::support::left_out::{left_out, require};
use crate::support::limit::RunInTime;
use crate::support::mount::obstacle;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/filesystems.md");

/// Text before this line is written by hand.
const BEGIN: &str = "<!-- table -->\n";

const NOT_TRIED: &str = "not tried";

/// The number of file systems that are tried at the same time: most of the time is waiting for syncs.
const THREADS: usize = 4;

/// The promises that hold on every file system.
const EVERYWHERE: [&str; 2] = ["continues", "full"];

#[test]
fn upload_continues_on_every_file_system_here() {
    require!("uploads on many file systems", obstacle(&["ext4"]));
    let next = Mutex::new(KINDS.into_iter());
    let take = || next.lock().expect("no panic").next();
    let try_some = || {
        let mut missing = Vec::new();
        while let Some((kind, name)) = take() {
            match Place::new(kind) {
                Ok(place) => assert_promises(name, &place),
                Err(reason) => missing.push(format!("{name} ({reason})")),
            }
        }
        missing
    };
    let missing: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(try_some)).collect();
        let missing = threads.into_iter().map(|it| it.join().expect("no panic"));
        missing.flatten().collect()
    });
    if !missing.is_empty() {
        let reason = format!("`make filesystems` tries {}", missing.join(", "));
        left_out("uploads on other file systems", &reason);
    }
}

#[track_caller]
fn assert_promises(name: &str, place: &Place) {
    let promised = |step: &&Step| EVERYWHERE.contains(&step.0);
    for step in STEPS.iter().filter(promised) {
        let cell = observe(place, step);
        assert!(!cell.starts_with(FAILED), "{name}: {}: {cell}", step.0);
    }
}

/// Writes the rows of the file systems of this machine. The other rows stay. `FILE_SYSTEMS` selects some of them.
#[test]
#[ignore = "writes docs/filesystems.md: make filesystems"]
fn table_is_written() {
    let selected = std::env::var("FILE_SYSTEMS").unwrap_or_default();
    let is_selected = |kind: &str| selected.is_empty() || selected.split(' ').any(|it| it == kind);
    for (kind, name) in KINDS.into_iter().filter(|(kind, _)| is_selected(kind)) {
        match Place::new(kind) {
            Ok(place) => {
                let mut cells: Vec<_> = STEPS.iter().map(|step| observe(&place, step)).collect();
                cells.push(today());
                eprintln!("{name}: {cells:#?}");
                write_row(name, &cells);
            }
            Err(reason) => eprintln!("{name}: not tried: {reason}"),
        }
    }
}

fn write_row(name: &str, cells: &[String]) {
    let page = fs::read_to_string(PAGE).expect("the page");
    let (text, table) = page.split_once(BEGIN).expect("a table");
    let mut rows = rows(table);
    rows.insert(name.into(), cells.to_vec());
    fs::write(PAGE, format!("{text}{BEGIN}{}", rendered(&rows))).expect("written");
}

/// Returns the kernel and the date.
fn today() -> String {
    let said = |command: &mut Command| {
        let output = command.output_in_time().expect("it runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let release = said(Command::new("uname").arg("-r"));
    // Without the suffix of the distribution.
    let kernel = release.split(['-', '+']).next().unwrap_or_default();
    format!("Linux {kernel}, {}", said(Command::new("date").arg("+%F")))
}

type Rows = BTreeMap<String, Vec<String>>;

/// Parses both tables. The first cell of a row is the file system.
fn rows(tables: &str) -> Rows {
    let mut rows = Rows::new();
    for line in tables.lines().filter(|line| line.starts_with("| ")) {
        let mut cells = line
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned());
        let name = cells.next().unwrap_or_default();
        rows.entry(name).or_default().extend(cells);
    }
    rows.retain(|_, cells| cells.len() == STEPS.len() + 1);
    let reorder = |cells: &mut Vec<String>| cells.swap(STEPS.len() - 1, STEPS.len());
    rows.values_mut().for_each(reorder);
    rows
}

/// Renders the table of the steps, and that of the warnings at start.
fn rendered(rows: &Rows) -> String {
    let (last, steps) = STEPS.split_last().expect("steps");
    let heads: Vec<_> = steps
        .iter()
        .map(|(head, _)| *head)
        .chain(["tried on"])
        .collect();
    let line = |name: &str, cells: &[&str]| format!("| {name} | {} |\n", cells.join(" | "));
    let head =
        |cells: &[&str]| line("file system", cells) + &line("---", &vec!["---"; cells.len()]);
    let mut tables = [head(&heads), head(&[last.0])];
    for (_, name) in KINDS {
        let untried = vec![NOT_TRIED.to_owned(); STEPS.len() + 1];
        let cells = rows.get(name).unwrap_or(&untried);
        let cells: Vec<_> = cells.iter().map(String::as_str).collect();
        let (first, [at_start, tried]) = cells.split_at(steps.len()) else {
            panic!("{name}: {cells:?}");
        };
        tables[0] += &line(name, &[first, &[tried]].concat());
        tables[1] += &line(name, &[at_start]);
    }
    format!("\n{}\n## Warnings at start\n\n{}", tables[0], tables[1])
}

#[test]
fn page_of_file_systems_is_read_as_written() {
    let page = fs::read_to_string(PAGE).expect("the page");
    let (_, table) = page.split_once(BEGIN).expect("a table");
    assert_eq!(rendered(&rows(table)), table);
}
