//! Reading an endpoint's error document: the code, and what the endpoint says it would have signed.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;

/// An endpoint's refusal, as far as it concerns a signer.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointError {
    /// The text of `<Code>`.
    pub code: String,
    /// The text of `<Message>`. It may hold a string to sign, with every value: not for logs.
    pub message: String,
    /// The text of `<StringToSign>`, which S3 and its relatives add. Not for logs either.
    pub string_to_sign: Option<String>,
}

impl EndpointError {
    /// Reads a whole document in either dialect (see [`super::ErrorDialect`]); of several errors the first. `None` when it is
    /// no well-formed XML or has no code.
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
        // SQS, with a declaration, a namespace and an element that Import/Export does not have
        let sqs = "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2011-10-01/\">\n  <Error>\n    \
                   <Type>Sender</Type>\n    <Code>SignatureDoesNotMatch</Code>\n    <Message>line\n&#39;two&#39;</Message>\n    \
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
    fn what_is_no_error_document_is_none() {
        for other in
            ["", "RequestExpired", "{\"Code\": \"RequestExpired\"}", "<Code>RequestExpired", "<a>", "<html></html>"]
        {
            assert_eq!(read(other), None, "{other}");
        }
        assert!(EndpointError::read(b"<Code>\xff</Code>").is_none());
        assert_eq!(read("<Code>&unknown;</Code>"), None);
    }

    proptest! {
        /// An endpoint may send anything.
        #[test]
        fn any_document_is_read_or_not(bytes in any::<Vec<u8>>(), text in "(<|>|/|Code|Message|a|&|;|lt|#|x|!|\\[|\\]|-|\\?|CDATA|\"|'|=| |\n){0,60}") {
            let _any = (EndpointError::read(&bytes), EndpointError::read(text.as_bytes()));
            let inside = format!("<Error><Code>c</Code><Message>{text}</Message></Error>");
            let _any = EndpointError::read(inside.as_bytes());
        }
    }
}
