//! That a breach of each law is found, on small examples.

use std::path::Path;

use super::{
    circle_breaches, function_breaches,
    imports::Crate,
    length_breach, median, missing_flags, room_breaches,
    source::{blanked, functions},
    std_breaches, trailing_space,
};

fn krate(files: &[(&str, &str)]) -> Crate {
    Crate::new(
        files
            .iter()
            .map(|(path, text)| (path.to_string(), text.to_string())),
    )
}

#[test]
fn an_import_into_the_wrong_room_is_found_however_it_is_said() {
    for text in [
        "use crate::store::Store;",
        "use crate::{http::Head, store::{Store, Id}};",
        "use super::super::store::Store;",
        "fn write(store: &crate::store::Store) {}",
        "pub(crate) use crate::store;",
        "use crate::store as kept;",
        "mod inner { use super::super::super::store::Store; }",
    ] {
        let krate = krate(&[
            ("src/http/head.rs", text),
            ("src/http/mod.rs", ""),
            ("src/store/mod.rs", ""),
        ]);
        let breaches = room_breaches(&krate);
        let found = breaches
            .iter()
            .any(|breach| breach.starts_with("http::head imports store ("));
        assert!(found, "{text} {breaches:?}");
    }
}

#[test]
fn an_import_through_a_re_export_is_one_of_the_thing_itself() {
    let files = [
        (
            "src/lib.rs",
            "pub mod store; mod http; pub use store::Store;",
        ),
        ("src/store/mod.rs", "mod append; pub use append::Append;"),
        ("src/store/append.rs", ""),
        ("src/http.rs", "use crate::{Store, store::Append};"),
    ];
    assert_eq!(
        room_breaches(&krate(&files)),
        [
            "http imports store (Store)",
            "http imports store::append (store::Append)"
        ]
    );
}

#[test]
fn what_is_allowed_or_no_import_is_no_breach() {
    let text = "//! use crate::store::Store;\n pub(in crate::store) struct Seen;\n use crate::http::Head;\n const TEXT: &str = \"crate::store::Store\";
        mod inner { use super::Inner; }
        #[cfg(test)]\n mod tests { use crate::store::Store; }";
    let files = [
        ("src/engine/mod.rs", text),
        ("src/http/mod.rs", ""),
        ("src/store/mod.rs", ""),
    ];
    assert_eq!(room_breaches(&krate(&files)), [""; 0]);
}

#[test]
fn a_circle_is_found() {
    let files = [
        ("src/store/mod.rs", "mod append; mod record;"),
        (
            "src/store/append.rs",
            "use super::record::Record; fn begin(id: super::id::Id) {}",
        ),
        ("src/store/record.rs", "use crate::store::append;"),
        ("src/store/id.rs", ""),
    ];
    let circle = [
        "store::append imports store::record (store::record::Record)",
        "store::record imports store::append (store::append)",
    ];
    assert_eq!(circle_breaches(&krate(&files)), circle);
}

#[test]
fn a_door_that_only_re_exports_is_in_no_circle() {
    let door = "pub mod head; pub use head::Head; pub struct Limits;";
    let child = "use super::Limits; pub struct Head;";
    let files = [("src/http/mod.rs", door), ("src/http/head.rs", child)];
    assert_eq!(circle_breaches(&krate(&files)), [""; 0]);

    let user = format!("{door} pub fn answer(head: &Head) {{}}");
    let files = [
        ("src/http/mod.rs", user.as_str()),
        ("src/http/head.rs", child),
    ];
    assert_eq!(circle_breaches(&krate(&files)).len(), 2);
}

#[test]
fn a_child_that_is_called_by_its_name_is_imported() {
    let files = [
        ("src/http/mod.rs", "mod head; fn read() { head::parse(); }"),
        ("src/http/head.rs", "use super::read;"),
    ];
    assert_eq!(circle_breaches(&krate(&files)).len(), 2);
}

#[test]
fn files_and_clocks_in_the_wrong_place_are_found() {
    let files = [
        ("src/store/fs/disk.rs", "use std::fs::File;"),
        ("src/store/sweep.rs", "use std::{fs, time::Duration};"),
        (
            "src/protocol/cors.rs",
            "fn now() { std::time::Instant::now(); }",
        ),
        ("src/protocol/page.rs", "use std::{fmt, io::Read};"),
        ("src/main.rs", "fn main() { std::fs::read(\"users\"); }"),
    ];
    let breaches = [
        "protocol::cors says std::time::Instant::now",
        "protocol::page says std::io::Read",
        "store::sweep says std::fs",
    ];
    assert_eq!(std_breaches(&krate(&files)), breaches);
}

#[test]
fn a_long_function_is_found_whatever_is_in_it() {
    let body = |lines| format!("fn f() {{\n{}}}\n", "let x = '{'; // {\n".repeat(lines));
    let path = Path::new("f.rs");
    assert_eq!(function_breaches(path, &body(58)), [""; 0]);
    assert_eq!(function_breaches(path, &body(59)), ["f.rs: f has 61 lines"]);
}

#[test]
fn functions_are_counted_from_fn_to_brace() {
    let text = "trait T { fn none(&self); fn one(&self) {} }\nfn two<'a>(x: &'a str)\n{ r#\"}\"\"#; b'\\''; \"\\\"}\" }";
    let found: Vec<_> = functions(&blanked(text))
        .into_iter()
        .map(|f| (f.name, f.lines))
        .collect();
    assert_eq!(found, [("one".to_owned(), 1), ("two".to_owned(), 2)]);
    assert_eq!(median(vec![1, 90, 5]), 5);
}

#[test]
fn long_files_space_and_missing_flags_are_found() {
    let path = Path::new("a.md");
    assert_eq!(length_breach(path, "1\n2\n", 2), None);
    assert_eq!(
        length_breach(path, "1\n2\n3", 2).unwrap(),
        "a.md: 3 lines, not more than 2"
    );
    assert_eq!(
        trailing_space(path, "a\nb \nc\r\n"),
        ["a.md:2 ends in space", "a.md:3 ends in space"]
    );
    let readme = "`--max-size SIZE`, `--user-file FILE`";
    assert_eq!(
        missing_flags("--max-size SIZE  --user NAME:PASSWORD", readme),
        ["--user"]
    );
}
