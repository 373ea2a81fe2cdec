//! The library as a program uses it.

use std::error::Error;
use std::fs;
use std::io::{self, Write};

use resumed::store::{self, Completes, Id, Store};
use resumed::{Config, Options, Uploads, Users};

use crate::support::Client;

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
        .authorize(|head, _| head.field("X-Token") == Some(b"yes"));
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
