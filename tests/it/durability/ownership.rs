//! Group, mode and access rights of a finished file: those of a file that is created in its folder.

use std::fs::{self, File, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{XattrFlags, getxattr, setxattr};
use tempfile::TempDir;

use crate::support::Client;
use crate::support::left_out::{left_out, require, root_obstacle, user_obstacle};
use crate::support::program::Process;

/// A group and a user that need not exist on this machine.
const MEDIA: u32 = 4242;
const ANN: u32 = 4343;
const NOBODY: u32 = 65534;

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

/// An ACL in the format of the kernel: access for the owner, a user and the group, none for others.
fn acl(owner: u16, user: u16, mask: u16) -> Vec<u8> {
    const NO_ID: u32 = u32::MAX;
    let entries = [
        (0x01, owner, NO_ID),
        (0x02, user, ANN),
        (0x04, 5, NO_ID),
        (0x10, mask, NO_ID),
        (0x20, 0, NO_ID),
    ];
    let version = 2_u32.to_le_bytes().to_vec();
    entries.iter().fold(version, |mut acl, (tag, rights, id)| {
        acl.extend(u16::to_le_bytes(*tag));
        acl.extend(u16::to_le_bytes(*rights));
        acl.extend(u32::to_le_bytes(*id));
        acl
    })
}

fn set_acl(path: &Path, name: &str, acl: &[u8]) -> Result<(), String> {
    setxattr(path, name, acl, XattrFlags::empty()).map_err(|error| error.to_string())
}

/// The compared attributes: owner, group, mode, access ACL.
fn attributes(path: &Path) -> (u32, u32, u32, Option<Vec<u8>>) {
    let about = fs::metadata(path).expect("the file");
    let mut value = vec![0; 1024];
    let acl = getxattr(path, ACCESS, &mut value[..]).ok();
    let acl = acl.map(|length| value[..length].to_vec());
    (about.uid(), about.gid(), about.mode(), acl)
}

/// Asserts that a finished file has the attributes of a file created beside it now.
#[track_caller]
fn is_as_created_there(path: &Path) {
    assert_eq!(fs::read(path).expect("the file"), b"hello");
    let new = path.with_file_name("new");
    File::create(&new).expect("another file");
    assert_eq!(attributes(path), attributes(&new), "{}", path.display());
    fs::remove_file(&new).expect("removed");
    let names = fs::read_dir(path.parent().expect("a folder")).expect("listed");
    let hidden = |name: &String| name.starts_with(".resumed-");
    let left = names.map(|entry| entry.expect("an entry").file_name().into_string().unwrap());
    assert_eq!(left.filter(hidden).count(), 0);
}

/// Sends a part of a file of five bytes; returns the answer.
fn send(addr: SocketAddr, name: &str, start: usize, bytes: &str) -> String {
    let mut client = Client::connect(addr);
    let path = name.replace('/', "%2F");
    client.send(format!(
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: {path}\r\nX-File-Name: {path}\r\n\
         X-File-Size: 5\r\nX-Start-Byte: {start}\r\nContent-Length: {}\r\n\r\n{bytes}",
        bytes.len()
    ));
    client.answer().text().to_owned()
}

/// Sends two files; the upload of the first begins before `change`.
fn send_around(addr: SocketAddr, names: [&str; 2], change: impl FnOnce()) {
    assert_eq!(send(addr, names[0], 0, "he"), "2");
    change();
    assert_eq!(send(addr, names[0], 2, "llo"), "Success 5");
    assert_eq!(send(addr, names[1], 0, "hello"), "Success 5");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn share_with_media(folder: &Path) {
    chown(folder, None, Some(MEDIA)).expect("another group");
    fs::set_permissions(folder, Permissions::from_mode(0o2775)).expect("set-group-ID");
}

#[test]
fn finished_file_has_the_group_of_a_set_group_id_folder() {
    require!("the group of a set-group-ID folder", root_obstacle());
    let dir = tempfile::tempdir().expect("a directory");
    let server = Process::start(dir.path(), "127.0.0.1:0", &[] as &[&str]);
    assert_eq!(send(server.addr, "plain.txt", 0, "hello"), "Success 5");
    is_as_created_there(&dir.path().join("plain.txt"));

    let folder = dir.path().join("trip");
    fs::create_dir(&folder).expect("a folder");
    send_around(server.addr, ["trip/a.txt", "trip/b.txt"], || {
        share_with_media(&folder);
    });
    send_around(server.addr, ["a.txt", "b.txt"], || {
        share_with_media(dir.path());
    });
    for name in ["trip/a.txt", "trip/b.txt", "a.txt", "b.txt"] {
        let path = dir.path().join(name);
        is_as_created_there(&path);
        assert_eq!(attributes(&path).1, MEDIA, "{name}");
    }
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("no more");
    chown(dir.path(), None, Some(MEDIA + 1)).expect("another group");
    assert_eq!(send(server.addr, "c.txt", 0, "hello"), "Success 5");
    is_as_created_there(&dir.path().join("c.txt"));
    assert_ne!(attributes(&dir.path().join("c.txt")).1, MEDIA);
}

#[test]
fn finished_file_has_the_rights_of_a_default_acl() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Process::start(dir.path(), "127.0.0.1:0", &[] as &[&str]);
    let folder = dir.path().join("trip");
    fs::create_dir(&folder).expect("a folder");
    if let Err(reason) = set_acl(&folder, DEFAULT, &acl(6, 7, 7)) {
        return left_out("the default ACL of a folder", &reason);
    }
    send_around(server.addr, ["a.txt", "b.txt"], || {
        set_acl(dir.path(), DEFAULT, &acl(6, 6, 4)).expect("set");
    });
    assert_eq!(send(server.addr, "trip/a.txt", 0, "hello"), "Success 5");
    for name in ["trip/a.txt", "a.txt", "b.txt"] {
        is_as_created_there(&dir.path().join(name));
        assert!(attributes(&dir.path().join(name)).3.is_some(), "{name}");
    }
    drop(server);

    // The directory has a default ACL from the beginning. Later the ACL is removed.
    let dir = tempfile::tempdir().expect("a directory");
    set_acl(dir.path(), DEFAULT, &acl(6, 7, 7)).expect("set");
    let server = Process::start(dir.path(), "127.0.0.1:0", &[] as &[&str]);
    assert_eq!(send(server.addr, "a.txt", 0, "hello"), "Success 5");
    is_as_created_there(&dir.path().join("a.txt"));
    rustix::fs::removexattr(dir.path(), DEFAULT).expect("removed");
    assert_eq!(send(server.addr, "b.txt", 0, "hello"), "Success 5");
    is_as_created_there(&dir.path().join("b.txt"));
    assert_eq!(attributes(&dir.path().join("b.txt")).3, None);
}

#[test]
fn replaced_file_keeps_owner_group_mode_and_rights() {
    let dir = tempfile::tempdir().expect("a directory");
    let flags = ["--on-conflict", "replace"];
    let server = Process::start(dir.path(), "127.0.0.1:0", &flags);
    let old = |name: &str, mode: u32| {
        let path = dir.path().join(name);
        fs::write(&path, b"older").expect("an older file");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("its mode");
        path
    };
    fs::create_dir(dir.path().join("trip")).expect("a folder");
    let mut paths = vec![old("a.txt", 0o660), old("trip/read.txt", 0o404)];
    if is_root() {
        chown(&paths[0], Some(ANN), Some(MEDIA)).expect("its owner");
    }
    let shared = old("trip/shared.txt", 0o600);
    match set_acl(&shared, ACCESS, &acl(6, 6, 6)) {
        Ok(()) => paths.push(shared),
        Err(reason) => left_out("the ACL of a replaced file", &reason),
    }
    let before: Vec<_> = paths.iter().map(|path| attributes(path)).collect();
    for (path, before) in paths.iter().zip(&before) {
        let name = path.strip_prefix(dir.path()).expect("inside");
        let sent = send(server.addr, &name.to_string_lossy(), 0, "hello");
        assert_eq!(sent, "Success 5");
        assert_eq!(fs::read(path).expect("the file"), b"hello");
        assert_eq!(attributes(path), *before, "{name:?}");
    }
    // An upload never gets the set-user-ID bit of the replaced file.
    let path = old("run", 0o4755);
    assert_eq!(send(server.addr, "run", 0, "hello"), "Success 5");
    assert_eq!(attributes(&path).2 & 0o7777, 0o755);
}

/// Returns the command, run by a user with only one group.
fn as_nobody() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
    command.uid(NOBODY).gid(NOBODY);
    command
}

/// Returns the directory for a server that runs as the user nobody.
fn of_nobody() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    chown(dir.path(), Some(NOBODY), Some(NOBODY)).expect("an owner");
    dir
}

#[test]
fn uploads_work_where_a_default_acl_denies_the_owner() {
    let flags = &[] as &[&str];
    require!("a default ACL that denies the owner", user_obstacle());
    for owner in [6, 4, 0] {
        let dir = of_nobody();
        if let Err(reason) = set_acl(dir.path(), DEFAULT, &acl(owner, 7, 7)) {
            return left_out("a default ACL that denies the owner", &reason);
        }
        let server = Process::of(as_nobody(), dir.path(), "127.0.0.1:0", flags);
        assert_eq!(send(server.addr, "a.txt", 0, "hello"), "Success 5");
        assert_eq!(send(server.addr, "b.txt", 0, "he"), "2");
        drop(server);
        let server = Process::of(as_nobody(), dir.path(), "127.0.0.1:0", flags);
        assert_eq!(send(server.addr, "b.txt", 2, "llo"), "Success 5");
        assert_eq!(send(server.addr, "a.txt", 5, ""), "Success 5");
        let new = dir.path().join("new");
        File::create(&new).expect("another file");
        let (_, _, mode, rights) = attributes(&new);
        for name in ["a.txt", "b.txt"] {
            let path = dir.path().join(name);
            assert_eq!(fs::read(&path).expect("the file"), b"hello");
            let (_, _, its_mode, its_rights) = attributes(&path);
            assert_eq!((its_mode, &its_rights), (mode, &rights), "{name}, {owner}");
        }
    }
}

#[test]
fn group_the_server_cannot_set_is_given_by_a_copy() {
    require!("a group that the server may not give", user_obstacle());
    let dir = of_nobody();
    let folder = dir.path().join("trip");
    fs::create_dir(&folder).expect("a folder");
    chown(&folder, Some(NOBODY), Some(MEDIA)).expect("another group");
    fs::set_permissions(&folder, Permissions::from_mode(0o2775)).expect("set-group-ID");
    let mut command = as_nobody();
    command.env("RUST_LOG", "warn");
    let server = Process::of(command, dir.path(), "127.0.0.1:0", &[] as &[&str]);
    for (name, group) in [("trip/a.txt", MEDIA), ("c.txt", NOBODY)] {
        assert_eq!(send(server.addr, name, 0, "hello"), "Success 5");
        let path = dir.path().join(name);
        assert_eq!(fs::read(&path).expect("there"), b"hello");
        assert_eq!(attributes(&path).1, group, "{name}");
    }
    let left = fs::read_dir(&folder).expect("listed").count();
    assert_eq!(left, 1);
}
