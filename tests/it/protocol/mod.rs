//! The dialects: transcripts, and what takes two connections.

pub(crate) mod crc32;
pub(crate) mod draft;
pub(crate) mod newest;
pub(crate) mod recent;
pub(crate) mod transcripts;
pub(crate) mod tus;
