//! The documents of each cloud: of a refusal, and of an echo. XML, or JSON where the cloud or the client says so.

use quick_xml::escape::escape;
use serde_json::{Value, json};

use super::echo::NAMESPACE;
use crate::sandbox::xml::Elements;
use crate::signing::Dialect;

/// How a cloud writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `<ErrorResponse><Error>`: most services of AWS.
    Query,
    /// `<Response><Errors><Error>`: EC2 and its relatives.
    Ec2,
    /// As the first, with heat's few codes.
    Heat,
    /// `<listzonesresponse>`, or JSON with `response=json`.
    CloudStack,
    /// `<Error>`, or JSON with `Format=JSON`.
    Alibaba,
    /// JSON, with status 200 for a refusal too.
    QingCloud,
    /// The same, in another shape.
    Tencent,
}

/// What a response is written of.
pub(super) struct Frame<'a> {
    pub(super) shape: Shape,
    /// The operation, if its name can name an element.
    pub(super) operation: Option<&'a str>,
    /// Whether the client asked for JSON; some clouds do not let it choose.
    pub(super) format: Format,
    pub(super) host: &'a str,
    pub(super) request_id: &'a str,
}

/// What a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Xml,
    Json,
}

/// A code and a text, where a cloud has both.
pub(super) struct Words {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// A document and its media type.
pub(super) type Document = (String, &'static str);

const XML: &str = "text/xml;charset=utf-8";
const JSON: &str = "application/json;charset=utf-8";

impl Shape {
    /// The names of those between which services of AWS differ.
    pub const WORDS: [(&'static str, Self); 2] = [("query", Self::Query), ("ec2", Self::Ec2)];

    /// What the servers of a dialect write; those that no dialect decides for write the first.
    #[must_use]
    pub const fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::AwsV2 | Dialect::AwsV4 => Self::Query,
            Dialect::OpenStack => Self::Heat,
            Dialect::Nifcloud | Dialect::Eucalyptus => Self::Ec2,
            Dialect::CloudStack => Self::CloudStack,
            Dialect::AlibabaRpc | Dialect::AlibabaAcs3 | Dialect::Volcengine => Self::Alibaba,
            Dialect::QingCloud => Self::QingCloud,
            Dialect::TencentV1 => Self::Tencent,
        }
    }

    /// The parameter with which a client chooses JSON, and the value for it.
    pub(super) const fn choice(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::CloudStack => Some(("response", "json")),
            Self::Alibaba => Some(("Format", "JSON")),
            Self::Query | Self::Ec2 | Self::Heat | Self::QingCloud | Self::Tencent => None,
        }
    }
}

impl Frame<'_> {
    /// The document of a refusal.
    pub(super) fn refusal(&self, words: &Words) -> Document {
        let Words { status, code, message } = words;
        let error = || element("Code", code) + &element("Message", message);
        match (self.shape, self.format) {
            // heat lets an error of keystone through as a fault of its own
            (Shape::Heat, _) if *status == 500 => (message.clone(), "text/plain;charset=utf-8"),
            (Shape::Query | Shape::Heat, _) => {
                let (error, id) = (element("Type", "Sender") + &error(), element("RequestId", self.request_id));
                (format!("<ErrorResponse><Error>{error}</Error>{id}</ErrorResponse>"), XML)
            }
            (Shape::Ec2, _) => {
                let (error, id) = (error(), element("RequestID", self.request_id));
                (format!("<Response><Errors><Error>{error}</Error></Errors>{id}</Response>"), XML)
            }
            (Shape::CloudStack, Format::Json) => json_document(
                &json!({ self.response_name(): { "uuidList": [], "errorcode": status, "errortext": message } }),
            ),
            (Shape::CloudStack, Format::Xml) => {
                let name = self.response_name();
                let inside = element("errorcode", &status.to_string()) + &element("errortext", message);
                (format!("{DECLARATION}<{name} cloud-stack-version=\"4.20.0.0\">{inside}</{name}>"), XML)
            }
            (Shape::Alibaba, Format::Json) => json_document(&json!({
                "RequestId": self.request_id, "HostId": self.host, "Code": code, "Message": message,
            })),
            (Shape::Alibaba, Format::Xml) => {
                let parts =
                    [("RequestId", self.request_id), ("HostId", self.host), ("Code", code), ("Message", message)];
                let inside: String = parts.iter().map(|(name, text)| element(name, text)).collect();
                (format!("{DECLARATION}<Error>{inside}</Error>"), XML)
            }
            (Shape::QingCloud, _) => {
                json_document(&json!({ "ret_code": code.parse::<u32>().unwrap_or(5000), "message": message }))
            }
            (Shape::Tencent, _) => json_document(&json!({
                "Response": { "Error": { "Code": code, "Message": message }, "RequestId": self.request_id },
            })),
        }
    }

    /// The document of a success: the parameters that came.
    pub(super) fn echo(&self, parameters: &[(String, String)]) -> Document {
        let operation = self.operation.unwrap_or("Unnamed");
        let pair = |(name, value): &(String, String)| json!({ "name": name, "value": value });
        let pairs = || Value::from(parameters.iter().map(pair).collect::<Vec<_>>());
        match (self.shape, self.format) {
            (Shape::Query | Shape::Ec2 | Shape::Heat, _) => {
                let members =
                    parameters.iter().map(|(name, value)| Elements::new().text("Name", name).text("Value", value));
                let elements = Elements::new().list("EchoedParameters", members);
                (elements.into_named_document(operation, NAMESPACE, self.request_id), XML)
            }
            (Shape::CloudStack, Format::Json) => json_document(
                &json!({ self.response_name(): { "count": parameters.len(), "echoedparameters": pairs() } }),
            ),
            (Shape::CloudStack, Format::Xml) => {
                let name = self.response_name();
                let inside: String = parameters.iter().map(|pair| xml_pair("echoedparameter", pair)).collect();
                (format!("{DECLARATION}<{name} cloud-stack-version=\"4.20.0.0\">{inside}</{name}>"), XML)
            }
            (Shape::Alibaba, Format::Json) => {
                json_document(&json!({ "RequestId": self.request_id, "EchoedParameters": pairs() }))
            }
            (Shape::Alibaba, Format::Xml) => {
                let inside: String = parameters.iter().map(|pair| xml_pair("EchoedParameter", pair)).collect();
                let id = element("RequestId", self.request_id);
                (format!("{DECLARATION}<{operation}Response>{id}{inside}</{operation}Response>"), XML)
            }
            (Shape::QingCloud, _) => json_document(&json!({
                "action": format!("{operation}Response"), "ret_code": 0, "echoed_parameters": pairs(),
            })),
            (Shape::Tencent, _) => json_document(&json!({
                "Response": { "EchoedParameters": pairs(), "RequestId": self.request_id },
            })),
        }
    }

    /// CloudStack calls a response after the command.
    fn response_name(&self) -> String {
        self.operation.map_or_else(|| "errorresponse".to_owned(), |name| format!("{}response", name.to_lowercase()))
    }
}

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

fn json_document(value: &Value) -> Document {
    (value.to_string(), JSON)
}

fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text).replace('\r', "&#13;"))
}

fn xml_pair(element_name: &str, (name, value): &(String, String)) -> String {
    format!("<{element_name}>{}{}</{element_name}>", element("name", name), element("value", value))
}
