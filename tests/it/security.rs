//! Who may start it, and what others on the machine may see.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use resumed::{Config, StartErrorKind};

use crate::left_out::left_out;
use crate::support::{Site, append};

#[test]
fn root_may_not_listen_to_other_machines_unless_told() {
    if !rustix::process::geteuid().is_root() {
        return left_out("what root may not", "it needs root");
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let error = resumed::start(Config::new(dir.path()).listen("0.0.0.0:0"));
    let error = error.err().expect("refused");
    assert_eq!(error.kind(), StartErrorKind::Listen);
    assert!(error.to_string().contains("--allow-root"), "{error}");
    let told = Config::new(dir.path()).listen("0.0.0.0:0").allow_root();
    resumed::start(told).expect("told").stop();
}

#[test]
fn what_is_under_way_is_seen_by_its_owner_alone() {
    let site = Site::new();
    site.ask(append("a", 0, 5) + "hello");
    let mode = fs::metadata(site.dir().join(".resumed"))
        .expect("there")
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn no_symbolic_link_is_followed() {
    let site = Site::new();
    let ask = || site.ask(append("a", 0, 5) + "hello").status;
    assert_eq!(ask(), 200);
    let victim = site.dir().join("victim");
    fs::write(&victim, "precious").expect("written");
    for file in fs::read_dir(site.dir().join(".resumed")).expect("listed") {
        let path = file.expect("a file").path();
        if !path.ends_with("lock") {
            fs::remove_file(&path).expect("removed");
            symlink(&victim, &path).expect("linked");
        }
    }
    assert_eq!(ask(), 500);
    assert_eq!(fs::read(&victim).expect("still there"), b"precious");
}
