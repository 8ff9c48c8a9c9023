//! Error documents in the two dialects of the AWS Query protocol, so that SDKs read our refusals as they read AWS's.

use quick_xml::escape::escape;

/// How an endpoint's family writes errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorDialect {
    /// `<ErrorResponse><Error>...`: most services.
    Query,
    /// `<Response><Errors><Error>...`: EC2, SimpleDB and their relatives.
    Ec2,
}

impl ErrorDialect {
    /// What the configuration calls them.
    pub const WORDS: [(&'static str, Self); 2] = [("query", Self::Query), ("ec2", Self::Ec2)];
}

/// Whose fault an error is, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorType {
    /// The caller's: repeating the same request will not help.
    Sender,
    /// The service's.
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
pub const MEDIA_TYPE: &str = "text/xml;charset=utf-8";

/// One error, ready to be written in either dialect.
#[derive(Debug, Clone, Copy)]
pub struct ErrorDocument<'a> {
    /// Sender or Receiver.
    pub error_type: ErrorType,
    /// AWS's code, or one that begins with `Proxy`.
    pub code: &'a str,
    /// For a person. Names parameters, never values.
    pub message: &'a str,
    /// The id that the answer's header and the log carry too.
    pub request_id: &'a str,
}

impl ErrorDocument<'_> {
    /// Writes the document.
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
