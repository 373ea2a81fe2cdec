//! The index of uploads by account, in memory: limits per account need their number and size before a request is
//! admitted.
//!
//! A sweep fills the index, and removes entries without an upload. Each change of an upload updates it. The index has
//! the partial uploads; with a quota also the complete ones whose record is kept. Addresses of clients are not on the
//! disk: a partial upload of an earlier server belongs to no address until a request continues it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::store::account::Account;
use crate::store::error::{Error, Quota};
use crate::store::id::{Id, Key};
use crate::store::options::Options;
use crate::sync::{Mutex, lock};

/// The uploads of one account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// The number of partial uploads.
    pub partials: u64,
    /// The sum of their declared lengths in bytes; of an upload without one, its received bytes.
    pub partial_bytes: u64,
    /// The bytes of complete uploads; 0 without [`Options::quota`].
    pub complete_bytes: u64,
}

/// An upload that a request begins or continues.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    /// The account of the request. An upload with an owner belongs to the account of its owner.
    pub(crate) account: Option<Account>,
    /// True if no request has begun the upload.
    pub(crate) is_new: bool,
    /// True if the request has all bytes that the upload still lacks.
    pub(crate) is_whole: bool,
    /// The bytes that the upload counts with from now on.
    pub(crate) bytes: u64,
    /// The bytes that the upload counts with after the request.
    pub(crate) final_bytes: u64,
}

/// An upload of at most so many bytes in one request is admitted beyond the number of partial uploads: 64 KiB. It becomes
/// none, because its bytes are removed if they are not all.
const WHOLE_MAX: u64 = 64 << 10;

/// The condition of an admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admitted {
    Always,
    /// An interrupted upload has to be removed: it is beyond the number of partial uploads.
    IfWhole,
}

pub(crate) struct AccountIndex {
    partials_max: Option<u64>,
    partials_per_account_max: Option<u64>,
    quota: Option<u64>,
    index: Mutex<Index>,
}

#[derive(Default)]
struct Index {
    uploads: BTreeMap<Key, Counted>,
    accounts: BTreeMap<Account, Totals>,
    /// The number of partial uploads.
    partials: u64,
    /// The number of sweeps so far.
    sweep: u32,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    account: Option<Account>,
    bytes: u64,
    is_partial: bool,
    admitted: Admitted,
    /// The number of the last sweep before the last update.
    sweep: u32,
}

#[derive(Default)]
struct Totals {
    uploads: u64,
    partials: u64,
    partial_bytes: u64,
    /// The bytes of complete uploads whose record is kept.
    recorded_bytes: u64,
    /// The bytes of complete files that a background count has found, and those completed since.
    found_bytes: Option<u64>,
}

impl AccountIndex {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            partials_max: options.max_partials,
            partials_per_account_max: options.max_partials_per_account,
            quota: options.quota,
            index: Mutex::default(),
        }
    }

    /// Adds or updates an upload, if the limits allow. Never refuses the number of partial uploads to one that exists,
    /// unless that is admitted [`IfWhole`](Admitted::IfWhole).
    ///
    /// # Errors
    /// `TooManyPartials`, `TooManyPartialsOfAccount`, `OverQuota`.
    pub(crate) fn admit(&self, id: &Id, demand: Demand) -> Result<Admitted, Error> {
        let mut index = lock(&self.index);
        let known = index.partial(id.key());
        let account = known.and_then(|known| known.account);
        let account = account.or_else(|| account_of(id, demand.account));
        let is_small = demand.is_whole && demand.final_bytes <= WHOLE_MAX;
        let is_limited = known.map_or(demand.is_new, |known| known.admitted == Admitted::IfWhole);
        let admitted = match is_limited {
            true => match self.check_number(&index, id, account) {
                Ok(()) => Admitted::Always,
                Err(_) if is_small => Admitted::IfWhole,
                Err(error) => return Err(error),
            },
            false => Admitted::Always,
        };
        let before = known.map_or(0, |known| known.bytes);
        if let (Some(bytes), true) = (self.quota_of(id), demand.final_bytes > before) {
            let used = index.used(account);
            let others = used.saturating_sub(before);
            if others.saturating_add(demand.final_bytes) > bytes {
                return Err(Error::OverQuota(Quota { bytes, used }));
            }
        }
        if known.is_none_or(|known| known.account != account) {
            index.replace(id.key(), account, demand.bytes, true);
        } else {
            index.update(id.key(), demand.bytes);
        }
        if let Some(upload) = index.uploads.get_mut(&id.key()) {
            upload.admitted = admitted;
        }
        Ok(admitted)
    }

    /// Returns the partial uploads of the account; without an account, all of them.
    pub(crate) fn partial_keys(&self, account: Option<Account>) -> Vec<Key> {
        let index = lock(&self.index);
        let counted = index.uploads.iter();
        let partials = counted.filter(|(_, counted)| {
            counted.is_partial && (account.is_none() || counted.account == account)
        });
        partials.map(|(key, _)| *key).collect()
    }

    /// Checks the number of the other partial uploads.
    fn check_number(&self, index: &Index, id: &Id, account: Option<Account>) -> Result<(), Error> {
        let own = index.partial(id.key());
        let of_account = account.and_then(|account| index.accounts.get(&account));
        let of_account = of_account.map_or(0, |totals| totals.partials);
        let is_own = account.is_some() && own.is_some_and(|own| own.account == account);
        let of_account = of_account - u64::from(is_own);
        let partials = index.partials - u64::from(own.is_some());
        match (self.partials_per_account_max, self.partials_max) {
            (Some(max), _) if account.is_some() && of_account >= max => {
                let is_user = !id.owner().is_empty();
                Err(Error::TooManyPartialsOfAccount { max, is_user })
            }
            (_, Some(max)) if partials >= max => Err(Error::TooManyPartials { max }),
            _ => Ok(()),
        }
    }

    /// Returns the quota of the owner. An upload without an owner has none.
    fn quota_of(&self, id: &Id) -> Option<u64> {
        self.quota.filter(|_| !id.owner().is_empty())
    }

    /// Returns how many bytes the quota leaves to `owner`; `None` without a quota, and for the empty owner.
    pub(crate) fn quota_left(&self, owner: &[u8]) -> Option<u64> {
        let quota = self.quota.filter(|_| !owner.is_empty())?;
        let used = lock(&self.index).used(Some(Account::of_user(owner)));
        Some(quota.saturating_sub(used))
    }

    /// Returns how many of the next `wanted` bytes the quota allows to an upload with `offset` bytes and without a
    /// declared length, and the refusal of the others. Counts the allowed bytes.
    pub(crate) fn grow(&self, id: &Id, offset: u64, wanted: u64) -> (u64, Option<Error>) {
        let Some(quota) = self.quota_of(id) else {
            return (wanted, None);
        };
        let mut index = lock(&self.index);
        let known = index.partial(id.key());
        let account = account_of(id, None);
        let own = known.map_or(0, |known| known.bytes);
        let others = index.used(account).saturating_sub(own);
        let room = quota.saturating_sub(others).saturating_sub(offset);
        let allowed = wanted.min(room);
        let end = offset + allowed;
        match known {
            Some(_) => index.update(id.key(), end),
            None => index.replace(id.key(), account, end, true),
        }
        let used = others.saturating_add(end);
        let refused = Error::OverQuota(Quota { bytes: quota, used });
        (allowed, (allowed < wanted).then_some(refused))
    }

    /// Sets the size of a partial upload, or adds it. Checks no limit.
    pub(crate) fn set(&self, id: &Id, bytes: u64) {
        let mut index = lock(&self.index);
        match index.partial(id.key()) {
            Some(_) => index.update(id.key(), bytes),
            None => index.replace(id.key(), account_of(id, None), bytes, true),
        }
    }

    pub(crate) fn complete(&self, id: &Id, bytes: u64) {
        let mut index = lock(&self.index);
        if self.quota_of(id).is_none() {
            return index.remove(id.key());
        }
        let account = account_of(id, None);
        index.replace(id.key(), account, bytes, false);
        let totals = account.and_then(|account| index.accounts.get_mut(&account));
        if let Some(found) = totals.and_then(|totals| totals.found_bytes.as_mut()) {
            *found = found.saturating_add(bytes);
        }
    }

    /// Returns whether complete uploads are counted.
    pub(crate) fn counts_complete(&self) -> bool {
        self.quota.is_some()
    }

    /// Corrects an upload whose state is complete. Adds nothing to the bytes that a background count has found.
    pub(crate) fn correct_complete(&self, id: &Id, bytes: u64) {
        let mut index = lock(&self.index);
        match self.quota_of(id) {
            Some(_) => index.replace(id.key(), account_of(id, None), bytes, false),
            None => index.remove(id.key()),
        }
    }

    /// Sets the size of a complete upload, or adds it. Leaves a partial upload alone: a full one may have its final
    /// record before it is published.
    pub(crate) fn set_complete(&self, id: &Id, bytes: u64) {
        let mut index = lock(&self.index);
        if self.quota_of(id).is_some() && index.partial(id.key()).is_none() {
            index.replace(id.key(), account_of(id, None), bytes, false);
        }
    }

    /// Replaces the bytes of the complete uploads of `owner` by those of its files.
    pub(crate) fn set_found_bytes(&self, owner: &[u8], bytes: u64) {
        let mut index = lock(&self.index);
        let totals = index.accounts.entry(Account::of_user(owner)).or_default();
        totals.found_bytes = Some(bytes);
    }

    pub(crate) fn remove(&self, key: Key) {
        lock(&self.index).remove(key);
    }

    pub(crate) fn usage(&self, account: Account) -> Usage {
        let index = lock(&self.index);
        let totals = index.accounts.get(&account);
        totals.map_or_else(Usage::default, |totals| Usage {
            partials: totals.partials,
            partial_bytes: totals.partial_bytes,
            complete_bytes: totals.complete_bytes(),
        })
    }

    pub(crate) fn partials(&self) -> u64 {
        lock(&self.index).partials
    }

    /// Begins a sweep, which calls [`set`](Self::set) or [`set_complete`](Self::set_complete) for every upload on the
    /// disk.
    pub(crate) fn begin_sweep(&self) {
        lock(&self.index).sweep += 1;
    }

    /// Returns the uploads that were not updated since the begin of the sweep. They are removed, or began before their
    /// files.
    pub(crate) fn not_updated(&self) -> Vec<Key> {
        let index = lock(&self.index);
        let old = index
            .uploads
            .iter()
            .filter(|(_, it)| it.sweep != index.sweep);
        old.map(|(key, _)| *key).collect()
    }
}

/// Returns the account of an upload: that of its owner, or else that of the request.
fn account_of(id: &Id, of_request: Option<Account>) -> Option<Account> {
    match id.owner() {
        b"" => of_request,
        owner => Some(Account::of_user(owner)),
    }
}

impl Index {
    fn partial(&self, key: Key) -> Option<Counted> {
        let upload = self.uploads.get(&key).copied();
        upload.filter(|upload| upload.is_partial)
    }

    /// Returns the bytes that count for the quota of an account.
    fn used(&self, account: Option<Account>) -> u64 {
        let totals = account.and_then(|account| self.accounts.get(&account));
        totals.map_or(0, |totals| {
            (totals.partial_bytes).saturating_add(totals.complete_bytes())
        })
    }

    /// Updates the size of a known upload, without an allocation: a window of a body calls this.
    fn update(&mut self, key: Key, bytes: u64) {
        let Some(upload) = self.uploads.get_mut(&key) else {
            return;
        };
        let totals = (upload.account).and_then(|account| self.accounts.get_mut(&account));
        if let Some(totals) = totals {
            totals.remove_bytes(*upload);
            upload.bytes = totals.add_bytes(bytes, upload.is_partial);
        } else {
            upload.bytes = bytes;
        }
        upload.sweep = self.sweep;
    }

    fn replace(&mut self, key: Key, account: Option<Account>, bytes: u64, is_partial: bool) {
        self.remove(key);
        self.partials += u64::from(is_partial);
        let bytes = account.map_or(bytes, |account| {
            let totals = self.accounts.entry(account).or_default();
            totals.uploads += 1;
            totals.partials += u64::from(is_partial);
            totals.add_bytes(bytes, is_partial)
        });
        let upload = Counted {
            account,
            bytes,
            is_partial,
            admitted: Admitted::Always,
            sweep: self.sweep,
        };
        self.uploads.insert(key, upload);
    }

    fn remove(&mut self, key: Key) {
        let Some(upload) = self.uploads.remove(&key) else {
            return;
        };
        self.partials -= u64::from(upload.is_partial);
        let Some(account) = upload.account else {
            return;
        };
        if let Some(totals) = self.accounts.get_mut(&account) {
            totals.uploads -= 1;
            totals.partials -= u64::from(upload.is_partial);
            totals.remove_bytes(upload);
            if totals.uploads == 0 && totals.found_bytes.is_none() {
                self.accounts.remove(&account);
            }
        }
    }
}

impl Totals {
    fn complete_bytes(&self) -> u64 {
        self.found_bytes.unwrap_or(self.recorded_bytes)
    }

    fn sum(&mut self, is_partial: bool) -> &mut u64 {
        match is_partial {
            true => &mut self.partial_bytes,
            false => &mut self.recorded_bytes,
        }
    }

    /// Returns the bytes that were added. The sum of declared lengths may overflow; `remove_bytes` subtracts what was
    /// added.
    fn add_bytes(&mut self, bytes: u64, is_partial: bool) -> u64 {
        let sum = self.sum(is_partial);
        let added = bytes.min(u64::MAX - *sum);
        *sum += added;
        added
    }

    fn remove_bytes(&mut self, upload: Counted) {
        *self.sum(upload.is_partial) -= upload.bytes;
    }
}
