//! `--user-dirs`: each user has a folder, and sees nothing of the others.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use resumed::{Config, StartErrorKind};
use serde_json::Value;

use crate::support::left_out::{needs, require};
use crate::support::limit::wait_until;
use crate::support::mount::{Mount, obstacle};
use crate::support::program::Process;
use crate::support::running::run;
use crate::support::{Client, TIMEOUT, append, content};

const FLAGS: [&str; 5] = [
    "--user-dirs",
    "--user",
    "ann:secret",
    "--user",
    "bob:secret",
];

fn start(dir: &Path, flags: &[&str]) -> Process {
    Process::start(dir, "127.0.0.1:0", &[&FLAGS, flags].concat())
}

/// The response to curl.
#[derive(Debug)]
struct Response {
    status: u16,
    head: String,
    body: String,
}

impl Response {
    fn location(&self) -> String {
        self.field("location")
    }

    fn field(&self, wanted: &str) -> String {
        let lines = self.head.lines();
        let mut fields = lines.filter_map(|line| line.split_once(": "));
        let field = fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        field.expect(wanted).1.trim().to_owned()
    }
}

/// Runs curl as a user whose password is `secret`.
fn curl(user: &str, url: &str, args: &[&str]) -> Response {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let [head, body] = ["head", "body"].map(|name| dir.path().join(name));
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--write-out", "%{http_code}"])
        .args(["--user", &format!("{user}:secret")])
        .args(args)
        .arg("--dump-header")
        .arg(&head)
        .arg("--output")
        .arg(&body)
        .arg(url);
    let said = run(&mut curl);
    assert_eq!(said.status, Some(0), "{said:?}");
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    Response {
        status: said.out.parse().expect("a status"),
        head: text(head),
        body: text(body),
    }
}

#[derive(Debug, Clone, Copy)]
enum Dialect {
    XFileId,
    Tus,
    Draft,
    Plain,
}

const DIALECTS: [Dialect; 4] = [
    Dialect::XFileId,
    Dialect::Tus,
    Dialect::Draft,
    Dialect::Plain,
];

impl Dialect {
    /// Uploads the file `a.txt` in `home` as `user`, with curl.
    fn upload(self, addr: SocketAddr, user: &str, home: &Path, id: &str) {
        let file = home.join("a.txt");
        let length = fs::metadata(&file).expect("a file").len();
        let file = file.to_str().expect("text");
        let (at_file, url) = (format!("@{file}"), format!("http://{addr}"));
        let (id, length) = (
            format!("X-File-Id: {id}"),
            format!("Upload-Length: {length}"),
        );
        let response = match self {
            Self::XFileId => {
                let size = length.replace("Upload-Length", "X-File-Size");
                let fields = ["-H", &id, "-H", "X-File-Name: a.txt", "-H", &size];
                let body = ["-X", "POST", "--data-binary", &at_file];
                let all = [&fields[..], &body].concat();
                curl(user, &format!("{url}/upload"), &all)
            }
            Self::Tus => {
                let version = ["-H", "Tus-Resumable: 1.0.0"];
                let name = ["-H", "Upload-Metadata: filename YS50eHQ="];
                let create = [version, name, ["-H", &length], ["-X", "POST"]].concat();
                let created = curl(user, &format!("{url}/files"), &create);
                assert_eq!(created.status, 201, "{created:?}");
                let offset = ["-H", "Upload-Offset: 0"];
                let kind = ["-H", "Content-Type: application/offset+octet-stream"];
                let body = ["--data-binary", &at_file];
                let append = [version, offset, kind, body, ["-X", "PATCH"]].concat();
                curl(user, &created.location(), &append)
            }
            Self::Draft => {
                let version = ["-H", "Upload-Draft-Interop-Version: 6"];
                let complete = ["-H", "Upload-Complete: ?1"];
                let name = ["-H", "Content-Disposition: attachment; filename=\"a.txt\""];
                let body = ["--data-binary", &at_file];
                let all = [version, complete, name, body, ["-X", "POST"]].concat();
                curl(user, &format!("{url}/files"), &all)
            }
            Self::Plain => curl(user, &format!("{url}/files/"), &["-T", file]),
        };
        assert!(
            matches!(response.status, 200 | 201 | 204),
            "{self:?}: {response:?}"
        );
        let saved = response.field("x-file-name");
        let is_below_own_folder = saved.starts_with('a') && !saved.contains('/');
        assert!(is_below_own_folder, "{self:?}: {saved}");
    }
}

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).expect("listed");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .map(|name| name.into_string().expect("text"))
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Returns the values of `column` in a list of `/recent`.
fn recent(addr: SocketAddr, user: &str, list: &str, column: &str) -> Vec<String> {
    let response = curl(user, &format!("http://{addr}/recent"), &[]);
    let lists: Value = serde_json::from_str(&response.body).expect("JSON");
    let rows = lists[list].as_array().expect("a list");
    let values = rows.iter().map(|row| row[column].as_str().expect("text"));
    values.map(str::to_owned).collect()
}

#[test]
fn users_with_one_file_name_have_a_file_each() {
    needs!("curl");
    for mode in ["keep-both", "replace"] {
        for dialect in DIALECTS {
            let home = tempfile::tempdir().expect("a temporary directory");
            let dir = home.path().join("uploads");
            let server = start(&dir, &["--on-conflict", mode]);
            for (user, id) in [("ann", "1"), ("bob", "1"), ("ann", "2")] {
                fs::write(home.path().join("a.txt"), format!("{user} {id}")).expect("written");
                dialect.upload(server.addr, user, home.path(), id);
            }
            let read = |path: &str| fs::read_to_string(dir.join(path)).expect(path);
            assert_eq!(names(&dir), set(&[".resumed", "ann", "bob"]), "{dialect:?}");
            assert_eq!(read("bob/a.txt"), "bob 1");
            assert_eq!(names(&dir.join("bob")), set(&["a.txt"]));
            match mode {
                "replace" => assert_eq!(names(&dir.join("ann")), set(&["a.txt"])),
                _ => {
                    assert_eq!(read("ann/a.txt"), "ann 1");
                    assert_eq!(read("ann/a (1).txt"), "ann 2");
                }
            }
            let newest = match mode {
                "replace" => vec!["a.txt"],
                _ => vec!["a (1).txt", "a.txt"],
            };
            assert_eq!(recent(server.addr, "ann", "arrived", "path"), newest);
            assert_eq!(recent(server.addr, "bob", "arrived", "path"), ["a.txt"]);
        }
    }
}

/// In base64, `ann:secret`.
const AS_ANN: &str = "\r\nAuthorization: Basic YW5uOnNlY3JldA==\r\nX-File-Name: trip/film.bin\r\n\
                      X-File-Size: 300000\r\n\r\n";

/// A client of ann that has sent the first bytes of `trip/film.bin`.
fn begun(server: &Process, first: &[u8]) -> Client {
    let mut client = server.connect();
    client.send(append("film", 0, 300_000).replace("\r\n\r\n", AS_ANN));
    client.send(first);
    client
}

fn held(addr: SocketAddr, user: &str) -> usize {
    let status = format!("http://{addr}/status");
    let response = curl(user, &status, &["-H", "X-File-Id: film"]);
    response.body.parse().expect("a count")
}

/// Sends the rest of the file as ann.
fn send_rest(addr: SocketAddr, at: usize, content: &[u8]) -> Response {
    let rest = tempfile::NamedTempFile::new().expect("a file");
    fs::write(rest.path(), &content[at..]).expect("written");
    let body = format!("@{}", rest.path().display());
    let start = format!("X-Start-Byte: {at}");
    let fields = ["-H", "X-File-Id: film", "-H", &start];
    let args = [&fields[..], &["--data-binary", &body, "-X", "POST"]].concat();
    curl("ann", &format!("http://{addr}/upload"), &args)
}

#[test]
fn upload_under_way_is_seen_by_its_user_only() {
    needs!("curl");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = start(dir.path(), &[]);
    let _client = begun(&server, b"hello");
    wait_until!(held(server.addr, "ann") >= 5);
    let seen = |user| recent(server.addr, user, "under_way", "name");
    assert_eq!(seen("ann"), ["trip/film.bin"]);
    assert_eq!(seen("bob"), [""; 0]);
    assert_eq!(held(server.addr, "bob"), 0);
}

#[test]
fn upload_after_kill_ends_in_the_folder_of_its_user() {
    needs!("curl");
    let content = content(300_000);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = start(dir.path(), &[]);
    let _client = begun(&server, &content[..100_000]);
    wait_until!(held(server.addr, "ann") >= 100_000);
    drop(server);
    let server = start(dir.path(), &[]);
    assert_eq!(held(server.addr, "ann"), 100_000);
    let done = send_rest(server.addr, 100_000, &content);
    assert_eq!(done.body, "Success 300000", "{done:?}");
    let path = dir.path().join("ann/trip/film.bin");
    assert!(fs::read(path).expect("published") == content);
    drop(server);
    let server = start(dir.path(), &[]);
    assert_eq!(held(server.addr, "ann"), 300_000, "the record has the path");
}

#[test]
fn servers_of_one_directory_use_one_folder_of_a_user() {
    needs!("curl");
    let content = content(300_000);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let servers = [(); 2].map(|()| start(dir.path(), &["--shared"]));
    let client = begun(&servers[0], &content[..100_000]);
    wait_until!(held(servers[1].addr, "ann") >= 100_000);
    client.cut();
    let done = send_rest(servers[1].addr, 100_000, &content);
    assert_eq!(done.body, "Success 300000", "{done:?}");
    let home = tempfile::tempdir().expect("a temporary directory");
    fs::write(home.path().join("a.txt"), "hello").expect("written");
    for (server, user) in [(0, "ann"), (1, "bob")] {
        Dialect::Plain.upload(servers[server].addr, user, home.path(), "1");
    }
    assert_eq!(names(&dir.path().join("ann")), set(&["a.txt", "trip"]));
    assert_eq!(names(&dir.path().join("bob")), set(&["a.txt"]));
    assert!(fs::read(dir.path().join("ann/trip/film.bin")).expect("there") == content);
}

#[test]
fn folder_of_a_user_has_the_mode_of_a_new_folder() {
    let content = content(300_000);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_resumed");
    command.args(["-c", "umask 027; exec \"$0\" \"$@\"", program]);
    let server = Process::of(command, dir.path(), "127.0.0.1:0", &FLAGS);
    let mut client = begun(&server, &content);
    assert_eq!(client.answer().text(), "Success 300000");
    for folder in ["ann", "ann/trip"] {
        let mode = fs::metadata(dir.path().join(folder)).expect("made").mode();
        assert_eq!(mode & 0o777, 0o750, "{folder}");
    }
}

/// Asserts that the server does not start with these users, and names both.
fn expect_clash(first: &str, second: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let uploads = dir.path().join("uploads");
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
    command.args(["--listen", "127.0.0.1:0", "--user-dirs"]);
    command.args(["--user", "carl:secret"]);
    for user in [first, second] {
        command.args(["--user", &format!("{user}:secret")]);
    }
    let both = format!("users {first:?} and {second:?} would share the folder");
    run(command.arg(&uploads)).expect(1, &[&both]);
    assert!(!uploads.exists());
}

#[test]
fn server_with_users_of_one_folder_does_not_start() {
    for (first, second) in [("Ann", "ann"), ("a*b", "a_b"), ("..", "."), ("a/b", "a_b")] {
        expect_clash(first, second);
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = Config::new(dir.path())
        .listen("127.0.0.1:0")
        .user_dirs(true);
    let config = config.user("a:b", "secret").user("a_b", "secret");
    let error = resumed::start(config).expect_err("refused");
    assert_eq!(error.kind(), StartErrorKind::Users);
    assert!(error.to_string().contains("\"a:b\" and \"a_b\""), "{error}");
}

#[test]
fn server_without_users_has_no_folders_for_them() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
    run(command.arg("--user-dirs").arg(dir.path())).expect(2, &["--user-dirs needs users"]);
    let config = Config::new(dir.path())
        .listen("127.0.0.1:0")
        .user_dirs(true);
    let error = resumed::start(config).expect_err("refused");
    assert_eq!(error.kind(), StartErrorKind::Users);
}

#[test]
fn files_of_a_user_with_any_name_stay_inside() {
    needs!("curl");
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("uploads");
    fs::write(home.path().join("a.txt"), "hello").expect("written");
    let users = [
        "..",
        "../x",
        "/etc",
        ".resumed",
        "con",
        "a\u{202e}b",
        "\u{1}",
    ];
    let credentials = users.map(|user| format!("--user={user}:secret"));
    let flags: Vec<_> = ["--user-dirs"]
        .into_iter()
        .chain(credentials.iter().map(String::as_str))
        .collect();
    let server = Process::start(&dir, "127.0.0.1:0", &flags[..flags.len() - 1]);
    for user in &users[..users.len() - 1] {
        Dialect::Plain.upload(server.addr, user, home.path(), "1");
    }
    let folders = [".resumed", "_", "___x", "_etc", "_resumed", "_con", "a_b"];
    assert_eq!(names(&dir), set(&folders));
    for folder in &folders[1..] {
        assert_eq!(names(&dir.join(folder)), set(&["a.txt"]), "{folder}");
    }
    assert_eq!(names(home.path()), set(&["a.txt", "uploads"]));
}

#[test]
fn link_at_the_folder_of_a_user_refuses_the_file() {
    needs!("curl");
    let home = tempfile::tempdir().expect("a temporary directory");
    let (dir, outside) = (home.path().join("uploads"), home.path().join("outside"));
    fs::create_dir(&dir).expect("made");
    fs::create_dir(&outside).expect("made");
    symlink(&outside, dir.join("ann")).expect("linked");
    fs::write(home.path().join("a.txt"), "hello").expect("written");
    let file = home.path().join("a.txt");
    let server = start(&dir, &[]);
    let url = format!("http://{}/files/", server.addr);
    let refused = curl("ann", &url, &["-T", file.to_str().expect("text")]);
    assert_eq!(refused.status, 403, "{refused:?}");
    let obstacle = "\"a.txt\": the folder \"ann\" of the user is another file or a symbolic link";
    assert!(refused.body.contains(obstacle), "{refused:?}");
    Dialect::Plain.upload(server.addr, "bob", home.path(), "1");
    assert_eq!(names(&dir), set(&[".resumed", "ann", "bob"]));
    assert_eq!(names(&outside), set(&[]));
}

#[test]
fn folder_of_a_user_may_be_another_mount() {
    needs!("curl");
    require!("a folder of a user that is another mount", obstacle(&[]));
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("uploads");
    fs::create_dir_all(dir.join("ann")).expect("made");
    let _mount = Mount::tmpfs_on(&dir.join("ann"), "size=80m");
    fs::write(home.path().join("a.txt"), "hello").expect("written");
    let server = start(&dir, &[]);
    Dialect::XFileId.upload(server.addr, "ann", home.path(), "1");
    Dialect::Draft.upload(server.addr, "ann", home.path(), "1");
    assert_eq!(names(&dir.join("ann")), set(&["a.txt", "a (1).txt"]));
    let newest = ["a (1).txt", "a.txt"];
    assert_eq!(recent(server.addr, "ann", "arrived", "path"), newest);
}

/// Begins an upload of ann with tus, and deletes it. Returns the status.
fn begin(addr: SocketAddr, length: u64) -> u16 {
    let version = ["-H", "Tus-Resumable: 1.0.0"];
    let length = format!("Upload-Length: {length}");
    let create = [&version[..], &["-H", &length, "-X", "POST"]].concat();
    let created = curl("ann", &format!("http://{addr}/files"), &create);
    if created.status == 201 {
        let delete = [&version[..], &["-X", "DELETE"]].concat();
        assert_eq!(curl("ann", &created.location(), &delete).status, 204);
    }
    created.status
}

#[test]
fn quota_counts_the_files_in_the_folder_of_the_user() {
    needs!("curl");
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("uploads");
    fs::create_dir_all(dir.join("ann/trip")).expect("made");
    fs::create_dir_all(dir.join("bob")).expect("made");
    fs::write(dir.join("ann/trip/old"), [0; 900_000]).expect("written");
    fs::write(dir.join("bob/old"), [0; 900_000]).expect("written");
    let server = start(&dir, &["--quota", "1000000"]);
    // The server counts the files after its start.
    let since = Instant::now();
    while begin(server.addr, 100_001) != 507 {
        assert!(since.elapsed() < TIMEOUT, "the files are not counted");
    }
    assert_eq!(begin(server.addr, 100_000), 201, "the rest of the quota");
    fs::write(home.path().join("a.txt"), [0; 60_000]).expect("written");
    Dialect::Plain.upload(server.addr, "ann", home.path(), "1");
    assert_eq!(begin(server.addr, 40_001), 507, "the new file counts");
    assert_eq!(begin(server.addr, 40_000), 201);
    drop(server);
    fs::remove_file(dir.join("ann/trip/old")).expect("removed");
    let server = start(&dir, &["--quota", "1000000"]);
    assert_eq!(begin(server.addr, 940_000), 201, "a removed file is free");
}
