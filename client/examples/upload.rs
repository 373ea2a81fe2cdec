//! Uploads a file: `cargo run -p resumed-client --example upload -- FILE URL`. Enter stops it.

use std::io::stdin;
use std::thread;

use resumed_client::{CancelToken, Client, Event};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(path), Some(url)) = (args.next(), args.next()) else {
        return Err("usage: upload FILE URL".into());
    };
    let cancel = CancelToken::new();
    let on_enter = cancel.clone();
    thread::spawn(move || {
        if stdin()
            .read_line(&mut String::new())
            .is_ok_and(|read| read > 0)
        {
            on_enter.cancel();
        }
    });

    let client = Client::new(&url)?;
    let upload = client
        .file(&path)
        .cancel(&cancel)
        .on_event(|event| match event {
            Event::Progress { sent, total, .. } => {
                println!("{sent} of {} bytes", total.unwrap_or(0))
            }
            Event::Retry { error, pause } => println!("next attempt in {pause:?}: {error}"),
            _ => {}
        });
    let uploaded = upload.send()?;
    println!("{path} is on the server: {} bytes", uploaded.bytes);
    Ok(())
}
