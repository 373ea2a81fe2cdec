//! Names that real file systems refuse.

use std::fs;
use std::path::Path;

use crate::support::files::finished;
use crate::support::left_out::require;
use crate::support::mount::{Mount, fuse_obstacle, image_obstacle, make_image};
use crate::support::program::Process;
use crate::support::{Client, append};

/// Uploads a file of five bytes under each name; returns the path of each below the directory.
fn stored_as(dir: &Path, names: &[&str]) -> Vec<String> {
    let process = Process::start(dir, "127.0.0.1:0", &[] as &[&str]);
    let store = |name: &&str| {
        let before = finished(dir);
        let mut client = Client::connect(process.addr);
        let encoded = name.bytes().map(|byte| format!("%{byte:02x}"));
        let fields = format!(
            "X-File-Size: 5\r\nX-File-Name: {}\r\n",
            encoded.collect::<String>()
        );
        let id = format!("id-{}", before.len());
        let head = append(&id, 0, 5).replace("\r\n\r\n", &format!("\r\n{fields}\r\n"));
        let answer = client.ask(head + "bytes");
        assert_eq!((answer.status, answer.text()), (200, "Success 5"), "{name}");
        let mut after = finished(dir);
        after.retain(|path| !before.contains(path));
        assert_eq!(after.len(), 1, "{name}");
        let path = after.remove(0);
        assert_eq!(fs::read(dir.join(&path)).expect("readable"), b"bytes");
        path
    };
    names.iter().map(store).collect()
}

/// For such a name exfat-fuse returns ENOENT, and ntfs-3g EINVAL.
#[test]
fn name_that_the_file_system_refuses_is_respelled() {
    let kinds = [
        ("exfat", "exfat-fuse", "loop"),
        ("ntfs -F -Q", "ntfs-3g", "loop,windows_names"),
    ];
    for (file_system, kind, options) in kinds {
        let obstacle = fuse_obstacle(&[&format!("mount.{kind}")])
            .or_else(|| image_obstacle(file_system.split(' ').next().expect("a name")));
        require!("names that FUSE file systems refuse", obstacle);
        let home = tempfile::tempdir().expect("a directory");
        let image = home.path().join("image");
        make_image(&image, file_system, 256 << 20);
        let mount = Mount::fuse_image(&image, kind, options);
        let names = ["a: 日?.txt", "plain.txt", "d:1/a", "d:1/b|c", "a: 日?.txt"];
        let stored = stored_as(mount.path(), &names);
        let expected = [
            "a_ 日_.txt",
            "plain.txt",
            "d_1/a",
            "d_1/b_c",
            "a_ 日_ (1).txt",
        ];
        assert_eq!(stored, expected, "{kind}");
    }
}

/// encfs allows about 170 bytes, eCryptfs 143.
#[test]
fn name_that_is_too_long_keeps_its_extension() {
    require!("names that encfs finds too long", fuse_obstacle(&["encfs"]));
    let home = tempfile::tempdir().expect("a directory");
    let mount = Mount::encfs(home.path());
    let (long, folder) = (format!("{}.jpg", "a:日".repeat(40)), "é".repeat(100));
    let stored = stored_as(
        mount.path(),
        &[&long, &format!("{folder}/a"), &format!("{folder}/b")],
    );
    let (short, folder) = (format!("{}a:.jpg", "a:日".repeat(27)), "é".repeat(71));
    assert_eq!(
        stored,
        [short, format!("{folder}/a"), format!("{folder}/b")]
    );
}
