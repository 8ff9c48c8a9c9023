//! The generated parts of the reference: a test compares each with what the code says, and can write it anew.

use std::path::Path;

/// Compares the part of `page` between its markers `<!-- generated: NAME -->` and `<!-- end -->` with `generated`.
/// With the variable `COUNTERSIGN_WRITE_PAGES` set, it writes that part instead.
pub(crate) fn check(page: &str, name: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{page}: {error}"));
    let (begin, end) = (format!("<!-- generated: {name} -->\n"), "<!-- end -->");
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{page} has no line {begin}"));
    let (_, behind) = rest.split_once(end).unwrap_or_else(|| panic!("{page} has no {end} behind {begin}"));
    let wanted = format!("{before}{begin}\n{}\n\n{end}{behind}", generated.trim_end());
    if std::env::var_os("COUNTERSIGN_WRITE_PAGES").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    } else {
        assert!(text == wanted, "{page} is stale: run COUNTERSIGN_WRITE_PAGES=1 cargo test --lib reference");
    }
}
