//! Whether a client wants its errors in XML or in JSON, which it says in its form.

use super::action::{is_called, split_at_equals};
use super::document::{ErrorDialect, Notation};
use super::percent;

impl ErrorDialect {
    /// The notation of a client that has not said, or cannot say, what it wants.
    #[must_use]
    pub const fn usual_notation(self) -> Notation {
        match self {
            Self::Query | Self::Ec2 | Self::CloudStack | Self::Alibaba => Notation::Xml,
            Self::QingCloud | Self::Tencent => Notation::Json,
        }
    }

    /// The notation that a form asks for. The form may be one that is refused: nothing is decided by it but how the
    /// error is written. A parameter that appears twice says nothing.
    #[must_use]
    pub fn notation_asked_by(self, form: &[u8]) -> Notation {
        let name = match self {
            Self::CloudStack => "response",
            Self::Alibaba => "Format",
            Self::Query | Self::Ec2 | Self::QingCloud | Self::Tencent => return self.usual_notation(),
        };
        let mut values = form.split(|byte| *byte == b'&').filter_map(|parameter| {
            let (called, value) = split_at_equals(parameter);
            is_called(name, called).then_some(value)
        });
        match (values.next(), values.next()) {
            (Some(value), None) if is_json(value) => Notation::Json,
            _ => self.usual_notation(),
        }
    }
}

fn is_json(value: &[u8]) -> bool {
    const JSON: &str = "json";
    let may_be = value.len() <= percent::ESCAPE_LENGTH.saturating_mul(JSON.len());
    may_be && std::str::from_utf8(value).is_ok_and(|value| percent::decode_ascii(value).eq_ignore_ascii_case(JSON))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_its_errors_in_the_notation_that_its_form_asks_for() {
        let asked = |dialect: ErrorDialect, form: &str| dialect.notation_asked_by(form.as_bytes());
        let (cloudstack, alibaba) = (ErrorDialect::CloudStack, ErrorDialect::Alibaba);
        for (dialect, form, notation) in [
            (cloudstack, "command=listZones&response=json", Notation::Json),
            (cloudstack, "response=JSON&command=listZones", Notation::Json),
            (cloudstack, "%72esponse=%6ason&a=%", Notation::Json),
            (cloudstack, "command=listZones", Notation::Xml),
            (cloudstack, "command=listZones&response=xml", Notation::Xml),
            (cloudstack, "response=json&response=xml", Notation::Xml),
            (cloudstack, "response=json&response=json", Notation::Xml),
            (cloudstack, "Format=JSON", Notation::Xml),
            (cloudstack, "response=jsonjsonjsonjson", Notation::Xml),
            (cloudstack, "", Notation::Xml),
            (alibaba, "Action=DescribeRegions&Format=JSON", Notation::Json),
            (alibaba, "Action=DescribeRegions&Format=XML", Notation::Xml),
            (alibaba, "Action=DescribeRegions&format=JSON", Notation::Xml),
            (alibaba, "response=json", Notation::Xml),
            (ErrorDialect::Query, "response=json&Format=JSON", Notation::Xml),
            (ErrorDialect::Ec2, "response=json&Format=JSON", Notation::Xml),
            (ErrorDialect::QingCloud, "response=xml", Notation::Json),
            (ErrorDialect::Tencent, "Format=XML", Notation::Json),
        ] {
            assert_eq!(asked(dialect, form), notation, "{dialect:?} {form}");
        }
        assert_eq!(cloudstack.notation_asked_by(b"response=\xff&\xff"), Notation::Xml);
    }
}
