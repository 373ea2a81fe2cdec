//! Which file systems are trusted with files that have no name, as is seen while an upload has all its bytes and no end.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use resumed::store::{Completes, Id, Intent, Options, Store, Sync};

use crate::left_out::left_out;
use crate::mount::{Mount, make_image, obstacle};
use crate::program::Process;

const IMAGE_BYTES: u64 = 512 << 20;

/// Whether what comes at once has a name in `.resumed` before it is published, in a store below `dir`.
fn is_named(dir: &Path, sync: Sync) -> bool {
    let options = Options {
        sync,
        ..Options::default()
    };
    let dir = dir.join(format!("{sync:?}"));
    let store = Store::open(&dir, options).expect("a store");
    store.sweep(SystemTime::now());
    let id = Id::new(b"", b"id");
    let intent = Intent {
        length: Some(5),
        name: Some("a".into()),
        ..Intent::default()
    };
    let mut append = store.append_with(&id, 0, intent).expect("it begins");
    append.write(b"bytes").expect("written");
    let is_named = dir.join(".resumed").join(id.key().to_string()).exists();
    append.finish(Completes::AtLength).expect("published");
    assert_eq!(std::fs::read(dir.join("a")).expect("it is there"), b"bytes");
    is_named
}

#[test]
fn only_where_a_pulled_plug_does_no_harm_a_file_has_no_name() {
    let kinds = [
        ("xfs", Sync::Durable, false),
        ("xfs", Sync::Fast, false),
        ("ext4", Sync::Durable, false),
        ("ext4", Sync::Fast, true),
        ("ext4 -O fast_commit", Sync::Durable, true),
        ("ext4 -O ^has_journal", Sync::Durable, true),
        ("btrfs", Sync::Durable, true),
        ("btrfs", Sync::Fast, true),
    ];
    if let Some(reason) = obstacle(&kinds.map(|(kind, ..)| kind)) {
        return left_out("files without a name on each file system", &reason);
    }
    for (kind, sync, expected) in kinds {
        let home = tempfile::tempdir().expect("a directory");
        let image = home.path().join("image");
        make_image(&image, kind, IMAGE_BYTES);
        let mount = Mount::image(&image);
        assert_eq!(is_named(mount.path(), sync), expected, "{kind} {sync:?}");
    }
    let memory = Mount::tmpfs("size=128m");
    assert!(!is_named(memory.path(), Sync::Fast));
}

#[test]
fn an_ext4_that_may_forget_is_warned_of() {
    let kinds = [
        ("ext4 -O fast_commit", "with fast commits"),
        ("ext4 -O ^has_journal", "without a journal"),
    ];
    if let Some(reason) = obstacle(&["ext4"]) {
        return left_out("the warning of an ext4 that may forget", &reason);
    }
    for (kind, how) in kinds {
        let home = tempfile::tempdir().expect("a directory");
        let image = home.path().join("image");
        make_image(&image, kind, IMAGE_BYTES);
        let mount = Mount::image(&image);
        let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
        command.env("RUST_LOG", "warn").stderr(Stdio::piped());
        // Also where files have names in any case.
        let flags = ["--on-conflict", "replace"];
        let mut process = Process::of(command, mount.path(), "127.0.0.1:0", &flags);
        let stderr = process.child().stderr.take().expect("piped");
        let mut lines = BufReader::new(stderr)
            .lines()
            .map(|line| line.expect("text"));
        let warning = lines.find(|line| line.contains("ext4")).expect("a warning");
        assert!(warning.contains(how), "{warning}");
    }
}
