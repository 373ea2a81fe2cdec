//! Uploads a file, and shows a progress bar.
//!
//! `cargo run -p resumed-client --example upload -- FILE URL`. Enter stops it, and the same command continues.

use std::error::Error;
use std::io::stdin;
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};
use resumed_client::{CancelToken, Client, Event};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let (Some(path), Some(url)) = (args.next(), args.next()) else {
        return Err("usage: upload FILE URL".into());
    };
    let url = url.into_string().map_err(|_| "the URL is not text")?;
    let cancel = CancelToken::new();
    cancel_on_enter(cancel.clone());

    let client = Client::new(&url)?;
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {msg}",
    )?);
    let upload = client
        .file(&path)
        .cancel(&cancel)
        .on_event(|event| match event {
            Event::Started { total } => bar.set_length(total.unwrap_or(0)),
            Event::Progress { sent, .. } => {
                bar.set_message("");
                bar.set_position(sent);
            }
            Event::Retry { error, pause } => {
                bar.set_message(format!("{error}; next attempt in {} s", pause.as_secs()));
            }
            _ => {}
        });
    let uploaded = upload.send();
    bar.finish_and_clear();
    let uploaded = uploaded?;
    let name = uploaded.saved_as.unwrap_or_default();
    println!("saved as {name}: {} bytes", uploaded.bytes);
    Ok(())
}

/// Cancels the upload when a person presses Enter. The end of the input cancels nothing.
fn cancel_on_enter(cancel: CancelToken) {
    thread::spawn(move || {
        let mut line = String::new();
        if stdin().read_line(&mut line).is_ok_and(|read| read > 0) {
            cancel.cancel();
        }
    });
}
