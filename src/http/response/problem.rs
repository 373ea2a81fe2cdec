//! The codes of refusals.

use super::Response;

macro_rules! problems {
    ($($name:ident $code:literal,)*) => {
        /// The reason of a refusal as a code for programs, in the field `X-Problem`. docs/clients.md explains each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Problem {
            $($name,)*
        }

        impl Problem {
            #[cfg(test)]
            const CODES: &[&str] = &[$($code,)*];

            fn code(self) -> &'static str {
                match self {
                    $(Problem::$name => $code,)*
                }
            }
        }
    };
}

problems! {
    BadName "bad-name",
    BadRequest "bad-request",
    Busy "busy",
    CannotStore "cannot-store",
    Conflict "conflict",
    DifferentBytes "different-bytes",
    DifferentLength "different-length",
    DiskFailed "disk-failed",
    DiskFull "disk-full",
    Forbidden "forbidden",
    ForbiddenOrigin "forbidden-origin",
    MethodNotAllowed "method-not-allowed",
    NotFound "not-found",
    QuotaFull "quota-full",
    SignIn "sign-in",
    TooLarge "too-large",
    TooManyConnections "too-many-connections",
    TooManyLogins "too-many-logins",
    TooManyPartials "too-many-partials",
    TooSlow "too-slow",
    Unavailable "unavailable",
    Unsupported "unsupported",
    WrongHost "wrong-host",
}

impl Problem {
    /// Returns an empty response with this reason.
    pub(crate) fn response(self, status: u16) -> Response {
        Response::new(status).field("X-Problem", self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_has_each_code() {
        let docs = include_str!("../../../docs/clients.md");
        let section = docs.split("## Problem codes").nth(1).expect("a section");
        let section = section.split("\n## ").next().unwrap_or_default();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        let mut named: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
        named.sort_unstable();
        assert_eq!(named, Problem::CODES);
    }
}
