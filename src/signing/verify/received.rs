//! A request as an endpoint receives it, and the parameters in it, decoded by code of its own.

use super::problem::Problem;
use crate::query::ShownName;

/// How many parameters are read. SimpleDB's largest documented call has 19,200.
const MOST: usize = 20_000;

/// A POST as it was received.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// The `Host` field.
    pub host: &'a str,
    /// The path on the request line.
    pub path: &'a str,
    /// What follows the `?` on the request line.
    pub query: &'a str,
    /// The fields of the head, their names in lower case.
    pub fields: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
}

/// Names and values, decoded; each name once.
#[derive(Debug, Clone)]
pub(super) struct Parameters(Vec<(String, String)>);

impl<'a> Received<'a> {
    /// The values of all fields of this name.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The value of a field that may be there once.
    pub(super) fn field(&self, name: &'static str) -> Result<Option<&'a str>, Problem> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (first, None) => Ok(first),
            (_, Some(_)) => Err(Problem::Twice(ShownName::of(name))),
        }
    }

    /// The parameters of the form, where the server does not read a query string.
    pub(super) fn form(&self) -> Result<Parameters, Problem> {
        if !self.query.is_empty() {
            return Err(Problem::QueryString);
        }
        Parameters::read([self.body])
    }

    /// The parameters of query string and form, where the server makes no difference between them.
    pub(super) fn query_and_form(&self) -> Result<Parameters, Problem> {
        Parameters::read([self.query.as_bytes(), self.body])
    }
}

impl Parameters {
    pub(super) fn read<const N: usize>(texts: [&[u8]; N]) -> Result<Self, Problem> {
        let pieces = texts.into_iter().flat_map(|text| text.split(|byte| *byte == b'&'));
        let mut all = Vec::new();
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            if all.len() == MOST {
                return Err(Problem::TooMany(MOST));
            }
            let mut halves = piece.splitn(2, |byte| *byte == b'=');
            let name = decoded(halves.next().unwrap_or_default())?;
            let value = decoded(halves.next().unwrap_or_default())?;
            all.push((name, value));
        }
        all.sort_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
        let twice = all.windows(2).find_map(|pair| match pair {
            [(one, _), (other, _)] if one == other => Some(ShownName::of(one)),
            _ => None,
        });
        twice.map_or(Ok(Self(all)), |name| Err(Problem::Twice(name)))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    pub(super) fn required(&self, name: &'static str) -> Result<&str, Problem> {
        self.get(name).filter(|value| !value.is_empty()).ok_or(Problem::Missing(name))
    }

    /// Fails unless the parameter has this value.
    pub(super) fn must_be(&self, name: &'static str, expected: &str) -> Result<(), Problem> {
        if self.required(name)? == expected {
            return Ok(());
        }
        Err(Problem::Wrong { name, expected: expected.to_owned() })
    }

    /// In the order of the bytes of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Those whose name passes.
    pub(super) fn only(&self, passes: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(name, _)| passes(name)).cloned().collect())
    }

    /// The same, in which this parameter has this value.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let mut all = self.only(|other| other != name).0;
        all.push((name.to_owned(), value.to_owned()));
        all.sort_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
        Self(all)
    }

    pub(super) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }
}

/// Undoes the encoding of forms.
fn decoded(text: &[u8]) -> Result<String, Problem> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).ok_or(Problem::Malformed);
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                u8::try_from((high << 4) | low).map_err(|_| Problem::Malformed)?
            }
            other => *other,
        });
    }
    String::from_utf8(out).map_err(|_| Problem::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_sorted_by_the_bytes_of_their_names() {
        let read = |text: &str| Parameters::read([text.as_bytes()]).map(Parameters::into_pairs);
        let pairs = read("b=%C3%9C+%2B&a.1=1&&a=&B").unwrap();
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("B", ""), ("a", ""), ("a.1", "1"), ("b", "Ü +")]);
        for malformed in ["a=%", "a=%4", "a=%zz", "a=%ff", "%+1=a"] {
            assert_eq!(read(malformed), Err(Problem::Malformed), "{malformed}");
        }
        assert_eq!(read("a=1&b=2&%61=3"), Err(Problem::Twice(ShownName::of("a"))));
    }
}
