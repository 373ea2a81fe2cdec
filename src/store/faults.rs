//! Where tests make the disk fail. Outside of tests this is nothing at all.

/// The kinds of operation on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Open,
    Create,
    Read,
    Write,
    Sync,
    Length,
    Cut,
    SetTime,
    Remove,
    LoadRecord,
    CreateRecord,
    WriteRecord,
    SyncRecord,
    RenameRecord,
    Look,
    Publish,
    SyncDir,
    Free,
    List,
}

#[cfg(not(test))]
pub(super) use none::Faults;
#[cfg(test)]
pub(super) use planned::{Fault, Faults};

#[cfg(not(test))]
mod none {
    use std::io;

    use super::Op;

    #[derive(Default)]
    pub(in crate::store) struct Faults;

    impl Faults {
        #[inline]
        pub(in crate::store) fn check(&self, _: Op) -> io::Result<()> {
            Ok(())
        }

        #[inline]
        pub(in crate::store) fn clip<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
            bytes
        }
    }
}

#[cfg(test)]
mod planned {
    use std::io;
    use std::sync::Mutex;

    use super::Op;

    /// Lets `after` operations of the kind pass, then fails `times` of them with `errno`.
    #[derive(Debug, Clone, Copy)]
    pub(in crate::store) struct Fault {
        pub(in crate::store) op: Op,
        pub(in crate::store) after: usize,
        pub(in crate::store) times: usize,
        pub(in crate::store) errno: i32,
        /// For `Write`: the operation before the failing one takes only so many bytes.
        pub(in crate::store) short: Option<usize>,
    }

    /// The plan, and a log of what was asked for.
    #[derive(Default)]
    pub(in crate::store) struct Faults {
        plan: Mutex<Option<Fault>>,
        log: Mutex<Vec<Op>>,
    }

    impl Faults {
        pub(in crate::store) fn plan(&self, fault: Fault) {
            *self.plan.lock().unwrap() = Some(fault);
        }

        /// Whether the plan still has failures to come.
        pub(in crate::store) fn clear(&self) -> bool {
            self.plan
                .lock()
                .unwrap()
                .take()
                .is_some_and(|fault| fault.times > 0)
        }

        /// What was asked for since the last call.
        pub(in crate::store) fn log(&self) -> Vec<Op> {
            std::mem::take(&mut *self.log.lock().unwrap())
        }

        pub(in crate::store) fn check(&self, op: Op) -> io::Result<()> {
            self.log.lock().unwrap().push(op);
            let mut plan = self.plan.lock().unwrap();
            match plan.as_mut().filter(|fault| fault.op == op) {
                Some(fault) if fault.after > 0 => fault.after -= 1,
                Some(fault) if fault.times > 0 => {
                    fault.times -= 1;
                    return Err(io::Error::from_raw_os_error(fault.errno));
                }
                _ => {}
            }
            Ok(())
        }

        pub(in crate::store) fn clip<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
            match &*self.plan.lock().unwrap() {
                Some(Fault {
                    op: Op::Write,
                    after: 0,
                    short: Some(short),
                    ..
                }) => &bytes[..bytes.len().min(*short)],
                _ => bytes,
            }
        }
    }
}
