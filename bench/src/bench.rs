//! One run: who is measured, how often, how large; and what came of it.

use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Instant;

use crate::peers::{ALWAYS, FLOOR, Peer};
use crate::samples::Samples;
use crate::stats::Short;

pub(crate) struct Bench {
    /// Our server, as it is released.
    pub(crate) server: PathBuf,
    /// The command with `put`.
    pub(crate) put: PathBuf,
    /// The clients of others, as `make tools` fetches them.
    pub(crate) clients: PathBuf,
    /// A directory in memory, and one on a disk.
    pub(crate) memory: PathBuf,
    pub(crate) disk: PathBuf,
    pub(crate) peers: Vec<Box<dyn Peer>>,
    /// The peers with TLS.
    pub(crate) secure_peers: Vec<Box<dyn Peer>>,
    pub(crate) samples: Samples,
    /// Only to see that everything works: little of everything.
    pub(crate) quick: bool,
    pub(crate) rounds: Option<usize>,
}

/// The servers of a scenario besides us, the floor and nginx.
#[derive(Clone, Copy)]
pub(crate) struct Who {
    /// The peers with TLS.
    pub(crate) secure: bool,
    /// Everybody else, in every third round: they are only to be compared with.
    pub(crate) others: bool,
    /// The floor a second time in each round: how far it is from itself.
    pub(crate) floor_twice: bool,
}

/// The name of the floor in its second run of a round.
pub(crate) const FLOOR_AGAIN: &str = "bare loop again";

const OTHERS_EVERY: usize = 3;
const FAILURES_MAX: usize = 2;

/// One measurement that is due.
pub(crate) struct Turn<'a> {
    pub(crate) peer: &'a dyn Peer,
    /// Its column: the peer's name, but for the floor's second turn.
    pub(crate) subject: &'static str,
    pub(crate) round: usize,
}

impl Bench {
    pub(crate) fn size<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Has as much memory at hand as a turn fills. A virtual machine gives back to its host what was freed a moment ago,
    /// and gets it again page by page: whose turn it is would pay for that, in one turn all of it, in the next nothing.
    pub(crate) fn touch_memory(&self) -> io::Result<()> {
        let bytes = self.size(2_200_000_000, 64_000_000);
        let mut file = tempfile::tempfile_in(&self.memory)?;
        io::copy(&mut io::repeat(0).take(bytes), &mut file)?;
        Ok(())
    }

    pub(crate) fn rounds(&self, full: usize) -> usize {
        self.rounds.unwrap_or(self.size(full, 1))
    }

    /// Gives each peer its turns, all of a round within the same minute, the order another one each time. One that
    /// fails has no figure in that round; one that fails again gets no further turn.
    pub(crate) fn take_turns(
        &mut self,
        scenario: &str,
        rounds: usize,
        who: Who,
        measure: impl Fn(&Bench, &Turn, &mut Samples) -> io::Result<()>,
    ) {
        let mut samples = std::mem::take(&mut self.samples);
        let absent = self.absent(scenario, who, &mut samples);
        let mut failed = Vec::new();
        for round in 0..rounds {
            for turn in self.turns(who, round) {
                let failures = failed
                    .iter()
                    .filter(|subject| **subject == turn.subject)
                    .count();
                if failures == FAILURES_MAX || absent.contains(&turn.subject) {
                    continue;
                }
                let watch = Watch::new(scenario, turn.subject, round, rounds, &samples);
                let result = measure(self, &turn, &mut samples);
                watch.report(&samples, &result);
                if let Err(error) = result {
                    samples.explain(scenario, turn.subject, &format!("failed: {error}"));
                    failed.push(turn.subject);
                }
            }
        }
        self.samples = samples;
    }

    /// A scenario that is about us, or about us beside something that is no peer.
    pub(crate) fn repeat(
        &mut self,
        scenario: &str,
        rounds: usize,
        mut measure: impl FnMut(&Bench, usize, &mut Samples) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut samples = std::mem::take(&mut self.samples);
        let mut result = Ok(());
        for round in 0..rounds {
            let watch = Watch::new(scenario, "", round, rounds, &samples);
            result = measure(self, round, &mut samples);
            watch.report(&samples, &result);
            if result.is_err() {
                break;
            }
        }
        self.samples = samples;
        result
    }

    fn peers(&self, who: Who) -> &[Box<dyn Peer>] {
        match who.secure {
            true => &self.secure_peers,
            false => &self.peers,
        }
    }

    /// Those that are not here, each with its word.
    fn absent(&self, scenario: &str, who: Who, samples: &mut Samples) -> Vec<&'static str> {
        let mut absent = Vec::new();
        for peer in self
            .peers(who)
            .iter()
            .filter(|peer| who.others || is_constant(&***peer))
        {
            if let Err(word) = peer.version() {
                samples.explain(scenario, peer.name(), &word);
                absent.push(peer.name());
            }
        }
        absent
    }

    fn turns(&self, who: Who, round: usize) -> Vec<Turn<'_>> {
        let turn = |peer| Turn {
            peer,
            subject: Peer::name(peer),
            round,
        };
        let peers = || self.peers(who).iter().map(|peer| &**peer);
        let mut turns: Vec<Turn> = peers()
            .filter(|peer| is_constant(*peer))
            .map(turn)
            .collect();
        if who.floor_twice {
            let floor = peers().find(|peer| peer.name() == FLOOR);
            turns.extend(floor.map(|peer| Turn {
                subject: FLOOR_AGAIN,
                ..turn(peer)
            }));
        }
        if who.others && round % OTHERS_EVERY == 0 {
            turns.extend(peers().filter(|peer| !is_constant(*peer)).map(turn));
        }
        if round % 2 == 1 {
            turns.reverse();
        }
        turns
    }
}

fn is_constant(peer: &dyn Peer) -> bool {
    ALWAYS.contains(&peer.name())
}

/// Tells who watches what a turn brought.
struct Watch {
    title: String,
    count: usize,
    begin: Instant,
}

impl Watch {
    fn new(scenario: &str, subject: &str, round: usize, rounds: usize, samples: &Samples) -> Watch {
        Watch {
            title: format!("{scenario} {}/{rounds} {subject}", round + 1)
                .trim_end()
                .to_owned(),
            count: samples.count(),
            begin: Instant::now(),
        }
    }

    fn report(&self, samples: &Samples, result: &io::Result<()>) {
        let secs = self.begin.elapsed().as_secs_f64();
        let figure = |it: &crate::samples::Sample| {
            let metric = it.metric.split_once('.').map_or("", |(_, metric)| metric);
            format!(" {metric}[{}]={}", it.subject, Short(it.value))
        };
        let figures: String = samples.since(self.count).iter().map(figure).collect();
        match result {
            Ok(()) => eprintln!("{} ({secs:.1} s):{figures}", self.title),
            Err(error) => eprintln!("{} ({secs:.1} s): failed: {error}", self.title),
        }
    }
}
