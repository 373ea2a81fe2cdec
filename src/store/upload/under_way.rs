//! The uploads that are not complete: those that clients send now, as far as memory shows, and all of them.

use std::sync::Arc;

use crate::store::account::Account;
use crate::store::id::Id;
use crate::store::upload::info::UploadInfo;
use crate::store::upload::registry::Registry;
use crate::store::upload::state::State;

/// The maximum number of uploads in memory that are considered. The registry is locked meanwhile: well under 1 ms.
const CONSIDERED_MAX: usize = 1000;

/// An incomplete upload that a client sends now, or that could not be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnderWay {
    pub(crate) id: Id,
    /// The name that the client gave.
    pub(crate) name: Option<Box<str>>,
    /// The number of received bytes. They may not be durable.
    pub(crate) offset: u64,
    /// The declared length.
    pub(crate) length: Option<u64>,
    /// The seconds since the last byte.
    pub(crate) idle_secs: u64,
    /// The obstacle to its publishing, if the upload is full.
    pub(crate) publishing: Option<String>,
}

/// An upload that is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartialUpload {
    /// The id of the upload.
    pub id: Id,
    /// The number of received bytes. They may not be durable.
    pub offset: u64,
    /// The declarations and the expiry.
    pub info: UploadInfo,
    /// True if a client sends it now.
    pub is_sent: bool,
}

impl Registry {
    /// Returns all partial uploads of `owner`. Reads the files of each.
    pub(crate) fn partial_uploads(self: &Arc<Self>, owner: &[u8]) -> Vec<PartialUpload> {
        let account = (!owner.is_empty()).then(|| Account::of_user(owner));
        let keys = self.accounts.partial_keys(account).into_iter();
        let partials = keys.filter_map(|key| {
            let upload = self.upload(key);
            let state = upload.load().ok()?;
            let id = state.record()?.id.clone();
            let (offset, is_sent) = (state.offset(), state.has_appends());
            let is_partial = !state.is_complete() && id.owner() == owner;
            drop(state);
            let info = upload.info().ok().flatten().filter(|_| is_partial)?;
            Some(PartialUpload {
                id,
                offset,
                info,
                is_sent,
            })
        });
        partials.collect()
    }

    /// Returns the uploads of `owner` that clients send to this server. Waits for no write and no sync.
    pub(crate) fn under_way(&self, owner: &[u8]) -> Vec<UnderWay> {
        let uploads = self.some_uploads(CONSIDERED_MAX);
        let blocked = self.blocked.all();
        let mut found: Vec<_> = (blocked.values())
            .filter(|(record, _)| record.id.owner() == owner)
            .map(|(record, reason)| UnderWay {
                id: record.id.clone(),
                name: record.file.name.clone(),
                offset: record.length.unwrap_or_default(),
                length: record.length,
                idle_secs: 0,
                publishing: Some(reason.clone()),
            })
            .collect();
        drop(blocked);
        for upload in uploads {
            let sent = upload.peek().ok().and_then(|state| state.under_way(owner));
            let Some(sent) = sent else { continue };
            if found.iter().all(|blocked| blocked.id != sent.id) {
                found.push(sent);
            }
        }
        found
    }
}

impl State {
    fn under_way(&self, owner: &[u8]) -> Option<UnderWay> {
        let record = self.record()?;
        if !self.has_appends() || !self.is_receiving() || record.id.owner() != owner {
            return None;
        }
        Some(UnderWay {
            id: record.id.clone(),
            name: record.file.name.clone(),
            offset: self.offset(),
            length: record.length,
            idle_secs: self.idle_secs(),
            publishing: None,
        })
    }
}
