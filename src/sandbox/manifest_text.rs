//! Reads the text of a manifest, in the part of YAML that the manifests of the developer guide use.
//!
//! That part: `name: value` lines; under a name without a value, indented `name: value` lines, or `- name: value` items
//! each with further lines below. The space after the colon may be missing, as it is in the guide's own examples.
//! Comments, blank lines, a leading `---` and quotes around values are accepted. Deeper nesting, flow style, anchors
//! and block scalars are refused.

use super::refusal::Refusal;
use super::xml::is_xml_character;

/// How many lines a manifest may have: many times as many as the guide's longest examples, and few enough that
/// comparing every name with every other costs nothing.
pub const MOST_LINES: usize = 2000;

/// Name and value pairs, in the order written.
pub type Fields = Vec<(String, String)>;

/// The value of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `name: value`; empty if nothing follows.
    Scalar(String),
    /// Indented lines.
    Mapping(Fields),
    /// Items that begin with a dash.
    Sequence(Vec<Fields>),
}

/// A manifest's fields, in the order written, each name once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestText {
    fields: Vec<(String, Value)>,
}

impl ManifestText {
    /// Reads `text`.
    ///
    /// # Errors
    /// [`Refusal::MalformedManifest`], with the line.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut manifest = Self { fields: Vec::new() };
        for (index, line) in text.lines().enumerate() {
            let read = if index < MOST_LINES { manifest.read(line) } else { Err("there are more than 2000 lines") };
            read.map_err(|problem| Refusal::MalformedManifest { line: index.saturating_add(1), problem })?;
        }
        if manifest.fields.is_empty() {
            return Err(Refusal::MalformedManifest { line: 1, problem: "it has no fields" });
        }
        Ok(manifest)
    }

    /// The value of a top-level field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value)
    }

    /// The top-level names, in the order written.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }

    fn read(&mut self, line: &str) -> Result<(), &'static str> {
        if !line.chars().all(is_xml_character) {
            return Err("it has a control character");
        }
        let content = line.trim_start_matches(' ');
        if content.starts_with('\t') {
            return Err("it is indented with a tab");
        }
        let indented = content.len() < line.len();
        let content = content.trim_end();
        if content.is_empty() || content.starts_with('#') || content == "---" {
            return Ok(());
        }
        if let Some(item) = content.strip_prefix('-') {
            let (name, value) = pair(item.trim_start())?;
            return self.begin_item(name, value);
        }
        let (name, value) = pair(content)?;
        if indented { self.add_below(name, value) } else { self.add(name, value) }
    }

    fn add(&mut self, name: String, value: String) -> Result<(), &'static str> {
        if self.get(&name).is_some() {
            return Err("the same field was given before");
        }
        self.fields.push((name, Value::Scalar(value)));
        Ok(())
    }

    fn add_below(&mut self, name: String, value: String) -> Result<(), &'static str> {
        let (_, parent) = self.fields.last_mut().ok_or("it is indented, but nothing is above it")?;
        match parent {
            Value::Scalar(text) if text.is_empty() => {
                *parent = Value::Mapping(vec![(name, value)]);
                Ok(())
            }
            Value::Scalar(_) => Err("it is indented below a field that has a value"),
            Value::Mapping(fields) => add_once(fields, name, value),
            Value::Sequence(items) => match items.last_mut() {
                Some(fields) => add_once(fields, name, value),
                None => Err("it belongs to no item"),
            },
        }
    }

    fn begin_item(&mut self, name: String, value: String) -> Result<(), &'static str> {
        let (_, parent) = self.fields.last_mut().ok_or("it begins an item, but nothing is above it")?;
        match parent {
            Value::Scalar(text) if text.is_empty() => *parent = Value::Sequence(vec![vec![(name, value)]]),
            Value::Sequence(items) => items.push(vec![(name, value)]),
            Value::Scalar(_) | Value::Mapping(_) => return Err("it begins an item below a field that is no list"),
        }
        Ok(())
    }
}

fn add_once(fields: &mut Fields, name: String, value: String) -> Result<(), &'static str> {
    if fields.iter().any(|(candidate, _)| *candidate == name) {
        return Err("the same field was given before");
    }
    fields.push((name, value));
    Ok(())
}

/// Splits at the first colon.
fn pair(content: &str) -> Result<(String, String), &'static str> {
    let (name, value) = content.split_once(':').ok_or("it has no colon")?;
    let name = name.trim();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.is_empty() || !name.bytes().all(plain) {
        return Err("what stands before the colon is no field name");
    }
    Ok((name.to_owned(), scalar(value.trim())?))
}

fn scalar(value: &str) -> Result<String, &'static str> {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            let (inside, after) = rest.split_once(quote).ok_or("a quote is not closed")?;
            let after = after.trim_start();
            return if after.is_empty() || after.starts_with('#') {
                Ok(inside.to_owned())
            } else {
                Err("something follows the closing quote")
            };
        }
    }
    if value.starts_with(['{', '[', '&', '*', '|', '>', '!']) {
        return Err("this kind of value is not read here; quote it if it is text");
    }
    let uncommented = value.split_once(" #").map_or(value, |(before, _)| before);
    Ok(if value.starts_with('#') { String::new() } else { uncommented.trim_end().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    fn problem(text: &str) -> (usize, &'static str) {
        match ManifestText::parse(text) {
            Err(Refusal::MalformedManifest { line, problem }) => (line, problem),
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn values_mappings_and_lists_are_read() {
        let text = "---\n# an export\nmanifestVersion:2.0\ndeviceId: \"HD: 001\" # sticker\n\
                    returnAddress:\n    name: Jane Roe\n    street1: 123 Any Street #4\n\
                    operations:\n- exportBucket: one\n  prefix: 'images/'\n\n  - exportBucket:two\nnote: # none\n";
        let manifest = ManifestText::parse(text).unwrap();
        assert_eq!(manifest.get("manifestVersion"), Some(&Value::Scalar("2.0".to_owned())));
        assert_eq!(manifest.get("deviceId"), Some(&Value::Scalar("HD: 001".to_owned())));
        let address = fields(&[("name", "Jane Roe"), ("street1", "123 Any Street")]);
        assert_eq!(manifest.get("returnAddress"), Some(&Value::Mapping(address)));
        let operations =
            vec![fields(&[("exportBucket", "one"), ("prefix", "images/")]), fields(&[("exportBucket", "two")])];
        assert_eq!(manifest.get("operations"), Some(&Value::Sequence(operations)));
        assert_eq!(manifest.get("note"), Some(&Value::Scalar(String::new())));
    }

    #[test]
    fn carriage_returns_end_lines_too() {
        let manifest = ManifestText::parse("a: 1\r\nb: 2\r\n").unwrap();
        assert_eq!(manifest.get("a"), Some(&Value::Scalar("1".to_owned())));
        assert_eq!(manifest.names().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line() {
        assert_eq!(problem("a: 1\nno colon here").0, 2);
        for text in
            ["", "# only a comment", " a: 1", "- a: 1", "a b: 1", ": 1", "a: {b: 1}", "a: |", "a: \"b", "a: 'b' c"]
        {
            assert_eq!(problem(text).0, 1, "{text}");
        }
        for text in ["a: 1\na: 2", "a: 1\n  b: 2", "a: 1\n- b: 2", "a:\n\tb: 2", "a:\n b: 1\n- c: 2", "a: 1\nb: \u{7}"]
        {
            assert!(problem(text).0 >= 2, "{text}");
        }
        assert_eq!(problem(&"# long\n".repeat(MOST_LINES + 1)).0, MOST_LINES + 1);
        assert_eq!(problem("a:\n b: 1\n b: 2"), (3, "the same field was given before"));
    }

    proptest! {
        #[test]
        fn every_text_is_read_or_refused_and_what_is_read_has_each_name_once(
            text in "([a-c]{1,2}: ?[a-z\"'#{]{0,3}|  ?[a-c]:x?|- [a-c]:|#|---|\\PC{0,8})\
                     (\r?\n([a-c]{1,2}:|  [a-c]: x|- [a-c]: y|\t|)){0,6}")
        {
            if let Ok(manifest) = ManifestText::parse(&text) {
                let mut names: Vec<_> = manifest.names().collect();
                names.sort_unstable();
                prop_assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
            }
        }
    }
}
