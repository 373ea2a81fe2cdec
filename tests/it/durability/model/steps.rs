//! Random sequences of steps, and their reduction.
//!
//! A step says only what a client intends. The offset in a request follows from the reference when the step is played,
//! so every part of a sequence is a sequence too. That makes the reduction a removal of steps, which needs no crate.

use super::super::crash::chance::Chance;

/// The number of uploads: [`SLOTS`].
pub(crate) const UPLOADS: usize = 9;

/// The longest file. Some files are longer than one read of the server, most are shorter.
const LENGTH_BITS: u32 = 17;

/// The most steps of a sequence.
const STEPS: u64 = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    FileId,
    Tus,
    Draft,
    Plain,
}

/// An upload of a client.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) dialect: Dialect,
    pub(crate) user: &'static str,
    /// The id, if the client makes it.
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// The first request declares the length, not the last.
    pub(crate) declares: bool,
}

/// Names and ids clash on purpose.
pub(crate) const SLOTS: [Slot; UPLOADS] = [
    slot(Dialect::FileId, "ann", "one", "a.bin", true),
    slot(Dialect::FileId, "bob", "one", "a.bin", true),
    slot(Dialect::FileId, "ann", "two", "b.bin", false),
    slot(Dialect::Tus, "ann", "", "a.bin", true),
    slot(Dialect::Tus, "bob", "", "b.bin", false),
    slot(Dialect::Draft, "ann", "", "c.bin", true),
    slot(Dialect::Draft, "bob", "", "c.bin", false),
    slot(Dialect::Plain, "ann", "b.bin", "b.bin", true),
    slot(Dialect::Plain, "bob", "d.bin", "d.bin", false),
];

const fn slot(
    dialect: Dialect,
    user: &'static str,
    id: &'static str,
    name: &'static str,
    declares: bool,
) -> Slot {
    Slot {
        dialect,
        user,
        id,
        name,
        declares,
    }
}

/// The files of the clients by their lengths, and the steps. Its `Debug` is the code of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) lengths: [u64; UPLOADS],
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Send(Send),
    Ask(usize),
    Delete(usize),
    Restart(Restart),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Send {
    pub(crate) slot: usize,
    /// The number of bytes, if so many are left.
    pub(crate) bytes: u64,
    pub(crate) at: At,
    pub(crate) chunked: bool,
    /// The connection breaks after so many bytes of the body.
    pub(crate) cut: Option<u64>,
    /// All bytes that are left, declared as the last.
    pub(crate) last: bool,
}

/// The begin of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Offset,
    Behind,
    Ahead,
    /// At the offset, with more bytes than the file has.
    Beyond,
}

/// A stop, and the start of the next server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Restart {
    /// The seconds since 1970 at which every file in `.resumed` was changed: the clock was wrong.
    pub(crate) dated: Option<u64>,
    /// The disk has no space for a further byte.
    pub(crate) full: bool,
}

impl Sequence {
    pub(crate) fn random(chance: &mut Chance) -> Sequence {
        let lengths = [0; UPLOADS].map(|_| chance.of_any_size(LENGTH_BITS));
        let count = chance.below(STEPS) + 1;
        let steps = (0..count).map(|_| Step::random(chance)).collect();
        Sequence { lengths, steps }
    }

    /// Returns the shortest sequence found that still fails, and its failure.
    pub(crate) fn reduced(
        mut self,
        mut failure: String,
        fails: impl Fn(&Sequence) -> Option<String>,
    ) -> (Sequence, String) {
        let mut size = self.steps.len();
        while size > 0 {
            let mut at = 0;
            while at < self.steps.len() {
                let mut shorter = self.clone();
                let end = (at + size).min(shorter.steps.len());
                shorter.steps.drain(at..end);
                match fails(&shorter) {
                    Some(reason) => (self, failure) = (shorter, reason),
                    None => at += size,
                }
            }
            size /= 2;
        }
        (self, failure)
    }
}

impl Step {
    fn random(chance: &mut Chance) -> Step {
        let slot = chance.below(UPLOADS as u64) as usize;
        match chance.below(20) {
            0 | 1 => Step::Restart(Restart::random(chance)),
            2 => Step::Delete(slot),
            3..=5 => Step::Ask(slot),
            _ => Step::Send(Send::random(slot, chance)),
        }
    }
}

impl Send {
    fn random(slot: usize, chance: &mut Chance) -> Send {
        let bytes = chance.of_any_size(LENGTH_BITS);
        let at = match chance.below(10) {
            0 => At::Behind,
            1 => At::Ahead,
            2 => At::Beyond,
            _ => At::Offset,
        };
        Send {
            slot,
            bytes,
            at,
            chunked: chance.one_in(3),
            cut: (chance.one_in(3)).then(|| chance.below(bytes + 1)),
            last: chance.one_in(3),
        }
    }
}

/// The second day of 1970, and a day in 2040.
const WRONG: [u64; 2] = [86_400, 2_210_000_000];

impl Restart {
    fn random(chance: &mut Chance) -> Restart {
        let dated = WRONG.get(chance.below(4) as usize).copied();
        let full = chance.one_in(6);
        Restart { dated, full }
    }
}
