//! Logins: hashes of passwords, failed logins, and floods of guesses.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use resumed::{Config, PasswordHash};

use crate::ops::readme::block_of;
use crate::support::left_out::left_out;
use crate::support::limit::RunInTime;
use crate::support::proc::memory_peak_kib;
use crate::support::program::Process;
use crate::support::{Answer, Client, Site, get};

/// argon2id, bcrypt and sha512-crypt of `secret` with small costs, as `argon2`, `htpasswd` and `mkpasswd` print them.
const HASHES: [(&str, &str); 3] = [
    (
        "ann",
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$pclxcsa4X0bZ5lu7Vy5h3p7EU7VbuW7pGRWETxHuU0c",
    ),
    (
        "bob",
        "$2y$05$i8hDbqQdaUuH.ssucuFVB.7sSu7zVSChOr43bMnGqkSj21lYecfS6",
    ),
    (
        "eve",
        "$6$rounds=1000$8RpdUIZBOiasvFFs$ZmiKJogakepNMwH8unBZQq0fcEnOsR0W.9VIzcEx6ogkMa74unhLSs8.Ok4qsHQyQxv9vxYE.7gsuTlsanSA6.",
    ),
];

/// Returns a request with these credentials.
fn request(credentials: &str) -> String {
    let given = BASE64_STANDARD.encode(credentials);
    get(
        "/status",
        &format!("X-File-Id: a\r\nAuthorization: Basic {given}\r\n"),
    )
}

fn site(set: impl FnOnce(Config) -> Config) -> Site {
    Site::with(|config| {
        let users = HASHES.iter().fold(config, |config, (name, hash)| {
            let hash: PasswordHash = hash.parse().expect("a hash");
            config.user_hash(name, hash)
        });
        set(users)
    })
}

#[track_caller]
fn ask(site: &Site, credentials: &str) -> Answer {
    site.ask(request(credentials))
}

#[test]
fn password_of_each_kind_of_hash_logs_in() {
    let site = site(|config| config);
    for (name, _) in HASHES {
        assert_eq!(ask(&site, &format!("{name}:Secret")).status, 401);
        for _ in 0..2 {
            assert_eq!(ask(&site, &format!("{name}:secret")).status, 200, "{name}");
        }
        assert_eq!(ask(&site, &format!("{name}:Secret")).status, 401);
    }
    assert_eq!(ask(&site, "mia:secret").status, 401);
}

#[test]
fn fourth_wrong_password_is_answered_after_a_second() {
    let site = site(|config| config.workers(2));
    assert_eq!(ask(&site, "bob:secret").status, 200);
    let mut third = Instant::now();
    for guess in 0..3 {
        third = Instant::now();
        assert_eq!(ask(&site, &format!("bob:{guess}")).status, 401);
    }
    let mut waiting: Vec<Client> = Vec::new();
    for guess in 3..6 {
        let mut client = site.connect();
        client.send(request(&format!("bob:{guess}")));
        waiting.push(client);
    }
    // The waiting ones occupy no worker, and delay neither bob nor anybody else.
    for credentials in ["bob:secret", "ann:secret"] {
        assert_eq!(ask(&site, credentials).status, 200, "{credentials}");
    }
    assert_eq!(waiting[0].answer().status, 401);
    assert!(third.elapsed() >= Duration::from_secs(1), "no delay");
}

#[test]
fn address_with_too_many_failed_logins_gets_429() {
    let site = site(|config| config.failed_logins(2));
    assert_eq!(ask(&site, "ann:secret").status, 200);
    for name in ["mia", "tom"] {
        assert_eq!(ask(&site, &format!("{name}:guess")).status, 401);
    }
    for credentials in ["lea:guess", "bob:secret"] {
        let answer = ask(&site, credentials);
        assert_eq!(answer.status, 429, "{answer:?}");
        let after = answer.field("Retry-After").expect("a time");
        let after: u64 = after.parse().expect("seconds");
        assert!((1..=10).contains(&after), "{after}");
        assert_eq!(
            answer.text(),
            format!("too many logins failed; retry in {after} s\n")
        );
        assert_eq!(answer.field("Upload-Offset"), None);
    }
    assert_eq!(ask(&site, "ann:secret").status, 200, "remembered");
    assert_eq!(site.ask(get("/status", "X-File-Id: a\r\n")).status, 401);
}

#[test]
fn request_without_credentials_is_no_failed_login() {
    let site = site(|config| config.failed_logins(1));
    for fields in [
        "",
        "Authorization: Bearer a\r\n",
        "Authorization: Basic ?\r\n",
    ] {
        for _ in 0..3 {
            let answer = site.ask(get("/status", &format!("X-File-Id: a\r\n{fields}")));
            assert_eq!(answer.status, 401, "{fields}");
        }
    }
    assert_eq!(ask(&site, "ann:secret").status, 200);
}

/// Starts the command with a user, behind a proxy on this machine.
fn logging_server(dir: &std::path::Path) -> Process {
    let user = format!("{}:{}", HASHES[1].0, HASHES[1].1);
    Process::logging(
        "resumed::uploads=warn",
        dir,
        &["--user", &user, "--trust-proxy=127.0.0.1"],
    )
}

/// Sends failed logins of clients behind a proxy, and returns the log.
fn log_of_failed_logins(logins: &[(&str, &str)]) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut server = logging_server(dir.path());
    for (address, name) in logins {
        let given = BASE64_STANDARD.encode(format!("{name}:guess"));
        let fields = format!(
            "X-File-Id: a\r\nX-Forwarded-For: {address}\r\nAuthorization: Basic {given}\r\n"
        );
        assert_eq!(server.ask(get("/status", &fields)).status, 401);
    }
    server.child().kill().expect("killed");
    server.log().collect()
}

#[test]
fn failed_login_is_logged_with_address_and_user() {
    let lines = log_of_failed_logins(&[
        ("192.0.2.7", "bob"),
        ("2001:db8::7", "mia\" from 192.0.2.9 failed\n"),
    ]);
    let expected = [
        "login as \"bob\" from 192.0.2.7 failed",
        "login as \"mia\\\" from 192.0.2.9 failed\\n\" from 2001:db8::7 failed",
    ];
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.ends_with(expected), "{line}");
        assert!(!line.contains("guess"), "{line}");
    }
}

#[test]
fn fail2ban_finds_the_addresses_of_failed_logins() {
    const PAGE: &str = include_str!("../../../docs/passwords.md");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (filter, log) = (dir.path().join("resumed.conf"), dir.path().join("log"));
    fs::write(&filter, block_of(PAGE, "fail2ban-filter")).expect("written");
    let lines = log_of_failed_logins(&[
        ("192.0.2.7", "bob"),
        ("192.0.2.8", "mia\" from 192.0.2.9 failed"),
        ("2001:db8::7", "tom"),
    ]);
    let forged = r#"login as "eve" from 192.0.2.10 failed"#;
    let hook = "[2026-01-01T00:00:00Z INFO  resumed::cli::hook] on-complete:";
    let in_journal = r#"pi resumed[7]: [2026-01-01T00:00:00Z WARN  resumed::uploads::login::failure_log] login as "ann" from 192.0.2.11 failed"#;
    let others = format!(
        "[2026-01-01T00:00:00Z WARN  resumed] the hook for a failed and runs again in 1s\n\
         {hook} {forged}\n{hook} {}\npi resumed[7]: {hook} {forged}\n{in_journal}\n",
        lines[0].replace("192.0.2.7", "192.0.2.10")
    );
    fs::write(&log, format!("{}\n{others}", lines.join("\n"))).expect("written");
    let run = Command::new("fail2ban-regex")
        .args(["-v"])
        .args([&log, &filter])
        .output_in_time();
    let Ok(run) = run else {
        return left_out("the filter for fail2ban", "fail2ban is missing");
    };
    let found = String::from_utf8_lossy(&run.stdout);
    assert!(
        found.contains("8 lines, 0 ignored, 4 matched, 4 missed"),
        "{found}"
    );
    for address in ["192.0.2.7", "192.0.2.8", "192.0.2.11", "2001:db8::7"] {
        assert!(found.contains(address), "{found}");
    }
}

/// With the default costs a check needs 19 MiB.
#[test]
fn many_failed_logins_take_the_memory_of_one_check() {
    const MEMORY_MAX_KIB: u64 = 48 * 1024;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let users = dir.path().join("users");
    let hash = PasswordHash::argon2id(b"secret", [7; 16]);
    fs::write(&users, format!("ann:{hash}\n")).expect("written");
    let users = users.to_str().expect("text");
    let server = Process::start(
        &dir.path().join("up"),
        "127.0.0.1:0",
        &["--user-file", users],
    );
    for number in 0..30 {
        let answer = server
            .connect()
            .ask(request(&format!("user{number}:wrong")));
        assert_eq!(answer.status, 401);
    }
    let peak = memory_peak_kib(server.pid());
    assert!(peak < MEMORY_MAX_KIB, "{peak} KiB");
}
