//! A process that is not to outlive what it is for.

use std::ops::{Deref, DerefMut};
use std::process::Child;

use crate::support::limit::{LIMIT, end_within, fail};

/// Killed when dropped, unless it has ended, and waited for.
pub(crate) struct Killed(pub(crate) Child);

impl Deref for Killed {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Killed {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        if let Err(message) = end_within(LIMIT, &mut self.0) {
            fail(&message);
        }
    }
}
