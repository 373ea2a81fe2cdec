//! Opens a store on a state that a crash left, and compares it with the answers before the crash.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use resumed::store::{AppendRequest, BodyLength, Completes, Id, Options, Progress, Sharing, Store};

use super::super::facts::{Cancel, Reported, Upload};
use super::image::{Content, Effect, Image};
use super::model::Model;
use super::record::{Step, Verb};
use super::scenario::{DIR, OTHER_MOUNT, Recorded, is_foreign};

/// All that clients may rely on after some steps.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) uploads: Vec<Upload>,
    /// By upload: a request that declared name and length has come, and has an answer.
    asked: Vec<bool>,
    declared: Vec<bool>,
    /// By upload: its record says that its hook has run.
    is_hooked: Vec<bool>,
    /// The number of answers.
    pub(super) answers: u64,
}

impl Known {
    pub(super) fn new(recorded: &Recorded) -> Known {
        let none = vec![false; recorded.uploads.len()];
        Known {
            uploads: recorded.uploads.clone(),
            asked: none.clone(),
            declared: recorded
                .uploads
                .iter()
                .map(|upload| upload.held > 0)
                .collect(),
            is_hooked: none,
            answers: 0,
        }
    }

    pub(super) fn add(&mut self, step: &Step) {
        match step {
            Step::Change(effects) => effects.iter().for_each(|effect| self.changed(effect)),
            Step::Sync { .. } | Step::Life => {}
            Step::Asked {
                upload,
                verb,
                declares,
            } => {
                self.asked[*upload] |= declares;
                let upload = &mut self.uploads[*upload];
                match (verb, upload.cancel) {
                    (Verb::Cancel, _) => upload.cancel = Cancel::Asked,
                    (Verb::Send, Cancel::Done) => {
                        (upload.cancel, upload.held, upload.complete) = (Cancel::No, 0, false);
                    }
                    _ => {}
                }
            }
            Step::Answered {
                upload,
                verb,
                reported,
            } => {
                self.answers += 1;
                match verb {
                    Verb::Cancel => {
                        self.uploads[*upload].cancel = Cancel::Done;
                        self.asked[*upload] = false;
                    }
                    _ => self.uploads[*upload].hear(*reported),
                }
                self.declared[*upload] = self.asked[*upload] && self.uploads[*upload].held > 0;
            }
        }
    }

    fn changed(&mut self, effect: &Effect) {
        if let Effect::Write { bytes, .. } = effect {
            let text = String::from_utf8_lossy(bytes);
            for upload in self.uploads.iter().filter(|_| text.contains("\"done\"")) {
                let id: String = upload
                    .id()
                    .bytes()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                self.is_hooked[upload.number] |= text.contains(&id);
            }
        }
    }
}

/// A state of the disk, and the answers before.
pub(super) struct Case<'c> {
    pub(super) model: Model,
    pub(super) known: &'c Known,
    pub(super) state: &'c Image,
    pub(super) options: Options,
    /// The identity of the mount that the states are written to, as the lock file says it.
    pub(super) mount: &'c [u8],
    /// The first request or the sweep comes first.
    pub(super) is_swept_first: bool,
}

struct Opened<'c> {
    case: &'c Case<'c>,
    dir: PathBuf,
    breaches: Vec<String>,
}

impl Case<'_> {
    /// Returns all that contradicts the answers. `home` is an empty directory.
    pub(super) fn breaches(&self, home: &Path) -> Vec<String> {
        self.state.write(home);
        let dir = home.join(DIR);
        self.set_mount(&dir.join(".resumed/lock"));
        let mut opened = Opened {
            case: self,
            dir,
            breaches: Vec::new(),
        };
        opened.check();
        opened.breaches
    }

    /// A power loss ends the mount, a kill does not.
    fn set_mount(&self, lock: &Path) {
        let stored = fs::read(lock).unwrap_or_default();
        let mount = match self.model {
            Model::Kill if stored != OTHER_MOUNT => self.mount,
            _ => OTHER_MOUNT,
        };
        if !stored.is_empty() {
            fs::write(lock, mount).expect("written");
        }
    }

    /// Servers that share a directory trust lengths, also after a power loss: only bytes that were reported are checked.
    fn trusts_lengths(&self) -> bool {
        self.options.sharing == Sharing::Shared && self.model != Model::Kill
    }
}

impl Opened<'_> {
    fn check(&mut self) {
        let Some(store) = self.open() else {
            return;
        };
        if self.case.is_swept_first {
            self.sweep(&store);
        }
        let first = self.ask_all(&store);
        if !self.case.is_swept_first {
            self.sweep(&store);
        }
        self.check_answers(&first);
        self.check_files(&first);
        self.check_hooks(&store, &first);
        drop(store);
        let before = self.image();
        let Some(store) = self.open() else {
            return;
        };
        self.sweep(&store);
        let again = self.ask_all(&store);
        if again != first {
            self.breach(format!(
                "at the second start {again:?} instead of {first:?}"
            ));
        }
        self.check_unchanged(&before);
        if self.breaches.is_empty() && !self.case.trusts_lengths() {
            self.carry_on(&store, &again);
        }
    }

    fn breach(&mut self, breach: String) {
        self.breaches.push(breach);
    }

    fn open(&mut self) -> Option<Store> {
        match Store::open(&self.dir, self.case.options.clone()) {
            Ok(store) => Some(store),
            Err(error) => {
                self.breach(format!("it does not open: {error}"));
                None
            }
        }
    }

    fn sweep(&mut self, store: &Store) {
        store.sweep();
        let files = self.image();
        for (path, (_, data)) in files.files() {
            let Some(record) = files.file_at(&format!("{path}.json")) else {
                continue;
            };
            let length = format!("\"length\":{},", data.bytes.len());
            if String::from_utf8_lossy(&record.bytes).contains(&length) {
                self.breach(format!("{path} is full, and not published by a sweep"));
            }
        }
    }

    fn ask_all(&mut self, store: &Store) -> Vec<Progress> {
        let uploads = &self.case.known.uploads;
        let answers: Vec<_> = uploads
            .iter()
            .map(|upload| store.status(&id(upload)))
            .collect();
        let mut progress = Vec::new();
        for (upload, answer) in uploads.iter().zip(answers) {
            if let Err(error) = &answer {
                self.breach(format!("{}, but now {error}", upload.known()));
            }
            progress.push(answer.unwrap_or_default());
        }
        progress
    }

    fn check_answers(&mut self, answers: &[Progress]) {
        for (upload, progress) in self.case.known.uploads.iter().zip(answers) {
            let reported = Reported {
                offset: progress.offset,
                complete: progress.complete,
            };
            self.breaches.extend(upload.contradiction(reported));
        }
    }

    fn image(&self) -> Image {
        Image::read(&self.dir)
    }

    /// Checks the bytes of partial uploads, of published files and of foreign files.
    fn check_files(&mut self, answers: &[Progress]) {
        let image = self.image();
        let mut found = BTreeSet::new();
        for (path, (_, content)) in image.files() {
            let path = path.trim_start_matches('/');
            if path.starts_with(".resumed/") {
                continue;
            }
            self.check_published(path, content, &mut found);
        }
        let replaces = self.case.options.on_conflict == resumed::store::OnConflict::Replace;
        for (upload, progress) in self.case.known.uploads.iter().zip(answers) {
            let later = |number: &usize| *number > upload.number;
            let is_replaced = replaces && found.iter().any(later);
            let is_cancelled = upload.cancel != Cancel::No;
            let is_found = found.contains(&upload.number);
            let is_promised = upload.complete || !self.case.trusts_lengths();
            if progress.complete && is_promised && !is_found && !is_replaced && !is_cancelled {
                self.breach(format!("{}, and has no file", upload.known()));
            }
            if !progress.complete {
                self.check_partial(&image, upload, progress.offset);
            }
        }
    }

    fn check_published(&mut self, path: &str, content: &Content, found: &mut BTreeSet<usize>) {
        // A power loss while the server probes the attributes of a new file may leave the empty probe, and lose its record.
        let is_probe = path.ends_with("-probe") && content.bytes.is_empty();
        if is_probe && self.case.model != Model::Kill {
            return;
        }
        if is_foreign(path) {
            if content.bytes != b"foreign" {
                self.breach(format!("{path} has changed"));
            }
            return;
        }
        let is_it = |upload: &&Upload| {
            let bytes = upload.content(0, upload.length);
            base_name(path) == upload.name && content.bytes == bytes
        };
        match self.case.known.uploads.iter().find(is_it) {
            Some(upload) if found.insert(upload.number) => {
                let left: Vec<_> = content.attrs.keys().collect();
                // The removal of an attribute is not synced.
                let is_alone = self.case.options.sharing == Sharing::Alone;
                if !left.is_empty() && is_alone && self.case.model == Model::Kill {
                    self.breach(format!("{path} has {left:?}"));
                }
            }
            Some(_) => self.breach(format!("{path} is there twice")),
            None if self.case.trusts_lengths() => {}
            None => {
                let length = content.bytes.len();
                self.breach(format!("{path}, {length} bytes, is no whole upload"));
            }
        }
    }

    fn check_partial(&mut self, image: &Image, upload: &Upload, offset: u64) {
        let data = image.file_at(&format!(".resumed/{}", upload.key()));
        let bytes = data.map_or(&[][..], |content| &content.bytes);
        let expected = match self.case.trusts_lengths() {
            true => upload.held,
            false => offset,
        };
        let is_right = bytes.starts_with(upload.content(0, expected.min(upload.length)));
        if !is_right || bytes.len() as u64 != offset {
            let there = bytes.len();
            let known = upload.known();
            self.breach(format!(
                "{known}: {offset} bytes now, {there} on the disk, perhaps wrong"
            ));
        }
    }

    /// A hook runs at least once: it is due until its record says that it has run.
    fn check_hooks(&mut self, store: &Store, answers: &[Progress]) {
        if !self.case.options.mark_hooks {
            return;
        }
        let due = store.due().expect("read");
        for (upload, progress) in self.case.known.uploads.iter().zip(answers) {
            let is_due = due.iter().any(|completed| completed.id == id(upload));
            if progress.complete && !is_due && !self.case.known.is_hooked[upload.number] {
                self.breach(format!("{}: its hook never runs", upload.known()));
            }
        }
    }

    /// Opening again changes nothing but the lock file and the clock.
    fn check_unchanged(&mut self, before: &Image) {
        let after = self.image();
        // Each server leaves a note on the uploads that it shares.
        let [before, after] = [before, &after].map(|image| {
            let files = image.files().into_iter();
            let files =
                files.map(|(path, (_, content))| (path, content.without("user.resumed.turn")));
            files.collect::<BTreeMap<_, _>>()
        });
        let paths: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let is_of_server = |path: &str| ["/.resumed/lock", "/.resumed/clock"].contains(&path);
        for path in paths.into_iter().filter(|path| !is_of_server(path)) {
            if before.get(path) != after.get(path) {
                self.breach(format!("the second start has changed {path}"));
            }
        }
    }

    /// Sends what is left of each upload. Declares nothing that the server has confirmed.
    fn carry_on(&mut self, store: &Store, answers: &[Progress]) {
        let known = self.case.known;
        let mut complete = answers.to_vec();
        let open = known
            .uploads
            .iter()
            .filter(|upload| upload.cancel == Cancel::No);
        for upload in open.filter(|upload| !answers[upload.number].complete) {
            let from = answers[upload.number].offset;
            let mut request = AppendRequest::default();
            if !known.declared[upload.number] {
                request.length = Some(upload.length);
                request.file.name = Some(upload.name.as_str().into());
            }
            request.body_length = BodyLength::Exactly(upload.length - from);
            let sent = store
                .append_with(&id(upload), from, request)
                .and_then(|mut append| {
                    if from < upload.length {
                        append.write(upload.content(from, upload.length))?;
                    }
                    append.finish(Completes::AtLength)
                });
            match sent {
                Ok(finished) => complete[upload.number] = finished.progress,
                Err(error) => self.breach(format!("{}, cannot go on: {error}", upload.known())),
            }
            if !complete[upload.number].complete {
                self.breach(format!(
                    "{}, and its last byte does not complete it",
                    upload.known()
                ));
            }
        }
        self.check_files(&complete);
    }
}

fn id(upload: &Upload) -> Id {
    Id::new(b"", upload.id().as_bytes())
}

/// `folder/a.bin` of `folder/a (1).bin`.
fn base_name(path: &str) -> String {
    let stem = path.trim_end_matches(".bin");
    let base = stem.split_once(" (").map_or(stem, |(base, _)| base);
    format!("{base}.bin")
}
