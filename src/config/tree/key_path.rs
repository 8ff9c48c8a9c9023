//! The path of a key: the tables that lead to it and its name.

use std::fmt;

/// What our variables begin with.
pub(crate) const PREFIX: &str = "COUNTERSIGN";
/// The variable that names the configuration file, where no argument does. It sets no key.
pub(crate) const FILE_VARIABLE: &str = "COUNTERSIGN_CONFIG";
/// What separates the parts of a variable's name.
pub(crate) const SEPARATOR: &str = "__";

/// A key path, such as `route.importexport.timeouts.connect`. An item of a list is a segment `[2]`, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct KeyPath(Vec<String>);

impl KeyPath {
    /// The path of the segments.
    pub(crate) fn of<S: Into<String>>(segments: impl IntoIterator<Item = S>) -> Self {
        Self(segments.into_iter().map(Into::into).collect())
    }

    /// The path of a key of the table that this path names.
    pub(crate) fn join(&self, key: &str) -> Self {
        let mut segments = self.0.clone();
        segments.push(key.to_owned());
        Self(segments)
    }

    /// The path of an item of the list that this path names; `index` counts from 0.
    pub(crate) fn item(&self, index: usize) -> Self {
        self.join(&format!("[{}]", index.saturating_add(1)))
    }

    /// The names of the tables that lead to the key, and its own.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether this is `other` or leads to it.
    pub(crate) fn leads_to(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// Whether the path is that of a pattern like `route.*.url`, in which `*` stands for any one segment.
    pub(crate) fn matches(&self, pattern: &str) -> bool {
        let mut wanted = pattern.split('.');
        let all = self.0.iter().all(|segment| wanted.next().is_some_and(|w| w == "*" || w == segment));
        all && wanted.next().is_none()
    }

    /// The environment variable that sets this key.
    pub(crate) fn variable(&self) -> String {
        self.0
            .iter()
            .fold(PREFIX.to_owned(), |name, segment| format!("{name}{SEPARATOR}{}", segment.to_ascii_uppercase()))
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, segment) in self.0.iter().enumerate() {
            let index = segment.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let item = nth > 0 && index.is_some_and(|index| index.bytes().all(|b| b.is_ascii_digit()));
            if nth > 0 && !item {
                f.write_str(".")?;
            }
            let plain = segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
            if item || (plain && !segment.is_empty()) {
                f.write_str(segment)?;
            } else {
                // quoted and escaped as in the file: a line break in a key must not break the line of a message
                write!(f, "{segment:?}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_prints_as_a_dotted_key() {
        assert_eq!(KeyPath::of(["route", "ie"]).join("hosts").item(0).to_string(), "route.ie.hosts[1]");
        assert_eq!(KeyPath::of(["a b\n"]).to_string(), "\"a b\\n\"");
    }

    #[test]
    fn a_path_knows_its_variable() {
        assert_eq!(KeyPath::of(["key", "main", "identity_file"]).variable(), "COUNTERSIGN__KEY__MAIN__IDENTITY_FILE");
    }

    #[test]
    fn a_star_stands_for_one_segment() {
        let path = KeyPath::of(["route", "ie", "url"]);
        assert!(path.matches("route.*.url"));
        assert!(!path.matches("route.*"));
        assert!(!path.matches("route.*.url.x"));
        assert!(!path.matches("listener.*.url"));
    }
}
