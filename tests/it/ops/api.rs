//! The library as a program uses it.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::sync::mpsc;

use resumed::store::{self, Completes, Id, Store};
use resumed::{
    Address, Command, Config, Decision, Head, ListenSocket, Malformed, Options, PasswordHash,
    Response, ResponseParts, Server, StartError, TlsError, TlsOptions, TrustedProxy, Uploads,
    Users,
};

use crate::support::limit::wait_until;
use crate::support::{Client, Site, TIMEOUT, append, get};

type Tried = Result<(), Box<dyn Error>>;

#[test]
fn debug_output_has_no_secret() -> Tried {
    let dir = tempfile::tempdir()?;
    let mut users = Users::new();
    users.add("alice", "hunter2");
    let hash = "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe";
    users.add_hash("bob", hash.parse()?);
    let config = Config::new(dir.path()).listen("127.0.0.1:0").users(users);
    let configured = format!("{config:?}");
    assert!(configured.contains("alice"), "{configured}");
    let server = resumed::start(config)?;
    let running = format!("{server:?}");
    assert!(running.contains(&server.addr().to_string()), "{running}");
    for text in [configured, running] {
        assert!(!text.contains("hunter2"), "{text}");
        assert!(!text.contains("$2a$"), "{text}");
        // The digest of `hunter2`.
        assert!(!text.contains("245, 47, 189"), "{text}");
    }
    Ok(())
}

#[test]
fn cloned_config_starts_a_server_of_its_own() -> Tried {
    let dirs = [tempfile::tempdir()?, tempfile::tempdir()?];
    let config = Config::new("")
        .listen("127.0.0.1:0")
        .user("alice", "secret")
        .authorize(|head, _| (head.field("X-Token") == Some(b"yes")).into());
    for dir in &dirs {
        let server = resumed::start(config.clone().dir(dir.path()))?;
        for (fields, status) in [
            ("", 401),
            ("Authorization: Basic YWxpY2U6c2VjcmV0\r\n", 403),
            (
                "Authorization: Basic YWxpY2U6c2VjcmV0\r\nX-Token: yes\r\n",
                200,
            ),
        ] {
            let mut client = Client::connect(server.addr().tcp().ok_or("a port")?);
            client.send(format!(
                "GET /status HTTP/1.1\r\nHost: localhost\r\nX-File-Id: a-1-2\r\n{fields}\r\n"
            ));
            assert_eq!(client.answer().status, status, "{fields}");
        }
    }
    Ok(())
}

#[test]
fn setting_can_be_switched_off_again() -> Tried {
    let dir = tempfile::tempdir()?;
    let options = Options::default().metrics(true).shared(true).sha256(true);
    let options = options.metrics(false).shared(false).sha256(false);
    let _first = Uploads::open(dir.path(), options.clone())?;
    assert!(Uploads::open(dir.path(), options).is_err());
    Ok(())
}

#[test]
fn reader_is_copied_to_an_append() -> Tried {
    let dir = tempfile::tempdir()?;
    let store = Store::open(dir.path(), store::Options::default())?;
    let mut append = store.append(&Id::new(b"", b"a"), 0)?;
    assert_eq!(io::copy(&mut &b"hello"[..], &mut append)?, 5);
    append.flush()?;
    let finished = append.finish(Completes::AtEnd)?;
    let path = finished.published.ok_or("by this call")?.path;
    assert_eq!(fs::read(path)?, b"hello");
    Ok(())
}

#[test]
fn refused_write_keeps_its_reason_as_io_error() -> Tried {
    let dir = tempfile::tempdir()?;
    let mut options = store::Options::default();
    options.max_size = Some(3);
    let store = Store::open(dir.path(), options)?;
    let mut append = store.append(&Id::new(b"", b"a"), 0)?;
    let error = append.write_all(b"hello").expect_err("too large");
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    let reason = error.get_ref().and_then(|error| error.downcast_ref());
    assert!(matches!(reason, Some(store::Error::TooLarge { max: 3 })));
    append.cut();
    assert_eq!(store.status(&Id::new(b"", b"a"))?.offset, 3);
    Ok(())
}

/// Compiles only if threads can share all these types.
#[test]
fn public_types_can_be_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<(Config, Options, Users, Server, StartError)>();
    shared::<(ListenSocket, Address, TlsOptions, TlsError)>();
    shared::<(Uploads, Head, Response, ResponseParts, Malformed)>();
    shared::<(Command, Decision, PasswordHash, TrustedProxy)>();
    shared::<(Store, store::Options, store::Append, store::AppendRequest)>();
    shared::<(store::Finished, store::PartialUpload, store::SweepReport)>();
    shared::<(store::Error, store::OpenError, store::UserDirClash)>();
}

const ID: &str = "a.txt-5-1700000000000";

/// The login of a program: a token in a field.
fn by_token(head: &Head) -> Decision {
    match head.field("X-Token") {
        Some(b"1") => Decision::allow_for("alice"),
        Some(b"2") => Decision::allow_for("bob"),
        _ => Decision::Deny(Response::new(401).text("log in at /login")),
    }
}

fn with_token(request: impl Into<String>, token: &str) -> String {
    let field = format!("\r\nX-Token: {token}\r\n");
    request.into().replacen("\r\n", &field, 1)
}

#[test]
fn same_id_of_two_owners_is_two_uploads() {
    let (sender, receiver) = mpsc::channel();
    let site = Site::with(|config| {
        let config = config.authorize(|head, _| by_token(head));
        config.on_complete(move |upload| {
            sender.send((upload.id.owner().to_vec(), upload.path.clone()))?;
            Ok(())
        })
    });
    let send = |token, body| site.ask(with_token(append(ID, 0, 5), token) + body);
    let status = |token| {
        let status = get("/status", &format!("X-File-Id: {ID}\r\n"));
        site.ask(with_token(status, token)).text().to_owned()
    };
    let mut cut = site.connect();
    cut.send(with_token(append(ID, 0, 5), "1") + "hel");
    wait_until!(status("1") == "3");
    drop(cut);
    assert_eq!(
        send("2", "other").status,
        200,
        "bob does not see the bytes of alice"
    );
    assert_eq!((&*status("1"), &*status("2")), ("3", "5"));
    let rest = site.ask(with_token(append(ID, 3, 2), "1") + "lo");
    assert_eq!(rest.status, 200, "{rest:?}");
    let mut completed = [(); 2].map(|()| receiver.recv_timeout(TIMEOUT).expect("the hook runs"));
    completed.sort();
    assert_eq!(
        completed.each_ref().map(|file| &*file.0),
        [&b"alice"[..], b"bob"]
    );
    let contents = completed.map(|file| fs::read(file.1).expect("published"));
    assert_eq!(contents, [b"hello", b"other"]);
}

#[test]
fn denied_request_gets_the_response_of_the_program() {
    let site = Site::with(|config| config.authorize(|head, _| by_token(head)));
    let denied = site.ask(append(ID, 0, 5) + "hello");
    assert_eq!((denied.status, denied.text()), (401, "log in at /login"));
    // The page takes a refusal without this field for the response of a proxy.
    assert!(denied.field("Upload-Complete").is_some(), "{denied:?}");
    let tus = site.ask(get("/files/a", "Tus-Resumable: 1.0.0\r\n").replace("GET", "HEAD"));
    assert_eq!(
        (tus.status, tus.field("Tus-Resumable")),
        (401, Some("1.0.0"))
    );
    assert_eq!(site.ask(get("/recent", "")).status, 401);
    assert!(!site.dir().join("a.txt").exists());
}

#[test]
fn recent_list_has_uploads_of_the_owner_only() {
    let site = Site::with(|config| config.authorize(|head, _| by_token(head)));
    for (token, name) in [("1", "of_alice"), ("2", "of_bob")] {
        let request = append(&format!("{name}-5-1700000000000"), 0, 5);
        assert_eq!(site.ask(with_token(request, token) + "hello").status, 200);
    }
    let list = site.ask(with_token(get("/recent", ""), "1"));
    assert!(list.text().contains("of_alice"), "{list:?}");
    assert!(!list.text().contains("of_bob"), "{list:?}");
}

#[test]
fn program_handles_a_request_as_its_own_user() -> Tried {
    let dir = tempfile::tempdir()?;
    let (sender, receiver) = mpsc::channel();
    let options = Options::default().on_complete(move |upload| {
        sender.send(upload.id.owner().to_vec())?;
        Ok(())
    });
    let uploads = Uploads::open(dir.path(), options)?;
    let host = ("Host", "localhost");
    let part = [host, ("X-File-Id", ID), ("Content-Length", "5")];
    let head = Head::from_parts("POST", "/upload", part)?;
    uploads.handle_as("alice", &head, &mut &b"hel"[..]);
    let status = Head::from_parts("GET", "/status", [host, ("X-File-Id", ID)])?;
    let held = |owner: &str| uploads.handle_as(owner, &status, &mut io::empty());
    assert_eq!(held("alice").body_bytes(), b"3");
    assert_eq!(held("bob").body_bytes(), b"0");
    assert_eq!(uploads.handle(&status, &mut io::empty()).body_bytes(), b"0");
    let response = uploads.handle_as("bob", &head, &mut &b"hello"[..]);
    assert_eq!(response.status(), 200);
    assert_eq!(receiver.recv_timeout(TIMEOUT)?, b"bob");
    Ok(())
}

#[test]
fn own_route_answers_before_the_server() {
    let site = Site::with(|config| {
        config.user("alice", "secret").route(|head| {
            let is_own = head.path() == "/version";
            is_own.then(|| Response::new(200).text("7"))
        })
    });
    assert_eq!(site.ask(get("/version", "")).text(), "7");
    assert_eq!(site.ask(get("/recent", "")).status, 401);
    let forged = get("/version", "").replace("localhost", "evil.example");
    assert_eq!(site.ask(forged).status, 421);
}

#[test]
fn owners_of_a_program_have_folders_without_users() {
    let site = Site::with(|config| config.user_dirs(true).authorize(|head, _| by_token(head)));
    let sent = site.ask(with_token(append(ID, 0, 5), "1") + "hello");
    assert_eq!(sent.status, 200, "{sent:?}");
    assert_eq!(
        fs::read(site.dir().join("alice/a.txt")).expect("a file"),
        b"hello"
    );
}

#[test]
fn upload_without_owner_is_refused_where_owners_have_folders() {
    let site = Site::with(|config| config.user_dirs(true).authorize(|_, _| true.into()));
    let sent = site.ask(append("alice/a.txt", 0, 5) + "hello");
    assert_eq!(sent.status, 403, "{sent:?}");
    assert!(!site.dir().join("alice").exists());
}

#[test]
fn file_of_a_complete_upload_can_be_asked_for_later() -> Tried {
    let dir = tempfile::tempdir()?;
    let (id, other) = (Id::new(b"alice", b"a"), Id::new(b"bob", b"b"));
    let open = || Store::open(dir.path(), store::Options::default());
    let store = open()?;
    let mut declared = store::AppendRequest::default();
    declared.length = Some(5);
    declared.file.name = Some("a.txt".into());
    for id in [&id, &other] {
        let mut append = store.append_with(id, 0, declared.clone())?;
        append.write_all(b"hel")?;
        assert_eq!(append.finish(Completes::AtLength)?.path, None);
    }
    // Another process knows them after its first sweep.
    drop(store);
    let store = open()?;
    store.sweep();
    let partials = store.partial_uploads(b"alice");
    let [partial] = &partials[..] else {
        panic!("{partials:?}");
    };
    assert_eq!(
        (&partial.id, partial.offset, partial.is_sent),
        (&id, 3, false)
    );
    assert_eq!(partial.info.name.as_deref(), Some("a.txt"));
    assert!(partial.info.path.is_none() && partial.info.expires.is_some());

    let mut append = store.append(&id, 3)?;
    append.write_all(b"lo")?;
    let path = dir.path().join("a.txt");
    assert_eq!(
        append.finish(Completes::AtLength)?.path.as_ref(),
        Some(&path)
    );
    assert!(store.partial_uploads(b"alice").is_empty());
    for _ in 0..2 {
        let again = store.append(&id, 5)?.finish(Completes::AtLength)?;
        assert!(again.published.is_none());
        assert_eq!(again.path.as_ref(), Some(&path));
    }
    drop(store);
    let info = open()?.info(&id)?.ok_or("known")?;
    assert_eq!(
        (info.path, info.name.as_deref()),
        (Some(path), Some("a.txt"))
    );
    Ok(())
}

#[test]
fn server_lists_the_uploads_in_progress() -> Tried {
    let site = Site::with(|config| config.authorize(|head, _| by_token(head)));
    let mut client = site.connect();
    client.send(with_token(append(ID, 0, 5), "1") + "hel");
    let id = Id::new(b"alice", ID.as_bytes());
    let partials = || site.server().partial_uploads("alice");
    wait_until!(matches!(&partials()[..], [partial] if partial.offset == 3));
    let partials = partials();
    assert!(partials[0].is_sent && partials[0].id == id, "{partials:?}");
    assert!(site.server().partial_uploads("bob").is_empty());
    assert_eq!(client.ask("lo").status, 200);
    let info = site.server().info(&id)?.ok_or("known")?;
    assert_eq!(info.path, Some(site.dir().join("a.txt")));
    Ok(())
}

#[test]
fn server_cancels_a_listed_upload_while_it_is_sent() -> Tried {
    let site = Site::with(|config| config.authorize(|head, _| by_token(head)));
    let mut client = site.connect();
    client.send(with_token(append(ID, 0, 5), "1") + "hel");
    let partials = || site.server().partial_uploads("alice");
    wait_until!(
        partials()
            .first()
            .is_some_and(|partial| partial.offset >= 3)
    );
    let id = &partials()[0].id;
    assert!(site.server().cancel(id)?);
    assert!(partials().is_empty() && !site.server().cancel(id)?);
    assert_eq!(client.ask("lo").status, 409);
    assert!(!site.dir().join("a.txt").exists());
    assert_eq!(site.server().info(id)?, None);
    Ok(())
}
