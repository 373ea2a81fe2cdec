//! The command: flags into a [`Config`], a server, a signal, the end.

mod cli;
mod greeting;
#[cfg(test)]
#[path = "../fuzz/replay.rs"]
mod replay;
mod systemd;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info,access=off"))
        .init();
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|first| first == "put").is_some() {
        return put(args);
    }
    match cli::parse(args) {
        Ok(cli::Ask::Serve {
            config,
            with_code,
            hook,
        }) => match serve(*config, with_code, hook.as_deref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&*error, 1),
        },
        Ok(cli::Ask::Help) => {
            print!("{}", cli::HELP);
            ExitCode::SUCCESS
        }
        Ok(cli::Ask::Version) => {
            println!("resumed {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error, 2),
    }
}

#[cfg(feature = "put")]
use cli::put::run as put;

#[cfg(not(feature = "put"))]
fn put(_: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    eprintln!(
        "resumed: this one is a server only, built without put; a directory of that name is ./put"
    );
    ExitCode::from(2)
}

/// The signals are caught before the server is there, so none can end it unstopped.
fn serve(
    mut config: resumed::Config,
    with_code: bool,
    hook: Option<&cli::Hook>,
) -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    if let Some(socket) = systemd::socket()? {
        config = config.listen_on(socket);
    }
    let server = resumed::start(config)?;
    // Nobody has to listen to it.
    let _ = io::stdout().write_all(greeting::greeting(server.addr(), with_code).as_bytes());
    systemd::notify("READY=1");
    signals.forever().next();
    systemd::notify("STOPPING=1");
    if let Some(hook) = hook {
        hook.stop();
    }
    server.stop();
    Ok(())
}

fn fail(error: &dyn Error, code: u8) -> ExitCode {
    eprintln!("resumed: {error}");
    ExitCode::from(code)
}
