//! The flags of the server.

use super::{Command, GENERAL, Group, Operand, flag};

pub(crate) const SERVER: Command = Command {
    name: "serve",
    about: "receive uploads in a directory",
    usage: "\
resumed [OPTIONS] [DIR]    receive uploads in DIR (default: uploads); or: resumed serve
resumed put FILE... URL    send files and folders; see resumed put --help
resumed hash-password, health, completions, man, help, version    see --help of each
",
    groups: &[GENERAL, ADDRESS, STORAGE, ACCESS, HOOKS, CONNECTIONS],
    end: "\
Logs go to standard error. RUST_LOG sets the level: error, warn, info or debug
(default: info,access=off). RUST_LOG=info also logs each request.
",
    operand: Operand::Directory,
};

const ADDRESS: Group = Group {
    heading: "Address and HTTPS",
    flags: &[
        flag("listen", "ADDR", "listen on HOST:PORT or unix:PATH")
            .short('l')
            .default("127.0.0.1:8080")
            .details(
                "Port 0 picks a free port. PORT alone is a port of this machine only, :PORT a port of all its addresses (IPv4 and \
                 IPv6), and 0.0.0.0:PORT a port of all its IPv4 addresses. A socket from systemd overrides this option.",
            ),
        flag("socket-mode", "MODE", "set the mode of unix:PATH, such as 0660")
            .default("umask")
            .details("The mode decides which users may connect."),
        flag(
            "tls-cert",
            "FILE",
            "serve HTTPS with the certificate in FILE (PEM, its intermediate ones behind it); SIGHUP reads it again",
        )
        .details(
            "The server then speaks TLS 1.2 and 1.3 only. SIGHUP reads certificate and key again: open connections go on, and a \
             file that cannot be used changes nothing. So with TLS, the server goes on when its terminal is closed, which \
             sends SIGHUP.",
        ),
        flag("tls-key", "FILE", "the private key of the certificate (PEM, without a passphrase)"),
        flag(
            "tls-self-signed",
            "",
            "serve HTTPS with a certificate that the server makes at its first start, and print its fingerprint; browsers warn of it",
        )
        .details(
            "The certificate is in DIR/.resumed/tls.pem, with its key, and names this machine, its addresses and each --host. It \
             is valid for 825 days. The first start after that makes another one, with another SHA-256 fingerprint. \
             `resumed put --fingerprint` accepts it.",
        ),
        flag("hsts", "", "let browsers use HTTPS only for this host, on all its ports, for a year")
            .details("Needs a certificate that browsers trust (Strict-Transport-Security)."),
        flag("qr", "", "print the address in the local network as a QR code"),
    ],
};

const STORAGE: Group = Group {
    heading: "Uploads",
    flags: &[
        flag("max-size", "SIZE", "refuse larger uploads, such as 500M or 50G")
            .default("no limit")
            .details("The file size limit of the process (`ulimit -f`) and of FAT (4 GiB) also apply."),
        flag("min-free", "SIZE", "keep this much disk space free").default("64M").details(
            "This option has no effect on a file system that does not report its free space, such as some FUSE file systems and \
             a tmpfs without a limit. Near this limit the server reads the free space with each part of a body, also if the \
             length of the upload is not known.",
        ),
        flag("min-free-inodes", "N", "keep N inodes of the disk free, or N%; 0: no limit")
            .default("1%")
            .details("This option has no effect on a file system that reports no inodes, such as btrfs."),
        flag(
            "expire",
            "DURATION",
            "delete partial uploads without a new byte for this long, such as 12h",
        )
        .default("7d; at most 1d if less than 64 KiB arrived")
        .details(
            "A partial upload with less than 64 KiB of a longer or unknown length expires after a day, or after this time if it \
             is shorter. Only time in which the server runs counts, and steps of the clock do not. The server looks for expired \
             uploads at start, and then every hour.",
        ),
        flag("max-partials", "N", "refuse new uploads while N are partial")
            .default("10000; 0: no limit")
            .details("Partial uploads can always be continued."),
        flag(
            "max-partials-per-user",
            "N",
            "limit partials of a user or an address",
        )
        .default("2000; 0: no limit")
        .details(
            "The server refuses a new upload while N uploads of the user are partial. Without users, the limit is for each client \
             address, and for each IPv6 network of 64 bits. Addresses of this machine and clients of a Unix socket have no such \
             limit: see --trust-proxy.",
        ),
        flag(
            "quota",
            "SIZE",
            "refuse bytes of a user beyond SIZE: partial uploads, and complete ones until their record expires; 0: none",
        )
        .default("no quota")
        .details("Partial uploads count with their declared length, or without one with their received bytes."),
        flag(
            "sync",
            "durable|fast",
            "fsync before every response (durable), or never (fast): a power loss may lose data",
        )
        .default("durable")
        .details(
            "A crash of the server loses nothing in both modes. `durable` needs a file system that can sync files and \
             directories. Otherwise the server does not start.",
        ),
        flag("on-conflict", "keep-both|replace", "keep or replace a file with the same name")
            .default("keep-both")
            .details(
                "A complete file has the mode, ACL and group of a file created in its folder. With `replace` it has those of the \
                 replaced file, and if the server runs as root, also its owner.",
            ),
        flag("sha256", "", "compute the SHA-256 of each upload, for Repr-Digest and hooks"),
        flag("shared", "", "share DIR with other servers; all of them need this flag"),
    ],
};

const ACCESS: Group = Group {
    heading: "Users and access",
    flags: &[
        flag("user", "NAME:HASH", "require a login, and add this user; visible in ps")
            .repeats()
            .details("NAME:PASSWORD works too, with a warning."),
        flag(
            "user-file",
            "FILE",
            "add users from FILE, one NAME:HASH per line (hash-password, htpasswd)",
        )
        .details(
            "The hash is argon2id of `resumed hash-password`, bcrypt of `htpasswd -B`, or sha512-crypt. NAME:PASSWORD works too, \
             with a warning. The server refuses a file without users, and other or too costly hashes. It logs a warning if other \
             users can read the file. It reads the file again after a change.",
        ),
        flag(
            "failed-logins",
            "N",
            "permit N failed logins of an address, then one every 10 s",
        )
        .default("60")
        .details(
            "Further logins get 429, before their password is checked; a login that has passed before still passes. After three \
             failed logins as one user from one address, each further one takes 1 to 30 seconds.",
        ),
        flag("user-dirs", "", "put the files of each user into DIR/NAME/").details(
            "Users do not see names of files of others. The server does not start without users, or if two users would share a \
             folder.",
        ),
        flag(
            "allow-origin",
            "ORIGIN",
            "permit web pages of ORIGIN to upload here",
        )
        .repeats()
        .details("ORIGIN has a scheme and a host, perhaps a port, and no path: https://example.org"),
        flag(
            "host",
            "NAME",
            "accept NAME in Host, besides IP addresses, localhost, *.local and the name of this machine",
        )
        .repeats(),
        flag(
            "public-url",
            "URL",
            "begin the addresses of uploads with URL, such as https://up.example.org behind a TLS proxy",
        )
        .default("the Host of the request"),
        flag(
            "trust-proxy",
            "[PROXY]",
            "trust the forwarding fields of PROXY: ADDR, ADDR/PREFIX or unix",
        )
        .repeats()
        .default("nobody; without PROXY: this machine")
        .details(
            "The fields are Forwarded, X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host. Without a value, loopback addresses and Unix sockets are trusted. The address of a client is the rightmost \
             forwarded one that is not trusted. The server refuses a forwarded host that is not one of --host. The proxy has to \
             set or remove all four fields.",
        ),
        flag("no-interim", "", "send no interim response 104: some proxies cannot forward it")
            .details("A 104 (Upload Resumption Supported) tells the address of an upload before its end."),
        flag("allow-root", "", "allow root to listen on an address that other machines reach"),
        flag(
            "allow-anonymous",
            "",
            "listen to other machines without users: everybody there may upload",
        )
        .details("Without this option, such a server does not start. Unix sockets and loopback addresses do not need it."),
    ],
};

const HOOKS: Group = Group {
    heading: "Hooks, log and metrics",
    flags: &[
        flag(
            "on-complete",
            "COMMAND",
            "run COMMAND with sh after each complete upload, until it exits with 0; sets UPLOAD_PATH, _NAME, _ID, _LENGTH, _SHA256 and _USER",
        )
        .details(
            "The command runs at least once, and again after growing pauses. If the client declared them, its environment also \
             has UPLOAD_MODIFIED_MS and UPLOAD_METADATA. At most four commands run at once, for different uploads. To run one at \
             a time, use `flock FILE COMMAND`.\n\n\
             When the server stops, it sends SIGTERM to the commands. It runs them again after its next start. Until the command \
             exits with 0, no other upload replaces its file: the response to such an upload is 503. If the command cannot run, \
             or its file does not exist any more, the server gives up after one day of such failures, and logs a warning.",
        ),
        flag("hook-timeout", "DURATION", "stop COMMAND after DURATION, and run it again")
            .default("6h")
            .details(
                "All child processes get SIGTERM too, and SIGKILL ten seconds later. The pauses before the next run grow.",
            ),
        flag("log-format", "text|json", "write the log as text, or as one JSON object a line")
            .default("text"),
        flag("metrics", "", "serve metrics for Prometheus at /metrics")
            .details("Users, Host and origin are checked as for an upload."),
    ],
};

const CONNECTIONS: Group = Group {
    heading: "Connections",
    flags: &[
        flag("workers", "N", "run N worker threads").default("2 per core, at least 4"),
        flag("max-connections", "N", "accept at most N connections at once").default("10000"),
        flag(
            "max-connections-per-address",
            "N",
            "accept at most N from one address; 0: any number",
        )
        .default("256")
        .details(
            "The same limit holds for requests with a body from one client of a trusted proxy. IPv6 addresses count by their \
             first 64 bits. Loopback addresses and Unix sockets have no limit.",
        ),
        flag("head-memory", "SIZE", "keep at most this much of unfinished request heads")
            .default("4M")
            .details("Beyond that, the largest of them is refused."),
        flag("head-timeout", "S", "refuse a request head that takes over S seconds").default("10"),
        flag("idle-timeout", "S", "close a connection whose body sends no byte for S seconds")
            .default("60")
            .details("The server keeps the received bytes."),
        flag(
            "min-rate",
            "BYTES",
            "close a connection whose body brings fewer than BYTES per second",
        )
        .default("100; 0: never")
        .details(
            "The rate is the average of a minute, or of --idle-timeout if that is longer. The server keeps the received bytes.",
        ),
    ],
};
