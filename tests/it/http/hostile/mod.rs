//! Input that means no good, or no good at all.

mod absurd;
mod smuggling;
mod splitting;
