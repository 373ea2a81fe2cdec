//! The amount of work: `make torture` does more than `make test`.

pub(crate) fn is_on() -> bool {
    std::env::var_os("TORTURE").is_some()
}

pub(crate) fn some_or_all<T>(some: T, all: T) -> T {
    if is_on() { all } else { some }
}
