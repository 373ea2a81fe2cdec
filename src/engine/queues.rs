//! What waits for a worker, and what a turn may have besides.
//!
//! All workers but one may move bodies or wait for the disk: such a turn needs a *place*. Turns
//! that need one and find none wait in a queue of their own, so one worker is always free to read
//! heads. Who goes on to wait for a sync leaves its place to others, and a stand-in is hired for it:
//! so what is slow is the disk, and not the crew.

use std::collections::VecDeque;

use super::lot::Guest;
use crate::http::connection::Wake;

pub(super) struct Queues {
    /// Turns that need no place.
    heads: VecDeque<Job>,
    /// Turns that do.
    bodies: VecDeque<Job>,
    places_free: usize,
    /// Turns that wait for the disk, or have, and hold no place.
    disk_waits: usize,
    disk_waits_max: usize,
    arrived: u64,
}

/// A turn that waits for a worker.
pub(super) struct Job {
    pub(super) guest: Box<Guest>,
    pub(super) wake: Wake,
    /// Its number among all: who came first is served first.
    arrived: u64,
}

/// What a turn has of the crew, besides its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Nothing,
    Place,
    DiskWait,
}

impl Queues {
    pub(super) fn new(places: usize, disk_waits_max: usize) -> Queues {
        Queues {
            heads: VecDeque::new(),
            bodies: VecDeque::new(),
            places_free: places,
            disk_waits: 0,
            disk_waits_max,
            arrived: 0,
        }
    }

    pub(super) fn push(&mut self, guest: Box<Guest>, wake: Wake) {
        self.arrived += 1;
        let arrived = self.arrived;
        let needs_place = guest.connection.needs_place();
        let queue = if needs_place {
            &mut self.bodies
        } else {
            &mut self.heads
        };
        queue.push_back(Job {
            guest,
            wake,
            arrived,
        });
    }

    pub(super) fn pop(&mut self) -> Option<(Job, Standing)> {
        let head = self.heads.front().map(|job| job.arrived);
        let body = self
            .bodies
            .front()
            .filter(|_| self.places_free > 0)
            .map(|job| job.arrived);
        match (head, body) {
            (_, Some(body)) if head.is_none_or(|head| body < head) => {
                self.places_free -= 1;
                self.bodies.pop_front().map(|job| (job, Standing::Place))
            }
            _ => self.heads.pop_front().map(|job| (job, Standing::Nothing)),
        }
    }

    /// A place for what a turn had, unless others queue for one.
    pub(super) fn claim_place(&mut self, had: Standing) -> Standing {
        if self.places_free == 0 || !self.bodies.is_empty() {
            return had;
        }
        self.take_back(had);
        self.places_free -= 1;
        Standing::Place
    }

    /// Leave to wait for the disk for what a turn had, unless too many have it: each is a thread.
    pub(super) fn claim_disk_wait(&mut self, had: Standing) -> Standing {
        if self.disk_waits == self.disk_waits_max {
            return had;
        }
        self.take_back(had);
        self.disk_waits += 1;
        Standing::DiskWait
    }

    pub(super) fn take_back(&mut self, standing: Standing) {
        match standing {
            Standing::Nothing => {}
            Standing::Place => self.places_free += 1,
            Standing::DiskWait => self.disk_waits -= 1,
        }
    }

    pub(super) fn disk_waits(&self) -> usize {
        self.disk_waits
    }

    pub(super) fn is_empty(&self) -> bool {
        self.heads.is_empty() && self.bodies.is_empty()
    }

    /// Turns that could be worked now.
    pub(super) fn turns_left(&self) -> usize {
        self.heads.len() + self.bodies.len().min(self.places_free)
    }

    pub(super) fn clear(&mut self) {
        self.heads.clear();
        self.bodies.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Standing::{DiskWait, Nothing, Place};
    use super::*;

    #[test]
    fn a_turn_that_waits_for_the_disk_leaves_its_place_to_another() {
        let mut queues = Queues::new(1, 1);
        assert_eq!(queues.claim_place(Nothing), Place);
        assert_eq!(queues.claim_place(Nothing), Nothing);
        assert_eq!(queues.claim_disk_wait(Place), DiskWait);
        assert_eq!(queues.claim_place(Nothing), Place);
        assert_eq!(queues.claim_disk_wait(Place), Place);

        queues.take_back(Place);
        assert_eq!(queues.claim_place(DiskWait), Place);
        assert_eq!(queues.claim_disk_wait(Place), DiskWait);
    }
}
