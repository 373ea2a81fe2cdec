//! Publishing: a complete upload gets its name, at once, whole, and over nothing else.
//!
//! The order is: bytes durable; record says "publishing as NAME", durable; rename; both directories durable; answer.
//! Cut anywhere, the next look at the upload sees how far it came, and carries on here.

use std::io;
use std::sync::Arc;

use rustix::io::Errno;

use crate::store::error::Error;
use crate::store::fs::copy::Copy;
use crate::store::fs::filename::{FilePath, NAME_MAX, Wanted};
use crate::store::fs::record::{Hook, Publishing, Record};
use crate::store::fs::spelling::{Refusal, Spelling};
use crate::store::obstacle::{Obstacle, ObstacleKind};
use crate::store::options::OnConflict;
use crate::store::upload::completed::Completed;
use crate::store::upload::info::Expiry;
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::request::{AppendRequest, Digest};
use crate::store::upload::state::{Phase, Progress, State};

/// How an append ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// What is held, durably.
    pub held: Progress,
    /// The file, when it was this call that published it.
    pub published: Option<Completed>,
    /// When what is held is forgotten if nothing more comes; `None` once it is complete.
    pub expires: Option<Expiry>,
    /// What the complete file hashes to, where that is known.
    pub sha256: Option<Digest>,
    /// `None` if this append declared no CRC-32. True if the CRC-32 is that of the complete file. False if the server
    /// knows none, because no request had asked for it before the file was complete.
    pub is_compared: Option<bool>,
}

impl UploadHandle {
    /// Returns the bytes held, durably. Publishes a full upload first, and returns the finished file.
    pub(crate) fn held(&self) -> Result<(Progress, Option<Completed>), Error> {
        let mut published = None;
        loop {
            let state = self.look()?;
            if self.is_settled(&state) {
                return Ok((state.held(), published));
            }
            let is_full = state.is_full();
            drop(state);
            let settled = if is_full {
                match self.publish() {
                    Ok(finished) => {
                        published = finished.published.or(published);
                        Ok(Some(finished.held))
                    }
                    // The file was published and removed in the meantime, or its digest was wrong.
                    Err(Error::Superseded | Error::DigestDiffers | Error::Differs(_)) => Ok(None),
                    Err(error) => Err(error),
                }
            } else {
                // A full disk may have no room for a record. What is held is held without one.
                match self.save_record() {
                    Ok(()) | Err(Error::StorageFull(_) | Error::FileTooLarge(_)) => {
                        self.settle_bytes()
                    }
                    Err(error) => Err(error),
                }
            };
            if let Some(held) = settled? {
                return Ok((held, published));
            }
        }
    }

    /// Publishes what is held, which must be all there will be. Who comes second hears that it is complete.
    ///
    /// # Errors
    /// `Superseded` if the upload is no longer full: a failed sync of another request lost bytes, or it was cancelled.
    /// `DigestDiffers`: the upload is removed. `NotPublished`, `Displaced`: it is not changed.
    pub(crate) fn publish(&self) -> Result<Finished, Error> {
        let published = self.publish_in_place();
        if let Err(Error::NotPublished(_) | Error::Displaced(_)) = published {
            // The declared length may be in memory only. A later server needs it to see that the upload is full.
            let kept = self.settle().map(drop);
            kept.unwrap_or_else(|error| {
                log::debug!("{}: cannot store the record: {error}", self.key)
            });
        }
        published
    }

    fn publish_in_place(&self) -> Result<Finished, Error> {
        let mut copied = None;
        loop {
            self.is_not_copied()?;
            self.check_whole()?;
            self.disk().check_in_place()?;
            match self.publish_checked() {
                Ok(Some(mut finished)) => {
                    finished.published = finished.published.or(copied);
                    return Ok(finished);
                }
                Ok(None) => {}
                Err(Error::NotPublished(obstacle)) if obstacle.is_elsewhere() => {
                    copied = self.copy_soon()?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Publishes the upload. `None` if it has bytes that were not checked.
    fn publish_checked(&self) -> Result<Option<Finished>, Error> {
        let changing = self.changing()?;
        let mut state = self.look()?;
        if state.phase == Phase::Complete {
            let sha256 = state.digest();
            drop((state, changing));
            let (held, published) = self.held()?;
            return Ok(Some(Finished {
                held,
                published,
                expires: None,
                sha256,
                is_compared: None,
            }));
        }
        let Some(mut record) = state
            .record
            .clone()
            .filter(|record| record.length == Some(state.offset))
        else {
            return Err(Error::Superseded);
        };
        if state.is_unpublished() {
            let is_hashed = self.is_hashed(&state);
            if !is_hashed || state.note_hashed(Arc::make_mut(&mut record)).is_err() {
                return Ok(None);
            }
        }
        let data = self.data(&mut state)?;
        // Nor is an empty file there for certain before a sync: btrfs may keep that its old name is gone, and not the new.
        let (epoch, synced) = (state.epoch, state.is_synced() && state.offset > 0);
        drop(state);
        if !synced {
            self.sync_data()?;
            if self.state()?.epoch != epoch {
                return Err(Error::Superseded);
            }
        }
        let last_byte = self.disk().modified_of(&data)?;
        if let Err(error) = self.name_and_move(&mut record, None) {
            // With the client's time the upload could expire.
            let restored = self.disk().set_modified(&data, last_byte);
            restored.unwrap_or_else(|error| {
                log::debug!(
                    "{}: cannot set the time of the data file: {error}",
                    self.key
                )
            });
            return Err(self.not_published(&record, error));
        }
        self.moved(record).map(Some)
    }

    /// Handles a failure to move the file to its name.
    pub(crate) fn not_published(&self, record: &Record, error: Error) -> Error {
        match error {
            Error::Io(error) | Error::StorageFull(error) | Error::FileTooLarge(error)
                if !self.is_broken() =>
            {
                let obstacle = Obstacle::new(error).at(self.path_of(record));
                if !obstacle.is_elsewhere() {
                    self.shelf.blocked.note(self.key, record, &obstacle);
                }
                Error::NotPublished(obstacle)
            }
            error => error,
        }
    }

    /// Checks whether the folder of the file would refuse it, as far as this shows before the file exists.
    ///
    /// # Errors
    /// `NotPublished`, `NoSpace`.
    pub(crate) fn foresee(&self, state: &State, intent: &AppendRequest) -> Result<(), Error> {
        let said = state.record.as_ref().and_then(|it| it.name.as_deref());
        let name = said.or(intent.name.as_deref());
        let wanted = Wanted::new(name, self.key, self.disk().path_bytes);
        let (length, min_free) = (
            state.length().or(intent.length),
            self.shelf.options.min_free,
        );
        let Err(error) = self.disk().foresee(&wanted.folders, length, min_free) else {
            return Ok(());
        };
        let obstacle = Obstacle::new(error).at(wanted.path());
        match obstacle.kind {
            ObstacleKind::NoSpace => Err(Error::NoSpace),
            // Any other error shows when the file is published.
            ObstacleKind::Passing => Ok(()),
            ObstacleKind::Refused | ObstacleKind::TooLarge => {
                self.shelf.blocked.warn(self.key, &obstacle);
                Err(Error::NotPublished(obstacle))
            }
        }
    }

    /// Returns the path below the directory that the file of `record` gets.
    pub(crate) fn path_of(&self, record: &Record) -> String {
        let said = record.publishing_as().map(str::to_owned);
        said.unwrap_or_else(|| self.wanted(record).path())
    }

    /// Returns the path that the client declared in `record`.
    pub(crate) fn wanted(&self, record: &Record) -> Wanted {
        Wanted::new(record.name.as_deref(), self.key, self.disk().path_bytes)
    }

    /// Moves the file to the name in the record, to the next free name, or to one that the file system allows.
    ///
    /// If there is a `copy`, the copy is moved instead of the data file.
    pub(crate) fn name_and_move(
        &self,
        record: &mut Arc<Record>,
        copy: Option<&Copy>,
    ) -> Result<(), Error> {
        let moved = self.name_spelled_and_move(record, copy);
        moved.inspect_err(|_| self.let_go_of_name())
    }

    fn name_spelled_and_move(
        &self,
        record: &mut Arc<Record>,
        copy: Option<&Copy>,
    ) -> Result<(), Error> {
        let Wanted { folders, name } = self.wanted(record);
        let folder = self.disk().make_folders(&folders, self.key)?;
        let in_folder = |name: String| FilePath::in_folder(&folder, &name);
        let mut said = match &record.publishing {
            Some(said) if self.disk().has_folder_of(&said.path)? => Some(said.path.clone()),
            _ => None,
        };
        let (mut spelling, mut spelled) = (Spelling::AS_IS, name.clone());
        loop {
            let names = spelled.candidates(spelling.max_bytes()).map(in_folder);
            let names = said.take().into_iter().chain(names);
            let error = match self.move_to_first_free(names, record, copy) {
                Err(Error::Io(error)) => error,
                done => return done,
            };
            let Some(refusal) = self.refusal(&folder, spelled.as_str(), copy, &error) else {
                return Err(error.into());
            };
            let Some(next) = spelling.next(&name, refusal) else {
                break;
            };
            (spelling, spelled) = next;
        }
        let neutral = name.neutral(self.key);
        self.move_to_first_free(neutral.candidates(NAME_MAX).map(in_folder), record, copy)
    }

    /// Returns how the file system refused the name. `None` if the error has another cause, such as a missing file.
    fn refusal(
        &self,
        folder: &str,
        name: &str,
        copy: Option<&Copy>,
        error: &io::Error,
    ) -> Option<Refusal> {
        let is_there = match copy {
            Some(copy) => copy.is_there(),
            None => (self.disk().modified(&self.key.to_string())).map(|found| found.is_some()),
        };
        is_there.ok().filter(|is_there| *is_there)?;
        self.disk().refusal_in(folder, name, self.key, error)
    }

    fn move_to_first_free(
        &self,
        names: impl Iterator<Item = FilePath>,
        record: &mut Arc<Record>,
        copy: Option<&Copy>,
    ) -> Result<(), Error> {
        let hook = self.shelf.options.mark_hooks.then_some(Hook::Due);
        let on_conflict = self.shelf.options.on_conflict;
        for (number, path) in names.enumerate() {
            // The first is nearly always free, and moving there shows it. It may also be the one that the record says
            // already, taken by ourselves in a link and unlink that was cut.
            // A later server identifies a copy by its record, so the record has to be durable before the move.
            if !self.keep_name(&path)? {
                match on_conflict {
                    OnConflict::KeepBoth => continue,
                    OnConflict::Replace => return Err(hook_due().into()),
                }
            }
            let looks = number > 0 || copy.is_some();
            if looks && self.disk().is_taken(&path, on_conflict)? {
                continue;
            }
            let is_said = |said: &&Publishing| said.path == path && said.copied;
            let was_copied = record.publishing.as_deref().filter(is_said).is_some();
            let publishing = Publishing {
                path: path.clone(),
                hook,
                copied: copy.is_some() || was_copied,
            };
            Arc::make_mut(record).publishing = Some(publishing.into());
            self.say_publishing(record)?;
            if copy.is_none() {
                self.dress(record)?;
            }
            let adopted = self.adopt_attributes(&path, copy)?;
            if adopted.copy_has_them && copy.is_none() {
                return Err(io::Error::from(Errno::XDEV).into());
            }
            let moved = match copy {
                Some(copy) => self.disk().publish_copy(copy, &path, on_conflict),
                None => self.disk().publish(self.key, &path, on_conflict),
            };
            match moved {
                Err(error) if is_taken(&error) => {}
                done => {
                    done?;
                    return self.set_last_mode(&adopted, copy);
                }
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "no free name").into())
    }

    /// Has the record on the disk say where the file is going.
    fn say_publishing(&self, record: &Arc<Record>) -> Result<(), Error> {
        let state = self.state()?;
        let said = state.saved && state.record.as_ref() == Some(record) && state.is_listed();
        drop(state);
        if !said {
            self.write_record(record)?;
            let mut state = self.state()?;
            state.record = Some(Arc::clone(record));
            state.saved = true;
            drop(state);
            self.sync_names(None)?;
        }
        Ok(())
    }

    /// Gives the file its client's time, and takes the mark off it. Not before the record is durable: until then the
    /// time of the last change says how long nothing has come, and an old one would have a sweep take the partial for
    /// expired; and the mark says what to believe.
    fn dress(&self, record: &Record) -> Result<(), Error> {
        let mut state = self.state()?;
        let Some(data) = state.data.clone() else {
            return Ok(());
        };
        let time = record.modified();
        let is_marked = state.noted > 0;
        let is_hashed = state.hashing.take().is_some() || is_marked;
        let dressed = [
            time.map(|time| self.disk().set_modified(&data, time)),
            is_marked.then(|| self.disk().unmark(&data)),
            is_hashed.then(|| self.disk().forget_hashed(&data)),
        ];
        (state.noted, state.marked) = (0, 0);
        for error in dressed.into_iter().flatten().filter_map(Result::err) {
            log::debug!("{}: on its way to its name: {error}", self.key);
        }
        Ok(())
    }

    /// The file has its name: takes note of that, durably.
    pub(crate) fn moved(&self, record: Arc<Record>) -> Result<Finished, Error> {
        let completed = self.completed(&record);
        let mut state = self.state()?;
        self.take_off_turn(&record);
        state.fence();
        state.epoch += 1;
        state.phase = Phase::Complete;
        state.data = None;
        state.entries += 1;
        let (held, entries) = (state.held(), state.entries);
        drop(state);
        self.shelf.reservations.release(self.key);
        self.shelf.blocked.forget(self.key);
        let is_due = record.hook() == Some(Hook::Due);
        if let Some(path) = record.publishing_as().filter(|_| is_due) {
            self.shelf.hooking().insert(self.key, path.into());
        }
        self.sync_names(record.publishing_as())?;
        self.state()?.listed = entries;
        Ok(Finished {
            held,
            sha256: completed.sha256,
            published: Some(completed),
            expires: None,
            is_compared: None,
        })
    }

    /// The finished upload that a record in the state "publishing" tells of.
    pub(crate) fn completed(&self, record: &Record) -> Completed {
        Completed {
            id: record.id.clone(),
            path: self
                .disk()
                .published_path(record.publishing_as().unwrap_or_default()),
            name: record.name.as_deref().map(str::to_owned),
            length: record.length.unwrap_or_default(),
            sha256: record.digest.as_deref().copied(),
        }
    }
}

fn hook_due() -> io::Error {
    let reason = "the completion hook of the file with this name has not run yet";
    io::Error::new(io::ErrorKind::ResourceBusy, reason)
}

fn is_taken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AlreadyExists | io::ErrorKind::IsADirectory
    )
}
