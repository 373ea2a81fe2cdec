//! The flags of `resumed put`.

use super::{Command, GENERAL, Group, Operand, flag};

pub(crate) const PUT: Command = Command {
    name: "put",
    about: "send files and folders",
    usage: "\
resumed put [OPTIONS] FILE... URL    send files and folders to a resumed server
resumed put [OPTIONS] - URL/NAME     send standard input

The same command continues an interrupted upload. After a lost connection, put continues by
itself. Standard input can be continued within one run only.
",
    groups: &[SENDING, GENERAL],
    end: "\
Exit status: 0 the server has all files; 1 a file was refused or cannot be read, or the server
refused all (password, certificate, address); 2 wrong command line; 3 gave up: the server did not
answer.
",
    operand: Operand::Files,
};

const SENDING: Group = Group {
    heading: "",
    flags: &[
        flag(
            "user",
            "NAME:PASSWORD",
            "log in with this name and password (other users see them in ps)",
        ),
        flag(
            "user-file",
            "FILE",
            "log in with the first line of a file; or set RESUMED_USER",
        ),
        flag(
            "ca",
            "FILE",
            "trust the certificates of the authorities in FILE (PEM) only",
        )
        .default("those that the machine trusts"),
        flag(
            "fingerprint",
            "SHA256",
            "accept the certificate with this fingerprint only: a self-signed one",
        )
        .details("Its names and dates do not count."),
        flag(
            "jobs",
            "N",
            "send N files at once, 1 to 64; files over 4 MiB one at a time",
        )
        .default("8"),
        flag(
            "give-up-after",
            "DURATION",
            "stop when attempts have failed for this time: 90s, 10m, 12h",
        )
        .default("never"),
        flag(
            "no-check",
            "",
            "do not compare checksums of whole files with the server",
        )
        .default("compare")
        .details("Do not read an already sent part again either."),
        flag("quiet", "", "print failures only").short('q'),
        flag(
            "json",
            "",
            "print one JSON object a line on standard output",
        ),
    ],
};
