//! Checks a property with the inputs that the fuzzer found.

use std::fs;
use std::path::Path;

/// Checks the property for each file of its corpus. A package of the crate has no corpus: the
/// test then prints a note only.
pub(super) fn replay(corpus: &str, property: impl Fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    if !fuzz.exists() {
        println!("left out: the package contains no corpus");
        return;
    }
    let files = fs::read_dir(fuzz.join("corpus").join(corpus)).expect("the corpus is there");
    let mut count = 0;
    for file in files {
        let path = file.expect("a file").path();
        // Printed only when the test fails.
        println!("{}", path.display());
        property(&fs::read(path).expect("read"));
        count += 1;
    }
    assert!(count > 0, "the corpus is empty");
}
