//! The report: a table on the terminal, and a page with a plot.

mod laws;
mod metrics;
mod plot;
mod table;

use std::fs;
use std::io;

use crate::args::Files;
use crate::bench::Bench;

use self::table::Table;

pub(crate) fn write(bench: &Bench, machine: &str, files: &Files) -> io::Result<()> {
    let names = bench.peers.iter().map(|peer| peer.name());
    let peers: Vec<&str> = names.filter(|name| bench.samples.has(name)).collect();
    let secure_peers: Vec<&str> = bench.secure_peers.iter().map(|peer| peer.name()).collect();
    let tables = [
        metrics::felt(&bench.samples),
        metrics::of_peers(&bench.samples, &peers),
        metrics::with_tls(&bench.samples, &secure_peers),
        metrics::beside(&bench.samples),
        laws::table(&bench.samples),
    ];
    for table in &tables {
        println!("{}", table.aligned());
    }
    fs::create_dir_all(files.text.parent().expect("it has one"))?;
    fs::write(&files.text, page(machine, bench.quick, &tables))?;
    fs::write(&files.plot, plot::draw(&bench.samples, &peers))?;
    println!(
        "written: {} and {}",
        files.text.display(),
        files.plot.display()
    );
    Ok(())
}

fn page(machine: &str, quick: bool, [felt, peers, with_tls, beside, laws]: &[Table; 5]) -> String {
    let warning = if quick {
        "**A quick run: the figures mean nothing.**\n\n"
    } else {
        ""
    };
    format!(
        "# Measured

{warning}`make bench` writes this page. Client and server run on one machine, over loopback, into a directory in memory (what
is durable: onto a disk). Everything in a row is measured in turn, in the same minutes, again and again; each server is
started anew over an empty directory. What did not arrive, byte for byte, is not counted.

## What users feel

Seconds from the choice of the files until the last answer: medians (least–greatest), and × how many times ours that is,
within a round. All run on one machine, through the same relay with the delay and the rate of the link. *Bare fetch* is a
loop in the same page with one POST a file, five at a time. Uppy has its tus plugin with default options, and speaks to
this server in a page of the same origin, without preflights. *The link* is the time of the bytes at its rate. `put` is
beside curl (eight side by side, one POST a file, to this server) and rclone (eight transfers, to its own WebDAV
server).

{felt}
## Beside others

![The same as a plot](bench.svg)

Medians (least–greatest), and × how many times ours that is: the median of the ratios within a round. The bare loop
reads 256 KiB and writes them; tiny_http is a plain handler in a threadpool; nginx is as it comes, nginx 256k has a
buffer as large as ours. Processor time is the server's, of all its processes. No peer syncs, so neither do we here
(`--sync fast`); nobody writes a log of requests.

{peers}
## With TLS

The same with TLS 1.3, AES-256-GCM and one certificate (ECDSA, P-256) for all. 10 KB files come on kept connections.

{with_tls}
## Beside itself, and beside the same done by hand

{beside}
## What has to be true

The figure is a median, of ratios within a round where it is a ratio; in brackets the interval that holds the true
one with 95 % (bootstrap). *Noise* is the same ratio of two that are the same.

{laws}
## The machine

{machine}"
    )
}
