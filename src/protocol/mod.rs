//! Requests to commands, outcomes to responses. Pure: no file, no socket, no clock.
//!
//! A dialect is one file with two functions, `read` and `reply`. A difference between dialects is data in the
//! [`Command`].
//!
//! | path | module |
//! | --- | --- |
//! | `/status`, `/upload` | `x_file_id`: the protocol of an article, `X-File-Id` |
//! | `/files`, `/files/...` | `tus`: `Tus-Resumable`; `ietf`: the draft "Resumable Uploads for HTTP"; `plain`: `PUT`, as curl sends it |
//! | `/health`, `/recent` | `pages`: `health`, `recent` |
//! | any other | `pages::page`: the browser page, or 404 |
//!
//! `access` decides first which hosts, origins and users may send requests.

pub(crate) mod access;
pub(crate) mod command;
mod dialects;
pub(crate) mod pages;
mod parse;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
pub(crate) mod refusal;
mod reply;
pub(crate) mod server_info;

use crate::http::{Head, Response};
use crate::store::Progress;
use command::{Command, Outcome};
use dialects::{form, ietf, plain, tus, x_file_id};
use pages::{page, recent};
use parse::files_path::{self, FilesPath};
use refusal::Refusal;
use reply::with_name;
use server_info::ServerInfo;

/// The dialect of a request, with what its reply depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    FileId,
    Tus,
    Ietf(ietf::Reply),
    Plain(plain::Method),
}

/// Reads the dialect and the command of a request. An error is the response: there is no command.
pub(crate) fn read(head: &Head, server: &ServerInfo) -> (Dialect, Result<Command, Response>) {
    let dialect = Dialect::of(head);
    if let Some(list) = recent::read(head) {
        return (dialect, list);
    }
    if let Some(refusal) = form::refuse(head, server) {
        return (dialect, Err(refusal));
    }
    let command = match (dialect, head.path()) {
        (Dialect::FileId, x_file_id::STATUS | x_file_id::UPLOAD) => x_file_id::read(head),
        (Dialect::FileId, _) => Err(page::respond(head, server.hsts)),
        _ if head.method() == "OPTIONS" => Err(options(head, server)),
        (Dialect::Tus, _) => tus::read(head),
        (Dialect::Ietf(reply), _) => ietf::read(reply, head),
        (Dialect::Plain(_), _) => plain::read(head),
    };
    (dialect, command)
}

fn options(head: &Head, server: &ServerInfo) -> Response {
    let reply = ietf::Reply::to(head);
    tus::announce(server, ietf::announce(reply, server, Response::new(200)))
}

impl Dialect {
    /// Pages count as `FileId`: their refusals have the form of that dialect.
    fn of(head: &Head) -> Dialect {
        match FilesPath::of(head) {
            None => Dialect::FileId,
            Some(path) => Dialect::below_files(head, &path),
        }
    }

    /// Chooses by fields of a single dialect first, then by the most likely meaning.
    fn below_files(head: &Head, path: &FilesPath) -> Dialect {
        let is_named = matches!(path, FilesPath::Upload(id) if !files_path::is_generated(id));
        let is_plain = match head.method() {
            "PUT" => true,
            "HEAD" | "GET" | "DELETE" => is_named,
            _ => false,
        };
        if tus::is_named(head) {
            Dialect::Tus
        } else if plain::is_named(head) {
            Dialect::Plain(plain::Method::of(head))
        } else if ietf::is_named(head) {
            Dialect::Ietf(ietf::Reply::to(head))
        } else if is_plain {
            Dialect::Plain(plain::Method::of(head))
        } else if tus::is_likely(head) {
            Dialect::Tus
        } else {
            Dialect::Ietf(ietf::Reply::to(head))
        }
    }

    /// Returns the response to a command: its result, the progress that the client may rely on, the path of the file of a
    /// complete upload, and the address of an upload with a generated id.
    pub(crate) fn reply(
        self,
        server: &ServerInfo,
        (progress, path): (Progress, Option<&str>),
        location: Option<&str>,
        result: Result<Outcome, Refusal>,
    ) -> Response {
        let response = match self {
            Dialect::FileId => x_file_id::reply(progress, result),
            Dialect::Tus => tus::reply(progress, location, result),
            Dialect::Ietf(reply) => ietf::reply(reply, server, progress, location, result),
            Dialect::Plain(method) => plain::reply(method, progress, result),
        };
        let response = response.field("Cache-Control", "no-store");
        match path {
            Some(path) => with_name(response, path),
            None => response,
        }
    }

    /// Returns the response to send before the body of an upload at `location`, if any. The upload must exist by then.
    pub(crate) fn interim(self, server: &ServerInfo, location: &str) -> Option<Response> {
        match self {
            Dialect::FileId | Dialect::Tus | Dialect::Plain(_) => None,
            Dialect::Ietf(reply) => ietf::interim(reply, server, location),
        }
    }
}
