//! The load of clients. A client costs less than any server.

mod paced;
mod small;
mod whole;
pub(crate) mod wrk;

pub(crate) use self::paced::{Paced, SEGMENT_BYTES};
pub(crate) use self::small::Senders;
pub(crate) use self::whole::{send_body, upload};
