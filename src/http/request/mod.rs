//! A request: the grammar of its head, its target, and the framing of its body.

mod framing;
pub(in crate::http) mod grammar;
mod head;
mod malformed;
#[cfg(any(test, fuzzing))]
pub(in crate::http) mod oracle;
mod request_line;
#[cfg(test)]
mod tests;

pub use framing::Framing;
pub use head::Head;
pub use malformed::Malformed;
pub use request_line::Version;
