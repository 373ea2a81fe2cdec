pub(crate) mod fields;
pub(crate) mod filename;
pub(crate) mod metadata;
pub(crate) mod structured;
pub(crate) mod target;
