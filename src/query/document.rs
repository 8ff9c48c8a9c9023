//! Error documents of our own, each in the shape that the SDKs of a dialect parse.

use quick_xml::escape::escape;
use serde_json::{Value, json};

/// The shape in which the endpoints of a dialect write their errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorDialect {
    /// `<ErrorResponse><Error>...`: most services of AWS.
    Query,
    /// `<Response><Errors><Error>...`: EC2, SimpleDB and their relatives.
    Ec2,
    /// `<NAMEresponse><errorcode>...`, or the same in JSON. The code is a number.
    CloudStack,
    /// `<Error><Code>...`, or the same in JSON.
    Alibaba,
    /// `{"ret_code": ...}`. The code is a number.
    QingCloud,
    /// `{"Response": {"Error": ...}}`.
    Tencent,
}

impl ErrorDialect {
    /// The names in the configuration: where a dialect leaves the shape to the service, it is one of these.
    pub const WORDS: [(&'static str, Self); 2] = [("query", Self::Query), ("ec2", Self::Ec2)];

    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Query, Self::Ec2, Self::CloudStack, Self::Alibaba, Self::QingCloud, Self::Tencent];

    /// Whether the code of an error is a number.
    #[must_use]
    pub const fn has_numbers(self) -> bool {
        match self {
            Self::CloudStack | Self::QingCloud => true,
            Self::Query | Self::Ec2 | Self::Alibaba | Self::Tencent => false,
        }
    }

    /// Whether errors are answered with status 200. The SDKs of these clouds read no document with another status, and
    /// send a request again that was answered with one: QingCloud's always, Tencent's where it may repeat at all.
    #[must_use]
    pub const fn is_answered_with_200(self) -> bool {
        match self {
            Self::QingCloud | Self::Tencent => true,
            Self::Query | Self::Ec2 | Self::CloudStack | Self::Alibaba => false,
        }
    }
}

/// How a document is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// XML.
    Xml,
    /// JSON.
    Json,
}

/// Who is to blame for an error, in AWS's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorType {
    /// The client: sending the same request again will not help.
    Sender,
    /// The service.
    Receiver,
}

impl ErrorType {
    /// The text of `<Type>`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sender => "Sender",
            Self::Receiver => "Receiver",
        }
    }
}

/// The media type of an error document in XML.
pub(crate) const MEDIA_TYPE: &str = "text/xml;charset=utf-8";

/// The media type of an error document in JSON. Tencent's SDK reads no document of a type with parameters.
const JSON_MEDIA_TYPE: &str = "application/json";

/// In Alibaba Cloud's documents: the host that answers. It is not the client's `Host`, which may be anything.
const HOST_ID: &str = "countersign";

/// One error, ready to be written.
#[derive(Debug, Clone, Copy)]
pub struct ErrorDocument<'a> {
    /// Who is to blame.
    pub error_type: ErrorType,
    /// The dialect's code, or one that begins with `Proxy`. Where codes are numbers, its digits.
    pub code: &'a str,
    /// Text for people. It may name parameters, and never contains their values.
    pub message: &'a str,
    /// The request id, which the response's header and the log have too.
    pub request_id: &'a str,
}

impl Notation {
    /// The media type of a document.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Xml => MEDIA_TYPE,
            Self::Json => JSON_MEDIA_TYPE,
        }
    }
}

impl ErrorDocument<'_> {
    /// The document in XML, where the dialect has it.
    #[must_use]
    pub fn to_xml(&self, dialect: ErrorDialect) -> String {
        self.write(dialect, Notation::Xml, None)
    }

    /// The document, for a client that asked for `notation` and called `operation`, if that is known. Where a dialect
    /// has one notation only, it is written in that one.
    #[must_use]
    pub fn write(&self, dialect: ErrorDialect, notation: Notation, operation: Option<&str>) -> String {
        match (dialect, notation) {
            (ErrorDialect::Query, _) => self.query(),
            (ErrorDialect::Ec2, _) => self.ec2(),
            (ErrorDialect::CloudStack, Notation::Xml) => self.cloudstack_xml(operation),
            (ErrorDialect::CloudStack, Notation::Json) => {
                let error = json!({
                    "uuidList": [], "errorcode": self.number(), "cserrorcode": CS_ERROR_CODE, "errortext": self.message,
                });
                let mut document = serde_json::Map::new();
                document.insert(response_name(operation), error);
                Value::Object(document).to_string()
            }
            (ErrorDialect::Alibaba, Notation::Xml) => self.alibaba_xml(),
            (ErrorDialect::Alibaba, Notation::Json) => json!({
                "RequestId": self.request_id, "HostId": HOST_ID, "Code": self.code, "Message": self.message,
            })
            .to_string(),
            (ErrorDialect::QingCloud, _) => {
                json!({ "ret_code": self.number(), "message": self.message, "request_id": self.request_id }).to_string()
            }
            (ErrorDialect::Tencent, _) => json!({
                "Response": {
                    "Error": { "Code": self.code, "Message": self.message }, "RequestId": self.request_id,
                },
            })
            .to_string(),
        }
    }

    fn query(&self) -> String {
        let [code, message, request_id] = self.escaped();
        format!(
            "<ErrorResponse><Error><Type>{}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>{request_id}</RequestId></ErrorResponse>",
            self.error_type.as_str()
        )
    }

    fn ec2(&self) -> String {
        let [code, message, request_id] = self.escaped();
        format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
             <RequestID>{request_id}</RequestID></Response>"
        )
    }

    fn cloudstack_xml(&self, operation: Option<&str>) -> String {
        let ([code, message, _], name) = (self.escaped(), response_name(operation));
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><{name}><uuidList></uuidList><errorcode>{code}</errorcode>\
             <cserrorcode>{CS_ERROR_CODE}</cserrorcode><errortext>{message}</errortext></{name}>"
        )
    }

    fn alibaba_xml(&self) -> String {
        let [code, message, request_id] = self.escaped();
        format!(
            "<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>{request_id}</RequestId>\
             <HostId>{HOST_ID}</HostId><Code>{code}</Code><Message>{message}</Message></Error>"
        )
    }

    fn escaped(&self) -> [std::borrow::Cow<'_, str>; 3] {
        [self.code, self.message, self.request_id].map(escape)
    }

    /// The code as a number.
    fn number(&self) -> u16 {
        self.code.parse().unwrap_or_default()
    }
}

/// What CloudStack writes where an error has no exception of its own.
const CS_ERROR_CODE: u16 = 9999;

/// The name of CloudStack's document: that of the operation, or the one that the server takes when it knows none. It is
/// the only thing of a client's that a document has, and an [`Action`](super::Action) where it is given: letters and
/// digits, of which no XML element begins with a digit.
fn response_name(operation: Option<&str>) -> String {
    let is_name = |name: &&str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    operation.filter(is_name).map_or_else(
        || "errorresponse".to_owned(),
        |operation| {
            let mut name = operation.to_ascii_lowercase();
            name.push_str("response");
            name
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: ErrorDocument<'_> = ErrorDocument {
        error_type: ErrorType::Sender,
        code: "MissingAction",
        message: "no <Action> & \"co\"",
        request_id: "r-1",
    };

    const NUMBERED: ErrorDocument<'_> = ErrorDocument { code: "431", ..ERROR };

    #[test]
    fn each_dialect_is_written_and_escaped() {
        assert_eq!(
            ERROR.to_xml(ErrorDialect::Query),
            "<ErrorResponse><Error><Type>Sender</Type><Code>MissingAction</Code><Message>no &lt;Action&gt; &amp; \
             &quot;co&quot;</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
        );
        assert_eq!(
            ERROR.to_xml(ErrorDialect::Ec2),
            "<Response><Errors><Error><Code>MissingAction</Code><Message>no &lt;Action&gt; &amp; &quot;co&quot;\
             </Message></Error></Errors><RequestID>r-1</RequestID></Response>"
        );
        assert_eq!(
            ERROR.to_xml(ErrorDialect::Alibaba),
            "<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>r-1</RequestId><HostId>countersign</HostId>\
             <Code>MissingAction</Code><Message>no &lt;Action&gt; &amp; &quot;co&quot;</Message></Error>"
        );
        let json = |error: ErrorDocument<'_>, dialect| {
            let text = error.write(dialect, Notation::Json, Some("listZones"));
            serde_json::from_str::<Value>(&text).unwrap()
        };
        let message = ERROR.message;
        assert_eq!(
            json(ERROR, ErrorDialect::Alibaba),
            json!({"RequestId": "r-1", "HostId": "countersign", "Code": "MissingAction", "Message": message})
        );
        assert_eq!(
            json(ERROR, ErrorDialect::Tencent),
            json!({"Response": {"Error": {"Code": "MissingAction", "Message": message}, "RequestId": "r-1"}})
        );
        assert_eq!(
            json(NUMBERED, ErrorDialect::QingCloud),
            json!({"ret_code": 431, "message": message, "request_id": "r-1"})
        );
        assert_eq!(
            json(NUMBERED, ErrorDialect::CloudStack),
            json!({"listzonesresponse":
                {"uuidList": [], "errorcode": 431, "cserrorcode": 9999, "errortext": message}})
        );
    }

    #[test]
    fn a_document_of_cloudstack_is_called_after_the_operation_if_that_can_name_an_element() {
        let written = |operation| NUMBERED.write(ErrorDialect::CloudStack, Notation::Xml, operation);
        assert_eq!(
            written(Some("listZones")),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><listzonesresponse><uuidList></uuidList>\
             <errorcode>431</errorcode><cserrorcode>9999</cserrorcode><errortext>no &lt;Action&gt; &amp; \
             &quot;co&quot;</errortext></listzonesresponse>"
        );
        for other in [None, Some(""), Some("1st"), Some("a b"), Some("a><b")] {
            assert!(written(other).contains("<errorresponse>"), "{other:?}");
        }
    }
}
