//! How a route's endpoint expects requests to be signed: a dialect, and what it leaves to choose.

use std::sync::Arc;

use thiserror::Error;

use super::dialect::{Dialect, FormMac, PathRule, Place};
use super::stamp::Stamp;
use super::target::SigningTarget;
use super::timestamp::RequestTimestamp;
use crate::credentials::{
    Derivation, IdPlace, KeyForm, KeyScope, KeyUse, MacKey, MethodOrigin, RouteNeeds, SignatureMethod, TokenPlace,
};
use crate::query::ErrorDialect;

/// How a route's endpoint expects requests to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The dialect.
    pub(super) dialect: Dialect,
    /// The MAC to compute, which is also the value of `SignatureMethod` where there is such a parameter.
    pub(super) signature_method: SignatureMethod,
    /// What derived keys are good for; `None` where none are derived.
    pub(super) realm: Option<Realm>,
}

/// Region and service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Realm {
    pub(super) region: Arc<str>,
    pub(super) service: Arc<str>,
}

/// Why there is no such profile.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// The region is missing.
    #[error("{0} signs for a region and a service: say the region, which cannot be told from the endpoint")]
    RegionMissing(&'static str),
    /// The service is missing.
    #[error("{0} signs for a region and a service: say the service, which cannot be told from the endpoint")]
    ServiceMissing(&'static str),
    /// A region is given where none is signed for.
    #[error("{0} signs for no region: leave it out, or choose the dialect aws-v4")]
    NoRegion(&'static str),
    /// A service is given where none is signed for.
    #[error("{0} signs for no service")]
    NoService(&'static str),
    /// A region of other characters.
    #[error("a region is 1 to 64 ASCII letters, digits and `-`, as in us-east-1")]
    Region,
    /// A service of other characters.
    #[error("a service is 1 to 64 ASCII letters, digits and `-`, as in ec2")]
    Service,
    /// The dialect has another MAC.
    #[error("{dialect} is signed with {} only", .only.as_str())]
    Method {
        /// The dialect's name.
        dialect: &'static str,
        /// Its MAC.
        only: SignatureMethod,
    },
    /// The endpoint's path could be read in two ways.
    #[error("an endpoint of {dialect} has a path {expected}")]
    Path {
        /// The dialect's name.
        dialect: &'static str,
        /// Which paths there are.
        expected: &'static str,
    },
}

impl Profile {
    /// AWS Signature Version 2, with this MAC.
    #[must_use]
    pub const fn aws_v2(signature_method: SignatureMethod) -> Self {
        Self { dialect: Dialect::AwsV2, signature_method, realm: None }
    }

    /// A profile of any dialect: with a MAC where the dialect has a choice (HMAC-SHA256 if none is given), and with
    /// region and service where keys are derived for them.
    ///
    /// # Errors
    /// [`ProfileError`]: what is missing, or is no matter of the dialect.
    pub fn new(
        dialect: Dialect,
        method: Option<SignatureMethod>,
        region: Option<&str>,
        service: Option<&str>,
    ) -> Result<Self, ProfileError> {
        let word = dialect.as_str();
        let (only, derives) = match &dialect.row().place {
            Place::Form(form) => match form.mac {
                FormMac::Chosen => (None, false),
                FormMac::Fixed(method) => (Some(method), false),
                FormMac::SecretAndAmpersand => (Some(SignatureMethod::HmacSha1), false),
            },
            Place::Head(head) => (Some(SignatureMethod::HmacSha256), head.derivation.is_some()),
        };
        let signature_method = match (method, only) {
            (Some(method), Some(only)) if method != only => return Err(ProfileError::Method { dialect: word, only }),
            (Some(method), _) | (None, Some(method)) => method,
            (None, None) => SignatureMethod::HmacSha256,
        };
        let realm = match (derives, region, service) {
            (false, None, None) => None,
            (false, Some(_), _) => return Err(ProfileError::NoRegion(word)),
            (false, None, Some(_)) => return Err(ProfileError::NoService(word)),
            (true, None, _) => return Err(ProfileError::RegionMissing(word)),
            (true, Some(_), None) => return Err(ProfileError::ServiceMissing(word)),
            (true, Some(region), Some(service)) => Some(Realm {
                region: plain(region).ok_or(ProfileError::Region)?,
                service: plain(service).ok_or(ProfileError::Service)?,
            }),
        };
        Ok(Self { dialect, signature_method, realm })
    }

    /// The same way of signing, for another region; `None` where the dialect signs for none.
    ///
    /// # Errors
    /// [`ProfileError`]: the region is missing, is no matter of the dialect, or is none.
    pub fn in_region(&self, region: Option<&str>) -> Result<Self, ProfileError> {
        Self::new(self.dialect, Some(self.signature_method), region, self.service())
    }

    /// The dialect.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The shape in which the endpoint's SDKs expect errors, as far as it can be told.
    #[must_use]
    pub fn errors(&self) -> ErrorDialect {
        match (self.dialect, self.service()) {
            (Dialect::AwsV4, Some("ec2")) => ErrorDialect::Ec2,
            _ => self.dialect.errors(),
        }
    }

    /// The MAC to compute.
    #[must_use]
    pub const fn signature_method(&self) -> SignatureMethod {
        self.signature_method
    }

    /// The region that is signed for, where one is.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.realm.as_ref().map(|realm| &*realm.region)
    }

    /// The service that is signed for, where one is.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.realm.as_ref().map(|realm| &*realm.service)
    }

    /// Time and, where the dialect has a place for one, nonce of a request that is to have a signature of its own.
    /// `random` is asked for 16 random bytes only if they are needed.
    #[must_use]
    pub fn stamp(&self, time: RequestTimestamp, random: impl FnOnce() -> [u8; 16]) -> Stamp {
        let nonce = self.dialect.has_room_for_a_nonce().then(|| self.dialect.nonce(random()));
        Stamp { nonce, ..Stamp::at(time) }
    }

    /// What of a secret, and with which MAC, requests are signed.
    #[must_use]
    pub fn mac_key(&self) -> MacKey {
        let form = match &self.dialect.row().place {
            Place::Form(form) => match form.mac {
                FormMac::Chosen | FormMac::Fixed(_) => KeyForm::Secret,
                FormMac::SecretAndAmpersand => KeyForm::SecretAndAmpersand,
            },
            Place::Head(head) => head.derivation.map_or(KeyForm::Secret, Derivation::form),
        };
        MacKey { form, method: self.signature_method }
    }

    /// What the MAC of a request of this time is computed with. The day of a derived key is that of the time which is
    /// sent.
    #[must_use]
    pub fn key_use(&self, time: &RequestTimestamp) -> KeyUse {
        match (self.scope(time), self.mac_key().form) {
            (Some(scope), _) => KeyUse::Derived(Box::new(scope)),
            (None, KeyForm::SecretAndAmpersand) => KeyUse::SecretAndAmpersand,
            (None, KeyForm::Secret | KeyForm::Aws4AndSecret) => KeyUse::Secret(self.signature_method),
        }
    }

    /// What a derived key is good for; `None` where none is derived.
    pub(super) fn scope(&self, time: &RequestTimestamp) -> Option<KeyScope> {
        let Place::Head(head) = &self.dialect.row().place else { return None };
        let (derivation, realm) = head.derivation.zip(self.realm.as_ref())?;
        let basic = time.basic();
        let date = *basic.first_chunk()?;
        Some(KeyScope { derivation, date, region: realm.region.clone(), service: realm.service.clone() })
    }

    /// What a key of the route `route` has to be able to do.
    #[must_use]
    pub fn needs(&self, route: &str) -> RouteNeeds {
        RouteNeeds {
            route: route.to_owned(),
            dialect: self.dialect.as_str(),
            key: self.mac_key(),
            method: if self.dialect.mac_keys().len() > 1 { MethodOrigin::Chosen } else { MethodOrigin::Dialect },
            id: match &self.dialect.row().place {
                Place::Form(_) => IdPlace::Form,
                Place::Head(_) => IdPlace::Field,
            },
            token: if self.dialect.takes_token() { TokenPlace::Sent } else { TokenPlace::None },
        }
    }

    /// Checks that signer and endpoint read the endpoint's path alike.
    ///
    /// # Errors
    /// [`ProfileError::Path`].
    pub fn check_target(&self, target: &SigningTarget) -> Result<(), ProfileError> {
        let row = self.dialect.row();
        let expected = match row.path {
            PathRule::Any => return Ok(()),
            PathRule::Root if target.path == "/" => return Ok(()),
            PathRule::Plain if is_plain(&target.path) => return Ok(()),
            PathRule::Root => "of `/` alone",
            PathRule::Plain => "of letters, digits and `-_.~/`, without `//`, `/./` and `/../`",
        };
        Err(ProfileError::Path { dialect: row.word, expected })
    }
}

fn plain(text: &str) -> Option<Arc<str>> {
    const LONGEST: usize = 64;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_plain && !text.is_empty() && text.len() <= LONGEST).then(|| text.into())
}

/// Whether a path is the same for those that encode it once more, resolve its dots, or take it as it is.
fn is_plain(path: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let Some(rest) = path.strip_prefix('/') else { return false };
    let mut parts = rest.split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        if (part.is_empty() && !is_last) || matches!(part, "." | "..") || !part.bytes().all(is_unreserved) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_takes_what_is_left_to_choose_and_nothing_else() {
        let method = Some(SignatureMethod::HmacSha1);
        let (region, service) = (Some("eu-central-1"), Some("ec2"));
        for (dialect, method, region, service, error) in [
            (Dialect::AwsV2, method, None, None, None),
            (Dialect::TencentV1, method, None, None, None),
            (Dialect::CloudStack, method, None, None, None),
            (Dialect::AwsV4, None, region, service, None),
            (Dialect::AwsV4, None, Some("RegionOne"), service, None),
            (
                Dialect::OpenStack,
                method,
                None,
                None,
                Some(ProfileError::Method { dialect: "openstack", only: SignatureMethod::HmacSha256 }),
            ),
            (Dialect::AwsV4, None, region, None, Some(ProfileError::ServiceMissing("aws-v4"))),
            (Dialect::AwsV4, None, None, None, Some(ProfileError::RegionMissing("aws-v4"))),
            (Dialect::AwsV2, None, region, None, Some(ProfileError::NoRegion("aws-v2"))),
            (Dialect::AwsV2, None, None, service, Some(ProfileError::NoService("aws-v2"))),
            (Dialect::AwsV4, None, Some("eu/1"), service, Some(ProfileError::Region)),
            (Dialect::AwsV4, None, Some(""), service, Some(ProfileError::Region)),
            (Dialect::AwsV4, None, region, Some("ec2/"), Some(ProfileError::Service)),
        ] {
            assert_eq!(Profile::new(dialect, method, region, service).err(), error, "{dialect:?}");
        }
    }

    #[test]
    fn a_path_that_could_be_read_in_two_ways_is_refused_where_it_is_encoded() {
        let profile = Profile::new(Dialect::AwsV4, None, Some("us-east-1"), Some("sqs")).unwrap();
        let check = |path: &str| {
            profile.check_target(&SigningTarget { host: "h.example".to_owned(), path: path.to_owned() }).is_ok()
        };
        for path in ["/", "/v1/", "/123456789012/queue", "/a.b/~c"] {
            assert!(check(path), "{path}");
        }
        for path in ["", "a", "//", "/a//b", "/./a", "/a/..", "/a%20b", "/a:b", "/a+b", "/é"] {
            assert!(!check(path), "{path}");
        }
    }
}
