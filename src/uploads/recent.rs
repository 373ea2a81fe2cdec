//! `/recent`: the running uploads and the recently published files of a user.

use std::sync::Arc;

use crate::http::{Action, Head, Response};
use crate::protocol::access::cors::CorsHeaders;
use crate::protocol::command::{Command, Operation, StatusQuery, Target};
use crate::protocol::pages::recent::{self, Arrived};

use super::access_log::RequestLog;
use super::context::Context;

/// The maximum number of running uploads in a response.
const UNDER_WAY_MAX: usize = 50;

/// Lists the uploads of `owner`, for a login of `user`. Blocking: another request may be reading the files of an upload.
pub(super) fn respond(
    context: &Arc<Context>,
    head: &Head,
    (user, owner): (&str, Box<str>),
    cors: CorsHeaders,
    mut log: RequestLog,
) -> Action {
    let (context, head, user) = (Arc::clone(context), head.clone(), Box::<str>::from(user));
    Action::Blocking(Box::new(move || {
        let response = cors.add_to(list(&context, &head, (&user, &owner)));
        log.answered(response.status());
        Action::Respond(response)
    }))
}

fn list(context: &Context, head: &Head, (user, owner): (&str, &str)) -> Response {
    let is_allowed = |id: &[u8]| {
        let command = Command {
            target: Target::Id(id.to_vec()),
            operation: Operation::Status(StatusQuery::default()),
        };
        (context.owner_of(head, &command, user)).is_ok_and(|of| *of == *owner)
    };
    let mut under_way = context.store.under_way(owner.as_bytes());
    under_way.sort_by_key(|upload| upload.idle_secs);
    let under_way = under_way
        .into_iter()
        .filter(|upload| is_allowed(upload.id.as_bytes()))
        .take(UNDER_WAY_MAX);
    let mut files = context.recent.of(owner);
    files.retain(|file| is_allowed(file.completed.id.as_bytes()));
    let arrived = files.iter().filter_map(|file| {
        Some(Arrived {
            name: file.completed.file.name.as_deref(),
            path: context.store.shown_path(&file.completed)?,
            length: file.completed.length,
            ago_secs: file.at.elapsed().as_secs(),
        })
    });
    // With an embedding program that permits each command by itself, the requester may be anybody.
    let free_bytes = match context.authorize {
        Some(_) => None,
        None => context.store.free_bytes(owner.as_bytes()),
    };
    recent::reply(under_way, arrived, free_bytes)
}
