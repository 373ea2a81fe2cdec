//! File systems that show `.resumed` under another name: no upload reaches it by that name.

use std::fs;
use std::path::Path;
use std::process::Command;

use resumed::Config;
use resumed::store::{Id, OnConflict};

use crate::ops::security::record;
use crate::support::Client;
use crate::support::left_out::{left_out, require};
use crate::support::limit::RunInTime;
use crate::support::mount::{Mount, make_image, obstacle};

const IMAGE_BYTES: u64 = 64 << 20;

/// Uploads a record, its bytes and a lock file into a folder that may be `.resumed`. The record names a path outside.
fn attack(client: &mut Client, round: usize, folder: &str) {
    let key = Id::new(b"", b"p").key();
    let record = record("p", "../pwned");
    for (number, (name, body)) in [
        (format!("{key}.json"), record.as_str()),
        (key.to_string(), "pwned"),
        ("lock".to_owned(), "taken"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = client.ask(format!(
            "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: {folder}-{round}-{number}\r\n\
             X-File-Name: {folder}%2F{name}\r\nX-File-Size: {length}\r\nContent-Length: {length}\r\n\r\n{body}",
            length = body.len()
        ));
        assert_eq!(
            answer.text(),
            format!("Success {}", body.len()),
            "{answer:?}"
        );
    }
    assert_eq!(client.held("p"), 0, "{folder}");
}

/// Attacks a server on `dir` through each folder, before and after its restart.
fn check(dir: &Path, folders: &[&str]) {
    let (home, partials) = (dir.parent().expect("a directory"), dir.join(".resumed"));
    let key = Id::new(b"", b"p").key().to_string();
    for (round, on_conflict) in [OnConflict::KeepBoth, OnConflict::Replace]
        .into_iter()
        .enumerate()
    {
        let config = Config::new(dir).listen("127.0.0.1:0");
        let server = resumed::start(config.on_conflict(on_conflict)).expect("the server starts");
        let mut client = Client::connect(server.addr().tcp().expect("a port"));
        folders
            .iter()
            .for_each(|folder| attack(&mut client, round, folder));
        let names = fs::read_dir(&partials).expect("listed");
        let mut names = names.map(|entry| entry.expect("an entry").file_name());
        assert!(!names.any(|name| name.to_string_lossy().starts_with(&key)));
        assert_ne!(fs::read(partials.join("lock")).expect("there"), b"taken");
        server.stop();
    }
    assert!(!home.join("pwned").exists());
}

#[test]
fn bound_partials_directory_is_no_folder() {
    require!("`.resumed` under another name", obstacle(&[]));
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("uploads");
    let alias = dir.join("alias");
    fs::create_dir_all(dir.join(".resumed")).expect("made");
    fs::create_dir(&alias).expect("made");
    let _bound = Mount::bound(&dir.join(".resumed"), &alias);
    check(&dir, &["alias"]);
    assert!(dir.join("alias (1)/lock").exists());
}

#[test]
fn short_name_of_partials_on_vfat_is_no_folder() {
    require!("the short name of `.resumed` on FAT", obstacle(&["vfat"]));
    let home = tempfile::tempdir().expect("a temporary directory");
    let image = home.path().join("image");
    make_image(&image, "vfat", IMAGE_BYTES);
    let mount = Mount::image(&image);
    let dir = mount.path().join("uploads");
    fs::create_dir_all(dir.join(".resumed")).expect("made");
    assert!(dir.join("RESUME~1").exists(), "it has a short name");
    check(&dir, &["RESUME~1", "resume~1"]);
}

#[test]
fn names_that_casefold_into_partials_are_no_folder() {
    let what = "names that ext4 folds into `.resumed`";
    require!(what, obstacle(&["ext4"]));
    let home = tempfile::tempdir().expect("a temporary directory");
    let image = home.path().join("image");
    make_image(&image, "ext4 -O casefold -E encoding=utf8", IMAGE_BYTES);
    let Some(mount) = Mount::known_image(&image) else {
        return left_out(what, "the kernel folds no case");
    };
    let dir = mount.path().join("uploads");
    fs::create_dir(&dir).expect("made");
    let folds = Command::new("chattr").arg("+F").arg(&dir).status_in_time();
    assert!(folds.is_ok_and(|status| status.success()), "chattr +F");
    fs::create_dir(dir.join(".resumed")).expect("made");
    let ignored = dir.join("\u{200b}.RESUMED");
    assert!(ignored.exists(), "the directory folds case");
    // Percent-encoded as by a client: U+200B, U+00AD, U+200D.
    check(
        &dir,
        &["%E2%80%8B.resumed", "%C2%AD.resumed", "%E2%80%8D.resumed"],
    );
}
