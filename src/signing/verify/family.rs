//! Which file's rules a dialect's servers follow.

use super::problem::Problem;
use super::reading::Reading;
use super::received::Received;
use super::{alibaba, cloudstack, encoding, in_head, qingcloud, tencent, v2};
use crate::signing::dialect::Dialect;

/// Reads requests as the servers of one dialect do.
#[derive(Debug, Clone)]
pub struct Verifier {
    dialect: Dialect,
    region: String,
    service: String,
}

impl Verifier {
    /// The region and the service matter where keys are derived for them.
    #[must_use]
    pub fn new(dialect: Dialect, region: Option<&str>, service: Option<&str>) -> Self {
        let [region, service] = [region, service].map(|text| text.unwrap_or_default().to_owned());
        Self { dialect, region, service }
    }

    /// The dialect.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Reads a request.
    ///
    /// # Errors
    /// What a server finds wrong before it looks for the key.
    pub fn read(&self, received: &Received<'_>) -> Result<Reading, Problem> {
        self.read_written(received, &encoding::rfc3986)
    }

    /// The same, by a server that would write names and values like this. CloudStack and Tencent write in a way of
    /// their own.
    pub(in crate::signing) fn read_written(
        &self,
        received: &Received<'_>,
        write: &dyn Fn(&str) -> String,
    ) -> Result<Reading, Problem> {
        let realm = [self.region.as_str(), self.service.as_str()];
        match self.dialect {
            Dialect::AwsV2 => v2::read(&v2::AWS, received, write),
            Dialect::OpenStack => v2::read(&v2::OPENSTACK, received, write),
            Dialect::Nifcloud => v2::read(&v2::NIFCLOUD, received, write),
            Dialect::Eucalyptus => v2::read(&v2::EUCALYPTUS, received, write),
            Dialect::AwsV4 => in_head::read(&in_head::AWS, received, realm),
            Dialect::Volcengine => in_head::read(&in_head::VOLCENGINE, received, realm),
            Dialect::AlibabaAcs3 => in_head::read(&in_head::ALIBABA, received, realm),
            Dialect::CloudStack => cloudstack::read(received),
            Dialect::AlibabaRpc => alibaba::read(received, write),
            Dialect::QingCloud => qingcloud::read(received, write),
            Dialect::TencentV1 => tencent::read(received),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever comes to the sandbox is read or refused.
        #[test]
        fn no_request_causes_a_panic(
            host in "\\PC{0,12}",
            path in "/\\PC{0,12}",
            query in "(\\PC|&|=|%){0,12}",
            authorization in "((AWS4|ACS3)-HMAC-SHA256 |Credential=|SignedHeaders=|Signature=|[a-f0-9/;,= é]){0,16}",
            time in "(20261003T151930Z|2026-10-03T15:19:30Z|\\PC{0,8})",
            form in "(AWSAccessKeyId|AccessKeyId|apiKey|access_key_id|SecretId|[Ss]ignature|=|&|%|2|é){0,24}",
            bytes in any::<Vec<u8>>(),
        ) {
            let names = ["authorization", "x-amz-date", "x-date", "x-acs-date", "x-content-sha256", "host"];
            let fields: Vec<_> = names.map(|name| {
                (name.to_owned(), if name == "authorization" { authorization.clone() } else { time.clone() })
            }).into_iter().collect();
            for (dialect, body) in Dialect::ALL.into_iter().flat_map(|one| [(one, form.as_bytes()), (one, &bytes)]) {
                let received = Received { host: &host, path: &path, query: &query, fields: &fields, body };
                let _any = Verifier::new(dialect, Some("r"), None).read(&received);
            }
        }
    }
}
