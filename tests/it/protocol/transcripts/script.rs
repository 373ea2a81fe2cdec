//! A transcript's text, read into steps. The format is described above, in the module `transcripts`.

/// A parsed transcript.
pub(super) struct Script {
    /// The flags of the command with which its server is started.
    pub(super) flags: Vec<String>,
    /// The steps, each with its line number.
    pub(super) steps: Vec<(usize, Step)>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Send(Vec<u8>),
    Answer(Expected),
    NewConnection,
    Cut,
    Closed,
    Restart,
    Disk(Vec<File>),
    Progress(Vec<String>),
}

#[derive(Debug, PartialEq)]
pub(super) struct Expected {
    pub(super) status_line: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Body,
}

#[derive(Debug, PartialEq)]
pub(super) enum Body {
    /// Bytes, with a number between each two.
    Around(Vec<Vec<u8>>),
    /// One line of plain text in which these words stand.
    LineWith(String),
}

#[derive(Debug, PartialEq)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// Milliseconds since 1970.
    pub(super) modified: Option<u128>,
}

/// The placeholder for any number in a body.
pub(super) const NUMBER: &str = "{a number}";

/// The line and the message of a mistake.
type Problem = (usize, String);

impl Script {
    pub(super) fn parse(text: &str) -> Result<Script, Problem> {
        let lines = (1..)
            .zip(text.lines())
            .map(|(number, text)| Line::new(number, text));
        let lines = lines.collect::<Result<Vec<_>, Problem>>()?;
        let mut script = Script {
            flags: Vec::new(),
            steps: Vec::new(),
        };
        // Lines of one kind that follow each other say one thing.
        for group in lines.chunk_by(|one, next| one.kind == next.kind) {
            let number = group[0].number;
            script.take(group).map_err(|problem| (number, problem))?;
        }
        Ok(script)
    }

    /// Returns the bytes of each request.
    pub(super) fn sent(self) -> impl Iterator<Item = Vec<u8>> {
        self.steps.into_iter().filter_map(|(_, step)| match step {
            Step::Send(bytes) => Some(bytes),
            _ => None,
        })
    }

    fn take(&mut self, group: &[Line]) -> Result<(), String> {
        let step = match group[0].kind {
            Kind::Prose => return Ok(()),
            Kind::Server => {
                let flags = group.iter().flat_map(|line| line.rest.split_whitespace());
                self.flags.extend(flags.map(str::to_owned));
                return Ok(());
            }
            Kind::Sent => Step::Send(sent(group)?),
            Kind::Answered => Step::Answer(answered(group)?),
            Kind::Disk => Step::Disk(listed(group, file)?),
            Kind::Progress => Step::Progress(listed(group, quoted_text)?),
            Kind::Event => return group.iter().try_for_each(|line| self.take_event(line)),
        };
        self.steps.push((group[0].number, step));
        Ok(())
    }

    fn take_event(&mut self, line: &Line) -> Result<(), String> {
        let step = match line.rest {
            "new connection" => Step::NewConnection,
            "cut" => Step::Cut,
            "closed" => Step::Closed,
            "restart" => Step::Restart,
            _ => return Err(format!("no such event: {}", line.rest)),
        };
        self.steps.push((line.number, step));
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Prose,
    Server,
    Sent,
    Answered,
    Disk,
    Progress,
    Event,
}

/// The first word of a line, and what it makes of it.
const KINDS: [(&str, Kind); 10] = [
    ("", Kind::Prose),
    ("#", Kind::Prose),
    ("server:", Kind::Server),
    (">", Kind::Sent),
    (">>", Kind::Sent),
    ("<", Kind::Answered),
    ("<<", Kind::Answered),
    ("disk:", Kind::Disk),
    ("held:", Kind::Progress),
    ("---", Kind::Event),
];

struct Line<'a> {
    number: usize,
    kind: Kind,
    /// `>>` and `<<`: the bytes of a body.
    is_raw: bool,
    rest: &'a str,
}

impl Line<'_> {
    fn new(number: usize, text: &str) -> Result<Line<'_>, Problem> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let known = KINDS.iter().find(|(known, _)| *known == word);
        let &(_, kind) = known.ok_or_else(|| (number, format!("what is this? {text:?}")))?;
        Ok(Line {
            number,
            kind,
            is_raw: word.len() == 2,
            rest,
        })
    }
}

fn sent(group: &[Line]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for line in group {
        if line.is_raw {
            bytes.extend(unescape(line.rest, Braces::Repeat)?);
        } else {
            bytes.extend(unescape(line.rest, Braces::Plain)?);
            bytes.extend(b"\r\n");
        }
    }
    Ok(bytes)
}

fn answered(group: &[Line]) -> Result<Expected, String> {
    let (head, body): (Vec<_>, Vec<_>) = group.iter().partition(|line| !line.is_raw);
    let (end, fields) = head.split_last().ok_or("an answer begins with its head")?;
    let (status, fields) = fields.split_first().ok_or("an answer has a status line")?;
    if !end.rest.is_empty() {
        return Err("an answer's head ends with an empty line".into());
    }
    let field = |line: &&Line| {
        let (name, value) = line.rest.split_once(": ").ok_or("a field is NAME: VALUE")?;
        Ok((name.to_owned(), value.to_owned()))
    };
    let fields = fields.iter().map(field).collect::<Result<_, String>>()?;
    Ok(Expected {
        status_line: status.rest.to_owned(),
        fields,
        body: body_of(&body)?,
    })
}

fn body_of(lines: &[&Line]) -> Result<Body, String> {
    if let [line] = lines {
        if line.rest == "{a line}" {
            return Ok(Body::LineWith(String::new()));
        }
        let words = line
            .rest
            .strip_prefix("{a line with ")
            .and_then(|rest| rest.strip_suffix('}'));
        if let Some(words) = words {
            return quoted_text(words).map(Body::LineWith);
        }
    }
    let text = lines.iter().map(|line| line.rest).collect::<String>();
    let bytes = text.split(NUMBER);
    let bytes = bytes.map(|bytes| unescape(bytes, Braces::Repeat));
    Ok(Body::Around(bytes.collect::<Result<_, _>>()?))
}

/// Returns whether a body matches the pattern.
pub(super) fn fits(expected: &[Vec<u8>], body: &[u8]) -> bool {
    let mut left = Some(body);
    for (number, bytes) in expected.iter().enumerate() {
        let digits = |left: &[u8]| left.iter().take_while(|byte| byte.is_ascii_digit()).count();
        left = match (left, number) {
            (Some(left), 0) => left.strip_prefix(bytes.as_slice()),
            (Some(left), _) if digits(left) > 0 => {
                left[digits(left)..].strip_prefix(bytes.as_slice())
            }
            _ => None,
        };
    }
    left.is_some_and(<[u8]>::is_empty)
}

/// `nothing`, or one thing a line.
fn listed<T>(group: &[Line], read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    match group {
        [line] if line.rest == "nothing" => Ok(Vec::new()),
        _ => group.iter().map(|line| read(line.rest)).collect(),
    }
}

/// `holiday.mp4 = "hello"` or `holiday.mp4 = "hello", modified 1700000000123`
fn file(text: &str) -> Result<File, String> {
    let (name, rest) = text.split_once(" = ").ok_or("a file is NAME = \"BYTES\"")?;
    let (bytes, modified) = match rest.rsplit_once(", modified ") {
        Some((bytes, time)) => (
            bytes,
            Some(
                time.parse()
                    .map_err(|_| "a time is in milliseconds since 1970")?,
            ),
        ),
        None => (rest, None),
    };
    Ok(File {
        name: name.to_owned(),
        bytes: quoted(bytes)?,
        modified,
    })
}

fn quoted(text: &str) -> Result<Vec<u8>, String> {
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    unescape(
        inner.ok_or_else(|| format!("{text} stands in no quotes"))?,
        Braces::Repeat,
    )
}

fn quoted_text(text: &str) -> Result<String, String> {
    String::from_utf8(quoted(text)?).map_err(|error| error.to_string())
}

#[derive(Clone, Copy, PartialEq)]
enum Braces {
    /// They mean themselves.
    Plain,
    /// `{3 of ab}` is `ababab`; `{64 KiB of a}` is what it says.
    Repeat,
}

fn unescape(text: &str, braces: Braces) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        rest = &rest[next.len_utf8()..];
        match next {
            '\\' => rest = escape(rest, &mut bytes)?,
            '{' if braces == Braces::Repeat => {
                let (inner, after) = rest.split_once('}').ok_or("a brace is left open")?;
                bytes.extend(repeated(inner)?);
                rest = after;
            }
            _ => bytes.extend(next.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    Ok(bytes)
}

/// Reads what follows a backslash; returns what follows that.
fn escape<'a>(rest: &'a str, bytes: &mut Vec<u8>) -> Result<&'a str, String> {
    let unknown = || format!("no such escape: \\{rest}");
    let (byte, length) = match rest.bytes().next().ok_or_else(unknown)? {
        b'r' => (b'\r', 1),
        b'n' => (b'\n', 1),
        b't' => (b'\t', 1),
        byte @ (b'\\' | b'"' | b'{') => (byte, 1),
        b'x' => {
            let hex = rest.get(1..3).ok_or_else(unknown)?;
            (u8::from_str_radix(hex, 16).map_err(|_| unknown())?, 3)
        }
        _ => return Err(unknown()),
    };
    bytes.push(byte);
    Ok(&rest[length..])
}

/// `3 of ab`, `64 KiB of a`
fn repeated(text: &str) -> Result<Vec<u8>, String> {
    let (count, unit) = text
        .split_once(" of ")
        .ok_or_else(|| format!("{{{text}}} is not {{N of BYTES}}"))?;
    let (number, scale) = match count.split_once(' ') {
        None => (count, 1),
        Some((number, "KiB")) => (number, 1024),
        Some((number, "MiB")) => (number, 1024 * 1024),
        Some(_) => return Err(format!("{count} is not a count, of KiB or MiB")),
    };
    let number: usize = number
        .parse()
        .map_err(|_| format!("{number} is not a number"))?;
    Ok(unescape(unit, Braces::Plain)?.repeat(number * scale))
}
