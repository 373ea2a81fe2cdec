//! As much of Rust's grammar as the laws need: what is code, where a function ends, which paths are said.

use std::ops::Range;

/// The text with comments and literals blanked out, line for line: what braces and names are left are code.
pub(super) fn blanked(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let previous = code.chars().next_back().unwrap_or(' ');
        let (length, is_code) = match literal_or_comment(rest, previous) {
            0 => (next.len_utf8(), true),
            length => (length, false),
        };
        let (piece, after) = rest.split_at(length);
        let shown = |letter| {
            if is_code || letter == '\n' {
                letter
            } else {
                ' '
            }
        };
        code.extend(piece.chars().map(shown));
        rest = after;
    }
    code
}

/// How many bytes of comment or literal stand at the beginning of this; 0 if it begins with code.
fn literal_or_comment(text: &str, previous: char) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return text.find("*/").map_or(text.len(), |end| end + 2);
    }
    if let Some(inner) = text.strip_prefix('"') {
        return 1 + after_quote(inner);
    }
    if !is_word(previous) {
        let prefix = text.len() - text.trim_start_matches(['b', 'c']).len();
        if prefix <= 1 && text[prefix..].starts_with('r') {
            return raw_string(&text[prefix + 1..]).map_or(0, |length| prefix + 1 + length);
        }
    }
    if text.starts_with('\'') {
        character(text)
    } else {
        0
    }
}

/// The length of a string's rest, its closing quote included.
fn after_quote(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' if !is_escaped => return at + 1,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    text.len()
}

/// The length of `#"..."#` with any number of hashes.
fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.len() - text.trim_start_matches('#').len();
    let inner = text[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", &text[..hashes]);
    Some(
        inner
            .find(&end)
            .map_or(text.len(), |at| hashes + 1 + at + end.len()),
    )
}

/// The length of `'x'` or `'\n'`; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    match letters.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(0, |end| end + 4),
        Some(_) => match letters.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

pub(super) struct Function {
    pub(super) name: String,
    /// From `fn` to the closing brace.
    pub(super) lines: usize,
}

/// The functions of a blanked text that have a body.
pub(super) fn functions(code: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].chars().next_back().is_some_and(is_word) {
            continue;
        }
        let name: String = code[at + 3..]
            .chars()
            .take_while(|&letter| is_word(letter))
            .collect();
        let begins = code[at..]
            .find(['{', ';'])
            .filter(|&found| code[at + found..].starts_with('{'));
        if let (false, Some(begins)) = (name.is_empty(), begins) {
            let end = at + begins + block_length(&code[at + begins..]);
            functions.push(Function {
                name,
                lines: code[at..end].lines().count(),
            });
        }
    }
    functions
}

/// The length of the block in braces with which this begins.
fn block_length(code: &str) -> usize {
    let mut depth = 0;
    for (at, letter) in code.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// A blanked text without its tests: they may use what the code they test may not.
pub(super) fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::new();
    let mut rest = code;
    while let Some((before, after)) = rest.split_once(MARK) {
        kept.push_str(before);
        let begins = after.find(['{', ';']).unwrap_or(after.len());
        let is_block = after[begins..].starts_with('{');
        let end = if is_block {
            begins + block_length(&after[begins..])
        } else {
            begins
        };
        rest = &after[end..];
    }
    kept + rest
}

/// A path that is said in a file, as seen from the file's own module.
pub(super) struct Said {
    pub(super) path: String,
    /// The name under which others find it here (`pub use`).
    pub(super) exported_as: Option<String>,
}

/// Every path with at least two parts in a blanked text, `use` trees spread out: `use a::{b, c::d}` says `a::b` and
/// `a::c::d`.
pub(super) fn paths(code: &str) -> Vec<Said> {
    let inner = inner_modules(code);
    let mut paths = Vec::new();
    let mut at = 0;
    while let Some(start) = code[at..].find(is_word).map(|skip| at + skip) {
        let length =
            |ends: fn(char) -> bool| code[start..].find(ends).unwrap_or(code.len() - start);
        let end = start + length(|letter| !is_word(letter));
        let (before, after) = (code[..start].trim_end(), &code[end..]);
        let depth = inner
            .iter()
            .filter(|module| module.contains(&start))
            .count();
        at = end;
        if &code[start..end] == "use" {
            let tree = after.split(';').next().unwrap_or(after);
            let is_exported = before.ends_with("pub") || before.ends_with(')');
            paths.extend(spread(tree).into_iter().map(|(path, name)| Said {
                path: outside(&path, depth),
                exported_as: is_exported.then_some(name),
            }));
            at = end + tree.len();
        } else if after.starts_with("::") {
            at = start + length(|letter| !is_word(letter) && letter != ':');
            let path = code[start..at].trim_end_matches(':');
            // `pub(in path)` says who may see, not what is used; what follows `<T>::` belongs to a type.
            if !before.ends_with("(in") && !before.ends_with(">::") {
                paths.push(Said {
                    path: outside(path, depth),
                    exported_as: None,
                });
            }
        }
    }
    paths
}

/// Where modules are written inside the file.
fn inner_modules(code: &str) -> Vec<Range<usize>> {
    let mut modules = Vec::new();
    for (at, _) in code.match_indices("mod ") {
        let is_word_itself = !code[..at].chars().next_back().is_some_and(is_word);
        let name = code[at + 4..].find(|letter| !is_word(letter)).unwrap_or(0);
        let body = at + 4 + name;
        if is_word_itself && code[body..].trim_start().starts_with('{') {
            let begins = body + code[body..].find('{').unwrap_or(0);
            modules.push(begins..begins + block_length(&code[begins..]));
        }
    }
    modules
}

/// A path that is said in a module inside the file, so many deep, as seen from the file's own.
fn outside(path: &str, depth: usize) -> String {
    let mut rest = path;
    for _ in 0..depth {
        match rest.strip_prefix("super::") {
            Some(above) => rest = above,
            None => return path.to_owned(),
        }
    }
    match rest.split("::").next() {
        Some("super" | "self" | "crate" | "std") => rest.to_owned(),
        _ if depth > 0 => format!("self::{rest}"),
        _ => rest.to_owned(),
    }
}

/// The paths of a `use` tree, each with the name under which it is known here.
fn spread(tree: &str) -> Vec<(String, String)> {
    let tree = tree.trim();
    let Some((prefix, inner)) = tree.split_once('{') else {
        let (path, name) = tree
            .split_once(" as ")
            .unwrap_or((tree, tree.rsplit("::").next().unwrap_or(tree)));
        return vec![(
            path.trim().trim_start_matches("::").to_owned(),
            name.trim().to_owned(),
        )];
    };
    let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
    let prefix = prefix.trim().trim_start_matches("::");
    let mut paths = Vec::new();
    for branch in branches(inner) {
        for (path, name) in spread(branch) {
            let path = if path == "self" {
                prefix.trim_end_matches("::").to_owned()
            } else {
                format!("{prefix}{path}")
            };
            let name = if name == "self" {
                path.rsplit("::").next().unwrap_or_default().to_owned()
            } else {
                name
            };
            paths.push((path, name));
        }
    }
    paths
}

/// Splits at the commas that stand in no braces.
fn branches(inner: &str) -> Vec<&str> {
    let mut depth = 0;
    let split = inner.split(|letter: char| {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        depth == 0 && letter == ','
    });
    split.filter(|branch| !branch.trim().is_empty()).collect()
}

pub(super) fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}
