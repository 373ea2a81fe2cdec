//! The certificate of the server: renewed, self-signed, unusable.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use sha2::Digest;

use crate::support::get;
use crate::support::left_out::needs;
use crate::support::limit::RunInTime;
use crate::support::program::Process;
use crate::support::tls::{Pem, TlsClient};

/// Returns the certificate that a new connection gets.
fn certificate(client: &TlsClient) -> Vec<u8> {
    client.tls.peer_certificates().expect("it has one")[0].to_vec()
}

fn hangup(server: &Process) {
    let pid = rustix::process::Pid::from_raw(server.pid().try_into().expect("a pid"));
    rustix::process::kill_process(pid.expect("a pid"), rustix::process::Signal::HUP)
        .expect("it runs");
}

/// Writes a renewed certificate as certbot does: numbered files in `archive`, and links to them in `live`.
fn renew(letsencrypt: &Path, number: u32, pem: &Pem) {
    let (archive, live) = ("archive/up.example", "live/up.example");
    for (name, text) in [("fullchain", &pem.certificate), ("privkey", &pem.key)] {
        let file = format!("{archive}/{name}{number}.pem");
        let link = letsencrypt.join(format!("{live}/{name}.pem"));
        fs::write(letsencrypt.join(&file), text).expect("written");
        let _ = fs::remove_file(&link);
        symlink(Path::new("../..").join(file), link).expect("made");
    }
}

#[test]
fn sighup_after_a_renewal_of_certbot_reads_the_new_files() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name| dir.path().join(name).to_str().expect("text").to_owned();
    for folder in ["archive/up.example", "live/up.example"] {
        fs::create_dir_all(path(folder)).expect("made");
    }
    let first = Pem::new();
    renew(dir.path(), 1, &first);
    let (cert, key) = (
        path("live/up.example/fullchain.pem"),
        path("live/up.example/privkey.pem"),
    );
    let flags = ["--tls-cert", &cert, "--tls-key", &key];
    let mut server = Process::logging("info", &dir.path().join("uploads"), &flags);
    let mut log = server.log();
    assert_eq!(certificate(&TlsClient::connect(server.addr)), *first.der());
    for number in 2..5 {
        let pem = Pem::new();
        renew(dir.path(), number, &pem);
        hangup(&server);
        log.find(|line| line.contains("read the certificate again"))
            .expect("a line");
        assert_eq!(certificate(&TlsClient::connect(server.addr)), *pem.der());
    }
}

#[test]
fn sighup_reads_the_certificate_again_and_keeps_connections() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let write = |pem: &Pem| {
        fs::write(&cert, &pem.certificate).expect("written");
        fs::write(&key, &pem.key).expect("written");
    };
    write(&Pem::new());
    let flags = [
        "--tls-cert",
        cert.to_str().expect("text"),
        "--tls-key",
        key.to_str().expect("text"),
    ];
    let mut server = Process::logging("info", &dir.path().join("uploads"), &flags);
    let mut log = server.log();
    let mut said = |words: &str| log.find(|line| line.contains(words)).expect("a line");
    let mut first = TlsClient::connect(server.addr);
    let old = certificate(&first);

    write(&Pem::new());
    hangup(&server);
    said("read the certificate again: new connections get ");
    let second = certificate(&TlsClient::connect(server.addr));
    assert_ne!(old, second);
    assert_eq!(
        first.ask(get("/health", "")).0,
        200,
        "the connection goes on"
    );

    fs::write(&key, &Pem::new().key).expect("written");
    hangup(&server);
    said("the private key is not that of the certificate; the earlier certificate stays");
    fs::remove_file(&cert).expect("there");
    hangup(&server);
    said("the earlier certificate stays");
    assert_eq!(certificate(&TlsClient::connect(server.addr)), second);
    assert_eq!(first.ask(get("/health", "")).0, 200);
}

/// Starts the command with a certificate of its own. Returns the fingerprint that it prints.
fn self_signed(dir: &std::path::Path, flags: &[&str]) -> (Process, String) {
    let flags = [&["--tls-self-signed"], flags].concat();
    let mut server = Process::start(dir, "127.0.0.1:0", &flags);
    let line = server.next_line();
    let (_, fingerprint) = line.split_once("(SHA-256): ").expect("a fingerprint");
    let fingerprint = fingerprint.trim().replace(':', "");
    (server, fingerprint)
}

#[test]
fn self_signed_certificate_is_made_once_and_private() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let uploads = dir.path().join("uploads");
    let (server, first) = self_signed(&uploads, &["--host", "pi.example"]);
    let mut client = TlsClient::connect(server.addr);
    assert_eq!(client.ask(get("/health", "")).0, 200);
    let seen = sha2::Sha256::digest(certificate(&client));
    let seen: String = seen.iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(seen, first);
    drop(server);

    let file = uploads.join(".resumed/tls.pem");
    let mode = fs::metadata(&file).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (server, again) = self_signed(&uploads, &[]);
    assert_eq!(first, again);
    drop(server);
    fs::remove_file(&file).expect("there");
    assert_ne!(first, self_signed(&uploads, &[]).1);
}

/// curl checks the names and the dates of the certificate.
#[test]
fn self_signed_certificate_names_the_machine() {
    needs!("curl");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let uploads = dir.path().join("uploads");
    let (server, _) = self_signed(&uploads, &["--host", "pi.example"]);
    let port = server.addr.port();
    let node = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    for (host, expected) in [
        ("127.0.0.1", true),
        ("localhost", true),
        ("pi.example", true),
        (&node, true),
        ("other.example", false),
    ] {
        let mut curl = std::process::Command::new("curl");
        curl.args([
            "-s",
            "-o",
            "/dev/null",
            "--resolve",
            &format!("{host}:{port}:127.0.0.1"),
        ])
        .arg("--cacert")
        .arg(uploads.join(".resumed/tls.pem"))
        .arg(format!("https://{host}:{port}/health"));
        let status = curl.status_in_time().expect("curl runs");
        // 60: the certificate is not trusted, or not that of the name.
        let code = if expected { 0 } else { 60 };
        assert_eq!(status.code(), Some(code), "{host}");
    }
}

#[test]
fn key_is_not_written_into_a_linked_directory() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (uploads, elsewhere) = (dir.path().join("uploads"), dir.path().join("elsewhere"));
    fs::create_dir(&uploads).expect("made");
    fs::create_dir(&elsewhere).expect("made");
    symlink(&elsewhere, uploads.join(".resumed")).expect("made");
    let words = "the directory belongs to another user, or is a link";
    refused(dir.path(), &["--tls-self-signed"]).expect(1, &[words]);
    assert_eq!(fs::read_dir(&elsewhere).expect("there").count(), 0);
}

#[test]
fn unusable_certificate_is_refused_with_its_file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name| dir.path().join(name).to_str().expect("text").to_owned();
    let (pem, other) = (Pem::new(), Pem::new());
    fs::write(path("cert"), &pem.certificate).expect("written");
    fs::write(path("key"), &pem.key).expect("written");
    fs::write(path("other"), &other.key).expect("written");
    fs::write(path("empty"), "").expect("written");
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    fs::write(path("locked"), locked).expect("written");
    for (cert, key, words) in [
        (
            "cert",
            "other",
            "the private key is not that of the certificate",
        ),
        ("empty", "key", "cannot use --tls-cert"),
        ("cert", "empty", "cannot use --tls-key"),
        ("cert", "locked", "openssl pkey"),
        ("missing", "key", "cannot read --tls-cert"),
        ("cert", "missing", "cannot read --tls-key"),
    ] {
        let flags = ["--tls-cert", &path(cert), "--tls-key", &path(key)];
        refused(dir.path(), &flags).expect(1, &[words]);
    }
    refused(dir.path(), &["--tls-cert", "a"]).expect(2, &["--tls-cert needs --tls-key FILE"]);
    refused(dir.path(), &["--tls-key", "a"]).expect(2, &["--tls-key needs --tls-cert FILE"]);
    let hsts = ["--hsts needs a certificate that browsers trust"];
    refused(dir.path(), &["--hsts"]).expect(2, &hsts);
    refused(dir.path(), &["--tls-self-signed", "--hsts"]).expect(2, &hsts);
    let both = ["--tls-self-signed", "--tls-cert", "a", "--tls-key", "b"];
    refused(dir.path(), &both).expect(2, &["use either --tls-self-signed"]);
}

fn refused(dir: &std::path::Path, flags: &[&str]) -> crate::support::running::Said {
    crate::support::running::run(
        std::process::Command::new(env!("CARGO_BIN_EXE_resumed"))
            .args(["--listen", "no address"])
            .args(flags)
            .arg(dir.join("uploads")),
    )
}
