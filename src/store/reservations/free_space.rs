//! The free space of the disk, read seldom: a body must not pay for it.

use std::io;
use std::time::{Duration, Instant};

use crate::store::error::SpaceLimit;
use crate::store::fs::space::{Floor, Needed, Space};

/// The lifetime of a reading: other programs use the disk too.
pub(super) const READING_LASTS: Duration = Duration::from_secs(1);

/// A reading is used for so many written bytes.
pub(super) const READING_BYTES: u64 = 16 << 20;

/// If fewer bytes or inodes are left above a limit, each check reads the free space.
pub(super) const NEAR: Needed = Needed {
    bytes: 64 << 20,
    inodes: 1000,
};

/// The last reading of the free space, and what the server has granted since.
pub(crate) struct FreeSpace {
    floor: Floor,
    /// `None` before the first check.
    last: Option<(Space, Instant)>,
    granted: Needed,
}

impl FreeSpace {
    pub(super) fn new(floor: Floor) -> Self {
        Self {
            floor,
            last: None,
            granted: Needed::default(),
        }
    }

    /// Returns the limit that `needed` exceeds beside the bytes `reserved` for others, if there is one. `reserved` gets
    /// the free bytes above the floor.
    ///
    /// A refusal always comes from a new reading.
    pub(super) fn limit(
        &mut self,
        needed: Needed,
        reserved: impl Fn(u64) -> u64,
        read: impl FnOnce() -> io::Result<Space>,
    ) -> io::Result<Option<SpaceLimit>> {
        let is_plenty = |left| self.limit_in(left, needed + NEAR, &reserved).is_none();
        if self.left().is_some_and(is_plenty) {
            return Ok(None);
        }
        let space = read()?;
        self.last = Some((space, Instant::now()));
        self.granted = Needed::default();
        Ok(self.limit_in(space, needed, &reserved))
    }

    /// Subtracts `taken` from the last reading.
    pub(super) fn grant(&mut self, taken: Needed) {
        self.granted += taken;
    }

    /// Returns the free space as far as the last reading shows it; `None` if that is too old.
    fn left(&self) -> Option<Space> {
        let (space, at) = self.last?;
        let is_current = self.granted.bytes < READING_BYTES && at.elapsed() < READING_LASTS;
        is_current.then(|| space.without(self.granted))
    }

    fn limit_in(
        &self,
        left: Space,
        needed: Needed,
        reserved: impl Fn(u64) -> u64,
    ) -> Option<SpaceLimit> {
        let limit = left.limit(needed, self.floor);
        let above = left.above(self.floor);
        let is_reserved = || needed.bytes > above.saturating_sub(reserved(above));
        limit.or_else(|| is_reserved().then_some(SpaceLimit::Reserved))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::options::{InodeFloor, Options};

    const MIB: u64 = 1 << 20;

    /// Returns a check of `bytes` beside `reserved` bytes, while `free` bytes are free: (read, limit).
    fn check(space: &mut FreeSpace, bytes: u64, reserved: u64, free: u64) -> (bool, bool) {
        let mut has_read = false;
        let read = || {
            has_read = true;
            Ok(Space::of_bytes(free))
        };
        let limit = space.limit(Needed::bytes(bytes), |_| reserved, read);
        (has_read, limit.unwrap().is_some())
    }

    fn floor_of(bytes: u64) -> FreeSpace {
        let options = Options {
            min_free: bytes,
            min_free_inodes: InodeFloor::Count(0),
            ..Options::default()
        };
        FreeSpace::new(Floor::from(&options))
    }

    #[test]
    fn reading_is_used_for_16_mib() {
        let mut space = floor_of(5 * MIB);
        assert_eq!(check(&mut space, MIB, 0, 1 << 40), (true, false));
        for _ in 0..16 {
            assert_eq!(check(&mut space, MIB, 0, 0), (false, false));
            space.grant(Needed::bytes(MIB));
        }
        assert_eq!(check(&mut space, MIB, 0, 0), (true, true));
    }

    #[test]
    fn reading_is_used_for_a_second() {
        let mut space = floor_of(0);
        let old = Instant::now() - READING_LASTS;
        space.last = Some((Space::of_bytes(1 << 40), old));
        assert_eq!(check(&mut space, MIB, 0, MIB - 1), (true, true));
    }

    #[test]
    fn each_check_reads_the_free_space_near_the_floor() {
        let mut space = floor_of(5 * MIB);
        let near = 5 * MIB + NEAR.bytes;
        assert_eq!(check(&mut space, 1, 0, near), (true, false));
        assert_eq!(check(&mut space, 1, 0, near + 1), (true, false));
        assert_eq!(check(&mut space, 1, 0, 0), (false, false));
        assert_eq!(check(&mut space, 1, 1, 5 * MIB + 2), (true, false));
        assert_eq!(check(&mut space, 1, 1, 5 * MIB + 1), (true, true));
    }
}
