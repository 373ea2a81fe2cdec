//! Shows a property the bytes that were found telling.

use std::fs;
use std::path::Path;

/// Checks the property for each file of its corpus.
pub(super) fn replay(corpus: &str, property: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let files = fs::read_dir(folder.join(corpus)).expect("the corpus is there");
    let mut count = 0;
    for file in files {
        let path = file.expect("a file").path();
        // Said only when the test fails.
        println!("{}", path.display());
        property(&fs::read(path).expect("read"));
        count += 1;
    }
    assert!(count > 0, "the corpus is empty");
}
