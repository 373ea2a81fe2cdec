//! Properties that hold for arbitrary bytes. `fuzz/` searches for counterexamples; the tests replay its corpus.

pub use crate::http::properties::connection::connection;
pub use crate::http::properties::{body, head};
pub use crate::protocol::properties::{declaration, request};
pub use crate::store::properties::{id, name, record, segment};

#[cfg(test)]
#[path = "replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn heads() {
        replay("head", super::head);
    }

    #[test]
    fn bodies() {
        replay("body", super::body);
    }

    #[test]
    fn connections() {
        replay("connection", super::connection);
    }

    #[test]
    fn requests() {
        replay("request", super::request);
    }

    #[test]
    fn ids() {
        replay("id", |bytes| {
            super::id(bytes);
            super::name(bytes);
            super::declaration(bytes);
        });
    }

    #[test]
    fn records() {
        replay("record", |bytes| {
            super::record(bytes);
            super::segment(bytes);
        });
    }
}
