//! Prepares the files of `demo/` for the binary: joins the modules of a script into one, and compresses each file.
//!
//! A browser then loads the page in four round trips. Of 25 modules, each needs a request on one of six connections.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;

/// The files of the page. A script stands for the modules that it imports too. The page comes last: it names the versions
/// of others.
const FILES: [&str; 5] = [
    "style.css",
    "page.js",
    "uploader.js",
    "worker.js",
    "index.html",
];

fn main() {
    println!("cargo::rerun-if-changed=demo");
    println!("cargo::rerun-if-changed=build.rs");
    // The path of the checkout: see .cargo/config.toml.
    println!("cargo::rerun-if-env-changed=RESUMED_CHECKOUT");
    let demo = PathBuf::from("demo");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let (mut table, mut versions) = (String::from("&[\n"), Vec::new());
    for name in FILES {
        let text = match name.strip_suffix(".js") {
            Some(module) => Script::join(&demo, module),
            None => with_versions(read(&demo.join(name)), &versions),
        };
        let compressed = compress(text.as_bytes());
        let (tag, gzip_tag) = (hash(text.as_bytes()), hash(&compressed));
        let (plain, gzip) = (out.join(name), out.join(format!("{name}.gz")));
        fs::write(&plain, text).expect("OUT_DIR can be written");
        fs::write(&gzip, compressed).expect("OUT_DIR can be written");
        writeln!(
            table,
            "File {{ name: {name:?}, version: {tag:?}, \
             plain: Form {{ tag: \"\\\"{tag}\\\"\", content: include_bytes!({plain:?}) }}, \
             gzip: Form {{ tag: \"\\\"{gzip_tag}\\\"\", content: include_bytes!({gzip:?}) }} }},"
        )
        .expect("a string takes everything");
        versions.push((name, tag));
    }
    table.push(']');
    fs::write(out.join("page.rs"), table).expect("OUT_DIR can be written");
}

/// Adds the version to the address of each file that a page names: a browser then keeps the file without asking again.
fn with_versions(mut page: String, versions: &[(&str, String)]) -> String {
    for (name, version) in versions {
        page = page.replace(&format!("=\"{name}\""), &format!("=\"{name}?{version}\""));
    }
    page
}

fn read(path: &Path) -> String {
    fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

fn compress(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// Returns the FNV-1a hash of a content.
fn hash(content: &[u8]) -> String {
    let hash = content
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016x}")
}

/// Modules that are joined into one script.
///
/// Each imported module becomes a function, so that equal names in two modules do not meet. The supported forms are those
/// of `demo/`: `import { a, b } from './module.js';`, `export` before a declaration of one name, and `export { a, b };`. Any
/// other form fails the build; `tests/it/clients/uploader.rs` checks the syntax of the result.
struct Script<'d> {
    demo: &'d Path,
    text: String,
    /// The modules in `text`.
    added: BTreeSet<String>,
    /// The modules whose imports are added.
    under_way: Vec<String>,
}

impl Script<'_> {
    /// Returns the module `name` with all modules that it imports.
    fn join(demo: &Path, name: &str) -> String {
        let mut script = Script {
            demo,
            text: String::new(),
            added: BTreeSet::new(),
            under_way: Vec::new(),
        };
        let (code, _) = script.read(name);
        format!("{}{code}", script.text)
    }

    /// Adds a module as a function that returns its exports.
    fn add(&mut self, name: &str) {
        if self.added.contains(name) {
            return;
        }
        let path = &self.under_way;
        assert!(
            !path.iter().any(|module| module == name),
            "imports form a circle: {path:?}"
        );
        self.under_way.push(name.to_owned());
        let (code, exports) = self.read(name);
        let lines = code.lines().filter(|line| !line.starts_with("export {"));
        let lines = lines.map(|line| line.strip_prefix("export ").unwrap_or(line));
        let (code, exports) = (lines.collect::<Vec<_>>().join("\n"), exports.join(", "));
        writeln!(
            self.text,
            "const ${name} = (() => {{\n{code}\nreturn {{ {exports} }};\n}})();"
        )
        .expect("a string takes everything");
        self.under_way.pop();
        self.added.insert(name.to_owned());
    }

    /// Adds the imported modules of a module. Returns its code, with a declaration for each import, and its exports.
    fn read(&mut self, name: &str) -> (String, Vec<String>) {
        let path = self.demo.join(format!("{name}.js"));
        let (mut code, mut exports) = (String::new(), Vec::new());
        let text = without_comments(&read(&path));
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let mut statement = line.to_owned();
            while is_list(line) && !statement.ends_with(';') {
                statement += lines.next().expect("a list of names ends with a semicolon");
            }
            if line.starts_with("import") {
                let import = statement
                    .strip_prefix("import {")
                    .and_then(|rest| rest.split_once('}'));
                let (names, from) = import.unwrap_or_else(|| panic!("{name}.js: {line}"));
                let from = from
                    .trim()
                    .strip_prefix("from './")
                    .and_then(|rest| rest.strip_suffix(".js';"));
                let from = from.unwrap_or_else(|| panic!("{name}.js: {line}"));
                assert!(
                    is_name(from) && names_of(names).all(is_name),
                    "{name}.js: {line}"
                );
                self.add(from);
                writeln!(code, "const {{{names}}} = ${from};").expect("a string takes everything");
                continue;
            }
            if let Some(exported) = statement.strip_prefix("export ") {
                exports.extend(exported_names(exported));
            }
            writeln!(code, "{statement}").expect("a string takes everything");
        }
        (code, exports)
    }
}

/// Returns whether a line begins a list of names that may go on in the next line.
fn is_list(line: &str) -> bool {
    line.starts_with("import {") || line.starts_with("export {")
}

/// Returns the names that an `export` declares.
fn exported_names(declaration: &str) -> Vec<String> {
    if let Some(list) = declaration.strip_prefix('{') {
        let list = names_of(list.split('}').next().unwrap_or_default());
        assert!(list.clone().all(is_name), "export {declaration}");
        return list.map(str::to_owned).collect();
    }
    let (name, rest) = declared(declaration).unwrap_or_else(|| panic!("export {declaration}"));
    assert!(!has_second_name(rest), "export {declaration}");
    vec![name.to_owned()]
}

/// Returns the name that a declaration begins with, and the text after it.
fn declared(declaration: &str) -> Option<(&str, &str)> {
    let keywords = [
        "const ",
        "class ",
        "function* ",
        "function ",
        "async function ",
    ];
    let text = keywords
        .iter()
        .find_map(|keyword| declaration.strip_prefix(keyword))?;
    let end = text.find(|letter: char| !is_part(letter))?;
    is_name(&text[..end]).then(|| text.split_at(end))
}

/// Returns whether a declaration goes on with another name: it has a comma outside of brackets and texts.
fn has_second_name(rest: &str) -> bool {
    let (mut depth, mut quote) = (0, None);
    for letter in rest.chars() {
        match (letter, quote) {
            (_, Some(end)) => quote = quote.filter(|_| letter != end),
            ('\'' | '"' | '`', None) => quote = Some(letter),
            ('(' | '[' | '{', None) => depth += 1,
            (')' | ']' | '}', None) => depth -= 1,
            (',', None) if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

/// Returns the names in a list with commas.
fn names_of(list: &str) -> impl Iterator<Item = &str> + Clone {
    list.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

fn is_name(text: &str) -> bool {
    text.chars().all(is_part)
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && !text.is_empty()
}

fn is_part(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// Removes lines that are comments. A template over several lines could contain such a line, so none is accepted.
fn without_comments(text: &str) -> String {
    let (mut code, mut is_comment) = (String::new(), false);
    for line in text.lines() {
        let trimmed = line.trim();
        is_comment |= trimmed.starts_with("/*");
        if is_comment {
            if let Some((_, code)) = trimmed.split_once("*/") {
                assert!(code.is_empty(), "code after a comment: {line}");
                is_comment = false;
            }
            continue;
        }
        if trimmed.is_empty() || trimmed.starts_with("//") {
            continue;
        }
        assert!(
            line.matches('`').count() % 2 == 0,
            "a template over several lines: {line}"
        );
        code += line;
        code.push('\n');
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;
    use std::panic::catch_unwind;

    /// Joins modules, of which the first imports the others.
    fn joined(modules: &[(&str, &str)]) -> String {
        let demo = tempfile::tempdir().expect("a temporary directory");
        for (name, text) in modules {
            fs::write(demo.path().join(format!("{name}.js")), text).expect("written");
        }
        Script::join(demo.path(), modules[0].0)
    }

    /// Returns why the modules cannot be joined.
    fn refusal(modules: &[(&str, &str)]) -> String {
        let refused = catch_unwind(|| joined(modules)).expect_err("refused");
        let text = refused.downcast_ref::<String>().cloned();
        text.or_else(|| refused.downcast_ref::<&str>().map(ToString::to_string))
            .expect("text")
    }

    #[test]
    fn module_of_two_importers_is_joined_once_before_both() {
        let script = joined(&[
            (
                "a",
                "import { b } from './b.js';\nimport { c } from './c.js';\nb(c);\n",
            ),
            ("b", "import { c } from './c.js';\nexport const b = c;\n"),
            ("c", "export const c = 1;\n"),
        ]);
        let expected = "const $c = (() => {\nconst c = 1;\nreturn { c };\n})();\n\
            const $b = (() => {\nconst { c } = $c;\nconst b = c;\nreturn { b };\n})();\n\
            const { b } = $b;\nconst { c } = $c;\nb(c);\n";
        assert_eq!(script, expected);
    }

    #[test]
    fn exports_of_the_first_module_stay_exports() {
        let exports = "export { a };\nexport class B {}\n";
        assert_eq!(joined(&[("a", exports)]), exports);
    }

    #[test]
    fn each_form_of_export_is_returned_by_its_name() {
        let module = "export const a = ['(', [1, 2]];\nexport class B {}\nexport function c(x, y) {}\nexport function* d() {}\n\
               export async function e() {}\nconst f = 1;\nconst g = 2;\nexport {\n  f,\n  g,\n};\n";
        let script = joined(&[
            ("main", "import { a } from './module.js';\n"),
            ("module", module),
        ]);
        assert!(
            script.contains("return { a, B, c, d, e, f, g };"),
            "{script}"
        );
        assert!(!script.contains("export"), "{script}");
    }

    #[test]
    fn list_of_imports_may_have_several_lines() {
        let script = joined(&[
            (
                "main",
                "import {\n  a,\n  b,\n} from './module.js';\nb(a);\n",
            ),
            ("module", "export const a = 1;\nexport const b = 2;\n"),
        ]);
        assert!(
            script.ends_with("const {  a,  b,} = $module;\nb(a);\n"),
            "{script}"
        );
    }

    #[test]
    fn comments_and_empty_lines_are_removed() {
        let text = "/* one\n * two\n */\n\n// three\n  // four\nconst a = 1; // five\n";
        assert_eq!(without_comments(text), "const a = 1; // five\n");
    }

    #[test]
    fn code_that_cannot_be_joined_fails_the_build() {
        for (module, reason) in [
            ("import a from './b.js';\n", "a.js: import a"),
            ("import { b as c } from './b.js';\n", "a.js: import"),
            ("import { b } from '../b.js';\n", "a.js: import"),
            ("import { b } from './b.js'; b();\n", "a.js: import"),
            ("import './b.js';\n", "a.js: import"),
            ("export default 1;\n", "export default"),
            ("export const { a } = {};\n", "export const"),
            ("export const a = 1, b = 2;\n", "export const a = 1, b"),
            ("export { a as b };\n", "export {"),
            ("/* a comment */ code();\n", "code after a comment"),
            (
                "const a = `\n// no comment\n`;\n",
                "a template over several lines",
            ),
        ] {
            let refusal = refusal(&[("a", module), ("b", "export const b = 1;\n")]);
            assert!(refusal.contains(reason), "{module}: {refusal}");
        }
    }

    #[test]
    fn circle_of_imports_fails_the_build() {
        let refusal = refusal(&[
            ("a", "import { b } from './b.js';\n"),
            ("b", "import { c } from './c.js';\nexport const b = 1;\n"),
            ("c", "import { b } from './b.js';\nexport const c = 1;\n"),
        ]);
        assert!(refusal.contains("imports form a circle"), "{refusal}");
    }

    #[test]
    fn page_names_the_versions_of_its_files() {
        let page = "<link href=\"style.css\"><script src=\"page.js\"></script><a title=\"page.js?\">page.js</a>";
        let versions = [("style.css", "12".to_owned()), ("page.js", "34".to_owned())];
        let expected = "<link href=\"style.css?12\"><script src=\"page.js?34\"></script><a title=\"page.js?\">page.js</a>";
        assert_eq!(with_versions(page.to_owned(), &versions), expected);
    }

    #[test]
    fn compressed_file_is_the_same_file_each_time() {
        let content = "a page ".repeat(1000);
        let compressed = compress(content.as_bytes());
        assert!(
            compressed.len() < content.len() / 10,
            "{}",
            compressed.len()
        );
        let mut plain = String::new();
        GzDecoder::new(compressed.as_slice())
            .read_to_string(&mut plain)
            .expect("gzip");
        assert_eq!(plain, content);
        // A time in the header would change the tag with each build.
        assert_eq!(compress(content.as_bytes()), compressed);
        assert_eq!(compressed[4..8], [0; 4]);
    }

    /// From <http://www.isthe.com/chongo/src/fnv/test_fnv.c>.
    #[test]
    fn hash_is_fnv_1a_of_64_bits() {
        for (content, expected) in [
            ("", "cbf29ce484222325"),
            ("a", "af63dc4c8601ec8c"),
            ("foobar", "85944171f73967e8"),
        ] {
            assert_eq!(hash(content.as_bytes()), expected);
        }
    }
}
