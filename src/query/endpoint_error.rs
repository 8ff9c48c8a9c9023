//! Parses an endpoint's error document: the code, the message, and the string that the endpoint says it would have
//! signed.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;
use serde_json::Value;

use super::document::ErrorDialect;

/// The parts of an endpoint's error that concern a signer.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointError {
    /// The code. Where a dialect numbers its errors, the digits of the number.
    pub code: String,
    /// The message. It may contain a string to sign with the value of every parameter, so it must not be logged.
    pub message: String,
    /// The text of `<StringToSign>`, which S3 and its relatives add. It must not be logged either.
    pub string_to_sign: Option<String>,
}

impl EndpointError {
    /// Parses a complete document of AWS and its relatives, [`ErrorDialect::Query`] or [`ErrorDialect::Ec2`].
    #[must_use]
    pub fn read(document: &[u8]) -> Option<Self> {
        read_xml(document, "Code", "Message")
    }

    /// Parses a complete document in the shape of `dialect`, and takes the first error when there are several. `None`
    /// when the document is not well-formed or is not an error.
    #[must_use]
    pub fn read_in(dialect: ErrorDialect, document: &[u8]) -> Option<Self> {
        let is_json = || document.trim_ascii_start().first() == Some(&b'{');
        match dialect {
            ErrorDialect::Query | ErrorDialect::Ec2 => Self::read(document),
            ErrorDialect::Alibaba if is_json() => of_members(&json(document)?, "Code", "Message"),
            ErrorDialect::Alibaba => Self::read(document),
            ErrorDialect::CloudStack if is_json() => {
                // the only member is called after the operation
                let document = json(document)?;
                document.as_object()?.values().find_map(|error| of_members(error, "errorcode", "errortext"))
            }
            ErrorDialect::CloudStack => read_xml(document, "errorcode", "errortext"),
            // a success has the number 0
            ErrorDialect::QingCloud => {
                of_members(&json(document)?, "ret_code", "message").filter(|error| error.code != "0")
            }
            ErrorDialect::Tencent => of_members(json(document)?.get("Response")?.get("Error")?, "Code", "Message"),
        }
    }
}

/// The first elements of these names.
fn read_xml(document: &[u8], code_name: &str, message_name: &str) -> Option<EndpointError> {
    let mut reader = Reader::from_str(std::str::from_utf8(document).ok()?);
    let (mut code, mut message, mut string_to_sign) = (None, None, None);
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                let local_name = tag.local_name();
                let found = match local_name.as_ref() {
                    name if name == code_name => &mut code,
                    name if name == message_name => &mut message,
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
    Some(EndpointError { code: code?.trim().to_owned(), message: message.unwrap_or_default(), string_to_sign })
}

fn json(document: &[u8]) -> Option<Value> {
    serde_json::from_slice(document).ok()
}

/// The error in a JSON object that has these members.
fn of_members(object: &Value, code: &str, message: &str) -> Option<EndpointError> {
    let code = match object.get(code)? {
        Value::String(code) => code.clone(),
        Value::Number(code) => code.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let message = object.get(message).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(EndpointError { code, message, string_to_sign: None })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::{ErrorDocument, ErrorType, Notation};

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
    fn the_documents_that_we_write_in_each_dialect_are_read() {
        for dialect in ErrorDialect::ALL {
            let code = if dialect.has_numbers() { "431" } else { "RequestExpired" };
            let error =
                ErrorDocument { error_type: ErrorType::Sender, code, message: "a < \"b\" & 'c' /", request_id: "r" };
            for notation in [Notation::Xml, Notation::Json] {
                let document = error.write(dialect, notation, Some("listZones"));
                let read = EndpointError::read_in(dialect, document.as_bytes()).unwrap();
                assert_eq!((read.code.as_str(), read.message.as_str()), (code, error.message), "{document}");
            }
        }
    }

    #[test]
    fn the_documents_of_each_cloud_are_read() {
        for (dialect, document, code, message) in [
            (
                ErrorDialect::CloudStack,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><listzonesresponse \
                 cloud-stack-version=\"4.19.0.0\"><uuidList></uuidList><errorcode>401</errorcode>\
                 <cserrorcode>9999</cserrorcode><errortext>unable to verify user credentials</errortext>\
                 </listzonesresponse>",
                "401",
                "unable to verify user credentials",
            ),
            (
                ErrorDialect::CloudStack,
                r#"{"listzonesresponse":{"uuidList":[],"errorcode":401,"errortext":"unable to verify"}}"#,
                "401",
                "unable to verify",
            ),
            (
                ErrorDialect::Alibaba,
                "<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>8906582E</RequestId>\
                 <HostId>ecs.aliyuncs.com</HostId><Code>InvalidTimeStamp.Expired</Code><Message>m</Message></Error>",
                "InvalidTimeStamp.Expired",
                "m",
            ),
            (
                ErrorDialect::Alibaba,
                r#" {"RequestId":"1","HostId":"h","Code":"SignatureNonceUsed","Message":"\/"}"#,
                "SignatureNonceUsed",
                "/",
            ),
            (ErrorDialect::QingCloud, r#"{"message":"m","ret_code":1300}"#, "1300", "m"),
            (
                ErrorDialect::Tencent,
                r#"{"Response":{"Error":{"Code":"AuthFailure.SignatureExpire","Message":"m"},"RequestId":"r"}}"#,
                "AuthFailure.SignatureExpire",
                "m",
            ),
        ] {
            let read = EndpointError::read_in(dialect, document.as_bytes());
            let read = read.unwrap_or_else(|| panic!("{document}"));
            assert_eq!((read.code.as_str(), read.message.as_str()), (code, message));
        }
    }

    #[test]
    fn a_success_is_no_error() {
        for (dialect, document) in [
            (ErrorDialect::QingCloud, r#"{"action":"DescribeZonesResponse","ret_code":0,"zone_set":[]}"#),
            (ErrorDialect::Tencent, r#"{"Response":{"TotalCount":0,"RequestId":"r"}}"#),
            (ErrorDialect::Tencent, r#"{"Response":"Error"}"#),
            (ErrorDialect::CloudStack, r#"{"listzonesresponse":{"count":1,"zone":[{"errorcode":1}]}}"#),
            (ErrorDialect::CloudStack, "<listzonesresponse><count>1</count></listzonesresponse>"),
            (ErrorDialect::Alibaba, r#"{"RequestId":"r","Regions":{"Region":[]}}"#),
            (ErrorDialect::Alibaba, r#"{"Code":{},"Message":"m"}"#),
            (ErrorDialect::Alibaba, "{"),
            (ErrorDialect::Tencent, ""),
            (ErrorDialect::QingCloud, "[]"),
        ] {
            assert!(EndpointError::read_in(dialect, document.as_bytes()).is_none(), "{document}");
        }
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
            let nested = format!("{{\"Response\":{{\"Error\":{{\"Code\":\"{text}\"}}}}}}");
            for dialect in ErrorDialect::ALL {
                let _any = (EndpointError::read_in(dialect, &bytes), EndpointError::read_in(dialect, text.as_bytes()));
                let _any = EndpointError::read_in(dialect, nested.as_bytes());
            }
        }
    }
}
