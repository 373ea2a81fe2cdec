//! Fault injection for tests. Outside of tests the functions are empty.

/// The kinds of operation on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Open,
    Create,
    Read,
    Write,
    Sync,
    Length,
    Cut,
    SetTime,
    Marker,
    Remove,
    LoadRecord,
    CreateRecord,
    WriteRecord,
    SyncRecord,
    RenameRecord,
    Look,
    MakeFolder,
    Probe,
    Own,
    Copy,
    SyncCopy,
    PublishCopy,
    Publish,
    SyncDir,
    SyncFileSystem,
    Free,
    List,
    LockAtOpen,
    SyncAtOpen,
}

#[cfg(not(test))]
pub(crate) use none::Faults;
#[cfg(test)]
pub(crate) use planned::{Fault, Faults, Rendezvous};

#[cfg(not(test))]
mod none {
    use std::io;

    use super::Op;

    #[derive(Default)]
    pub(crate) struct Faults {}

    impl Faults {
        #[inline]
        pub(crate) fn check(&self, _: Op) -> io::Result<()> {
            Ok(())
        }

        #[inline]
        pub(crate) fn clip<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
            bytes
        }
    }
}

#[cfg(test)]
mod planned {
    use std::io;
    use std::sync::{Arc, Condvar, Mutex};
    use std::time::Duration;

    use super::Op;

    /// Lets `after` operations of the kind pass, then fails `times` of them with `errno`.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Fault {
        pub(crate) op: Op,
        pub(crate) after: usize,
        pub(crate) times: usize,
        pub(crate) errno: i32,
        /// For `Write`: the operation before the failing one takes only so many bytes.
        pub(crate) short: Option<usize>,
    }

    /// The plan, and a log of what was asked for.
    #[derive(Default)]
    pub(crate) struct Faults {
        plan: Mutex<Vec<Fault>>,
        log: Mutex<Vec<(Op, bool)>>,
        pause: Mutex<Option<(Op, Arc<Rendezvous>)>>,
    }

    /// A barrier for two threads. A thread that waits in vain fails: a barrier would keep a failed test from its end.
    #[derive(Default)]
    pub(crate) struct Rendezvous {
        arrived: Mutex<usize>,
        changed: Condvar,
    }

    impl Rendezvous {
        pub(crate) fn wait(&self) {
            self.wait_for(Duration::from_secs(120));
        }

        fn wait_for(&self, limit: Duration) {
            let mut arrived = self.arrived.lock().unwrap();
            *arrived += 1;
            let both = arrived.next_multiple_of(2);
            self.changed.notify_all();
            let waited = self
                .changed
                .wait_timeout_while(arrived, limit, |arrived| *arrived < both);
            let is_late = waited.unwrap().1.timed_out();
            assert!(!is_late, "the other thread does not come");
        }
    }

    #[test]
    #[should_panic(expected = "the other thread does not come")]
    fn thread_that_waits_alone_fails() {
        Rendezvous::default().wait_for(Duration::from_millis(10));
    }

    impl Faults {
        pub(crate) fn plan(&self, fault: Fault) {
            *self.plan.lock().unwrap() = vec![fault];
        }

        /// Adds a second planned failure, of another operation.
        pub(crate) fn plan_also(&self, fault: Fault) {
            self.plan.lock().unwrap().push(fault);
        }

        /// Has the next operation of the kind wait twice at the rendezvous that is returned.
        pub(crate) fn pause(&self, op: Op) -> Arc<Rendezvous> {
            let meeting = Arc::new(Rendezvous::default());
            *self.pause.lock().unwrap() = Some((op, Arc::clone(&meeting)));
            meeting
        }

        pub(crate) fn clear(&self) {
            self.plan.lock().unwrap().clear();
        }

        /// Returns whether a planned failure has occurred.
        pub(crate) fn came(&self) -> bool {
            self.log.lock().unwrap().iter().any(|(_, passed)| !passed)
        }

        /// Returns all operations since the store was opened, and whether each was allowed.
        pub(crate) fn log(&self) -> Vec<(Op, bool)> {
            self.log.lock().unwrap().clone()
        }

        pub(crate) fn check(&self, op: Op) -> io::Result<()> {
            let pause = self
                .pause
                .lock()
                .unwrap()
                .take_if(|(paused, _)| *paused == op);
            if let Some((_, meeting)) = pause {
                meeting.wait();
                meeting.wait();
            }
            let failure = self.failure(op);
            self.log.lock().unwrap().push((op, failure.is_none()));
            failure.map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
        }

        fn failure(&self, op: Op) -> Option<i32> {
            let mut plan = self.plan.lock().unwrap();
            let fault = plan.iter_mut().find(|fault| fault.op == op)?;
            if fault.after > 0 {
                fault.after -= 1;
                return None;
            }
            fault.times = fault.times.checked_sub(1)?;
            Some(fault.errno)
        }

        pub(crate) fn clip<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
            match &self.plan.lock().unwrap()[..] {
                [
                    Fault {
                        op: Op::Write,
                        after: 1,
                        short: Some(short),
                        ..
                    },
                ] => &bytes[..bytes.len().min(*short)],
                _ => bytes,
            }
        }
    }
}
