//! HTTP as a client sees it: strictness, limits, silent and slow clients, the end of the server.

pub(crate) mod flood;
pub(crate) mod headers;
pub(crate) mod hostile;
pub(crate) mod large;
pub(crate) mod limits;
pub(crate) mod parked;
pub(crate) mod slow_link;
pub(crate) mod stop;
pub(crate) mod tls;
pub(crate) mod tls_certificate;
pub(crate) mod tls_time;
pub(crate) mod unix;
pub(crate) mod windows;
