pub(crate) mod form;
pub(crate) mod ietf;
pub(crate) mod plain;
pub(crate) mod tus;
pub(crate) mod x_file_id;
