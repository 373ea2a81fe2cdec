//! Input that means no good, or no good at all.

mod smuggling;
mod splitting;
