//! Tells what is under way and what has arrived lately: to whom may ask about each upload by itself.

use std::sync::Arc;

use crate::http::{Action, Head, Response};
use crate::protocol::access::cors::Grant;
use crate::protocol::command::{Command, Question, Target, Verb};
use crate::protocol::pages::recent::{self, Arrived};

use super::arrivals::Arrival;
use super::context::Desk;

/// How many uploads that are under way are told.
const UNDER_WAY_MAX: usize = 50;

/// Tells `owner`, in a turn that may wait for the disk: of one of many uploads somebody may be looking for the files.
pub(super) fn tell(desk: &Arc<Desk>, head: &Head, owner: &str, grant: Grant) -> Action {
    let (desk, head, owner) = (Arc::clone(desk), head.clone(), owner.to_owned());
    Action::Blocking(Box::new(move || {
        Action::Respond(grant.add_to(desk.recent(&head, &owner)))
    }))
}

impl Desk {
    fn recent(&self, head: &Head, owner: &str) -> Response {
        let mut under_way = self.store.under_way(owner.as_bytes());
        // Those to which bytes came last.
        under_way.sort_by_key(|upload| upload.idle_secs);
        let under_way = under_way
            .into_iter()
            .filter(|upload| self.may_ask_about(head, upload.id.as_bytes()))
            .take(UNDER_WAY_MAX);
        let mut arrivals = self.arrivals.of(owner);
        arrivals.retain(|arrival| self.may_ask_about(head, arrival.completed.id.as_bytes()));
        let arrived = arrivals.iter().filter_map(|arrival| self.arrived(arrival));
        recent::reply(under_way, arrived)
    }

    fn may_ask_about(&self, head: &Head, id: &[u8]) -> bool {
        let command = Command {
            target: Target::Named(id.to_vec()),
            verb: Verb::Status(Question::About),
        };
        self.allows(head, &command)
    }

    fn arrived<'a>(&self, Arrival { at, completed }: &'a Arrival) -> Option<Arrived<'a>> {
        let path = completed.path.strip_prefix(self.store.dir()).ok()?;
        Some(Arrived {
            name: completed.name.as_deref(),
            path: path.to_str()?,
            length: completed.length,
            ago_secs: at.elapsed().as_secs(),
        })
    }
}
