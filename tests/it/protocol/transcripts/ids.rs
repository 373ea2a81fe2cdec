//! Ids that the server makes: unlike the rest of an answer, nobody can write them down before.

use std::collections::BTreeMap;

/// By what the transcript calls them.
#[derive(Default)]
pub(super) struct Ids(BTreeMap<String, String>);

impl Ids {
    /// The bytes with ids for their names.
    pub(super) fn put_into(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for (name, id) in &self.0 {
            let name = format!("{{{name}}}");
            while let Some(at) = bytes
                .windows(name.len())
                .position(|here| here == name.as_bytes())
            {
                bytes.splice(at..at + name.len(), id.bytes());
            }
        }
        bytes
    }

    /// The value with an id for the name at its end. A name that is new is given to the id that came.
    pub(super) fn filled_in(&mut self, value: &str, came: Option<&str>) -> String {
        let Some((before, name)) = value.strip_suffix('}').and_then(|v| v.rsplit_once('{')) else {
            return value.to_owned();
        };
        let id = came.and_then(|came| came.strip_prefix(before));
        let is_new = |id: &&str| is_id(id) && !self.0.values().any(|known| known == id);
        if let Some(id) = id.filter(is_new) {
            let named = self.0.entry(name.to_owned());
            named.or_insert_with(|| id.to_owned());
        }
        match self.0.get(name) {
            Some(id) => format!("{before}{id}"),
            None => value.to_owned(),
        }
    }
}

fn is_id(text: &str) -> bool {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 32 && text.bytes().all(is_digit)
}
