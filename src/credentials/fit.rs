//! Whether a key can sign for the routes that it is configured for.

use thiserror::Error;

use super::access_key::ActiveKey;
use super::mac_key::{KeyForm, MacKey, SignatureMethod};
use super::signer::SigningError;
use super::store::{LoadErrorKind, StoreError};

/// What a route needs of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteNeeds {
    /// The route's name.
    pub route: String,
    /// Its dialect, as in the configuration.
    pub dialect: &'static str,
    /// What its requests are signed with.
    pub key: MacKey,
    /// Where the MAC comes from.
    pub method: MethodOrigin,
    /// Where the access key ID is sent.
    pub id: IdPlace,
    /// What becomes of a session token.
    pub token: TokenPlace,
}

/// Who decides on the MAC of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodOrigin {
    /// `profile.signature_method` of the route.
    Chosen,
    /// The dialect, which has no other.
    Dialect,
}

/// Where a dialect sends the access key ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdPlace {
    /// In the form, where every character has an encoding.
    Form,
    /// In `Authorization`, as it is.
    Field,
}

/// Whether a dialect has a place for the session token of temporary credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPlace {
    /// It is sent.
    Sent,
    /// There is none.
    None,
}

/// Why a key cannot sign for a route.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Misfit {
    /// It does not compute the MAC that the route asks for.
    #[error("it does not compute {}, which `profile.signature_method` of route.{route} asks for", .method.as_str())]
    ChosenMethod {
        /// The route.
        route: String,
        /// The MAC.
        method: SignatureMethod,
    },
    /// It does not compute the MAC of the route's dialect.
    #[error("it does not compute {}, with which the dialect {dialect} of route.{route} is signed", .method.as_str())]
    Method {
        /// The route.
        route: String,
        /// The dialect.
        dialect: &'static str,
        /// The MAC.
        method: SignatureMethod,
    },
    /// It was imported into its token for another dialect.
    #[error(
        "the token has {}, and the dialect {dialect} of route.{route} is signed with {}: import the key once more, \
         under another label, with `countersign keys import-pkcs11 --dialect {dialect}`",
        .has.in_words(),
        .needed.in_words()
    )]
    Form {
        /// The route.
        route: String,
        /// The dialect.
        dialect: &'static str,
        /// What the token has of the secret.
        has: KeyForm,
        /// What it should have.
        needed: KeyForm,
    },
    /// Its ID would be read as other parts of the header field that it is sent in.
    #[error(
        "its access key ID has a space, `,`, `/` or a character that is not ASCII, and the dialect {dialect}, which \
         route.{route} signs, sends it in `Authorization`, where these cannot stand: check the ID"
    )]
    Id {
        /// The route.
        route: String,
        /// The dialect.
        dialect: &'static str,
    },
    /// It is temporary, and its session token could not be sent.
    #[error(
        "it has a session token, and requests of the dialect {dialect}, which route.{route} signs, have no place for \
         one: use a key without a session token"
    )]
    Token {
        /// The route.
        route: String,
        /// The dialect.
        dialect: &'static str,
    },
}

impl StoreError for Misfit {
    fn kind(&self) -> LoadErrorKind {
        LoadErrorKind::Invalid
    }
}

/// Why `key` cannot sign for these routes: at most one reason for each.
#[must_use]
pub fn misfits(key: &ActiveKey, needs: &[RouteNeeds]) -> Vec<Misfit> {
    needs.iter().filter_map(|route| misfit(key, route)).collect()
}

fn misfit(key: &ActiveKey, needs: &RouteNeeds) -> Option<Misfit> {
    let RouteNeeds { route, dialect, key: needed, method, id, token } = needs;
    let (route, dialect) = (route.clone(), *dialect);
    match (key.signing_key().check(*needed), method) {
        (Ok(()), _) => {}
        (Err(SigningError::OtherDialect(has)), _) => {
            return Some(Misfit::Form { route, dialect, has, needed: needed.form });
        }
        (Err(_), MethodOrigin::Chosen) => return Some(Misfit::ChosenMethod { route, method: needed.method }),
        (Err(_), MethodOrigin::Dialect) => return Some(Misfit::Method { route, dialect, method: needed.method }),
    }
    match id {
        IdPlace::Field if !fits_in_field(key.id().as_str()) => return Some(Misfit::Id { route, dialect }),
        IdPlace::Form | IdPlace::Field => {}
    }
    match token {
        TokenPlace::None if key.session_token().is_some() => Some(Misfit::Token { route, dialect }),
        TokenPlace::None | TokenPlace::Sent => None,
    }
}

/// Whether an ID is one part of `Credential=ID/DATE/...`, whoever reads it.
fn fits_in_field(id: &str) -> bool {
    id.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b',' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::super::access_key::{AccessKeyId, Credentials, HeldKey};
    use super::super::secret::{SecretAccessKey, SessionToken};
    use super::*;

    fn key(token: Option<&str>) -> ActiveKey {
        HeldKey::new(Credentials {
            access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
            secret_access_key: SecretAccessKey::new(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").unwrap(),
            session_token: token.map(|token| SessionToken::new(token).unwrap()),
            expiration: None,
        })
        .into()
    }

    fn route(name: &str, token: TokenPlace) -> RouteNeeds {
        RouteNeeds {
            route: name.to_owned(),
            dialect: "openstack",
            key: MacKey { form: KeyForm::Secret, method: SignatureMethod::HmacSha256 },
            method: MethodOrigin::Dialect,
            id: IdPlace::Form,
            token,
        }
    }

    #[test]
    fn a_session_token_is_refused_for_each_route_that_cannot_send_it() {
        let routes = [route("a", TokenPlace::None), route("b", TokenPlace::Sent), route("c", TokenPlace::None)];
        assert_eq!(misfits(&key(None), &routes), []);
        let refused = |name: &str| Misfit::Token { route: name.to_owned(), dialect: "openstack" };
        assert_eq!(misfits(&key(Some("token")), &routes), [refused("a"), refused("c")]);
    }

    #[test]
    fn only_an_id_that_is_one_part_of_a_field_fits_in_it() {
        for good in ["AKIAIOSFODNN7EXAMPLE", "a-b_c.d~e", "0123:abc@example", "a=b+c;d"] {
            assert!(fits_in_field(good), "{good}");
        }
        for bad in ["a,b", "a, SignedHeaders=host", "a/b", "a b", " a", "\u{e4}", "\u{2028}"] {
            assert!(!fits_in_field(bad), "{bad}");
        }
    }
}
