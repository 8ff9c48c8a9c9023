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

    /// The same, by a server that would write names and values like this. CloudStack and Tencent have a writing of their
    /// own.
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
