//! The XML of the service's responses.

use std::fmt::Write as _;

use quick_xml::escape::escape;

use super::operation::Operation;
use super::refusal::Refusal;
use crate::query::document::MEDIA_TYPE;
use crate::query::{ErrorDialect, ErrorDocument, ErrorType};

/// The namespace of the service's responses, from its API reference (2010-06-03).
const NAMESPACE: &str = "http://importexport.amazonaws.com/";

/// The media type of every response, errors included.
pub(super) const CONTENT_TYPE: &str = MEDIA_TYPE;

/// The elements inside a `<...Result>`, in the order they are added.
#[derive(Debug, Default)]
pub(super) struct Elements(String);

impl Elements {
    /// No elements yet.
    #[must_use]
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds `<name>text</name>`.
    #[must_use]
    pub(super) fn text(mut self, name: &str, text: impl AsRef<str>) -> Self {
        let text = escaped(text.as_ref());
        let _infallible = write!(self.0, "<{name}>{text}</{name}>");
        self
    }

    /// Adds `<name>text</name>` when there is a text.
    #[must_use]
    pub(super) fn optional(self, name: &str, text: Option<impl AsRef<str>>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// Adds `<name>` with one `<member>` per item.
    #[must_use]
    pub(super) fn list(mut self, name: &str, members: impl IntoIterator<Item = Self>) -> Self {
        let _infallible = write!(self.0, "<{name}>");
        for member in members {
            let _infallible = write!(self.0, "<member>{}</member>", member.0);
        }
        let _infallible = write!(self.0, "</{name}>");
        self
    }

    /// Puts the elements into the response of `operation`.
    #[must_use]
    pub(super) fn into_document(self, operation: Operation, request_id: &str) -> String {
        self.into_named_document(operation.name(), NAMESPACE, request_id)
    }

    /// Puts the elements into the response to an Action, whose name can name an element.
    #[must_use]
    pub(super) fn into_named_document(self, action: &str, namespace: &str, request_id: &str) -> String {
        format!(
            "<{action}Response xmlns=\"{namespace}\"><{action}Result>{}</{action}Result>\
             <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{action}Response>",
            self.0,
            escaped(request_id)
        )
    }
}

/// The document of a refusal.
#[must_use]
pub(super) fn refusal_document(refusal: &Refusal, request_id: &str) -> String {
    let message = refusal.to_string();
    ErrorDocument { error_type: ErrorType::Sender, code: refusal.code(), message: &message, request_id }
        .to_xml(ErrorDialect::Query)
}

/// Escapes a carriage return too: a reader would turn it into a line feed (XML 1.0 section 2.11), and a manifest must
/// come back as it was sent.
fn escaped(text: &str) -> String {
    escape(text).replace('\r', "&#13;")
}

/// Whether XML 1.0 (section 2.2) can carry `character`, escaped or not.
#[must_use]
pub(super) const fn is_xml_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_has_its_result_and_the_request_id() {
        let jobs = [Elements::new().text("JobId", "A"), Elements::new().text("JobId", "B")];
        let document = Elements::new()
            .list("Jobs", jobs)
            .optional("Absent", None::<&str>)
            .text("IsTruncated", "false")
            .into_document(Operation::ListJobs, "r-1");
        assert_eq!(
            document,
            "<ListJobsResponse xmlns=\"http://importexport.amazonaws.com/\"><ListJobsResult>\
             <Jobs><member><JobId>A</JobId></member><member><JobId>B</JobId></member></Jobs>\
             <IsTruncated>false</IsTruncated></ListJobsResult><ResponseMetadata><RequestId>r-1</RequestId>\
             </ResponseMetadata></ListJobsResponse>"
        );
    }

    #[test]
    fn markup_and_carriage_returns_are_escaped() {
        let document = Elements::new().text("CurrentManifest", "a: <b> & \"c\"\r\n");
        assert_eq!(document.0, "<CurrentManifest>a: &lt;b&gt; &amp; &quot;c&quot;&#13;\n</CurrentManifest>");
    }

    #[test]
    fn a_refusal_is_an_error_document() {
        let document = refusal_document(&Refusal::CanceledJob, "r-1");
        assert!(document.contains("<Type>Sender</Type><Code>CanceledJobIdException</Code>"), "{document}");
        assert!(document.contains("<RequestId>r-1</RequestId>"), "{document}");
    }
}
