//! Error documents in the two dialects of the AWS Query protocol, so that SDKs parse our refusals as they parse AWS's.

use quick_xml::escape::escape;

/// The XML dialect in which an endpoint writes its errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorDialect {
    /// `<ErrorResponse><Error>...`: most services.
    Query,
    /// `<Response><Errors><Error>...`: EC2, SimpleDB and their relatives.
    Ec2,
}

impl ErrorDialect {
    /// The names in the configuration.
    pub const WORDS: [(&'static str, Self); 2] = [("query", Self::Query), ("ec2", Self::Ec2)];
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

/// The media type of an error document.
pub(crate) const MEDIA_TYPE: &str = "text/xml;charset=utf-8";

/// One error, ready to be written in either dialect.
#[derive(Debug, Clone, Copy)]
pub struct ErrorDocument<'a> {
    /// Who is to blame.
    pub error_type: ErrorType,
    /// AWS's code, or one that begins with `Proxy`.
    pub code: &'a str,
    /// Text for people. It may name parameters, and never contains their values.
    pub message: &'a str,
    /// The request id, which the response's header and the log have too.
    pub request_id: &'a str,
}

impl ErrorDocument<'_> {
    /// The document as XML.
    #[must_use]
    pub fn to_xml(&self, dialect: ErrorDialect) -> String {
        let [code, message, request_id] = [self.code, self.message, self.request_id].map(escape);
        match dialect {
            ErrorDialect::Query => format!(
                "<ErrorResponse><Error><Type>{}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
                 <RequestId>{request_id}</RequestId></ErrorResponse>",
                self.error_type.as_str()
            ),
            ErrorDialect::Ec2 => format!(
                "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
                 <RequestID>{request_id}</RequestID></Response>"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: ErrorDocument<'_> = ErrorDocument {
        error_type: ErrorType::Sender,
        code: "MissingAction",
        message: "no <Action> & co",
        request_id: "r-1",
    };

    #[test]
    fn each_dialect_is_written_and_escaped() {
        assert_eq!(
            ERROR.to_xml(ErrorDialect::Query),
            "<ErrorResponse><Error><Type>Sender</Type><Code>MissingAction</Code><Message>no &lt;Action&gt; &amp; co\
             </Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
        );
        assert_eq!(
            ERROR.to_xml(ErrorDialect::Ec2),
            "<Response><Errors><Error><Code>MissingAction</Code><Message>no &lt;Action&gt; &amp; co</Message></Error>\
             </Errors><RequestID>r-1</RequestID></Response>"
        );
    }
}
