pub(crate) mod fields;
pub(crate) mod filename;
pub(crate) mod files_path;
pub(crate) mod metadata;
pub(crate) mod structured;
