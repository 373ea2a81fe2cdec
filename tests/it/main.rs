//! What a user would notice, in one binary.

mod chromium;
mod crash;
mod embed;
mod flood;
mod hostile;
mod large;
mod left_out;
mod limits;
mod mount;
mod newest;
mod page;
mod parked;
mod proc;
mod program;
mod proxy;
mod readme;
mod scarce;
mod security;
mod slow_link;
mod stop;
mod support;
mod tidy;
mod torture;
mod transcripts;
mod trouble;
mod unix;
