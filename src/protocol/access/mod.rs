pub(crate) mod basic_auth;
pub(crate) mod cors;
pub(crate) mod host;
pub(crate) mod password_hash;
pub(crate) mod proxies;
