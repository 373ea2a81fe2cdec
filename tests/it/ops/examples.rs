//! The programs in `examples/` and `client/examples/`: each takes or sends a real upload that is cut in the middle.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::killed::Killed;
use crate::support::limit::Lines;
use crate::support::line::Line;
use crate::support::local::{Disk, Local};
use crate::support::running::{Running, Said, run, wait_for_part};
use crate::support::{Client, Site, TIMEOUT, get};

const LENGTH: u64 = 20_000_000;
const PART: u64 = 10_000_000;

/// The maximum bytes of heads, of frames, and in the buffers of a server.
const OTHER_BYTES: u64 = 300_000;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The version of the package `examples/servers`.
const OTHER_VERSION: &str = "0.0.0";

/// The longest build.
const BUILD_MAX: Duration = Duration::from_secs(1800);

/// Builds an example, and returns its path. `cargo test` has built those of the workspace before.
fn built(kind: &str, name: &str, flags: &[&str]) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", kind, name]).args(flags);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.arg("--target-dir").arg(&target);
    let build = Running::start(cargo.stdin(Stdio::null()));
    build.end_within(BUILD_MAX).expect(0, &[]);
    match kind {
        "--example" => target.join("debug/examples").join(name),
        _ => target.join("debug").join(name),
    }
}

fn example(name: &str) -> PathBuf {
    built("--example", name, &["--all-features"])
}

fn other_server(name: &str) -> PathBuf {
    built(
        "--bin",
        name,
        &["--manifest-path", "examples/servers/Cargo.toml"],
    )
}

/// A server of an example, over a directory of its own.
struct Server {
    // Killed before its directory is removed.
    _child: Killed,
    _output: Lines,
    addr: SocketAddr,
    dir: TempDir,
    /// True if the response to a HEAD has a long length.
    is_length_sent: bool,
}

impl Server {
    fn start(program: &Path) -> Server {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(program);
        command.arg(dir.path()).arg("127.0.0.1:0");
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = Killed(child.expect("it runs"));
        let stdout = child.stdout.take().expect("piped");
        let mut output = Lines::of("the first line of an example", stdout);
        let line = output.next().unwrap_or_default();
        let (_, addr) = line.split_once("://").expect("it listens");
        Server {
            addr: addr.parse().expect("an address"),
            _child: child,
            _output: output,
            dir,
            is_length_sent: true,
        }
    }

    /// Sends a file with curl, cuts the connection in the middle, and sends the rest. `path` is the path of the uploads.
    #[track_caller]
    fn resumes_upload_of_curl(&self, path: &str, flags: &[&str]) {
        let line = Line::of(self.addr, PART);
        let (disk, url) = (Disk::new(), format!("{}{path}/files/film.mp4", line.url()));
        let file = disk.file("film.mp4", LENGTH);
        let sent = || {
            let mut curl = curl(flags, &url);
            curl.arg("-T").arg(file.path());
            curl
        };
        let cut = Running::start(&mut sent());
        line.wait_until_spent();
        wait_for_part(self.dir.path(), PART - OTHER_BYTES);
        line.cut_and_open();
        assert_ne!(cut.end().status, Some(0));
        self.wait_until_nobody_sends(path);

        let head = run(curl(flags, &url).arg("-I"));
        let offset = field(&head, "upload-offset").expect("an offset");
        let length = field(&head, "content-length");
        assert_eq!(length, self.is_length_sent.then_some(offset), "{head:?}");
        // The server reads the refused body: curl gets the response, and not a broken connection.
        let refused = run(sent().args(["-H", "Expect:"]));
        assert!(
            refused.out.contains(&format!("curl -C {offset} -T")),
            "{refused:?}"
        );
        assert_eq!(refused.status, Some(22), "{refused:?}");
        run(sent().args(["-C", offset])).expect(0, &[]);
        file.expect_same(&self.dir.path().join("film.mp4"));
        let taken = line.taken();
        assert!(taken < 2 * LENGTH + OTHER_BYTES, "{taken} bytes");
    }

    /// Waits until all bytes of the cut connection are in the file.
    #[track_caller]
    fn wait_until_nobody_sends(&self, path: &str) {
        let since = Instant::now();
        let is_sent = || {
            let list = Client::connect(self.addr).ask(get(&format!("{path}/recent"), ""));
            !list.text().contains(r#""under_way":[]"#)
        };
        while is_sent() {
            assert!(since.elapsed() < TIMEOUT, "somebody sends");
            thread::yield_now();
        }
    }

    /// Sends a file of a length that no field tells.
    #[track_caller]
    fn takes_stream_of_curl(&self, path: &str, flags: &[&str]) {
        let (disk, url) = (Disk::new(), format!("http://{}{path}/files/log", self.addr));
        let file = disk.file("log", PART);
        let input = std::fs::File::open(file.path()).expect("a file");
        let mut curl = curl(flags, &url);
        let running = Running::start(curl.args(["-T", "-"]).stdin(input));
        running.end().expect(0, &[]);
        file.expect_same(&self.dir.path().join("log"));
    }

    /// Checks the addresses of a server that is mounted at `/up`, beside `/version`.
    #[track_caller]
    fn is_mounted(&self, flags: &[&str]) {
        let site = format!("http://{}", self.addr);
        let at = |path: &str| curl(flags, &format!("{site}{path}"));
        assert_eq!(run(&mut at("/version")).out, OTHER_VERSION);
        let redirect = run(at("/up").arg("-i"));
        assert_eq!(field(&redirect, "location"), Some("/up/"), "{redirect:?}");
        let page = run(&mut at("/up/")).out;
        assert!(page.contains("<title>"), "{page}");
        let fields = ["Tus-Resumable: 1.0.0", "Upload-Length: 5"].map(|field| ["-H", field]);
        let created = run(at("/up/files")
            .args(["-i", "-X", "POST"])
            .args(fields.concat()));
        let location = field(&created, "location").expect("an address");
        assert!(
            location.starts_with(&format!("{site}/up/files/")),
            "{location}"
        );
        let fields = ["-H", "Tus-Resumable: 1.0.0"];
        let created = run(curl(flags, location).arg("-I").args(fields));
        assert_eq!(field(&created, "upload-length"), Some("5"), "{created:?}");
    }
}

fn curl(flags: &[&str], url: &str) -> Command {
    let mut curl = Command::new("curl");
    curl.env("no_proxy", "*").args(["-sS", "--fail-with-body"]);
    curl.args(flags).arg(url);
    curl
}

/// Returns the value of a field in the output of `curl -i`.
fn field<'s>(said: &'s Said, name: &str) -> Option<&'s str> {
    let mut fields = said.out.lines().filter_map(|line| line.split_once(": "));
    let (_, value) = fields.find(|(given, _)| given.eq_ignore_ascii_case(name))?;
    Some(value.trim())
}

#[test]
fn embedded_server_resumes_an_upload_of_curl() {
    let server = Server::start(&example("embedded"));
    server.resumes_upload_of_curl("", &[]);
    server.takes_stream_of_curl("", &[]);
    let version = run(&mut curl(&[], &format!("http://{}/version", server.addr)));
    assert_eq!(version.out, VERSION);
}

#[test]
fn tiny_http_server_resumes_an_upload_of_curl() {
    let server = Server::start(&example("behind_tiny_http"));
    server.resumes_upload_of_curl("", &[]);
    server.takes_stream_of_curl("", &[]);
    let version = run(&mut curl(&[], &format!("http://{}/version?", server.addr)));
    assert_eq!(version.out, VERSION);
}

#[test]
fn rouille_server_resumes_an_upload_of_curl() {
    let mut server = Server::start(&other_server("behind_rouille"));
    server.is_length_sent = false;
    server.resumes_upload_of_curl("/up", &[]);
    server.takes_stream_of_curl("/up", &[]);
    server.is_mounted(&[]);
}

#[test]
fn axum_server_resumes_an_upload_of_curl() {
    let server = Server::start(&other_server("behind_axum"));
    server.resumes_upload_of_curl("/up", &[]);
    server.takes_stream_of_curl("/up", &[]);
    server.is_mounted(&[]);
}

#[test]
fn axum_server_resumes_an_upload_over_http2() {
    let (server, flags) = (
        Server::start(&other_server("behind_axum")),
        ["--http2-prior-knowledge"],
    );
    server.resumes_upload_of_curl("/up", &flags);
    server.takes_stream_of_curl("/up", &flags);
    server.is_mounted(&flags);
}

#[test]
fn axum_server_closes_a_connection_with_an_unread_body() {
    let server = Server::start(&other_server("behind_axum"));
    let mut client = Client::connect(server.addr);
    let answer = client.ask(
        "POST /up/upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: a-5-1\r\nX-Start-Byte: 3\r\n\
         Content-Length: 2\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(answer.status, 409, "{answer:?}");
    assert_eq!(answer.field("Connection"), Some("close"), "{answer:?}");
    client.expect_close();
}

#[test]
fn store_alone_resumes_an_upload() {
    let server = Server::start(&example("store_alone"));
    let send = |bytes: &str| {
        let mut client = TcpStream::connect(server.addr).expect("it accepts");
        client.set_read_timeout(Some(TIMEOUT)).expect("a socket");
        client.write_all(b"trip/a.txt 5\n").expect("sent");
        let mut answers = BufReader::new(client.try_clone().expect("a socket"));
        let mut offset = String::new();
        answers.read_line(&mut offset).expect("an offset");
        client.write_all(bytes.as_bytes()).expect("sent");
        client.shutdown(Shutdown::Write).expect("a socket");
        let mut end = String::new();
        answers.read_to_string(&mut end).expect("an answer");
        (offset.trim().to_owned(), end.trim().to_owned())
    };
    assert_eq!(send("hel"), ("0".to_owned(), "3".to_owned()));
    let path = server.dir.path().join("trip/a.txt");
    let shown = path.display().to_string();
    assert_eq!(send("lo"), ("3".to_owned(), shown.clone()));
    assert_eq!(std::fs::read(&path).expect("a file"), b"hello");
    assert_eq!(send(""), ("5".to_owned(), shown));
}

/// The client of the example, on its way to a server.
struct Upload {
    site: Site,
    line: Line,
    file: Local,
    _disk: Disk,
}

impl Upload {
    fn new() -> Upload {
        let (site, disk) = (Site::new(), Disk::new());
        Upload {
            line: Line::of(site.addr(), PART),
            file: disk.file("film.mp4", LENGTH),
            site,
            _disk: disk,
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(example("upload"));
        command.arg(self.file.path()).arg(self.line.url());
        command.env("no_proxy", "*").stdin(Stdio::piped());
        command
    }

    fn wait_for_half(&self) {
        self.line.wait_until_spent();
        wait_for_part(self.site.dir(), PART - OTHER_BYTES);
    }

    #[track_caller]
    fn expect_arrived(&self, said: Said) {
        assert_eq!(said.out, format!("saved as film.mp4: {LENGTH} bytes\n"));
        said.expect(0, &[]);
        self.file.expect_same(&self.site.dir().join("film.mp4"));
        let taken = self.line.taken();
        assert!(taken < LENGTH + 2 * OTHER_BYTES, "{taken} bytes");
    }
}

#[test]
fn client_example_continues_after_a_cut() {
    let upload = Upload::new();
    let running = Running::start(&mut upload.command());
    upload.wait_for_half();
    upload.line.cut_and_open();
    upload.expect_arrived(running.end());
}

#[test]
fn client_example_stops_on_enter_and_continues_later() {
    let upload = Upload::new();
    let mut running = Running::start(&mut upload.command());
    upload.wait_for_half();
    let mut input = running.child().stdin.take().expect("piped");
    input.write_all(b"\n").expect("pressed");
    running.end().expect(1, &["Cancelled"]);
    upload.line.cut_and_open();
    upload.expect_arrived(run(&mut upload.command()));
}
