//! What is being sent now, as it is known in memory: for whoever watches. No disk is touched here, and nothing kept.

use crate::store::id::Id;
use crate::store::upload::registry::Registry;
use crate::store::upload::state::{Phase, State};

/// How many uploads are looked at: others wait for the shelf meanwhile, and so many take well under a millisecond.
const LOOKED_AT_MAX: usize = 1000;

/// An incomplete upload that a client sends now, or that could not be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnderWay {
    pub(crate) id: Id,
    /// What its client calls it.
    pub(crate) name: Option<Box<str>>,
    /// How many bytes are there; nobody has made sure of them.
    pub(crate) offset: u64,
    /// How many there will be.
    pub(crate) length: Option<u64>,
    /// For how many seconds no byte has come.
    pub(crate) idle_secs: u64,
    /// The obstacle to its publishing, if all bytes are held.
    pub(crate) publishing: Option<String>,
}

impl Registry {
    /// What is sent to this server in the name space of `owner`; where very much is sent at once, some of it.
    ///
    /// Waits for no window and no sync, but where somebody is just looking for the files of an upload.
    pub(crate) fn under_way(&self, owner: &[u8]) -> Vec<UnderWay> {
        let uploads = self.some_uploads(LOOKED_AT_MAX);
        // As this server knows it, without a look at what others may have done to it.
        let blocked = self.blocked.all();
        let mut told: Vec<_> = (blocked.values())
            .filter(|(record, _)| record.id.owner() == owner)
            .map(|(record, reason)| UnderWay {
                id: record.id.clone(),
                name: record.name.clone(),
                offset: record.length.unwrap_or_default(),
                length: record.length,
                idle_secs: 0,
                publishing: Some(reason.clone()),
            })
            .collect();
        drop(blocked);
        let is_blocked = |upload: &UnderWay| told.iter().any(|it| it.id == upload.id);
        let sent: Vec<_> = (uploads.iter())
            .filter_map(|upload| upload.state().ok()?.under_way(owner))
            .filter(|upload| !is_blocked(upload))
            .map(|upload| UnderWay {
                idle_secs: self.reservations.idle_secs(upload.id.key()),
                ..upload
            })
            .collect();
        told.extend(sent);
        told
    }
}

impl State {
    fn under_way(&self, owner: &[u8]) -> Option<UnderWay> {
        let is_sent = self.appends > 0 && self.phase == Phase::Receiving;
        let record = self.record.as_ref();
        let record = record.filter(|record| is_sent && record.id.owner() == owner)?;
        Some(UnderWay {
            id: record.id.clone(),
            name: record.name.clone(),
            offset: self.offset,
            length: record.length,
            idle_secs: 0,
            publishing: None,
        })
    }
}
