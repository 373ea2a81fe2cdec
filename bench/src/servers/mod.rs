//! The servers of the bench, each in a process of its own: `bench _floor DIR` and so on.

mod echo;
mod floor;
mod ours;
mod request;
mod tiny_http;

use std::ffi::OsString;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;

/// Serves until standard input ends, if that is what the arguments ask for.
pub(crate) fn run(args: &[OsString]) -> Option<io::Result<()>> {
    let (name, rest) = args.split_first()?;
    let path = |at: usize| rest.get(at).map(PathBuf::from).unwrap_or_default();
    let text = |at: usize| {
        rest.get(at)
            .map(|text| text.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let listen = Ipv4Addr::LOCALHOST.into();
    if !name.to_str()?.starts_with('_') {
        return None;
    }
    end_with_stdin();
    Some(match name.to_str()? {
        "_floor" => floor::serve(
            path(0),
            rest.get(1)
                .map_or(listen, |_| text(1).parse().unwrap_or(listen)),
        ),
        "_echo" => echo::serve(),
        "_tiny_http" => tiny_http::serve(path(0)),
        "_ours" => ours::serve(path(0), &text(1), &text(2)),
        _ => return None,
    })
}

/// A server must not outlive the bench, whatever becomes of that.
fn end_with_stdin() {
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

fn announce(addr: SocketAddr) {
    println!("listening on http://{addr}");
}

/// A thread for each connection.
fn serve_each(
    listener: &TcpListener,
    serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync,
) -> io::Result<()> {
    announce(listener.local_addr()?);
    thread::scope(|scope| {
        loop {
            let (stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            // Who vanishes is not waited for.
            let serve = &serve;
            scope.spawn(move || serve(stream));
        }
    })
}
