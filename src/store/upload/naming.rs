//! The published name: the declared one, the next free one, or one that the file system allows.

use std::io;
use std::sync::Arc;

use crate::store::error::Error;
use crate::store::fs::copy::Copy;
use crate::store::fs::filename::{FilePath, NAME_MAX, Name};
use crate::store::fs::published::Folders;
use crate::store::fs::record::{Hook, Publishing, Record};
use crate::store::fs::spelling::{Refusal, Spelling};
use crate::store::fs::user_dir::UserDir;
use crate::store::fs::wanted::Wanted;
use crate::store::id::{Id, probe_name};
use crate::store::obstacle::Obstacle;
use crate::store::options::OnConflict;
use crate::store::upload::registry::{Registry, UploadHandle};

impl Registry {
    /// Returns the folder of `owner`; `None` if users have no folders.
    pub(crate) fn user_dir(&self, owner: &[u8]) -> Option<UserDir> {
        match self.options.user_dirs {
            true => UserDir::of(owner),
            false => None,
        }
    }

    /// Returns the `path` of the file of `id` as its owner sees it: below the folder of the owner.
    pub(crate) fn shown_path<'p>(&self, id: &Id, path: &'p str) -> &'p str {
        self.user_dir(id.owner())
            .map_or(path, |dir| dir.inside(path))
    }
}

/// The number of attempts to move a file into folders that another upload removes.
const FOLDER_TRIES: u32 = 3;

impl UploadHandle {
    /// Returns the obstacle to the publishing of `record`, with the path that its file gets.
    pub(crate) fn obstacle(&self, error: io::Error, record: &Record) -> Obstacle {
        let path = record.publishing_as().map(str::to_owned);
        let path = path.unwrap_or_else(|| self.wanted_by(record).path());
        self.obstacle_at(error, &record.id, path)
    }

    /// Returns the obstacle to the publishing of the file of `id` at `path` below the directory.
    pub(crate) fn obstacle_at(&self, error: io::Error, id: &Id, path: String) -> Obstacle {
        let shown = self.registry.shown_path(id, &path).to_owned();
        Obstacle::new(error).at(path, shown)
    }

    /// Returns the path that the client declared in `record`.
    fn wanted_by(&self, record: &Record) -> Wanted {
        self.wanted(&record.id, record.file.name.as_deref())
    }

    /// Returns the path of a file with the declared `name`: the only place where the path of an upload is chosen.
    pub(crate) fn wanted(&self, id: &Id, name: Option<&str>) -> Wanted {
        let user_dir = self.registry.user_dir(id.owner());
        Wanted::new(user_dir, name, self.key, self.disk().path_bytes)
    }

    /// Moves the data file, or the `copy`, to its name.
    pub(crate) fn name_and_move(
        &self,
        record: &mut Arc<Record>,
        copy: Option<&Copy>,
    ) -> Result<(), Error> {
        let wanted = self.wanted_by(record);
        let mut tries = 1..FOLDER_TRIES;
        let moved = loop {
            let moved = self.move_into_folders(&wanted, record, copy);
            match &moved {
                // Another upload may remove an empty folder that it created, before this file is there.
                Err(Error::Io(error))
                    if error.kind() == io::ErrorKind::NotFound
                        && wanted.has_folder()
                        && matches!(self.is_there(copy), Ok(true))
                        && tries.next().is_some() => {}
                _ => break moved,
            }
        };
        moved.inspect_err(|_| self.registry.hooks.remove(self.key))
    }

    /// Creates the folders, and moves the file there. Removes the created folders if the record does not name them.
    fn move_into_folders(
        &self,
        wanted: &Wanted,
        record: &mut Arc<Record>,
        copy: Option<&Copy>,
    ) -> Result<(), Error> {
        let folders = self.disk().make_folders(wanted, self.key)?;
        let moved = self.spell_and_move(&wanted.name, &folders, record, copy);
        if folders.created > 0 && !self.is_recorded_in(&folders) {
            self.disk().remove_folders(&folders.path, folders.created);
        }
        moved
    }

    /// Returns whether the record names a path in `folders`. True if the record cannot be read.
    fn is_recorded_in(&self, folders: &Folders) -> bool {
        self.lock().map_or(true, |state| {
            let path = state.record().and_then(|record| record.publishing_as());
            path.is_some_and(|path| path.starts_with(&folders.path))
        })
    }

    /// Tries other spellings until the file system accepts one.
    fn spell_and_move(
        &self,
        name: &Name,
        folders: &Folders,
        record: &mut Arc<Record>,
        copy: Option<&Copy>,
    ) -> Result<(), Error> {
        let in_folder = |name: String| FilePath::in_folder(&folders.path, &name);
        let mut recorded = match &record.publishing {
            Some(it) if self.disk().home_of(&it.path)?.is_some() => Some(it.path.clone()),
            _ => None,
        };
        let (mut spelling, mut spelled) = (Spelling::AS_IS, name.clone());
        loop {
            let names = spelled.candidates(spelling.max_bytes()).map(in_folder);
            let names = recorded.take().into_iter().chain(names);
            let error = match self.move_to_first_free(names, folders, record, copy) {
                Err(Error::Io(error)) => error,
                done => return done,
            };
            let Some(refusal) = self.refusal(&folders.path, spelled.as_str(), copy, &error) else {
                return Err(error.into());
            };
            let Some(next) = spelling.next(name, refusal) else {
                break;
            };
            (spelling, spelled) = next;
        }
        let neutral = name.neutral(self.key);
        let names = neutral.candidates(NAME_MAX).map(in_folder);
        self.move_to_first_free(names, folders, record, copy)
    }

    /// Returns how the file system refused the name. `None` if the error has another cause, such as a missing file.
    fn refusal(
        &self,
        folder: &str,
        name: &str,
        copy: Option<&Copy>,
        error: &io::Error,
    ) -> Option<Refusal> {
        match self.is_there(copy) {
            Ok(true) => self.disk().refusal_in(folder, name, self.key, error),
            _ => None,
        }
    }

    /// Removes the file `name` beside `path`, which a crash of an earlier attempt may have left.
    pub(crate) fn remove_beside(&self, path: &str, name: &str) {
        if let Err(error) = self.disk().remove_beside(path, name) {
            log::debug!("cannot remove {name}: {error}");
        }
    }

    /// Returns whether the data file, or the `copy`, exists.
    fn is_there(&self, copy: Option<&Copy>) -> io::Result<bool> {
        match copy {
            Some(copy) => copy.is_there(),
            None => (self.disk().modified(&self.key.to_string())).map(|found| found.is_some()),
        }
    }

    fn move_to_first_free(
        &self,
        names: impl Iterator<Item = FilePath>,
        folders: &Folders,
        record: &mut Arc<Record>,
        copy: Option<&Copy>,
    ) -> Result<(), Error> {
        if let Some(before) = &record.publishing {
            self.remove_beside(&before.path, &probe_name(self.key));
        }
        let options = &self.registry.options;
        let (hook, on_conflict) = (options.mark_hooks.then_some(Hook::Due), options.on_conflict);
        for (number, path) in names.enumerate() {
            if !self.reserve_name(&path)? {
                match on_conflict {
                    OnConflict::KeepBoth => continue,
                    OnConflict::Replace => return Err(hook_due().into()),
                }
            }
            // The first name is nearly always free, and the move shows whether it is. It may also be taken by this
            // upload: a crash came between link and unlink. A copy is identified by its record, so it needs a free name
            // before the record is written.
            let is_checked = number > 0 || copy.is_some();
            if is_checked && self.disk().is_taken(&path, on_conflict)? {
                continue;
            }
            let before = record.publishing.as_deref();
            let was_copied = before.is_some_and(|it| it.path == path && it.copied);
            let publishing = Publishing {
                path: path.clone(),
                hook,
                copied: copy.is_some() || was_copied,
                new_folders: new_folders(&path, before, folders),
            };
            Arc::make_mut(record).publishing = Some(publishing.into());
            self.save_publishing(record)?;
            if copy.is_none() {
                self.finalize_attributes(record)?;
            }
            let last_mode = self.adopt_attributes(&path, copy)?;
            let moved = match copy {
                Some(copy) => self.disk().publish_copy(copy, &path, on_conflict),
                None => self.disk().publish(self.key, &path, on_conflict),
            };
            match moved {
                Err(error) if is_taken(&error) => {}
                Err(error) => return Err(error.into()),
                Ok(()) => {
                    if let Some((data, mode)) = last_mode {
                        self.disk().set_last_mode(&data, mode, &path);
                    }
                    return Ok(());
                }
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "no free name").into())
    }
}

/// Returns the number of innermost folders of `path` that this attempt or an earlier one created.
fn new_folders(path: &FilePath, before: Option<&Publishing>, folders: &Folders) -> u8 {
    let is_same = |before: &&Publishing| before.path.folders() == path.folders();
    let before = before.filter(is_same).map_or(0, |it| it.new_folders);
    match path.starts_with(&folders.path) {
        true => before.max(folders.created),
        false => before,
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
