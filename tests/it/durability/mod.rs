//! Bytes on the disk: crashes, power losses, full and failing disks, file systems, several servers.

pub(crate) mod alias;
pub(crate) mod clocks;
pub(crate) mod crash;
pub(crate) mod displaced;
pub(crate) mod file_limit;
pub(crate) mod file_systems;
pub(crate) mod full;
pub(crate) mod model;
pub(crate) mod mounted;
pub(crate) mod obstacles;
pub(crate) mod ownership;
pub(crate) mod shared;
pub(crate) mod slow_disk;
pub(crate) mod slow_sync;
pub(crate) mod small_disk;
pub(crate) mod soak;
pub(crate) mod spelling;
pub(crate) mod trouble;
pub(crate) mod upgrade;
