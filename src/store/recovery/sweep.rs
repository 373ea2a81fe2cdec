//! The sweep of `.resumed`: publishes full uploads, removes what has expired, and ends the recovery after a power loss.
//!
//! Leaves alone foreign files and every upload with an open append. Names are read one by one.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::store::error::Error;
use crate::store::fs::record::{Hook, Record};
use crate::store::id::Key;
use crate::store::options::Sharing;
use crate::store::recovery::power_loss;
use crate::store::upload::completed::Completed;
use crate::store::upload::registry::{Registry, UploadHandle};
use crate::store::upload::state::State;

/// A temporary file of a record is removed at this age: no server takes so long to write a record.
const TEMPORARY_AGE: Duration = Duration::from_secs(60);

/// The result of a sweep.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SweepReport {
    /// Full uploads that this sweep published.
    pub published: Vec<Completed>,
    /// The number of removed partial uploads: no byte came for a long time.
    pub expired: usize,
    /// The number of removed records of complete uploads: they expired, or their file was removed.
    pub forgotten: usize,
    /// The number of removed temporary files.
    pub temporaries: usize,
    /// The number of files left alone: foreign or unreadable.
    pub foreign: usize,
}

/// Sweeps. Logs every failure; the next sweep tries again.
pub(crate) fn sweep(registry: &Arc<Registry>) -> SweepReport {
    registry.disk.warn_of_ext4();
    let report = SweepReport::default();
    let mut sweep = Sweep {
        registry,
        report,
        has_uploads: false,
    };
    // Under a clock that begins anew at each start, a time of this run may also be in an earlier run. After a power loss,
    // the latest saved run counts.
    if registry.clock.is_continued() {
        registry.save_clock();
    }
    registry.accounts.begin_sweep();
    let mut all_swept = false;
    match sweep.sweep_names() {
        Ok(all_recovered) => {
            // Other servers create files that this one does not see.
            if registry.coordination.is_none() {
                registry.files.complete();
            }
            if all_recovered {
                power_loss::end(registry);
            }
            all_swept = all_recovered;
        }
        Err(error) => log::warn!("sweep: cannot read the directory: {error}"),
    }
    all_swept &= sweep.sweep_log();
    if all_swept {
        sweep.sweep_index();
    }
    if sweep.has_uploads || registry.has_logged() {
        registry.save_clock();
    }
    sweep.report
}

struct Sweep<'a> {
    registry: &'a Arc<Registry>,
    report: SweepReport,
    /// True if `.resumed` has a file of an upload.
    has_uploads: bool,
}

impl Sweep<'_> {
    /// Sweeps every file in `.resumed`. Returns false if one may still need recovery after a power loss.
    fn sweep_names(&mut self) -> io::Result<bool> {
        let mut all_recovered = true;
        for name in self.registry.disk.names()? {
            all_recovered &= self.sweep_name(&name?);
        }
        Ok(all_recovered)
    }

    /// Removes expired records from the log, and counts the others. Returns false if the log cannot be read.
    fn sweep_log(&mut self) -> bool {
        let options = &self.registry.options;
        let is_due = |text: &[u8], key| options.mark_hooks && Record::is_due(text, key);
        let is_older = |name: &str, changed, age| self.is_older(name, changed, age);
        let swept = (self.registry.log).sweep(options.expire, is_older, is_due);
        let counted = swept.and_then(|forgotten| {
            self.report.forgotten += forgotten;
            self.count_log()
        });
        if let Err(error) = &counted {
            log::warn!("sweep: cannot read the log: {error}");
        }
        counted.is_ok()
    }

    /// Removes uploads from the index that the sweep has not found: another server has removed them, or they were in an
    /// expired segment of the log. An upload that has no files yet stays.
    fn sweep_index(&self) {
        for key in self.registry.accounts.not_updated() {
            let upload = self.registry.upload(key);
            match upload.load() {
                Ok(state) if !state.is_known() => self.registry.accounts.remove(key),
                Ok(state) => self.correct_complete(&state),
                Err(error) => log::debug!("sweep: {key} stays counted: {error}"),
            }
        }
    }

    fn correct_complete(&self, state: &State) {
        if let (Some(record), true) = (state.record(), state.is_complete()) {
            (self.registry.accounts).correct_complete(&record.id, state.offset());
        }
    }

    /// Counts the complete uploads of the log, if there is a quota.
    fn count_log(&self) -> io::Result<()> {
        let accounts = &self.registry.accounts;
        if !accounts.counts_complete() {
            return Ok(());
        }
        self.registry.log.each(|key, text| {
            if let Ok(Some(record)) = Record::parse(text, key) {
                accounts.set_complete(&record.id, record.length.unwrap_or_default());
            }
        })
    }

    fn sweep_name(&mut self, name: &str) -> bool {
        let record = name.strip_suffix(".json");
        let disk = &self.registry.disk;
        if let Some(key) = Key::parse(record.unwrap_or(name)) {
            self.registry.files.found(key);
            self.has_uploads = true;
            let swept = match record {
                Some(_) => self.sweep_record(key),
                None => self.sweep_upload(key),
            };
            if let Err(error) = swept {
                log::debug!("sweep: {key} is left alone: {error}");
                self.report.foreign += 1;
                return is_foreign(&error);
            }
        } else if let Some(is_own) = disk.is_temporary(name) {
            self.report.temporaries += usize::from(self.sweep_temporary(name, is_own));
        } else {
            log::debug!("sweep: {name:?} is not of this server, left alone");
            self.report.foreign += 1;
        }
        true
    }

    /// Sweeps an upload without a data file. One with a data file is swept under the name of that file.
    fn sweep_record(&mut self, key: Key) -> Result<(), Error> {
        match self.registry.disk.modified(&key.to_string())? {
            Some(_) => Ok(()),
            None => self.sweep_upload(key),
        }
    }

    /// Removes the temporary file of a record, if no server can be writing it. This server may write its own at any age:
    /// the disk can be slow.
    fn sweep_temporary(&self, name: &str, is_own: bool) -> bool {
        let disk = &self.registry.disk;
        let may_be_written = self.registry.options.sharing == Sharing::Shared;
        let is_old = || {
            let modified = disk.modified(name);
            let is_older = |changed| self.is_older(name, changed, TEMPORARY_AGE);
            modified.is_ok_and(|modified| modified.is_some_and(is_older))
        };
        !is_own && (!may_be_written || is_old()) && disk.remove(name).is_ok()
    }

    fn sweep_upload(&mut self, key: Key) -> Result<(), Error> {
        let upload = self.registry.upload(key);
        let state = upload.load()?;
        let is_due = state.is_full() && !state.has_appends();
        drop(state);
        if is_due {
            match upload.publish() {
                Ok(finished) => {
                    self.report.published.extend(finished.published);
                    return Ok(());
                }
                // The upload expires like any other partial.
                Err(Error::NotPublished(_)) => {}
                Err(Error::DigestDiffers | Error::Differs(_) | Error::Superseded) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let _changing = upload.lock_change()?;
        let mut state = upload.load()?;
        if !state.is_known() {
            // The file was removed, or the writing of the record was interrupted.
            self.registry.remove_record(key)?;
            self.registry.accounts.remove(key);
            self.report.forgotten += 1;
        } else if !state.has_appends() && self.is_expired(&upload, &state)? {
            match state.is_complete() {
                true => self.report.forgotten += 1,
                false => self.report.expired += 1,
            }
            if state.is_full() {
                log::warn!(
                    "{key}: the upload could not be published and has expired; its bytes are removed"
                );
            }
            upload.delete(&mut state)?;
        } else {
            self.correct_complete(&state);
            upload.count_partial(&state);
        }
        Ok(())
    }

    /// Returns whether the upload has expired. A hook that has not run keeps its record.
    fn is_expired(&self, upload: &UploadHandle, state: &State) -> Result<bool, Error> {
        let options = &self.registry.options;
        if options.mark_hooks && state.hook() == Some(Hook::Due) {
            return Ok(false);
        }
        let (name, last_change) = upload.last_change(state)?;
        let is_older = |changed| self.is_older(&name, changed, upload.lifetime(state));
        Ok(last_change.is_some_and(is_older))
    }

    /// Returns whether the file `name` was last changed more than `age` ago. A file of unknown age is dated anew: it may
    /// have been changed just now, under a wrong clock.
    fn is_older(&self, name: &str, changed: SystemTime, age: Duration) -> bool {
        let since = self.registry.clock.age(changed);
        if since.is_none() {
            let dated = self.registry.disk.date_anew(name);
            log::debug!("sweep: {name} has a time of an unknown clock, dated anew: {dated:?}");
        }
        since.is_some_and(|since| since > age)
    }
}

/// Returns whether the files are not of this version, and not unreadable because of the disk.
fn is_foreign(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::InvalidData)
}
