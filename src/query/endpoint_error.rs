//! Parses an endpoint's error document: the code, the message, and the string that the endpoint says it would have
//! signed.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;

/// The parts of an endpoint's error that concern a signer.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointError {
    /// The text of `<Code>`.
    pub code: String,
    /// The text of `<Message>`. It may contain a string to sign with the value of every parameter, so it must not be
    /// logged.
    pub message: String,
    /// The text of `<StringToSign>`, which S3 and its relatives add. It must not be logged either.
    pub string_to_sign: Option<String>,
}

impl EndpointError {
    /// Parses a complete document in either dialect (see [`super::ErrorDialect`]), and takes the first error when there
    /// are several. `None` when the document is not well-formed XML or has no code.
    #[must_use]
    pub fn read(document: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_str(std::str::from_utf8(document).ok()?);
        let (mut code, mut message, mut string_to_sign) = (None, None, None);
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) => {
                    let found = match tag.local_name().as_ref() {
                        "Code" => &mut code,
                        "Message" => &mut message,
                        "StringToSign" => &mut string_to_sign,
                        _ => continue,
                    };
                    let raw = reader.read_text(tag.name()).ok()?;
                    let text = unescape(&raw).ok()?.into_owned();
                    found.get_or_insert(text);
                }
                Event::Eof => break,
                Event::End(_)
                | Event::Empty(_)
                | Event::Text(_)
                | Event::CData(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::DocType(_)
                | Event::GeneralRef(_) => {}
            }
        }
        Some(Self { code: code?.trim().to_owned(), message: message.unwrap_or_default(), string_to_sign })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::{ErrorDialect, ErrorDocument, ErrorType};

    fn read(document: &str) -> Option<(String, String)> {
        EndpointError::read(document.as_bytes()).map(|error| (error.code, error.message))
    }

    #[test]
    fn both_dialects_are_read() {
        let error = ErrorDocument {
            error_type: ErrorType::Sender,
            code: "RequestExpired",
            message: "a < b & 'c'",
            request_id: "r",
        };
        for dialect in [ErrorDialect::Query, ErrorDialect::Ec2] {
            let expected = Some(("RequestExpired".to_owned(), "a < b & 'c'".to_owned()));
            assert_eq!(read(&error.to_xml(dialect)), expected);
        }
    }

    #[test]
    fn real_documents_are_read() {
        // SQS: with an XML declaration, a namespace and an element that Import/Export does not have
        let sqs = "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2011-10-01/\">\n  \
                   <Error>\n    <Type>Sender</Type>\n    <Code>SignatureDoesNotMatch</Code>\n    \
                   <Message>line\n&#39;two&#39;</Message>\n    \
                   <Detail/>\n  </Error>\n  <RequestId>16f6e910</RequestId>\n</ErrorResponse>\n";
        assert_eq!(read(sqs), Some(("SignatureDoesNotMatch".to_owned(), "line\n'two'".to_owned())));
        let s3 = "<Error><Code>SignatureDoesNotMatch</Code><Message>m</Message><StringToSign>POST\nh\n/\na=b&amp;c=d\
                  </StringToSign></Error>";
        assert_eq!(EndpointError::read(s3.as_bytes()).unwrap().string_to_sign.unwrap(), "POST\nh\n/\na=b&c=d");
    }

    #[test]
    fn of_several_errors_the_first_counts() {
        let two = "<Response><Errors><Error><Code>A</Code></Error><Error><Code>B</Code></Error></Errors></Response>";
        assert_eq!(read(two), Some(("A".to_owned(), String::new())));
    }

    #[test]
    fn anything_but_an_error_document_is_none() {
        for other in
            ["", "RequestExpired", "{\"Code\": \"RequestExpired\"}", "<Code>RequestExpired", "<a>", "<html></html>"]
        {
            assert_eq!(read(other), None, "{other}");
        }
        assert!(EndpointError::read(b"<Code>\xff</Code>").is_none());
        assert_eq!(read("<Code>&unknown;</Code>"), None);
    }

    proptest! {
        /// An endpoint may send anything: no document may cause a panic.
        #[test]
        fn no_document_causes_a_panic(
            bytes in any::<Vec<u8>>(),
            text in "(<|>|/|Code|Message|a|&|;|lt|#|x|!|\\[|\\]|-|\\?|CDATA|\"|'|=| |\n){0,60}",
        ) {
            let _any = (EndpointError::read(&bytes), EndpointError::read(text.as_bytes()));
            let inside = format!("<Error><Code>c</Code><Message>{text}</Message></Error>");
            let _any = EndpointError::read(inside.as_bytes());
        }
    }
}
