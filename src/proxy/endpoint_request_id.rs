//! The endpoint's own ID of a request: in a field of its response, or in a short document that arrived with the head.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::http1::Fields;
use crate::telemetry::EndpointRequestId;
use crate::upstream::AnswerBody;

/// The fields of AWS's services, of OpenStack's, of Alibaba Cloud's, and of many others.
const FIELDS: [&str; 7] = [
    "x-amzn-requestid",
    "x-amz-request-id",
    "x-amzn-request-id",
    "x-openstack-request-id",
    "x-compute-request-id",
    "x-acs-request-id",
    "x-request-id",
];

/// The most bytes of a document that are searched. It is not waited for: of a document that is larger, or that has not
/// arrived with the head, the ID is not known.
const SEARCHED: usize = 8 * 1024;

/// What the names have in common. Made once: making a finder takes as long as searching a short document.
static COMMON: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"equestI"));

/// The ID that the response gives, if any.
pub(super) fn read(fields: &Fields, body: &AnswerBody) -> Option<EndpointRequestId> {
    in_fields(fields).or_else(|| body.at_hand(SEARCHED).find_map(in_document))
}

fn in_fields(fields: &Fields) -> Option<EndpointRequestId> {
    // one look at each field: most begin with another letter
    let mut candidates =
        fields.iter().filter(|(name, _)| name.first().is_some_and(|first| matches!(first, b'x' | b'X')));
    candidates.find_map(|(name, value)| {
        let is_known = FIELDS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        is_known.then(|| EndpointRequestId::new(value)).flatten()
    })
}

/// The text of the first `<RequestId>`, `<RequestID>` or `<requestId>`, or the string of such a member of a JSON
/// object.
fn in_document(document: &[u8]) -> Option<EndpointRequestId> {
    COMMON.find_iter(document).find_map(|found| {
        let before = document.get(..found)?;
        let behind = document.get(found..)?.strip_prefix(b"equestI")?;
        let behind = behind.strip_prefix(b"d").or_else(|| behind.strip_prefix(b"D"))?;
        let (value, end) = match before {
            [.., b'<', b'R' | b'r'] => (behind.strip_prefix(b">")?, b'<'),
            [.., b'"', b'R' | b'r'] => {
                let behind = behind.strip_prefix(b"\"")?.trim_ascii_start().strip_prefix(b":")?;
                (behind.trim_ascii_start().strip_prefix(b"\"")?, b'"')
            }
            _ => return None,
        };
        let length = memchr::memchr(end, value)?;
        EndpointRequestId::new(value.get(..length)?.trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_known_in_any_case() {
        let id = |fields: &[(&str, &str)]| {
            let fields: Fields = fields.iter().copied().collect();
            in_fields(&fields).map(|id| id.as_str().to_owned())
        };
        assert_eq!(id(&[("Date", "x"), ("x-amzn-RequestId", "a-1")]), Some("a-1".to_owned()));
        assert_eq!(id(&[("X-Openstack-Request-Id", "req-2")]), Some("req-2".to_owned()));
        assert_eq!(id(&[("x-request-id", "a b"), ("x-request", "c"), ("y-request-id", "d")]), None);
    }

    #[test]
    fn documents_of_every_dialect_name_it() {
        for document in [
            "<R><A>x</A><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></R>",
            "<Response><Errors/><RequestID>r-1</RequestID></Response>",
            "<DescribeVpcsResponse>\n  <requestId> r-1 </requestId><spotInstanceRequestId>no</spotInstanceRequestId>",
            "<A><spotInstanceRequestId>no</spotInstanceRequestId><requestId>r-1</requestId>",
            "{\"RequestId\" : \"r-1\", \"TotalCount\": 0}",
        ] {
            assert_eq!(in_document(document.as_bytes()).unwrap().as_str(), "r-1", "{document}");
        }
        for document in [
            "",
            "RequestId",
            "<RequestId>",
            "<RequestId>r",
            "<RequestId></RequestId>",
            "<RequestId>a\n b</",
            "{\"RequestId\":7}",
        ] {
            assert_eq!(in_document(document.as_bytes()), None, "{document}");
        }
    }
}
