//! Admission: the limits of size, space and account that a request, and each of its windows, has to fit.

use std::ops::Range;

use crate::store::account_index::{Admitted, Demand};
use crate::store::error::Error;
use crate::store::fs::space::Needed;
use crate::store::id::Id;
use crate::store::reservations::Claim;
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::request::AppendRequest;
use crate::store::upload::state::State;

/// Returns the bytes that an upload still expects; 0 if no request shows its end.
pub(crate) fn expected(state: &State, body_end: u64) -> u64 {
    let end = state.length().unwrap_or(body_end);
    end.saturating_sub(state.offset())
}

/// Compares a request with a complete upload.
pub(crate) fn check_complete(
    state: &State,
    start: u64,
    request: &AppendRequest,
) -> Result<Admitted, Error> {
    let length = state.offset();
    if start != length {
        return Err(Error::Mismatch);
    }
    if request.body_length.at_least() > 0 {
        return Err(Error::Overshoot { length });
    }
    state.compare(request.digest, request.crc32_value())?;
    Ok(Admitted::Always)
}

impl UploadHandle {
    /// Checks a request for an incomplete upload, reserves disk space, and adds its declarations to the record.
    pub(crate) fn admit(
        &self,
        state: &mut State,
        id: &Id,
        start: u64,
        request: AppendRequest,
    ) -> Result<Admitted, Error> {
        let has_body = !request.body_length.is_nothing();
        let missing = state.admit(start, &request, self.registry.options.max_size)?;
        let mut needed = Needed::bytes(missing);
        if !state.is_full() && (has_body || request.declares()) {
            let folders = self.check_folder(state, id, &request)?;
            if state.data().is_none() {
                // The data file, the record and the folders.
                needed += Needed::inodes(2 + folders);
            }
        }
        self.check_declared(state, &request)?;
        let end = start.saturating_add(missing);
        let admitted = match has_body || request.declares() {
            true => self.check_account(state, id, start..end, &request)?,
            false => Admitted::Always,
        };
        if let Err(error) = self.reserve(&request, missing, needed) {
            self.recount(state);
            return Err(error);
        }
        if has_body || state.record().is_some() || request.declares() {
            state.merge_metadata(id, request);
        }
        Ok(admitted)
    }

    /// Returns the upload and the account of a request's reservations.
    pub(crate) fn claim(&self, request: &AppendRequest) -> Claim {
        Claim {
            key: self.key,
            account: request.account,
        }
    }

    /// Checks that `needed` fits on the disk beside the reservations of other uploads. Reserves the `missing` bytes if the
    /// request has a body.
    fn reserve(&self, request: &AppendRequest, missing: u64, needed: Needed) -> Result<(), Error> {
        if needed == Needed::default() {
            return Ok(());
        }
        let has_body = !request.body_length.is_nothing();
        let reserved = has_body.then_some(missing);
        let read = || self.disk().free();
        (self.registry.reservations).admit(self.claim(request), needed, reserved, read)
    }

    /// Checks that a window of `bytes` fits on the disk.
    pub(crate) fn admit_window(
        &self,
        state: &State,
        bytes: u64,
        claim: Claim,
        body_end: u64,
    ) -> Result<(), Error> {
        let inodes = state.data().is_none().into();
        let expected = expected(state, body_end);
        let read = || self.disk().free();
        let window = Needed { bytes, inodes };
        (self.registry.reservations).admit_window(claim, window, expected, read)
    }

    /// Releases the reservation of an upload without bytes and appends. If the upload has no record file, it counts no
    /// longer.
    pub(crate) fn release_empty(&self, state: &State) {
        if state.has_appends() || state.offset() > 0 {
            return;
        }
        self.registry.reservations.release(self.key);
        if !state.has_record_file() {
            self.registry.accounts.remove(self.key);
        }
    }

    /// Checks the limits of the account, and counts the upload. `range` ends at the known end of the upload, or of the
    /// request.
    fn check_account(
        &self,
        state: &State,
        id: &Id,
        range: Range<u64>,
        request: &AppendRequest,
    ) -> Result<Admitted, Error> {
        let length = state.length().or(request.length);
        let body_end = range.start.saturating_add(request.body_length.at_least());
        let demand = Demand {
            account: request.account,
            is_new: !state.is_known(),
            is_whole: length == Some(body_end),
            bytes: length.unwrap_or(state.offset()),
            final_bytes: range.end,
        };
        self.registry.accounts.admit(id, demand)
    }

    /// Returns how many of `room` bytes the quota allows, and the refusal of others. A declared length was counted before.
    pub(crate) fn check_quota(
        &self,
        state: &State,
        room: u64,
        refusal: Option<Error>,
    ) -> (u64, Option<Error>) {
        let (Some(record), None) = (state.record(), state.length()) else {
            return (room, refusal);
        };
        let (allowed, over) = self
            .registry
            .accounts
            .grow(&record.id, state.offset(), room);
        (allowed, over.or(refusal))
    }

    /// Counts the upload again as before a refused request.
    fn recount(&self, state: &State) {
        match state.record() {
            Some(_) => self.count_partial(state),
            None => self.registry.accounts.remove(self.key),
        }
    }

    /// Updates the index of partial uploads.
    pub(crate) fn count_partial(&self, state: &State) {
        if let (Some(record), true) = (state.record(), state.is_receiving()) {
            let bytes = record.length.unwrap_or(state.offset());
            self.registry.accounts.set(&record.id, bytes);
        }
    }
}
