//! Sweeping `.resumed`: first what a crash left half done is repaired, then what has waited too long is removed.
//! What is not ours is left alone, and so is every upload that is being written.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::error::Error;
use super::id::Key;
use super::publish::Completed;
use super::record::{Hook, record_name};
use super::shelf::Shelf;
use super::upload::{Phase, State};

/// How long this server may take to write a record before the file is taken for left over.
const TEMPORARY_AGE: Duration = Duration::from_secs(60);

/// What a sweep did.
#[derive(Debug, Clone, Default)]
pub struct SweepReport {
    /// Uploads whose publishing had been cut, and is now done.
    pub published: Vec<Completed>,
    /// Partials removed, for no byte came in a long time.
    pub expired: usize,
    /// Records of finished uploads removed, for their time was up or the file was taken away.
    pub forgotten: usize,
    /// Half-written records removed.
    pub temporaries: usize,
    /// Entries left alone: not ours, or not readable.
    pub foreign: usize,
}

impl Shelf {
    /// Sweeps as of `now`. What fails is logged, and tried again by the next sweep.
    pub(super) fn sweep(self: &Arc<Self>, now: SystemTime) -> SweepReport {
        let mut report = SweepReport::default();
        let names = self.disk.list().unwrap_or_else(|error| {
            log::warn!("sweep: {error}");
            Vec::new()
        });
        let mut keys = BTreeSet::new();
        for name in names {
            if let Some(key) = Key::parse(name.strip_suffix(".json").unwrap_or(&name)) {
                keys.insert(key);
            } else if let Some(own) = self.disk.is_temporary(&name) {
                report.temporaries += usize::from(self.sweep_temporary(&name, own, now));
            } else {
                log::debug!("sweep: {name:?} is not ours, left alone");
                report.foreign += 1;
            }
        }
        for key in keys {
            if let Err(error) = self.sweep_upload(key, now, &mut report) {
                log::debug!("sweep: {key} is left alone: {error}");
                report.foreign += 1;
            }
        }
        report
    }

    /// The half-written record of a former server is left over for certain: this one has the lock.
    fn sweep_temporary(&self, name: &str, own: bool, now: SystemTime) -> bool {
        let old = || {
            self.disk
                .modified(name)
                .is_ok_and(|modified| is_older(modified, TEMPORARY_AGE, now))
        };
        (!own || old()) && self.disk.remove(name).is_ok()
    }

    fn sweep_upload(
        self: &Arc<Self>,
        key: Key,
        now: SystemTime,
        report: &mut SweepReport,
    ) -> Result<(), Error> {
        let entry = self.entry(key);
        let state = entry.look()?;
        let repair = state.is_publishing() && state.appends == 0;
        drop(state);
        if repair {
            report.published.extend(entry.publish()?.published);
            return Ok(());
        }
        let _changing = entry.changing();
        let mut state = entry.look()?;
        let complete = state.phase == Phase::Complete;
        if state.record.is_none() && state.data.is_none() {
            // Taken away, or a record whose writing was cut.
            self.disk.remove(&record_name(key))?;
            report.forgotten += 1;
        } else if state.appends == 0 && self.is_expired(key, &state, now)? {
            entry.discard(&mut state)?;
            *if complete {
                &mut report.forgotten
            } else {
                &mut report.expired
            } += 1;
        }
        Ok(())
    }

    /// By the age of the last byte received; without any, or when complete, of the record. A hook that is still to
    /// run keeps its record.
    fn is_expired(&self, key: Key, state: &State, now: SystemTime) -> Result<bool, Error> {
        if self.options.mark_hooks && state.hook() == Some(Hook::Due) {
            return Ok(false);
        }
        let name = if state.data.is_some() {
            key.to_string()
        } else {
            record_name(key)
        };
        Ok(is_older(
            self.disk.modified(&name)?,
            self.options.expire,
            now,
        ))
    }
}

/// Whether what was `modified` then is older than `age` now. What is gone, or from the future, is not.
fn is_older(modified: Option<SystemTime>, age: Duration, now: SystemTime) -> bool {
    modified.is_some_and(|modified| now.duration_since(modified).is_ok_and(|since| since > age))
}
