//! Through a real nginx.

use super::{Running, put, run};
use crate::local::Disk;
use crate::proxy::{DEFAULTS, Nginx, as_in_the_readme};
use crate::support::Site;

use super::line::Line;
use super::{HEADS, wait_for_part};

const LENGTH: u64 = 20_000_000;

#[test]
fn with_the_readmes_configuration_a_cut_costs_nothing() {
    const PART: u64 = 10_000_000;
    let disk = Disk::new();
    let file = disk.file("a.bin", LENGTH);
    let site = Site::new();
    let mut nginx = Nginx::before(site.addr(), as_in_the_readme());
    let line = Line::of(nginx.addr(), PART);
    let running = Running::start(&mut put([file.path().as_os_str(), line.url().as_ref()]));
    wait_for_part(site.dir(), PART - HEADS);
    nginx.end();
    nginx.come_back();
    line.open();
    running.end().expect(0, &["the server does not answer"]);
    file.expect_same(&site.dir().join("a.bin"));
    assert!(line.taken() < LENGTH + 4 * HEADS, "{} bytes", line.taken());
}

#[test]
fn with_nginx_defaults_it_arrives_in_small_requests() {
    let disk = Disk::new();
    let file = disk.file("a.bin", LENGTH);
    let site = Site::new();
    let nginx = Nginx::before(site.addr(), DEFAULTS);
    let line = Line::of(nginx.addr(), u64::MAX);
    run(&mut put([file.path().as_os_str(), line.url().as_ref()])).expect(0, &["a.bin: 20.00 MB"]);
    file.expect_same(&site.dir().join("a.bin"));
    // Those that nginx refused were refused before their bodies were sent.
    assert!(line.taken() < LENGTH + 20 * HEADS, "{} bytes", line.taken());
}
