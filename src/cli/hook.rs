//! The command that runs for each complete upload.

use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::process::{Command, Stdio};
use std::thread;

use resumed::HookError;
use resumed::store::{Completed, Digest};

/// Longest line of a command's output that is logged as one.
const LINE_MAX: u64 = 4096;

/// Runs `command`, once. What a client chose is in the environment, never in the text that the shell reads.
pub(super) fn run(command: &str, completed: &Completed) -> Result<(), HookError> {
    let (output, input) = io::pipe()?;
    // In a thread that nobody waits for: what the command leaves in the background may write on.
    thread::Builder::new()
        .name("resumed-hook-log".into())
        .spawn(|| log_lines(output))?;
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .env("UPLOAD_PATH", &completed.path)
        .env(
            "UPLOAD_NAME",
            without_nul(completed.name.as_deref().unwrap_or_default().as_bytes()),
        )
        .env("UPLOAD_ID", completed.id.key().to_string())
        .env("UPLOAD_LENGTH", completed.length.to_string())
        .env(
            "UPLOAD_SHA256",
            completed.sha256.map(hex).unwrap_or_default(),
        )
        .env("UPLOAD_USER", without_nul(completed.id.owner()))
        .stdin(Stdio::null())
        .stdout(input.try_clone()?)
        .stderr(input);
    let mut child = shell.spawn()?;
    // It holds the other end of the pipe, which would never be closed.
    drop(shell);
    let status = child.wait()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the command ended with {status}").into())
    }
}

fn hex(digest: Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// No environment holds a NUL byte, and a name may have one: then the command would never run.
fn without_nul(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "")
}

fn log_lines(output: PipeReader) {
    let mut output = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        match output.by_ref().take(LINE_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => log::info!("on-complete: {}", in_one_line(&line)),
        }
    }
}

/// What is harmless where a log is read: it may hold names that clients chose.
fn in_one_line(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line.trim_ascii_end());
    line.replace(char::is_control, "\u{fffd}")
}
