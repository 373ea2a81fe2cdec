//! The states of a disk that a crash may leave, by the promises of a file system.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ptr;

use super::super::chance::Chance;
use super::image::{Effect, Image, Ino};
use super::record::{Log, Step};

/// The promises of a file system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Model {
    /// A killed process: the disk has all changes.
    Kill,
    /// ext4 in ordered mode. Changes of names, attributes and lengths reach the disk in their order, bytes before the
    /// length that includes them. The bytes of a partly filled block may come later than the length.
    Ext4,
    /// xfs: the same order. Bytes reach the disk in any order, so zeros may stand for the earlier ones.
    Xfs,
    /// btrfs: all changes up to some moment. Later ones only if a sync covers them; a sync of a file includes its names.
    Btrfs,
    /// Any unsynced change is there or not, in part or with zeros. A rename loses no file: the new name is there, or
    /// the old one, or both. A sync of a file includes its name.
    Renames,
    /// The same, but a sync of a file or directory says nothing of any other one.
    Posix,
}

pub(super) const POWER_LOSSES: [Model; 5] = [
    Model::Ext4,
    Model::Xfs,
    Model::Btrfs,
    Model::Renames,
    Model::Posix,
];

/// The bytes that a disk writes as a whole.
const BLOCK: u64 = 4096;

/// All combinations are tried of so many: ten changes that are there or not.
const COMBINATIONS: usize = 1 << 10;

/// A call, as far as the disk may have it: the first choice is all of it, the second one nothing.
struct Unit<'l> {
    choices: Vec<Choice<'l>>,
    is_log: bool,
}

type Choice<'l> = Vec<Part<'l>>;

enum Part<'l> {
    Whole(&'l Effect),
    Torn(Effect),
}

/// The syncs of the first steps of a log.
struct Synced {
    /// By file or directory: the number of steps that a sync covers; the second number is for `fsync` only.
    covers: BTreeMap<Ino, (usize, usize)>,
}

impl Synced {
    fn of(steps: &[Step]) -> Synced {
        let mut synced = BTreeMap::<Ino, (usize, usize)>::new();
        for step in steps {
            if let Step::Sync {
                node,
                covers,
                is_whole,
            } = step
            {
                let known = synced.entry(*node).or_default();
                known.0 = known.0.max(*covers);
                known.1 = if *is_whole {
                    known.1.max(*covers)
                } else {
                    known.1
                };
            }
        }
        Synced { covers: synced }
    }

    /// Returns whether a sync covers the effect of the step `at`.
    fn has(&self, at: usize, effect: &Effect) -> bool {
        let (any, whole) = self.covers.get(&effect.node()).copied().unwrap_or_default();
        match effect {
            Effect::Attr { .. } => at < whole,
            _ => at < any,
        }
    }

    /// Returns whether a sync of the file covers its name.
    fn has_name(&self, at: usize, effect: &Effect) -> bool {
        let Effect::Name { to: Some(file), .. } = effect else {
            return false;
        };
        self.covers.get(file).is_some_and(|(_, whole)| at < *whole)
    }
}

/// Takes states: each one, or one of some.
pub(super) struct Visitor<'v> {
    pub(super) one_in: u64,
    pub(super) chance: &'v mut Chance,
    /// Combinations that were built before, with the same answers.
    pub(super) built: &'v mut HashSet<u64>,
    pub(super) see: &'v mut dyn FnMut(Image),
}

/// Visits the states that a crash after these steps may leave. States may come more than once.
///
/// After a power loss, all states that miss the last change are states before it. So only the moments before a sync, a
/// request or a response have new states.
pub(super) fn states(model: Model, log: &Log, steps: usize, visitor: &mut Visitor<'_>) {
    let next = log.steps.get(steps);
    let is_change = |step: Option<&Step>| matches!(step, Some(Step::Change(_)));
    if model != Model::Kill && is_change(next) {
        return;
    }
    let steps = &log.steps[..steps];
    let synced = Synced::of(steps);
    let changes: Vec<(usize, &[Effect])> = steps
        .iter()
        .enumerate()
        .filter_map(|(at, step)| match step {
            Step::Change(effects) => Some((at, &effects[..])),
            _ => None,
        })
        .collect();
    let mut build = |units: Vec<Unit<'_>>| each_combination(log, &units, visitor);
    match model {
        Model::Kill => build(
            changes
                .iter()
                .map(|(_, effects)| certain(effects))
                .collect(),
        ),
        Model::Renames | Model::Posix => build(unordered(model, &changes, &synced)),
        Model::Ext4 | Model::Xfs => {
            let least = ordered_to(steps, &changes);
            for end in least..=steps.len() {
                // Each end after a change, and the least one.
                if end == least || matches!(steps[end - 1], Step::Change(_)) {
                    build(journaled(model, &changes, &synced, end));
                }
            }
        }
        Model::Btrfs => {
            for end in 0..=steps.len() {
                if end == 0 || matches!(steps[end - 1], Step::Change(_)) {
                    build(committed(&changes, &synced, end, true));
                    build(committed(&changes, &synced, end, false));
                }
            }
        }
    }
}

fn whole(effect: &Effect) -> Part<'_> {
    Part::Whole(effect)
}

fn certain(effects: &[Effect]) -> Unit<'_> {
    Unit {
        choices: vec![effects.iter().map(whole).collect()],
        is_log: false,
    }
}

fn is_data(effects: &[Effect]) -> bool {
    matches!(effects, [Effect::Write { .. }])
}

/// Any changes that no sync covers.
fn unordered<'l>(
    model: Model,
    changes: &[(usize, &'l [Effect])],
    synced: &Synced,
) -> Vec<Unit<'l>> {
    let is_covered = |at, effect: &Effect| {
        synced.has(at, effect) || model == Model::Renames && synced.has_name(at, effect)
    };
    let unit = |&(at, effects): &(usize, &'l [Effect])| match effects {
        // A rename: the new name, and the removal of the old one.
        [new, old] => {
            let mut choices = vec![vec![whole(new), whole(old)]];
            match (is_covered(at, new), synced.has(at, old)) {
                (true, true) => {}
                (false, true) if model == Model::Posix => choices.push(vec![whole(old)]),
                (false, true) => {}
                (true, false) => choices.push(vec![whole(new)]),
                (false, false) => choices.extend([Vec::new(), vec![whole(new)]]),
            }
            Unit {
                choices,
                is_log: false,
            }
        }
        [effect] if is_covered(at, effect) => certain(effects),
        [effect] => {
            let mut unit = perhaps(effect);
            unit.choices.extend(torn(effect, true));
            unit
        }
        _ => unreachable!("a call changes one or two names"),
    };
    changes.iter().map(unit).collect()
}

/// A change that is there or not.
fn perhaps(effect: &Effect) -> Unit<'_> {
    let is_log = matches!(effect, Effect::Write { bytes, .. } if is_entry(bytes));
    Unit {
        choices: vec![vec![whole(effect)], Vec::new()],
        is_log,
    }
}

/// Returns whether bytes are an entry of the completion log: a key, perhaps a record, and the end of a line.
fn is_entry(bytes: &[u8]) -> bool {
    bytes.len() > 32 && bytes.ends_with(b"\n") && bytes[..32].iter().all(u8::is_ascii_hexdigit)
}

/// Returns the ways in which the blocks of a write reach the disk in part; with `zeros`, its length alone too.
fn torn(effect: &Effect, zeros: bool) -> Vec<Choice<'_>> {
    let Effect::Write { file, at, bytes } = effect else {
        return Vec::new();
    };
    let (file, at, end) = (*file, *at, *at + bytes.len() as u64);
    let part = |from: u64, to: u64| {
        let bytes = bytes[(from - at) as usize..(to - at) as usize].into();
        Part::Torn(Effect::Write {
            file,
            at: from,
            bytes,
        })
    };
    let mut choices = Vec::new();
    let block = |at: u64| at / BLOCK * BLOCK;
    let (first, last) = (block(at) + BLOCK, block(end - 1));
    if first < end {
        choices.push(vec![part(at, first)]);
        choices.push(vec![part(last.max(at), end)]);
    }
    if last > first {
        choices.push(vec![part(at, last)]);
        choices.push(vec![part(first, end)]);
    }
    if zeros {
        choices.push(vec![Part::Torn(Effect::AtLeast { file, length: end })]);
    }
    choices
}

/// Returns the number of steps whose names, attributes and lengths are on the disk: a sync writes the journal up to the
/// last change of its file.
fn ordered_to(steps: &[Step], changes: &[(usize, &[Effect])]) -> usize {
    let mut least = 0;
    for step in steps {
        let Step::Sync { node, covers, .. } = step else {
            continue;
        };
        let touches = |effect: &Effect| {
            effect.node() == *node
                || matches!(effect, Effect::Name { to, .. } if *to == Some(*node))
        };
        let covered = changes.iter().take_while(|(at, _)| at < covers);
        let last = covered
            .filter(|(_, effects)| effects.iter().any(touches))
            .last();
        least = least.max(last.map_or(0, |(at, _)| at + 1));
    }
    least
}

/// The names, attributes and lengths of the first `end` steps, and any bytes.
fn journaled<'l>(
    model: Model,
    changes: &[(usize, &'l [Effect])],
    synced: &Synced,
    end: usize,
) -> Vec<Unit<'l>> {
    let mut units = Vec::new();
    // On ext4: the unsynced writes of a file, in their order.
    let mut rows: BTreeMap<Ino, (usize, Vec<&'l Effect>)> = BTreeMap::new();
    for &(at, effects) in changes {
        let [effect @ Effect::Write { file, .. }] = effects else {
            if at < end {
                units.push((at, certain(effects)));
            }
            continue;
        };
        if synced.has(at, effect) {
            units.push((at, certain(effects)));
        } else if model == Model::Ext4 {
            let (last, row) = rows.entry(*file).or_default();
            *last = at;
            row.push(effect);
        } else {
            let mut unit = perhaps(effect);
            unit.choices.extend(torn(effect, false));
            units.push((at, unit));
        }
    }
    for (last, row) in rows.into_values() {
        units.push((last, in_a_row(&row)));
    }
    units.sort_by_key(|(at, _)| *at);
    units.into_iter().map(|(_, unit)| unit).collect()
}

/// The writes of one file: the first ones, the last of them perhaps torn. The rest of a block that was partly filled
/// may be zeros.
fn in_a_row<'l>(row: &[&'l Effect]) -> Unit<'l> {
    let before = match row {
        [Effect::Write { at, .. }, ..] => *at,
        _ => unreachable!("a row has writes"),
    };
    let mut choices: Vec<Choice<'l>> = vec![row.iter().copied().map(whole).collect(), Vec::new()];
    for count in 1..=row.len() {
        let first = || -> Choice<'l> { row[..count - 1].iter().copied().map(whole).collect() };
        choices.push(
            [first(), vec![whole(row[count - 1])]]
                .into_iter()
                .flatten()
                .collect(),
        );
        for torn in torn(row[count - 1], false).into_iter().step_by(2) {
            choices.push(first().into_iter().chain(torn).collect());
        }
        let Effect::Write { file, at, bytes } = row[count - 1] else {
            continue;
        };
        let (end, block) = (at + bytes.len() as u64, before.div_ceil(BLOCK) * BLOCK);
        if before < block {
            let zeros = vec![0; (block.min(end) - before) as usize].into();
            let (file, at) = (*file, before);
            let last = [
                whole(row[count - 1]),
                Part::Torn(Effect::Write {
                    file,
                    at,
                    bytes: zeros,
                }),
            ];
            choices.push(first().into_iter().chain(last).collect());
        }
    }
    Unit {
        choices,
        is_log: row.iter().any(|effect| perhaps(effect).is_log),
    }
}

/// The first `end` steps, and later ones that a sync covers. `is_flushed`: with the unsynced bytes of these steps.
fn committed<'l>(
    changes: &[(usize, &'l [Effect])],
    synced: &Synced,
    end: usize,
    is_flushed: bool,
) -> Vec<Unit<'l>> {
    let mut units = Vec::new();
    for &(at, effects) in changes {
        let is_early = at < end && (is_flushed || !is_data(effects));
        let is_covered = |effect: &Effect| synced.has(at, effect) || synced.has_name(at, effect);
        match effects {
            _ if is_early => units.push(certain(effects)),
            [new, old] if synced.has(at, old) || is_covered(new) && new.node() == old.node() => {
                units.push(certain(effects));
            }
            [new, _] if is_covered(new) => units.push(Unit {
                choices: vec![vec![whole(new)]],
                is_log: false,
            }),
            [effect] if is_covered(effect) => units.push(certain(effects)),
            _ => {}
        }
    }
    units
}

/// Builds the states of all combinations of choices. Of too many, builds those in which the first calls are there; one
/// is missing; one alone is there; the last one is torn. Tears entries of the log at each byte.
fn each_combination(log: &Log, units: &[Unit<'_>], visitor: &mut Visitor<'_>) {
    let open: Vec<usize> = (0..units.len())
        .filter(|unit| units[*unit].choices.len() > 1)
        .collect();
    let counts = open.iter().map(|unit| units[*unit].choices.len());
    let product = counts.clone().try_fold(1, usize::checked_mul);
    let mut chosen = vec![0; units.len()];
    let mut base = log.initial.clone();
    let certain = open.first().copied().unwrap_or(units.len());
    let mut first = DefaultHasher::new();
    for unit in &units[..certain] {
        apply(&mut base, &unit.choices[0]);
        hash(&unit.choices[0], &mut first);
    }
    let mut build = |chosen: &[usize], tear: Option<(usize, &Effect)>| {
        if !visitor.chance.one_in(visitor.one_in) {
            return;
        }
        let mut hasher = first.clone();
        for (at, unit) in units.iter().enumerate().skip(certain) {
            hash(&unit.choices[chosen[at]], &mut hasher);
        }
        if let Some((_, effect)) = tear {
            hash_torn(effect, &mut hasher);
        }
        if !visitor.built.insert(hasher.finish()) {
            return;
        }
        let mut image = base.clone();
        for (at, unit) in units.iter().enumerate().skip(certain) {
            match tear {
                Some((torn, effect)) if torn == at => image.apply(effect),
                _ => apply(&mut image, &unit.choices[chosen[at]]),
            }
        }
        (visitor.see)(image);
    };
    match product {
        Some(product) if product <= COMBINATIONS => {
            for mut number in 0..product {
                for unit in &open {
                    let count = units[*unit].choices.len();
                    chosen[*unit] = number % count;
                    number /= count;
                }
                build(&chosen, None);
            }
        }
        _ => some_combinations(units, &open, &mut |chosen| build(chosen, None)),
    }
    for unit in open.iter().filter(|unit| units[**unit].is_log) {
        let [Part::Whole(entry @ Effect::Write { .. })] = &units[*unit].choices[0][..] else {
            continue;
        };
        for others in [0, 1] {
            chosen.fill(0);
            open.iter().for_each(|unit| chosen[*unit] = others);
            cuts(entry, &mut |cut| build(&chosen, Some((*unit, cut))));
        }
    }
}

fn apply(image: &mut Image, choice: &Choice<'_>) {
    for part in choice {
        match part {
            Part::Whole(effect) => image.apply(effect),
            Part::Torn(effect) => image.apply(effect),
        }
    }
}

/// Hashes the calls, not their bytes: the effects of a log stay where they are.
fn hash(choice: &Choice<'_>, hasher: &mut DefaultHasher) {
    for part in choice {
        match part {
            Part::Whole(effect) => ptr::hash(*effect, hasher),
            Part::Torn(effect) => hash_torn(effect, hasher),
        }
    }
}

fn hash_torn(effect: &Effect, hasher: &mut DefaultHasher) {
    match effect {
        Effect::Write { file, at, bytes } => {
            let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
            (file, at, bytes.len(), zeros).hash(hasher);
        }
        Effect::AtLeast { file, length } => (file, length, "zeros").hash(hasher),
        _ => unreachable!("only writes are torn"),
    }
}

fn some_combinations(units: &[Unit<'_>], open: &[usize], see: &mut dyn FnMut(&[usize])) {
    let mut chosen = vec![0; units.len()];
    for (at, unit) in open.iter().enumerate() {
        let (first, rest) = open.split_at(at);
        for choice in 0..units[*unit].choices.len() {
            // The first ones; then this one in each way, alone, beside all others, and last.
            for (before, after) in [(0, 1), (1, 1), (0, 0)] {
                first.iter().for_each(|unit| chosen[*unit] = before);
                rest.iter().for_each(|unit| chosen[*unit] = after);
                chosen[*unit] = choice;
                see(&chosen);
            }
        }
    }
}

/// Calls `see` with the first bytes of a write, of each number, and the same with zeros for the rest.
fn cuts(entry: &Effect, see: &mut dyn FnMut(&Effect)) {
    let Effect::Write { file, at, bytes } = entry else {
        return;
    };
    let (file, at) = (*file, *at);
    for length in 1..bytes.len() {
        let cut = &bytes[..length];
        let mut zeros = cut.to_vec();
        zeros.resize(bytes.len(), 0);
        for bytes in [cut.into(), zeros.into()] {
            see(&Effect::Write { file, at, bytes });
        }
    }
}
