//! The log: requests with their clients, as text and as JSON.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::readme::block_of;
use crate::http::limits::own_address;
use crate::support::left_out::{needs, require};
use crate::support::limit::{RunInTime, wait_until};
use crate::support::logging::{Logging, access_lines};
use crate::support::program::Process;
use crate::support::{Client, append, get};

const PAGE: &str = include_str!("../../../docs/logs.md");

/// As `alice`, whose password is `secret`.
fn as_alice(request: &str) -> String {
    let line = "\r\nAuthorization: Basic YWxpY2U6c2VjcmV0\r\nHost:";
    request.replacen("\r\nHost:", line, 1)
}

/// Sends requests of each kind, one after another.
fn ask_all(server: &Process) {
    let ask = |request: String| server.ask(request);
    ask(as_alice(&(append("a-9-1700000000000", 0, 5) + "hello")));
    ask(get("/status", ""));
    ask(as_alice(&(append("a-9-1700000000000", 1, 5) + "hello")));
    ask(as_alice(
        "HEAD /files/0123456789abcdef0123456789abcdef HTTP/1.1\r\nHost: a.local\r\nTus-Resumable: 1.0.0\r\n\r\n",
    ));
    ask("GET / HTTP/1.1\r\n\r\n".into());
    let mut client = server.connect();
    client.send(as_alice(&(append("b-9-1700000000000", 0, 5) + "hel")));
    client.cut();
}

fn json_lines(log: &str) -> Vec<Value> {
    let object = |line: &str| match serde_json::from_str(line) {
        Ok(object @ Value::Object(_)) => object,
        other => panic!("{line}: {other:?}"),
    };
    log.lines().map(object).collect()
}

const ALICE: &[&str] = &["--user", "alice:secret"];

#[test]
fn access_log_shows_each_request_with_its_client() {
    let quiet = Logging::start(None, ALICE);
    ask_all(&quiet.server);
    assert_eq!(access_lines(&quiet.end()), Vec::<String>::new());
    let wanted = Logging::start(Some("info"), ALICE);
    ask_all(&wanted.server);
    let expected = [
        "POST /upload 200 5B alice 127.0.0.1",
        "GET /status 401 0B - 127.0.0.1",
        "POST /upload 409 0B alice 127.0.0.1",
        "HEAD /files/01234567... 404 0B alice 127.0.0.1",
        "- - 400 0B - 127.0.0.1",
        "POST /upload cut 3B alice 127.0.0.1",
    ];
    assert_eq!(access_lines(&wanted.end()), expected);
}

#[test]
fn access_log_in_json_has_the_same_fields() {
    let server = Logging::start(
        Some("access=info"),
        &[ALICE, &["--log-format", "json"]].concat(),
    );
    ask_all(&server.server);
    let mut shown = Vec::new();
    for line in json_lines(&server.end()) {
        assert_eq!(
            (&line["target"], &line["level"]),
            (&"access".into(), &"INFO".into())
        );
        assert!(line["ms"].is_u64(), "{line}");
        let names = "method path status received user address cut";
        let values = names.split(' ').map(|name| line[name].to_string());
        shown.push(values.collect::<Vec<_>>().join(" "));
    }
    let expected = [
        r#""POST" "/upload" 200 5 "alice" "127.0.0.1" false"#,
        r#""GET" "/status" 401 0 null "127.0.0.1" false"#,
        r#""POST" "/upload" 409 0 "alice" "127.0.0.1" false"#,
        r#""HEAD" "/files/01234567..." 404 0 "alice" "127.0.0.1" false"#,
        r#"null null 400 0 null "127.0.0.1" false"#,
        r#""POST" "/upload" null 3 "alice" "127.0.0.1" true"#,
    ];
    assert_eq!(shown, expected);
}

/// Replaces each run of digits: the documented line differs in nothing else from a real one.
fn without_numbers(line: &str) -> String {
    let mut shape = String::new();
    for letter in line.chars() {
        match letter {
            '0'..='9' if shape.ends_with('0') => {}
            '0'..='9' => shape.push('0'),
            other => shape.push(other),
        }
    }
    shape
}

#[test]
fn documented_lines_are_those_of_the_server() {
    for (mark, flags) in [
        ("log-text", &[][..]),
        ("log-json", &["--log-format", "json"]),
    ] {
        let server = Logging::start(Some("access=info"), &[ALICE, flags].concat());
        let request = as_alice(&(append("a-9-1700000000000", 0, 5) + "hello"));
        assert_eq!(server.server.ask(request).status, 200);
        let documented = without_numbers(block_of(PAGE, mark));
        assert_eq!(without_numbers(&server.end()), documented);
    }
}

#[test]
fn no_value_of_a_client_forges_a_line_or_a_field() {
    let user = "--user=a\"b\\ c\u{1b}[1m\u{e9}:secret";
    let credentials = "YSJiXCBjG1sxbcOpOnNlY3JldA==";
    let path = "/\"'\\%0a{}\u{7f}";
    let ask = |server: &Logging| {
        let login = format!("Authorization: Basic {credentials}\r\n");
        let name = "X-File-Id: x\r\nX-File-Name: %22%5c%0a%ff%1b\r\nX-File-Size: 2\r\nContent-Length: 2\r\n";
        let post = get("/upload", &format!("{login}{name}")).replacen("GET", "POST", 1);
        assert_eq!(server.server.ask(post + "hi").status, 200);
        server.server.ask(get("/\"'\\%0a{}", &login));
        server.server.ask(get(path, ""));
    };
    let text = Logging::start(Some("info"), &[user]);
    ask(&text);
    let expected = [
        "POST /upload 200 2B a\\\"b\\\\\\u{20}c\\u{1b}[1mé 127.0.0.1",
        "GET /\\\"\\'\\\\%0a{} 404 0B a\\\"b\\\\\\u{20}c\\u{1b}[1mé 127.0.0.1",
        "- - 400 0B - 127.0.0.1",
    ];
    assert_eq!(access_lines(&text.end()), expected);

    let json = Logging::start(Some("debug"), &[user, "--log-format=json"]);
    ask(&json);
    let lines = json_lines(&json.end());
    let of_user = lines
        .iter()
        .filter(|line| line["user"] == "a\"b\\ c\u{1b}[1m\u{e9}");
    let paths: Vec<_> = of_user.map(|line| line["path"].clone()).collect();
    assert_eq!(paths, ["/upload", "/\"'\\%0a{}"]);
    assert!(
        lines.iter().any(|line| line["target"] == "resumed::server"),
        "{lines:?}"
    );
}

#[test]
fn address_of_a_unix_socket_is_unix() {
    needs!("curl");
    let home = tempfile::tempdir().expect("a temporary directory");
    let (socket, log) = (home.path().join("socket"), home.path().join("log"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
    command.args(["--log-format", "json", "--listen"]);
    command
        .arg(format!("unix:{}", socket.display()))
        .arg(home.path().join("uploads"));
    command.env("RUST_LOG", "access=info").stdout(Stdio::null());
    command.stderr(Stdio::from(File::create(&log).expect("created")));
    let server = crate::support::killed::Killed(command.spawn().expect("it runs"));
    let curl = |path: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "--unix-socket"])
            .arg(&socket);
        curl.arg(format!("http://localhost{path}"))
            .status_in_time()
            .expect("curl runs")
            .success()
    };
    wait_until!(curl("/health"));
    assert!(curl("/status"));
    drop(server);
    let lines = json_lines(&fs::read_to_string(&log).expect("there"));
    assert!(
        lines.len() >= 2 && lines.iter().all(|line| line["address"] == "unix"),
        "{lines:?}"
    );
}

#[test]
fn forwarded_address_counts_from_a_trusted_proxy_only() {
    let forwarded = "X-Forwarded-For: 192.0.2.1, 198.51.100.7\r\n";
    for (flags, expected) in [
        (&["--trust-proxy"][..], "198.51.100.7"),
        (&["--trust-proxy", "127.0.0.0/8"], "198.51.100.7"),
        (&["--trust-proxy", "192.0.2.0/24"], "127.0.0.1"),
        (&[], "127.0.0.1"),
    ] {
        let server = Logging::start(Some("access=info"), flags);
        server.server.ask(get("/status", forwarded));
        let expected = format!("GET /status 400 0B - {expected}");
        assert_eq!(access_lines(&server.end()), [expected]);
    }
}

#[test]
fn refused_hosts_and_origins_are_logged_with_their_flag() {
    let logging = Logging::start(Some("warn"), &[]);
    let foreign = get("/status", "Origin: https://app.example\r\n");
    assert_eq!(logging.server.ask(foreign).status, 403);
    let refused = |host: &str| {
        let answer = logging.server.ask(get("/", "").replace("localhost", host));
        assert_eq!(answer.status, 421);
    };
    (0..30).for_each(|_| refused("nas"));
    // A minute has room for 18 of these.
    (0..30).for_each(|number| refused(&format!("nas{number}")));
    let log = logging.end();
    let lines: Vec<_> = (log.lines())
        .filter(|line| line.contains("refused a request"))
        .collect();
    assert!((20..=40).contains(&lines.len()), "{log}");
    assert!(lines[0].ends_with("\"https://app.example\" is not allowed; --allow-origin allows it"));
    assert!(lines[1].ends_with("\"nas\" is not allowed; --host allows it"));
    assert!(lines[2].ends_with("\"nas0\" is not allowed; --host allows it"));
}

#[test]
fn refused_connection_is_logged_with_its_address() {
    let own = own_address();
    let missing = own.is_none().then(|| "no other address".to_owned());
    require!("the log of refused connections", missing);
    let own = own.expect("an address");
    let listen = ["--listen", "0.0.0.0:0", "--allow-root", "--allow-anonymous"];
    let limit = ["--max-connections-per-address", "1"];
    let logging = Logging::start(Some("access=info"), &[&listen[..], &limit].concat());
    let connect = || Client::connect((own, logging.server.addr.port()).into());
    let mut first = connect();
    assert_eq!(first.ask(get("/health", "")).status, 200);
    assert_eq!(connect().answer().status, 503);
    let expected = ["GET /health 200 0B -", "- - 503 0B -"];
    let expected = expected.map(|line| format!("{line} {own}"));
    assert_eq!(access_lines(&logging.end()), expected);
}

#[test]
fn each_line_before_and_at_a_failed_start_is_json() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let users = home.path().join("users");
    fs::write(&users, "alice:secret").expect("written");
    fs::set_permissions(&users, fs::Permissions::from_mode(0o644)).expect("readable");
    fs::write(home.path().join("file"), "").expect("written");
    let run = Command::new(env!("CARGO_BIN_EXE_resumed"))
        .arg("--user-file")
        .arg(&users)
        .args(["--listen", "127.0.0.1:0", "--log-format", "json"])
        .arg(home.path().join("file/uploads"))
        .env("RUST_LOG", "warn")
        .output_in_time()
        .expect("it runs");
    assert_eq!(run.status.code(), Some(1));
    let lines = json_lines(std::str::from_utf8(&run.stderr).expect("text"));
    let shown: Vec<_> = lines
        .iter()
        .map(|line| (&line["level"], &line["message"]))
        .collect();
    let expected = [
        ("WARN", "chmod 600 "),
        ("WARN", "plain passwords"),
        ("ERROR", "cannot take uploads"),
    ];
    assert_eq!(shown.len(), expected.len(), "{shown:?}");
    for ((level, message), (expected, words)) in shown.iter().zip(expected) {
        let message = message.as_str().expect("text");
        assert!(*level == expected && message.contains(words), "{shown:?}");
    }
}
