//! Sweeping `.resumed`: first what a crash left half done is repaired, then what has waited too long is removed.
//! What is not ours is left alone, and so is every upload that is being written.
//!
//! Names are taken as they come, never all at once, and of most uploads a glance shows that there is nothing to do.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::store::error::Error;
use crate::store::fs::record::{Hook, Record};
use crate::store::id::Key;
use crate::store::options::Sharing;
use crate::store::upload::completed::Completed;
use crate::store::upload::registry::Registry;
use crate::store::upload::state::{Phase, State};

/// How long this server may take to write a record before the file is taken for left over.
const TEMPORARY_AGE: Duration = Duration::from_secs(60);

/// What a sweep did.
#[derive(Debug, Clone, Default)]
pub struct SweepReport {
    /// Full uploads that this sweep published.
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

impl Registry {
    /// Sweeps as of `now`. What fails is logged, and tried again by the next sweep.
    pub(crate) fn sweep(self: &Arc<Self>, now: SystemTime) -> SweepReport {
        self.disk.warn_of_ext4();
        let mut report = SweepReport::default();
        let is_complete = self.sweep_names(now, &mut report);
        report.forgotten += self.sweep_lines(now);
        if is_complete {
            self.doubt_no_more();
        }
        report
    }

    /// Sweeps the journal, unless it cannot be read. Where a file was taken away shows when its upload is looked at.
    fn sweep_lines(&self, now: SystemTime) -> usize {
        let is_due = |text: &[u8], key| {
            let record = Record::parse(text, key).ok().flatten();
            self.options.mark_hooks && record.is_some_and(|record| record.hook() == Some(Hook::Due))
        };
        let swept = self.disk.sweep_journal(self.options.expire, now, is_due);
        let swept = swept.inspect_err(|error| log::warn!("sweep: the journal: {error}"));
        swept.unwrap_or_default()
    }

    /// Sweeps every name in `.resumed`. Returns whether all names were read, and none is left to power-loss recovery.
    fn sweep_names(self: &Arc<Self>, now: SystemTime, report: &mut SweepReport) -> bool {
        let swept = self.disk.names().and_then(|mut names| {
            names.try_fold(true, |all, name| {
                Ok(self.sweep_name(&name?, now, report) && all)
            })
        });
        let swept = swept.inspect_err(|error| log::warn!("sweep: {error}"));
        swept.unwrap_or(false)
    }

    /// Whether what is under this name was looked at, or is no concern of ours.
    fn sweep_name(self: &Arc<Self>, name: &str, now: SystemTime, report: &mut SweepReport) -> bool {
        let record = name.strip_suffix(".json");
        if let Some(key) = Key::parse(record.unwrap_or(name)) {
            let swept = if record.is_some() {
                self.sweep_record(key, now, report)
            } else {
                self.sweep_data(key, now, report)
            };
            if let Err(error) = swept {
                log::debug!("sweep: {key} is left alone: {error}");
                report.foreign += 1;
                return is_not_ours(&error);
            }
        } else if let Some(own) = self.disk.is_temporary(name) {
            report.temporaries += usize::from(self.sweep_temporary(name, own, now));
        } else {
            log::debug!("sweep: {name:?} is not ours, left alone");
            report.foreign += 1;
        }
        true
    }

    fn sweep_data(
        self: &Arc<Self>,
        key: Key,
        now: SystemTime,
        report: &mut SweepReport,
    ) -> Result<(), Error> {
        if self.is_waiting(key, now).unwrap_or(false) {
            return Ok(());
        }
        self.sweep_upload(key, now, report)
    }

    /// Where bytes are held too, their name is the one that counts.
    fn sweep_record(
        self: &Arc<Self>,
        key: Key,
        now: SystemTime,
        report: &mut SweepReport,
    ) -> Result<(), Error> {
        if self.disk.modified(&key.to_string())?.is_some() {
            return Ok(());
        }
        self.sweep_upload(key, now, report)
    }

    /// Whether a partial only waits for its next byte, by a glance from outside.
    fn is_waiting(&self, key: Key, now: SystemTime) -> io::Result<bool> {
        let Some((modified, length)) = self.disk.stat(&key.to_string())? else {
            return Ok(false);
        };
        if is_older(Some(modified), self.options.expire, now) || self.is_unsure_of(key)? {
            return Ok(false);
        }
        let record = self.disk.load_record(key)?;
        let record = record.map(|(text, _)| Record::parse(&text, key));
        let record = record.transpose()?;
        Ok(record
            .flatten()
            .is_none_or(|record| record.publishing.is_none() && record.length != Some(length)))
    }

    /// The half-written record of a former server is left over for certain, if this one has the lock for itself.
    fn sweep_temporary(&self, name: &str, own: bool, now: SystemTime) -> bool {
        let old = || {
            self.disk
                .modified(name)
                .is_ok_and(|modified| is_older(modified, TEMPORARY_AGE, now))
        };
        let others_may_write = own || self.options.sharing == Sharing::Shared;
        (!others_may_write || old()) && self.disk.remove(name).is_ok()
    }

    fn sweep_upload(
        self: &Arc<Self>,
        key: Key,
        now: SystemTime,
        report: &mut SweepReport,
    ) -> Result<(), Error> {
        let entry = self.entry(key);
        let state = entry.look()?;
        let is_due = state.is_full() && state.appends == 0;
        drop(state);
        if is_due {
            match entry.publish() {
                Ok(finished) => {
                    report.published.extend(finished.published);
                    return Ok(());
                }
                // The upload expires like any other partial.
                Err(Error::NotPublished(_)) => {}
                Err(Error::DigestDiffers | Error::Differs(_) | Error::Superseded) => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        let _changing = entry.changing()?;
        let mut state = entry.look()?;
        let complete = state.phase == Phase::Complete;
        if state.record.is_none() && state.data.is_none() {
            // Taken away, or a record whose writing was cut.
            self.disk.remove_record(key)?;
            report.forgotten += 1;
        } else if state.appends == 0 && self.is_expired(key, &state, now)? {
            if !complete && state.is_full() {
                log::warn!(
                    "{key}: the upload could not be published and has expired; its bytes are removed"
                );
            }
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
        Ok(is_older(
            self.last_change(key, state)?,
            self.options.expire,
            now,
        ))
    }
}

/// Whether what lies there is no upload of this version, rather than one that the disk did not give out.
fn is_not_ours(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::InvalidData)
}

/// Whether what was `modified` then is older than `age` now. What is gone, or from the future, is not.
fn is_older(modified: Option<SystemTime>, age: Duration, now: SystemTime) -> bool {
    modified.is_some_and(|modified| now.duration_since(modified).is_ok_and(|since| since > age))
}
