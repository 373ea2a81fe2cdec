//! The flags of TLS in a build without it.

use std::path::Path;

use resumed::{Config, Server};

#[derive(Default)]
pub(super) struct TlsFlags {
    first: Option<String>,
}

/// A type without a value.
pub(crate) enum Certificate {}

impl TlsFlags {
    pub(super) fn set<E>(
        &mut self,
        flag: &str,
        _: impl FnOnce() -> Result<String, E>,
    ) -> Result<(), E> {
        self.first.get_or_insert(flag.to_owned());
        Ok(())
    }

    pub(super) fn add_name(&mut self, _: String) {}

    pub(super) fn build(
        self,
        config: Config,
        _: &Path,
    ) -> Result<(Config, Option<Certificate>), String> {
        match self.first {
            None => Ok((config, None)),
            Some(flag) => Err(format!("--{flag}: this binary was built without TLS")),
        }
    }
}

impl Certificate {
    pub(crate) fn apply(&self, _: Config) -> Result<(Config, Option<String>), String> {
        match *self {}
    }

    pub(crate) fn reload(&self, _: &Server) {
        match *self {}
    }
}
