//! Properties of command lines that hold for arbitrary bytes.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use super::flags::{Action, parse};
use crate::cli::size;

/// A command line of one argument a line is accepted, or refused with a reason. Repeated flags are accepted too. Sizes and
/// durations equal those of plain arithmetic.
pub(crate) fn flags(bytes: &[u8]) {
    let args: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
    // The file may have no end.
    if args.iter().any(|arg| arg.starts_with(b"--user-file")) {
        return;
    }
    match starts_server(&args) {
        Err(word) => assert!(!word.is_empty()),
        Ok(is_serving) => check_twice(&args, is_serving),
    }
    for text in args.iter().filter_map(|arg| std::str::from_utf8(arg).ok()) {
        check_size(text);
        check_duration(text);
    }
}

/// Returns whether the command line starts a server.
fn starts_server(args: &[&[u8]]) -> Result<bool, String> {
    let args = args.iter().map(|arg| OsString::from_vec(arg.to_vec()));
    match parse(args) {
        Ok(action) => Ok(matches!(action, Action::Serve { .. })),
        Err(error) => Err(error.to_string()),
    }
}

fn check_twice(args: &[&[u8]], is_serving: bool) {
    let has_directory = starts_server(&[args, &[b"./directory"]].concat()).is_err();
    // The second `--` is a directory.
    let has_dashes = args.contains(&&b"--"[..]);
    if !has_directory && !has_dashes {
        assert_eq!(starts_server(&[args, args].concat()), Ok(is_serving));
    }
}

fn check_size(text: &str) {
    let letters = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let units = [
        &["", "b"][..],
        &["k", "kb", "kib"],
        &["m", "mb", "mib"],
        &["g", "gb", "gib"],
        &["t", "tb", "tib"],
    ];
    let is_written = |unit: &&str| letters.eq_ignore_ascii_case(unit);
    let power = units.iter().position(|unit| unit.iter().any(is_written));
    let number = text[..text.len() - letters.len()].parse::<u64>().ok();
    let bytes = number
        .zip(power)
        .map(|(number, power)| u128::from(number) << (10 * power));
    let fits = bytes.and_then(|bytes| u64::try_from(bytes).ok());
    assert_eq!(size::bytes(text), fits, "{text:?}");
}

fn check_duration(text: &str) {
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("", 1)];
    let read = |(unit, secs): (&str, u128)| {
        let digits = text.strip_suffix(unit)?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = plain.then(|| digits.parse::<u64>().ok())??;
        u64::try_from(u128::from(number) * secs).ok()
    };
    let secs = units.into_iter().find_map(read);
    assert_eq!(
        size::duration(text),
        secs.map(Duration::from_secs),
        "{text:?}"
    );
}

#[cfg(test)]
mod tests {
    use crate::replay::replay;

    #[test]
    fn command_lines() {
        replay("flags", super::flags);
    }
}
