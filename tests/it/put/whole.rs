//! Files and folders that arrive, and what is said of them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::time::UNIX_EPOCH;

use serde_json::Value;

use super::{put, put_file, run, send, url};
use crate::ops::readme;
use crate::support::Site;
use crate::support::files::finished;
use crate::support::line::Line;
use crate::support::local::Disk;

#[test]
fn file_arrives_under_its_name_and_with_its_time() {
    let disk = Disk::new();
    let file = disk.file("제주도 여행 (1).mp4", 3_000_000);
    let site = Site::new();
    run(&mut put_file(&file, &url(site.addr()))).expect(0, &["3.00 MB in"]);
    let there = site.dir().join(file.name());
    file.expect_same(&there);
    let ms =
        |time: std::time::SystemTime| time.duration_since(UNIX_EPOCH).expect("a time").as_millis();
    let modified = fs::metadata(there)
        .expect("there")
        .modified()
        .expect("a time");
    assert_eq!(ms(modified), ms(file.modified()));
}

#[test]
fn files_and_folders_arrive_and_omissions_are_named() {
    let disk = Disk::new();
    let alone = disk.file("alone.bin", 500_000);
    disk.file("trip/a.jpg", 5);
    disk.file("trip/inner/b.jpg", 6);
    disk.file("trip/empty", 0);
    symlink(alone.path(), disk.path().join("trip/link")).expect("linked");
    let odd = OsStr::from_bytes(b"caf\xe9");
    for folder in [disk.path().to_owned(), disk.path().join("trip")] {
        fs::write(folder.join(odd), "x").expect("written");
    }
    let site = Site::new();
    let operands = ["alone.bin", "missing", "trip"].map(OsStr::new);
    let said = run(
        put(operands.into_iter().chain([odd, url(site.addr()).as_ref()])).current_dir(disk.path()),
    );
    said.expect(
        1,
        &[
            "missing: it cannot be read",
            "trip/link: left out: a symbolic link",
            "trip/inner/b.jpg: 6 B",
        ],
    );
    let names = finished(site.dir());
    assert_eq!(
        names,
        [
            "alone.bin",
            "caf%E9",
            "trip/a.jpg",
            "trip/caf%E9",
            "trip/empty",
            "trip/inner/b.jpg"
        ]
    );
    alone.expect_same(&site.dir().join("alone.bin"));
}

/// A small file costs one round trip.
#[test]
fn small_files_take_one_request_each_unless_they_exist() {
    let disk = Disk::new();
    for number in 0..20 {
        disk.file(&format!("photos/{number}.jpg"), 10_000);
    }
    let site = Site::with(|config| config.metrics(true));
    let requests = || {
        let metrics = site.ask("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let counts = (metrics.text().lines())
            .filter_map(|line| line.strip_prefix("resumed_requests_total{"))
            .map(|line| line.rsplit_once(' ').expect("a count").1);
        counts
            .map(|count| count.parse::<u64>().expect("a count"))
            .sum::<u64>()
    };
    let photos = disk.path().join("photos");
    let send = || run(&mut put([photos.as_os_str(), url(site.addr()).as_ref()]));
    let before = requests();
    send().expect(0, &["photos/7.jpg: 10.00 kB in"]);
    // The question for the count is one too.
    assert_eq!(requests() - before, 20 + 1);

    let line = Line::of(site.addr(), u64::MAX);
    let again = run(&mut put([photos.as_os_str(), line.url().as_ref()]));
    let is_there = "the server has it already";
    again.expect(
        0,
        &[0, 7]
            .map(|n| format!("photos/{n}.jpg: {is_there}"))
            .each_ref()
            .map(String::as_str),
    );
    assert!(line.taken() < 30_000, "{} bytes", line.taken());
}

#[test]
fn folder_has_its_own_name_under_any_path() {
    let disk = Disk::new();
    disk.file("trip/a.jpg", 5);
    let site = Site::new();
    let here = disk.path().join("trip");
    run(put([".", url(site.addr()).as_str()]).current_dir(&here)).expect(0, &["trip/a.jpg: 5 B"]);
    run(put(["../trip/", url(site.addr()).as_str()]).current_dir(&here))
        .expect(0, &["trip/a.jpg: the server has it already"]);
}

#[test]
fn json_writes_one_object_a_line_only() {
    let disk = Disk::new();
    let file = disk.file("a.bin", 5_000_000);
    let site = Site::new();
    let url = url(site.addr());
    let args = [
        OsStr::new("--json"),
        file.path().as_os_str(),
        "missing".as_ref(),
        url.as_ref(),
    ];
    let said = run(&mut put(args));
    let events: Vec<Value> = said
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object"))
        .collect();
    let of = |kind: &str| {
        let mut events = events.iter().filter(|event| event["event"] == kind);
        events
            .next()
            .cloned()
            .unwrap_or_else(|| panic!("{kind} is not in {said:?}"))
    };
    assert_eq!(
        (of("begin")["name"].as_str(), of("begin")["bytes"].as_u64()),
        (Some("a.bin"), Some(5_000_000))
    );
    let done = of("done");
    assert_eq!(
        (done["bytes"].as_u64(), done["url"].as_str()),
        (Some(5_000_000), Some(url.as_str()))
    );
    assert_eq!(done["saved_as"], "a.bin");
    assert!(done["seconds"].is_number() && done["was_there"] == false);
    assert_eq!(of("failed")["name"], "missing");
    said.expect(1, &["missing: it cannot be read"]);
}

#[test]
fn quiet_writes_failures_only() {
    let disk = Disk::new();
    let file = disk.file("a.bin", 5);
    let site = Site::new();
    let said = send(&["-q"], &[&file], &url(site.addr()));
    assert_eq!(
        (said.status, said.out.as_str(), said.err.as_str()),
        (Some(0), "", "")
    );
    let said = run(&mut put(["-q", "missing", &url(site.addr())]));
    assert_eq!(said.err.lines().count(), 1, "{said:?}");
}

#[test]
fn help_equals_the_one_in_the_docs() {
    let page = include_str!("../../../docs/put.md");
    assert_eq!(
        readme::block_of(page, "help"),
        run(&mut put(["--help"])).out,
        "paste the output of `resumed put --help` into docs/put.md"
    );
}
