//! Measures this server beside others, on the machine it runs on, in the same minutes.

mod args;
mod bench;
mod content;
mod cost;
mod load;
mod machine;
mod peers;
mod place;
mod relay;
mod report;
mod samples;
mod scenarios;
mod secure;
mod servers;
mod source;
mod stats;
mod wire;

use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let result = match servers::run(&args) {
        Some(served) => served.map_err(Into::into),
        None => measure(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: Vec<OsString>) -> Result<(), Box<dyn Error>> {
    let args::Ask {
        mut bench,
        only,
        report_only,
        files,
    } = match args::parse(args)? {
        Some(ask) => ask,
        None => {
            print!("{}{}", args::HELP, scenarios::list());
            return Ok(());
        }
    };
    machine::raise_descriptor_limit()?;
    place::sweep(&bench.memory)?;
    place::sweep(&bench.disk)?;
    let machine = if report_only {
        files.machine()
    } else {
        machine::describe(&bench)
    };
    eprintln!("{machine}");
    if !report_only {
        scenarios::run(&mut bench, &only, &files.samples)?;
        files.save_machine(&machine)?;
    }
    report::write(&bench, &machine, &files)?;
    Ok(())
}
