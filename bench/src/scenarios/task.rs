//! A number of files that are sent in several ways, over the same link.

use std::io;
use std::net::SocketAddr;

use crate::bench::Bench;
use crate::peers::OURS;
use crate::relay::{self, Link};
use crate::samples::Samples;
use crate::source::Source;

pub(super) struct Task {
    pub(super) metric: &'static str,
    pub(super) count: usize,
    pub(super) bytes: u64,
    pub(super) link: Option<Link>,
    pub(super) ways: &'static [&'static str],
}

impl Task {
    /// Measures each way once, and begins with another one in each round. `secs` returns the seconds of one way.
    pub(super) fn run(
        &self,
        bench: &Bench,
        round: usize,
        samples: &mut Samples,
        secs: impl Fn(&str, &Source) -> io::Result<f64>,
    ) -> io::Result<()> {
        let source = Source::new(&bench.memory, self.count, self.bytes)?;
        for at in 0..self.ways.len() {
            let way = self.ways[(at + round) % self.ways.len()];
            match secs(way, &source) {
                Ok(secs) => samples.add(self.metric, way, round, secs),
                Err(error) if way == OURS => return Err(error),
                Err(error) => samples.explain(self.metric, way, &format!("failed: {error}")),
            }
        }
        Ok(())
    }

    /// Returns the address of a server at the other end of the link.
    pub(super) fn over_link(&self, server: SocketAddr) -> io::Result<SocketAddr> {
        match self.link {
            Some(link) => relay::start(server, link),
            None => Ok(server),
        }
    }
}
