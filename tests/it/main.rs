//! What a user would notice, in one binary.

mod embed;
mod limits;
mod newest;
mod parked;
mod stop;
mod support;
