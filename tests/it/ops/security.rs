//! Users of the machine: who may start the server, what other users can read, and which files it reaches.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use resumed::store::{Id, OnConflict};
use resumed::{Config, StartErrorKind};

use crate::support::left_out::{require, root_obstacle, user_obstacle};
use crate::support::program;
use crate::support::running::listens;
use crate::support::{Site, append, status};

#[test]
fn root_may_not_listen_to_other_machines_unless_allowed() {
    require!("what root may not", root_obstacle());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let error = resumed::start(Config::new(dir.path()).listen("0.0.0.0:0"));
    let error = error.expect_err("refused");
    assert_eq!(error.kind(), StartErrorKind::Listen);
    assert!(error.to_string().contains("--allow-root"), "{error}");
    let allowed = Config::new(dir.path()).listen("0.0.0.0:0").allow_root(true);
    resumed::start(allowed).expect("started").stop();
}

#[test]
fn directory_of_another_user_is_refused_with_both_users() {
    require!("a directory of another user", user_obstacle());
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("opened");
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
    command
        .uid(1234)
        .gid(1235)
        .args(["--listen", "127.0.0.1:0"]);
    let error = listens(command.arg(dir.path())).expect_err("refused");
    let expected = format!(
        "{0} is not writable: Permission denied (os error 13); {0} belongs to uid 0 and gid 0, and the server runs as \
         uid 1234 and gid 1235: give it to that user, or start the server as its owner",
        dir.path().display()
    );
    assert!(error.contains(&expected), "{error}");
    chown(dir.path(), Some(1234), None).expect("given");
    listens(&mut command).expect("its owner starts it");
}

/// Starts the command with these flags on an address that other machines reach, and returns its error.
fn start_for_strangers(listen: &str, flags: &[&str]) -> Result<(), String> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = program::command();
    command.args(["--allow-root", "--listen", listen]);
    listens(command.args(flags).arg(dir.path()))
}

#[test]
fn command_without_users_refuses_to_listen_to_strangers() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let error = start_for_strangers(listen, &[]).expect_err("refused");
        assert!(error.contains(listen), "{error}");
        for way_out in ["no users", "--user-file", "--allow-anonymous"] {
            assert!(error.contains(way_out), "{error}");
        }
        assert_eq!(start_for_strangers(listen, &["--allow-anonymous"]), Ok(()));
        assert_eq!(start_for_strangers(listen, &["--user=a:b"]), Ok(()));
    }
}

#[test]
fn command_without_users_listens_to_its_own_machine() {
    for listen in [
        "127.0.0.1:0",
        "127.0.0.9:0",
        "[::1]:0",
        "[::ffff:127.0.0.1]:0",
        "localhost:0",
    ] {
        assert_eq!(start_for_strangers(listen, &[]), Ok(()), "{listen}");
    }
    let home = tempfile::tempdir().expect("a temporary directory");
    let socket = format!("unix:{}", home.path().join("socket").display());
    assert_eq!(start_for_strangers(&socket, &[]), Ok(()));
}

#[test]
fn existing_partials_directory_is_closed_to_others() {
    for mode in [0o755, 0o777, 0o500, 0o2770] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let partials = dir.path().join(".resumed");
        fs::create_dir(&partials).expect("made");
        fs::set_permissions(&partials, Permissions::from_mode(mode)).expect("opened");
        let site = Site::again(dir, |config| config);
        let now = fs::metadata(&partials).expect("there").mode();
        assert_eq!(now & 0o7777, mode & 0o7000 | 0o700, "{mode:o}");
        assert_eq!(site.ask(append("a", 0, 5) + "hello").status, 200);
    }
}

#[test]
fn partials_directory_of_another_user_is_refused() {
    require!("a .resumed of another user", root_obstacle());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let partials = dir.path().join(".resumed");
    fs::create_dir(&partials).expect("made");
    chown(&partials, Some(1234), None).expect("given away");
    let start = || resumed::start(Config::new(dir.path()).listen("127.0.0.1:0"));
    let error = start().expect_err("refused");
    assert_eq!(error.kind(), StartErrorKind::Directory);
    let said = error.to_string();
    assert!(
        said.contains("uid 1234") && said.contains(".resumed"),
        "{said}"
    );
    let names = fs::read_dir(dir.path()).expect("listed");
    assert_eq!(names.count(), 1, "the probe is gone");
    chown(&partials, Some(0), None).expect("taken back");
    start().expect("ours").stop();
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

/// Returns a record of five bytes with `PATH` as its published path.
pub(crate) fn record(id: &str, path: &str) -> String {
    let hex = id.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("text grows");
        hex
    });
    let path = path.replace('\n', "\\n");
    format!(
        "{{\"v\":1,\"id\":\"{hex}\",\"owner\":\"\",\"name\":\"pwned\",\"length\":5,\
         \"state\":\"publishing\",\"as\":\"{path}\"}}"
    )
}

/// Writes such a record into `.resumed`, and `partial` as its data file.
fn plant(dir: &Path, id: &str, path: &str, partial: Option<&[u8]>) {
    let key = Id::new(b"", id.as_bytes()).key();
    let partials = dir.join(".resumed");
    fs::write(partials.join(format!("{key}.json")), record(id, path)).expect("planted");
    if let Some(bytes) = partial {
        fs::write(partials.join(key.to_string()), bytes).expect("planted");
    }
}

/// Returns every file below a directory with its contents, without those in `but`.
fn files(dir: &Path, but: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("listed") {
        let path = entry.expect("an entry").path();
        if path == but {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path, but));
        } else {
            let bytes = fs::read(&path).expect("read");
            found.push((path.display().to_string(), bytes));
        }
    }
    found.sort();
    found
}

const OUTSIDE: [&str; 8] = [
    "../pwned",
    "../secret",
    "trip/../../pwned",
    "./../secret",
    "trip//../../secret",
    ".resumed/../../pwned",
    ".resumed/other",
    "a\nb",
];

/// Starts a server over a planted record with this path, and a planted data file or none.
fn expect_nothing_outside(on_conflict: OnConflict, path: &str, partial: Option<&[u8]>) {
    let home = tempfile::tempdir().expect("a temporary directory");
    fs::write(home.path().join("secret"), "other").expect("written");
    let dir = tempfile::tempdir_in(home.path()).expect("a directory in it");
    fs::create_dir(dir.path().join("trip")).expect("made");
    fs::create_dir(dir.path().join(".resumed")).expect("made");
    plant(dir.path(), "p", path, partial);
    let partials = dir.path().join(".resumed");
    let before = files(home.path(), &partials);
    let site = Site::again(dir, |config| config.on_conflict(on_conflict));
    // The sweep at start reads the record too, before or during this request.
    for request in [status("p"), append("p", 5, 0), append("p", 0, 5) + "again"] {
        let answer = site.ask(request);
        assert_eq!(answer.status, 500, "{path:?}: {answer:?}");
        assert_eq!(answer.field("X-Tail-Digest"), None, "{path:?}");
    }
    assert_eq!(files(home.path(), &partials), before, "{path:?}");
    let _dir = site.stop();
    assert_eq!(files(home.path(), &partials), before, "{path:?}");
    assert!(!partials.join("other").exists());
}

#[test]
fn planted_record_reads_and_publishes_nothing_outside_dir() {
    for path in OUTSIDE {
        for on_conflict in [OnConflict::KeepBoth, OnConflict::Replace] {
            expect_nothing_outside(on_conflict, path, Some(b"pwned"));
        }
        expect_nothing_outside(OnConflict::KeepBoth, path, None);
    }
}
