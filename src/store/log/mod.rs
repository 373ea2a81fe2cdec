//! The completion log: the records of uploads that arrived in one request.
//!
//! An entry costs a small upload less than a record file does, and concurrent entries share a sync (group commit).
//!
//! ```text
//! .resumed/journal/
//!   1        <key> {"v":1,...}      a record, as in <key>.json
//!   2        <key>                  a tombstone
//! ```
//!
//! Segments are append-only, and the last entry of a key counts. Each server begins a segment of its own, so a torn
//! entry is the last one of its segment. The sweep removes a segment that received no entry for as long as records are
//! kept. Servers that share a directory have no log: none would see the entries of another.

pub(crate) mod entry;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::mem;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;

use crate::store::fs::dirs::Dir;
use crate::store::fs::disk::{Data, Disk, LOG, found};
use crate::store::fs::fault::Op;
use crate::store::fs::group_commit::SharedSync;
use crate::store::id::Key;
use crate::store::log::entry::{Entry, scan};
use crate::sync::{Mutex, MutexGuard, lock};

/// Length at which a segment is sealed: some 30,000 entries.
const SEGMENT_BYTES: u64 = 8 << 20;

/// A segment is sealed after this part of the time for which records are kept. So records are kept little longer.
const SEGMENTS_PER_LIFETIME: u32 = 8;

pub(crate) struct Log {
    disk: Arc<Disk>,
    /// False before the first use: a long log must not delay the start.
    is_loaded: Mutex<bool>,
    /// The last entry of each key, unless that is a tombstone. A lock of its own: a lookup never waits for a write.
    index: Mutex<BTreeMap<Key, Location>>,
    writer: Mutex<Writer>,
    syncs: SharedSync,
}

#[derive(Clone, Copy, PartialEq)]
struct Location {
    segment: u32,
    /// A segment is sealed long before 4 GiB.
    offset: u32,
}

#[derive(Default)]
struct Writer {
    /// The numbers of all segments, in order.
    segments: Vec<u32>,
    /// The last segment, unless it is sealed.
    current: Option<Segment>,
    /// The segments sealed since the last sync began. Empty with `--sync fast`.
    sealed: Vec<Arc<Data>>,
    /// The number of entries written.
    written: u64,
    /// The last entry of each key that no sync has confirmed, with its number. Empty with `--sync fast`.
    unsynced: BTreeMap<Key, (u64, Option<Vec<u8>>)>,
    /// Set by a failed sync: `unsynced` is then the rewrite queue, for a new segment. A later sync of the same file
    /// would succeed, although entries may be lost.
    must_rewrite: bool,
}

impl Location {
    fn new(segment: u32, offset: u64) -> Self {
        let offset = offset as u32;
        Self { segment, offset }
    }
}

struct Segment {
    number: u32,
    file: Arc<Data>,
    end: u64,
    begun: SystemTime,
}

/// Lookup.
impl Log {
    pub(crate) fn new(disk: Arc<Disk>) -> Self {
        Self {
            disk,
            is_loaded: Mutex::default(),
            index: Mutex::default(),
            writer: Mutex::default(),
            syncs: SharedSync::default(),
        }
    }

    pub(crate) fn find(&self, key: Key) -> io::Result<Option<Vec<u8>>> {
        self.load()?;
        self.read(key)
    }

    pub(crate) fn has(&self, key: Key) -> io::Result<bool> {
        self.load()?;
        Ok(lock(&self.index).contains_key(&key))
    }

    /// Returns whether the log has a record. False before the first use.
    pub(crate) fn has_records(&self) -> bool {
        !lock(&self.index).is_empty()
    }

    pub(crate) fn keys(&self) -> io::Result<Vec<Key>> {
        self.load()?;
        Ok(lock(&self.index).keys().copied().collect())
    }

    pub(crate) fn each(&self, mut see: impl FnMut(Key, &[u8])) -> io::Result<()> {
        self.load()?;
        let segments = lock(&self.writer).segments.clone();
        let mut segments = segments.into_iter();
        segments.try_for_each(|segment| self.each_in(segment, &mut see))
    }

    fn each_in(&self, segment: u32, mut see: impl FnMut(Key, &[u8])) -> io::Result<()> {
        let seen = self.scan_segment(segment, |offset, Entry { key, record }| {
            let last = lock(&self.index).get(&key).copied();
            let is_last = last == Some(Location::new(segment, offset));
            if let (Some(record), true) = (record, is_last) {
                see(key, record);
            }
        });
        seen.map(drop)
    }

    /// Calls `see` with each entry of a segment. Returns the file; `None` if another server has exported the log.
    fn scan_segment(
        &self,
        segment: u32,
        see: impl FnMut(u64, Entry<'_>),
    ) -> io::Result<Option<Data>> {
        let opened = self.disk.partials.open(&path(segment), OFlags::RDONLY);
        let Some(file) = found(opened)? else {
            return Ok(None);
        };
        scan(BufReader::with_capacity(64 * 1024, &file), see)?;
        Ok(Some(Data(file)))
    }

    fn read(&self, key: Key) -> io::Result<Option<Vec<u8>>> {
        let index = lock(&self.index);
        let Some(&Location { segment, offset }) = index.get(&key) else {
            return Ok(None);
        };
        // Under the lock: entries leave the index before their segment is removed.
        let opened = self.disk.partials.open(&path(segment), OFlags::RDONLY);
        drop(index);
        let Some(mut file) = found(opened)? else {
            return Ok(None);
        };
        file.seek(SeekFrom::Start(offset.into()))?;
        let mut line = Vec::new();
        BufReader::with_capacity(1024, file).read_until(b'\n', &mut line)?;
        let entry = Entry::parse(&line).filter(|entry| entry.key == key);
        Ok(entry.and_then(|entry| entry.record.map(<[u8]>::to_vec)))
    }

    /// Reads and syncs the segments of earlier servers.
    fn load(&self) -> io::Result<()> {
        let mut is_loaded = lock(&self.is_loaded);
        if *is_loaded {
            return Ok(());
        }
        self.disk.faults.check(Op::LoadRecord)?;
        let segments = self.disk.numbers_in(LOG)?;
        let (mut index, mut tombstones) = (BTreeMap::new(), BTreeSet::new());
        let mut synced = Ok(());
        for &segment in &segments {
            let scanned = self.scan_segment(segment, |offset, Entry { key, record }| {
                if record.is_some() {
                    index.insert(key, Location::new(segment, offset));
                    tombstones.remove(&key);
                } else {
                    index.remove(&key);
                    tombstones.insert(key);
                }
            });
            if let Some(file) = scanned? {
                synced = synced.and(self.disk.gated(Op::SyncRecord, || file.0.sync_data()));
            }
        }
        if !segments.is_empty() {
            synced = synced.and(self.sync_dir());
        }
        *lock(&self.index) = index;
        let mut writer = lock(&self.writer);
        if synced.is_err() {
            tombstones.extend(lock(&self.index).keys());
            for key in tombstones {
                writer.unsynced.insert(key, (0, self.read(key)?));
            }
            writer.must_rewrite = true;
        }
        writer.segments = segments;
        *is_loaded = true;
        Ok(())
    }
}

/// Writing.
impl Log {
    /// Appends the record of `key`, without a sync.
    pub(crate) fn append(&self, key: Key, record: &[u8]) -> io::Result<()> {
        self.write(&mut *self.writer()?, key, Some(record))
    }

    /// Appends a tombstone, without a sync, if `key` has a record.
    pub(crate) fn remove(&self, key: Key) -> io::Result<()> {
        match self.has(key)? {
            true => self.write(&mut *self.writer()?, key, None),
            false => Ok(()),
        }
    }

    /// Locks the writer, with an empty rewrite queue.
    fn writer(&self) -> io::Result<MutexGuard<'_, Writer>> {
        self.load()?;
        let mut writer = lock(&self.writer);
        if writer.must_rewrite {
            for (key, (_, record)) in writer.unsynced.clone() {
                self.write(&mut writer, key, record.as_deref())?;
            }
            writer.must_rewrite = false;
        }
        Ok(writer)
    }

    fn write(&self, writer: &mut Writer, key: Key, record: Option<&[u8]>) -> io::Result<()> {
        self.disk.faults.check(Op::WriteRecord)?;
        let line = Entry { key, record }.line();
        let location = match self.write_line(writer, &line) {
            // The file size limit of the process may be shorter than a segment.
            Err(_) if writer.current.as_ref().is_some_and(|it| it.end > 0) => {
                writer.seal();
                self.write_line(writer, &line)?
            }
            written => written?,
        };
        match record {
            Some(_) => lock(&self.index).insert(key, location),
            None => lock(&self.index).remove(&key),
        };
        writer.written += 1;
        if self.disk.durable {
            let entry = (writer.written, record.map(<[u8]>::to_vec));
            writer.unsynced.insert(key, entry);
        }
        Ok(())
    }

    fn write_line(&self, writer: &mut Writer, line: &[u8]) -> io::Result<Location> {
        let segment = match &mut writer.current {
            Some(segment) => segment,
            current => current.insert(self.begin_segment(&mut writer.segments)?),
        };
        let (number, file, offset) = (segment.number, &segment.file.0, segment.end);
        if offset > SEGMENT_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        file.write_all_at(line, offset).inspect_err(|_| {
            let _ = file.set_len(offset);
        })?;
        segment.end += line.len() as u64;
        Ok(Location::new(number, offset))
    }

    fn begin_segment(&self, segments: &mut Vec<u32>) -> io::Result<Segment> {
        self.disk.faults.check(Op::CreateRecord)?;
        self.disk.make_dir(LOG)?;
        let number = segments.last().map_or(1, |last| last + 1);
        let new = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let file = self.disk.partials.open(&path(number), new)?;
        segments.push(number);
        self.sync_dir()?;
        Ok(Segment {
            number,
            file: Data(file).into(),
            end: 0,
            begun: SystemTime::now(),
        })
    }
}

impl Writer {
    fn seal(&mut self) {
        let sealed = self.current.take().filter(|_| !self.unsynced.is_empty());
        self.sealed.extend(sealed.map(|segment| segment.file));
    }
}

/// Syncing.
impl Log {
    /// Returns whether the record of `key` was removed, but may come back after a power loss. A data file must not be
    /// created before a sync: its bytes would be taken for those of the record.
    pub(crate) fn has_unsynced_tombstone(&self, key: Key) -> bool {
        self.disk.durable && matches!(lock(&self.writer).unsynced.get(&key), Some((_, None)))
    }

    /// Makes all entries durable. Concurrent callers share a sync.
    ///
    /// # Errors
    /// The entries are then queued for another segment, but a caller must not count on them.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.syncs.share(|| {
            let mut writer = self.writer()?;
            if writer.unsynced.is_empty() {
                return Ok(());
            }
            let (written, mut files) = (writer.written, mem::take(&mut writer.sealed));
            let current = writer.current.as_ref();
            files.extend(current.map(|segment| Arc::clone(&segment.file)));
            drop(writer);
            let sync = |file: &Arc<Data>| self.disk.gated(Op::SyncRecord, || file.0.sync_data());
            let synced = files.iter().try_for_each(sync);
            let mut writer = lock(&self.writer);
            match &synced {
                Ok(()) => writer.unsynced.retain(|_, (number, _)| *number > written),
                Err(_) => (writer.current, writer.must_rewrite) = (None, true),
            }
            synced
        })
    }

    fn sync_dir(&self) -> io::Result<()> {
        let dir = self.disk.partials.open(LOG, OFlags::RDONLY)?;
        self.disk.gated(Op::SyncDir, || dir.sync_all())
    }
}

/// Removal.
impl Log {
    /// Removes the segments that received no entry for longer than `age`. `is_older` compares the age of a segment, and `stays`
    /// selects records to keep. Returns the number of removed records.
    pub(crate) fn sweep(
        &self,
        age: Duration,
        is_older: impl Fn(&str, SystemTime, Duration) -> bool,
        stays: impl Fn(&[u8], Key) -> bool,
    ) -> io::Result<usize> {
        let expired = self.expired(age, is_older)?;
        for &segment in &expired {
            let mut kept = Vec::new();
            // Without the lock on the writer: no upload waits for the end of a long segment.
            self.each_in(segment, |key, record| {
                if stays(record, key) {
                    kept.push((key, record.to_vec()));
                }
            })?;
            let mut writer = self.writer()?;
            for (key, record) in kept {
                let last = lock(&self.index).get(&key).copied();
                if last.is_some_and(|last| last.segment == segment) {
                    self.write(&mut writer, key, Some(&record))?;
                }
            }
        }
        self.sync()?;
        self.remove_segments(&expired)
    }

    /// Seals the last segment if it is old enough. Returns the segments that received no entry for longer than `age`.
    fn expired(
        &self,
        age: Duration,
        is_older: impl Fn(&str, SystemTime, Duration) -> bool,
    ) -> io::Result<Vec<u32>> {
        let mut writer = self.writer()?;
        let life = age / SEGMENTS_PER_LIFETIME;
        if (writer.current.as_ref()).is_some_and(|it| is_older(&path(it.number), it.begun, life)) {
            writer.seal();
        }
        let current = writer.current.as_ref().map(|current| current.number);
        let is_expired = |segment: &u32| {
            let path = path(*segment);
            let modified = self.disk.modified(&path);
            let is_gone_or_old =
                |time: Option<_>| time.is_none_or(|time| is_older(&path, time, age));
            Some(*segment) != current && modified.is_ok_and(is_gone_or_old)
        };
        // Oldest first: a tombstone is never removed before its record.
        Ok((writer.segments.iter().copied())
            .take_while(is_expired)
            .collect())
    }

    /// Writes each entry to a record file and removes all segments, for servers that share the directory.
    pub(crate) fn export(&self) -> io::Result<()> {
        for key in self.keys()? {
            if self.disk.load_record(key)?.is_none() {
                let record = self.read(key)?;
                record.map_or(Ok(()), |record| self.disk.save_record(key, &record))?;
            }
        }
        self.disk.sync_dir(Dir::Partials)?;
        let all = self.writer()?.segments.clone();
        self.remove_segments(&all).map(drop)
    }

    /// Removes segments with their records. Returns the number of the records.
    fn remove_segments(&self, segments: &[u32]) -> io::Result<usize> {
        let mut writer = self.writer()?;
        let mut index = lock(&self.index);
        let before = index.len();
        index.retain(|_, at| !segments.contains(&at.segment));
        let removed = before - index.len();
        drop(index);
        for segment in segments {
            self.disk.remove(&path(*segment))?;
            writer.segments.retain(|it| it != segment);
        }
        Ok(removed)
    }
}

fn path(segment: u32) -> String {
    format!("{LOG}/{segment}")
}
