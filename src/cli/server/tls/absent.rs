//! The flags of TLS in a build without it.

use std::path::Path;

use resumed::{Config, Server};

use crate::cli::UsageError;

#[derive(Default)]
pub(super) struct TlsFlags;

/// A type without a value.
pub(crate) enum Certificate {}

/// A type without a value.
pub(crate) enum Applied {}

impl TlsFlags {
    pub(super) fn set(
        &mut self,
        flag: &str,
        _: impl FnOnce() -> Result<String, UsageError>,
    ) -> Result<(), UsageError> {
        Err(UsageError(format!(
            "--{flag}: this binary was built without TLS: build with --features put,tls"
        )))
    }

    pub(super) fn add_name(&mut self, _: String) {}

    pub(super) fn build(
        self,
        config: Config,
        _: &Path,
    ) -> Result<(Config, Option<Certificate>), String> {
        Ok((config, None))
    }
}

impl Certificate {
    pub(crate) fn apply(&self, _: Config) -> Result<(Config, Applied), String> {
        match *self {}
    }

    pub(crate) fn keep(&self, _: Applied, _: &Server) -> Result<String, String> {
        match *self {}
    }

    pub(crate) fn reload(&self, _: &Server) {
        match *self {}
    }
}
