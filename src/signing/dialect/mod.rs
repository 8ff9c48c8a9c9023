//! The dialects in which clouds have forms signed. What differs between them is data: a row of [`rows`], and the names
//! of its parameters, a [`Vocabulary`].

mod refusals;
mod row;
mod rows;

use crate::credentials::{Derivation, KeyForm, MacKey, SignatureMethod};
use crate::query::{EndpointError, ErrorDialect, Vocabulary};

pub use refusals::Complaint;
pub(super) use row::{
    Field, FormMac, InForm, InHead, Moved, NonceKind, Parameter, PathRule, Place, Prefix, Row, Spelling, Value,
};

/// A dialect of signed forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// AWS Signature Version 2.
    AwsV2,
    /// AWS Signature Version 4.
    AwsV4,
    /// OpenStack's heat-api-cfn and ec2-api: Signature Version 2 with HMAC-SHA256 only.
    OpenStack,
    /// NIFCLOUD computing: Signature Version 2 with names of its own.
    Nifcloud,
    /// Eucalyptus: Signature Version 2.
    Eucalyptus,
    /// Apache CloudStack.
    CloudStack,
    /// Alibaba Cloud's RPC style, signature version 1.0.
    AlibabaRpc,
    /// QingCloud.
    QingCloud,
    /// Tencent Cloud, signature version 1.
    TencentV1,
    /// Alibaba Cloud, signature version 3. Nobody has verified how its endpoints take forms.
    AlibabaAcs3,
    /// Volcengine and `BytePlus`. Nobody has verified how its endpoints take forms.
    Volcengine,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::AwsV2,
        Self::AwsV4,
        Self::OpenStack,
        Self::Nifcloud,
        Self::Eucalyptus,
        Self::CloudStack,
        Self::AlibabaRpc,
        Self::QingCloud,
        Self::TencentV1,
        Self::AlibabaAcs3,
        Self::Volcengine,
    ];

    /// Those that a route may have, with their names in the configuration.
    pub const ON_ROUTES: [(&'static str, Self); 9] = [
        ("aws-v2", Self::AwsV2),
        ("aws-v4", Self::AwsV4),
        ("openstack", Self::OpenStack),
        ("nifcloud", Self::Nifcloud),
        ("eucalyptus", Self::Eucalyptus),
        ("cloudstack", Self::CloudStack),
        ("alibaba-rpc", Self::AlibabaRpc),
        ("qingcloud", Self::QingCloud),
        ("tencent-v1", Self::TencentV1),
    ];

    /// The dialect of this name.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == word)
    }

    /// Its name in the configuration and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().word
    }

    /// The names of its parameters.
    #[must_use]
    pub const fn vocabulary(self) -> &'static Vocabulary {
        self.row().vocabulary
    }

    /// Whether its requests have something that is to differ from request to request, beside the time.
    #[must_use]
    pub fn has_nonce(self) -> bool {
        match &self.row().place {
            Place::Form(form) => form.parameters.iter().any(|parameter| matches!(parameter.value, Value::Nonce(_))),
            Place::Head(head) => head.fields.iter().any(|(_, field)| *field == Field::Nonce),
        }
    }

    /// Whether its requests can have something that differs from request to request, beside the time.
    #[must_use]
    pub fn has_room_for_a_nonce(self) -> bool {
        let is_optional = |head: &InHead| head.fields.iter().any(|(_, field)| *field == Field::OptionalNonce);
        self.has_nonce() || matches!(&self.row().place, Place::Head(head) if is_optional(head))
    }

    /// Whether keys are derived for a region and a service.
    #[must_use]
    pub const fn signs_for_a_service(self) -> bool {
        match &self.row().place {
            Place::Form(_) => false,
            Place::Head(head) => head.derivation.is_some(),
        }
    }

    /// A nonce made of random bytes: in the shape of a UUID, or where the dialect has numbers, a number from 1 to
    /// 2,147,483,647.
    #[must_use]
    pub fn nonce(self, random: [u8; 16]) -> String {
        let is_number = match &self.row().place {
            Place::Form(form) => {
                form.parameters.iter().any(|parameter| parameter.value == Value::Nonce(NonceKind::Number))
            }
            Place::Head(_) => false,
        };
        if is_number {
            let [a, b, c, d, ..] = random;
            u32::from_le_bytes([a, b, c, d & 0x7f]).max(1).to_string()
        } else {
            uuid::Builder::from_random_bytes(random).into_uuid().to_string()
        }
    }

    /// The keys that it can be signed with: more than one where the MAC is a choice.
    #[must_use]
    pub fn mac_keys(self) -> Vec<MacKey> {
        let with =
            |form, methods: &[SignatureMethod]| methods.iter().map(|method| MacKey { form, method: *method }).collect();
        match &self.row().place {
            Place::Form(form) => match form.mac {
                FormMac::Chosen => with(KeyForm::Secret, &[SignatureMethod::HmacSha256, SignatureMethod::HmacSha1]),
                FormMac::Fixed(method) => with(KeyForm::Secret, &[method]),
                FormMac::SecretAndAmpersand => with(KeyForm::SecretAndAmpersand, &[SignatureMethod::HmacSha1]),
            },
            Place::Head(head) => {
                let form = head.derivation.map_or(KeyForm::Secret, Derivation::form);
                with(form, &[SignatureMethod::HmacSha256])
            }
        }
    }

    /// Whether the session token of temporary credentials has a place in its requests.
    #[must_use]
    pub fn takes_token(self) -> bool {
        match &self.row().place {
            Place::Form(form) => form.parameters.iter().any(|parameter| parameter.value == Value::Token),
            Place::Head(head) => head.fields.iter().any(|(_, field)| *field == Field::Token),
        }
    }

    /// The shape in which its endpoints write errors, as far as the dialect says: services of AWS differ.
    #[must_use]
    pub const fn errors(self) -> ErrorDialect {
        self.row().refusals.document
    }

    /// What the error of an endpoint complains about that a signer writes; `None` if it is about something else. A
    /// request that was refused so was not carried out.
    #[must_use]
    pub fn complaint(self, error: &EndpointError) -> Option<Complaint> {
        self.row().refusals.complaint(error)
    }

    pub(super) const fn row(self) -> &'static Row {
        match self {
            Self::AwsV2 => &rows::AWS_V2,
            Self::AwsV4 => &rows::AWS_V4,
            Self::OpenStack => &rows::OPENSTACK,
            Self::Nifcloud => &rows::NIFCLOUD,
            Self::Eucalyptus => &rows::EUCALYPTUS,
            Self::CloudStack => &rows::CLOUDSTACK,
            Self::AlibabaRpc => &rows::ALIBABA_RPC,
            Self::QingCloud => &rows::QINGCLOUD,
            Self::TencentV1 => &rows::TENCENT_V1,
            Self::AlibabaAcs3 => &rows::ALIBABA_ACS3,
            Self::Volcengine => &rows::VOLCENGINE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_signer_adds_is_listed_in_the_order_in_which_it_is_signed() {
        for dialect in Dialect::ALL {
            let names: Vec<_> = match &dialect.row().place {
                Place::Form(form) => form.parameters.iter().map(|parameter| parameter.name).collect(),
                Place::Head(head) => head.fields.iter().map(|(name, _)| *name).collect(),
            };
            assert!(names.is_sorted(), "{dialect:?}: {names:?}");
        }
    }

    #[test]
    fn a_nonce_has_the_shape_that_the_dialect_wants() {
        assert_eq!(Dialect::TencentV1.nonce([0; 16]), "1");
        assert_eq!(Dialect::TencentV1.nonce([0xff; 16]), "2147483647");
        assert_eq!(Dialect::AlibabaRpc.nonce([0; 16]), "00000000-0000-4000-8000-000000000000");
    }

    #[test]
    fn openstack_nifcloud_and_cloudstack_have_no_place_for_a_session_token() {
        let without: Vec<_> = Dialect::ALL.into_iter().filter(|dialect| !dialect.takes_token()).collect();
        assert_eq!(without, [Dialect::OpenStack, Dialect::Nifcloud, Dialect::CloudStack]);
    }

    #[test]
    fn the_keys_of_a_dialect_are_those_that_its_requests_are_signed_with() {
        let key = |form, method| MacKey { form, method };
        let (sha256, sha1) = (SignatureMethod::HmacSha256, SignatureMethod::HmacSha1);
        for (dialect, keys) in [
            (Dialect::AwsV2, vec![key(KeyForm::Secret, sha256), key(KeyForm::Secret, sha1)]),
            (Dialect::OpenStack, vec![key(KeyForm::Secret, sha256)]),
            (Dialect::CloudStack, vec![key(KeyForm::Secret, sha1)]),
            (Dialect::AlibabaRpc, vec![key(KeyForm::SecretAndAmpersand, sha1)]),
            (Dialect::AwsV4, vec![key(KeyForm::Aws4AndSecret, sha256)]),
            (Dialect::Volcengine, vec![key(KeyForm::Secret, sha256)]),
        ] {
            assert_eq!(dialect.mac_keys(), keys, "{dialect:?}");
        }
    }

    #[test]
    fn a_dialect_is_found_by_its_name() {
        for dialect in Dialect::ALL {
            assert_eq!(Dialect::named(dialect.as_str()), Some(dialect));
        }
        assert_eq!(Dialect::named("AWS-V2"), None);
        for (word, dialect) in Dialect::ON_ROUTES {
            assert_eq!(Dialect::named(word), Some(dialect));
        }
    }
}
