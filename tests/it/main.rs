//! What a user would notice, in one binary.

mod chromium;
mod embed;
mod hostile;
mod limits;
mod newest;
mod page;
mod parked;
mod proc;
mod program;
mod proxy;
mod readme;
mod security;
mod slow_link;
mod stop;
mod support;
mod tidy;
mod torture;
mod transcripts;
