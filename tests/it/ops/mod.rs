//! Running and embedding the server: start-up, hooks, health, users, packages, documentation.

pub(crate) mod api;
pub(crate) mod embed;
pub(crate) mod embedding;
pub(crate) mod examples;
pub(crate) mod forge;
pub(crate) mod greeting;
pub(crate) mod guess;
pub(crate) mod health;
pub(crate) mod health_command;
pub(crate) mod hook;
pub(crate) mod logins;
pub(crate) mod logs;
pub(crate) mod packaging;
pub(crate) mod readme;
pub(crate) mod scarce;
pub(crate) mod security;
pub(crate) mod self_signed;
pub(crate) mod stopping;
pub(crate) mod systemd;
pub(crate) mod user_dirs;
pub(crate) mod user_file;
