//! Who imports whom among the modules of a crate.
//!
//! A module is a file. An import is any path into another module, in a `use` or in the middle of the code. A module is
//! the door of its children: `pub use head::Head` in `http` imports nothing, unless `http` speaks of `Head` itself,
//! and `super::Head` in another child imports `http::head`, not `http`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::source::{Said, blanked, is_word, paths, without_tests};

pub(super) struct Crate {
    /// By module: `store::append`. The roots are `lib` and `main`.
    modules: BTreeMap<String, Module>,
}

/// One module's saying of something in another.
#[derive(Clone, Copy)]
pub(super) struct Import<'a> {
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    path: &'a str,
}

struct Module {
    /// Every path said in it, as an absolute one: `lib::store::Store`, `std::fs::File`.
    paths: BTreeSet<String>,
    /// What it re-exports: the name here, the absolute path there.
    exports: BTreeMap<String, String>,
}

impl Crate {
    /// From the paths and texts of its files: `src/store/append.rs`.
    pub(super) fn new(files: impl IntoIterator<Item = (String, String)>) -> Crate {
        let files: Vec<_> = files
            .into_iter()
            .map(|(path, text)| (module_name(&path), text))
            .collect();
        let names: BTreeSet<_> = files.iter().map(|(name, _)| name.clone()).collect();
        // Tests in a file of their own are tests all the same.
        let code = files
            .into_iter()
            .filter(|(name, _)| !name.ends_with("tests"));
        let modules = code.map(|(name, text)| {
            let module = Module::new(&name, &text, &names);
            (name, module)
        });
        Crate {
            modules: modules.collect(),
        }
    }

    /// All imports.
    pub(super) fn imports(&self) -> Vec<Import<'_>> {
        let mut imports = Vec::new();
        for (from, module) in &self.modules {
            let all = module
                .paths
                .iter()
                .filter_map(|path| Some((self.home(path, 0)?, path)));
            imports.extend(all.map(|(to, path)| Import { from, to, path }));
        }
        imports.retain(|import| import.from != import.to);
        imports
    }

    /// The imports that lead, by other imports, back to where they are.
    pub(super) fn circles(&self) -> Vec<Import<'_>> {
        let imports = self.imports();
        let mut targets = BTreeMap::<_, BTreeSet<_>>::new();
        for import in &imports {
            targets.entry(import.from).or_default().insert(import.to);
        }
        imports
            .into_iter()
            .filter(|import| leads(&targets, import.to, import.from))
            .collect()
    }

    /// Every path into the standard library, with the module that says it.
    pub(super) fn std_paths(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self
            .modules
            .iter()
            .flat_map(|(name, module)| module.paths.iter().map(move |path| (name, path)));
        all.filter(|(_, path)| path.starts_with("std::"))
            .map(|(name, path)| (name.as_str(), path.as_str()))
    }

    /// The module in which the thing with this absolute path is written down.
    fn home(&self, path: &str, hops: usize) -> Option<&str> {
        let inner = path.strip_prefix("lib::")?;
        // The longest beginning that is a module; else the root.
        let ends = inner
            .match_indices("::")
            .map(|(at, _)| at)
            .chain([inner.len()]);
        let end = ends
            .filter(|&end| self.modules.contains_key(&inner[..end]))
            .last();
        let (module, rest) = end.map_or(("lib", inner), |end| {
            (&inner[..end], inner[end..].trim_start_matches("::"))
        });
        let (module, contents) = self.modules.get_key_value(module)?;
        let first = rest.split("::").next().unwrap_or_default();
        match contents.exports.get(first) {
            // Names re-exported in a ring would be an error of the compiler; here they must just end.
            Some(there) if hops < 8 && there.starts_with("lib::") => self.home(there, hops + 1),
            _ => Some(module),
        }
    }
}

impl fmt::Display for Import<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = self.path.strip_prefix("lib::").unwrap_or(self.path);
        write!(f, "{} imports {} ({said})", self.from, self.to)
    }
}

/// Whether some way leads from one module to the other.
fn leads<'a>(targets: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &'a str, to: &str) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut ahead = vec![from];
    while let Some(module) = ahead.pop() {
        let next = targets.get(module).into_iter().flatten();
        ahead.extend(next.filter(|module| seen.insert(module)));
    }
    seen.contains(to)
}

impl Module {
    fn new(name: &str, text: &str, names: &BTreeSet<String>) -> Module {
        let code = without_tests(&blanked(text));
        let mut module = Module {
            paths: BTreeSet::new(),
            exports: BTreeMap::new(),
        };
        for Said { path, exported_as } in paths(&code) {
            let Some(path) = absolute(name, &path, names) else {
                continue;
            };
            let is_door = path.starts_with(&format!("lib::{}", home(name)));
            let exported_only = exported_as
                .as_ref()
                .is_some_and(|here| is_door && times_said(&code, here) < 2);
            if !exported_only {
                module.paths.insert(path.clone());
            }
            if let Some(here) = exported_as {
                module.exports.insert(here, path);
            }
        }
        module
    }
}

/// `src/store/append.rs` is `store::append`, `src/store/mod.rs` is `store`.
fn module_name(path: &str) -> String {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    inner.trim_end_matches("/mod").replace('/', "::")
}

/// A path as seen from the root: `lib::http::Head` or `std::fs`; `None` for what is local, or another crate's.
fn absolute(module: &str, path: &str, names: &BTreeSet<String>) -> Option<String> {
    let home = if module == "lib" {
        String::new()
    } else {
        format!("{module}::")
    };
    let (first, rest) = path.split_once("::").unwrap_or((path, ""));
    let from_root = |inner: String| Some(format!("lib::{inner}"));
    match first {
        "std" | "core" | "alloc" => Some(path.to_owned()),
        "crate" => from_root(rest.to_owned()),
        "self" => from_root(format!("{home}{rest}")),
        "super" => {
            let (mut parent, mut rest) = (
                module.rsplit_once("::").map_or("", |(parent, _)| parent),
                rest,
            );
            while let Some(after) = rest.strip_prefix("super::") {
                (parent, rest) = (
                    parent.rsplit_once("::").map_or("", |(parent, _)| parent),
                    after,
                );
            }
            from_root(if parent.is_empty() {
                rest.to_owned()
            } else {
                format!("{parent}::{rest}")
            })
        }
        child if names.contains(&format!("{home}{child}")) && child != "main" => {
            from_root(format!("{home}{path}"))
        }
        _ => None,
    }
}

/// What the paths of a module's children begin with.
fn home(module: &str) -> String {
    if module == "lib" {
        String::new()
    } else {
        format!("{module}::")
    }
}

fn times_said(code: &str, name: &str) -> usize {
    code.split(|letter: char| !is_word(letter))
        .filter(|word| *word == name)
        .count()
}
