pub(crate) mod journal;
pub(crate) mod page;
pub(crate) mod pages;
pub(crate) mod places;
