//! The options of a run.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lexopt::{Arg, Parser, ValueExt};

use crate::bench::Bench;
use crate::peers;
use crate::samples::Samples;
use crate::scenarios;

pub(crate) const HELP: &str = "\
bench [OPTIONS] [report]

      --only NAME,..     these scenarios; the figures of the others stay
      --peers NAME,..    besides resumed, only these (default: all that are found)
      --rounds N         how often, instead of what each scenario thinks right
      --quick            little of everything, to see that it works: the figures mean nothing
      --server PATH      our server (default: target/release/resumed)
      --put PATH         the command with `put` and TLS (default: target/put/release/resumed)
      --clients DIR      where `make tools` puts what it fetches (default: target/clients)
      --installed DIR    where `make peers` puts what it installs (default: target/peers)
      --memory DIR       a directory in memory (default: /dev/shm)
      --disk DIR         a directory on a disk (default: target)
  report                 measures nothing: the table and docs/bench.md again

scenarios:
";

pub(crate) struct Ask {
    pub(crate) bench: Bench,
    pub(crate) only: Vec<String>,
    pub(crate) report_only: bool,
    pub(crate) files: Files,
}

/// The output files of a run.
pub(crate) struct Files {
    /// Every figure, to make the report of again.
    pub(crate) samples: PathBuf,
    machine: PathBuf,
    pub(crate) text: PathBuf,
    pub(crate) plot: PathBuf,
}

impl Files {
    fn new(root: &Path, quick: bool) -> Files {
        let kept = root.join("target/measured");
        let docs = if quick {
            kept.join("quick")
        } else {
            root.join("docs")
        };
        let name = if quick { "quick" } else { "full" };
        Files {
            samples: kept.join(format!("{name}.tsv")),
            machine: kept.join(format!("{name}.machine")),
            text: docs.join("bench.md"),
            plot: docs.join("bench.svg"),
        }
    }

    pub(crate) fn machine(&self) -> String {
        fs::read_to_string(&self.machine).unwrap_or_default()
    }

    pub(crate) fn save_machine(&self, machine: &str) -> io::Result<()> {
        fs::write(&self.machine, machine)
    }
}

/// `None` when only help is wanted.
pub(crate) fn parse(args: Vec<OsString>) -> Result<Option<Ask>, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("bench/ lies in the repository");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let mut parser = Parser::from_args(args);
    let (mut server, mut installed) = (target.join("release/resumed"), root.join("target/peers"));
    let (mut put, mut clients) = (target.join("put/release/resumed"), target.join("clients"));
    let (mut memory, mut disk) = (PathBuf::from("/dev/shm"), root.join("target"));
    let (mut only, mut wanted): (Vec<String>, Option<Vec<String>>) = (Vec::new(), None);
    let (mut rounds, mut quick, mut report_only) = (None, false, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("only") => only = names(&mut parser)?,
            Arg::Long("peers") => wanted = Some(names(&mut parser)?),
            Arg::Long("rounds") => rounds = Some(parser.value()?.parse()?),
            Arg::Long("quick") => quick = true,
            Arg::Long("server") => server = parser.value()?.into(),
            Arg::Long("put") => put = parser.value()?.into(),
            Arg::Long("clients") => clients = parser.value()?.into(),
            Arg::Long("installed") => installed = parser.value()?.into(),
            Arg::Long("memory") => memory = parser.value()?.into(),
            Arg::Long("disk") => disk = parser.value()?.into(),
            Arg::Value(word) if word == "report" => report_only = true,
            other => return Err(other.unexpected().into()),
        }
    }
    if let Some(unknown) = only.iter().find(|name| !scenarios::exists(name)) {
        return Err(format!("there is no scenario {unknown}; see --help").into());
    }
    let is_wanted = |name: &str| {
        let is_named = |wanted: &Vec<String>| wanted.iter().any(|other| other == name);
        name == peers::OURS || wanted.as_ref().is_none_or(is_named)
    };
    let mut peers = peers::all(&server, &installed);
    peers.retain(|peer| is_wanted(peer.name()));
    let mut secure_peers = peers::secure(&put);
    secure_peers.retain(|peer| is_wanted(peer.name()));
    let files = Files::new(root, quick);
    fs::create_dir_all(files.samples.parent().expect("it has one"))?;
    let samples = Samples::load(&files.samples);
    let bench = Bench {
        server,
        put,
        clients,
        memory,
        disk,
        peers,
        secure_peers,
        samples,
        quick,
        rounds,
    };
    Ok(Some(Ask {
        bench,
        only,
        report_only,
        files,
    }))
}

fn names(parser: &mut Parser) -> Result<Vec<String>, lexopt::Error> {
    Ok(parser
        .value()?
        .string()?
        .split(',')
        .map(str::to_owned)
        .collect())
}
