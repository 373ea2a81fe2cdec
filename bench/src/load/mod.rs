//! What clients do. Each is made to cost less than any server that takes it.

mod paced;
mod small;
mod whole;
pub(crate) mod wrk;

pub(crate) use self::paced::{Paced, SEGMENT_BYTES};
pub(crate) use self::small::Senders;
pub(crate) use self::whole::{send_body, upload};
