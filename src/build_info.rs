//! Which build this is: its version, the commit it was made from, and the features it has.

/// The version in `Cargo.toml`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit of the sources, as `git describe --always --abbrev=40 --dirty` names it; `unknown` where the build was
/// not told.
///
/// `packaging/build-release` and `deploy/Containerfile.source` tell it by the variable `COUNTERSIGN_COMMIT`; in a
/// package that cargo made (`.crate`), `build.rs` reads it from the package. Nothing here asks git: sources without a
/// repository build too, equal sources and variables make equal programs, and a commit that changes no source compiles
/// nothing again.
pub const COMMIT: &str = match option_env!("COUNTERSIGN_COMMIT") {
    Some(commit) if !commit.is_empty() => commit,
    Some(_) | None => UNKNOWN,
};

/// The features of the build, sorted by name.
pub const FEATURES: &[&str] = &[
    #[cfg(feature = "aws")]
    "aws",
    #[cfg(feature = "otlp")]
    "otlp",
    #[cfg(feature = "pkcs11")]
    "pkcs11",
    #[cfg(feature = "top")]
    "top",
    #[cfg(feature = "valkey")]
    "valkey",
];

/// What [`COMMIT`] is where the build was not told.
pub const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_of_the_package_is_named_once_it_is_on() {
        let text = include_str!("../Cargo.toml");
        let package: toml::Table = text.parse().unwrap();
        let features = package["features"].as_table().unwrap().keys().filter(|name| *name != "default");
        let source = include_str!("build_info.rs");
        for feature in features {
            let row = format!("#[cfg(feature = \"{feature}\")]\n    \"{feature}\",");
            assert!(source.contains(&row), "{feature} is not in FEATURES");
        }
        assert!(FEATURES.is_sorted(), "{FEATURES:?}");
    }

    #[test]
    fn a_build_that_was_told_no_commit_says_so() {
        assert_eq!(COMMIT, option_env!("COUNTERSIGN_COMMIT").filter(|told| !told.is_empty()).unwrap_or(UNKNOWN));
    }
}
