//! Data files without a name, as they are seen from outside: by the number of their inode, which `strace` shows as `#7`.

use std::collections::HashMap;

use crate::trace::Call;

/// Those of a server.
#[derive(Default)]
pub(super) struct Unnamed {
    /// As which file each is known, by what `strace` shows, and by the path of its descriptor in `/proc`.
    shown: HashMap<String, String>,
    proc: HashMap<String, String>,
    /// The partials they are of, as the records say.
    partials: HashMap<String, String>,
}

impl Unnamed {
    /// A file that `call` has made.
    pub(super) fn made(&mut self, call: &Call) -> String {
        let shown = call.returned.clone().expect("a descriptor");
        let proc = format!("/proc/self/fd/{}", call.result);
        self.proc.insert(proc, shown.clone());
        self.shown.insert(shown.clone(), shown.clone());
        shown
    }

    /// The path under which the file of `call` is known.
    pub(super) fn path_of<'c>(&'c self, call: &'c Call) -> &'c str {
        self.shown.get(call.of()).map_or(call.of(), |path| path)
    }

    /// The file that `call` links, and as what.
    pub(super) fn linked(&self, call: &Call) -> Option<(String, String)> {
        let [from, to] = call.paths().try_into().expect("two paths");
        let shown = self.proc.get(&from).map_or(call.of(), |shown| shown);
        self.shown.contains_key(shown).then(|| (shown.into(), to))
    }

    /// It has a name now.
    pub(super) fn is_named(&mut self, shown: &str, name: &str) {
        self.shown.insert(shown.to_owned(), name.to_owned());
    }

    /// The record of `partial` says `text`.
    pub(super) fn said(&mut self, partial: &str, text: &str) {
        let rest = text.split_once("inode\\\":").map(|(_, rest)| rest);
        if let Some((inode, _)) = rest.and_then(|rest| rest.split_once(',')) {
            self.partials.insert(inode.to_owned(), partial.to_owned());
        }
    }

    /// The partial whose record says which file that is.
    pub(super) fn partial_of(&self, shown: &str) -> Option<&String> {
        let (_, inode) = shown.rsplit_once('#')?;
        self.partials.get(inode)
    }
}
