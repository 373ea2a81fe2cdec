pub(crate) mod sharing;
pub(crate) mod turn;
