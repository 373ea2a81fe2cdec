//! The published name: the declared one, the next free one, or one that the file system allows.

use std::io;
use std::sync::Arc;

use crate::store::error::Error;
use crate::store::fs::copy::Copy;
use crate::store::fs::filename::{FilePath, NAME_MAX};
use crate::store::fs::record::{Hook, Publishing, Record};
use crate::store::fs::spelling::{Refusal, Spelling};
use crate::store::fs::user_dir::UserDir;
use crate::store::fs::wanted::Wanted;
use crate::store::id::Id;
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
        let moved = self.spell_and_move(record, copy);
        moved.inspect_err(|_| self.registry.hooks.remove(self.key))
    }

    /// Tries other spellings until the file system accepts one.
    fn spell_and_move(&self, record: &mut Arc<Record>, copy: Option<&Copy>) -> Result<(), Error> {
        let wanted = self.wanted_by(record);
        let folder = self.disk().make_folders(&wanted, self.key)?;
        let name = wanted.name;
        let in_folder = |name: String| FilePath::in_folder(&folder, &name);
        let mut recorded = match &record.publishing {
            Some(it) if self.disk().has_folder_of(&it.path)? => Some(it.path.clone()),
            _ => None,
        };
        let (mut spelling, mut spelled) = (Spelling::AS_IS, name.clone());
        loop {
            let names = spelled.candidates(spelling.max_bytes()).map(in_folder);
            let names = recorded.take().into_iter().chain(names);
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
        match is_there {
            Ok(true) => self.disk().refusal_in(folder, name, self.key, error),
            _ => None,
        }
    }

    fn move_to_first_free(
        &self,
        names: impl Iterator<Item = FilePath>,
        record: &mut Arc<Record>,
        copy: Option<&Copy>,
    ) -> Result<(), Error> {
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
            let looks = number > 0 || copy.is_some();
            if looks && self.disk().is_taken(&path, on_conflict)? {
                continue;
            }
            let was_copied =
                (record.publishing.as_deref()).is_some_and(|it| it.path == path && it.copied);
            let publishing = Publishing {
                path: path.clone(),
                hook,
                copied: copy.is_some() || was_copied,
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
